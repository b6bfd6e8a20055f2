"""What the graph of operations offers beside the gradients: its edges, and functions that keep what is saved.

Source: https://docs.pytorch.org/docs/stable/autograd.html#autograd-graph
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from graphc.autograd.tape import Node, gradient_edge
from graphc.autograd.watching import switch, watching
from graphc.hook_handles import RemovableHandle
from graphc.missing_names import lazy_names

__getattr__ = lazy_names(__name__)
__all__ = [
    "GradientEdge",
    "Node",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]


class GradientEdge(NamedTuple):
    """A place of the graph that a gradient passes: a node, and which of its results."""

    node: Node
    output_nr: int
    ownership_token: Any = None


def get_gradient_edge(tensor: Any) -> GradientEdge:
    """The place where a tensor's gradient is. Raises RuntimeError for a tensor that requires none."""
    edge = gradient_edge(tensor)
    if edge is None:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    return GradientEdge(edge, 0)


class saved_tensors_hooks:
    """Context manager: what operations within save for the backward pass is kept as ``pack_hook`` of the tensor, and
    ``unpack_hook`` of that is used in its place."""

    def __init__(self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]):
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        if watching.no_packing is not None:
            raise RuntimeError(watching.no_packing)
        watching.packing.append((self.pack_hook, self.unpack_hook))
        switch.active += 1

    def __exit__(self, *exception: object) -> None:
        watching.packing.pop()
        switch.active -= 1


class save_on_cpu(saved_tensors_hooks):
    """Context manager: saved tensors are kept as copies in the processor's memory."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda"):
        super().__init__(lambda tensor: tensor.detach().clone(), lambda kept: kept)


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Context manager: functions for what is saved may not be set within, nor be set when it begins; RuntimeError with
    the message is raised instead."""
    if watching.packing:
        raise RuntimeError(error_message)
    before, watching.no_packing = watching.no_packing, error_message
    try:
        yield
    finally:
        watching.no_packing = before


def increment_version(tensor: Any) -> None:
    """Count a write to tensors' memory that was made behind the library's back."""
    for each in [tensor] if hasattr(tensor, "apply") else tensor:
        each._storage.version += 1


def register_multi_grad_hook(tensors: Any, fn: Callable[..., None], *, mode: str = "all") -> Any:
    """Call ``fn`` with the gradients of several tensors: once all of them are computed, or with the first one
    (``mode="any"``).

    Source: https://docs.pytorch.org/docs/stable/autograd.html#torch.autograd.graph.register_multi_grad_hook
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    watched = [tensor for tensor in tensors if tensor.requires_grad]
    arrived: dict[int, Any] = {}
    seen = [-1]

    def hook_of(place: int) -> Callable[[Any], None]:
        def hook(gradient: Any) -> None:
            arrived[place] = gradient
            if mode == "any":
                if seen[0] != watching.sweeps:
                    fn(gradient)
                seen[0] = watching.sweeps
            elif len(arrived) == len(watched):
                gradients = [arrived[place] for place in range(len(watched))]
                arrived.clear()
                fn(gradients)

        return hook

    return _Handles([tensor.register_hook(hook_of(place)) for place, tensor in enumerate(watched)])


class _Handles:
    """Takes several hooks away again."""

    def __init__(self, handles: list[RemovableHandle]):
        self._handles = handles

    def remove(self) -> None:
        """Stop calling the hooks."""
        for handle in self._handles:
            handle.remove()
