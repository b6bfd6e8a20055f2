"""What a value of the tensor IR is: element types and tensor types."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from graphc.ir.integers import Dimension, product, substitute


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class DType:
    """An element type. ``name`` is PyTorch's, ``short`` the IR's spelling, ``category`` orders type promotion.

    There is one object for each element type, so that they compare by identity. ``numpy`` is found on first use where
    that needs a package beside numpy (bfloat16 is of ``ml_dtypes``).
    Source of the attributes: https://docs.pytorch.org/docs/stable/tensor_attributes.html#torch-dtype
    """

    name: str
    short: str
    category: str  # "bool", "int", "float", or "complex"; "tuple" for what is no element
    itemsize: int
    is_floating_point: bool = field(init=False)
    is_complex: bool = field(init=False)
    is_integer: bool = field(init=False)
    is_signed: bool = field(init=False)
    # Values of the dtype have gradients.
    is_differentiable: bool = field(init=False)
    # Two bytes of a float: computed with in float32, and rounded once for each operator.
    is_half: bool = field(init=False)
    # numpy computes with it as PyTorch does: neither a half, nor complex, which numpy orders and PyTorch does not.
    is_direct: bool = field(init=False)
    numpy: np.dtype = field(init=False)

    def __post_init__(self) -> None:
        floating, complex_ = self.category == "float", self.category == "complex"
        half = floating and self.itemsize == 2
        derived = {
            "is_floating_point": floating,
            "is_complex": complex_,
            "is_integer": self.category == "int",
            "is_signed": floating or complex_ or self.name.startswith("int"),
            "is_differentiable": floating or complex_ or self.category == "tuple",
            "is_half": half,
            "is_direct": not half and not complex_,
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        """Fills in ``numpy`` when it is first asked for; of all else there is nothing."""
        if name != "numpy":
            raise AttributeError(f"a dtype has no attribute {name!r}")
        if self.name == "bfloat16":
            from ml_dtypes import bfloat16 as numpy_type
        else:
            numpy_type = self.name
        found = np.dtype(numpy_type)
        object.__setattr__(self, "numpy", found)
        DTYPE_OF_NUMPY[found] = self
        return found

    def to_real(self) -> DType:
        """The dtype of the real part: itself where it is not complex."""
        return _REAL.get(self.name, self)

    def to_complex(self) -> DType:
        """The complex dtype of numbers of this precision. Raises RuntimeError for integers, bool, and float16, whose
        complex dtype graphc does not hold."""
        if self.is_complex:
            return self
        if self.name not in _COMPLEX:
            raise RuntimeError(f"there is no complex dtype for {self.name}")
        return _COMPLEX[self.name]

    def __repr__(self) -> str:
        # A program that says `import graphc as torch` prints what PyTorch prints.
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return "bool_" if self.name == "bool" else self.name


bool_ = DType("bool", "bool", "bool", 1)
uint8 = DType("uint8", "u8", "int", 1)
uint16 = DType("uint16", "u16", "int", 2)
uint32 = DType("uint32", "u32", "int", 4)
uint64 = DType("uint64", "u64", "int", 8)
int8 = DType("int8", "i8", "int", 1)
int16 = DType("int16", "i16", "int", 2)
int32 = DType("int32", "i32", "int", 4)
int64 = DType("int64", "i64", "int", 8)
float16 = DType("float16", "f16", "float", 2)
bfloat16 = DType("bfloat16", "bf16", "float", 2)
float32 = DType("float32", "f32", "float", 4)
float64 = DType("float64", "f64", "float", 8)
complex64 = DType("complex64", "c64", "complex", 8)
complex128 = DType("complex128", "c128", "complex", 16)

DTYPES: tuple[DType, ...] = (
    bool_,
    uint8,
    uint16,
    uint32,
    uint64,
    int8,
    int16,
    int32,
    int64,
    float16,
    bfloat16,
    float32,
    float64,
    complex64,
    complex128,
)
_REAL = {"complex64": float32, "complex128": float64}
_COMPLEX = {"bfloat16": complex64, "float32": complex64, "float64": complex128}
DTYPE_OF_SHORT: dict[str, DType] = {dtype.short: dtype for dtype in DTYPES}
# Those whose numpy dtype has been found; `dtype_of` finds the others.
DTYPE_OF_NUMPY: dict[np.dtype, DType] = {}
for _dtype in DTYPES:
    if _dtype is not bfloat16:
        DTYPE_OF_NUMPY[_dtype.numpy] = _dtype


def dtype_of(numpy_type: np.dtype) -> DType:
    """The DType for a numpy dtype. Raises TypeError for one that graphc does not hold."""
    found = DTYPE_OF_NUMPY.get(numpy_type)
    if found is None and numpy_type.name == "bfloat16" and numpy_type == bfloat16.numpy:
        found = bfloat16
    if found is None:
        known = ", ".join(dtype.name for dtype in DTYPES)
        raise TypeError(f"no tensor can hold numpy dtype {numpy_type}; supported: {known}")
    return found


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


# Stands where the dtype of a value is asked for that is several: cotangents may pass through it.
tuple_ = DType("tuple", "tuple", "tuple", 0)


@dataclass(frozen=True, slots=True)
class TupleType:
    """The type of what is several values: the result of a structured operation, which projections alone read.

    Where element type and shape are asked of any value, it answers as a value without elements.
    """

    fields: tuple[TensorType, ...]
    dtype: ClassVar[DType] = tuple_
    shape: ClassVar[tuple[Dimension, ...]] = ()
    rank: ClassVar[int] = 0
    size: ClassVar[int] = 0
    nbytes: ClassVar[int] = 0
    strides: ClassVar[tuple[Dimension, ...]] = ()

    def bind(self, symbols: dict[str, int]) -> TupleType:
        """The type with its symbols replaced by the given sizes."""
        return TupleType(tuple(field.bind(symbols) for field in self.fields))

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.fields))})"


def contiguous_strides(shape: tuple[Dimension, ...]) -> tuple[Dimension, ...]:
    """Row-major strides in elements: the last dimension has stride 1."""
    strides: list[Dimension] = []
    step: Dimension = 1
    for extent in reversed(shape):
        strides.append(step)
        step = step * extent
    return tuple(reversed(strides))
