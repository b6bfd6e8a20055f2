"""Samples of special functions."""

from __future__ import annotations

from tests.ops.samples.pointwise import SPECIAL, SPECIAL_DOUBLE
from tests.ops.samples.table import OpSample, inf, integers, literal, nan, normal, sample, uniform

# Functions of floats, with an interval in which they are smooth.
_INTERVALS = {
    "erfc": (-2.0, 2.0),
    "erfinv": (-0.9, 0.9),
    "lgamma": (0.3, 5.0),
    "digamma": (0.3, 5.0),
    "i0": (-4.0, 4.0),
    "sinc": (0.1, 2.0),
    "logit": (0.05, 0.95),
    "special.entr": (0.1, 2.0),
    "special.erfcx": (-1.0, 4.0),
    "special.i0e": (0.3, 12.0),
    "special.i1": (-4.0, -0.3),
    "special.i1e": (0.3, 12.0),
    "special.log_ndtr": (-5.0, 2.0),
    "special.ndtr": (-2.0, 2.0),
    "special.ndtri": (0.05, 0.95),
}
# PyTorch's numbers for float64, and its formula for digamma's slope, are less exact than ours.
_TOLERANCE = {"digamma": (1e-5, 1e-9), "special.log_ndtr": (1e-5, 1e-9)}


def _unary() -> list[OpSample]:
    found = []
    for name, (low, high) in _INTERVALS.items():
        options = {"tolerance": _TOLERANCE[name]} if name in _TOLERANCE else {}
        # PyTorch has NaN for the growing Bessel functions of infinity.
        special = literal([nan, 0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 30.0, 1e-30]) if "i" in name[-2:] else SPECIAL
        found += [
            sample(name, uniform(3, 4, low=low, high=high), **options),
            sample(name, special, label="special", smooth=False, differentiable=(), **options),
            sample(name, uniform(4, 3, low=low, high=high, layout="transposed"), label="transposed", **options),
            sample(name, uniform(2, 5, low=low, high=high, dtype="float64"), label="double", **options),
            sample(name, uniform(low=low, high=high), label="scalar", **options),
            sample(name, normal(0, 3), label="empty"),
            sample(name, uniform(9, 17, low=low, high=high), label="larger", **options),
            sample(name, integers(7, low=-3, high=4), label="integers"),
        ]
    return found


_PAIRS = (
    literal([0.0, 0.0, 0.0, 0.0, 2.0, 2.0, nan, -1.0, 0.0, inf]),
    literal([0.0, nan, -2.0, inf, 0.0, -3.0, 1.0, 2.0, -1.0, 2.0]),
)


# Bessel functions and Airy's, with an interval for float64 in which PyTorch's numbers are good to ten digits.
_BESSEL = {
    "bessel_j0": (-2.0, 2.0),
    "bessel_j1": (-2.0, 2.0),
    "bessel_y0": (0.1, 2.0),
    "bessel_y1": (0.1, 2.0),
    "spherical_bessel_j0": (-30.0, 30.0),
    "modified_bessel_i0": (-20.0, 20.0),
    "modified_bessel_i1": (-20.0, 20.0),
    "modified_bessel_k0": (0.01, 20.0),
    "modified_bessel_k1": (0.01, 20.0),
    "scaled_modified_bessel_k0": (0.01, 20.0),
    "scaled_modified_bessel_k1": (0.01, 20.0),
    "airy_ai": (-2.0, 9.0),
}
_POLYNOMIALS = (
    *(f"{shift}chebyshev_polynomial_{kind}" for shift in ("", "shifted_") for kind in "tuvw"),
    "hermite_polynomial_h",
    "hermite_polynomial_he",
    "laguerre_polynomial_l",
    "legendre_polynomial_p",
)
_WITHOUT: dict[str, object] = {"differentiable": (), "tolerance": (1e-5, 1e-10)}


def _bessel() -> list[OpSample]:
    found = []
    for short, (low, high) in _BESSEL.items():
        name = f"special.{short}"
        found += [
            sample(name, uniform(150, low=low, high=high, dtype="float64"), label="double", **_WITHOUT),
            sample(name, uniform(9, 17, low=-40, high=40), **_WITHOUT),
            sample(name, literal([nan, 0.0, -1.0, 1.0, 1e-30, 50.0]), label="special", **_WITHOUT),
            sample(name, integers(7, low=-3, high=4), label="integers"),
        ]
    return found


