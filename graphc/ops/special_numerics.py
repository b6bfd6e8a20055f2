"""Special functions of numpy arrays, which numpy lacks: of the error function's family, gamma's, Bessel's, and zeta.

All compute in float64, take and give arrays of that dtype, and are right to about 1e-15 relative to the result, or to
the terms of which it is the difference near a root. Polynomials are minimax fits (Remez exchange with 50 digits) of
smooth functions of a variable that mostly runs over [-1, 1], highest power first.
Sources of the expansions: NIST Digital Library of Mathematical Functions, 5.11, 7.12, 10.40, 25.11, https://dlmf.nist.gov
"""

from __future__ import annotations

import math

import numpy as np

from graphc.ops.error_function import erf

Array = np.ndarray

# (1 + 2x) erfcx(x) for x >= 0, of (x - 4) / (x + 4).
_ERFCX = (
    8.982033004983644e-10,
    1.5764454157974282e-09,
    -1.215599224940995e-08,
    -1.6386748617054372e-08,
    1.0585796871077067e-07,
    7.119041227066192e-08,
    -8.204039540393274e-07,
    2.979616664321014e-07,
    5.70598227766128e-06,
    -1.1225056676537444e-05,
    -2.4397380565329345e-05,
    0.0001506230718487712,
    -0.0001992572876708306,
    -0.0007577736979126405,
    0.00503197010259041,
    -0.016197733983519164,
    0.03716751552127026,
    -0.06633036582003936,
    0.09373283499953863,
    -0.10103906603588377,
    0.06809705425465186,
    0.015379652102610962,
    -0.13962111684056208,
    1.2329951186255526,
)
# log(gamma(x)) / ((x - 1) (x - 2)) for 1 <= x <= 3, of x - 2.
_LGAMMA = (
    1.5860981525430135e-09,
    -3.0600429120383546e-09,
    -4.38659456530382e-09,
    7.640236476508395e-09,
    1.6406631855284478e-08,
    -2.9945098044590024e-08,
    5.556623863513012e-09,
    -1.8750231897260707e-08,
    1.0458465141864796e-07,
    -2.120135004533696e-07,
    3.9561814430598825e-07,
    -8.415091092058558e-07,
    1.8115279256178615e-06,
    -3.851755846024899e-06,
    8.221187795253872e-06,
    -1.766051005529886e-05,
    3.8169087211802145e-05,
    -8.309532843654187e-05,
    0.00018255261384647823,
    -0.0004057073757337759,
    0.0009153769241733552,
    -0.002108130835273987,
    0.004998641164621064,
    -0.012384192193334195,
    0.032965000621157016,
    -0.10031730167435424,
    0.42278433509846713,
)
# I0(x) and I1(x) / x for x <= 8, of x * x; and both times sqrt(x) exp(-x) for x >= 8, of 16 / x - 1.
_I0_SMALL = (
    7.919831013506555e-31,
    3.2127134177297643e-28,
    2.67237265981938e-25,
    1.4906482790523824e-22,
    7.245217172584445e-20,
    2.896795547668407e-17,
    9.385994745839365e-15,
    2.402807048094644e-12,
    4.70950285946698e-10,
    6.781684022607485e-08,
    6.781684028047893e-06,
    0.0004340277777769623,
    0.015625000000001225,
    0.2499999999999993,
    1.0,
)
_I0_LARGE = (
    8.953174427810956e-11,
    3.959918188025854e-11,
    -6.419295106130301e-10,
    -2.9721354254608793e-10,
    2.149177919567445e-09,
    1.141904975389282e-09,
    -4.5158720940344465e-09,
    -3.1795611653377422e-09,
    6.514201160099008e-09,
    7.369476645188849e-09,
    -5.015646136909811e-09,
    -1.3341826274060917e-08,
    -6.856290265884209e-09,
    7.538969611283312e-09,
    2.1567567891856914e-08,
    3.9328083606981854e-08,
    8.872020211661817e-08,
    2.973596824847786e-07,
    1.483847672662378e-06,
    1.1143033797299552e-05,
    0.00013621607438969987,
    0.003360551983667794,
    0.4021765094450081,
)
_I1_SMALL = (
    2.5892891227689527e-32,
    1.1684989676334486e-29,
    1.0239329936568924e-26,
    6.2152588378938885e-24,
    3.292983499514744e-21,
    1.4484120134974267e-18,
    5.214436772044402e-16,
    1.5017545159565414e-13,
    3.36393059601261e-11,
    5.6514033541197945e-09,
    6.78168402791109e-07,
    5.425347222217812e-05,
    0.0026041666666667407,
    0.06249999999999995,
    0.5,
)
_I1_LARGE = (
    -9.327444785933535e-11,
    -3.699985295030953e-11,
    6.696583570250367e-10,
    2.8046069503203177e-10,
    -2.24790110658961e-09,
    -1.0966298466905332e-09,
    4.7492662335983085e-09,
    3.1321368252995384e-09,
    -6.936706517944532e-09,
    -7.478119535068548e-09,
    5.570365895919368e-09,
    1.3974328972910424e-08,
    6.847245109858486e-09,
    -8.413798478456402e-09,
    -2.3393846203303586e-08,
    -4.3131156387849816e-08,
    -1.0001081248781791e-07,
    -3.483854212500085e-07,
    -1.8349102435325624e-06,
    -1.5038547206120654e-05,
    -0.00021923576383157565,
    -0.009749577193235678,
    0.38939845902587233,
)
# The normal distribution's quantile, to 1e-10: over 1/2 - p in the centre, elsewhere over s = sqrt(-log(4 p (1 - p))).
_QUANTILE_CENTRE = (
    4.5396343055215e-06,
    -2.2036317983091407e-05,
    -3.5569729961275215e-06,
    0.00017887513193216376,
    -0.00031468254472023365,
    -0.0004348761231937564,
    0.002788273905768861,
    -0.003605885881467961,
    -0.00874124259946265,
    0.04468931876588362,
    -0.06385701604125561,
    -0.146069091054408,
    2.05030196406813,
    4.5920702493898755,
)
_QUANTILE_TAIL = (
    -2.507702159073611e-07,
    -8.919464139166663e-07,
    1.3872671237006577e-06,
    4.503257078279899e-06,
    1.1759104750272772e-06,
    -2.143228805184143e-05,
    6.7331315864488e-06,
    -0.0002715090535026966,
    0.0012308149996323947,
    0.00287189808340448,
    -0.03381194437614457,
    1.3484201915713432,
)
_QUANTILE_FAR = (
    -5.76097325056881e-07,
    1.0623869996123732e-06,
    -7.71836030662749e-07,
    2.536622169483093e-06,
    -8.828547734842228e-06,
    2.6245019310387437e-05,
    -0.00010432053544787457,
    0.0006323490989351272,
    -0.002059679069485121,
    -0.015683967969150652,
    1.3983907243845817,
)
# Bernoulli numbers B(2k) over 2k, and over (2k)!.
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)
_DIGAMMA = tuple(number / (2 * k) for k, number in enumerate(_BERNOULLI[:8], 1))
_STIRLING = tuple(number / (2 * k * (2 * k - 1)) for k, number in enumerate(_BERNOULLI[:8], 1))
# Half the logarithm of 2 pi, less the half that (z - 1/2) (log z - 1) has too much.
_LOG_ROOT = 0.5 * math.log(2.0 * math.pi) - 0.5
_ZETA = tuple(number / math.factorial(2 * k) for k, number in enumerate(_BERNOULLI, 1))


