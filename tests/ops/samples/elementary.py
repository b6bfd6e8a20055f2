"""Samples of trigonometric, hyperbolic, and other elementary functions, and of those of integers' divisors and bits."""

from __future__ import annotations

from tests.ops.samples.pointwise import SPECIAL, SPECIAL_DOUBLE
from tests.ops.samples.table import OpSample, booleans, inf, integers, literal, nan, normal, sample, uniform

# Functions of floats, with an interval in which they are smooth.
_INTERVALS = {
    "tan": (-1.2, 1.2),
    "asin": (-0.9, 0.9),
    "acos": (-0.9, 0.9),
    "atan": (-3.0, 3.0),
    "sinh": (-3.0, 3.0),
    "cosh": (-3.0, 3.0),
    "asinh": (-3.0, 3.0),
    "acosh": (1.2, 4.0),
    "atanh": (-0.9, 0.9),
    "exp2": (-3.0, 3.0),
    "log2": (0.2, 4.0),
    "log10": (0.2, 4.0),
    "deg2rad": (-180.0, 180.0),
    "rad2deg": (-3.0, 3.0),
}
_ALIASES = ("arcsin", "arccos", "arctan", "arcsinh", "arctanh")


def _unary() -> list[OpSample]:
    found = []
    for name, (low, high) in _INTERVALS.items():
        found += [
            sample(name, uniform(3, 4, low=low, high=high)),
            sample(name, SPECIAL, label="special", smooth=False, differentiable=()),
            sample(name, SPECIAL_DOUBLE, label="special-double", smooth=False, differentiable=()),
            sample(name, uniform(4, 3, low=low, high=high, layout="transposed"), label="transposed"),
            sample(name, uniform(2, 5, low=low, high=high, dtype="float64", layout="strided"), label="strided-double"),
            sample(name, uniform(low=low, high=high), label="scalar"),
            sample(name, normal(0, 3), label="empty"),
            sample(name, uniform(9, 17, low=low, high=high), label="larger"),
            sample(name, integers(7, low=-3, high=4), label="integers"),
            sample(name, booleans(5), label="bool"),
        ]
    return found + [sample(name, uniform(5, low=-0.9, high=0.9)) for name in _ALIASES]


_POINTS = [nan, inf, -inf, 0.0, -0.0, 1.0, -1.5, 1e-30, -1e30]
# Every pair of special points.
_LEFT = literal([x for x in _POINTS for _ in _POINTS])
_RIGHT = literal([y for _ in _POINTS for y in _POINTS])
_MODEST_LEFT, _MODEST_RIGHT = (
    literal([7.5, -7.5, inf, 3.0, 0.0, -0.0, nan]),
    literal([2.0, -3.0, 2.0, inf, 1.0, -1.0, 1.0]),
)
_OF_TWO = ("atan2", "hypot", "copysign", "logaddexp", "logaddexp2", "fmax", "fmin", "fmod")


