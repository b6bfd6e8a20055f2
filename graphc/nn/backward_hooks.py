"""Hooks on the backward pass of modules: all inputs pass through one node of the tape, and all results through another.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.register_full_backward_hook
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphc.autograd.function import Function
from graphc.creation import zeros
from graphc.notices import warn
from graphc.recording import state
from graphc.tensor import Tensor

Hook = Callable[..., Any]
Gradients = tuple[Tensor | None, ...]


class BackwardHookFunction(Function):
    """Gives tensors as they are; its node in the graph is where hooks see all their gradients together."""

    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*(tensor for tensor in tensors if not tensor.requires_grad))
        return tensors

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Gradients:
        return gradients


class BackwardHooks:
    """The hooks around one call of a module."""

    def __init__(self, module: Any, hooks: Sequence[Hook], pre_hooks: Sequence[Hook]):
        self._module, self._hooks, self._pre_hooks = module, hooks, pre_hooks
        self._input_places: list[int] | None = None
        self._output_places: list[int] | None = None
        self._inputs = self._outputs = 0
        # The gradients of the results, from when they are there until those of the inputs are.
        self._of_outputs: Gradients | None = None

    def watch_inputs(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """The inputs, in front of which the hooks on their gradients stand."""
        self._inputs = len(inputs)
        self._input_types = [(each.shape, each.dtype) for each in inputs if isinstance(each, Tensor)]
        watched, self._input_places = _watch(inputs, self._on_inputs)
        return watched

    def watch_result(self, result: Any) -> Any:
        """The result, behind which the hooks on its gradients stand."""
        if not isinstance(result, Tensor | tuple):
            warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but received "
                f"{type(result)}",
            )
        outputs = result if isinstance(result, tuple) else (result,)
        self._outputs = len(outputs)
        watched, self._output_places = _watch(outputs, self._on_outputs)
        return watched if isinstance(result, tuple) else watched[0]

    def _on_outputs(self, _: Gradients, gradients: Gradients) -> Gradients | None:
        self._of_outputs = _spread(self._output_places, gradients, self._outputs)
        for hook in self._pre_hooks:
            changed = hook(self._module, self._of_outputs)
            if changed is None:
                continue
            if len(changed) != self._outputs:
                raise RuntimeError(
                    f"Backward pre hook returned an invalid number of grad_output, got {len(changed)}, but expected "
                    f"{self._outputs}"
                )
            self._of_outputs = tuple(changed)
        passed = self._of_outputs
        if self._input_places is None:
            self._call_without_inputs()
        return tuple(passed[place] for place in self._output_places)

    def _call_without_inputs(self) -> None:
        """The hooks where no input has a gradient."""
        warn(
            "Full backward hook is firing when gradients are computed with respect to module outputs since no inputs "
            "require gradients. See https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html"
            "#torch.nn.Module.register_full_backward_hook for more details.",
        )
        for hook in self._hooks:
            changed = hook(self._module, (None,) * self._inputs, self._of_outputs)
            if changed is not None and not (isinstance(changed, tuple) and all(each is None for each in changed)):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always return None or None for "
                    "all gradients."
                )
        self._of_outputs = None

    def _on_inputs(self, gradients: Gradients, _: Gradients) -> Gradients | None:
        if self._of_outputs is None:
            return None  # the inputs have gradients by another way than through the results
        # As in PyTorch, the gradients of inputs are zeros where there are none, and those of results None.
        full = [
            zeros(shape, dtype=dtype) if gradient is None else gradient
            for gradient, (shape, dtype) in zip(gradients, self._input_types, strict=True)
        ]
        found = _spread(self._input_places, full, self._inputs)
        for hook in self._hooks:
            changed = hook(self._module, found, self._of_outputs)
            if changed is None:
                continue
            if len(changed) != len(found):
                raise RuntimeError(
                    f"Backward hook returned an invalid number of grad_input, got {len(changed)}, but expected "
                    f"{len(found)}"
                )
            found = tuple(changed)
        self._of_outputs = None
        return tuple(
            None if gradient is None else found[place]
            for gradient, place in zip(gradients, self._input_places, strict=True)
        )


def _spread(places: Sequence[int], values: Sequence[Any], count: int) -> Gradients:
    """The values at their places among as many Nones as are needed."""
    spread: list[Any] = [None] * count
    for place, value in zip(places, values, strict=True):
        spread[place] = value
    return tuple(spread)


def _watch(values: tuple[Any, ...], hook: Hook) -> tuple[tuple[Any, ...], list[int] | None]:
    """The values with the tensors among them passed through one node that has the hook, and where those stand; None
    where no gradient is wanted."""
    places = [place for place, value in enumerate(values) if isinstance(value, Tensor)]
    tensors = [values[place] for place in places]
    if not state.gradients or not any(tensor.requires_grad for tensor in tensors):
        return values, None
    passed = BackwardHookFunction.apply(*tensors)
    node = next(tensor.grad_fn for tensor in passed if tensor.requires_grad)
    getattr(node, "core", node).register_hook(hook)
    watched = list(values)
    for place, tensor in zip(places, passed, strict=True):
        watched[place] = tensor
    kind = type(values)
    return (tuple(watched) if kind is tuple else kind(*watched)), places


def watch_last_operation(module: Any, hooks: Sequence[Hook], inputs: tuple[Any, ...], result: Any) -> None:
    """Let hooks of the older kind see the gradients of the operation that made the (first) result; warns, as PyTorch
    does, where that is not all of the module."""
    first = result
    while not isinstance(first, Tensor):
        first = next(v for v in first.values() if isinstance(v, Tensor)) if isinstance(first, dict) else first[0]
    node = first.grad_fn
    if node is None:
        return
    for hook in hooks:
        node.register_hook(lambda of_inputs, of_results, hook=hook: hook(module, of_inputs, of_results))
    _warn_of_older_hooks(inputs, result, node)


def _warn_of_older_hooks(inputs: tuple[Any, ...], result: Any, node: Any) -> None:
    results = (result,) if isinstance(result, Tensor) else result
    reason = ""
    if not isinstance(results, tuple) or not all(isinstance(each, Tensor) for each in results):
        reason = (
            "on a Module that does not return a single Tensor or a tuple of Tensors is deprecated and will be removed "
            "in future versions. This hook will be missing some of the grad_output."
        )
    elif not all(isinstance(each, Tensor) for each in inputs):
        reason = (
            "on a Module that does not take as input a single Tensor or a tuple of Tensors is deprecated and will be "
            "removed in future versions. This hook will be missing some of the grad_input."
        )
    else:
        makers = {each.grad_fn for each in results if each.grad_fn is not None}
        if len(makers) > 1:
            reason = (
                "when outputs are generated by different autograd Nodes is deprecated and will be removed in future "
                "versions. This hook will be missing some grad_output."
            )
        elif {each.grad_fn for each in inputs if each.grad_fn is not None} != {edge for edge, _ in node.next_functions}:
            reason = (
                "when the forward contains multiple autograd Nodes is deprecated and will be removed in future "
                "versions. This hook will be missing some grad_input."
            )
    if reason:
        name = "non-full backward hooks" if reason.startswith("on") else "a non-full backward hook"
        warn(
            f"Using {name} {reason} Please use register_full_backward_hook to get the documented behavior.",
            FutureWarning,
        )
