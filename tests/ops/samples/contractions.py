"""Samples of the contraction primitives and of the matrix functions."""

from __future__ import annotations

from typing import Any

from tests.ops.samples.table import integers, literal, nan, normal, primitive_sample, sample


def _matmul(torch: Any, left: Any, right: Any) -> Any:
    return left @ right


def _ungrouped(weight: Any, x: Any, spatial: int) -> tuple[Any, Any, int]:
    """Weight and input as PyTorch's convolution takes them: the group dimension within the channels."""
    if x.ndim == spatial + 2:
        return weight, x, 1
    return weight.flatten(0, 1), x.flatten(1, 2), x.shape[1]


def _convolution(torch: Any, weight: Any, x: Any, **geometry: Any) -> Any:
    spatial = len(geometry["stride"])
    flat_weight, flat, groups = _ungrouped(weight, x, spatial)
    result = getattr(torch.nn.functional, f"conv{spatial}d")(flat, flat_weight, **geometry, groups=groups)
    return result if x.ndim == spatial + 2 else result.unflatten(1, (groups, -1))


def _input_gradient(torch: Any, weight: Any, result: Any, *, input_size: Any, **geometry: Any) -> Any:
    spatial = len(input_size)
    flat_weight, flat, groups = _ungrouped(weight, result, spatial)
    size = (result.shape[0], flat_weight.shape[1] * groups, *input_size)
    gradient_of = getattr(torch.nn.grad, f"conv{spatial}d_input")
    gradient = gradient_of(size, flat_weight, flat, **geometry, groups=groups)
    return gradient if result.ndim == spatial + 2 else gradient.unflatten(1, (groups, -1))


