"""What can be a tensor's gradient, and what tensors of inference mode are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc

torch = pytest.importorskip("torch")

GRADIENTS: dict[str, Callable[[Any, Any], Any]] = {
    "another dtype": lambda t, leaf: t.zeros(2, 3, dtype=t.float64),
    "integers": lambda t, leaf: t.zeros(2, 3, dtype=t.int64),
    "halves": lambda t, leaf: t.zeros(2, 3, dtype=t.float16),
    "another size": lambda t, leaf: t.zeros(3),
    "another size and dtype": lambda t, leaf: t.zeros(3, dtype=t.float64),
    "a number": lambda t, leaf: 3,
    "an array": lambda t, leaf: np.zeros((2, 3), np.float32),
    "itself": lambda t, leaf: leaf,
}


@pytest.mark.parametrize("name", GRADIENTS)
@pytest.mark.parametrize("requires_grad", [True, False])
def test_what_is_no_gradient_is_refused(name: str, requires_grad: bool) -> None:
    """PyTorch's class of error and its words, but for its advice to set ``grad_dtype``; the gradient stays."""
    found = []
    for t in (gc, torch):
        leaf = t.zeros(2, 3, requires_grad=requires_grad)
        with pytest.raises((RuntimeError, TypeError)) as caught:
            leaf.grad = GRADIENTS[name](t, leaf)
        assert leaf.grad is None
        found.append((caught.type, str(caught.value).partition(" You can set")[0]))
    assert found[0] == found[1]


_MADE: list[Callable[[Any], Any]] = [
    lambda x: x[0],
    lambda x: x.view(6),
    lambda x: x.T,
    lambda x: x.detach(),
    lambda x: x.unsqueeze(0),
    lambda x: x.expand(2, 2, 3),
    lambda x: x.reshape(6),
    lambda x: x.chunk(2)[0],
    lambda x: x.unbind()[0],
    lambda x: x[:, 1:],
    lambda x: x[[0]],
    lambda x: x.view(6)[:2].view(2, 1),
    lambda x: x + 1,
    lambda x: x.clone(),
    lambda x: x.contiguous(),
    lambda x: x.float(),
    lambda x: x.double(),
]


def _described(t: Any) -> list[Any]:
    with t.inference_mode():
        made = t.ones(2, 3)
    found = []
    for source in (made, t.ones(2, 3), t.ones(2, 3, requires_grad=True)):
        for function in _MADE:
            outside = function(source)
            with t.inference_mode():
                inside = function(source)
            for result in (outside, inside):
                found.append((result.is_inference(), result.requires_grad, result._base is not None))
    return found


def test_views_are_of_inference_mode_where_their_base_is() -> None:
    """In and out of the mode: views of its tensors are its tensors and have no base, views of others are normal, and
    other results are its tensors where they were made in it."""
    assert _described(gc) == _described(torch)


def test_a_view_of_inference_mode_is_refused_as_its_base_is() -> None:
    """Outside the mode a view of its tensor is neither written to nor made to require a gradient, and counts nothing;
    within the mode a write to the view reaches the base."""
    messages = []
    for t in (gc, torch):
        with t.inference_mode():
            base = t.ones(2, 3)
            base[0].add_(1)
        assert base.tolist() == [[2.0] * 3, [1.0] * 3]
        said = []
        for action in (lambda x: x.add_(1), lambda x: x.requires_grad_(), lambda x: x._version):
            with pytest.raises(RuntimeError) as caught:
                action(base[0])
            said.append(str(caught.value))
        messages.append(said)
    assert messages[0] == messages[1]
