"""Recomputing a part of the forward pass in the backward pass, rather than keeping what it saved.

Source: https://docs.pytorch.org/docs/stable/checkpoint.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from graphc.autograd.function import Function
from graphc.autograd.gradients import backward
from graphc.autograd.graph import saved_tensors_hooks
from graphc.autograd.modes import enable_grad, no_grad
from graphc.notices import warn
from graphc.randomness.generator import default_generator
from graphc.recording import state
from graphc.tensor import Tensor

__all__ = ["CheckpointError", "checkpoint", "checkpoint_sequential"]


class CheckpointError(RuntimeError):
    """The recomputed part did not save what the first run saved."""


Contexts = Callable[[], tuple[AbstractContextManager[Any], AbstractContextManager[Any]]]


def _no_contexts() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    return nullcontext(), nullcontext()


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Contexts = _no_contexts,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """What ``function`` gives, without keeping what its backward pass needs: that is computed again when it is needed.

    Args:
        function: computes with tensors; it runs again in the backward pass.
        args, kwargs: its arguments. ``kwargs`` is for ``use_reentrant=False`` alone.
        use_reentrant: run a backward pass of its own within the backward pass, as PyTorch's older way; the arguments
            must then require gradients themselves.
        context_fn: gives a context for the first run, and one for the other.
        determinism_check: "default" compares shapes and dtypes of what both runs save, "none" nothing.
        preserve_rng_state: random numbers of both runs are the same.

    Raises:
        CheckpointError: where the two runs saved different things.
    """
    if use_reentrant is None:
        warn(
            "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. Starting in PyTorch 2.9, "
            "calling checkpoint without use_reentrant will raise an exception. use_reentrant=False is recommended, but "
            "if you need to preserve the current default behavior, you can pass use_reentrant=True. Refer to docs for "
            "more details on the differences between the two variants.",
        )
        use_reentrant = True
    if use_reentrant:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if not any(value.requires_grad for value in args if isinstance(value, Tensor)):
            warn("None of the inputs have requires_grad=True. Gradients will be None")
        if state.recorder is not None:
            # A program decides itself what it keeps, and draws random numbers once.
            reached = any(value.requires_grad for value in args if isinstance(value, Tensor))
            with nullcontext() if reached else no_grad():
                return function(*args)
        return CheckpointFunction.apply(function, preserve_rng_state, *args)
    return _run(function, args, kwargs, context_fn, determinism_check, preserve_rng_state)


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """A sequence of functions (or ``nn.Sequential``) in so many parts, each but the last under :func:`checkpoint`."""
    parts = list(functions.children()) if hasattr(functions, "children") else list(functions)

    def run(start: int, end: int) -> Callable[[Any], Any]:
        def forward(value: Any) -> Any:
            for part in parts[start : end + 1]:
                value = part(value)
            return value

        return forward

    size, end = len(parts) // segments, -1
    for start in range(0, size * (segments - 1), size):
        end = start + size - 1
        input = checkpoint(run(start, end), input, use_reentrant=use_reentrant, **kwargs)
    return run(end + 1, len(parts) - 1)(input)


class _RandomState:
    """Gives the generator the state that it had before the first run."""

    def __init__(self, preserve: bool):
        self._at_first = default_generator.buffer.copy() if preserve else None

    def __enter__(self) -> None:
        if self._at_first is not None:
            self._now = default_generator.buffer.copy()
            default_generator.buffer[:] = self._at_first

    def __exit__(self, *exception: object) -> None:
        if self._at_first is not None:
            default_generator.buffer[:] = self._now


# -- by what nodes save --------------------------------------------------------------------------------------------


class _Frame:
    """One checkpointed call: what its nodes ask for, and how to compute that again."""

    def __init__(self, recompute: Callable[[], Any], check: bool):
        self.recompute = recompute
        self.check = check
        self.kinds: list[tuple[Any, Any]] = []
        self.values: dict[int, Tensor] = {}

    def pack(self, tensor: Tensor) -> int:
        self.kinds.append((tuple(tensor.shape), tensor.dtype))
        return len(self.kinds) - 1

    def unpack(self, place: int) -> Tensor:
        if place not in self.values:
            self._fill()
        return self.values.pop(place)

    def _fill(self) -> None:
        found: list[Tensor] = []

        def keep(tensor: Tensor) -> Tensor:
            found.append(tensor.detach())
            return tensor

        with saved_tensors_hooks(keep, lambda tensor: tensor), enable_grad():
            self.recompute()
        if self.check:
            kinds = [(tuple(tensor.shape), tensor.dtype) for tensor in found]
            if len(kinds) != len(self.kinds):
                raise CheckpointError(
                    "torch.utils.checkpoint: A different number of tensors was saved during the original forward and "
                    f"recomputation.\nNumber of tensors saved during forward: {len(self.kinds)}\nNumber of tensors "
                    f"saved during recomputation: {len(kinds)}."
                )
            for place, (before, now) in enumerate(zip(self.kinds, kinds, strict=True)):
                if before != now:
                    raise CheckpointError(
                        "torch.utils.checkpoint: Recomputed values for the following tensors have different metadata "
                        f"than during the forward pass.\ntensor at position {place}:\nsaved metadata: "
                        f"{before}\nrecomputed metadata: {now}"
                    )
        self.values = dict(enumerate(found))


def _run(
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    context_fn: Contexts,
    determinism_check: str,
    preserve_rng_state: bool,
) -> Any:
    first, again = context_fn()
    if state.recorder is not None:
        # As above: within a program the second run would be the first one's values.
        with first:
            return function(*args, **kwargs)
    random = _RandomState(preserve_rng_state)

    def recompute() -> None:
        with random, again:
            function(*args, **kwargs)

    frame = _Frame(recompute, determinism_check != "none")
    with saved_tensors_hooks(frame.pack, frame.unpack), first:
        return function(*args, **kwargs)


# -- by a backward pass within the backward pass -------------------------------------------------------------------


class CheckpointFunction(Function):
    """The older way: a function whose rule runs the forward pass again, and its backward pass."""

    @staticmethod
    def forward(ctx: Any, function: Callable[..., Any], preserve: bool, *args: Any) -> Any:
        ctx.function = function
        ctx.random = _RandomState(preserve)
        ctx.arguments = [None if isinstance(value, Tensor) else value for value in args]
        ctx.places = [place for place, value in enumerate(args) if isinstance(value, Tensor)]
        ctx.save_for_backward(*(args[place] for place in ctx.places))
        return function(*args)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        arguments = list(ctx.arguments)
        for place, tensor in zip(ctx.places, ctx.saved_tensors, strict=True):
            arguments[place] = tensor.detach().requires_grad_(tensor.requires_grad)
        with ctx.random, enable_grad():
            outputs = ctx.function(*arguments)
        outputs = _tensors(outputs)
        pairs = [
            (output, gradient)
            for output, gradient in zip(outputs, gradients, strict=True)
            if output.requires_grad and gradient is not None
        ]
        if not pairs:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        backward([output for output, _ in pairs], [gradient for _, gradient in pairs])
        found = [value._grad if isinstance(value, Tensor) else None for value in arguments]
        return (None, None, *found)


def _tensors(outputs: Any) -> list[Tensor]:
    several: Iterable[Any] = outputs if isinstance(outputs, tuple) else (outputs,)
    return [output for output in several if isinstance(output, Tensor)]