def _weight_gradient(torch: Any, result: Any, x: Any, *, kernel_size: Any, **geometry: Any) -> Any:
    spatial = len(kernel_size)
    grouped = x.ndim > spatial + 2
    groups = x.shape[1] if grouped else 1
    flat, flat_result = (x.flatten(1, 2), result.flatten(1, 2)) if grouped else (x, result)
    size = (flat_result.shape[1], flat.shape[1] // groups, *kernel_size)
    gradient_of = getattr(torch.nn.grad, f"conv{spatial}d_weight")
    gradient = gradient_of(flat, size, flat_result, **geometry, groups=groups)
    return gradient.unflatten(0, (groups, -1)) if grouped else gradient


# label, input [n, (g,) c, h, w], weight [(g,) o, c, kh, kw], stride, padding, dilation
_GEOMETRIES = (
    ("", (2, 3, 5, 6), (4, 3, 3, 2), (1, 1), (0, 0), (1, 1)),
    ("padding", (2, 2, 4, 5), (3, 2, 3, 3), (1, 1), (1, 2), (1, 1)),
    ("stride", (2, 2, 7, 8), (3, 2, 3, 2), (2, 3), (0, 0), (1, 1)),
    ("stride that leaves a rest", (1, 2, 6, 7), (2, 2, 3, 3), (2, 3), (1, 0), (1, 1)),
    ("dilation", (1, 2, 7, 8), (2, 2, 3, 2), (1, 1), (1, 0), (2, 3)),
    ("all", (2, 2, 8, 9), (2, 2, 2, 3), (3, 2), (1, 2), (2, 2)),
    ("point", (2, 3, 4, 4), (2, 3, 1, 1), (1, 1), (0, 0), (1, 1)),
    ("whole", (2, 2, 3, 4), (3, 2, 3, 4), (1, 1), (0, 0), (1, 1)),
    ("groups", (2, 2, 3, 5, 4), (2, 2, 3, 3, 3), (1, 1), (1, 1), (1, 1)),
    ("depthwise", (2, 3, 1, 5, 5), (3, 1, 1, 3, 2), (2, 1), (1, 0), (1, 1)),
    ("no samples", (0, 2, 4, 4), (3, 2, 3, 3), (1, 1), (0, 0), (1, 1)),
    ("sequence", (2, 3, 9), (4, 3, 3), (2,), (1,), (2,)),
    ("sequence, groups", (2, 2, 2, 8), (2, 3, 2, 3), (1,), (2,), (1,)),
    ("volume", (2, 2, 4, 5, 3), (3, 2, 2, 3, 2), (1, 2, 1), (1, 1, 0), (1, 1, 1)),
    ("volume, groups", (2, 2, 1, 4, 4, 5), (2, 2, 1, 2, 2, 2), (2, 1, 2), (0, 1, 1), (1, 2, 1)),
)


def _result_shape(x: Any, weight: Any, stride: Any, padding: Any, dilation: Any) -> tuple[int, ...]:
    size = (
        (extent + 2 * width - gap * (kernel - 1) - 1) // step + 1
        for extent, kernel, step, width, gap in zip(
            x[-len(stride) :], weight[-len(stride) :], stride, padding, dilation, strict=True
        )
    )
    return (*x[: -len(stride) - 1], weight[-len(stride) - 2], *size)


def _convolutions() -> Any:
    tolerance = (2e-5, 1e-11)
    for label, x, weight, stride, padding, dilation in _GEOMETRIES:
        result = _result_shape(x, weight, stride, padding, dilation)
        geometry = {"stride": stride, "padding": padding, "dilation": dilation}
        options = {"label": label, "tolerance": tolerance, **geometry}
        yield primitive_sample("convolution", normal(*weight), normal(*x), oracle=_convolution, **options)
        yield primitive_sample(
            "convolution_input_gradient",
            normal(*weight),
            normal(*result),
            input_size=x[-len(stride) :],
            oracle=_input_gradient,
            **options,
        )
        yield primitive_sample(
            "convolution_weight_gradient",
            normal(*result),
            normal(*x),
            kernel_size=weight[-len(stride) :],
            oracle=_weight_gradient,
            **options,
        )


SAMPLES = (
    primitive_sample("matmul", normal(3, 4), normal(4, 5), oracle=_matmul),
    primitive_sample("matmul", normal(2, 3, 4), normal(2, 4, 5), oracle=_matmul, label="batch"),
    primitive_sample("matmul", normal(2, 2, 3, 1), normal(2, 2, 1, 3), oracle=_matmul, label="depth 1"),
    primitive_sample("matmul", normal(3, 0), normal(0, 4), oracle=_matmul, label="depth 0"),
    primitive_sample("matmul", normal(0, 3), normal(3, 4), oracle=_matmul, label="no rows"),
    primitive_sample(
        "matmul", normal(3, 4, layout="transposed"), normal(4, 5, layout="strided"), oracle=_matmul, label="layouts"
    ),
    primitive_sample(
        "matmul", integers(3, 4, low=-9, high=9), integers(4, 2, low=-9, high=9), oracle=_matmul, label="int"
    ),
    primitive_sample(
        "matmul", literal([[nan, 1.0], [0.0, 2.0]]), normal(2, 2), oracle=_matmul, label="nan", smooth=False
    ),
    *_convolutions(),
    primitive_sample(
        "convolution",
        integers(2, 2, 3, 3, low=-5, high=5),
        integers(1, 2, 4, 4, low=-5, high=5),
        stride=(1, 1),
        padding=(1, 1),
        dilation=(1, 1),
        oracle=_convolution,
        label="int",
    ),
    sample("matmul", normal(3), normal(3), label="vectors"),
    sample("matmul", normal(2, 3), normal(3), label="matrix and vector"),
    sample("matmul", normal(3), normal(3, 4), label="vector and matrix"),
    sample("matmul", normal(3), normal(2, 3, 4), label="vector and batch"),
    sample("matmul", normal(2, 4, 3), normal(3), label="batch and vector"),
    sample("matmul", normal(2, 5, 3), normal(3, 4), label="batch and matrix"),
    sample("matmul", normal(5, 3), normal(2, 3, 4), label="matrix and batch"),
    sample("matmul", normal(2, 1, 5, 3), normal(4, 3, 2), label="batches broadcast"),
    sample("matmul", normal(2, 0, 3), normal(3, 4), label="empty batch"),
    sample("matmul", normal(2, 3, dtype="float64"), normal(3, 4, dtype="float64"), label="double"),
    sample("mm", normal(2, 3), normal(3, 4)),
    sample("bmm", normal(2, 3, 4), normal(2, 4, 1)),
    sample("mv", normal(2, 3), normal(3)),
    sample("dot", normal(4), normal(4)),
    sample("dot", integers(4, low=-9, high=9), integers(4, low=-9, high=9), label="int"),
    sample("dot", normal(0), normal(0), label="empty"),
    sample("outer", normal(3), normal(2)),
    sample("outer", integers(3, low=0, high=5), normal(2), label="promoted"),
    sample("addmm", normal(2, 4), normal(2, 3), normal(3, 4)),
    sample("addmm", normal(4), normal(2, 3), normal(3, 4), beta=0.5, alpha=-2.0, label="scaled"),
    sample("addmm", normal(1, 4), normal(2, 3), normal(3, 4), beta=0, label="beta 0"),
    sample("linear", normal(2, 3), normal(4, 3), normal(4)),
    sample("linear", normal(2, 5, 3), normal(4, 3), normal(4), label="sequence"),
    sample("linear", normal(3), normal(4, 3), label="vector"),
    sample("linear", normal(2, 3), normal(3), label="one output"),
    sample("linear", normal(0, 3), normal(4, 3), normal(4), label="empty"),
)
