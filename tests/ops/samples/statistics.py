"""Samples of medians, quantiles, histograms, and covariances."""

from __future__ import annotations

from tests.ops.samples.table import OpSample, distinct, integers, literal, nan, normal, sample, uniform

_TIES = literal([[1.0, 3.0, 3.0, 1.0], [nan, 1.0, nan, 0.0], [2.0, 2.0, 2.0, 2.0]])


def _medians() -> list[OpSample]:
    found = []
    for name in ("median", "nanmedian"):
        found += [
            sample(name, distinct(3, 5), label="whole"),
            sample(name, literal([2.0, 1.0, 2.0, 3.0]), label="whole-ties", smooth=False),
            sample(name, literal([2.0, nan, 2.0]), label="whole-nan", smooth=False),
            sample(name, distinct(3, 4), dim=1, label="dim"),
            sample(name, distinct(4, 3), dim=0, keepdim=True, label="keepdim"),
            sample(name, _TIES, dim=1, label="ties", smooth=False),
            sample(name, integers(5, 6, low=0, high=4), dim=1, label="integers"),
            sample(name, integers(6, low=0, high=4), label="integers-whole"),
            sample(name, normal(), dim=0, label="scalar"),
        ]
    return found


def _quantiles() -> list[OpSample]:
    found = []
    for name in ("quantile", "nanquantile"):
        found += [
            sample(name, distinct(3, 5), 0.3, label="whole"),
            sample(name, distinct(3, 5), 0.3, keepdim=True, label="whole-keepdim"),
            sample(name, distinct(3, 5), 0.7, dim=1, label="dim"),
            sample(name, distinct(3, 5, dtype="float64"), 0.7, dim=0, keepdim=True, label="double"),
            sample(name, distinct(2, 3, 4), literal([0.0, 0.25, 1.0]), dim=1, label="several", differentiable=(0,)),
            sample(
                name, distinct(2, 3), literal([0.5, 0.2]), dim=1, keepdim=True, label="keepdim", differentiable=(0,)
            ),
            sample(name, _TIES, 0.4, dim=1, label="nan", smooth=False),
            *(
                sample(name, distinct(3, 6), 0.33, dim=1, interpolation=interpolation, label=interpolation)
                for interpolation in ("lower", "higher", "midpoint", "nearest")
            ),
        ]
    return found


def _histograms() -> list[OpSample]:
    none = {"differentiable": ()}
    return [
        sample("histc", uniform(40, low=-3, high=3), bins=7, min=-2, max=2, label="range", **none),
        sample("histc", uniform(5, 8, low=-3, high=3), bins=5, label="whole", **none),
        sample("histc", literal([1.0, 1.0]), bins=3, label="one-value", **none),
        sample("histc", literal([0.0, 1.0, 2.0, nan, 5.0]), 4, 0, 2, label="outside", **none),
        sample("histogram", uniform(40, low=-3, high=3), 6, **none),
        sample("histogram", uniform(40, low=-3, high=3), 6, range=(-1.0, 2.0), density=True, label="density", **none),
        sample("histogram", normal(30), literal([-2.0, -0.5, 0.0, 3.0]), label="edges", **none),
        sample("histogram", normal(6), 3, weight=literal([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), label="weights", **none),
        sample("histogramdd", uniform(40, 2, low=-3, high=3), (3, 4), **none),
        sample("histogramdd", uniform(4, 10, 3, low=-3, high=3), 2, density=True, label="density", **none),
        sample("histogramdd", uniform(40, 2, low=-3, high=3), (3, 4), (-1.0, 2.0, -2.0, 3.0), label="range", **none),
        sample("histogramdd", normal(30, 1), (literal([-2.0, -0.5, 0.0, 3.0]),), label="edges", **none),
        sample("histogramdd", normal(9, 2), (2, 2), weight=uniform(9, low=0, high=1), label="weights", **none),
        sample("bincount", integers(12, low=0, high=6), label="plain"),
        sample("bincount", integers(12, low=0, high=6, dtype="uint8"), minlength=9, label="longer"),
        sample("bincount", integers(4, low=0, high=6), literal([0.5, 1.0, 2.0, 4.0]), label="weights", **none),
        sample("bincount", integers(4, low=0, high=6), integers(4, low=0, high=6), label="integer-weights"),
    ]


def _covariances() -> list[OpSample]:
    fweights, aweights = literal([1, 2, 1, 3, 1], "int64"), literal([0.5, 0.1, 1.0, 2.0, 0.7])
    return [
        sample("cov", normal(3, 5)),
        sample("cov", normal(5), label="vector"),
        sample("cov", normal(3, 5), correction=0, label="correction"),
        sample("cov", normal(3, 5), fweights=fweights, label="fweights"),
        sample("cov", normal(3, 5), aweights=aweights, label="aweights"),
        sample("cov", normal(3, 5), fweights=fweights, aweights=aweights, label="both"),
        sample("cov", integers(3, 5, low=0, high=9), label="integers"),
        sample("corrcoef", normal(3, 5), tolerance=(2e-5, 1e-10)),
        sample("corrcoef", normal(5), label="vector", differentiable=()),
    ]


SAMPLES: tuple[OpSample, ...] = (*_medians(), *_quantiles(), *_histograms(), *_covariances())