def _polynomials() -> list[OpSample]:
    found = []
    for short in _POLYNOMIALS:
        name = f"special.{short}"
        found += [
            sample(name, uniform(4, 9, low=-1.2, high=1.2, dtype="float64"), degrees, label=label, **_WITHOUT)
            for label, degrees in (("short", literal(range(9), "float64")), ("long", literal(range(9, 18), "float64")))
        ]
        found += [
            sample(name, uniform(5, 1, low=-1.0, high=1.0), integers(7, low=-2, high=9), **_WITHOUT),
            sample(
                name,
                literal([1.0, -1.0, 0.0, 0.5, 2.0]),
                literal([12.0, 7.0, 11.0, nan, -0.5]),
                label="edges",
                **_WITHOUT,
            ),
            sample(name, uniform(6, low=-1.0, high=1.0), 4, label="number", **_WITHOUT),
            sample(name, 0.25, integers(6, low=0, high=9), label="number-first", **_WITHOUT),
        ]
    return found


def _incomplete_gamma() -> list[OpSample]:
    found = []
    for name in ("igamma", "igammac", "special.gammainc", "special.gammaincc"):
        options: dict[str, object] = {"differentiable": (1,), "tolerance": (1e-5, 1e-8)}
        found += [
            sample(name, uniform(3, 4, low=0.5, high=9.0), uniform(4, low=0.5, high=9.0), **options),
            sample(name, uniform(99, low=1.0, high=60.0), uniform(99, low=1.0, high=60.0), label="larger", **options),
            sample(
                name,
                uniform(40, low=101.0, high=300.0, dtype="float64"),
                uniform(40, low=80.0, high=350.0, dtype="float64"),
                label="large",
                **options,
            ),
            sample(
                name,
                literal([0.0, 0.0, 1.0, -1.0, inf, 1.0, inf, nan, 2.0]),
                literal([0.0, 1.0, 0.0, 1.0, 1.0, inf, inf, 1.0, -1.0]),
                label="special",
                differentiable=(),
            ),
        ]
    return found


SAMPLES: tuple[OpSample, ...] = (
    *_unary(),
    *_bessel(),
    *_polynomials(),
    *_incomplete_gamma(),
    sample("erfc", SPECIAL_DOUBLE, label="special-double", differentiable=()),
    sample("erfc", uniform(200, low=-6, high=12, dtype="float64"), label="tail"),
    sample("lgamma", uniform(99, low=-9, high=0, dtype="float64"), label="negative", smooth=False),
    sample("digamma", uniform(99, low=-9, high=0, dtype="float64"), label="negative", differentiable=()),
    sample("erfinv", literal([1.0, -1.0, 2.0, 0.0, -0.0, nan]), label="edges", differentiable=()),
    sample("special.ndtri", literal([0.0, 1.0, 2.0, -1.0, 0.5, 1e-30]), label="edges", differentiable=()),
    sample("special.log_ndtr", uniform(99, low=-60, high=-5, dtype="float64"), label="tail", tolerance=(1e-5, 1e-9)),
    sample("logit", uniform(3, 4, low=-0.2, high=1.2), eps=0.1, label="eps", smooth=False),
    sample("sinc", literal([0.0, 1.0, -2.0, 0.5]), label="zero", smooth=False),
    *(
        sample("polygamma", order, uniform(3, 4, low=0.4, high=9.0), label=f"order-{order}", tolerance=(1e-5, 1e-9))
        for order in (0, 1, 2, 3)
    ),
    sample("polygamma", 2, uniform(9, low=-6, high=0, dtype="float64"), label="negative", differentiable=()),
    sample("polygamma", 1, integers(5, low=1, high=9), label="integers"),
    sample("mvlgamma", uniform(3, 4, low=2.0, high=6.0), 3),
    sample("mvlgamma", integers(4, low=3, high=9), 2, label="integers"),
    *(
        each
        for name, shift in (("xlogy", 0.1), ("special.xlog1py", -0.9))
        for each in (
            sample(name, uniform(3, 4, low=0.5, high=3.0), uniform(4, low=shift, high=3.0)),
            sample(name, *_PAIRS, label="special", smooth=False),
            sample(name, uniform(3, low=0.5, high=3.0), 2.0, label="number"),
            sample(name, 2.0, uniform(3, low=0.5, high=3.0), label="number-first"),
            sample(name, integers(3, low=0, high=3), integers(3, low=1, high=3), label="integers"),
            sample(name, uniform(3, low=0.5, high=3.0), uniform(3, low=0.5, high=3.0, dtype="float64"), label="double"),
        )
    ),
    sample("special.zeta", uniform(3, 4, low=1.5, high=6.0), uniform(3, 4, low=0.5, high=9.0), differentiable=(1,)),
    sample("special.zeta", 2.0, uniform(5, low=0.5, high=9.0), label="number", differentiable=(1,)),
    sample(
        "special.zeta",
        literal([1.0, 0.5, 2.0, 2.0, 2.0, 3.0, 2.5, nan]),
        literal([2.0, 2.0, 0.0, -1.0, -1.5, -2.5, -1.5, 1.0]),
        label="special",
        differentiable=(),
    ),
)
