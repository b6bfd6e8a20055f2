"""Samples of complex numbers: their own functions, and those of other families that take them."""

from __future__ import annotations

from tests.ops.samples.table import (
    OpSample,
    booleans,
    complex_normal,
    integers,
    literal,
    nan,
    normal,
    primitive_sample,
    sample,
    uniform,
)

_AXES = [0.0, 1.0, -1.0, 1j, -1j, 1 + 1j, -2 + 0.5j, complex(-1.0, -0.0), 3e-5 - 4e-5j]


def _axes(dtype: str = "complex64"):
    return literal(_AXES, dtype)


def _unary(*names: str, **options) -> tuple[OpSample, ...]:
    found = []
    for name in names:
        found.append(sample(name, complex_normal(3, 4), label="complex", **options))
        found.append(sample(name, complex_normal(5, dtype="complex128"), label="complex double", **options))
        found.append(sample(name, complex_normal(3, 4, layout="strided"), label="complex strided", **options))
    return tuple(found)


def _binary(*names: str) -> tuple[OpSample, ...]:
    found = []
    for name in names:
        found.append(sample(name, complex_normal(3, 4), complex_normal(4), label="complex"))
        found.append(sample(name, complex_normal(3, 4), normal(3, 1), label="complex and real"))
        found.append(sample(name, normal(3, 4), complex_normal(3, 4), label="real and complex"))
        found.append(sample(name, complex_normal(3, 4), 2.5, label="complex and number"))
        found.append(sample(name, normal(3, 4), 1.5 - 2j, label="real and complex number"))
    return tuple(found)


