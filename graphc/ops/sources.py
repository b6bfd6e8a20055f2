"""Sources: values without operands. Numbers, ranges, literal arrays, and random numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from graphc.ir.integers import Dimension, IntegerExpression, bounds
from graphc.ir.primitive import Source, register
from graphc.ir.scalars import Constant as ScalarConstant
from graphc.ir.scalars import Index, Load, Operand, Scalar, from_index
from graphc.ir.types import DType, TensorType, dtype_of
from graphc.ops.type_names import scalar_name
from graphc.randomness.generator import default_generator
from graphc.sizes import DynamicSize

Number = float | int | bool | complex | IntegerExpression


def cannot_hold(dtype: DType) -> RuntimeError:
    """What is raised for a number that a dtype cannot hold, with PyTorch's words."""
    kind = scalar_name(dtype) if dtype.name == "int32" or not dtype.is_integer else f"{dtype.name}_t"
    return RuntimeError(f"value cannot be converted to type {kind} without overflow")


def as_number(value: Any, dtype: DType) -> Number:
    """A number as the Python type that stands for a dtype in attributes: float, complex, int, or bool.

    A symbolic dimension is taken as it is: a number that is known when the program runs. A negative number stands for
    what is as far below the first number that an unsigned dtype can't hold.
    Raises TypeError for what is no number, RuntimeError for an integer that the dtype cannot hold and for a complex
    number with an imaginary part where the dtype is real, OverflowError for an integer beyond 64 bits.
    """
    if type(value) is float and dtype.is_floating_point:
        return value
    if isinstance(value, IntegerExpression | DynamicSize):
        return value
    if type(value) is int:
        _require_64_bits(value)
    if dtype.is_complex:
        return complex(value)
    if isinstance(value, complex):
        if value.imag:
            raise cannot_hold(dtype)
        value = value.real
    if dtype.category == "float":
        return float(value)
    if dtype.category == "bool":
        return bool(value)
    if isinstance(value, float) and (not math.isfinite(value) or (value < 0 and not dtype.is_signed)):
        raise cannot_hold(dtype)
    number, count = int(value), 2 ** (8 * dtype.itemsize)
    if dtype.is_signed:
        if not -count <= 2 * number < count:
            raise cannot_hold(dtype)
        return number
    if not -count < number < count:
        raise cannot_hold(dtype)
    return number % count


