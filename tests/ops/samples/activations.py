"""Samples of activations and softmax."""

from __future__ import annotations

from graphc.ir.types import float32, float64
from tests.ops.samples.table import OpSample, distinct, inf, integers, literal, nan, normal, sample

_NAMES = (
    "relu", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "softplus", "softsign", "logsigmoid",
    "hardtanh", "relu6", "hardsigmoid", "hardswish", "hardshrink", "softshrink", "tanhshrink", "rrelu",
)  # fmt: skip
_IN_PLACE = ("relu_", "elu_", "selu_", "celu_", "leaky_relu_", "hardtanh_", "rrelu_")
_SPECIAL = literal([nan, inf, -inf, 0.0, -0.0, 1.0, -1.0, 6.0, 3.0, -3.0, 50.0, -200.0])

# Where PyTorch's own vector code differs from its formula: NaN (or an infinity) gives something else than it should.
_QUIRKS = ("gelu", "hardsigmoid", "hardswish")
_PLAINER = literal([0.0, -0.0, 1.0, -1.0, 6.0, 3.0, -3.0, 50.0, -200.0])


def _of_each() -> list[OpSample]:
    found = []
    for name in _NAMES:
        found += [
            sample(name, distinct(5, 7)),
            sample(name, _PLAINER if name in _QUIRKS else _SPECIAL, label="special", smooth=False),
            sample(
                name,
                distinct(4, 3, layout="transposed", dtype="float64"),
                label="transposed-double",
                # PyTorch multiplies gradients by a sixth in float32.
                tolerance=(1e-5, 1e-7 if name in _QUIRKS else 1e-11),
            ),
        ]
    for name in ("softmax", "log_softmax", "softmin"):
        found += [
            sample(name, normal(3, 5), dim=1),
            sample(name, normal(3, 5), dim=0, label="columns"),
            sample(name, normal(2, 3, 4), dim=-2, label="middle"),
            sample(name, normal(), dim=0, label="scalar"),
            sample(
                name,
                literal([[1000.0, 1000.0, -1000.0], [nan, 1.0, 2.0], [-inf, 0.0, 1.0]]),
                dim=1,
                label="extreme",
                smooth=False,
            ),
        ]
    return found


def _in_place() -> list[OpSample]:
    """Forms that write to the input, on a copy so that the input may require a gradient."""
    found = [sample(name, distinct(4, 5), differentiable=(), label="leaf") for name in _IN_PLACE]
    found.append(sample("threshold_", distinct(4, 5), 0.1, 7.0, differentiable=(), label="leaf"))
    for name in ("relu", "leaky_relu", "elu", "silu", "mish", "hardswish", "relu6", "hardsigmoid", "selu", "celu"):
        found.append(sample(name, distinct(4, 5), inplace=True, differentiable=(), label="in place"))
    return found


SAMPLES: tuple[OpSample, ...] = (
    *_of_each(),
    *_in_place(),
    sample("leaky_relu", distinct(7), 0.2, label="slope"),
    sample("elu", distinct(7), 0.5, label="alpha"),
    sample("celu", distinct(7), 0.5, label="alpha"),
    sample("gelu", distinct(5, 7), approximate="tanh", label="tanh"),
    sample("glu", normal(3, 6)),
    sample("glu", normal(4, 3, 2), 0, label="first"),
    sample("softplus", distinct(9), 2.0, 1.0, label="beta"),
    sample("hardtanh", literal([-2.0, -1.0, 0.0, 1.0, 2.0]), label="limits", smooth=False),
    sample("hardtanh", integers(7, low=-9, high=9), -2, 3, label="int"),
    sample("relu6", integers(7, low=-9, high=9), label="int"),
    sample("hardshrink", distinct(9), 0.3, label="lambda"),
    sample("hardshrink", literal([-0.5, 0.5, 0.0]), label="limits", smooth=False),
    sample("softshrink", distinct(9), 0.2, label="lambda"),
    sample("softshrink", literal([-0.5, 0.5, 0.0]), label="limits", smooth=False),
    sample("threshold", distinct(4, 5), 0.1, 7.0),
    sample("threshold", literal([0.5, 1.0, nan, 2.0]), 1.0, -3.0, label="special", smooth=False),
    sample("threshold", integers(7, low=-9, high=9), 1, 5, label="int"),
    sample("rrelu", distinct(7), 0.1, 0.4, label="bounds"),
    sample("rrelu", distinct(4, 5), training=True, random=True, label="training"),
    sample("prelu", distinct(4, 3, 2), normal(3)),
    sample("prelu", distinct(4, 3), normal(1), label="one"),
    sample("prelu", distinct(5), normal(), label="number"),
    sample("prelu", distinct(), normal(1), label="scalar"),
    sample("softmax", integers(2, 3, low=-3, high=3), 1, dtype=float32, label="dtype"),
    sample("log_softmax", normal(2, 3), 1, dtype=float64, label="dtype"),
    sample("gumbel_softmax", normal(3, 4), random=True),
    sample("gumbel_softmax", normal(3, 4), 0.5, True, dim=0, random=True, label="hard"),
)
