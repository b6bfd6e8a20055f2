"""The element types that files know, by PyTorch's names: more than graphc holds, so that a refusal can name them.

Source: https://docs.pytorch.org/docs/stable/storage.html
"""

from __future__ import annotations

from dataclasses import dataclass

from graphc.ir.types import DTYPES, DType


@dataclass(frozen=True, slots=True)
class ElementType:
    """An element type in a file: PyTorch's name of the dtype, bytes of an element, and its storage class, if any."""

    name: str
    itemsize: int
    storage: str | None = None

    @property
    def dtype(self) -> DType | None:
        """The dtype of graphc with this name; None where there is none."""
        return _DTYPE_OF_NAME.get(self.name)


_DTYPE_OF_NAME = {dtype.name: dtype for dtype in DTYPES}

ELEMENT_TYPES = (
    ElementType("float64", 8, "DoubleStorage"),
    ElementType("float32", 4, "FloatStorage"),
    ElementType("float16", 2, "HalfStorage"),
    ElementType("bfloat16", 2, "BFloat16Storage"),
    ElementType("int64", 8, "LongStorage"),
    ElementType("int32", 4, "IntStorage"),
    ElementType("int16", 2, "ShortStorage"),
    ElementType("int8", 1, "CharStorage"),
    ElementType("uint8", 1, "ByteStorage"),
    ElementType("bool", 1, "BoolStorage"),
    ElementType("complex128", 16, "ComplexDoubleStorage"),
    ElementType("complex64", 8, "ComplexFloatStorage"),
    ElementType("quint8", 1, "QUInt8Storage"),
    ElementType("qint8", 1, "QInt8Storage"),
    ElementType("qint32", 4, "QInt32Storage"),
    ElementType("quint4x2", 1, "QUInt4x2Storage"),
    ElementType("quint2x4", 1, "QUInt2x4Storage"),
    ElementType("complex32", 4),
    ElementType("uint16", 2),
    ElementType("uint32", 4),
    ElementType("uint64", 8),
    ElementType("float8_e4m3fn", 1),
    ElementType("float8_e4m3fnuz", 1),
    ElementType("float8_e5m2", 1),
    ElementType("float8_e5m2fnuz", 1),
    ElementType("float8_e8m0fnu", 1),
)
ELEMENT_TYPE_OF_NAME = {element.name: element for element in ELEMENT_TYPES}
# A storage that says nothing about its elements counts bytes; the tensor that lies in it names the dtype.
UNTYPED = ElementType("uint8", 1, "UntypedStorage")


def element_type_of(dtype: DType) -> ElementType:
    """The element type in a file for a dtype of graphc."""
    return ELEMENT_TYPE_OF_NAME[dtype.name]