def as_operand(value: Any, dtype: DType) -> Number:
    """As :func:`as_number`, of a number beside a tensor: an integer that the dtype can't hold wraps around, as in C."""
    if not dtype.is_integer or not isinstance(value, int | np.integer) or isinstance(value, bool):
        return as_number(value, dtype)
    if type(value) is DynamicSize and _always_fits(value, dtype):
        return value
    number, count = int(value), 2 ** (8 * dtype.itemsize)
    _require_64_bits(number)
    if dtype.is_signed:
        return (number + count // 2) % count - count // 2
    return number % count


def _always_fits(size: DynamicSize, dtype: DType) -> bool:
    """Whether an integer dtype holds a size that is known at run time only, whatever it is."""
    least, greatest = bounds(size.expression)
    highest = 2 ** (8 * dtype.itemsize - 1) - 1
    lowest = -highest - 1 if dtype.is_signed else 0
    return least is not None and greatest is not None and lowest <= least and greatest <= highest


def _require_64_bits(number: int) -> None:
    if not -(2**63) <= number < 2**64:
        raise OverflowError("int too big to convert")


def converted(array: np.ndarray, dtype: DType) -> np.ndarray:
    """A new array of the elements in another dtype, as PyTorch converts: to a half by way of float32."""
    if dtype.is_half and array.dtype != np.float32:
        array = array.astype(np.float32)
    return array.astype(dtype.numpy)


@lru_cache(maxsize=1024)
def _splat(text: str, value: Number, dtype: DType) -> np.ndarray:
    """One element of memory that stands for all; ``text`` tells 0.0 from -0.0."""
    array = converted(np.asarray(value), dtype)
    array.flags.writeable = False
    return array


@register
class Full(Source):
    """One number at every place. Evaluates to a read-only array of one element of memory, with strides of zero."""

    name = "full"
    is_literal = True
    notable = False
    cost = 0.0

    def infer(self, *types: TensorType, value: Number, shape: tuple[Dimension, ...], dtype: DType) -> TensorType:
        if not isinstance(value, (bool, int, float, complex, IntegerExpression)):
            raise TypeError(f"full expects a number, got {value!r}")
        return TensorType(dtype, tuple(shape))

    def evaluate(self, *arrays: np.ndarray, value: Number, shape: tuple[int, ...], dtype: DType) -> np.ndarray:
        plain = value and not isinstance(value, complex)  # equal values are the same one
        splat = _splat("" if plain else str(value), value, dtype)
        array = np.ndarray(shape, splat.dtype, splat, strides=(0,) * len(shape))
        # One element is taken for memory of its own by whoever asks whether an array is contiguous: let it be so.
        return array.copy() if array.flags.c_contiguous else array

    def element(
        self, index: Index, operands: Sequence[Operand], types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> Scalar:
        value = attrs["value"]
        return (
            from_index(value, output.dtype)
            if isinstance(value, IntegerExpression)
            else ScalarConstant(value, output.dtype)
        )


@register
class Iota(Source):
    """The index along one dimension: 0, 1, 2, ... along ``dim``, the same along all others."""

    name = "iota"
    differentiable = False
    notable = False
    cost = 0.5

    def infer(self, *types: TensorType, shape: tuple[Dimension, ...], dim: int, dtype: DType) -> TensorType:
        if not 0 <= dim < len(shape):
            raise ValueError(f"iota counts along a dimension of its shape {shape}, got dim={dim}")
        if dtype.category == "bool":
            raise TypeError("iota expects an integer or floating dtype, got bool")
        return TensorType(dtype, tuple(shape))

    def evaluate(self, *arrays: np.ndarray, shape: tuple[int, ...], dim: int, dtype: DType) -> np.ndarray:
        line = converted(np.arange(shape[dim], dtype=np.int64), dtype)
        line = line.reshape((-1,) + (1,) * (len(shape) - dim - 1))
        return line if line.shape == shape else np.broadcast_to(line, shape).copy()

    def element(
        self, index: Index, operands: Sequence[Operand], types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> Scalar:
        return from_index(index[attrs["dim"]], output.dtype)


class Literal:
    """An array as an attribute: immutable, compared bit for bit, hashable; prints its values where they are few."""

    __slots__ = ("_key", "array")

    def __init__(self, values: Any, dtype: DType | None = None):
        array = np.array(values, None if dtype is None else dtype.numpy, order="C")
        array.flags.writeable = False
        self.array = array
        self._key = (array.shape, dtype_of(array.dtype), array.tobytes())

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> DType:
        return self._key[1]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Literal) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        if self.array.size <= 16:
            return f"literal({self.array.tolist()})"
        first = ", ".join(map(str, self.array.reshape(-1)[:4].tolist()))
        return f"literal([{first}, ... {self.array.size} values])"


@register
class Constant(Source):
    """A small array that is part of the program."""

    name = "constant"
    is_literal = True
    differentiable = False

    def infer(self, *types: TensorType, literal: Literal) -> TensorType:
        if not isinstance(literal, Literal):
            raise TypeError(f"constant expects a Literal, got {type(literal).__name__}")
        return TensorType(literal.dtype, literal.shape)

    def evaluate(self, *arrays: np.ndarray, literal: Literal) -> np.ndarray:
        return literal.array

    def element(
        self, index: Index, operands: Sequence[Operand], types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> Scalar:
        literal: Literal = attrs["literal"]
        if literal.array.size == 1:
            return ScalarConstant(literal.array.item(), output.dtype)
        return Load(literal, index, output.dtype)


class Random(Source):
    """Numbers of the generator's stream, in row-major order; the generator moves on."""

    effect = "random"
    differentiable = False
    cost = 20.0

    def draw(self, shape: tuple[int, ...], dtype: DType, *numbers: Any) -> np.ndarray:
        """The next numbers of the stream. ``numbers`` are the other attributes, in the order of their names."""
        raise NotImplementedError

    def evaluate(self, *arrays: np.ndarray, shape: tuple[int, ...], dtype: DType, **numbers: Any) -> np.ndarray:
        return self.draw(shape, dtype, **numbers)

    def infer(self, *types: TensorType, shape: tuple[Dimension, ...], dtype: DType) -> TensorType:
        if dtype.name not in ("float32", "float64"):
            raise TypeError(f"{self.name} expects a 32- or 64-bit floating dtype, got {dtype.name}")
        return TensorType(dtype, tuple(shape))


@register
class RandomUniform(Random):
    """Uniform in [0, 1), PyTorch's ``rand``."""

    name = "random_uniform"

    def draw(self, shape: tuple[int, ...], dtype: DType) -> np.ndarray:
        return default_generator.uniform(shape, dtype.numpy)


@register
class RandomNormal(Random):
    """Normal with mean 0 and standard deviation 1, PyTorch's ``randn``."""

    name = "random_normal"

    def draw(self, shape: tuple[int, ...], dtype: DType) -> np.ndarray:
        return default_generator.normal(shape, dtype.numpy)


@register
class RandomBernoulli(Random):
    """One with the given probability, else zero, PyTorch's ``bernoulli_(p)``."""

    name = "random_bernoulli"

    def infer(self, *types: TensorType, probability: float, shape: tuple[Dimension, ...], dtype: DType) -> TensorType:
        if not 0.0 <= probability <= 1.0:
            raise ValueError(f"bernoulli_ expects p to be in [0, 1], but got p={probability}")
        return TensorType(dtype, tuple(shape))

    def draw(self, shape: tuple[int, ...], dtype: DType, probability: float) -> np.ndarray:
        return default_generator.bernoulli(probability, shape).astype(dtype.numpy)


def number_like(
    reference: Any, value: Any, *, shape: tuple[Dimension, ...] | None = None, dtype: DType | None = None
) -> Any:
    """A number at every place of a value shaped (and typed) as the reference: an operand, not to be written to."""
    dtype = reference.dtype if dtype is None else dtype
    shape = reference.shape if shape is None else shape
    return reference.apply(Full.instance, (), {"value": as_number(value, dtype), "shape": shape, "dtype": dtype})


def literal_like(reference: Any, values: Any, dtype: DType | None = None) -> Any:
    """An array that is known now, as a value beside the reference: an operand, not to be written to."""
    return reference.apply(Constant.instance, (), {"literal": Literal(values, dtype)})
