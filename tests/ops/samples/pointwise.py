"""Samples of pointwise functions: arithmetic, comparisons, logic, and the choice between values."""

from __future__ import annotations

from tests.ops.samples.table import (
    OpSample,
    booleans,
    distinct,
    inf,
    integers,
    literal,
    nan,
    normal,
    primitive_sample,
    sample,
    uniform,
)

SPECIAL = literal([nan, inf, -inf, 0.0, -0.0, 1.0, -1.5, 2.5, 1e-30, -1e30, 100.0, -100.0])
SPECIAL_DOUBLE = literal([nan, inf, -inf, 0.0, -0.0, 1.0, -1.5, 2.5, 1e-300, 700.0, -800.0], "float64")
POSITIVE = uniform(3, 4, low=0.2, high=4.0)

# Functions of one operand: on which floats they are smooth, and whether they take integers.
_ANYWHERE = ("exp", "expm1", "tanh", "sigmoid", "erf", "sin", "cos", "square")
_ON_POSITIVE = ("log", "log1p", "sqrt", "rsqrt", "reciprocal")
_WITH_KINKS = ("abs", "sign", "floor", "ceil", "trunc", "round", "neg", "frac", "positive", "clone")
_PREDICATES = ("isnan", "isinf", "isfinite", "logical_not")


def _unary() -> list[OpSample]:
    found = []
    for name in (*_ANYWHERE, *_ON_POSITIVE, *_WITH_KINKS):
        base = uniform(3, 4, low=0.2, high=4.0) if name in _ON_POSITIVE else uniform(3, 4, low=0.1, high=0.9)
        if name in _ANYWHERE:
            base = normal(3, 4)
        found += [
            sample(name, base),
            sample(name, SPECIAL, label="special", smooth=False),
            sample(name, SPECIAL_DOUBLE, label="special-double", smooth=False),
            sample(name, uniform(4, 3, low=0.2, high=0.9, layout="transposed"), label="transposed"),
            sample(name, uniform(2, 5, low=0.2, high=0.9, dtype="float64", layout="strided"), label="strided-double"),
            sample(name, uniform(low=0.3, high=0.6), label="scalar"),
            sample(name, normal(0, 3), label="empty"),
            sample(name, uniform(9, 17, low=0.25, high=3.9), label="larger", smooth=name not in _WITH_KINKS),
        ]
        if name not in ("frac",):
            found.append(sample(name, integers(7, low=-3, high=4), label="integers"))
    for name in _PREDICATES:
        found += [
            sample(name, SPECIAL, label="special"),
            sample(name, SPECIAL_DOUBLE, label="special-double"),
            sample(name, integers(5, low=-1, high=2), label="integers"),
            sample(name, booleans(5), label="bool"),
            sample(name, normal(), label="scalar"),
        ]
    return found


_ARITHMETIC = ("add", "sub", "mul", "div", "maximum", "minimum", "pow")
_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")


