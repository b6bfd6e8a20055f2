"""Normal numbers out of uniform ones, rounded as PyTorch's kernels round them.

For float32 that is PyTorch's vector kernel (x86 with AVX2): the polynomials for logarithm, sine, and cosine are those
of S. Moshier's Cephes library (logf, sinf, cosf), with the fused multiplications and additions of the kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

BLOCK = 16
"""Normals are made sixteen at a time: eight radii and eight angles."""


def each(function: Callable[[float], float], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Applies a function of the C library. numpy's own vector code may differ from it in the last bit; PyTorch and
    the generated C call the library."""
    return np.fromiter(map(function, values.tolist()), np.float64, values.size)


def scale(values: NDArray, factor: np.floating, offset: np.floating) -> NDArray:
    """values * factor + offset, rounded once as by a fused multiply-add."""
    if values.dtype == np.float32:
        return _fused_multiply_add(values, factor, offset)
    return fused_multiply_add(values, factor, offset)


def fused_multiply_add(values: NDArray[np.float64], factor: float, offset: float) -> NDArray[np.float64]:
    """values * factor + offset in float64, rounded as if once: the product's and the sum's own errors are added last.

    Source: T. J. Dekker, "A floating-point technique for extending the available precision" (1971)
    """
    high, low = _halves(values)
    factor_high, factor_low = _halves(np.float64(factor))
    product = values * factor
    product_error = ((high * factor_high - product) + high * factor_low + low * factor_high) + low * factor_low
    total = product + offset
    other = total - product
    sum_error = (product - (total - other)) + (offset - other)
    return total + (sum_error + product_error)


def _halves(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two numbers of 26 bits whose sum each value is."""
    scaled = values * 134217729.0
    high = scaled - (scaled - values)
    return high, values - high


def box_muller(uniforms: NDArray) -> NDArray:
    """Normals from uniforms, both [16 n]: in each block the first eight give the radius, the others the angle."""
    blocks = uniforms.reshape(-1, 2, BLOCK // 2)
    normals = np.empty_like(blocks)
    kernel = _box_muller_float32 if uniforms.dtype == np.float32 else _box_muller_float64
    chunk = 512  # blocks at a time: their temporaries stay in the cache
    for start in range(0, len(blocks), chunk):
        part = blocks[start : start + chunk]
        cosines, sines = kernel(1 - part[:, 0].ravel(), part[:, 1].ravel())
        normals[start : start + chunk, 0] = cosines.reshape(-1, BLOCK // 2)
        normals[start : start + chunk, 1] = sines.reshape(-1, BLOCK // 2)
    return normals.ravel()


def _box_muller_float64(magnitudes: NDArray, turns: NDArray) -> tuple[NDArray, NDArray]:
    radii = np.sqrt(-2.0 * each(math.log, magnitudes))
    angles = 2.0 * math.pi * turns
    return radii * each(math.cos, angles), radii * each(math.sin, angles)


def _box_muller_float32(magnitudes: NDArray, turns: NDArray) -> tuple[NDArray, NDArray]:
    radii = np.sqrt(np.float32(-2.0) * _logarithm(magnitudes))
    cosines, sines = _cosine_and_sine(np.float32(2.0 * math.pi) * turns)
    return radii * cosines, radii * sines


def _fused_multiply_add(left: NDArray, right: NDArray | np.float32, addend: NDArray | np.float32) -> NDArray:
    """left * right + addend in float32, rounded once.

    The product of two float32 is exact in float64. The sum is rounded there and then to float32, which differs from one
    rounding only where the first ends halfway between two float32: such a sum is moved towards what it has lost.
    """
    products = left.astype(np.float64)
    products *= right
    sums = products + addend
    halfway = (sums.view(np.int64) & 0x1FFFFFFF) == 0x10000000
    if halfway.any():
        product, total = products[halfway], sums[halfway]
        added = np.broadcast_to(addend, sums.shape)[halfway].astype(np.float64)
        other = total - product
        lost = (product - (total - other)) + (added - other)
        sums[halfway] = np.where(lost == 0, total, np.nextafter(total, np.copysign(np.inf, lost)))
    return sums.astype(np.float32)


def _polynomial(argument: NDArray, coefficients: tuple[np.float32, ...]) -> NDArray:
    """Horner's rule with fused steps, the coefficient of the highest power first."""
    value = _fused_multiply_add(argument, coefficients[0], coefficients[1])
    for coefficient in coefficients[2:]:
        value = _fused_multiply_add(value, argument, coefficient)
    return value


def _single(*values: float) -> tuple[np.float32, ...]:
    return tuple(np.float32(value) for value in values)


_SQUARE_ROOT_OF_HALF = np.float32(0.70710678118654752)
_LOGARITHM = _single(
    7.0376836292e-2,
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
)
# Numbers of few bits first, so that their products with a small integer are exact.
_LN_2_HIGH, _LN_2_LOW = _single(0.693359375, -2.12194440e-4)
_QUARTER_PI = _single(0.78515625, 2.4187564849853515625e-4, 3.77489497744594108e-8)
_FOUR_OVER_PI = np.float32(1.27323954473516)
_SINE = _single(-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
_COSINE = _single(2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)


def _logarithm(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The natural logarithm of normal positive float32 numbers: exponent, and a polynomial of the fraction."""
    bits = values.view(np.int32)
    exponents = (bits >> 23) - 126
    fractions = ((bits & 0x007FFFFF) | 0x3F000000).view(np.float32)
    is_low = fractions < _SQUARE_ROOT_OF_HALF
    exponents = (exponents - is_low).astype(np.float32)
    rest = (fractions - np.float32(1)) + fractions * is_low
    squares = rest * rest
    result = _polynomial(rest, _LOGARITHM) * rest
    result = _fused_multiply_add(result, squares, exponents * _LN_2_LOW)
    result = _fused_multiply_add(squares, np.float32(-0.5), result)
    return _fused_multiply_add(exponents, _LN_2_HIGH, rest + result)


def _cosine_and_sine(angles: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cosine and sine of angles in [0, 2 pi]: reduced to the nearest even multiple of pi / 4, then two polynomials."""
    octants = ((angles * _FOUR_OVER_PI).astype(np.int32) + 1) & ~1
    multiples = octants.astype(np.float32)
    rest = angles
    for part in _QUARTER_PI:
        rest = _fused_multiply_add(multiples, -part, rest)
    squares = rest * rest
    half = squares * np.float32(0.5)
    near_cosine = _fused_multiply_add(_polynomial(squares, _COSINE) * squares, squares, -half) + np.float32(1)
    near_sine = _fused_multiply_add(_polynomial(squares, _SINE) * squares, rest, rest)
    is_swapped = (octants & 2) != 0
    sines = np.where(is_swapped, near_cosine, near_sine)
    cosines = np.where(is_swapped, near_sine, near_cosine)
    # The sine is negative in octants 4 and 6, the cosine in 2 and 4 (8 is 0 again).
    np.negative(sines, out=sines, where=(octants & 4) != 0)
    np.negative(cosines, out=cosines, where=((octants + 2) & 4) != 0)
    return cosines, sines
