"""Samples of reductions."""

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
    sample,
    uniform,
)

_TIES = literal([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [nan, 1.0, nan]])
_DIMS = (None, 0, -1, (0, 2), (), (2, 0, 1))


def _over_dims(name: str, **options: object) -> list[OpSample]:
    return [
        sample(
            name, distinct(2, 3, 4), dim=dim, keepdim=keepdim, label=f"dim-{dim}-{keepdim}".replace(" ", ""), **options
        )
        for dim in _DIMS
        for keepdim in (False, True)
    ]


def _single_dims(name: str, **options: object) -> list[OpSample]:
    return [
        sample(name, distinct(2, 3, 4), dim=dim, keepdim=keepdim, label=f"dim-{dim}-{keepdim}", **options)
        for dim in (0, 1, -1)
        for keepdim in (False, True)
    ]


def _sums() -> list[OpSample]:
    found = []
    for name in ("sum", "mean"):
        found += [
            sample(
                name,
                uniform(2, 3, 4, low=0.5, high=2),
                dim=dim,
                keepdim=keepdim,
                label=f"{dim}-{keepdim}".replace(" ", ""),
            )
            for dim in _DIMS
            for keepdim in (False, True)
        ]
        found += [
            sample(name, normal(5, 3, layout="transposed"), label="transposed"),
            sample(name, normal(33, 70, dtype="float64"), dim=1, label="larger-double"),
            sample(name, normal(), label="scalar"),
            sample(name, normal(0, 3), dim=0, label="empty", smooth=name == "sum"),
            sample(name, normal(0, 3), label="empty-whole", smooth=name == "sum"),
            sample(name, literal([nan, 1.0, inf, -inf]), label="special", smooth=False),
            sample(name, normal(3, 4, layout="strided"), dim=0, label="strided"),
        ]
    return [
        *found,
        sample("sum", integers(3, 4, low=-9, high=9, dtype="int32"), dim=0, label="int32"),
        sample("sum", booleans(3, 4), label="bool"),
        sample("sum", literal([200, 100], "uint8"), label="uint8"),
        sample("mean", normal(3), label="no-dim"),
    ]


def _extremes() -> list[OpSample]:
    found = []
    for name in ("amax", "amin"):
        found += _over_dims(name)
        found += [
            sample(name, _TIES, dim=1, label="ties", smooth=False),
            sample(name, _TIES, label="ties-whole", smooth=False),
            sample(name, literal([[-inf, -inf], [inf, inf]]), dim=1, label="infinite", smooth=False),
            sample(name, integers(3, 4, low=0, high=3), dim=1, label="integers"),
            sample(name, booleans(3, 4), dim=1, label="bool"),
            sample(name, normal(), label="scalar"),
        ]
    for name in ("max", "min"):
        found += _single_dims(name)
        found += [
            sample(name, distinct(3, 4), label="whole"),
            sample(name, literal([1.0, 3.0, 3.0]), label="ties-whole", smooth=False),
            sample(name, _TIES, dim=1, label="ties", smooth=False),
            sample(name, distinct(3, 4), distinct(4), label="two", smooth=False),
            sample(name, integers(3, 4, low=0, high=3), dim=0, label="integers"),
            sample(name, normal(), dim=0, label="scalar"),
        ]
    for name in ("argmax", "argmin"):
        found += _single_dims(name)
        found += [
            sample(name, distinct(2, 3, 4), label="whole"),
            sample(name, literal([[1.0, 3.0, 3.0], [nan, 2.0, nan], [0.0, -0.0, 0.0]]), dim=1, label="ties"),
            sample(name, integers(3, 4, low=0, high=3), dim=0, label="integers"),
            sample(name, distinct(2, 3), keepdim=True, label="keepdim"),
        ]
    return found


