"""Samples of dropouts."""

from __future__ import annotations

from typing import Any

from tests.ops.samples.table import normal, sample


def _without_generator(name: str) -> Any:
    """PyTorch has it outside of ``nn.functional``, with arguments that it wants to be given."""

    def call(torch: Any, input: Any, p: float = 0.5, train: bool = True) -> Any:
        return getattr(torch, name)(input, p, train)

    return call


_ANY = {"random": True, "differentiable": ()}
SAMPLES = (
    sample("dropout", normal(4, 5), 0.4, **_ANY),
    sample("dropout", normal(4, 5), 0.0, label="none"),
    sample("dropout", normal(4, 5), 1.0, label="all"),
    sample("dropout", normal(4, 5), 0.4, training=False, label="evaluation"),
    sample("dropout", normal(0, 5), 0.4, label="empty"),
    sample("dropout1d", normal(2, 3, 4), **_ANY),
    sample("dropout1d", normal(3, 4), **_ANY, label="one sample"),
    sample("dropout1d", normal(3, 4), training=False, label="evaluation"),
    sample("dropout2d", normal(2, 3, 4, 2), **_ANY),
    sample("dropout2d", normal(2, 3, 4, 2), 1.0, label="all"),
    sample("dropout3d", normal(2, 3, 4, 2, 2), **_ANY),
    sample("dropout3d", normal(3, 4, 2, 2), 0.2, **_ANY, label="one sample"),
    sample("feature_dropout", normal(2, 3, 4), oracle=_without_generator("feature_dropout"), **_ANY),
    sample("alpha_dropout", normal(4, 5), 0.3, True, **_ANY),
    sample("alpha_dropout", normal(4, 5), 1.0, True, label="all"),
    sample("alpha_dropout", normal(4, 5), label="evaluation"),
    sample("feature_alpha_dropout", normal(2, 3, 4), 0.3, True, **_ANY),
    sample("feature_alpha_dropout", normal(2, 3, 4), label="evaluation"),
)
