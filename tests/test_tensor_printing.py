"""What tensors print, against PyTorch: dtypes, widths, summaries, empty ones, suffixes, and options; and a fuzz."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import graphc as gc
from graphc.tensor_printing import get_printoptions, printoptions

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def options() -> Iterator[None]:
    """Both libraries print as by default before and after a test."""
    yield
    for library in (gc, torch):
        library.set_printoptions(profile="default")


def assert_same(make: Callable[[Any], Any]) -> None:
    """A tensor made with either library prints the same."""
    assert repr(make(gc)) == repr(make(torch))


CASES = {
    "whole floats": lambda t: t.tensor([1.0, 20.0, -3.0]),
    "fractions": lambda t: t.tensor([[1.5, -2.25], [1000.0, 0.001]]),
    "wide range": lambda t: t.tensor([1.0, 1e-5, 1e5]),
    "ratio of 1000": lambda t: t.tensor([1.0, 1000.0]),
    "ratio above 1000": lambda t: t.tensor([1.0, 1001.0]),
    "great": lambda t: t.tensor([1e9, 2e9]),
    "small": lambda t: t.tensor([1e-5, 2e-5]),
    "not finite": lambda t: t.tensor([float("nan"), float("inf"), -float("inf"), 1.0]),
    "not finite and fractions": lambda t: t.tensor([float("nan"), float("inf"), 1.5]),
    "nothing finite": lambda t: t.tensor([float("nan"), -float("inf")]),
    "zeros of both signs": lambda t: t.tensor([0.0, -0.0]),
    "extremes of a double": lambda t: t.tensor([1e308, 1e-308], dtype=t.float64),
    "one number": lambda t: t.tensor(2.5),
    "one whole number": lambda t: t.tensor(2.0),
    "one integer": lambda t: t.tensor(7),
    "one truth": lambda t: t.tensor(True),
    "integers": lambda t: t.tensor([[1, -20], [300, 4]]),
    "narrow integers": lambda t: t.tensor([1, 2], dtype=t.int16),
    "bytes": lambda t: t.tensor([1, 200], dtype=t.uint8),
    "truths": lambda t: t.tensor([[True, False]]),
    "doubles": lambda t: t.tensor([0.5], dtype=t.float64),
    "halves": lambda t: t.tensor([0.1, 1000.0, 65504.0], dtype=t.float16),
    "brain floats": lambda t: t.tensor([0.1, 3.0], dtype=t.bfloat16),
    "complex": lambda t: t.tensor([1 + 2j, -0.5 - 1.25j]),
    "complex doubles": lambda t: t.tensor([[1 + 2j], [3 - 4j]], dtype=t.complex128),
    "one complex": lambda t: t.tensor(1 - 1j),
    "complex and not finite": lambda t: t.tensor([complex(float("nan"), -0.0), complex(1, float("inf"))]),
    "empty": lambda t: t.tensor([]),
    "empty of some shape": lambda t: t.zeros(0, 3),
    "empty integers": lambda t: t.zeros(2, 0, dtype=t.int64),
    "empty doubles": lambda t: t.zeros(0, dtype=t.float64),
    "empty that wants a gradient": lambda t: t.zeros(0, 3, requires_grad=True),
    "long vector": lambda t: t.arange(1001),
    "vector at the threshold": lambda t: t.arange(1000),
    "long float vector": lambda t: t.arange(2000.0) / 7,
    "long matrix": lambda t: t.arange(2000).reshape(100, 20),
    "long and narrow": lambda t: t.arange(3000.0).reshape(1500, 2),
    "long in three dims": lambda t: t.arange(8000.0).reshape(20, 20, 20),
    "long in four dims": lambda t: t.arange(4096).reshape(8, 8, 8, 8),
    "lines that break": lambda t: t.arange(40.0) / 3,
    "rows that break": lambda t: t.arange(60.0).reshape(2, 30) / 3,
    "three dims": lambda t: t.arange(12.0).reshape(2, 3, 2),
    "four dims": lambda t: t.arange(16).reshape(2, 2, 2, 2),
    "leaf": lambda t: t.ones(2, requires_grad=True),
    "leaf of doubles": lambda t: t.ones(2, dtype=t.float64, requires_grad=True),
    "computed": lambda t: t.ones(2, requires_grad=True) * 2,
    "computed doubles": lambda t: t.ones(3, dtype=t.float64, requires_grad=True).exp(),
    "suffix on a line of its own": lambda t: (t.arange(10.0) / 3).requires_grad_() * 2,
    "suffix at the end of the line": lambda t: (t.arange(7.0) / 3).requires_grad_() * 2,
    "two suffixes": lambda t: (t.arange(8.0, dtype=t.float64) / 3).requires_grad_().sigmoid(),
    "written through a view": lambda t: _written(t),
    "size": lambda t: t.ones(2, 3).shape,
    "dtype": lambda t: t.int64,
    "device": lambda t: t.device("cuda:1"),
    "tuple": lambda t: (t.ones(2), [t.zeros(1)]),
    "parameter": lambda t: t.nn.Parameter(t.ones(2, 2)),
}


def _written(t: Any) -> Any:
    y = t.ones(2, 2, requires_grad=True) * 1
    y[0] = 5.0
    return y


@pytest.mark.parametrize("case", CASES)
def test_prints_as_torch(case: str) -> None:
    """The very characters."""
    assert_same(CASES[case])


OPTIONS = [
    {"precision": 2},
    {"precision": 8},
    {"precision": 0},
    {"threshold": 5},
    {"threshold": 5, "edgeitems": 1},
    {"threshold": 2, "edgeitems": 0},
    {"linewidth": 40},
    {"linewidth": 200},
    {"profile": "short"},
    {"profile": "full"},
    {"profile": "short", "precision": 6},
    {"sci_mode": True},
    {"sci_mode": False},
    {"sci_mode": True, "precision": 1, "linewidth": 30},
]
SHOWN = [
    lambda t: t.arange(12.0) / 7,
    lambda t: t.tensor([1e-8, 1.0, 1e9]),
    lambda t: t.arange(1500).reshape(30, 50),
    lambda t: t.tensor([[1.0, 2.0], [3.0, float("nan")]], requires_grad=True),
    lambda t: t.tensor([1 + 2j, 0.5j]),
    lambda t: t.tensor(3.14159),
]


@pytest.mark.parametrize("chosen", OPTIONS, ids=str)
def test_options(chosen: dict[str, Any]) -> None:
    """Every option and profile, on tensors that show it."""
    for library in (gc, torch):
        library.set_printoptions(**chosen)
    for make in SHOWN:
        assert_same(make)


def test_options_are_given_back() -> None:
    """A block's options end with it."""
    before = get_printoptions()
    with printoptions(precision=1, sci_mode=False):
        assert repr(gc.tensor(0.55)) == "tensor(0.6)"
    assert get_printoptions() == before


