"""How CUDA spells the scalar functions: where it differs from C, as a table and nothing else.

CUDA's own functions of float32 are within 4 ulp (CUDA C++ Programming Guide, "Mathematical Functions"); what it lacks,
or does less well, comes from this project's templates, which are the same for C.
"""

from __future__ import annotations

from graphc.codegen.c.spelling import COMPARE, MULTIPLY, Spelling, spelling_of
from graphc.ir.types import DType


def _function(name: str, arity: int) -> Spelling:
    holes = ", ".join(f"{{{position}}}" for position in range(arity))
    return Spelling(f"{name}{{f}}({holes})")


# The names of CUDA's functions, which end in "f" for float32, and the number of their operands.
_OWN: dict[str, tuple[str, int]] = {
    **{
        name: (name, 1)
        for name in (
            "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "sinh", "cosh", "tanh", "erf",
            "erfc", "rsqrt",
        )
    },
    **{name: (f"a{name.removeprefix('a')}", 1) for name in ("asin", "acos", "atan", "asinh", "acosh", "atanh")},
    **{name: (name, 2) for name in ("pow", "atan2", "hypot")},
}  # fmt: skip

CUDA_SPELLING: dict[tuple[str, str], Spelling] = {
    ("signbit", "float"): Spelling("copysign{f}(1, {0}) < 0", COMPARE),
    ("sigmoid", "f32"): Spelling("1.0f / (1.0f + expf(-({0})))", MULTIPLY),
    ("sigmoid", "f64"): Spelling("1.0 / (1.0 + exp(-({0})))", MULTIPLY),
}
for _name, (_own, _arity) in _OWN.items():
    CUDA_SPELLING[_name, "float"] = _function(_own, _arity)


def cuda_spelling_of(function: str, operand: DType) -> Spelling:
    """The spelling of a scalar function of operands of a dtype. Raises NotImplementedError where there is none."""
    for key in (operand.short, operand.category):
        if (function, key) in CUDA_SPELLING:
            return CUDA_SPELLING[function, key]
    return spelling_of(function, operand)
