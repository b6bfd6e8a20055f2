"""What the functions that make tensors have in common: the options of PyTorch's, and errors that name the call."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from graphc.device import Device, of_gpu, place_by_default
from graphc.device_memory import gpu_of, use
from graphc.ir.types import DType
from graphc.layouts import strided
from graphc.ops.argument_kinds import out_of_memory
from graphc.ops.functions.conversion import as_dtype
from graphc.ops.functions.public import write_out
from graphc.ops.functions.random_values import with_own_streams
from graphc.ops.overriding import UNANSWERED, answer, here
from graphc.ops.overriding import switch as overriding
from graphc.recording import state
from graphc.sizes import as_int
from graphc.source_lines import note_call
from graphc.tensor import Tensor
from graphc.tensor_gradients import INFERENCE

_OPTIONS = {
    "out": None,
    "layout": strided,
    "device": None,
    "pin_memory": False,
    "requires_grad": False,
}


def factory(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A function that makes a tensor, with the options that PyTorch's have beside ``dtype``: ``out``, a tensor to write
    the values to; ``device`` and ``layout``, of which there is one; ``pin_memory``, without meaning;
    ``requires_grad``."""
    name = function.__name__
    own = inspect.signature(function)
    sized = "size" in own.parameters
    if "generator" in own.parameters:
        function = with_own_streams(function)

    @functools.wraps(function)
    def make(
        *arguments: Any,
        out: Tensor | None = None,
        layout: Any = None,
        device: Any = None,
        pin_memory: bool = False,
        requires_grad: bool = False,
        **keywords: Any,
    ) -> Tensor:
        if overriding.active and here.modes:
            given = {"out": out, "layout": layout, "device": device, "pin_memory": pin_memory, **keywords}
            options = {name: value for name, value in given.items() if value not in (None, False)}
            result = answer(make, arguments, options | ({"requires_grad": True} if requires_grad else {}))
            if result is not UNANSWERED:
                return result
        try:
            if layout is not None:
                layout.require()
            gpu = place_by_default() if device is None else Device.of(device).require()
            if "dtype" in keywords:
                keywords["dtype"] = known_dtype(name, keywords["dtype"])
            result = function(*arguments, **keywords)
            if use.active:
                result = _placed(result, arguments, gpu, chosen=device is not None or gpu is not None)
            if out is not None:
                return write_out(name, result, out)
            if state.gradients is None:
                result._restriction = INFERENCE
            return with_gradient(result) if requires_grad else result
        except Exception as error:
            refusal = out_of_memory(error, _sizes_in(name, arguments, keywords) if sized else None)
            if refusal is not None:
                note_call(refusal, name, arguments, keywords)
                raise refusal from error
            note_call(error, name, arguments, keywords)
            raise

    more = [
        inspect.Parameter(option, inspect.Parameter.KEYWORD_ONLY, default=default)
        for option, default in _OPTIONS.items()
        if option not in own.parameters
    ]
    make.__signature__ = own.replace(parameters=[*own.parameters.values(), *more])
    make.explains_errors = True
    return make


def _placed(result: Tensor, arguments: Sequence[Any], gpu: Any, chosen: bool) -> Tensor:
    """A function's result on the device that was chosen for it, else on that of the tensor that it is made of."""
    source = arguments[0] if arguments and isinstance(arguments[0], Tensor) else None
    if result is source:
        return result.to(of_gpu(gpu)) if chosen else result
    return result._lie_at(gpu if chosen or source is None else gpu_of(source._array))


def _sizes_in(name: str, arguments: Sequence[Any], keywords: dict[str, Any]) -> tuple[int, ...] | None:
    """The sizes of a call that failed, where its arguments are sizes alone."""
    try:
        return shape_of(name, arguments, keywords.get("size"))
    except (TypeError, RuntimeError):
        return None


def with_gradient(result: Tensor) -> Tensor:
    """A new tensor that requires a gradient. Raises RuntimeError for a dtype that can't have one."""
    if not result.dtype.is_differentiable:
        raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
    return result.requires_grad_()


def known_dtype(name: str, dtype: Any) -> DType | None:
    """A dtype argument: a dtype, one of Python's types, or None. Raises TypeError for anything else."""
    if dtype is None or isinstance(dtype, DType):
        return dtype
    found = as_dtype(dtype)
    if found is None:
        raise TypeError(f"{name}(): argument 'dtype' must be torch.dtype, not {type(dtype).__name__}")
    return found


def shape_of(name: str, sizes: Sequence[Any], size: Any = None) -> tuple[int, ...]:
    """The shape that sizes, given one by one, as one sequence, or by the keyword ``size``, stand for.

    Raises TypeError for what are no sizes, RuntimeError for negative ones.
    """
    if size is not None:
        sizes = (size,)
    if len(sizes) == 1 and not hasattr(sizes[0], "__index__") and hasattr(sizes[0], "__iter__"):
        sizes = sizes[0]
        if isinstance(sizes, str):
            _refuse_size(name, sizes)
    elif len(sizes) == 1 and isinstance(sizes[0], Tensor) and sizes[0].ndim:
        sizes = sizes[0].tolist()
    elif not sizes and size is None:
        raise TypeError(f'{name}() missing 1 required positional arguments: "size"')
    for extent in sizes:
        if not hasattr(extent, "__index__"):
            _refuse_size(name, extent)
    shape = tuple(as_int(extent) for extent in sizes)
    for place, extent in enumerate(shape, 1):
        if type(extent) is int and extent >= 2**63:
            raise TypeError(
                f"{name}(): argument 'size' failed to unpack the object at pos {place} with error \"Overflow when "
                'unpacking long long"'
            )
    negative = next((extent for extent in shape if extent < 0), None)
    if negative is not None:
        if name == "zeros":
            raise RuntimeError("zeros: Dimension size must be non-negative.")
        raise RuntimeError(f"Trying to create tensor with negative dimension {negative}: {list(shape)}")
    return shape


def sequence_shape(name: str, size: Any) -> tuple[int, ...]:
    """As :func:`shape_of`, of a size that must be a sequence."""
    if not hasattr(size, "__iter__"):
        _refuse_size(name, size)
    return shape_of(name, (size,))


def _refuse_size(name: str, given: Any) -> None:
    kind = type(given).__name__
    raise TypeError(f"{name}(): argument 'size' (position 1) must be tuple of ints, not {kind}")