SAMPLES: tuple[OpSample, ...] = (
    *_sums(),
    *_extremes(),
    sample("aminmax", distinct(3, 4), dim=1),
    sample("prod", uniform(3, 4, low=0.5, high=1.5)),
    sample("prod", uniform(3, 4, low=0.5, high=1.5), dim=1, label="dim"),
    sample("prod", uniform(3, 5, low=-1.5, high=1.5), dim=0, keepdim=True, label="keepdim"),
    sample("prod", literal([[2.0, 0.0, 3.0], [0.0, 0.0, 4.0], [1.0, 2.0, 3.0]]), dim=1, label="zeros"),
    sample("prod", literal([2.0, 0.0, 3.0, 5.0, 7.0]), label="zero-whole"),
    sample("prod", integers(3, 4, low=1, high=4, dtype="int32"), dim=1, label="integers"),
    sample("prod", normal(0, 2), dim=0, label="empty"),
    sample("prod", normal(3, 1), dim=1, label="single"),
    *(
        each
        for name in ("nansum", "nanmean")
        for each in (
            sample(name, distinct(3, 4)),
            sample(name, literal([[1.0, nan, 3.0], [inf, 2.0, nan]]), dim=1, label="nan", smooth=False),
            sample(name, literal([[1.0, nan], [2.0, 5.0]]), dim=0, keepdim=True, label="keepdim", smooth=False),
            sample(name, literal([[nan, nan], [nan, 1.0]]), dim=1, label="no-number", differentiable=()),
            sample(name, normal(0, 2), dim=0, label="empty", smooth=False),
        )
    ),
    sample("nansum", integers(3, 4, low=0, high=9), dim=0, label="integers"),
    sample("max", literal([[1.0, nan], [nan, 3.0]]), label="nan", smooth=False),
    sample("min", literal([nan, 1.0, 0.0]), label="nan", smooth=False),
    *(sample("dist", normal(3, 4), normal(3, 4), p=p, label=f"p-{p}") for p in (1, 2, 3, inf)),
    sample("dist", normal(3, 1), normal(4), label="broadcast"),
    sample("dist", normal(3, 4), normal(3, 4, dtype="float64"), label="double"),
    sample("any", booleans(3, 4), dim=1),
    sample("any", literal([0.0, nan]), label="floats"),
    sample("any", booleans(0, 4), dim=0, label="empty"),
    sample("all", booleans(3, 4), dim=1),
    sample("all", integers(3, 4, low=0, high=3), keepdim=True, dim=0, label="integers"),
    sample("all", booleans(0, 4), label="empty"),
    sample("count_nonzero", integers(3, 4, low=0, high=2), dim=1),
    *(sample(name, normal(3, 5), dim=dim, label=f"dim-{dim}") for name in ("var", "std") for dim in (None, 0, 1)),
    *(
        sample(name, normal(3, 5), dim=1, unbiased=False, label="biased")
        for name in ("var", "std", "var_mean", "std_mean")
    ),
    sample("var", normal(2, 3, 4), dim=(0, 2), correction=0, keepdim=True, label="dims"),
    sample("var", normal(1, 3), dim=0, label="too-few", smooth=False),
    sample("std", literal([[1.0, 1.0], [2.0, 3.0]]), dim=1, label="constant", smooth=False),
    sample("logsumexp", normal(3, 5), dim=1),
    sample("logsumexp", normal(3, 5), dim=(0, 1), keepdim=True, label="dims"),
    sample(
        "logsumexp",
        literal([[1000.0, 1000.0], [-inf, -inf], [inf, 1.0], [-1000.0, 0.0]]),
        dim=1,
        label="extreme",
        smooth=False,
    ),
    *(sample("norm", distinct(3, 4), p=p, label=f"p-{p}") for p in (1, 2, 3, inf, -inf, "fro")),
    sample("norm", literal([0.0, 2.0, -3.0]), p=0, label="p-0", differentiable=()),
    sample("norm", normal(3, 4), p=2, dim=1, keepdim=True, label="dim"),
    sample("norm", literal([[0.0, 0.0], [3.0, 4.0]]), p=2, dim=1, label="zero", smooth=False),
)
