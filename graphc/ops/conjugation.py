"""The complex conjugate, which the gradient rules of complex functions need.

A gradient of a real loss with respect to a complex value is PyTorch's: the conjugate Wirtinger derivative, so that a
holomorphic function pulls a cotangent back by the conjugate of its derivative.
Source: https://docs.pytorch.org/docs/stable/notes/autograd.html#autograd-for-complex-numbers
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.ir.primitive import register
from graphc.ops.pointwise_family import Unary


@register
class Conj(Unary):
    """The complex conjugate."""

    name, function, accepts, saves_inputs = "conj", np.conjugate, ("complex",), ()

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (Conj.bind(cotangent),)


def conjugate(value: Any) -> Any:
    """The complex conjugate; of a real value the value itself."""
    return Conj.bind(value) if value.dtype.is_complex else value