def polynomial(variable: Array, coefficients: tuple[float, ...]) -> Array:
    """The polynomial of these coefficients, highest power first."""
    value = np.full_like(variable, coefficients[0])
    for coefficient in coefficients[1:]:
        value *= variable
        value += coefficient
    return value


def _series(variable: Array, terms: tuple[float, ...]) -> Array:
    """The sum of ``terms[k] * variable**k``."""
    return polynomial(variable, terms[::-1])


# -- the error function's family --------------------------------------------------------------------------------------


def erfcx(x: Array) -> Array:
    """exp(x*x) * erfc(x)."""
    magnitude = np.abs(x)
    bounded = np.minimum(magnitude, 1e300)  # the quotient of infinities would be NaN
    positive = polynomial((bounded - 4.0) / (bounded + 4.0), _ERFCX) / (1.0 + 2.0 * magnitude)
    return np.where(x < 0, 2.0 * _exp_of_square(magnitude) - positive, positive)


def _square(x: Array) -> tuple[Array, Array]:
    """The square of numbers up to 1000, greater ones taken as that, and what it loses by being rounded (Dekker)."""
    bounded = np.minimum(x, 1e3)
    split = bounded * 134217729.0  # 2**27 + 1
    high = split - (split - bounded)
    low, square = bounded - high, bounded * bounded
    return square, ((high * high - square) + 2.0 * high * low) + low * low


def _exp_of_square(x: Array) -> Array:
    square, lost = _square(x)
    return np.exp(square) * (1.0 + lost)


def _exp_of_minus_square(x: Array) -> Array:
    square, lost = _square(x)
    return np.exp(-square) * (1.0 - lost)


