"""Samples of activations, softmax, and dropout."""

from __future__ import annotations

from tests.ops.samples.table import OpSample, distinct, inf, literal, nan, normal, sample

_NAMES = (
    "relu", "leaky_relu", "elu", "gelu", "silu", "mish", "softplus", "softsign", "logsigmoid", "hardtanh", "relu6",
    "hardsigmoid", "hardswish",
)  # fmt: skip
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


SAMPLES: tuple[OpSample, ...] = (
    *_of_each(),
    sample("leaky_relu", distinct(7), 0.2, label="slope"),
    sample("elu", distinct(7), 0.5, label="alpha"),
    sample("gelu", distinct(5, 7), approximate="tanh", label="tanh"),
    sample("softplus", distinct(9), 2.0, 1.0, label="beta"),
    sample("hardtanh", literal([-2.0, -1.0, 0.0, 1.0, 2.0]), label="limits", smooth=False),
    sample("dropout", normal(4, 5), 0.4, random=True, differentiable=()),
    sample("dropout", normal(4, 5), 0.0, label="none"),
    sample("dropout", normal(4, 5), 1.0, label="all"),
    sample("dropout", normal(4, 5), 0.4, training=False, label="evaluation"),
)
