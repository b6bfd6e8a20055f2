"""Samples of losses of margins."""

from __future__ import annotations

from typing import Any

from tests.ops.samples.table import OpSample, distinct, literal, normal, sample, uniform

_REDUCTIONS = ("mean", "sum", "none")
_SIGNS = literal([[1.0, -1.0, 1.0, -1.0], [-1.0, -1.0, 1.0, 1.0], [1.0, 1.0, -1.0, 1.0]])
_SIDES = literal([1.0, -1.0, -1.0])
_CLASSES = literal([2, 0, 4], "int64")
_LABELS = literal([[3, 0, -1, 1], [1, 2, 3, -1], [-1, 2, 0, 0]], "int64")


def _of_each_reduction() -> list[OpSample]:
    found = []
    for reduction in _REDUCTIONS:
        options = {"reduction": reduction, "label": reduction}
        first = {**options, "differentiable": (0,)}
        found += [
            sample("hinge_embedding_loss", distinct(3, 4), _SIGNS, **first),
            sample("margin_ranking_loss", distinct(3, 4), normal(3, 4), _SIGNS, 0.3, differentiable=(0, 1), **options),
            sample("soft_margin_loss", normal(3, 4), _SIGNS, **first),
            sample("multi_margin_loss", normal(3, 5), _CLASSES, **first),
            sample(
                "multi_margin_loss",
                normal(3, 5),
                _CLASSES,
                2,
                0.7,
                uniform(5, low=0.5, high=2.0),
                **{**first, "label": f"{reduction}-square", "smooth": False},
            ),
            sample("multilabel_margin_loss", normal(3, 4), _LABELS, **first),
            sample("multilabel_soft_margin_loss", normal(3, 4), uniform(3, 4, low=0.0, high=1.0), **options),
            sample("cosine_embedding_loss", normal(3, 4), normal(3, 4), _SIDES, differentiable=(0, 1), **options),
            sample("triplet_margin_loss", normal(3, 4), normal(3, 4), normal(3, 4), **options),
        ]
    return found


def _distance(x: Any, y: Any) -> Any:
    return ((x - y) * (x - y)).sum(-1)


SAMPLES: tuple[OpSample, ...] = (
    *_of_each_reduction(),
    sample("hinge_embedding_loss", normal(3, 4), _SIGNS, 0.4, label="margin", differentiable=(0,)),
    sample("multi_margin_loss", normal(5), literal(3, "int64"), label="single"),
    sample("multi_margin_loss", normal(5), literal([3], "int64"), reduction="none", label="one target"),
    sample("multilabel_margin_loss", normal(4), literal([1, 3, -1, 0], "int64"), label="single"),
    sample(
        "multilabel_soft_margin_loss",
        normal(3, 4),
        uniform(3, 4, low=0.0, high=1.0),
        uniform(4, low=0.5, high=2.0),
        label="weight",
        differentiable=(0, 1),
    ),
    sample("cosine_embedding_loss", normal(4), normal(4), literal(-1.0), 0.1, label="single", differentiable=(0, 1)),
    sample("triplet_margin_loss", normal(3, 4), normal(3, 4), normal(3, 4), 0.5, 1.0, label="p-1"),
    sample("triplet_margin_loss", normal(3, 4), normal(3, 4), normal(3, 4), 2.0, swap=True, label="swap"),
    sample("triplet_margin_loss", normal(4), normal(4), normal(4), label="single"),
    sample("triplet_margin_with_distance_loss", normal(3, 4), normal(3, 4), normal(3, 4)),
    sample(
        "triplet_margin_with_distance_loss",
        normal(3, 4),
        normal(3, 4),
        normal(3, 4),
        distance_function=_distance,
        swap=True,
        margin=1.5,
        reduction="sum",
        label="own",
    ),
)