def erfc(x: Array) -> Array:
    """1 - erf(x), without cancellation for positive x."""
    magnitude = np.abs(x)
    tail = _exp_of_minus_square(magnitude) * erfcx(magnitude)
    return np.where(magnitude < 0.5, 1.0 - erf(x), np.where(x < 0, 2.0 - tail, tail))


def log_ndtr(x: Array) -> Array:
    """The logarithm of the normal distribution function."""
    root = math.sqrt(0.5)
    low = np.log(0.5 * erfcx(np.maximum(-x, 1.0) * root)) - 0.5 * x * x
    return np.where(x < -1.0, low, np.log1p(-0.5 * erfc(np.maximum(x, -1.0) * root)))


def _quantile(p: Array, u: Array) -> Array:
    """The y >= 0 that a normal variable exceeds with probability p <= 1/2; u is 1/2 - p."""
    w = -np.log(4.0 * p * (1.0 - p))
    w = np.where(u < 0.25, -np.log1p(-4.0 * u * u), w)
    s = np.sqrt(np.maximum(w, 6.0))
    centre = u * polynomial(np.minimum(w, 6.0) / 3.0 - 1.0, _QUANTILE_CENTRE)
    tail = s * polynomial((1.0 / s - 0.283181086736141) / 0.12506720372772204, _QUANTILE_TAIL)
    far = s * polynomial((1.0 / s - 0.10147023958608363) / 0.06519642708058304, _QUANTILE_FAR)
    y = np.where(w < 6.0, centre, np.where(w < 38.0, tail, far))
    # One step of Newton's method doubles the digits; in the tail for the logarithm of the probability.
    z = y * math.sqrt(0.5)
    residue = u - 0.5 * erf(z)
    near = y + residue * math.sqrt(2.0 * math.pi) * np.exp(np.minimum(z * z, 100.0))
    scaled = erfcx(z)
    below = y + (np.log(0.5 * scaled) - z * z - np.log(p)) * scaled * math.sqrt(0.5 * math.pi)
    return np.where(u < 0.25, near, below)


def erfinv(x: Array) -> Array:
    """The inverse of erf: infinite at 1 and -1, NaN beyond."""
    magnitude = np.abs(x)
    y = _quantile(0.5 * (1.0 - magnitude), 0.5 * magnitude) * math.sqrt(0.5)
    return np.copysign(np.where(magnitude == 1.0, np.inf, y), x)


def ndtri(p: Array) -> Array:
    """The quantile of the normal distribution: -inf at 0, inf at 1, NaN outside."""
    smaller = np.minimum(p, 1.0 - p)
    y = np.where(smaller == 0.0, np.inf, _quantile(smaller, np.abs(0.5 - p)))
    return np.where(p < 0.5, -y, y)


# -- gamma's family ---------------------------------------------------------------------------------------------------


def lgamma(x: Array) -> Array:
    """The logarithm of the absolute value of the gamma function; infinite at 0, -1, -2, ..."""
    y = np.where(x < 0.5, 1.0 - x, x)
    # From 1/2 to 1 by the recurrence, from 1 to 3 by the polynomial, above by Stirling's series from 8 on.
    beside_two = np.where(y < 1.0, y - 1.0, np.minimum(y, 3.0) - 2.0)
    middle = lgamma_above_one(beside_two + 1.0) + 0.0
    middle = np.where(y < 1.0, middle - np.log(y), middle)
    z, product = np.maximum(y, 3.0), np.ones_like(y)
    for _ in range(5):
        small = z < 8.0
        product = np.where(small, product * z, product)
        z = np.where(small, z + 1.0, z)
    stirling = (z - 0.5) * (np.log(z) - 1.0) + _LOG_ROOT + stirling_correction(z)
    positive = np.where(y <= 3.0, middle, np.where(y == np.inf, np.inf, stirling - np.log(product)))
    turn = math.pi * np.abs(x - np.rint(x))
    reflected = math.log(math.pi) - np.log(np.sin(turn)) - positive
    reflected = np.where(np.abs(x) < 1e-17, -np.log(np.abs(x)), reflected)
    return np.where(x < 0.5, np.where((turn == 0.0) | (x == -np.inf), np.inf, reflected), positive)


def lgamma_above_one(x: Array) -> Array:
    """log(gamma(1 + x)) for 0 <= x <= 2, right relative to itself near 0."""
    return x * (x - 1.0) * polynomial(x - 1.0, _LGAMMA)


def stirling_correction(x: Array) -> Array:
    """log(gamma(x)) less the leading part of Stirling's formula, for x >= 8."""
    return _series(1.0 / (x * x), _STIRLING) / x


