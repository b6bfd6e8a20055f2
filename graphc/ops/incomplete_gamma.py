"""The incomplete gamma functions of numpy arrays.

Sources: NIST Digital Library of Mathematical Functions, 8.2, 8.7, 8.9, 8.12, https://dlmf.nist.gov; N. M. Temme, The
Asymptotic Expansion of the Incomplete Gamma Functions, SIAM Journal on Mathematical Analysis 10 (1979).
"""

from __future__ import annotations

import math

import numpy as np

from graphc.ops.special_numerics import erfc, lgamma, lgamma_above_one, polynomial, stirling_correction

Array = np.ndarray

# From this on, and for |x - a| below so many a, Temme's expansion; its terms of a**-k are polynomials (highest power
# first) of the variable that makes the leading term an error function.
_LARGE, _NEAR = 100.0, 0.3
_TEMME = (
    (
        -2.5514193994946248e-11,
        9.14769958223679e-10,
        -4.382036018453353e-09,
        1.0261809784240309e-08,
        6.707853543401498e-09,
        -1.7665952736826078e-07,
        8.296711340953087e-07,
        -1.85406221071516e-06,
        -2.185448510679992e-06,
        3.919263178522438e-05,
        -0.0001787551440329218,
        0.0003527336860670194,
        0.0011574074074074073,
        -0.014814814814814815,
        0.08333333333333333,
        -0.3333333333333333,
    ),
    (
        4.162792991842583e-10,
        -1.0091543710600413e-09,
        -1.7543241719747647e-11,
        1.1951628599778148e-08,
        -5.752545603517705e-08,
        1.378633446915721e-07,
        4.647127802807434e-09,
        -1.6120900894563446e-06,
        7.64916091608111e-06,
        -1.8098550334489977e-05,
        -4.018775720164609e-07,
        0.00020576131687242798,
        -0.0009902263374485596,
        0.0026455026455026454,
        -0.003472222222222222,
        -0.001851851851851852,
    ),
    (
        6.228974084922022e-09,
        -1.409252991086752e-08,
        -2.0477098421990866e-10,
        1.4280614206064242e-07,
        -6.298992138380055e-07,
        1.3721957309062934e-06,
        3.423578734096138e-08,
        -1.2760635188618728e-05,
        5.2923448829120125e-05,
        -0.0001073665322636516,
        2.0093878600823047e-06,
        0.0007716049382716049,
        -0.0026813271604938273,
        0.004133597883597883,
    ),
    (
        8.099464905388083e-08,
        -1.6958404091930278e-07,
        -2.7861080291528143e-11,
        1.4230900732435883e-06,
        -5.6749528269915965e-06,
        1.1082654115347302e-05,
        -2.396505113867297e-07,
        -7.561801671883977e-05,
        0.00026772063206283885,
        -0.0004691894943952557,
        0.00022947209362139917,
        0.0006494341563786008,
    ),
    (
        8.907507532205309e-07,
        -1.6954149536558305e-06,
        2.507497226237533e-10,
        1.1375726970678419e-05,
        -3.968365047179435e-05,
        6.641498215465122e-05,
        -1.4638452578843418e-06,
        -0.0002990724803031902,
        0.0007840392217200666,
        -0.0008618882909167117,
    ),
    (
        8.018470256334202e-06,
        -1.3594048189768693e-05,
        1.419062920643967e-07,
        6.797780477937208e-05,
        -0.00019932570516188847,
        0.0002772753244959392,
        -6.972813758365857e-05,
        -0.00033679855336635813,
    ),
)
# At most so many terms of the series and the continued fraction; elsewhere fewer suffice for all digits.
_TERMS = 300
_DIGITS = 2.0**-54


def gammainc(a: Array, x: Array) -> Array:
    """P(a, x), the integral of t**(a - 1) exp(-t) up to x over that of all: NaN for negative operands and two zeros."""
    return _incomplete(a, x, False)


def gammaincc(a: Array, x: Array) -> Array:
    """Q(a, x) = 1 - P(a, x), without cancellation."""
    return _incomplete(a, x, True)


