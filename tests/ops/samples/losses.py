"""Samples of losses."""

from __future__ import annotations

from typing import Any

from tests.ops.samples.table import Array, OpSample, distinct, integers, literal, normal, sample, uniform

_REDUCTIONS = ("mean", "sum", "none")


def _probabilities(*shape: int) -> Array:
    return uniform(*shape, low=0.1, high=0.9)


def _of_pairs() -> list[OpSample]:
    found = []
    for reduction in _REDUCTIONS:
        for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"):
            found.append(
                sample(name, distinct(3, 4), uniform(3, 4, low=0.01, high=0.03), reduction=reduction, label=reduction)
            )
        found += [
            sample(
                "binary_cross_entropy", _probabilities(3, 4), _probabilities(3, 4), reduction=reduction, label=reduction
            ),
            sample(
                "binary_cross_entropy_with_logits",
                normal(3, 4),
                _probabilities(3, 4),
                reduction=reduction,
                label=reduction,
            ),
            sample("kl_div", normal(3, 4), _probabilities(3, 4), reduction=reduction, label=reduction),
        ]
    return found


def _of_classes() -> list[OpSample]:
    found = []
    weight, target = uniform(5, low=0.5, high=2.0), literal([0, 4, 2, 4], "int64")
    ignored = literal([0, -100, 2, -100], "int64")
    for reduction in _REDUCTIONS:
        found += [
            sample("cross_entropy", normal(4, 5), target, reduction=reduction, label=reduction, differentiable=(0,)),
            sample("cross_entropy", normal(4, 5), ignored, reduction=reduction, label=f"{reduction}-ignored"),
            sample(
                "cross_entropy",
                normal(4, 5),
                target,
                weight,
                reduction=reduction,
                label=f"{reduction}-weight",
                differentiable=(0,),
            ),
            sample(
                "cross_entropy",
                normal(4, 5),
                ignored,
                weight,
                reduction=reduction,
                label_smoothing=0.1,
                label=f"{reduction}-smooth",
                differentiable=(0,),
            ),
            sample(
                "cross_entropy",
                normal(4, 5),
                ignored,
                reduction=reduction,
                label_smoothing=0.1,
                label=f"{reduction}-smooth-plain",
            ),
            sample(
                "cross_entropy",
                normal(4, 5),
                _probabilities(4, 5),
                weight,
                reduction=reduction,
                label=f"{reduction}-soft",
                differentiable=(0, 1),
            ),
            sample(
                "cross_entropy",
                normal(4, 5),
                _probabilities(4, 5),
                reduction=reduction,
                label_smoothing=0.2,
                label=f"{reduction}-soft-smooth",
            ),
            sample(
                "cross_entropy",
                normal(2, 5, 3),
                integers(2, 3, low=0, high=5),
                weight,
                reduction=reduction,
                label=f"{reduction}-spatial",
                differentiable=(0,),
            ),
            sample(
                "nll_loss", normal(4, 5), ignored, weight, reduction=reduction, label=reduction, differentiable=(0,)
            ),
        ]
    return found


def _of_linear_layers() -> Any:
    classes = literal([3, 0, -100, 2], "int64")
    yield sample("linear_cross_entropy", normal(4, 5), normal(6, 5), classes)
    yield sample(
        "linear_cross_entropy", normal(4, 5), normal(6, 5), literal([3, 0, 1, 2], "int64"), linear_bias=normal(6),
        ignore_index=3, weight=uniform(6, low=0.5, high=2.0), reduction="sum", label="bias and weights",
    )  # fmt: skip
    places = literal([[3, 0], [1, 2]], "int64")
    yield sample("linear_cross_entropy", normal(2, 5), normal(4, 2, 5), places, reduction="none", label="places")
    yield sample("linear_cross_entropy", normal(5), normal(6, 5), literal(3, "int64"), label="single")
    yield sample(
        "linear_cross_entropy", normal(2, 5), normal(3, 5), uniform(2, 3, low=0.0, high=1.0), label="probabilities",
        label_smoothing=0.1, differentiable=(0, 1),
    )  # fmt: skip


