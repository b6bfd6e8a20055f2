"""Functions of the user's that run when a sweep reaches a node.

Source: https://docs.pytorch.org/docs/stable/notes/autograd.html#backward-hooks-execution
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from graphc.ops.type_names import type_name

if TYPE_CHECKING:
    from graphc.tensor import Tensor

Hook = Callable[..., Any]


class Hooks:
    """What runs at one node: made for those nodes that have hooks.

    Attributes:
        tensor: on the cotangent of the tensor that the node made.
        before: on the cotangents of the node's results, before it runs.
        after: on the cotangents of the node's inputs and results, after it ran.
        accumulated: on the leaf, after its gradient was added up.
        retaining: tensors whose ``grad`` keeps the cotangent that the other hooks leave.
    """

    __slots__ = ("accumulated", "after", "before", "retaining", "tensor")

    def __init__(self) -> None:
        self.tensor: dict[int, Hook] = {}
        self.before: dict[int, Hook] = {}
        self.after: dict[int, Hook] = {}
        self.accumulated: dict[int, Hook] = {}
        self.retaining: list[Tensor] = []

    def keep_no_longer(self, tensor: Tensor) -> None:
        """A tensor's gradient is kept elsewhere now."""
        self.retaining = [other for other in self.retaining if other is not tensor]

    def on_tensor(self, cotangent: Tensor) -> Tensor:
        """The cotangent as the tensor's hooks leave it; a tensor that retains its gradient keeps that."""
        for hook in tuple(self.tensor.values()):
            cotangent = _replaced(cotangent, hook(cotangent), hook)
        for tensor in self.retaining:
            tensor._accumulate(cotangent)
        return cotangent

    def on_results(self, cotangents: tuple[Any, ...]) -> tuple[Any, ...]:
        """The cotangents of the node's results as the hooks before the node leave them."""
        for hook in tuple(self.before.values()):
            changed = hook(cotangents)
            if changed is not None:
                given = _checked(changed, len(cotangents), hook)
                cotangents = tuple(_replaced(old, new, hook) for old, new in zip(cotangents, given, strict=True))
        return cotangents

    def on_inputs(self, results: Sequence[Tensor | None], cotangents: tuple[Any, ...]) -> Sequence[Tensor | None]:
        """The cotangents of the node's inputs as the hooks after the node leave them."""
        for hook in tuple(self.after.values()):
            changed = hook(tuple(results), cotangents)
            if changed is not None:
                given = _checked(changed, len(results), hook)
                results = [_replaced(old, new, hook) for old, new in zip(results, given, strict=True)]
        return results


def _checked(changed: Any, expected: int, hook: Hook) -> tuple[Any, ...]:
    if not isinstance(changed, tuple):
        raise TypeError(f"expected tuple, but hook returned '{type(changed).__name__}'")
    if len(changed) != expected:
        raise RuntimeError(
            f"hook '{_name(hook)}' has returned an incorrect number of values (got {len(changed)}, but expected "
            f"{expected})"
        )
    return changed


def _replaced(old: Tensor | None, new: Any, hook: Hook) -> Tensor | None:
    """What a hook returned in the place of a cotangent. Raises with PyTorch's words for what can't stand there."""
    if new is None:
        return old
    if not hasattr(new, "apply"):
        raise TypeError(f"expected Variable, but hook returned '{type(new).__name__}'")
    if old is None:
        raise RuntimeError(f"can't replace a None gradient with a non-None value (hook '{_name(hook)}')")
    if new.dtype != old.dtype:
        was, got = (f"torch.{type_name(value.dtype)}Tensor" for value in (old, new))
        raise RuntimeError(f"hook '{_name(hook)}' has changed the type of value (was {was} got {got})")
    if tuple(new.shape) != tuple(old.shape):
        raise RuntimeError(f"hook '{_name(hook)}' has changed the size of value")
    return new


def _name(hook: Hook) -> str:
    return getattr(hook, "__name__", type(hook).__name__)
