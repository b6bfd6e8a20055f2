"""What a value of the tensor IR is: element types and tensor types."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from graphc.ir.integers import Dimension, product, substitute


@dataclass(frozen=True, slots=True, repr=False)
class DType:
    """An element type. ``name`` is PyTorch's, ``short`` the IR's spelling, ``category`` orders type promotion."""

    name: str
    short: str
    category: str
    itemsize: int
    numpy: np.dtype = field(compare=False)

    @property
    def is_floating_point(self) -> bool:
        return self.category == "float"

    @property
    def is_integer(self) -> bool:
        return self.category == "int"

    def __repr__(self) -> str:
        # A program that says `import graphc as torch` prints what PyTorch prints.
        return f"torch.{self.name}"


def _dtype(name: str, short: str, category: str) -> DType:
    numpy_type = np.dtype("bool" if name == "bool" else name)
    return DType(name, short, category, numpy_type.itemsize, numpy_type)


bool_ = _dtype("bool", "bool", "bool")
uint8 = _dtype("uint8", "u8", "int")
int8 = _dtype("int8", "i8", "int")
int16 = _dtype("int16", "i16", "int")
int32 = _dtype("int32", "i32", "int")
int64 = _dtype("int64", "i64", "int")
float32 = _dtype("float32", "f32", "float")
float64 = _dtype("float64", "f64", "float")

DTYPES: tuple[DType, ...] = (bool_, uint8, int8, int16, int32, int64, float32, float64)
DTYPE_OF_SHORT: dict[str, DType] = {dtype.short: dtype for dtype in DTYPES}
DTYPE_OF_NUMPY: dict[np.dtype, DType] = {dtype.numpy: dtype for dtype in DTYPES}


def dtype_of(numpy_type: np.dtype) -> DType:
    """The DType for a numpy dtype. Raises TypeError for one that graphc does not hold."""
    try:
        return DTYPE_OF_NUMPY[numpy_type]
    except KeyError:
        known = ", ".join(dtype.name for dtype in DTYPES)
        raise TypeError(f"no tensor can hold numpy dtype {numpy_type}; supported: {known}") from None


@dataclass(frozen=True, slots=True)
class TensorType:
    """Element type and shape of a value. A dimension is an int or a polynomial in symbols such as N."""

    dtype: DType
    shape: tuple[Dimension, ...]

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> Dimension:
        """The number of elements."""
        return product(self.shape)

    @property
    def nbytes(self) -> Dimension:
        """The number of bytes of a contiguous value."""
        return product(self.shape) * self.dtype.itemsize

    @property
    def strides(self) -> tuple[Dimension, ...]:
        """Strides in elements of a contiguous (row-major) value."""
        return contiguous_strides(self.shape)

    def bind(self, symbols: dict[str, int]) -> TensorType:
        """The type with its symbols replaced by the given sizes."""
        return TensorType(self.dtype, tuple(substitute(extent, symbols) for extent in self.shape))

    def __str__(self) -> str:
        return f"{self.dtype.short}[{','.join(str(extent) for extent in self.shape)}]"


def contiguous_strides(shape: tuple[Dimension, ...]) -> tuple[Dimension, ...]:
    """Row-major strides in elements: the last dimension has stride 1."""
    strides: list[Dimension] = []
    step: Dimension = 1
    for extent in reversed(shape):
        strides.append(step)
        step = step * extent
    return tuple(reversed(strides))
