"""The error function for numpy arrays: numpy has none, and calling ``math.erf`` for each element is slow.

Near zero ``erf(x) = x P(x^2)``; from 1 on ``erf(x) = 1 - exp(-x^2) R(t)`` with ``t = 2 / (2 + x)``, which maps [1, 6]
to [1/4, 2/3]; beyond 6 it is 1 to the last bit. P and R are Chebyshev interpolants, in powers of the variable scaled to
[-1, 1], highest first; computed with 40 digits, their relative errors are below 2e-9 (single) and 5e-16 (double).
"""

from __future__ import annotations

import math

import numpy as np

_NEAR_SINGLE = (
    1.230605479e-6,
    -1.766906803e-5,
    0.0002175135417,
    -0.002285419545,
    0.01985249714,
    -0.1405360973,
    0.9654687387,
)
_FAR_SINGLE = (
    1.613579656e-7,
    1.830484274e-6,
    -7.33872857e-6,
    -8.068237849e-5,
    0.0001971386594,
    0.005588786009,
    0.03856057046,
    0.1618935703,
    0.2214295402,
)
_NEAR_DOUBLE = (
    -5.1647287894230198e-16,
    1.45481697833523855e-14,
    -3.7910973708931528e-13,
    9.1676067489981638e-12,
    -2.03524938661035987e-10,
    4.1158005976616647e-9,
    -7.51156916071062353e-8,
    1.22338273835240267e-6,
    -0.0000175371694414920054,
    0.000217517156041601072,
    -0.00228548556114406731,
    0.0198524966889837072,
    -0.140536089022717121,
    0.965468738669867308,
)
_FAR_DOUBLE = (
    1.44956431134195789e-13,
    -9.32142420116989225e-13,
    -1.39193478263873973e-13,
    2.21165453075484703e-11,
    -7.36063550486866334e-11,
    -2.68667372790954488e-10,
    2.62400241031608644e-9,
    -5.88631643886698641e-10,
    -7.0053185467045073e-8,
    1.63499386146474673e-7,
    1.97956181585397738e-6,
    -7.34051794141522828e-6,
    -0.0000807922042624364513,
    0.000197139177728348695,
    0.00558881628183957358,
    0.0385605704251824066,
    0.161893568041024983,
    0.221429540229931806,
)

_FEW = 64  # below this many elements the calls of numpy cost more than those of math.erf
_BLOCK = 8192  # elements at a time, so that the temporaries stay in the cache


def erf(values: np.ndarray) -> np.ndarray:
    """The error function of float32 or float64 values, elementwise; NaN stays NaN. The dtype and shape are kept."""
    if values.size < _FEW:
        return np.fromiter(map(math.erf, values.ravel().tolist()), values.dtype, values.size).reshape(values.shape)
    flat = values.ravel()
    result = np.empty_like(flat)
    for start in range(0, flat.size, _BLOCK):
        _erf_of_block(flat[start : start + _BLOCK], result[start : start + _BLOCK])
    return result.reshape(values.shape)


def _erf_of_block(values: np.ndarray, result: np.ndarray) -> None:
    single = values.dtype == np.float32
    magnitude = np.minimum(np.abs(values), 6.0)
    square = magnitude * magnitude
    near = _polynomial(np.minimum(square, 1.0) * 2.0 - 1.0, _NEAR_SINGLE if single else _NEAR_DOUBLE)
    # [1/4, 2/3] to [-1, 1]; smaller arguments take the other branch.
    scaled = (2.0 / (2.0 + np.maximum(magnitude, 1.0)) - 11.0 / 24.0) * 4.8
    far = _polynomial(scaled, _FAR_SINGLE if single else _FAR_DOUBLE)
    far *= np.exp(-square)
    np.copyto(result, np.where(magnitude < 1.0, near * values, np.copysign(1.0 - far, values)))


def _polynomial(variable: np.ndarray, coefficients: tuple[float, ...]) -> np.ndarray:
    value = np.full_like(variable, coefficients[0])
    for coefficient in coefficients[1:]:
        value *= variable
        value += coefficient
    return value
