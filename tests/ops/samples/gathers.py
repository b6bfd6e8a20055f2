"""Samples of the gather primitives, bound directly."""

from __future__ import annotations

from typing import Any

from tests.ops.samples.table import booleans, inf, integers, literal, normal, primitive_sample


def _padded(torch: Any, x: Any, *, low: Any, high: Any, value: Any) -> Any:
    widths = [width for pair in zip(reversed(low), reversed(high), strict=True) for width in pair]
    return torch.nn.functional.pad(x, widths, value=value)


def _joined(torch: Any, *tensors: Any, dim: int) -> Any:
    return torch.cat(tensors, dim)


def _gathered(torch: Any, x: Any, index: Any, *, dim: int) -> Any:
    return torch.gather(x, dim, index)


def _selected(torch: Any, x: Any, index: Any, *, dim: int) -> Any:
    return x[(*[slice(None)] * dim, index.long())]


def _identity(torch: Any, x: Any, **_: Any) -> Any:
    return x.clone()


SAMPLES = (
    primitive_sample("pad", normal(2, 3), low=(1, 0), high=(0, 2), value=0.0, oracle=_padded),
    primitive_sample(
        "pad", normal(2, 3), low=(2, 1), high=(1, 1), value=-inf, oracle=_padded, smooth=False, label="infinite"
    ),
    primitive_sample("pad", normal(4, 5), low=(-1, 2), high=(1, -3), value=1.5, oracle=_padded, label="cut"),
    primitive_sample("pad", normal(3), low=(-2,), high=(-1,), value=0.0, oracle=_padded, label="cut to nothing"),
    primitive_sample("pad", normal(0, 2), low=(1, 0), high=(1, 0), value=2.0, oracle=_padded, label="empty"),
    primitive_sample("pad", integers(3, low=0, high=9), low=(1,), high=(1,), value=7, oracle=_padded, label="int"),
    primitive_sample("pad", normal(), low=(), high=(), value=0.0, oracle=_identity, label="rank 0"),
    primitive_sample("cat", normal(2, 3), normal(1, 3), normal(3, 3), dim=0, oracle=_joined),
    primitive_sample("cat", normal(2, 3), normal(2, 0), normal(2, 1), dim=1, oracle=_joined, label="one empty"),
    primitive_sample("cat", normal(0, 2), normal(0, 2), dim=0, oracle=_joined, label="all empty"),
    primitive_sample("cat", normal(2, 3), dim=1, oracle=_joined, label="one"),
    primitive_sample("cat", booleans(2), booleans(3), dim=0, oracle=_joined, label="bool"),
    primitive_sample(
        "cat", normal(3, 4, layout="transposed"), normal(3, 4, layout="strided"), dim=0, oracle=_joined, label="layouts"
    ),
    primitive_sample("gather", normal(4, 3), integers(2, 3, low=0, high=4), dim=0, oracle=_gathered),
    primitive_sample("gather", normal(3, 5), integers(2, 7, low=0, high=5), dim=1, oracle=_gathered, label="repeats"),
    primitive_sample("gather", normal(3, 5), integers(3, 0, low=0, high=5), dim=1, oracle=_gathered, label="empty"),
    primitive_sample(
        "gather",
        integers(3, 5, low=-9, high=9),
        integers(3, 2, low=0, high=5, dtype="int64", layout="transposed"),
        dim=1,
        oracle=_gathered,
        label="int",
    ),
    primitive_sample("index_select", normal(5, 3), integers(4, low=0, high=5), dim=0, oracle=_selected),
    primitive_sample(
        "index_select", normal(2, 5, 3), integers(2, 2, low=0, high=5), dim=1, oracle=_selected, label="rank 2"
    ),
    primitive_sample("index_select", normal(5, 3), integers(low=0, high=3), dim=1, oracle=_selected, label="rank 0"),
    primitive_sample("index_select", normal(5, 3), integers(0, low=0, high=3), dim=0, oracle=_selected, label="empty"),
    primitive_sample(
        "index_select", normal(0, 3), integers(0, low=0, high=1), dim=0, oracle=_selected, label="of nothing"
    ),
    primitive_sample(
        "index_select",
        booleans(4, 3),
        integers(6, low=0, high=3, dtype="int32"),
        dim=1,
        oracle=_selected,
        label="int32",
    ),
    primitive_sample("check_index", literal([[0, 4], [2, 1]], "int64"), extent=5, dim=0, oracle=_identity),
)
