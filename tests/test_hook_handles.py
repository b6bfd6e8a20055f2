"""What registering hooks gives."""

from __future__ import annotations

from typing import Any

import pytest

import graphc as gc

torch = pytest.importorskip("torch")


def _handles(t: Any) -> list[Any]:
    def hook(*arguments: Any) -> None:
        pass

    leaf = t.ones(2, requires_grad=True)
    node = (leaf * 2).grad_fn
    layer = t.nn.Linear(2, 1)
    optimizer = t.optim.SGD(layer.parameters(), lr=0.1)
    return [
        leaf.register_hook(hook),
        leaf.register_post_accumulate_grad_hook(hook),
        node.register_hook(hook),
        node.register_prehook(hook),
        layer.register_forward_hook(hook),
        layer.register_forward_pre_hook(hook),
        layer.register_full_backward_hook(hook),
        layer.register_state_dict_post_hook(hook),
        optimizer.register_step_pre_hook(hook),
    ]


@pytest.mark.parametrize("t", [gc, torch], ids=["graphc", "torch"])
def test_every_handle_is_a_removable_handle(t: Any) -> None:
    """What hooks of tensors, nodes, modules, and optimizers give is one class, as in PyTorch."""
    assert all(isinstance(handle, t.utils.hooks.RemovableHandle) for handle in _handles(t))


def test_a_handle_of_a_tensor_takes_its_hook_away() -> None:
    """The hook runs while the handle's block lasts, and no longer; another hook of the tensor stays."""
    seen: list[str] = []
    leaf = gc.ones(2, requires_grad=True)
    leaf.register_hook(lambda gradient: seen.append("stays"))
    with leaf.register_hook(lambda gradient: seen.append("goes")):
        leaf.sum().backward()
    leaf.sum().backward()
    assert seen == ["stays", "goes", "stays"]
