"""C types and exact C literals for the dtypes."""

from __future__ import annotations

import math

import numpy as np

from graphc.ir.types import DType

C_TYPES: dict[str, str] = {
    "bool": "bool",
    "u8": "uint8_t",
    "i8": "int8_t",
    "i16": "int16_t",
    "i32": "int32_t",
    "i64": "int64_t",
    "u16": "uint16_t",
    "u32": "uint32_t",
    "u64": "uint64_t",
    "f32": "float",
    "f64": "double",
    # Halves are held as their bits and computed with as floats.
    "f16": "uint16_t",
    "bf16": "uint16_t",
    # What the host computes with and programs hold in memory.
    "c64": "float _Complex",
    "c128": "double _Complex",
}


def c_type(dtype: DType) -> str:
    """The C type of one element; its layout is numpy's."""
    return C_TYPES[dtype.short]


def literal(value: float | int | bool, dtype: DType) -> str:
    """A C constant of the very value that ``value`` has once it is rounded to ``dtype``."""
    if dtype.category == "bool":
        return "true" if value else "false"
    if dtype.is_integer:
        return integer_literal(int(value))
    if dtype.is_half:
        return f"0x{int(dtype.numpy.type(np.float32(value)).view(np.uint16)):04x}"
    number = dtype.numpy.type(value)
    if np.isnan(number):
        return "NAN" if dtype.itemsize == 4 else "(double)NAN"
    suffix = "f" if dtype.itemsize == 4 else ""
    if np.isinf(number):
        text = "INFINITY" if dtype.itemsize == 4 else "(double)INFINITY"
    else:
        text = _decimal(abs(number)) + suffix
    return f"-{text}" if math.copysign(1.0, number) < 0 else text


def _decimal(number: np.floating) -> str:
    """The shortest decimal that reads back as the same float of that precision, with a point or an exponent."""
    if number == 0 or 1e-4 <= number < 1e7:
        return np.format_float_positional(number, unique=True, trim="0")
    return np.format_float_scientific(number, unique=True, trim="-", exp_digits=1)


def integer_literal(value: int) -> str:
    """A C integer constant of a value within int64 or uint64."""
    if value == -(2**63):
        return "INT64_MIN"
    if 2**63 <= value < 2**64:
        return f"UINT64_C({value})"
    if not -(2**63) < value < 2**63:
        raise ValueError(f"{value} does not fit into 64 bits")
    if -(2**31) < value < 2**31:
        return str(value)
    return f"INT64_C({value})" if value > 0 else f"-INT64_C({-value})"


def least(dtype: DType) -> str:
    """The least value of a dtype as C: what a maximum starts from."""
    return _limit(dtype, -1)


def greatest(dtype: DType) -> str:
    """The greatest value of a dtype as C: what a minimum starts from."""
    return _limit(dtype, +1)


def _limit(dtype: DType, sign: int) -> str:
    if dtype.is_floating_point:
        return literal(sign * math.inf, dtype)
    if dtype.category == "bool":
        return "true" if sign > 0 else "false"
    information = np.iinfo(dtype.numpy)
    return integer_literal(int(information.max if sign > 0 else information.min))
