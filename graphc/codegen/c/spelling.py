"""How C spells the scalar functions: tables and nothing else.

A spelling is looked up by the function's name and the dtype of its first argument, first by the dtype's short name,
then by its category. In a format ``{0}``, ``{1}``, ... are the arguments, ``{d}`` the short name of the operand dtype,
``{f}`` the suffix of libm's functions ("f" for float32), ``{t}`` the C type.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from graphc.ir.types import DType

# How tightly C binds, from loosest to tightest.
CONDITIONAL, OR, AND, COMPARE, ADD, MULTIPLY, UNARY, PRIMARY = range(8)


@dataclass(frozen=True, slots=True)
class Spelling:
    """A C expression with holes. ``level`` tells how tightly it binds; ``argument_level`` what its arguments need.

    ``helper`` names a function of ``templates/c/scalar_functions.h.j2``, and ``library`` one of
    ``templates/c/math.h.j2``, that the program must hold where this is used.
    """

    format: str
    level: int = PRIMARY
    argument_level: int = CONDITIONAL
    helper: str | None = None
    library: str | None = None


def _binary(symbol: str, level: int) -> Spelling:
    # The right argument of an equal level always gets parentheses, since float arithmetic does not associate.
    return Spelling(f"{{0}} {symbol} {{1}}", level, level)


def _helper(name: str, arity: int) -> Spelling:
    holes = ", ".join(f"{{{position}}}" for position in range(arity))
    return Spelling(f"gc_{name}_{{d}}({holes})", helper=name)


def _library(name: str, arity: int = 1) -> Spelling:
    holes = ", ".join(f"{{{position}}}" for position in range(arity))
    return Spelling(f"gc_{name}_{{d}}({holes})", library=name)


def _libm(name: str, arity: int = 1) -> Spelling:
    holes = ", ".join(f"{{{position}}}" for position in range(arity))
    return Spelling(f"{name}{{f}}({holes})")


_COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_TRUTH = {"logical_and": ("&&", AND), "logical_or": ("||", OR)}

SPELLING: dict[tuple[str, str], Spelling] = {
    # Floating point.
    ("neg", "float"): Spelling("-{0}", UNARY, PRIMARY),
    ("abs", "float"): _libm("fabs"),
    ("sign", "float"): _library("sign", 1),
    ("add", "float"): _binary("+", ADD),
    ("sub", "float"): _binary("-", ADD),
    ("mul", "float"): _binary("*", MULTIPLY),
    ("div", "float"): _binary("/", MULTIPLY),
    ("floor_divide", "float"): _library("floor_divide", 2),
    ("remainder", "float"): _library("remainder", 2),
    ("fmod", "float"): _libm("fmod", 2),
    ("maximum", "float"): _library("maximum", 2),
    ("minimum", "float"): _library("minimum", 2),
    ("reciprocal", "float"): Spelling("1 / {0}", MULTIPLY, UNARY),
    ("sqrt", "float"): _libm("sqrt"),
    ("rsqrt", "float"): _library("rsqrt"),
    ("floor", "float"): _libm("floor"),
    ("ceil", "float"): _libm("ceil"),
    ("trunc", "float"): _libm("trunc"),
    ("round", "float"): _libm("rint"),  # half to even, the default rounding mode
    ("isnan", "float"): _helper("isnan", 1),
    ("isinf", "float"): _helper("isinf", 1),
    ("isfinite", "float"): _helper("isfinite", 1),
    ("exp", "float"): _library("exp"),
    ("expm1", "float"): _library("expm1"),
    ("log", "float"): _library("log"),
    ("log1p", "float"): _library("log1p"),
    ("tanh", "float"): _library("tanh"),
    ("sigmoid", "float"): _library("sigmoid"),
    ("erf", "float"): _library("erf"),
    ("sin", "float"): _library("sin"),
    ("cos", "float"): _library("cos"),
    ("pow", "float"): _library("pow", 2),
    ("copysign", "float"): _libm("copysign", 2),
    ("nextafter", "float"): _libm("nextafter", 2),
    # gcc 12 fails to compile loops of its own `signbit`.
    ("signbit", "float"): Spelling("copysign{f}(1, {0}) < 0", COMPARE),
    # Integers: what overflows wraps; division rounds down.
    ("neg", "int"): _helper("neg", 1),
    ("abs", "int"): _helper("abs", 1),
    ("sign", "int"): _library("sign", 1),
    ("add", "int"): _helper("add", 2),
    ("sub", "int"): _helper("sub", 2),
    ("mul", "int"): _helper("mul", 2),
    ("floor_divide", "int"): _library("floor_divide", 2),
    ("remainder", "int"): _library("remainder", 2),
    ("maximum", "int"): _library("maximum", 2),
    ("minimum", "int"): _library("minimum", 2),
    ("pow", "int"): _helper("pow", 2),
    ("bitwise_not", "int"): Spelling("({t})~{0}", UNARY, UNARY),
    ("bitwise_and", "int"): Spelling("({t})({0} & {1})", UNARY, UNARY),
    ("bitwise_or", "int"): Spelling("({t})({0} | {1})", UNARY, UNARY),
    ("bitwise_xor", "int"): Spelling("({t})({0} ^ {1})", UNARY, UNARY),
    ("fmod", "int"): _library("fmod", 2),
    ("gcd", "int"): _library("gcd", 2),
    ("lcm", "int"): _library("lcm", 2),
    ("bitwise_left_shift", "int"): _helper("left_shift", 2),
    ("bitwise_right_shift", "int"): _helper("right_shift", 2),
    ("floor", "int"): Spelling("{0}", PRIMARY, PRIMARY),
    ("ceil", "int"): Spelling("{0}", PRIMARY, PRIMARY),
    ("trunc", "int"): Spelling("{0}", PRIMARY, PRIMARY),
    ("round", "int"): Spelling("{0}", PRIMARY, PRIMARY),
    ("isnan", "int"): Spelling("false"),
    # Truth values: 0 and 1, as numpy stores them.
    ("add", "bool"): _binary("||", OR),
    ("mul", "bool"): _binary("&&", AND),
    ("maximum", "bool"): _binary("||", OR),
    ("minimum", "bool"): _binary("&&", AND),
    ("bitwise_not", "bool"): Spelling("!{0}", UNARY, PRIMARY),
    ("bitwise_and", "bool"): _binary("&&", AND),
    ("bitwise_or", "bool"): _binary("||", OR),
    ("bitwise_xor", "bool"): _binary("!=", COMPARE),
    ("abs", "bool"): Spelling("{0}", PRIMARY, PRIMARY),
    ("sign", "bool"): Spelling("{0}", PRIMARY, PRIMARY),
    ("isnan", "bool"): Spelling("false"),
}

# This project's own for float32, libm's for float64; by the number of operands.
for _name, _arity in {
    **dict.fromkeys(
        ("tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "exp2", "log2", "log10"), 1
    ),
    **dict.fromkeys(("atan2", "hypot"), 2),
}.items():
    SPELLING[_name, "float"] = _library(_name, _arity)
    SPELLING[_name, "f64"] = _libm(_name, _arity)
for _name, _arity in {
    "logaddexp": 2,
    "logaddexp2": 2,
    "fmax": 2,
    "fmin": 2,
    "frexp_mantissa": 1,
    "frexp_exponent": 1,
    **dict.fromkeys(("erfc", "erfcx", "erfinv", "ndtri", "log_ndtr", "lgamma", "digamma", "i0", "i0e", "i1", "i1e"), 1),
    "logit": 1,
    "zeta": 2,
    **dict.fromkeys(("bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "spherical_bessel_j0", "airy_ai"), 1),
    **dict.fromkeys((f"{scale}modified_bessel_k{order}" for scale in ("", "scaled_") for order in (0, 1)), 1),
    **dict.fromkeys(("igamma", "igammac", "laguerre_polynomial_l", "legendre_polynomial_p"), 2),
    **dict.fromkeys((f"chebyshev_polynomial_{kind}" for kind in "tuvw"), 2),
    **dict.fromkeys(("hermite_polynomial_h", "hermite_polynomial_he"), 2),
}.items():
    SPELLING[_name, "float"] = _library(_name, _arity)

for _name in ("u8", "u16", "u32", "u64"):
    SPELLING["sign", _name] = Spelling("({t})({0} > 0)", UNARY, ADD)

for _category in ("float", "int", "bool"):
    for _name, _symbol in _COMPARISONS.items():
        SPELLING[_name, _category] = _binary(_symbol, COMPARE)
    SPELLING["where", _category] = Spelling("{0} ? {1} : {2}", CONDITIONAL, OR)

for _name, (_symbol, _level) in _TRUTH.items():
    SPELLING[_name, "bool"] = _binary(_symbol, _level)
    for _category in ("float", "int"):
        SPELLING[_name, _category] = Spelling(f"{{0}} != 0 {_symbol} {{1}} != 0", _level, ADD)
SPELLING["logical_not", "bool"] = Spelling("!{0}", UNARY, PRIMARY)
SPELLING["logical_xor", "bool"] = _binary("!=", COMPARE)
for _category in ("float", "int"):
    SPELLING["logical_not", _category] = Spelling("{0} == 0", COMPARE, ADD)
    SPELLING["logical_xor", _category] = Spelling("({0} != 0) != ({1} != 0)", COMPARE, ADD)

# Casts, by the category of the source and the target. A float outside an integer type's range would be undefined in
# C; the helper gives what x86 hardware and numpy give.
CASTS: dict[tuple[str, str], Spelling] = {
    ("float", "float"): Spelling("({t}){0}", UNARY, UNARY),
    ("int", "float"): Spelling("({t}){0}", UNARY, UNARY),
    ("bool", "float"): Spelling("({t}){0}", UNARY, UNARY),
    ("int", "int"): Spelling("({t}){0}", UNARY, UNARY),
    ("bool", "int"): Spelling("({t}){0}", UNARY, UNARY),
    ("float", "bool"): Spelling("{0} != 0", COMPARE, ADD),
    ("int", "bool"): Spelling("{0} != 0", COMPARE, ADD),
}


@cache
def is_conditional(function: str) -> bool:
    """Whether C evaluates what stands behind a function's first argument only if need be."""
    return any(spelling.level == CONDITIONAL for (name, _), spelling in SPELLING.items() if name == function)


def spelling_of(function: str, operand: DType) -> Spelling:
    """The spelling of a scalar function of operands of a dtype. Raises NotImplementedError where C has none."""
    for key in (operand.short, operand.category):
        if (function, key) in SPELLING:
            return SPELLING[function, key]
    raise NotImplementedError(f"the C printer has no spelling for {function} of {operand.name}")
