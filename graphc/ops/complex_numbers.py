"""Complex numbers: their parts as views of real memory, and the functions that take them apart or put them together.

Gradients follow PyTorch's convention; see :mod:`graphc.ops.conjugation`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.primitive import External, Pointwise, register
from graphc.ir.scalars import Call, Choose, Constant, Index, Operand, Scalar
from graphc.ir.types import TensorType, bool_, dtype_of
from graphc.ops import views
from graphc.ops.comparisons import Eq, Where
from graphc.ops.conjugation import conjugate
from graphc.ops.pointwise import Abs
from graphc.ops.pointwise_family import Unary, zero_cotangent
from graphc.ops.quiet import quiet
from graphc.ops.sources import number_like
from graphc.ops.type_names import type_name


@register
class ViewAsReal(External):
    """The real and the imaginary parts along a new last dimension of 2: the same memory as real numbers."""

    name = "view_as_real"
    aliases, moves, saves_inputs = True, True, ()
    cost = 0.0

    def infer(self, x: TensorType) -> TensorType:
        if not x.dtype.is_complex:
            raise RuntimeError("view_as_real is only supported for complex tensors")
        return TensorType(x.dtype.to_real(), (*x.shape, 2))

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        if x.dtype.kind != "c":
            raise RuntimeError("view_as_real is only supported for complex tensors")
        real = x.real
        strides = (*x.strides, real.itemsize)
        return np.lib.stride_tricks.as_strided(real, (*x.shape, 2), strides, writeable=x.flags.writeable)

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (complex_from_pairs(cotangent),)

    def write_back(self, base: Any, update: Any) -> Any:
        return complex_from_pairs(update)


@register
class ViewAsComplex(External):
    """Pairs of real numbers along the last dimension, of size 2, as complex numbers: the same memory."""

    name = "view_as_complex"
    aliases, moves, saves_inputs = True, True, ()
    cost = 0.0

    def infer(self, x: TensorType) -> TensorType:
        if x.dtype.name not in ("float32", "float64"):
            raise RuntimeError(
                "view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar "
                f"type: {type_name(x.dtype)}"
            )
        if x.rank == 0:
            raise RuntimeError("Input tensor must have one or more dimensions")
        if x.shape[-1] != 2:
            raise RuntimeError("Tensor must have a last dimension of size 2")
        return TensorType(x.dtype.to_complex(), x.shape[:-1])

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        result = self.infer(TensorType(dtype_of(x.dtype), x.shape))
        size = x.itemsize
        if x.strides[-1] != size:
            raise RuntimeError("Tensor must have a last dimension with stride 1")
        if any(stride % (2 * size) for stride in x.strides[:-1]):
            raise RuntimeError("Tensor must have a stride divisible by 2 for all but last dimension")
        if not x.size:
            return np.empty(result.shape, result.dtype.numpy)
        first = np.lib.stride_tricks.as_strided(x, (2,), (size,), writeable=x.flags.writeable).view(result.dtype.numpy)
        return np.lib.stride_tricks.as_strided(first, result.shape, x.strides[:-1], writeable=x.flags.writeable)

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (ViewAsReal.bind(cotangent),)

    def write_back(self, base: Any, update: Any) -> Any:
        return ViewAsReal.bind(update)


def complex_from_pairs(value: Any) -> Any:
    """Pairs along the last dimension as complex numbers, by way of a copy where the memory asks for one."""
    return MakeComplex.bind(*_apart(value))


def _apart(value: Any) -> tuple[Any, Any]:
    """The two elements along the last dimension, of size 2."""
    rank, shape = len(value.shape), tuple(value.shape)
    found = []
    for place in (0, 1):
        starts, stops = (*(0,) * (rank - 1), place), (*shape[:-1], place + 1)
        part = views.Slice.bind(value, starts=starts, stops=stops, steps=(1,) * rank)
        found.append(views.Reshape.bind(part, shape=shape[:-1]))
    return found[0], found[1]


def parts(value: Any) -> tuple[Any, Any]:
    """The real and the imaginary part of a complex value: views of its memory."""
    return _apart(ViewAsReal.bind(value))


@register
class MakeComplex(Pointwise):
    """real + imaginary * i, of two floats."""

    name = "complex"
    saves_inputs = ()

    def infer(self, real: TensorType, imaginary: TensorType) -> TensorType:
        for given in (real, imaginary):
            if given.dtype.name not in ("float32", "float64"):
                raise RuntimeError(
                    f"Expected both inputs to be Half, Float or Double tensors but got {type_name(real.dtype)} and "
                    f"{type_name(imaginary.dtype)}"
                )
        if real.dtype != imaginary.dtype:
            raise RuntimeError(
                f"Expected object of scalar type {type_name(real.dtype)} but got scalar type "
                f"{type_name(imaginary.dtype)} for second argument"
            )
        if real.shape != imaginary.shape:
            raise ValueError(f"complex expects operands of one shape, got {real} and {imaginary}")
        return TensorType(real.dtype.to_complex(), real.shape)

    def evaluate(self, real: np.ndarray, imaginary: np.ndarray) -> np.ndarray:
        kind = self.infer(*self.types_of((real, imaginary))).dtype.numpy
        result = np.empty(np.broadcast_shapes(real.shape, imaginary.shape), kind)
        result.real, result.imag = real, imaginary
        return result

    def vjp(self, cotangent: Any, output: Any, real: Any, imaginary: Any) -> tuple[Any, ...]:
        return (lambda: parts(cotangent)[0], lambda: parts(cotangent)[1])


@quiet
def _complex_sign(x: np.ndarray) -> np.ndarray:
    magnitude = np.absolute(x)
    return np.where(magnitude == 0, x.dtype.type(0), x / magnitude)


@register
class ComplexSign(Unary):
    """x / |x| of complex numbers, 0 at 0."""

    name, function, accepts = "sgn", staticmethod(_complex_sign), ("complex",)
    cost = 12.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        # What lies along x does not change the sign: the rest of the cotangent, over |x|.
        magnitude = Abs.bind(x)
        sign = ComplexSign.bind(x)
        along = sign * parts(cotangent * conjugate(sign))[0]
        zero = Eq.bind(magnitude, number_like(magnitude, 0))
        return (Where.bind(zero, number_like(cotangent, 0), (cotangent - along) / magnitude),)


def _angle(x: np.ndarray) -> np.ndarray:
    if x.dtype.kind == "c":
        return np.arctan2(x.imag, x.real)
    return np.where(np.isnan(x), x, np.where(x < 0, x.dtype.type(np.pi), x.dtype.type(0)))


@register
class Angle(Unary):
    """The angle of complex numbers in the plane; of floats 0, pi where they are negative, and NaN."""

    name, function, accepts = "angle", staticmethod(_angle), ("float", "complex")
    cost = 20.0

    def infer(self, *types: TensorType, **attrs: Any) -> TensorType:
        found = super().infer(*types, **attrs)
        return TensorType(found.dtype.to_real(), found.shape)

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        if not x.dtype.is_complex:
            return (zero_cotangent(cotangent),)
        magnitude = Abs.bind(x)
        zero = Eq.bind(magnitude, number_like(magnitude, 0))
        slope = cotangent * (ComplexSign.bind(x) * 1j) / magnitude
        return (Where.bind(zero, number_like(slope, 0), slope),)

    def element(
        self, index: Index, operands: Sequence[Operand], types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> Scalar:
        if types[0].dtype.is_complex:
            return super().element(index, operands, types, output, **attrs)
        x, dtype = operands[0](*index), output.dtype
        zero = Constant(0.0, dtype)
        not_negative = Choose(Call("eq", (x, x), bool_), zero, x, dtype)  # NaN stays
        return Choose(Call("lt", (x, zero), bool_), Constant(math.pi, dtype), not_negative, dtype)