def digamma(x: Array) -> Array:
    """The derivative of the logarithm of gamma; at 0 infinite of the opposite sign, NaN at -1, -2, ..."""
    y, total = np.where(x <= 0, 1.0 - x, x), np.zeros_like(x)
    for _ in range(10):
        small = y < 10.0
        total = np.where(small, total - 1.0 / y, total)
        y = np.where(small, y + 1.0, y)
    square = 1.0 / (y * y)
    positive = total + np.log(y) - 0.5 / y - square * _series(square, _DIGAMMA)
    turn = math.pi * (x - np.rint(x))
    negative = np.where(x == np.rint(x), np.nan, positive - math.pi / np.tan(turn))
    return np.where(x == 0, -np.copysign(np.inf, x), np.where(x < 0, negative, positive))


def zeta(s: Array, q: Array) -> Array:
    """The Hurwitz zeta function, the sum of (q + k)**-s over k = 0, 1, ...; infinite for s = 1 and at the poles of q,
    NaN for s < 1, and for negative q where s is no integer."""
    s, q = np.broadcast_arrays(s, q)
    positive = _zeta_of_positive(s, np.where(q > 0, q, 1.0))
    # Over all integers k the sum has period 1, so that what is left of 0 is the sum from 1 - q on.
    fraction = q - np.floor(q)
    inside = np.where((q < 0) & (fraction > 0), fraction, 0.5)
    sign = np.where(np.remainder(s, 2.0) == 0, 1.0, -1.0)
    beyond = _zeta_of_positive(s, 1.0 - inside) - _zeta_of_positive(s, np.where(q < 0, 1.0 - q, 1.0))
    negative = np.where(s == np.floor(s), _zeta_of_positive(s, inside) + sign * beyond, np.nan)
    pole = (q <= 0) & (np.floor(q) == q)
    result = np.where(q > 0, positive, np.where(pole, np.inf, negative))
    return np.where(s == 1.0, np.inf, np.where((s < 1.0) | np.isnan(s + q), np.nan, result))


def _zeta_of_positive(s: Array, q: Array) -> Array:
    """By Euler's and Maclaurin's formula after ten terms."""
    total = np.zeros(np.broadcast_shapes(s.shape, q.shape))
    for k in range(10):
        total += (q + k) ** -s
    w = q + 10.0
    power = w**-s
    total += power * (w / (s - 1.0) + 0.5)
    factor = s * power / w
    for k, coefficient in enumerate(_ZETA):
        total += np.where(factor == 0, 0.0, coefficient * factor)
        factor = factor * ((s + (2 * k + 1)) / w) * ((s + (2 * k + 2)) / w)
    return total


# -- Bessel's family --------------------------------------------------------------------------------------------------


def _bessel(x: Array, small: tuple[float, ...], large: tuple[float, ...]) -> tuple[Array, Array]:
    """The polynomials for the magnitude at most 8, and (over the root) for the magnitude above."""
    inner, outer = np.minimum(x, 8.0), np.maximum(x, 8.0)
    return (
        polynomial(inner * inner, small),
        polynomial(16.0 / outer - 1.0, large) / np.sqrt(outer),
    )


def i0e(x: Array) -> Array:
    """exp(-|x|) I0(x)."""
    magnitude = np.abs(x)
    small, large = _bessel(magnitude, _I0_SMALL, _I0_LARGE)
    return np.where(magnitude <= 8.0, np.exp(-magnitude) * small, large)


def i1e(x: Array) -> Array:
    """exp(-|x|) I1(x)."""
    magnitude = np.abs(x)
    small, large = _bessel(magnitude, _I1_SMALL, _I1_LARGE)
    return np.copysign(np.where(magnitude <= 8.0, np.exp(-magnitude) * small * magnitude, large), x)


def i0(x: Array) -> Array:
    """The modified Bessel function of order 0."""
    magnitude = np.abs(x)
    small, large = _bessel(magnitude, _I0_SMALL, _I0_LARGE)
    return np.where(magnitude <= 8.0, small, _times_exp(large, magnitude))


def i1(x: Array) -> Array:
    """The modified Bessel function of order 1."""
    magnitude = np.abs(x)
    small, large = _bessel(magnitude, _I1_SMALL, _I1_LARGE)
    return np.copysign(np.where(magnitude <= 8.0, small * magnitude, _times_exp(large, magnitude)), x)


def _times_exp(value: Array, x: Array) -> Array:
    """value * exp(x), also where exp(x) alone is too large."""
    half = np.exp(0.5 * x)
    return np.where(x == np.inf, np.inf, value * half * half)
