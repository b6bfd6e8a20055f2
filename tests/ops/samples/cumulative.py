"""Samples of cumulative functions: running sums, products and extremes, differences, and integrals."""

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


def _scans() -> list[OpSample]:
    found = []
    for name in ("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"):
        found += [
            sample(name, distinct(3, 4, dtype="float64"), dim=dim, label=f"dim-{dim}", **_options(name))
            for dim in (0, 1, -1)
        ]
        found += [
            sample(name, distinct(2, 3, 4), dim=1, label="middle", **_options(name)),
            sample(name, uniform(3, 5, low=0.5, high=1.5, layout="transposed"), dim=0, label="transposed"),
            sample(name, uniform(3, 5, low=0.5, high=1.5, layout="strided"), dim=1, label="strided"),
            sample(name, uniform(2, 40, low=0.5, high=1.5), dim=1, label="longer"),
            sample(name, normal(), dim=0, label="scalar"),
            sample(name, normal(0, 3), dim=0, label="empty"),
            sample(name, normal(3, 1), dim=1, label="single"),
            sample(name, literal([1.0, inf, 2.0, nan, 3.0]), dim=0, label="special", differentiable=()),
        ]
        if name != "logcumsumexp":
            found += [
                sample(name, integers(3, 4, low=-3, high=4, dtype="int32"), dim=0, label="integers"),
                sample(name, booleans(5), dim=0, label="bool"),
                sample(name, literal([200, 100, 7], "uint8"), dim=0, label="uint8"),
            ]
    return found


def _options(name: str) -> dict[str, object]:
    # Rounding of products and exponentials adds up along a row.
    return {"tolerance": (2e-5, 1e-10)} if name in ("cumprod", "logcumsumexp") else {}


SAMPLES: tuple[OpSample, ...] = (
    *_scans(),
    sample("cumprod", literal([[2.0, 0.0, 3.0, 4.0], [0.0, 5.0, 0.0, 2.0]]), dim=1, label="zeros"),
    sample("cumprod", literal([[2.0, 0.0], [0.0, 5.0]]), dim=0, label="zeros-column"),
    sample(
        "cummax", literal([[1.0, 3.0, 3.0, 2.0, 5.0], [nan, 1.0, nan, 2.0, 3.0]]), dim=1, label="ties", smooth=False
    ),
    sample(
        "cummin", literal([[5.0, 3.0, 3.0, 4.0, 1.0], [2.0, 1.0, nan, 2.0, 3.0]]), dim=1, label="ties", smooth=False
    ),
    sample("logcumsumexp", literal([[1000.0, 1000.0, -1000.0, 0.0]]), dim=1, label="large"),
    sample("logcumsumexp", literal([-inf, 1.0, -inf, 2.0]), dim=0, label="minus-infinity", differentiable=()),
    primitive_sample("cumsum", normal(3, 5), dim=1, reverse=True, label="reverse"),
    primitive_sample("cumprod", uniform(3, 5, low=0.5, high=1.5), dim=0, reverse=True, label="reverse"),
    primitive_sample("logcumsumexp", normal(3, 5), dim=1, reverse=True, label="reverse"),
    primitive_sample("cummax_indices", distinct(3, 5), dim=1, reverse=True, label="reverse", differentiable=()),
    primitive_sample("cummin_indices", distinct(3, 5), dim=0, reverse=True, label="reverse", differentiable=()),
    primitive_sample("linear_recurrence", normal(3, 5), normal(3, 5), dim=1, reverse=False, label="forward"),
    primitive_sample("linear_recurrence", normal(3, 5), normal(3, 5), dim=0, reverse=True, label="reverse"),
    primitive_sample("narrow_cumsum", normal(3, 5), dim=1, reverse=False, label="narrow", differentiable=()),
    sample("diff", normal(3, 5)),
    sample("diff", normal(3, 5), n=2, dim=0, label="twice"),
    sample("diff", normal(3, 5), n=9, label="too-often"),
    sample("diff", normal(3, 5), n=0, label="never"),
    sample("diff", normal(3, 5), n=0, append=normal(3, 2), label="never-extended"),
    sample("diff", normal(3, 5), prepend=normal(3, 1), append=normal(3, 2), label="extended"),
    sample("diff", booleans(3, 5), label="bool"),
    sample("diff", literal([5, 3, 9], "uint8"), label="uint8"),
    sample("gradient", normal(3, 5)),
    sample("gradient", normal(3, 5), dim=1, label="dim"),
    sample("gradient", normal(3, 5), dim=(1, 0), spacing=(0.5, 2.0), edge_order=2, label="spacing"),
    sample("gradient", normal(4, 5), spacing=3.0, edge_order=2, label="second-order"),
    sample("gradient", normal(4, 3), dim=0, spacing=(literal([0.0, 0.5, 2.0, 3.0]),), label="points"),
    sample("gradient", normal(3, 4), dim=-1, spacing=(literal([0.0, 0.5, 2.0, 3.0]),), edge_order=2, label="points-2"),
    sample("gradient", normal(2), label="two"),
    sample("gradient", integers(5, low=0, high=9), label="integers"),
    sample("trapezoid", normal(3, 5)),
    sample("trapezoid", normal(3, 5), dx=0.5, dim=0, label="dx"),
    sample("trapezoid", normal(3, 5), normal(5), label="points"),
    sample("trapezoid", normal(3, 5), normal(3, 1), dim=0, label="points-column"),
    sample("trapezoid", normal(3, 5), normal(3), dim=0, label="points-along-rows"),
    sample("trapezoid", integers(3, 5, low=0, high=9), label="integers"),
    sample("trapezoid", normal(3, 0), label="empty"),
    sample("cumulative_trapezoid", normal(3, 5)),
    sample("cumulative_trapezoid", normal(3, 5), normal(5), label="points"),
    sample("cumulative_trapezoid", integers(3, 5, low=0, high=9), dim=0, label="integers"),
)
