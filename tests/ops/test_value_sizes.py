"""Results whose sizes depend on values are part of a program: it counts, and rests on the count."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.graph import Builder
from graphc.ir.types import TensorType
from graphc.tensor import Tensor

one_hot = gc.nn.functional.one_hot
# Each of a float matrix and a vector of small integers.
SIZED = {
    "mask": lambda x, i: [x[x > 0], x[(x > 0).any(1)], x[:, x[0] > 0], gc.masked_select(x, x < 0)],
    "places": lambda x, i: [
        *gc.nonzero(x > 0, as_tuple=True),
        gc.argwhere(x.round()),
        *gc.where(x > 0),
        i[0].nonzero(),
    ],
    "static": lambda x, i: [gc.nonzero_static(x > 0, size=size, fill_value=-7) for size in (0, 3, 100)],
    "unique": lambda x, i: [*i.unique(return_inverse=True, return_counts=True), (x > 0).unique(), x.round().unique()],
    "rows": lambda x, i: [
        part
        for dim in (0, 1)
        for find in (gc.unique, gc.unique_consecutive)
        for part in find((x > 0).long(), return_inverse=True, return_counts=True, dim=dim)
    ],
    "runs": lambda x, i: [*gc.unique_consecutive(i, return_inverse=True, return_counts=True)],
    "bins": lambda x, i: [gc.bincount(i), gc.bincount(i, minlength=3), gc.bincount(i, weights=i * 0.3)],
    "classes": lambda x, i: [
        one_hot(i),
        i.repeat_interleave(i),
        gc.repeat_interleave(i),
        x.repeat_interleave(i[:4], 0),
    ],
}


def values(seed: int) -> tuple[Tensor, Tensor]:
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((4, 6)).astype(np.float32)
    x[1, 2], x[2, 3] = np.nan, -0.0
    return gc.from_numpy(x), gc.from_numpy(generator.integers(0, 5 + seed, 12))


@pytest.mark.parametrize("name", SIZED)
def test_programs_give_what_eager_mode_gives(name: str) -> None:
    """The same sizes and elements, call after call, without the host; an equal count is served by the same program."""
    program = gc.compile(SIZED[name], fullgraph=True)
    for seed in (0, 0, 1, 2, 0, 1):
        expected = SIZED[name](*values(seed))
        for found, wanted in zip(program(*values(seed)), expected, strict=True):
            assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
            np.testing.assert_array_equal(found.numpy(), wanted.numpy())
    assert len(program.report().builds) <= 3


def test_writing_through_a_mask_and_gradients() -> None:
    """Elements that a mask selects are written, read, and differentiated as eagerly."""

    def step(x: Tensor) -> list[Tensor]:
        written = x.clone()
        written[x > 0] = x[x > 0] * 2 + 1
        leaf = x.detach().requires_grad_()
        loss = (
            (leaf[leaf > 0] ** 2).sum() + leaf.masked_select(leaf < 0).prod() + leaf[leaf.nonzero(as_tuple=True)].sum()
        )
        return [written, *gc.autograd.grad(loss, leaf)]

    program = gc.compile(step, fullgraph=True)
    for seed in (3, 4, 3):
        x = values(seed)[0].nan_to_num(1.0)
        for found, wanted in zip(program(x), step(x), strict=True):
            np.testing.assert_array_equal(found.numpy(), wanted.numpy())


def test_a_wide_minlength_is_one_program() -> None:
    """Where all numbers lie below ``minlength`` the program rests on that alone, whatever the greatest is."""
    program = gc.compile(lambda i: gc.bincount(i, minlength=20), fullgraph=True)
    for seed in range(6):
        index = values(seed)[1]
        assert program(index).tolist() == gc.bincount(index, minlength=20).tolist()
    assert len(program.report().builds) == 1


def test_more_sizes_than_ways_run_eagerly() -> None:
    """Beyond ``max_paths`` sizes a warning names the line, and results stay right."""
    program = gc.compile(lambda x: x[x > 0] * 2, max_paths=2)
    with pytest.warns(RuntimeWarning, match=r"test_value_sizes\.py:\d+"):
        sizes = [program(gc.arange(5) - 4.0 + count).shape[0] for count in range(5)]
    assert sizes == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("call", "given", "words"),
    [
        (lambda i: gc.bincount(i), [1, -1], "non-negative integral"),
        (lambda i: gc.repeat_interleave(i), [1, -1], "repeats can not be negative"),
    ],
)
def test_wrong_values_are_errors_of_the_call(call: Any, given: list[int], words: str) -> None:
    """As in eager mode, at the first call of a program and at later ones."""
    with pytest.raises(RuntimeError, match=words):
        gc.compile(call)(gc.tensor(given))
    program = gc.compile(call)
    program(gc.tensor([1, 2]))
    with pytest.raises(RuntimeError, match=words):
        program(gc.tensor(given))


def test_symbols_of_a_graph_have_no_values() -> None:
    """A graph that is not recorded from tensors cannot count."""
    x = Builder().input("x", TensorType(gc.bool, (3,)))
    with pytest.raises(TypeError, match="depends on the values, which a graph cannot hold"):
        gc.nonzero(x)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("dim", [None, 0])
def test_numbers_that_are_none_come_last(dtype: str, dim: int | None) -> None:
    """Distinct elements are in ascending order with each NaN at the end, in halves too, eager and compiled."""
    given = gc.tensor([3.0, float("nan"), -0.0, 0.0, float("nan")]).to(getattr(gc, dtype))
    for find in (gc.unique, gc.compile(gc.unique, fullgraph=True)):
        assert str(find(given, dim=dim).tolist()) == "[-0.0, 3.0, nan, nan]"
