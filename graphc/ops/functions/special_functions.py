"""Special functions that PyTorch offers as ``torch.<name>``; those of ``torch.special`` alone are in ``special.py``.

Source: https://docs.pytorch.org/docs/stable/special.html
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from graphc.ir.types import bool_
from graphc.ops import bessel_functions, special_functions
from graphc.ops.functions import factories
from graphc.ops.functions.arithmetic import clamp
from graphc.ops.operands import cast, is_value, prepare, require_value
from graphc.ops.promotion import floating, result_type

__all__ = [
    "digamma",
    "erfc",
    "erfinv",
    "i0",
    "igamma",
    "igammac",
    "lgamma",
    "logit",
    "mvlgamma",
    "polygamma",
    "sinc",
    "xlogy",
]
IN_PLACE = tuple(__all__)

Value = Any
Operand = Any  # a Value or a Python number

_of_floats = partial(factories.floating_function, __name__)
_of_two_floats = partial(factories.of_two_floats, __name__, integers=False)

erfc = _of_floats(special_functions.Erfc, "erfc", "1 - erf(x), without cancellation.")
erfinv = _of_floats(special_functions.Erfinv, "erfinv", "The inverse of erf: infinite at 1 and -1, NaN beyond.")
lgamma = _of_floats(special_functions.LogGamma, "lgamma", "The logarithm of the absolute value of gamma.")
digamma = _of_floats(special_functions.Digamma, "digamma", "The derivative of lgamma.")
i0 = _of_floats(special_functions.BesselI0, "i0", "The modified Bessel function of order 0.")
sinc = _of_floats(special_functions.Sinc, "sinc", "sin(pi x) / (pi x), 1 at 0.")
igamma = _of_two_floats(
    bessel_functions.LowerIncompleteGamma,
    "igamma",
    "The regularized lower incomplete gamma function P(input, other); a gradient for ``other`` alone.",
)
igammac = _of_two_floats(
    bessel_functions.UpperIncompleteGamma,
    "igammac",
    "The regularized upper incomplete gamma function Q(input, other); a gradient for ``other`` alone.",
)


def polygamma(n: int, input: Value) -> Value:
    """The derivative of order ``n`` of digamma. As a method: ``input.polygamma(n)``.

    Raises RuntimeError for a negative order.
    """
    if is_value(n):
        n, input = input, n
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    if n == 0:
        return digamma(input)
    return special_functions.Polygamma.bind(cast(input, floating(input.dtype)), order=int(n))


def mvlgamma(input: Value, p: int) -> Value:
    """The logarithm of the multivariate gamma function of dimension ``p``. Raises RuntimeError for bool."""
    require_value("mvlgamma", input)
    if input.dtype == bool_:
        raise RuntimeError("The input tensor may not be a boolean tensor.")
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    total = lgamma(input)
    for j in range(1, p):
        total = total + lgamma(cast(input, floating(input.dtype)) - 0.5 * j)
    return total + p * (p - 1) / 4 * math.log(math.pi)


def logit(input: Value, eps: float | None = None) -> Value:
    """log(x / (1 - x)) of the input limited to [eps, 1 - eps]; without ``eps`` NaN outside [0, 1]."""
    require_value("logit", input)
    value = cast(input, floating(input.dtype))
    return special_functions.Logit.bind(value if eps is None else clamp(value, eps, 1.0 - eps))


def xlogy(input: Operand, other: Operand) -> Value:
    """input * log(other), 0 where input is 0 (unless other is NaN); one of them may be a number."""
    dtype = floating(result_type(input, other))
    return special_functions.XLogY.bind(*prepare(input, other, dtype=dtype))
