"""Samples of the pooling primitives, bound directly."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from tests.ops.samples.table import Array, distinct, inf, integers, literal, nan, normal, primitive_sample


def _pool(torch: Any, kind: str, rank: int) -> Any:
    return getattr(torch.nn.functional, f"{kind}_pool{rank}d")


def _maximum(torch: Any, x: Any, *, kernel_size: Any, **geometry: Any) -> Any:
    return _pool(torch, "max", len(kernel_size))(x, kernel_size, **geometry)


def _sum(torch: Any, x: Any, *, kernel_size: Any, **geometry: Any) -> Any:
    if len(kernel_size) == 1:
        return torch.nn.functional.avg_pool1d(x, kernel_size, **geometry) * kernel_size[0]
    return _pool(torch, "avg", len(kernel_size))(x, kernel_size, **geometry, divisor_override=1)


def _position(
    torch: Any, x: Any, maximum: Any, *, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any
) -> Any:
    rank = len(kernel_size)
    geometry = {"stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode}
    _, plane = _pool(torch, "max", rank)(x, kernel_size, **geometry, return_indices=True)
    position = torch.zeros_like(plane)
    for dim in range(rank):
        after = math.prod(x.shape[x.ndim - rank + dim + 1 :])
        place = plane // after % x.shape[x.ndim - rank + dim]
        shape = [-1 if other == dim else 1 for other in range(rank)]
        starts = (torch.arange(plane.shape[plane.ndim - rank + dim]) * stride[dim] - padding[dim]).reshape(shape)
        position = position * kernel_size[dim] + (place - starts) // dilation[dim]
    return position.int()


def _sum_gradient(torch: Any, result: Any, *, input_size: Any, **geometry: Any) -> Any:
    x = torch.zeros((*result.shape[: -len(input_size)], *input_size), dtype=result.dtype, requires_grad=True)
    (gradient,) = torch.autograd.grad(_sum(torch, x, **geometry), x, result, create_graph=True)
    return gradient


def _maximum_gradient(torch: Any, cotangent: Any, position: Any, *, input_size: Any, **geometry: Any) -> Any:
    """The gradient of a maximum whose positions are given: of that place of every window, taken one by one."""
    rank = len(input_size)
    result = torch.zeros((*cotangent.shape[:-rank], *input_size), dtype=cotangent.dtype)
    places = []
    for window in itertools.product(*map(range, cotangent.shape)):
        inner, place = int(position[window]), [*window[:-rank]]
        for dim, kernel in enumerate(geometry["kernel_size"]):
            tap = inner // math.prod(geometry["kernel_size"][dim + 1 :]) % kernel
            step, gap, width = (geometry[name][dim] for name in ("stride", "dilation", "padding"))
            place.append(window[len(window) - rank + dim] * step + tap * gap - width)
        places.append(place)
    index = tuple(torch.tensor(part) for part in zip(*places, strict=True))
    return result.index_put(index, cotangent.flatten(), accumulate=True)


# label, input size, kernel_size, stride, padding, dilation, ceil_mode
_GEOMETRIES = (
    ("", (4, 6), (2, 2), (2, 2), (0, 0), (1, 1), False),
    ("rest", (5, 7), (2, 3), (2, 3), (0, 0), (1, 1), False),
    ("rest, ceil", (5, 7), (2, 3), (2, 3), (0, 0), (1, 1), True),
    ("overlap", (5, 6), (3, 3), (1, 2), (1, 1), (1, 1), False),
    ("gaps", (7, 7), (2, 1), (3, 2), (1, 0), (1, 1), False),
    ("ceil", (6, 7), (3, 2), (2, 3), (1, 1), (1, 1), True),
    ("dilation", (7, 8), (2, 3), (1, 2), (1, 1), (2, 2), False),
    ("dilation, ceil", (7, 9), (3, 2), (2, 3), (1, 1), (2, 3), True),
    ("sequence", (9,), (3,), (2,), (1,), (1,), False),
    ("sequence, dilation, ceil", (9,), (2,), (2,), (1,), (3,), True),
    ("sequence, side by side", (7,), (2,), (2,), (0,), (1,), False),
    ("sequence, gaps", (9,), (2,), (4,), (0,), (2,), False),
    ("volume", (4, 5, 3), (2, 3, 2), (1, 2, 1), (1, 1, 0), (1, 1, 1), False),
    ("volume, ceil", (4, 5, 4), (2, 2, 3), (2, 3, 2), (0, 1, 1), (1, 1, 1), True),
    ("volume, side by side", (4, 2, 4), (2, 1, 2), (2, 1, 2), (0, 0, 0), (1, 1, 1), False),
)


def _pools() -> Any:
    for label, size, kernel, stride, padding, dilation, ceil in _GEOMETRIES:
        geometry = {"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": ceil, "label": label}
        yield primitive_sample("max_pool", distinct(2, 2, *size), dilation=dilation, oracle=_maximum, **geometry)
        pooled = _pooled(size, kernel, stride, padding, dilation, ceil)
        positions = _positions(size, pooled, kernel, stride, padding, dilation)
        apart = all(g * (k - 1) < s for k, s, g in zip(kernel, stride, dilation, strict=True))
        for name in ("max_pool_gradient", "max_pool_spread")[: 1 + apart]:
            yield primitive_sample(
                name,
                normal(2, 2, *pooled),
                positions,
                input_size=size,
                dilation=dilation,
                oracle=_maximum_gradient,
                **geometry,
            )
        if set(dilation) == {1}:
            yield primitive_sample("sum_pool", normal(2, 2, *size), oracle=_sum, **geometry)
            yield primitive_sample(
                "sum_pool_gradient", normal(2, 2, *pooled), input_size=size, oracle=_sum_gradient, **geometry
            )


def _positions(size: Any, pooled: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Array:
    """For each window one of its places that lie within the input, for two samples of two channels."""
    generator = np.random.default_rng(3)
    chosen = np.zeros((2, 2, *pooled), np.int32)
    for window in np.ndindex(*chosen.shape):
        inside = [
            number
            for number, taps in enumerate(itertools.product(*map(range, kernel)))
            if all(
                0 <= at * step + tap * gap - width < extent
                for at, step, tap, gap, width, extent in zip(
                    window[2:], stride, taps, dilation, padding, size, strict=True
                )
            )
        ]
        chosen[window] = generator.choice(inside)
    return literal(chosen, "int32")


def _pooled(size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool) -> tuple[int, ...]:
    counts = []
    for extent, places, step, width, gap in zip(size, kernel, stride, padding, dilation, strict=True):
        room = extent + 2 * width - gap * (places - 1) - 1
        count = (-(-room // step) if ceil else room // step) + 1
        counts.append(count - 1 if ceil and (count - 1) * step >= extent + width else count)
    return tuple(counts)


_PAIRS = {"kernel_size": (2, 2), "stride": (2, 2), "padding": (0, 0), "dilation": (1, 1), "ceil_mode": False}
_OVERLAP = {"kernel_size": (3, 2), "stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "ceil_mode": False}
_SPECIAL = [[1.0, 1.0, nan, 2.0], [1.0, 0.0, nan, nan], [-inf, -inf, inf, 5.0], [-inf, -inf, inf, inf]]
_SPECIAL_MAXIMA = [[1.0, nan], [-inf, inf]]

SAMPLES = (
    *_pools(),
    primitive_sample("max_pool", literal([_SPECIAL]), oracle=_maximum, smooth=False, label="nan", **_PAIRS),
    primitive_sample("max_pool", literal([_SPECIAL]), oracle=_maximum, smooth=False, label="nan, overlap", **_OVERLAP),
    primitive_sample("max_pool", integers(1, 2, 4, 4, low=-9, high=9), oracle=_maximum, label="int", **_OVERLAP),
    primitive_sample("max_pool", normal(0, 2, 4, 4), oracle=_maximum, label="no samples", **_PAIRS),
    primitive_sample("max_pool", normal(2, 4, 4, layout="transposed"), oracle=_maximum, label="image", **_PAIRS),
    primitive_sample(
        "max_pool", literal([[[2.0, 2.0], [2.0, 2.0]]]), oracle=_maximum, smooth=False, label="ties", **_PAIRS
    ),
    primitive_sample(
        "max_pool_position",
        literal([[[3.0, 1.0], [2.0, 5.0]]]),
        literal([[[5.0]]]),
        oracle=_position,
        differentiable=(),
        **_PAIRS,
    ),
    primitive_sample(
        "max_pool_position",
        literal([_SPECIAL]),
        literal([_SPECIAL_MAXIMA]),
        oracle=_position,
        differentiable=(),
        label="nan, infinities, ties",
        **_PAIRS,
    ),
    primitive_sample(
        "max_pool_position",
        literal([[[-inf, -inf], [-inf, -inf]]]),
        literal([[[-inf] * 3] * 2]),
        oracle=_position,
        differentiable=(),
        label="nothing but -inf beside padding",
        **_OVERLAP,
    ),
    primitive_sample(
        "sum_pool",
        integers(1, 4, 4, low=-9, high=9),
        oracle="",
        label="int",
        kernel_size=(2, 2),
        stride=(1, 2),
        padding=(1, 0),
        ceil_mode=False,
    ),
)
