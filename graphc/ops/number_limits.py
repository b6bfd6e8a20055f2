"""What the dtypes can hold: PyTorch's ``finfo`` and ``iinfo``.

Source: https://docs.pytorch.org/docs/stable/type_info.html
"""

from __future__ import annotations

from graphc.ir.types import DType
from graphc.ops.promotion import get_default_dtype


class finfo:
    """What a floating dtype can hold; of a complex dtype its parts, of none the default one.

    Attributes are PyTorch's: bits, eps, max, min, smallest_normal, tiny, resolution (a decimal that all its digits
    are good for), dtype (its name). Raises TypeError for another dtype.
    """

    __slots__ = ("bits", "dtype", "eps", "max", "min", "resolution", "smallest_normal", "tiny")

    def __init__(self, type: DType | None = None):
        dtype = get_default_dtype() if type is None else type
        if not isinstance(dtype, DType):
            given = dtype.__class__.__name__
            raise TypeError(f"finfo(): argument 'type' (position 1) must be torch.dtype, not {given}")
        if not dtype.is_differentiable:
            raise TypeError(
                "torch.finfo() requires a floating point input type. Use torch.iinfo to handle 'torch.finfo'"
            )
        dtype = dtype.to_real()
        digits, exponent = _FLOATS[dtype.name]
        self.dtype, self.bits = dtype.name, dtype.itemsize * 8
        self.eps = 2.0**-digits
        self.max = (2.0 - self.eps) * 2.0**exponent
        self.min = -self.max
        self.tiny = self.smallest_normal = 2.0 ** (1 - exponent)
        self.resolution = 10.0 ** -int(digits * 0.30103)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, finfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)

    def __repr__(self) -> str:
        shown = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        values = ", ".join(f"{name}={getattr(self, name):g}" for name in shown)
        return f"finfo({values}, dtype={self.dtype})"


# Bits after the point of a mantissa, and the greatest exponent.
_FLOATS = {"float16": (10, 15), "bfloat16": (7, 127), "float32": (23, 127), "float64": (52, 1023)}


class iinfo:
    """What an integer dtype can hold: bits, max, min, dtype (its name). Raises TypeError for another dtype."""

    __slots__ = ("bits", "dtype", "max", "min")

    def __init__(self, type: DType):
        if not isinstance(type, DType):
            given = type.__class__.__name__
            raise TypeError(f"iinfo(): argument 'type' (position 1) must be torch.dtype, not {given}")
        if type.category == "bool":
            raise TypeError("torch.bool is not supported by torch.iinfo")
        if not type.is_integer:
            raise TypeError("torch.iinfo() requires an integer input type. Use torch.finfo to handle 'torch.iinfo'")
        self.dtype, self.bits = type.name, type.itemsize * 8
        self.min = -(2 ** (self.bits - 1)) if type.is_signed else 0
        self.max = 2 ** (self.bits - type.is_signed) - 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, iinfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"