def _binary() -> list[OpSample]:
    found = []
    for name in _ARITHMETIC:
        left = uniform(3, 4, low=0.5, high=3.0)
        right = uniform(3, 4, low=0.6, high=2.5)
        found += [
            sample(name, left, right),
            sample(name, left, uniform(4, low=0.6, high=2.5), label="broadcast-row"),
            sample(name, uniform(3, 1, low=0.6, high=2.5), uniform(2, 1, 4, low=0.6, high=2.5), label="broadcast-both"),
            sample(name, left, uniform(low=0.6, high=2.5), label="broadcast-scalar"),
            sample(
                name, left, uniform(low=0.6, high=2.5, dtype="float64"), label="scalar-double", tolerance=(1e-5, 1e-5)
            ),
            sample(name, left, uniform(3, 4, low=0.6, high=2.5, dtype="float64"), label="with-double"),
            sample(name, left, integers(3, 4, low=1, high=3), label="with-integers"),
            sample(name, integers(3, 4, low=-3, high=5), integers(4, low=1, high=4), label="integers"),
            sample(name, integers(3, 4, low=-3, high=5, dtype="int32"), integers(4, low=1, high=4), label="int32"),
            sample(
                name,
                uniform(4, 3, low=0.5, high=2, layout="transposed"),
                uniform(4, 3, low=0.5, high=2),
                label="transposed",
            ),
            sample(name, uniform(0, 3, low=0.5, high=2), uniform(3, low=0.5, high=2), label="empty"),
            sample(
                name,
                SPECIAL,
                literal([1.0, inf, -inf, -0.0, 0.0, nan, 2.0, -0.5, 3.0, 2.0, 100.0, 0.5]),
                label="special",
                smooth=False,
            ),
            sample(name, literal([0.0, 1.0, -2.0]), literal([0.0, 1.0, -2.0]), label="ties", smooth=False),
        ]
        if name not in ("maximum", "minimum"):
            found += [
                sample(name, left, 2.5, label="number"),
                sample(name, left, 2, label="integer-number"),
                sample(name, integers(5, low=1, high=5), 1.5, label="integers-number"),
            ]
    for name in _COMPARISONS:
        found += [
            sample(name, integers(3, 4, low=0, high=3), integers(4, low=0, high=3), label="integers"),
            sample(name, literal([0.0, -0.0, nan, 1.0, inf]), literal([-0.0, 1.0, nan, 1.0, inf]), label="special"),
            sample(name, normal(3, 4), 0.5, label="number"),
            sample(name, integers(5, low=0, high=3), 1.5, label="integers-number"),
            sample(name, booleans(3, 4), booleans(4), label="bool"),
            sample(name, normal(), normal(2, 2, dtype="float64"), label="scalar"),
        ]
    for name in ("logical_and", "logical_or", "logical_xor"):
        found += [
            sample(name, booleans(3, 4), booleans(4), label="bool"),
            sample(name, literal([0.0, -0.0, nan, 1.0]), integers(4, low=0, high=2), label="numbers"),
        ]
    for name in ("bitwise_and", "bitwise_or", "bitwise_xor"):
        found += [
            sample(name, booleans(3, 4), booleans(4), label="bool"),
            sample(name, integers(6, low=-9, high=9), integers(6, low=-9, high=9, dtype="int32"), label="integers"),
            sample(name, integers(6, low=-9, high=9), 5, label="number"),
        ]
    return found


_QUOTIENTS = ("floor_divide", "remainder")


def _quotients() -> list[OpSample]:
    found = []
    for name in _QUOTIENTS:
        # PyTorch has no gradient of a floored quotient.
        positions = () if name == "floor_divide" else None
        found += [
            sample(name, uniform(3, 4, low=2.1, high=2.9), uniform(4, low=0.91, high=0.99), differentiable=positions),
            sample(
                name,
                uniform(5, low=-9, high=9),
                uniform(5, low=-3, high=-1),
                label="negative",
                smooth=False,
                differentiable=positions,
            ),
            sample(name, integers(3, 5, low=-9, high=9), integers(5, low=1, high=4), label="integers"),
            sample(name, integers(9, low=-9, high=9, dtype="int32"), -4, label="number"),
            sample(
                name,
                literal([-4.0, 4.0, -0.0, 5.0, -5.0, nan, inf, 1.0, -1.0]),
                literal([2.0, -2.0, 3.0, inf, inf, 1.0, 1.0, 0.0, 0.0]),
                label="special",
                smooth=False,
                differentiable=positions,
            ),
        ]
    for mode, positions in (("floor", ()), ("trunc", None)):
        found += [
            sample(
                "div",
                uniform(5, low=-9, high=9),
                uniform(5, low=-3, high=-1),
                rounding_mode=mode,
                label=mode,
                smooth=False,
                differentiable=positions,
            ),
            sample(
                "div",
                integers(15, low=-9, high=9),
                literal([2, -3, 4] * 5, "int64"),
                rounding_mode=mode,
                label=f"{mode}-integers",
            ),
        ]
    return found


def _powers() -> list[OpSample]:
    exponents = (0, 1, 2, 3, 4, -1, -2, 0.5, -0.5, 1.5, 2.0, 3.0, 0.0)
    found = [
        sample("pow", POSITIVE, exponent, label=f"by-{exponent}-{type(exponent).__name__}") for exponent in exponents
    ]
    found += [sample("pow", SPECIAL, exponent, label=f"special-by-{exponent}", smooth=False) for exponent in exponents]
    found += [
        sample("pow", integers(5, low=-3, high=4), exponent, label=f"integers-by-{exponent}")
        for exponent in (0, 1, 2, 3, 5)
    ]
    found += [
        sample("pow", uniform(3, 4, low=-2, high=2), 3, label="negative-base"),
        sample("pow", 2.5, normal(3, 4), label="number-base", differentiable=(1,)),
        sample("pow", 0.0, literal([0.0, 1.0, 2.0]), label="zero-base", smooth=False, differentiable=(1,)),
        sample("pow", literal([0.0, 0.0, -2.0, -2.0]), literal([0.0, 2.0, 2.0, 3.0]), label="edges", smooth=False),
        sample(
            "pow",
            literal([1, -1, 2, -1, 3, 0], "int64"),
            literal([-1, -2, -1, -3, 2, 0], "int64"),
            label="negative-integers",
        ),
    ]
    return found


