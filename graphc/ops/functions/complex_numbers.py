"""Functions of complex numbers with PyTorch's names and arguments.

Source: https://docs.pytorch.org/docs/stable/complex_numbers.html
"""

from __future__ import annotations

from typing import Any

from graphc.ir.types import TensorType, bool_
from graphc.ops import complex_numbers
from graphc.ops.comparisons import Eq
from graphc.ops.conjugation import Conj
from graphc.ops.functions.arithmetic import cos, sign, sin
from graphc.ops.operands import cast, common_shape, expand, require_value
from graphc.ops.pointwise import Copy
from graphc.ops.promotion import floating
from graphc.ops.sources import number_like

__all__ = [
    "angle",
    "complex",
    "conj",
    "conj_physical",
    "imag",
    "is_conj",
    "is_neg",
    "isreal",
    "polar",
    "real",
    "resolve_conj",
    "resolve_neg",
    "sgn",
    "view_as_complex",
    "view_as_real",
]
METHODS = (
    "angle",
    "conj",
    "conj_physical",
    "is_conj",
    "is_neg",
    "isreal",
    "resolve_conj",
    "resolve_neg",
    "sgn",
)
IN_PLACE = ("conj_physical", "sgn")

Value = Any


def real(input: Value) -> Value:
    """The real part: a view of the memory; of real values the input itself."""
    require_value("real", input)
    return complex_numbers.parts(input)[0] if input.dtype.is_complex else input


def imag(input: Value) -> Value:
    """The imaginary part: a view of the memory. Raises RuntimeError for real values."""
    require_value("imag", input)
    if not input.dtype.is_complex:
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return complex_numbers.parts(input)[1]


def conj(input: Value) -> Value:
    """The complex conjugate, computed at once; of real values the input itself."""
    require_value("conj", input)
    return Conj.bind(input) if input.dtype.is_complex else input


def conj_physical(input: Value) -> Value:
    """The complex conjugate in memory of its own; of real values the input itself."""
    return conj(input)


def resolve_conj(input: Value) -> Value:
    """The input: conjugates are computed at once."""
    return input


def resolve_neg(input: Value) -> Value:
    """The input: negatives are computed at once."""
    return input


def is_conj(input: Value) -> bool:
    """Whether the conjugate is yet to be computed: never."""
    return False


def is_neg(input: Value) -> bool:
    """Whether the negative is yet to be computed: never."""
    return False


def angle(input: Value) -> Value:
    """The angle in radians; of real values 0, or pi where they are negative."""
    require_value("angle", input)
    return complex_numbers.Angle.bind(cast(input, floating(input.dtype)))


def complex(real: Value, imag: Value) -> Value:
    """real + imag * i, of two tensors of one floating dtype. Raises RuntimeError for other dtypes."""
    return _put_together(real, imag)


def polar(abs: Value, angle: Value) -> Value:
    """abs * (cos(angle) + i sin(angle)), of two tensors of one floating dtype. Raises RuntimeError for other dtypes."""
    _require_parts(abs, angle)
    return _put_together(abs * cos(angle), abs * sin(angle))


def _require_parts(*values: Value) -> None:
    complex_numbers.MakeComplex.instance.infer(*(TensorType(value.dtype, ()) for value in values))


def _put_together(real: Value, imaginary: Value) -> Value:
    _require_parts(real, imaginary)
    shape = common_shape((real, imaginary))
    return complex_numbers.MakeComplex.bind(expand(real, shape), expand(imaginary, shape))


def sgn(input: Value) -> Value:
    """x / |x|, 0 at 0; of real values -1, 0, or 1."""
    require_value("sgn", input)
    return complex_numbers.ComplexSign.bind(input) if input.dtype.is_complex else sign(input)


def isreal(input: Value) -> Value:
    """Whether the imaginary part is zero, as bool."""
    require_value("isreal", input)
    if not input.dtype.is_complex:
        return Copy.bind(number_like(input, True, dtype=bool_))
    imaginary = complex_numbers.parts(input)[1]
    return Eq.bind(imaginary, number_like(imaginary, 0))


def view_as_real(input: Value) -> Value:
    """Real and imaginary parts along a new last dimension: a view. Raises RuntimeError for real values."""
    require_value("view_as_real", input)
    return complex_numbers.ViewAsReal.bind(input)


def view_as_complex(input: Value) -> Value:
    """Pairs along the last dimension, of size 2, as complex numbers: a view. Raises RuntimeError for other shapes."""
    require_value("view_as_complex", input)
    return complex_numbers.ViewAsComplex.bind(input)
