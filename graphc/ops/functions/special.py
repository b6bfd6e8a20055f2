"""What PyTorch offers as ``torch.special.<name>`` alone.

Source: https://docs.pytorch.org/docs/stable/special.html
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from graphc.ir.primitive import Primitive
from graphc.ops import bessel_functions, orthogonal_polynomials, special_functions
from graphc.ops.functions import factories
from graphc.ops.functions.special_functions import igamma, igammac
from graphc.ops.operands import cast, is_value, prepare, require_value
from graphc.ops.promotion import floating, result_type
from graphc.ops.views import Detach

NAMESPACE = "special"
__all__: list[str] = []
METHODS = ()

Value = Any
Operand = Any  # a Value or a Python number

_of_floats = partial(factories.floating_function, __name__)

entr = _of_floats(special_functions.Entropy, "entr", "-x * log(x); 0 at 0 and -inf below.")
erfcx = _of_floats(special_functions.Erfcx, "erfcx", "exp(x**2) * erfc(x).")
i0e = _of_floats(special_functions.BesselI0e, "i0e", "exp(-|x|) * i0(x).")
i1 = _of_floats(special_functions.BesselI1, "i1", "The modified Bessel function of order 1.")
i1e = _of_floats(special_functions.BesselI1e, "i1e", "exp(-|x|) * i1(x).")
log_ndtr = _of_floats(special_functions.LogNdtr, "log_ndtr", "The logarithm of ndtr, in the tail too.")
ndtri = _of_floats(special_functions.Ndtri, "ndtri", "The inverse of ndtr: the quantile of the normal distribution.")


def ndtr(input: Value) -> Value:
    """The normal distribution function: the integral of its density up to each element."""
    return special_functions.Erfc.bind(cast(input, floating(input.dtype)) * -math.sqrt(0.5)) * 0.5


def xlog1py(input: Operand, other: Operand) -> Value:
    """input * log(1 + other), 0 where input is 0 (unless other is NaN); one of them may be a number."""
    dtype = floating(result_type(input, other))
    return special_functions.XLog1pY.bind(*prepare(input, other, dtype=dtype))


def zeta(input: Operand, other: Operand) -> Value:
    """Hurwitz' zeta function, the sum of (other + k)**-input over k = 0, 1, ...; one of them may be a number.

    It has a gradient for ``other`` alone.
    """
    dtype = floating(result_type(input, other))
    return special_functions.Zeta.bind(*prepare(input, other, dtype=dtype))


def gammainc(input: Value, other: Value) -> Value:
    """The regularized lower incomplete gamma function P(input, other), of floats; a gradient for ``other`` alone."""
    factories.require_tensors("special_gammainc", input=input, other=other)
    return igamma(input, other)


def gammaincc(input: Value, other: Value) -> Value:
    """The regularized upper incomplete gamma function Q(input, other), of floats; a gradient for ``other`` alone."""
    factories.require_tensors("special_gammaincc", input=input, other=other)
    return igammac(input, other)


# -- what has no gradient ---------------------------------------------------------------------------------------------


def _bessel(primitive: type[Primitive], name: str, text: str) -> Callable[[Value], Value]:
    """A function of float32 or float64; integers and bool become the default floating dtype."""

    def function(input: Value) -> Value:
        require_value(f"special_{name}", input)
        dtype = floating(input.dtype)
        if dtype.is_half or dtype.is_complex:
            raise factories.not_implemented(f"{name}_cpu", dtype)
        return primitive.bind(Detach.bind(cast(input, dtype)))

    return factories.named(function, __name__, name, text)


bessel_j0 = _bessel(bessel_functions.BesselJ0, "bessel_j0", "The Bessel function of the first kind of order 0.")
bessel_j1 = _bessel(bessel_functions.BesselJ1, "bessel_j1", "The Bessel function of the first kind of order 1.")
bessel_y0 = _bessel(
    bessel_functions.BesselY0, "bessel_y0", "The Bessel function of the second kind of order 0; -inf at 0, NaN below."
)
bessel_y1 = _bessel(
    bessel_functions.BesselY1, "bessel_y1", "The Bessel function of the second kind of order 1; -inf at 0, NaN below."
)
spherical_bessel_j0 = _bessel(bessel_functions.SphericalBesselJ0, "spherical_bessel_j0", "sin(x) / x; 1 at 0.")
modified_bessel_i0 = _bessel(
    special_functions.BesselI0, "modified_bessel_i0", "The modified Bessel function of the first kind of order 0."
)
modified_bessel_i1 = _bessel(
    special_functions.BesselI1, "modified_bessel_i1", "The modified Bessel function of the first kind of order 1."
)
modified_bessel_k0 = _bessel(
    bessel_functions.BesselK0, "modified_bessel_k0", "The modified Bessel function of the second kind of order 0."
)
modified_bessel_k1 = _bessel(
    bessel_functions.BesselK1, "modified_bessel_k1", "The modified Bessel function of the second kind of order 1."
)
scaled_modified_bessel_k0 = _bessel(
    bessel_functions.ScaledBesselK0, "scaled_modified_bessel_k0", "exp(x) * modified_bessel_k0(x), where neither is 0."
)
scaled_modified_bessel_k1 = _bessel(
    bessel_functions.ScaledBesselK1, "scaled_modified_bessel_k1", "exp(x) * modified_bessel_k1(x), where neither is 0."
)
airy_ai = _bessel(bessel_functions.AiryAi, "airy_ai", "Airy's function Ai.")


def _polynomial(
    primitive: type[Primitive], name: str, text: str, shifted: bool = False
) -> Callable[[Operand, Operand], Value]:
    """A polynomial of degree n of float32 or float64; ``shifted`` is that of 2 x - 1."""

    def function(input: Operand, n: Operand) -> Value:
        if not is_value(input) and not is_value(n):
            raise TypeError(f"special_{name}(): argument 'input' (position 1) must be Tensor, not {_kind(input)}")
        dtype = floating(result_type(input, n))
        if dtype.is_half or dtype.is_complex:
            raise factories.not_implemented(f"{name}_cpu", dtype)
        x, degree = (Detach.bind(each) for each in prepare(input, n, dtype=dtype))
        return primitive.bind(x + x - 1 if shifted else x, degree)

    return factories.named(
        function, __name__, name, f"{text} The degree is cut to an integer; below 0 the result is 0."
    )


def _kind(operand: Any) -> str:
    return type(operand).__name__


_CHEBYSHEV = {
    "t": (orthogonal_polynomials.ChebyshevT, "first"),
    "u": (orthogonal_polynomials.ChebyshevU, "second"),
    "v": (orthogonal_polynomials.ChebyshevV, "third"),
    "w": (orthogonal_polynomials.ChebyshevW, "fourth"),
}


def _chebyshev(letter: str, shifted: bool = False) -> Callable[[Operand, Operand], Value]:
    primitive, kind = _CHEBYSHEV[letter]
    text = f"Chebyshev's polynomial of the {kind} kind of degree n{', of 2 x - 1' if shifted else ''}."
    return _polynomial(primitive, f"{'shifted_' if shifted else ''}chebyshev_polynomial_{letter}", text, shifted)


chebyshev_polynomial_t, shifted_chebyshev_polynomial_t = _chebyshev("t"), _chebyshev("t", shifted=True)
chebyshev_polynomial_u, shifted_chebyshev_polynomial_u = _chebyshev("u"), _chebyshev("u", shifted=True)
chebyshev_polynomial_v, shifted_chebyshev_polynomial_v = _chebyshev("v"), _chebyshev("v", shifted=True)
chebyshev_polynomial_w, shifted_chebyshev_polynomial_w = _chebyshev("w"), _chebyshev("w", shifted=True)
hermite_polynomial_h = _polynomial(
    orthogonal_polynomials.HermiteH, "hermite_polynomial_h", "Hermite's polynomial of degree n, the physicists'."
)
hermite_polynomial_he = _polynomial(
    orthogonal_polynomials.HermiteHe, "hermite_polynomial_he", "Hermite's polynomial of degree n, the probabilists'."
)
laguerre_polynomial_l = _polynomial(
    orthogonal_polynomials.Laguerre, "laguerre_polynomial_l", "Laguerre's polynomial of degree n."
)
legendre_polynomial_p = _polynomial(
    orthogonal_polynomials.Legendre, "legendre_polynomial_p", "Legendre's polynomial of degree n."
)