SAMPLES: tuple[OpSample, ...] = (
    *_unary(),
    *_binary(),
    *_quotients(),
    *_powers(),
    sample("round", normal(7), decimals=2, label="decimals", smooth=False),
    sample("round", uniform(7, low=-900, high=900), decimals=-2, label="hundreds", smooth=False),
    sample("round", literal([0.5, 1.5, 2.5, -0.5, -1.5]), label="halves", smooth=False),
    sample("add", normal(3), normal(3), alpha=2.5, label="alpha"),
    sample("add", booleans(4), booleans(4), label="bool"),
    sample("mul", booleans(4), booleans(4), label="bool"),
    sample("sub", integers(3, low=0, high=9), integers(3, low=0, high=9), alpha=3, label="alpha"),
    sample("rsub", normal(3), 2.0),
    sample("maximum", literal([nan, 1.0, -inf]), literal([1.0, nan, inf]), label="nan", smooth=False),
    sample("maximum", booleans(4), booleans(4), label="bool"),
    sample("minimum", booleans(4), booleans(4), label="bool"),
    sample("bitwise_not", integers(4, low=-5, high=5)),
    sample("bitwise_not", booleans(4), label="bool"),
    sample("clamp", distinct(4, 5), min=-0.3, max=0.4),
    sample("clamp", distinct(4, 5), min=-0.3, label="low"),
    sample("clamp", distinct(4, 5), max=0.4, label="high"),
    sample("clamp", literal([nan, -1.0, 0.0, 1.0, 2.0, -0.0]), min=0.0, max=1.0, label="limits", smooth=False),
    sample("clamp", literal([nan, -1.0, 0.0, 1.0]), min=2.0, max=1.0, label="crossed", smooth=False),
    sample("clamp", integers(6, low=-5, high=5), min=-2, max=3, label="integers"),
    sample("clamp", integers(6, low=-5, high=5), min=-1.5, label="lifted"),
    sample("clamp", normal(3), min=nan, label="nan", differentiable=()),
    sample(
        "clamp", distinct(4, 5), uniform(5, low=-0.42, high=-0.41), uniform(4, 1, low=0.31, high=0.32), label="tensors"
    ),
    sample(
        "clamp",
        distinct(4, 5),
        uniform(5, low=0.41, high=0.43),
        uniform(4, 1, low=0.31, high=0.33),
        label="tensors-crossed",
    ),
    sample("clamp_min", distinct(6), 0.1),
    sample("clamp_max", distinct(6), 0.1),
    sample("where", booleans(3, 4), normal(3, 4), normal(3, 4), label="equal-shapes"),
    sample("where", booleans(3, 1), normal(4), normal(dtype="float64"), label="broadcast"),
    sample("where", booleans(3, 4), normal(3, 4), 1.5, label="float-number"),
    sample("where", booleans(3), 1.0, 2.0, label="numbers"),
    sample("where", booleans(3), integers(3, low=0, high=5), normal(3), label="promoted"),
    sample("lerp", normal(3, 4), normal(3, 4), 0.3),
    sample("lerp", normal(3, 4), normal(3, 4), 0.8, label="far"),
    sample("lerp", normal(3, 4), normal(4), literal([0.0, 0.3, 0.7, 1.0]), label="tensor", smooth=False),
    sample("lerp", normal(3, 4), normal(4), literal([0.1, 0.3, 0.7, 0.9]), label="tensor-weight"),
    sample("addcmul", normal(3, 4), normal(3, 4), normal(4), value=0.5),
    sample("addcmul", normal(3, 4), normal(3, 4), normal(4), label="plain"),
    sample(
        "addcmul",
        literal([3, 1, 2], "int64"),
        literal([3, 1, 2], "int64"),
        literal([2, 2, 2], "int64"),
        value=2.5,
        label="integers",
    ),
    sample("addcdiv", normal(3, 4), normal(3, 4), uniform(4, low=0.5, high=2.0), value=-0.5),
    sample("nan_to_num", SPECIAL, smooth=False),
    sample("nan_to_num", SPECIAL, nan=1.0, posinf=2.0, neginf=-3.0, label="given", smooth=False),
    sample("nan_to_num", integers(3, low=0, high=4), label="integers"),
    primitive_sample("pow", POSITIVE, uniform(3, 4, low=-2.0, high=2.0), label="primitive"),
)
