"""The numbers of special functions: identities between them that hold over whole ranges, and published values."""

from __future__ import annotations

import math

import numpy as np
import pytest

import graphc
from graphc.ops import bessel_numerics, incomplete_gamma
from graphc.ops.special_numerics import i0, i1

# The numbers are computed on whole arrays, also where another expansion is chosen: primitives silence what that says.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

# Both sides of every border between two expansions.
PLACES = np.concatenate([np.geomspace(1e-6, 1.0, 40), np.linspace(1.0, 40.0, 400), np.geomspace(40.0, 1e4, 40)])


def test_wronskian_of_j_and_y() -> None:
    """J1 Y0 - J0 Y1 is 2 / (pi x), which ties four expansions to each other on all their intervals."""
    found = bessel_numerics.bessel_j1(PLACES) * bessel_numerics.bessel_y0(PLACES)
    found -= bessel_numerics.bessel_j0(PLACES) * bessel_numerics.bessel_y1(PLACES)
    np.testing.assert_allclose(found * PLACES * math.pi / 2, 1.0, rtol=2e-13)


def test_wronskian_of_i_and_k() -> None:
    """I0 K1 + I1 K0 is 1 / x; scaled and plain functions differ by exp(x)."""
    x = PLACES[PLACES < 300]
    k0, k1 = bessel_numerics.modified_bessel_k0(x), bessel_numerics.modified_bessel_k1(x)
    np.testing.assert_allclose((i0(x) * k1 + i1(x) * k0) * x, 1.0, rtol=1e-13)
    np.testing.assert_allclose(bessel_numerics.scaled_k0(x) * np.exp(-x), k0, rtol=1e-13)
    np.testing.assert_allclose(bessel_numerics.scaled_k1(x) * np.exp(-x), k1, rtol=1e-13)


@pytest.mark.parametrize(
    ("x", "value"),
    [
        (0.0, 0.3550280538878172392600632),
        (1.0, 0.1352924163128814155241474),
        (2.0, 0.0349241304232743791353221),
        (2.5, 0.0157259233804704899942797),
        (10.0, 1.1047532552898685933e-10),
        (-1.0, 0.5355608832923521187995166),
        (-5.0, 0.3507610090241142871211),
        (-10.0, 0.0402412384864431951),
    ],
)
def test_airy(x: float, value: float) -> None:
    """Airy's function has its tabulated values (DLMF 9.2, Abramowitz and Stegun 10.11)."""
    assert bessel_numerics.airy_ai(np.array([x]))[0] == pytest.approx(value, rel=1e-11)


def test_airy_has_no_seams() -> None:
    """The expansions meet where they take over from each other."""
    for border in (-6.0, 2.0):
        below, above = bessel_numerics.airy_ai(np.array([np.nextafter(border, -9.0), np.nextafter(border, 9.0)]))
        assert below == pytest.approx(above, rel=1e-13)


def test_incomplete_gamma_by_recurrence() -> None:
    """P(a + 1, x) = P(a, x) - x**a exp(-x) / gamma(a + 1), across all regions; P and Q are complements."""
    a, x = np.meshgrid(np.geomspace(0.01, 160.0, 60), np.geomspace(0.01, 250.0, 61))
    a, x = a.ravel(), x.ravel()
    lower, upper = incomplete_gamma.gammainc(a, x), incomplete_gamma.gammaincc(a, x)
    density = np.exp([s * math.log(t) - t - math.lgamma(s + 1) for s, t in zip(a, x, strict=True)])
    np.testing.assert_allclose(incomplete_gamma.gammainc(a + 1, x), lower - density, rtol=0, atol=2e-14)
    np.testing.assert_allclose(incomplete_gamma.gammaincc(a + 1, x), upper + density, rtol=2e-12)
    np.testing.assert_allclose(lower + upper, 1.0, rtol=1e-14)


def test_incomplete_gamma_of_whole_numbers() -> None:
    """Q(n, x) is the sum of the first n terms of Poisson's distribution; Q(1/2, x) is erfc(sqrt(x))."""
    x = np.geomspace(0.05, 60.0, 50)
    for n in (1, 2, 5, 20):
        terms = [np.exp(-x) * x**k / math.factorial(k) for k in range(n)]
        np.testing.assert_allclose(incomplete_gamma.gammaincc(np.full_like(x, n), x), np.sum(terms, 0), rtol=1e-12)
    expected = [math.erfc(math.sqrt(each)) for each in x]
    np.testing.assert_allclose(incomplete_gamma.gammaincc(np.full_like(x, 0.5), x), expected, rtol=1e-12)


def test_incomplete_gamma_of_large_numbers() -> None:
    """At the median of a large one the expansion gives what the central limit theorem does."""
    a = np.array([1e3, 1e6, 1e12])
    found = incomplete_gamma.gammainc(a, a)
    np.testing.assert_allclose(found, 0.5 + 1 / (3 * np.sqrt(2 * math.pi * a)), rtol=1e-5)


POLYNOMIALS = {
    "chebyshev_polynomial_t": np.polynomial.chebyshev.Chebyshev,
    "hermite_polynomial_h": np.polynomial.hermite.Hermite,
    "hermite_polynomial_he": np.polynomial.hermite_e.HermiteE,
    "laguerre_polynomial_l": np.polynomial.laguerre.Laguerre,
    "legendre_polynomial_p": np.polynomial.legendre.Legendre,
}


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_orthogonal_polynomials(name: str) -> None:
    """Each degree from 0 to 15 is numpy's basis polynomial, inside and outside of [-1, 1]."""
    x = np.linspace(-1.5, 1.5, 31)
    for degree in range(16):
        found = getattr(graphc.special, name)(graphc.tensor(x), degree).numpy()
        expected = POLYNOMIALS[name].basis(degree)(x)
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("kind", ["u", "v", "w"])
def test_chebyshev_kinds(kind: str) -> None:
    """U is T's slope over the degree, V and W are differences and sums of neighbouring U."""
    x = np.linspace(-0.99, 0.99, 41)
    slope = {n: np.polynomial.chebyshev.Chebyshev.basis(n + 1).deriv()(x) / (n + 1) for n in range(20)}
    for n in range(20):
        sign = {"u": 0.0, "v": -1.0, "w": 1.0}[kind]
        expected = slope[n] + (sign * slope[n - 1] if n else 0.0)
        found = getattr(graphc.special, f"chebyshev_polynomial_{kind}")(graphc.tensor(x), n).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
