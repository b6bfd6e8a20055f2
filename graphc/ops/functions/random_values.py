"""Random values of any floating or complex dtype, from the two that programs draw: float32 and float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from graphc.ir.integers import Dimension, product
from graphc.ir.primitive import Primitive
from graphc.ir.types import DType, float32
from graphc.ops.complex_numbers import ViewAsComplex
from graphc.ops.gathers import Cat
from graphc.ops.pointwise import Cast
from graphc.ops.sources import RandomNormal, number_like
from graphc.ops.views import Reshape, Slice

Shape = tuple[Dimension, ...]
# PyTorch draws normal numbers in blocks of so many.
_BLOCK = 16


def drawn(make: Callable[..., Any], primitive: type[Primitive], shape: Shape, dtype: DType, **attrs: Any) -> Any:
    """What a random primitive draws, in any dtype: ``make(primitive, shape=..., dtype=..., **attrs)`` draws it.

    As PyTorch, halves are float32 values rounded, and the parts of complex values are drawn side by side, normal ones
    with a variance of 1/2.
    """
    if dtype.is_complex:
        pairs = make(primitive, shape=(*shape, 2), dtype=dtype.to_real(), **attrs)
        if primitive is RandomNormal:
            pairs = pairs * number_like(pairs, math.sqrt(0.5))
        return ViewAsComplex.bind(pairs)
    if not dtype.is_half:
        return make(primitive, shape=shape, dtype=dtype, **attrs)
    count = product(shape)
    if primitive is RandomNormal and isinstance(count, int) and count > _BLOCK and count % _BLOCK:
        # Halves are drawn block by block, and nothing is drawn in vain before the last block.
        whole = make(primitive, shape=(count - count % _BLOCK,), dtype=float32)
        first = Slice.bind(whole, starts=(0,), stops=(count - _BLOCK,), steps=(1,))
        values = Reshape.bind(Cat.bind(first, make(primitive, shape=(_BLOCK,), dtype=float32), dim=0), shape=shape)
    else:
        values = make(primitive, shape=shape, dtype=float32, **attrs)
    return Cast.bind(values, dtype=dtype)
