"""Tensors beside numpy's arrays, and copies of them, as PyTorch has both."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import graphc as gc

torch = pytest.importorskip("torch")


def both(text: str, **arrays: Any) -> tuple[Any, Any]:
    """What an expression gives with graphc's tensors and with PyTorch's; an error as its class."""
    results = []
    for library in (gc, torch):
        names = {name: library.tensor(value) for name, value in arrays.items()}
        try:
            results.append(eval(text, {"np": np, "a": np.array([3.0, 4.0]), "t": library, **names}))
        except (TypeError, ValueError, RuntimeError) as error:
            results.append(type(error))
    return results[0], results[1]


BESIDE_NUMPY = (
    *("np.sin(x)", "np.add(x, 1)", "np.add(1, x)", "np.add(x, x)", "np.add(x, a)", "np.exp(x)", "np.modf(x)[1]"),
    *("np.float32(2) * x", "x * np.float64(2)", "np.int64(2) + x", "np.float64(1.5) < x", "np.float64(1.5) / x"),
    *("x * a", "x + a", "x / a", "x - a", "x ** a", "x @ a", "a @ x", "a * x", "a - x", "a / x", "a == x", "x == a"),
    *("np.greater(x, 1)", "np.cumsum(x)", "np.transpose(x)", "np.add.reduce(x)", "np.isfinite(x)", "np.squeeze(x)"),
    *("np.asarray(x)", "np.array(x)", "np.array(x, dtype=np.int32)", "np.concatenate([x, x])", "np.dot(x, a)"),
    *("np.where(x > 1, 1, 0)", "np.arange(5)[x.long()]", "np.stack([x, x])", "np.linalg.norm(x)", "np.allclose(x, a)"),
    *("float(x)", "int(x)", "x.numpy(force=True)", "np.sin(x[0])", "np.float32(3) - x[0]", "np.multiply.outer(x, x)"),
)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("values", [[1.0, 2.0], [1, 2], [True, False]], ids=["float", "int", "bool"])
@pytest.mark.parametrize("text", BESIDE_NUMPY)
def test_what_numpy_makes_of_tensors(text: str, values: list[Any]) -> None:
    """Functions and operators of numpy give tensors, arrays, or errors as with PyTorch's tensors, of the same dtype."""
    found, wanted = both(text, x=values)
    if isinstance(wanted, type):
        assert found is wanted
        return
    assert isinstance(found, gc.Tensor) == isinstance(wanted, torch.Tensor)
    if isinstance(wanted, torch.Tensor):
        found, wanted = found.numpy(), wanted.numpy()
    assert np.asarray(found).dtype == np.asarray(wanted).dtype
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_arrays_share_the_memory_of_tensors() -> None:
    """numpy() and asarray() show a tensor's memory, in an array of their own; array() copies."""
    x = gc.tensor([1.0, 2.0, 3.0, 4.0])
    array = x.numpy()
    array[0] = 7.0
    assert x[0].item() == 7.0
    assert np.shares_memory(array, np.asarray(x))
    assert not np.shares_memory(array, np.array(x))
    array.shape = (2, 2)
    assert tuple(x.shape) == (4,)
    assert np.asarray(x, copy=False).base is not None
    with pytest.raises(ValueError, match="Unable to avoid copy"):
        np.asarray(x, dtype=np.int64, copy=False)


def test_arrays_added_in_place_make_a_new_tensor() -> None:
    """``x += array`` binds the name to what numpy computes, as in PyTorch, and leaves the tensor as it was."""
    x = y = gc.tensor([1.0, 2.0])
    y += np.array([3.0, 4.0])
    assert y.dtype == gc.float64
    assert y.tolist() == [4.0, 6.0]
    assert x.tolist() == [1.0, 2.0]


def test_tensors_with_gradients_refuse_numpy() -> None:
    """What would lose the history is refused with the way out; force gives the elements."""
    x = gc.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match=r"Use tensor.detach\(\).numpy\(\) instead"):
        np.sin(x)
    assert x.numpy(force=True).tolist() == [1.0, 2.0]


SHARED = {
    "rows": ("t.arange(6.0).reshape(2, 3)", "x[1]"),
    "columns": ("t.arange(6.0).reshape(2, 3)", "x[:, 1]"),
    "transposed": ("t.arange(6.0).reshape(2, 3).t()", "x[1]"),
    "part of a part": ("t.arange(24.0).reshape(4, 6)[1:]", "x[1:, ::2]"),
    "detached": ("t.arange(3.0).requires_grad_()", "x.detach()"),
    "itself": ("t.arange(3.0)", "x"),
    "reshaped": ("t.arange(6.0)", "x.view(2, 3)"),
    "expanded": ("t.arange(3.0)", "x.expand(2, 3)"),
    "channels last": ("t.arange(24.0).reshape(1, 2, 3, 4).contiguous(memory_format=t.channels_last)", "x[0, 1]"),
}


@pytest.mark.parametrize("name", SHARED)
def test_copies_share_memory_as_their_originals_do(name: str) -> None:
    """Two tensors over one memory, copied together, lie over one memory again, with their strides and offsets."""
    results = []
    for library in (gc, torch):
        x = eval(SHARED[name][0], {"t": library})
        y = eval(SHARED[name][1], {"t": library, "x": x})
        copied = copy.deepcopy({"y": y, "x": x})
        with library.no_grad():
            copied["x"].mul_(2.0).add_(1.0)
        tensors = (x, copied["x"], copied["y"])
        layouts = [(each.stride(), each.storage_offset(), each.requires_grad) for each in tensors]
        results.append(([each.tolist() for each in tensors], layouts))
        assert copied["x"].data_ptr() != x.data_ptr()
    assert results[0] == results[1]


def test_copies_keep_what_the_user_gave_a_tensor() -> None:
    """Attributes of one's own are copied, gradients too, and a tensor that was copied already is not copied again."""
    x = gc.ones(2, requires_grad=True)
    x.tags = ["a"]
    (x * 3).sum().backward()
    first, second = copy.deepcopy([x, x])
    assert first is second
    assert first.tags == ["a"]
    assert first.tags is not x.tags
    assert first.grad.tolist() == [3.0, 3.0]
    assert not np.shares_memory(first.grad.numpy(), x.grad.numpy())
