"""Samples of the pooling primitives, bound directly."""

from __future__ import annotations

from typing import Any

from tests.ops.samples.table import distinct, inf, integers, literal, nan, normal, primitive_sample


def _maximum(torch: Any, x: Any, **geometry: Any) -> Any:
    return torch.nn.functional.max_pool2d(x, **geometry)


def _sum(torch: Any, x: Any, **geometry: Any) -> Any:
    return torch.nn.functional.avg_pool2d(x, **geometry, divisor_override=1)


def _position(
    torch: Any, x: Any, maximum: Any, *, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any
) -> Any:
    geometry = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
    _, plane = torch.nn.functional.max_pool2d(x, **geometry, ceil_mode=ceil_mode, return_indices=True)
    rows = torch.arange(plane.shape[-2])[:, None] * stride[0] - padding[0]
    columns = torch.arange(plane.shape[-1]) * stride[1] - padding[1]
    row = (plane // x.shape[-1] - rows) // dilation[0]
    return (row * kernel_size[1] + (plane % x.shape[-1] - columns) // dilation[1]).int()


def _sum_gradient(torch: Any, result: Any, *, input_size: Any, **geometry: Any) -> Any:
    x = torch.zeros((*result.shape[:-2], *input_size), dtype=result.dtype, requires_grad=True)
    (gradient,) = torch.autograd.grad(_sum(torch, x, **geometry), x, result, create_graph=True)
    return gradient


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
)


def _pools() -> Any:
    for label, size, kernel, stride, padding, dilation, ceil in _GEOMETRIES:
        geometry = {"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": ceil, "label": label}
        yield primitive_sample("max_pool2d", distinct(2, 2, *size), dilation=dilation, oracle=_maximum, **geometry)
        pooled = _pooled(size, kernel, stride, padding, dilation, ceil)
        if dilation == (1, 1):
            yield primitive_sample("sum_pool2d", normal(2, 2, *size), oracle=_sum, **geometry)
            yield primitive_sample(
                "sum_pool2d_gradient", normal(2, 2, *pooled), input_size=size, oracle=_sum_gradient, **geometry
            )


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
    primitive_sample("max_pool2d", literal([_SPECIAL]), oracle=_maximum, smooth=False, label="nan", **_PAIRS),
    primitive_sample(
        "max_pool2d", literal([_SPECIAL]), oracle=_maximum, smooth=False, label="nan, overlap", **_OVERLAP
    ),
    primitive_sample("max_pool2d", integers(1, 2, 4, 4, low=-9, high=9), oracle=_maximum, label="int", **_OVERLAP),
    primitive_sample("max_pool2d", normal(0, 2, 4, 4), oracle=_maximum, label="no samples", **_PAIRS),
    primitive_sample("max_pool2d", normal(2, 4, 4, layout="transposed"), oracle=_maximum, label="image", **_PAIRS),
    primitive_sample(
        "max_pool2d", literal([[[2.0, 2.0], [2.0, 2.0]]]), oracle=_maximum, smooth=False, label="ties", **_PAIRS
    ),
    primitive_sample(
        "max_pool2d_position",
        literal([[[3.0, 1.0], [2.0, 5.0]]]),
        literal([[[5.0]]]),
        oracle=_position,
        differentiable=(),
        **_PAIRS,
    ),
    primitive_sample(
        "max_pool2d_position",
        literal([_SPECIAL]),
        literal([_SPECIAL_MAXIMA]),
        oracle=_position,
        differentiable=(),
        label="nan, infinities, ties",
        **_PAIRS,
    ),
    primitive_sample(
        "max_pool2d_position",
        literal([[[-inf, -inf], [-inf, -inf]]]),
        literal([[[-inf] * 3] * 2]),
        oracle=_position,
        differentiable=(),
        label="nothing but -inf beside padding",
        **_OVERLAP,
    ),
    primitive_sample(
        "sum_pool2d",
        integers(1, 4, 4, low=-9, high=9),
        oracle="",
        label="int",
        kernel_size=(2, 2),
        stride=(1, 2),
        padding=(1, 0),
        ceil_mode=False,
    ),
)