SAMPLES: tuple[OpSample, ...] = (
    # The functions of complex numbers.
    sample("real", complex_normal(3, 4)),
    sample("real", normal(3), label="of real"),
    sample("imag", complex_normal(3, 4)),
    sample("conj", complex_normal(3, 4)),
    sample("conj", normal(3), label="of real"),
    sample("conj_physical", complex_normal(2, 3)),
    sample("resolve_conj", complex_normal(2, 3)),
    sample("resolve_neg", complex_normal(2, 3)),
    sample("is_conj", complex_normal(2), differentiable=()),
    sample("is_neg", complex_normal(2), differentiable=()),
    sample("logaddexp", complex_normal(3, 4), complex_normal(4), label="complex"),
    sample(
        "logaddexp",
        complex_normal(5, dtype="complex128"),
        complex_normal(5, dtype="complex128"),
        label="complex double",
    ),
    sample("logcumsumexp", complex_normal(3, 4), dim=1, label="complex"),
    sample("float_power", complex_normal(3), 2.5, label="complex"),
    sample("silu", complex_normal(3, 4), label="complex", differentiable=()),
    sample("angle", complex_normal(3, 4)),
    sample("angle", _axes(), label="axes", smooth=False, differentiable=()),
    sample("angle", literal([1.0, -1.0, 0.0, nan]), label="of real", smooth=False),
    sample("angle", integers(4, low=-3, high=3), label="of integers"),
    sample("complex", normal(3, 4), normal(4)),
    sample("complex", normal(3, dtype="float64"), normal(3, dtype="float64"), label="double"),
    sample("polar", uniform(3, 4, low=0.5, high=2.0), normal(4)),
    sample("sgn", complex_normal(3, 4)),
    sample("sgn", _axes(), label="axes", smooth=False, differentiable=()),
    sample("sgn", normal(4), label="of real", smooth=False),
    sample("isreal", _axes(), differentiable=()),
    sample("isreal", normal(3), label="of real", differentiable=()),
    sample("view_as_real", complex_normal(3, 4)),
    sample("view_as_real", complex_normal(3, 4, layout="transposed"), label="transposed"),
    sample("view_as_complex", normal(3, 2)),
    sample("view_as_complex", normal(3, 4, 2, dtype="float64"), label="double"),
    primitive_sample("conj", complex_normal(2, 3)),
    # What dtypes are.
    sample("is_tensor", normal(2), differentiable=()),
    sample("is_floating_point", normal(2), differentiable=()),
    sample("is_floating_point", complex_normal(2), label="complex", differentiable=()),
    sample("is_complex", complex_normal(2), differentiable=()),
    sample("is_complex", normal(2), label="of real", differentiable=()),
    sample("is_signed", integers(2, low=0, high=3, dtype="uint8"), differentiable=()),
    sample("is_nonzero", literal([1.0]), differentiable=()),
    sample("numel", normal(2, 3), differentiable=()),
    sample("type", normal(2), differentiable=()),
    sample("type", normal(2), "torch.DoubleTensor", label="converted"),
    # Functions of other families.
    *_unary("neg", "square", "reciprocal", "rsqrt", "exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "exp2"),
    *_unary("sin", "cos", "tan", "tanh", "sinh", "cosh", "asin", "acos", "atan", "asinh", "acosh", "atanh"),
    *_unary("sigmoid", "abs", "sinc"),
    *_unary("isnan", "isinf", "isfinite"),
    *_unary("sum", "mean", "prod", "var", "std", "norm"),
    *_binary("add", "sub", "mul", "div", "pow"),
    sample("rsub", complex_normal(3), 2 - 1j, label="complex"),
    sample("eq", complex_normal(3), complex_normal(3), label="complex"),
    sample("ne", _axes(), _axes(), label="complex"),
    sample("pow", complex_normal(3, 4), 3, label="complex by 3"),
    sample("pow", complex_normal(3, 4), -2, label="complex by -2"),
    sample("pow", complex_normal(3, 4), 0.5, label="complex by 0.5"),
    sample("pow", complex_normal(3, 4), 1.5 - 0.5j, label="complex by a complex number"),
    sample("pow", 1.5 + 0.5j, complex_normal(3, 4), label="complex base"),
    sample("lerp", complex_normal(3), complex_normal(3), 0.3, label="complex"),
    sample("addcmul", complex_normal(3), complex_normal(3), complex_normal(3), value=2, label="complex"),
    sample("addcdiv", complex_normal(3), complex_normal(3), complex_normal(3), label="complex"),
    sample("sum", complex_normal(3, 4), dim=1, keepdim=True, label="complex along a dim"),
    sample("mean", complex_normal(3, 4), dim=0, label="complex along a dim"),
    sample("prod", literal([1 + 1j, 0.0, 2j], "complex64"), dim=0, label="complex with a zero"),
    sample("var", complex_normal(3, 4), dim=1, correction=0, label="complex along a dim"),
    sample("any", _axes(), label="complex"),
    sample("all", _axes(), label="complex"),
    sample("count_nonzero", _axes(), label="complex"),
    sample("matmul", complex_normal(3, 4), complex_normal(4, 2), label="complex"),
    sample("matmul", complex_normal(2, 3, 4), complex_normal(2, 4, 2), label="complex batch"),
    sample("mv", complex_normal(3, 4), complex_normal(4), label="complex"),
    sample("dot", complex_normal(4), complex_normal(4), label="complex"),
    sample("outer", complex_normal(3), complex_normal(4), label="complex"),
    sample("addmm", complex_normal(3, 2), complex_normal(3, 4), complex_normal(4, 2), alpha=2, label="complex"),
    sample("linear", complex_normal(3, 4), complex_normal(2, 4), complex_normal(2), label="complex"),
    sample("conv2d", complex_normal(2, 3, 5, 5), complex_normal(4, 3, 3, 3), label="complex", tolerance=(1e-4, 1e-11)),
    sample("where", booleans(3, 4), complex_normal(3, 4), complex_normal(4), label="complex"),
    sample("where", booleans(3, 4), complex_normal(3, 4), 0.0, label="complex or number"),
    sample("cat", (complex_normal(2, 3), complex_normal(1, 3)), label="complex"),
    sample("cat", (complex_normal(2, 3), normal(1, 3)), label="complex and real"),
    sample("stack", (complex_normal(2, 3), complex_normal(2, 3)), label="complex"),
    sample("reshape", complex_normal(2, 6), (3, 4), label="complex"),
    sample("permute", complex_normal(2, 3, 4), (2, 0, 1), label="complex"),
    sample("flip", complex_normal(2, 3), (0, 1), label="complex"),
    sample("roll", complex_normal(2, 3), 1, 1, label="complex"),
    sample("tril", complex_normal(3, 3), label="complex"),
    sample("gather", complex_normal(3, 4), 1, integers(3, 2, low=0, high=4), label="complex"),
    sample("index_select", complex_normal(3, 4), 1, integers(5, low=0, high=4), label="complex"),
    sample(
        "scatter_add", complex_normal(3, 4), 1, integers(3, 2, low=0, high=4), complex_normal(3, 2), label="complex"
    ),
    sample("index_add", complex_normal(3, 4), 1, integers(2, low=0, high=4), complex_normal(3, 2), label="complex"),
    sample("masked_fill", complex_normal(3, 4), booleans(3, 4), 1j, label="complex"),
)
