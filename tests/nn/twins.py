"""Two modules made alike, one of graphc and one of PyTorch, and what they do held against each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import graphc as gc

torch = pytest.importorskip("torch")

Make = Callable[[Any], Any]


def twins(make: Make, seed: int = 0) -> tuple[Any, Any]:
    """What ``make`` gives for graphc and for PyTorch, each after the same ``manual_seed``."""
    made = []
    for t in (gc, torch):
        t.manual_seed(seed)
        made.append(make(t))
    return made[0], made[1]


def flat(value: Any) -> list[Any]:
    """The tensors of nested tuples, lists, and dicts, and None where there is none."""
    if isinstance(value, tuple | list):
        return [item for part in value for item in flat(part)]
    if isinstance(value, dict):
        return [item for part in value.values() for item in flat(part)]
    return [value]


def assert_close(found: Any, expected: Any, tolerance: float = 2e-5, what: str = "") -> None:
    """Tensors of equal shapes, dtypes, and nearly equal values; trees of them alike."""
    mine, other = flat(found), flat(expected)
    assert len(mine) == len(other), what
    for ours, theirs in zip(mine, other, strict=True):
        if theirs is None or not isinstance(theirs, torch.Tensor):
            assert ours == theirs, what
            continue
        assert tuple(ours.shape) == tuple(theirs.shape), what
        assert repr(ours.dtype) == repr(theirs.dtype), what
        np.testing.assert_allclose(
            ours.detach().numpy(), theirs.detach().numpy(), rtol=tolerance, atol=tolerance, err_msg=what
        )


def assert_same_state(ours: Any, theirs: Any, ulps: int = 1) -> None:
    """Equal names in equal order, and values that differ by one unit in the last place at most."""
    mine, other = ours.state_dict(), theirs.state_dict()
    assert list(mine) == list(other)
    assert mine._metadata == other._metadata
    for name, value in other.items():
        if value.dtype.is_floating_point:
            np.testing.assert_array_max_ulp(mine[name].numpy(), value.numpy(), maxulp=ulps)
        else:
            np.testing.assert_array_equal(mine[name].numpy(), value.numpy())


def given(t: Any, value: Any) -> Any:
    """An array as a tensor of graphc or PyTorch, that wants a gradient where it can; trees alike."""
    if isinstance(value, tuple):
        return tuple(given(t, part) for part in value)
    if not isinstance(value, np.ndarray):
        return value
    tensor = t.from_numpy(value.copy())
    return tensor.requires_grad_() if value.dtype.kind == "f" else tensor


def differentiable(values: Any) -> list[Any]:
    """The tensors among values that want a gradient."""
    return [value for value in flat(values) if hasattr(value, "requires_grad") and value.requires_grad]


def compare(
    make: Make,
    arrays: Sequence[Any],
    call: Callable[..., Any] = lambda t, net, *inputs: net(*inputs),
    *,
    seed: int = 0,
    tolerance: float = 2e-5,
    second: bool = False,
    ulps: int = 1,
) -> tuple[Any, Any]:
    """The modules' states, texts, results, and gradients (with ``second`` those of the gradients too) agree."""
    ours, theirs = twins(make, seed)
    assert_same_state(ours, theirs, ulps)
    assert repr(ours) == repr(theirs)
    found = []
    for t, net in ((gc, ours), (torch, theirs)):
        t.manual_seed(seed + 1)
        inputs = tuple(given(t, array) for array in arrays)
        results = call(t, net, *inputs)
        wanted = [*differentiable(inputs), *(p for p in net.parameters() if p.requires_grad)]
        shown = [value for value in flat(results) if hasattr(value, "requires_grad") and value.requires_grad]
        loss = sum((value * weighted(t, value)).sum() for value in shown)
        gradients = t.autograd.grad(loss, wanted, create_graph=second, allow_unused=True)
        seconds: Any = ()
        if second:
            again = [g for g in gradients if g is not None and g.requires_grad]
            total = sum((g * g * weighted(t, g)).sum() for g in again)
            seconds = t.autograd.grad(total, wanted, allow_unused=True)
        found.append((results, gradients, seconds))
    for mine, other, what in zip(*found, ("results", "gradients", "second gradients"), strict=True):
        assert_close(mine, other, tolerance, what)
    return ours, theirs


def weighted(t: Any, value: Any) -> Any:
    """A cotangent that differs from element to element, the same for graphc and PyTorch."""
    count = int(np.prod(value.shape, dtype=int))
    kind = np.float64 if "64" in repr(value.dtype) else np.float32
    return t.from_numpy(np.cos(np.arange(count) * 0.7 + 1).astype(kind).reshape(tuple(value.shape)))


def assert_same_error(scenario: Callable[[Any], Any], words: int | None = None) -> None:
    """Both raise the same kind of error with the same words (or the first few of them), but for where classes are."""
    raised = []
    for t in (gc, torch):
        with pytest.raises(Exception) as caught:  # noqa: PT011  the same kind as PyTorch's, whichever that is
            scenario(t)
        raised.append(caught.value)
    found, expected = raised
    assert type(found) is type(expected), f"{found!r} instead of {expected!r}"
    texts = [re.sub(r"<class '[\w.]*\.(\w+)'>", r"<class '\1'>", str(error)) for error in raised]
    if words is None:
        assert texts[0] == texts[1], texts
    else:
        assert texts[0].split()[:words] == texts[1].split()[:words]


def normal(*shape: int, seed: int = 0, dtype: Any = np.float32) -> np.ndarray:
    """Normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)