def _binary() -> list[OpSample]:
    found = []
    for name in _OF_TWO:
        left, right = uniform(3, 4, low=0.5, high=3.0), uniform(3, 4, low=-2.5, high=-0.6)
        kinked = name in ("fmod",)
        found += [
            sample(name, left, right, smooth=not kinked),
            sample(name, left, uniform(4, low=-2.5, high=-0.6), label="broadcast-row", smooth=not kinked),
            sample(
                name,
                uniform(3, 1, low=0.6, high=2.5),
                uniform(2, 1, 4, low=-2.5, high=-0.6),
                label="broadcast-both",
                smooth=not kinked,
            ),
            sample(
                name,
                left,
                uniform(3, 4, low=0.6, high=2.5, dtype="float64"),
                label="double",
                tolerance=(1e-5, 1e-6),
                smooth=False,
            ),
            sample(name, left, integers(3, 4, low=1, high=3), label="with-integers", smooth=False),
            sample(name, uniform(0, 3, low=0.5, high=2), uniform(3, low=0.5, high=2), label="empty"),
            sample(
                name,
                # Of a quotient of 1e60 PyTorch's fmod knows no remainder.
                *((_LEFT, _RIGHT) if name != "fmod" else (_MODEST_LEFT, _MODEST_RIGHT)),
                label="special",
                smooth=False,
                differentiable=(),
            ),
            sample(name, literal([0.0, 1.0, -2.0]), literal([0.0, 1.0, -2.0]), label="ties", smooth=False),
        ]
        if name not in ("hypot", "logaddexp", "logaddexp2"):
            found.append(sample(name, integers(3, 4, low=-3, high=5), integers(4, low=1, high=4), label="integers"))
    return [
        *found,
        sample("fmax", literal([nan, 1.0, nan]), literal([1.0, nan, nan]), label="nan", smooth=False),
        sample("fmin", literal([nan, 1.0, nan]), literal([1.0, nan, nan]), label="nan", smooth=False),
        sample("fmod", uniform(5, low=2.1, high=2.9), 1.0, label="number"),
        sample("fmod", integers(9, low=-9, high=9, dtype="int32"), -4, label="integer-number"),
        sample("fmod", literal([7, 200, 255], "uint8"), literal([4, 7, 255], "uint8"), label="uint8"),
        sample("copysign", normal(5), -1.0, label="number", smooth=False),
        sample("copysign", integers(5, low=-3, high=4), 1, label="integer-number"),
        sample("nextafter", normal(5), normal(5)),
        sample("nextafter", _LEFT, _RIGHT, label="special", differentiable=()),
        sample("nextafter", normal(5, dtype="float64"), normal(dtype="float64"), label="double", differentiable=()),
        sample("heaviside", literal([-1.0, 0.0, 2.0, -0.0, nan, inf]), literal([0.5]), differentiable=()),
        sample("heaviside", integers(6, low=-2, high=3), integers(6, low=5, high=9), label="integers"),
        sample("float_power", uniform(4, low=0.3, high=2), 2.5, differentiable=(0,)),
        sample("float_power", integers(4, low=1, high=5), integers(4, low=-2, high=3), label="integers"),
        sample("float_power", 2.0, normal(4), label="number-base"),
        sample("ldexp", normal(3, 4), integers(4, low=0, high=4)),
        sample("ldexp", normal(3, 4), normal(4), label="floats"),
        sample("ldexp", integers(4, low=-3, high=4), integers(4, low=-3, high=4), label="integers"),
        sample("frexp", uniform(3, 4, low=0.6, high=0.9)),
        sample("frexp", SPECIAL, label="special", smooth=False, differentiable=()),
        sample("frexp", SPECIAL_DOUBLE, label="special-double", smooth=False, differentiable=()),
        sample("signbit", SPECIAL, differentiable=()),
        sample("signbit", SPECIAL_DOUBLE, label="double", differentiable=()),
        sample("signbit", integers(5, low=-3, high=4), label="integers"),
        sample("signbit", booleans(5), label="bool"),
    ]


def _of_integers() -> list[OpSample]:
    found = []
    for name in ("gcd", "lcm"):
        found += [
            sample(name, integers(3, 4, low=-30, high=30), integers(4, low=-30, high=30)),
            sample(
                name,
                integers(9, low=-11, high=12, dtype="int8"),
                integers(9, low=0, high=12, dtype="int8"),
                label="int8",
            ),
            sample(name, literal([12, 15, 0, 7], "uint8"), literal([8, 10, 0, 0], "uint8"), label="uint8"),
            sample(name, literal([12, 15, 0, 7], "int32"), literal([8, 10, 0, 0], "int16"), label="mixed"),
        ]
    for name in ("bitwise_left_shift", "bitwise_right_shift"):
        found += [
            sample(name, integers(3, 4, low=-30, high=30), integers(4, low=0, high=5)),
            sample(name, literal([5, -5, 1, -1, 77, -77], "int64"), 2, label="number"),
            sample(name, literal([5, -5, 1, -1], "int32"), literal([31, 31, 32, -1], "int32"), label="outside"),
            sample(name, literal([5, 255, 1, 128], "uint8"), literal([1, 7, 8, 200], "uint8"), label="uint8"),
        ]
    return found


def _closeness() -> list[OpSample]:
    near = literal([1.0, 1.0, 1.0, nan, inf, -inf, 0.0, inf])
    far = literal([1.0, 1.000001, 1.1, nan, inf, inf, 1e-9, 1.0])
    return [
        sample("isclose", near, far, differentiable=()),
        sample("isclose", near, far, equal_nan=True, label="equal-nan", differentiable=()),
        sample("isclose", near, far, rtol=0.2, atol=0.0, label="rtol", differentiable=()),
        sample("isclose", near, far, rtol=0.0, atol=0.0, label="exact", differentiable=()),
        sample("isclose", integers(6, low=0, high=3), integers(6, low=0, high=3), rtol=0.6, label="integers"),
        sample("allclose", near, far, differentiable=()),
        sample("allclose", normal(3, 4), normal(4), rtol=99.0, atol=99.0, label="near", differentiable=()),
        sample("equal", near, near, differentiable=()),
        sample("equal", integers(3, low=0, high=2), integers(2, low=0, high=2), label="shapes"),
        sample("isposinf", SPECIAL, differentiable=()),
        sample("isneginf", SPECIAL, differentiable=()),
        sample("isposinf", integers(3, low=0, high=3), label="integers"),
        sample("isneginf", booleans(3), label="bool"),
    ]


SAMPLES: tuple[OpSample, ...] = (*_unary(), *_binary(), *_of_integers(), *_closeness())