def _incomplete(a: Array, x: Array, upper: bool) -> Array:
    a, x = np.broadcast_arrays(a, x)
    result = np.full(a.shape, np.nan)
    inside = (a > 0) & (x > 0) & (a < np.inf) & (x < np.inf)
    certain = (x == 0) & (a > 0) | (a == np.inf) & (x >= 0) & (x < np.inf)  # P is 0
    result[certain] = float(upper)
    result[(x > 0) & (a == 0) | (x == np.inf) & (a >= 0) & (a < np.inf)] = float(not upper)
    near = inside & (a > _LARGE) & (np.abs(x - a) < _NEAR * a)
    # For small x the complement of P is taken from a series of its own, unless it is nearly 1.
    small = inside & ~near & (x <= 1.1) & (np.where(x <= 0.5, -0.4 / np.log(np.minimum(x, 0.5)), 1.1 * x) >= a)
    below = inside & ~near & ~small & ((x <= 1.0) | (x <= a))
    beyond = inside & ~near & ~small & ~below
    result[near] = _temme(a[near], x[near], upper)
    for where, of_upper, function in (
        (small, True, _small_upper),
        (below, False, _lower_series),
        (beyond, True, _upper_fraction),
    ):
        found = function(a[where], x[where])
        result[where] = found if upper == of_upper else 1.0 - found
    return result


def _deviance(ratio: Array) -> Array:
    """ratio - 1 - log(ratio), without cancellation near 1."""
    u = ratio - 1.0
    near = np.clip(u, -0.05, 0.05)
    series = near * near * polynomial(-near, tuple(1.0 / k for k in range(14, 1, -1)))
    return np.where(np.abs(u) < 0.05, series, u - np.log(ratio))


def _density(a: Array, x: Array) -> Array:
    """x**a exp(-x) / gamma(a + 1)."""
    large = np.maximum(a, 10.0)
    correction = stirling_correction(large)
    stirling = np.exp(-large * _deviance(x / large) - correction) / np.sqrt(2.0 * math.pi * large)
    small = np.minimum(a, 10.0)
    return np.where(a > 10.0, stirling, np.exp(small * np.log(x) - x - lgamma(small + 1.0)))


def _lower_series(a: Array, x: Array) -> Array:
    """P by its power series, 8.7.1."""
    term, total, divisor = np.ones_like(a), np.ones_like(a), a.copy()
    for _ in range(_TERMS):
        divisor += 1.0
        term *= x / divisor
        total += term
        if not (term > _DIGITS * total).any():
            break
    return total * _density(a, x)


def _small_upper(a: Array, x: Array) -> Array:
    """Q for small x: one less the first term of 8.7.3, less the others."""
    term, total = np.ones_like(a), np.zeros_like(a)
    for n in range(1, 30):
        term *= -x / n
        total += term / (a + n)
    power = a * np.log(x) - lgamma_above_one(a)
    return -np.expm1(power) - np.exp(power) * a * total


def _upper_fraction(a: Array, x: Array) -> Array:
    """Q by its continued fraction, 8.9.2 in its even part, by Lentz's algorithm as Thompson and Barnett have it."""
    b = x + 1.0 - a
    c = np.full_like(a, 1e300)
    d = 1.0 / b
    value = d.copy()
    for k in range(1, _TERMS + 1):
        numerator = k * (a - k)
        b = b + 2.0
        d = 1.0 / (numerator * d + b)
        c = b + numerator / c
        factor = c * d
        value = value * factor
        if not (np.abs(factor - 1.0) > _DIGITS).any():
            break
    return value * a * _density(a, x)


def _temme(a: Array, x: Array, upper: bool) -> Array:
    """By Temme's uniform expansion, 8.12.3, for a > 100 and x near a."""
    half_square = _deviance(x / a)
    eta = np.copysign(np.sqrt(2.0 * half_square), x - a)
    total = np.zeros_like(a)
    for coefficients in reversed(_TEMME):
        total = total / a + polynomial(eta, coefficients)
    rest = np.exp(-a * half_square) / np.sqrt(2.0 * math.pi * a) * total
    sign = 1.0 if upper else -1.0
    return 0.5 * erfc(sign * eta * np.sqrt(0.5 * a)) + sign * rest