def test_format_and_str() -> None:
    """A number in a format string, and `str`."""
    for t in (gc, torch):
        assert f"{t.tensor(2.5):.2f}" == "2.50"
        assert f"{t.tensor(3):d}" == "3"
        assert f"{t.tensor([1, 2])}" == str(t.tensor([1, 2])) == "tensor([1, 2])"
        with pytest.raises(TypeError):
            f"{t.tensor([1.0, 2.0]):.2f}"


FLOATS = st.one_of(
    st.floats(width=32),
    st.integers(-2000, 2000).map(float),
    st.sampled_from([0.0, -0.0, 1e-4, 1e8, 0.5, 1e-38, 3e38]),
)


@settings(max_examples=300, deadline=None)
@given(arrays.arrays(np.float32, arrays.array_shapes(min_dims=0, max_dims=4, max_side=5), elements=FLOATS))
def test_any_floats(values: np.ndarray) -> None:
    """Random values in random shapes."""
    assert repr(gc.from_numpy(values)) == repr(torch.from_numpy(values))


@settings(max_examples=100, deadline=None)
@given(
    arrays.arrays(
        st.sampled_from([np.int64, np.int32, np.uint8, np.bool_, np.float64, np.float16, np.complex64]),
        arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=9),
    ),
    st.integers(0, 4),
    st.integers(1, 20),
    st.integers(20, 100),
)
def test_any_dtype_and_options(values: np.ndarray, edgeitems: int, threshold: int, linewidth: int) -> None:
    """Random values of random dtypes, summarised here and there."""
    for library in (gc, torch):
        library.set_printoptions(edgeitems=edgeitems, threshold=threshold, linewidth=linewidth)
    assert repr(gc.from_numpy(values)) == repr(torch.from_numpy(values))
