"""Samples become batches as in PyTorch: values, dtypes, containers, and refusals."""

from __future__ import annotations

from collections import OrderedDict, UserDict, UserList, defaultdict, deque, namedtuple
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.utils import data

torch = pytest.importorskip("torch")
from torch.utils import data as torch_data  # noqa: E402

BOTH = ((gc, data), (torch, torch_data))
Point = namedtuple("Point", ["x", "y"])


def described(value: Any) -> Any:
    """A value with tensors as their dtype and elements, and containers with their types."""
    if isinstance(value, gc.Tensor | torch.Tensor):
        return "tensor", str(value.dtype), tuple(value.shape), value.tolist()
    if isinstance(value, dict | UserDict | MappingProxyType):
        return type(value).__name__, [(key, described(item)) for key, item in value.items()]
    if isinstance(value, list | tuple | UserList | deque):
        return type(value).__name__, [described(item) for item in value]
    return type(value).__name__, repr(value)


def defaults(**items: Any) -> defaultdict:
    return defaultdict(list, items)


BATCHES = {
    "tensors": lambda t: [t.tensor([1.0, 2.0]), t.tensor([3.0, 4.0])],
    "tensors of two dtypes": lambda t: [t.tensor([1, 2]), t.tensor([3.5, 4.0])],
    "scalars": lambda t: [t.tensor(1), t.tensor(2)],
    "arrays": lambda t: [np.arange(3, dtype=np.int16), np.arange(3, dtype=np.int16)],
    "doubles": lambda t: [np.ones((2, 2)), np.zeros((2, 2))],
    "numpy scalars": lambda t: [np.float32(1.5), np.float32(2.5)],
    "numpy doubles": lambda t: [np.float64(1.5), np.float64(2.5)],
    "numpy ints": lambda t: [np.int32(1), np.int32(2)],
    "numpy bools": lambda t: [np.bool_(True), np.bool_(False)],
    "floats": lambda t: [1.5, 2.5],
    "ints": lambda t: [1, 2],
    "bools": lambda t: [True, False],
    "strings": lambda t: ["a", "bc"],
    "bytes": lambda t: [b"a", b"bc"],
    "tuples": lambda t: [(1, "a", t.ones(2)), (2, "b", t.zeros(2))],
    "lists": lambda t: [[1, [2.0, "x"]], [3, [4.0, "y"]]],
    "dicts": lambda t: [{"a": 1, "b": {"c": (1, 2)}}, {"a": 2, "b": {"c": (3, 4)}}],
    "ordered dicts": lambda t: [OrderedDict(b=1, a=2), OrderedDict(b=3, a=4)],
    "default dicts": lambda t: [defaults(a=1), defaults(a=2)],
    "user dicts": lambda t: [UserDict(a=1), UserDict(a=2)],
    "fixed dicts": lambda t: [MappingProxyType({"a": 1}), MappingProxyType({"a": 2})],
    "named tuples": lambda t: [Point(1, t.ones(1)), Point(2, t.zeros(1))],
    "user lists": lambda t: [UserList([1, 2.0]), UserList([3, 4.0])],
    "deques": lambda t: [deque([1, 2]), deque([3, 4])],
    "ranges": lambda t: [range(2), range(2, 4)],
    "empty lists": lambda t: [[], []],
}


@pytest.mark.parametrize("name", BATCHES)
def test_collated_as_in_torch(name: str) -> None:
    """Values, dtypes, and container types of the batch are PyTorch's."""
    seen = [described(module.default_collate(BATCHES[name](t))) for t, module in BOTH]
    assert seen[0] == seen[1]


@pytest.mark.parametrize("name", BATCHES)
def test_converted_as_in_torch(name: str) -> None:
    """Arrays in a sample become tensors, and nothing else changes but what PyTorch changes."""
    seen = [described(module.default_convert(BATCHES[name](t))) for t, module in BOTH]
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    "sample",
    [np.array(["a"]), np.array([None]), np.str_("a"), np.float32(1), np.array(2.0), {"a": np.ones(2)}, None, "text"],
    ids=repr,
)
def test_odd_samples_converted_as_in_torch(sample: Any) -> None:
    """What is no number stays as it is."""
    seen = [described(module.default_convert(sample)) for _, module in BOTH]
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    "batch",
    [
        lambda t: [None, None],
        lambda t: [1j, 2j],
        lambda t: [{1}, {2}],
        lambda t: [object, object],
        lambda t: [np.array(["a"]), np.array(["b"])],
        lambda t: [np.array([None]), np.array([None])],
        lambda t: [[1, 2], [3]],
        lambda t: [(1, 2), (3,)],
        lambda t: [t.ones(2), t.ones(3)],
        lambda t: [{"a": 1}, {"b": 2}],
    ],
)
def test_refused_as_in_torch(batch: Any) -> None:
    """What can't be joined is refused with PyTorch's class and words."""
    errors = []
    for t, module in BOTH:
        with pytest.raises((TypeError, RuntimeError, KeyError)) as caught:
            module.default_collate(batch(t))
        errors.append((caught.type, str(caught.value)))
    assert errors[0] == errors[1]


def test_gradients_go_through_a_batch() -> None:
    """A batch of tensors that want gradients is differentiable."""
    rows = [gc.ones(2, requires_grad=True), gc.zeros(2, requires_grad=True)]
    (data.default_collate(rows) * gc.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    assert [row.grad.tolist() for row in rows] == [[1.0, 2.0], [3.0, 4.0]]


def test_ones_own_functions_join_ones_own_types() -> None:
    """A table of functions serves types that the default does not know, nested in containers too."""
    from graphc.utils.data._utils.collate import collate, default_collate_fn_map

    class Interval:
        def __init__(self, low: int, high: int):
            self.low, self.high = low, high

    def join(batch: list[Interval], *, collate_fn_map: Any = None) -> tuple[int, int]:
        return min(one.low for one in batch), max(one.high for one in batch)

    batch = [{"span": Interval(0, 2), "n": 1}, {"span": Interval(-1, 1), "n": 2}]
    joined = collate(batch, collate_fn_map={**default_collate_fn_map, Interval: join})
    assert joined["span"] == (-1, 2)
    assert joined["n"].tolist() == [1, 2]
