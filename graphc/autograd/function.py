"""Functions with a backward rule of the user's own.

Source: https://docs.pytorch.org/docs/stable/notes/extending.html#extending-torch-autograd
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from graphc.autograd.function_node import FunctionNode, Refusal, ResultNode
from graphc.autograd.tape import gradient_edge
from graphc.notices import warn
from graphc.recording import state
from graphc.tensor import Tensor

__all__ = ["Function", "FunctionCtx", "once_differentiable"]

# What `ctx` is: PyTorch's name for the class.
FunctionCtx = FunctionNode


class _FunctionMeta(type):
    """Gives every function the class of its node, such as ``SquareBackward`` for ``Square``."""

    def __init__(cls, name: str, bases: tuple[type, ...], members: dict[str, Any]):
        super().__init__(name, bases, members)
        cls._backward_cls = type(
            f"{name}Backward", (FunctionNode,), {"_forward_cls": cls, "__module__": "torch.autograd.function"}
        )


class Function(metaclass=_FunctionMeta):
    """The base of functions that say themselves how they are differentiated.

    A subclass has static methods ``forward(ctx, *args)`` and ``backward(ctx, *grad_outputs)``; or ``forward(*args)``
    with ``setup_context(ctx, inputs, output)``. It is called by ``apply``. ``backward`` is written with tensors, so it
    can be differentiated again, and inside a compiled function both are recorded as they run; where the results are
    differentiated from outside, or in the body of a structured operation, ``backward`` is recorded with the call.
    """

    _backward_cls: type[FunctionNode]

    def __init__(self, *args: Any, **kwargs: Any):
        warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you should "
            "invoke them on the class itself. Instantiating an autograd function will raise an error in a future "
            "version of PyTorch.",
            DeprecationWarning,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd "
            "function with static forward method. (Example: "
            "https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """The result, or a tuple of results, for the arguments."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep on ``ctx`` what ``backward`` will need, where ``forward`` takes no ``ctx``."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradient of every argument of ``forward`` (None for what has none), for those of the results."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
            "backward mode AD."
        )

    vjp = backward

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """The result of ``forward``, with the function in the graph.

        Raises RuntimeError and TypeError, in PyTorch's words, for what ``forward`` does not do right.
        """
        tensors = [value for value in args if isinstance(value, Tensor)]
        records = state.gradients and any(tensor.requires_grad for tensor in tensors)
        node = cls._backward_cls(args, [gradient_edge(tensor) if records else None for tensor in tensors])
        recorder = state.recorder if records else None
        begun = None if recorder is None else recorder.function_begins(tensors)
        outer, state.gradients = state.gradients, False
        try:
            if cls.setup_context is not Function.setup_context:
                output = cls.forward(*args, **kwargs)
                cls.setup_context(node, args, output)
            else:
                output = cls.forward(node, *args, **kwargs)
        finally:
            state.gradients = outer
        several = isinstance(output, tuple)
        results = _results(node, tensors, output if several else (output,), records)
        if recorder is not None:
            wanted = [
                (place, each) for place, each in enumerate(results) if isinstance(each, Tensor) and each.requires_grad
            ]
            recorder.function_ran(begun, node, wanted, len(results) == 1)
        return tuple(results) if several else results[0]


def _results(node: FunctionNode, inputs: Sequence[Tensor], outputs: Sequence[Any], records: bool) -> list[Any]:
    """The results that the user gets: in the graph where that is wanted."""
    for tensor in node.dirty:
        if not any(tensor is output for output in outputs):
            raise RuntimeError(
                "Some elements marked as dirty during the forward method were not returned as output. The inputs that "
                "are modified inplace must all be outputs of the Function."
            )
    places = [place for place, output in enumerate(outputs) if isinstance(output, Tensor)]
    node.results_are(outputs)
    results = list(outputs)
    for place in places:
        output = outputs[place]
        is_dirty = any(output is tensor for tensor in node.dirty)
        if any(output is tensor for tensor in inputs) and not is_dirty:
            output = results[place] = _alias(output)
        if any(output is tensor for tensor in node.non_differentiable) or not records:
            continue
        if not (output.dtype.is_floating_point or output.dtype.is_complex):
            continue
        if is_dirty and output.is_leaf and output._requires_grad:
            raise RuntimeError("a leaf Variable that requires grad has been used in an in-place operation.")
        shared = output._base is not None or output._chain
        output._grad_fn = node if len(outputs) == 1 else ResultNode(node, place)
        output._requires_grad, output._base, output._view_origin = True, None, None
        output._history += 1
        if shared and not is_dirty:
            output._restriction = _VIEW_REFUSAL.format(place, type(node)._forward_cls.__name__)
    node.keep(results)
    return results


_VIEW_REFUSAL = (
    "Output {} of {} is a view and is being modified inplace. This view was created inside a custom Function (or "
    "because an input was returned as-is) and the autograd logic to handle view+inplace would override the custom "
    "backward associated with the custom Function, leading to incorrect gradients. This behavior is forbidden. You can "
    "fix this by cloning the output of the custom Function."
)


def _alias(tensor: Tensor) -> Tensor:
    """Another tensor over the same memory, outside the graph."""
    outer, state.gradients = state.gradients, False
    try:
        return tensor.detach()
    finally:
        state.gradients = outer


def once_differentiable(function: Callable[..., Any]) -> Callable[..., Any]:
    """A ``backward`` whose results can't be differentiated again: it may compute outside the graph."""

    @functools.wraps(function)
    def backward(ctx: Any, *gradients: Any) -> Any:
        outer, state.gradients = state.gradients, False
        try:
            outputs = function(ctx, *gradients)
        finally:
            state.gradients = outer
        if not outer or not any(isinstance(each, Tensor) and each.requires_grad for each in gradients):
            return outputs
        message = "trying to differentiate twice a function that was marked with @once_differentiable"
        refused = [_refusing(output, message) for output in (outputs if isinstance(outputs, tuple) else (outputs,))]
        return tuple(refused) if isinstance(outputs, tuple) else refused[0]

    return backward


def _refusing(output: Any, message: str) -> Any:
    if output is None:
        return None
    result = output.detach()
    result._grad_fn, result._requires_grad, result._base = Refusal(message), True, None
    return result
