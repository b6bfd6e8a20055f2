"""Distributions beyond those of :mod:`graphc.randomness.stream`, drawn from a stream word for word as PyTorch's CPU
generator draws them.

A function takes the stream and flat float64 arrays (or a count), and gives a flat array. Rejection methods draw one
element after the other, each as many numbers as it takes.

Sources: W. Hörmann, "The transformed rejection method for generating Poisson random variables" (1993), and "The
generation of binomial random variates" (1993); https://docs.pytorch.org/docs/stable/torch.html#random-sampling
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from graphc.randomness.normal_numbers import fused_multiply_add
from graphc.randomness.stream import RandomStream

Floats = NDArray[np.float64]
_DOUBLE = np.dtype(np.float64)
# From this rate, or number of expected successes, on the rejection methods are used.
_LARGE = 10.0
# The tail of Stirling's series for the logarithm of k!, for small k.
_STIRLING_TAIL = (
    0.0810614667953272,
    0.0413406959554092,
    0.0276779256849983,
    0.02079067210376509,
    0.0166446911898211,
    0.0138761288230707,
    0.0118967099458917,
    0.0104112652619720,
    0.00925546218271273,
    0.00833056343336287,
)


def _each(function: Callable[[float], float], values: Floats) -> Floats:
    """A function of the C library, which PyTorch calls and numpy's vector code may differ from in the last bit."""
    return np.fromiter(map(function, values.tolist()), np.float64, values.size)


def _logarithm(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


def uniforms(stream: RandomStream, count: int) -> Floats:
    """Doubles in [0, 1) of 53 bits."""
    with stream.lock:
        return stream._uniform(count, _DOUBLE)


def serial_normals(stream: RandomStream, count: int) -> Floats:
    """Normal doubles made one pair after the other, whatever their count."""
    with stream.lock:
        return np.array(stream._single_normals(count), np.float64)


def scaled(values: Floats, factor: float, offset: float) -> Floats:
    """values * factor + offset, rounded once as by a fused multiplication and addition."""
    return fused_multiply_add(values, factor, offset)


def geometric(stream: RandomStream, count: int, probability: float) -> Floats:
    """How many trials of a probability in (0, 1) it takes to succeed."""
    trials = _each(_logarithm, uniforms(stream, count)) / math.log(1.0 - probability)
    return np.ceil(trials)


def cauchy(stream: RandomStream, count: int, median: float, sigma: float) -> Floats:
    """Cauchy values of a median and a half width."""
    return scaled(_each(math.tan, math.pi * (uniforms(stream, count) - 0.5)), sigma, median)


def log_normal(stream: RandomStream, count: int, mean: float, std: float) -> Floats:
    """Values whose logarithms are normal."""
    return _each(math.exp, scaled(serial_normals(stream, count), std, mean))


def below(stream: RandomStream, count: int, limit: int, wide: bool) -> NDArray[np.uint64]:
    """Integers below a limit (at most 2**64): remainders of draws of 64 bits, or of 32 bits unless ``wide``."""
    with stream.lock:
        draws = stream._draw_pairs(count) if wide else stream._draw(count)
    return draws if limit >= 2**64 else draws % np.uint64(limit)


class _Uniforms:
    """Doubles drawn one at a time; those taken from the stream are the ones that were asked for."""

    _AHEAD = 256

    def __init__(self, stream: RandomStream):
        self._stream = stream
        self._ahead: list[float] = []
        self._taken = 0
        self._before = stream.buffer.copy()

    def __call__(self) -> float:
        if self._taken == len(self._ahead):
            self._advance()
            self._before = self._stream.buffer.copy()
            self._ahead = self._stream._uniform(self._AHEAD, _DOUBLE).tolist()
            self._taken = 0
        value = self._ahead[self._taken]
        self._taken += 1
        return value

    def _advance(self) -> None:
        if self._ahead:
            self._stream.buffer[:] = self._before
            self._stream._uniform(self._taken, _DOUBLE)

    def finish(self) -> None:
        """Let the stream go on right after the last number that was asked for."""
        self._advance()
        self._ahead, self._taken = [], 0


def poisson(stream: RandomStream, rates: Floats) -> Floats:
    """How many events of a mean number occur, for each rate (not negative)."""
    with stream.lock:
        draw = _Uniforms(stream)
        found = [_poisson(rate, draw) for rate in rates.tolist()]
        draw.finish()
    return np.array(found, np.float64)


def _poisson(rate: float, draw: Callable[[], float]) -> float:
    if rate >= _LARGE:
        return _poisson_by_rejection(rate, draw)
    if rate == 0:
        return 0.0
    count, product, least = 0, 1.0, math.exp(-rate)
    while True:
        product *= draw()
        if not product > least:
            return float(count)
        count += 1


def _poisson_by_rejection(rate: float, draw: Callable[[], float]) -> float:
    root, logarithm = math.sqrt(rate), math.log(rate)
    b = 0.931 + 2.53 * root
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    accepted = 0.9277 - 3.6224 / (b - 2)
    while True:
        u, v = draw() - 0.5, draw()
        distance = 0.5 - abs(u)
        if distance == 0:
            continue
        k = math.floor((2 * a / distance + b) * u + rate + 0.43)
        if distance >= 0.07 and v <= accepted:
            return float(k)
        if k < 0 or (distance < 0.013 and v > distance):
            continue
        height = _logarithm(v) + math.log(inverse_alpha) - math.log(a / (distance * distance) + b)
        if height <= -rate + k * logarithm - math.lgamma(k + 1.0):
            return float(k)


def binomial(stream: RandomStream, counts: Floats, probabilities: Floats) -> Floats:
    """How many of so many trials succeed, for each count and probability."""
    with stream.lock:
        draw = _Uniforms(stream)
        pairs = zip(counts.tolist(), probabilities.tolist(), strict=True)
        found = [_binomial(count, probability, draw) for count, probability in pairs]
        draw.finish()
    return np.array(found, np.float64)


def _binomial(count: float, probability: float, draw: Callable[[], float]) -> float:
    if count <= 0 or probability <= 0:
        return 0.0
    if probability >= 1:
        return count
    if not probability <= 1:
        return math.nan
    if probability > 0.5:
        return count - _binomial_of_rare(count, 1.0 - probability, draw)
    return _binomial_of_rare(count, probability, draw)


def _binomial_of_rare(count: float, probability: float, draw: Callable[[], float]) -> float:
    if count * probability >= _LARGE:
        return _binomial_by_rejection(count, probability, draw)
    successes, trials, logarithm = 0.0, 0.0, math.log1p(-probability)
    while True:
        trials += _ceiling(_logarithm(draw()) / logarithm)
        if trials > count:
            return successes
        successes += 1


def _ceiling(value: float) -> float:
    return float(math.ceil(value)) if math.isfinite(value) else value


def _binomial_by_rejection(count: float, probability: float, draw: Callable[[], float]) -> float:
    deviation = math.sqrt(count * probability * (1 - probability))
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * probability
    c = count * probability + 0.5
    accepted = 0.92 - 4.2 / b
    odds = probability / (1 - probability)
    alpha = (2.83 + 5.1 / b) * deviation
    mode = math.floor((count + 1) * probability)
    while True:
        u, v = draw() - 0.5, draw()
        distance = 0.5 - abs(u)
        if distance == 0:
            continue
        k = float(math.floor((2 * a / distance + b) * u + c))
        if k < 0 or k > count:
            continue
        if distance >= 0.07 and v <= accepted:
            return k
        height = _logarithm(v * alpha / (a / (distance * distance) + b))
        bound = (mode + 0.5) * math.log((mode + 1) / (odds * (count - mode + 1)))
        bound += (count + 1) * math.log((count - mode + 1) / (count - k + 1))
        bound += (k + 0.5) * math.log(odds * (count - k + 1) / (k + 1))
        bound += _stirling_tail(mode) + _stirling_tail(count - mode) - _stirling_tail(k) - _stirling_tail(count - k)
        if height <= bound:
            return k


def _stirling_tail(k: float) -> float:
    if k <= 9:
        return _STIRLING_TAIL[int(k)]
    square = (k + 1) * (k + 1)
    return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1)


