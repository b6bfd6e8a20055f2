"""Special functions, with the names of ``torch.special``.

Source: https://docs.pytorch.org/docs/stable/special.html
"""

from graphc.ops.functions.activation import log_softmax, softmax
from graphc.ops.functions.arithmetic import erf, expm1, log1p, round
from graphc.ops.functions.arithmetic import sigmoid as expit
from graphc.ops.functions.elementary import exp2
from graphc.ops.functions.reduction import logsumexp
from graphc.ops.functions.special import entr, erfcx, i0e, i1, i1e, log_ndtr, ndtr, ndtri, xlog1py, zeta
from graphc.ops.functions.special_functions import (
    digamma,
    erfc,
    erfinv,
    i0,
    logit,
    polygamma,
    sinc,
    xlogy,
)
from graphc.ops.functions.special_functions import digamma as psi
from graphc.ops.functions.special_functions import lgamma as gammaln
from graphc.ops.functions.special_functions import mvlgamma as multigammaln

__all__ = [
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "exp2",
    "expit",
    "expm1",
    "gammaln",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "log1p",
    "log_ndtr",
    "log_softmax",
    "logit",
    "logsumexp",
    "multigammaln",
    "ndtr",
    "ndtri",
    "polygamma",
    "psi",
    "round",
    "sinc",
    "softmax",
    "xlog1py",
    "xlogy",
    "zeta",
]
