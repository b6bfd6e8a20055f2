"""A tensor's methods that make new tensors of its dtype: ``new_zeros`` and its like.

Source: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from typing import Any

from graphc.ir.types import DType
from graphc.notices import warn
from graphc.ops.functions.new_options import finished
from graphc.ops.pointwise import Copy
from graphc.ops.sources import number_like

NAMESPACE = "Tensor"
__all__: list[str] = []
METHODS = ("new", "new_empty", "new_empty_strided", "new_full", "new_ones", "new_tensor", "new_zeros")

Value = Any


def _filled(input: Value, shape: tuple[Any, ...], value: Any, dtype: DType | None, options: dict[str, Any]) -> Value:
    layout, device = options.pop("layout", None), options.pop("device", None)
    requires_grad = options.pop("requires_grad", False)
    options.pop("pin_memory", None)
    if options:
        raise TypeError(f"new tensors are made without the option {next(iter(options))!r}")
    if layout is not None:
        layout.require()
    return finished(Copy.bind(number_like(input, value, shape=shape, dtype=dtype)), device, requires_grad, input)


def _shape(name: str, sizes: tuple[Any, ...], size: Any) -> tuple[int, ...]:
    from graphc.factory import shape_of

    return shape_of(name, sizes, size)


def new_full(input: Value, size: Any, fill_value: Any, *, dtype: DType | None = None, **options: Any) -> Value:
    """A number at every place of a tensor of a shape, of this tensor's dtype unless another is given.

    Options of all these methods: ``device``, ``layout``, ``pin_memory``, ``requires_grad``.
    """
    from graphc.factory import sequence_shape

    value = fill_value.item() if hasattr(fill_value, "apply") else fill_value
    return _filled(input, sequence_shape("new_full", size), value, dtype, options)


def new_zeros(input: Value, *sizes: Any, size: Any = None, dtype: DType | None = None, **options: Any) -> Value:
    """Zeros of a shape, of this tensor's dtype unless another is given."""
    return _filled(input, _shape("new_zeros", sizes, size), 0, dtype, options)


def new_ones(input: Value, *sizes: Any, size: Any = None, dtype: DType | None = None, **options: Any) -> Value:
    """Ones of a shape, of this tensor's dtype unless another is given."""
    return _filled(input, _shape("new_ones", sizes, size), 1, dtype, options)


def new_empty(input: Value, *sizes: Any, size: Any = None, dtype: DType | None = None, **options: Any) -> Value:
    """A tensor of a shape, of this tensor's dtype unless another is given; its elements are zeros."""
    return _filled(input, _shape("new_empty", sizes, size), 0, dtype, options)


def new_empty_strided(input: Value, size: Any, stride: Any, *, dtype: DType | None = None, **options: Any) -> Value:
    """A tensor of a shape and strides whose elements are not set, of this tensor's dtype unless another is given."""
    from graphc.creation import empty_strided

    return empty_strided(size, stride, dtype=input.dtype if dtype is None else dtype, **options)


def new_tensor(input: Value, data: Any, *, dtype: DType | None = None, **options: Any) -> Value:
    """A tensor of data, of this tensor's dtype unless another is given."""
    from graphc.creation import tensor

    wanted = input.dtype if dtype is None else dtype
    if hasattr(data, "apply"):
        warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than tensor.new_tensor(sourceTensor)."
        )
        return finished(data.detach().to(wanted, copy=True), None, options.get("requires_grad", False), input)
    if wanted.is_integer and dtype is None:
        made = tensor(data)
        return finished(made.to(wanted), options.get("device"), options.get("requires_grad", False), input)
    return tensor(data, dtype=wanted, **{"device": input.device, **options})


def new(input: Value, *values: Any, device: Any = None) -> Value:
    """What the class of tensors of this dtype makes of the arguments: sizes, or data. PyTorch's oldest form."""
    from graphc.legacy_types import construct

    return construct(input.dtype, values)
