"""What PyTorch offers as ``torch.special.<name>`` alone.

Source: https://docs.pytorch.org/docs/stable/special.html
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from graphc.ops import special_functions
from graphc.ops.functions import factories
from graphc.ops.operands import cast, prepare
from graphc.ops.promotion import floating, result_type

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