SAMPLES: tuple[OpSample, ...] = (
    *_of_pairs(),
    *_of_classes(),
    *_of_linear_layers(),
    sample("cross_entropy", normal(5), literal(3, "int64"), label="single"),
    sample("cross_entropy", normal(2, 5000), literal([17, 4999], "int64"), label="many-classes", smooth=False),
    sample(
        "cross_entropy",
        literal([[1000.0, -1000.0], [0.0, 0.0]]),
        literal([1, 0], "int64"),
        label="extreme",
        smooth=False,
    ),
    sample("cross_entropy", normal(2, 3), literal([-100, -100], "int64"), label="all-ignored", smooth=False),
    sample("cross_entropy", normal(5), literal([3], "int64"), reduction="none", label="one target", differentiable=()),
    sample("cross_entropy", normal(2, 5, 2, 3), integers(2, 2, 3, low=0, high=5), label="images"),
    sample("cross_entropy", normal(2, 3), literal([2, 1], "uint8"), label="bytes"),
    sample("cross_entropy", normal(2, 3), literal([2, 1], "int64"), None, False, label="size_average"),
    sample("cross_entropy", normal(2, 3), literal([2, 1], "int64"), None, None, 1, False, label="reduce"),
    sample("nll_loss", normal(5), literal(3, "int64"), label="single"),
    sample("nll_loss", normal(2, 4, 2, 3), integers(2, 2, 3, low=0, high=4), reduction="none", label="images"),
    sample(
        "nll_loss",
        normal(2, 4, 3),
        integers(2, 3, low=0, high=4),
        uniform(4, low=0.5, high=2.0),
        ignore_index=1,
        label="places",
        differentiable=(0,),
    ),
    sample("mse_loss", normal(3, 1), normal(4), label="broadcast"),
    sample("mse_loss", normal(3, 4), normal(3, 4), weight=uniform(3, 4, low=0.5, high=2.0), label="weight"),
    sample("mse_loss", normal(3), normal(3), False, label="size_average"),
    sample("mse_loss", normal(3), normal(3), None, False, label="reduce"),
    sample(
        "l1_loss",
        distinct(3, 4),
        uniform(3, 4, low=0.01, high=0.03),
        weight=uniform(3, 4, low=0.5, high=2.0),
        reduction="sum",
        label="weight",
    ),
    sample(
        "huber_loss",
        distinct(3, 4),
        uniform(3, 4, low=0.01, high=0.03),
        weight=uniform(3, 4, low=0.5, high=2.0),
        label="weight",
    ),
    sample("smooth_l1_loss", distinct(3, 4), uniform(3, 4, low=0.01, high=0.03), beta=0.0, label="beta 0"),
    sample("poisson_nll_loss", normal(3, 4), uniform(3, 4, low=0.1, high=4.0)),
    sample(
        "poisson_nll_loss",
        uniform(3, 4, low=0.5, high=2.0),
        uniform(3, 4, low=0.1, high=4.0),
        False,
        True,
        reduction="none",
        label="full",
    ),
    sample("gaussian_nll_loss", normal(3, 4), normal(3, 4), uniform(3, 4, low=0.5, high=2.0)),
    sample(
        "gaussian_nll_loss",
        normal(3, 4),
        normal(3, 4),
        uniform(3, 1, low=0.5, high=2.0),
        True,
        reduction="none",
        label="full",
    ),
    sample(
        "gaussian_nll_loss", normal(3, 4), normal(3, 4), uniform(3, low=0.5, high=2.0), reduction="sum", label="short"
    ),
    sample("gaussian_nll_loss", normal(3, 4), normal(3, 4), 0.5, label="number"),
    sample(
        "gaussian_nll_loss", normal(4), normal(4), literal([1e-9, 0.5, 0.0, 2.0]), eps=0.1, label="limit", smooth=False
    ),
    sample("smooth_l1_loss", normal(4), normal(4), beta=0.5, label="beta", smooth=False),
    sample("huber_loss", normal(4), normal(4), delta=0.5, label="delta", smooth=False),
    sample("kl_div", normal(3, 4), normal(3, 4), log_target=True, reduction="batchmean", label="log-target"),
    sample(
        "binary_cross_entropy", literal([0.0, 1.0, 0.5]), literal([1.0, 1.0, 0.0]), label="certain", differentiable=()
    ),
    sample(
        "binary_cross_entropy_with_logits",
        literal([800.0, -800.0, 0.0]),
        literal([0.0, 1.0, 0.5]),
        label="extreme",
        smooth=False,
    ),
    sample(
        "binary_cross_entropy_with_logits",
        normal(3, 4),
        _probabilities(3, 4),
        pos_weight=uniform(4, low=0.5, high=2.0),
        label="pos-weight",
    ),
)