def categories_with_replacement(stream: RandomStream, weights: NDArray, samples: int) -> NDArray[np.int64]:
    """int64[rows, samples]: categories drawn by the rows' weights, which are summed up in their own dtype."""
    sums = np.cumsum(weights, axis=1, dtype=weights.dtype)
    heights = (sums / sums[:, -1:]).astype(np.float64)
    heights[:, -1] = 1.0
    chosen = uniforms(stream, weights.shape[0] * samples).reshape(weights.shape[0], samples)
    rows = [np.searchsorted(row, values) for row, values in zip(heights, chosen, strict=True)]
    return np.array(rows, np.int64).reshape(weights.shape[0], samples)


def gammas(stream: RandomStream, shapes: NDArray) -> Floats:
    """Gamma values of the rate 1, for each shape parameter (of float32 or float64, in which it is computed with).

    Source: G. Marsaglia, W. W. Tsang, "A simple method for generating gamma variables" (2000)
    """
    with stream.lock:
        draw = _Uniforms(stream)
        normals = _Normals(stream, draw)
        found = [_gamma(shape, draw, normals) for shape in shapes]
        draw.finish()
        normals.finish()
    return np.array(found, np.float64)


class _Normals:
    """Normal doubles made pair by pair from doubles drawn one at a time; the other of a pair waits in the stream."""

    def __init__(self, stream: RandomStream, draw: Callable[[], float]):
        self._stream, self._draw = stream, draw
        self._waiting = stream._take_waiting()

    def __call__(self) -> float:
        if self._waiting is not None:
            value, self._waiting = self._waiting, None
            return value
        angle = 2.0 * math.pi * self._draw()
        radius = math.sqrt(-2.0 * math.log1p(-self._draw()))
        self._waiting = radius * math.sin(angle)
        return radius * math.cos(angle)

    def finish(self) -> None:
        """Leave the value that waits to the stream."""
        if self._waiting is not None:
            self._stream._leave_waiting(self._waiting)


# PyTorch's constants are of single precision.
_THIRD, _SQUEEZE = np.float32(1) / np.float32(3), float(np.float32(0.0331))


def _gamma(shape: np.floating, draw: Callable[[], float], normal: Callable[[], float]) -> float:
    scale, kind = 1.0, type(shape)
    if shape < 1:
        if shape == 0:
            return 0.0
        scale = math.pow(1 - draw(), float(kind(1) / shape))
        shape = shape + kind(1)
    d = float(shape - kind(_THIRD))
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x = normal()
        root = 1.0 + c * x
        while root <= 0:
            x = normal()
            root = 1.0 + c * x
        v = root * root * root
        u, square = 1 - draw(), x * x
        if u < 1.0 - _SQUEEZE * square * square or math.log(u) < 0.5 * square + d * (1.0 - v + math.log(v)):
            return scale * d * v
