"""What PyTorch's messages call the dtypes."""

from __future__ import annotations

from graphc.ir.types import DType

_NAMES = {
    "bool": ("Bool", "bool"),
    "uint8": ("Byte", "unsigned char"),
    "uint16": ("UInt16", "uint16_t"),
    "uint32": ("UInt32", "uint32_t"),
    "uint64": ("UInt64", "uint64_t"),
    "int8": ("Char", "signed char"),
    "int16": ("Short", "short int"),
    "int32": ("Int", "int"),
    "int64": ("Long", "long int"),
    "float16": ("Half", "c10::Half"),
    "bfloat16": ("BFloat16", "c10::BFloat16"),
    "float32": ("Float", "float"),
    "float64": ("Double", "double"),
    "complex64": ("ComplexFloat", "c10::complex<float>"),
    "complex128": ("ComplexDouble", "c10::complex<double>"),
}


def type_name(dtype: DType) -> str:
    """What PyTorch's messages call a dtype, such as Float."""
    return _NAMES[dtype.name][0]


_LEGACY = frozenset({"uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"})


def tensor_type_name(dtype: DType) -> str:
    """What PyTorch's messages call the type of a tensor in the processor's memory, such as ``torch.FloatTensor``."""
    name = _NAMES[dtype.name][0]
    return f"torch.{name}Tensor" if dtype.name in _LEGACY else f"CPU{name}Type"


def scalar_name(dtype: DType) -> str:
    """What PyTorch's messages call the C++ type of an element, such as ``long int``."""
    return _NAMES[dtype.name][1]
