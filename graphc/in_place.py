"""PyTorch's functions that change their first argument: ``torch.relu_(x)`` is ``x.relu_()``.

Source: https://docs.pytorch.org/docs/stable/torch.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.ops.functions import dropout
from graphc.ops.operands import require_value
from graphc.tensor import Tensor

_METHODS = """
    abs absolute acos acosh addmv arccos arccosh arcsin arcsinh arctan arctanh as_strided asin asinh atan atanh ceil
    clamp clamp_max clamp_min clip conj_physical cos cosh deg2rad detach erf erfc exp exp2 expm1 fill fix floor
    frac gcd i0 index_put lcm ldexp log log10 log1p log2 logit nan_to_num neg negative rad2deg reciprocal relu
    resize_as round rsqrt sigmoid sin sinc sinh sqrt square tan tanh trunc xlogy zero
"""
_DROPOUTS = ("alpha_dropout", "dropout", "feature_alpha_dropout", "feature_dropout")


def _method(name: str) -> Callable[..., Tensor]:
    def function(input: Tensor, *arguments: Any, **keywords: Any) -> Tensor:
        require_value(name, input)
        return getattr(input, name)(*arguments, **keywords)

    return _named(function, name, getattr(Tensor, name).__doc__)


def _dropout(name: str) -> Callable[..., Tensor]:
    dropped = getattr(dropout, name)

    def function(input: Tensor, p: float, train: bool) -> Tensor:
        result = dropped(input, p, train)
        return input if result is input else input._assign(result)

    return _named(function, f"{name}_", f"In place: {dropped.__doc__}")


def _named(function: Callable[..., Tensor], name: str, text: str | None) -> Callable[..., Tensor]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = text
    return function


IN_PLACE: dict[str, Callable[..., Tensor]] = {
    **{f"{name}_": _method(f"{name}_") for name in _METHODS.split()},
    **{f"{name}_": _dropout(name) for name in _DROPOUTS},
}
globals().update(IN_PLACE)
__all__ = list(IN_PLACE)
