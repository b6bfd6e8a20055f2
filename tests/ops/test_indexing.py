"""Indexing in all numpy-like forms: values, shapes, strides, sharing, gradients, and errors are PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc

torch = pytest.importorskip("torch")

GRID = np.arange(1.0, 61.0).reshape(3, 4, 5)


def rows(library: Any, *values: Any) -> Any:
    return library.tensor(list(values))


# An index into a tensor of shape (3, 4, 5), for either library.
READS: dict[str, Callable[[Any], Any]] = {
    "int": lambda t: 1,
    "negative": lambda t: -3,
    "slice": lambda t: slice(1, None),
    "step": lambda t: slice(None, None, 2),
    "beyond": lambda t: slice(-9, 99),
    "empty": lambda t: slice(2, 1),
    "none": lambda t: None,
    "ellipsis": lambda t: ...,
    "all dims": lambda t: (0, 1, 2),
    "ints and slices": lambda t: (slice(None), -1, slice(1, 4, 2)),
    "nones between": lambda t: (None, 1, None, ..., None, slice(3)),
    "ellipsis within": lambda t: (0, ..., 2),
    "nothing": lambda t: (),
    "true": lambda t: True,
    "false": lambda t: False,
    "0-d": lambda t: t.tensor(2),
    "0-d between": lambda t: (slice(None), t.tensor(-1), slice(None, 2)),
    "tensor": lambda t: rows(t, 2, 0, -1),
    "matrix": lambda t: (slice(None), t.tensor([[0, 3], [1, 1]])),
    "int32": lambda t: t.tensor([1, 1], dtype=t.int32),
    "list": lambda t: ([0, 2], [1, -1]),
    "numpy": lambda t: (slice(None), np.array([3, 0])),
    "range": lambda t: (..., range(1, 4)),
    "broadcast": lambda t: (t.tensor([[0], [2]]), t.tensor([1, 3, 0])),
    "apart": lambda t: (rows(t, 0, 1), slice(None), rows(t, 4, 2)),
    "apart by an int": lambda t: (rows(t, 0, 1), 2, rows(t, 4, 2)),
    "neighbours": lambda t: (slice(1, None), rows(t, 0, 1), rows(t, 4, 2)),
    "with none": lambda t: (rows(t, 0, 1), None, rows(t, 3, 2)),
    "no places": lambda t: t.zeros(0, dtype=t.int64),
    "mask": lambda t: t.tensor(GRID % 7 < 3),
    "mask of rows": lambda t: rows(t, True, False, True),
    "mask within": lambda t: (slice(None), rows(t, True, False, True, True), 1),
    "mask of two dims": lambda t: (..., t.tensor(GRID[0] % 2 == 0)),
    "mask and tensor": lambda t: (rows(t, True, False, True), rows(t, 1, 3)),
    "mask of nothing": lambda t: t.zeros(3, 4, dtype=t.bool),
    "bytes": lambda t: t.tensor([1, 0, 1], dtype=t.uint8),
    "mask list": lambda t: [True, False, True],
}


def of_grid(library: Any) -> Any:
    return library.tensor(GRID.tolist(), dtype=library.float64)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", READS)
def test_reading(name: str) -> None:
    """Values, strides, whether memory is shared, and the gradient, of a tensor with and without history."""
    found = []
    for library in (torch, graphc):
        plain = of_grid(library)
        part = plain[READS[name](library)]
        shares = bool(part.numel()) and np.shares_memory(part.numpy(), plain.numpy())
        leaf = of_grid(library).requires_grad_()
        selected = (leaf * 1)[READS[name](library)]
        (selected * selected).sum().backward()
        found.append(
            (
                part.tolist(),
                tuple(part.shape),
                [step for step, extent in zip(part.stride(), part.shape, strict=True) if extent > 1],
                shares,
                selected.tolist(),
                leaf.grad.tolist(),
            )
        )
    assert found[0] == found[1]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", ["number", "tensor", "tensor with history", "added"])
@pytest.mark.parametrize("name", [name for name in READS if name != "bytes"])
def test_writing(name: str, form: str) -> None:
    """What is written, to a tensor with and without history, and the gradients of what was there and of the value."""
    found = []
    for library in (torch, graphc):
        for history in (False, True):
            leaf = of_grid(library)
            target = leaf.requires_grad_() * 1 if history else leaf
            index = READS[name](library)
            value = library.arange(1.0, 1.0 + target[index].numel(), dtype=library.float64).reshape(target[index].shape)
            if form == "number":
                target[index] = -2.5
            elif form == "added":
                target[index] += value
            else:
                if form == "tensor with history":
                    value.requires_grad_()
                target[index] = value * 2
            found.append(target.tolist())
            if target.requires_grad:
                (target * target).sum().backward()
                found += [None if grad is None else grad.tolist() for grad in (leaf.grad, value.grad)]
    assert found[: len(found) // 2] == found[len(found) // 2 :]


@pytest.mark.filterwarnings("ignore")
def test_a_view_by_subscript_is_one_in_every_way() -> None:
    """A view that was made at once is written through, followed after writes elsewhere, detached, and compiled."""
    found = []
    for library in (torch, graphc):
        leaf = of_grid(library).requires_grad_()
        base = leaf * 1
        view = base[1, ..., ::2]
        view *= 3
        base[:, 0] = 7
        other = view[None, 2:]
        (other * other).sum().backward()
        found.append((base.tolist(), view.tolist(), leaf.grad.tolist(), view.is_leaf, view._base is base))
        with library.no_grad():
            found[-1] += (base[0].requires_grad, base[0, 0, 0].item())
    assert found[0] == found[1]

    def step(x: Any) -> Any:
        x[1, :, ::2] += 1
        return x[0] + x[1]

    ours, compiled = of_grid(graphc), graphc.compile(step)
    window = ours[:2, None][:, 0]
    compiled(window)
    compiled(window)
    expected = of_grid(torch)
    step(expected[:2])
    step(expected[:2])
    np.testing.assert_array_equal(ours.numpy(), expected.numpy())


MISTAKES: dict[str, Callable[[Any, Any], Any]] = {
    "out of range": lambda t, x: x[3],
    "out of range within": lambda t, x: x[0, :, -6],
    "too many": lambda t, x: x[0, 0, 0, 0],
    "of a number": lambda t, x: x[0, 0, 0][0],
    "slice of a number": lambda t, x: x[0, 0, 0][:],
    "backwards": lambda t, x: x[::-1],
    "step of zero": lambda t, x: x[::0],
    "float": lambda t, x: x[1.0],
    "string": lambda t, x: x["a"],
    "float tensor": lambda t, x: x[t.ones(2)],
    "tensor out of range": lambda t, x: x[rows(t, 0, 3)],
    "second tensor out of range": lambda t, x: x[rows(t, 0, 1), rows(t, 0, -5)],
    "shapes": lambda t, x: x[rows(t, 0, 1), rows(t, 0, 1, 2)],
    "mask of another shape": lambda t, x: x[rows(t, True, False)],
    "value that does not fit": lambda t, x: x.__setitem__(0, t.ones(3)),
    "value that does not fit places": lambda t, x: x.__setitem__(rows(t, 0, 1), t.ones(3, dtype=t.float64)),
    "value of another dtype": lambda t, x: x.__setitem__(rows(t, 0, 1), t.ones(5)),
    "list": lambda t, x: x.__setitem__(0, [1, 2]),
    "stretched": lambda t, x: t.ones(1, 3).expand(2, 3).__setitem__(0, t.ones(3)) or x[5],
    "deleted": lambda t, x: x.__delitem__(0),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str) -> None:
    """Class and first words are PyTorch's."""
    caught = []
    for library in (torch, graphc):
        with pytest.raises(Exception) as error:  # noqa: PT011
            MISTAKES[name](library, of_grid(library))
        caught.append(error.value)
    expected, found = caught
    assert type(found) is type(expected)
    assert str(found).splitlines()[0][:30] == str(expected).splitlines()[0][:30]


@pytest.mark.parametrize("index", ["m", "(0, m)", "(slice(None), m)"])
def test_one_value_is_not_written_by_a_mask_of_bytes(index):
    """PyTorch reads and writes several values by a mask of uint8, but refuses one number with these words."""
    mask = graphc.tensor([1, 0, 1], dtype=graphc.uint8)
    x = graphc.zeros(3) if index == "m" else graphc.zeros(2, 3)
    for value in (5.0, graphc.tensor(5.0)):
        with pytest.raises(RuntimeError, match="masked_fill_ only supports boolean masks, but got mask with dtype uns"):
            x[eval(index, {"m": mask})] = value
    y = graphc.zeros(3)
    y[mask] = graphc.tensor([1.0, 2.0])
    assert y.tolist() == [1.0, 0.0, 2.0]
    assert y[mask].tolist() == [1.0, 2.0]
