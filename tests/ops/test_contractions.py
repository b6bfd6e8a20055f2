"""Contractions: types, errors of the matrix and convolution functions, layouts, and closure under differentiation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.graph import Builder
from graphc.ir.integers import variable
from graphc.ir.types import TensorType, float32
from graphc.ops.contractions import Convolution, ConvolutionInputGradient, ConvolutionWeightGradient, Matmul
from graphc.ops.functions.convolution import conv2d
from graphc.ops.functions.linear import linear, matmul
from graphc.tensor import Tensor


def zeros(*shape: int, dtype: str = "float32") -> Tensor:
    return Tensor.from_array(np.zeros(shape, dtype))


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: zeros(2, 3) @ zeros(4, 5), RuntimeError, r"shapes cannot be multiplied \(2x3 and 4x5\)"),
        (lambda: gc.mm(zeros(2, 3, 4), zeros(4, 5)), RuntimeError, "self must be a matrix"),
        (
            lambda: gc.bmm(zeros(2, 3, 4), zeros(3, 4, 4)),
            RuntimeError,
            r"batch2 tensor to be: \[2, 4\] but got: \[3, 4\]",
        ),
        (lambda: matmul(zeros(2, 3, 4), zeros(2, 5, 4)), RuntimeError, r"to be: \[2, 4\] but got: \[2, 5\]"),
        (lambda: matmul(zeros(2, 3, 4), zeros(3, 4, 4)), RuntimeError, r"size of tensor a \(2\) must match"),
        (lambda: matmul(zeros(3), zeros(4)), RuntimeError, r"expected tensor \[3\] and src \[4\]"),
        (lambda: matmul(zeros(3, 4), zeros(3)), RuntimeError, r"got input \(3\), mat \(3x4\), vec \(3\)"),
        (lambda: matmul(zeros(), zeros(5)), RuntimeError, "need to be at least 1D, but they are 0D and 1D"),
        (
            lambda: zeros(2, 2, dtype="bool") @ zeros(2, 2, dtype="bool"),
            NotImplementedError,
            "not implemented for 'Bool'",
        ),
        (lambda: zeros(2, 2, dtype="int32") @ zeros(2, 2), RuntimeError, "same dtype, but got: int != float"),
        (lambda: linear(zeros(2, 3), zeros(4, 3), zeros(5)), RuntimeError, r"expanded size of the tensor \(4\)"),
        (
            lambda: conv2d(zeros(1, 3, 5, 5), zeros(2, 4, 3, 3)),
            RuntimeError,
            r"Given groups=1, weight of size \[2, 4, 3, 3\], expected input\[1, 3, 5, 5\] to have 4 channels",
        ),
        (
            lambda: conv2d(zeros(1, 3, 5, 5), zeros(2, 3, 7, 7)),
            RuntimeError,
            r"Calculated padded input size per channel: \(5 x 5\). Kernel size: \(7 x 7\)",
        ),
        (lambda: conv2d(zeros(5, 5), zeros(2, 3, 3, 3)), RuntimeError, r"Expected 3D \(unbatched\) or 4D \(batched\)"),
        (
            lambda: conv2d(zeros(1, 4, 5, 5), zeros(3, 2, 3, 3), groups=2),
            RuntimeError,
            "Given groups=2, expected weight to be divisible by 2 at dimension 0",
        ),
        (
            lambda: conv2d(zeros(1, 3, 5, 5), zeros(2, 3, 3, 3), zeros(3)),
            RuntimeError,
            "expected bias to be 1-dimensional with 2 elements",
        ),
        (
            lambda: conv2d(zeros(1, 3, 5, 5), zeros(2, 3, 3, 3), padding="same", stride=2),
            RuntimeError,
            "padding='same' is not supported for strided convolutions",
        ),
        (lambda: conv2d(zeros(1, 3, 5, 5), zeros(2, 3, 3, 3), stride=(1, 2, 3)), RuntimeError, "expected stride to be"),
        (lambda: conv2d(zeros(1, 3, 5, 5), zeros(2, 3, 3, 3), stride=0), RuntimeError, "non-positive stride"),
        (
            lambda: conv2d(zeros(1, 3, 5, 5, dtype="float64"), zeros(2, 3, 3, 3)),
            RuntimeError,
            "expected scalar type Double",
        ),
    ],
)
def test_errors_are_pytorchs(call: Any, kind: type[Exception], words: str) -> None:
    """Class and words are PyTorch's, with both shapes where shapes are at fault."""
    with pytest.raises(kind, match=words):
        call()


GEOMETRY = {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}


def test_type_rules_of_the_convolutions_agree() -> None:
    """The two gradients have the types of what they are gradients of, and refuse any other result."""
    batch = variable("N", 1)
    x, weight = TensorType(float32, (batch, 3, 7, 8)), TensorType(float32, (4, 3, 3, 2))
    result = Convolution.instance.infer(weight, x, **GEOMETRY)
    assert result.shape == (batch, 4, 4, 6)
    assert ConvolutionInputGradient.instance.infer(weight, result, input_size=(7, 8), **GEOMETRY) == x
    assert ConvolutionWeightGradient.instance.infer(result, x, kernel_size=(3, 2), **GEOMETRY) == weight
    with pytest.raises(ValueError, match="expected"):
        ConvolutionInputGradient.instance.infer(weight, result, input_size=(9, 8), **GEOMETRY)
    with pytest.raises(ValueError, match="expected 3 channels"):
        Convolution.instance.infer(weight, TensorType(float32, (batch, 2, 7, 8)), **GEOMETRY)
    with pytest.raises(ValueError, match="expected 4 rows on the right, got 5"):
        Matmul.instance.infer(TensorType(float32, (3, 4)), TensorType(float32, (5, 2)))
    with pytest.raises(TypeError, match="one dtype"):
        Matmul.instance.infer(TensorType(float32, (3, 4)), TensorType(gc.float64, (4, 2)))


def test_the_convolutions_are_each_others_adjoints() -> None:
    """<C(w, x), g> = <I(w, g), x> = <W(g, x), w> for random operands, with groups."""
    generator = np.random.default_rng(0)
    weight, x = generator.standard_normal((2, 3, 2, 3, 2)), generator.standard_normal((2, 2, 2, 7, 8))
    result = Convolution.instance.evaluate(weight, x, **GEOMETRY)
    g = generator.standard_normal(result.shape)
    of_input = ConvolutionInputGradient.instance.evaluate(weight, g, input_size=(7, 8), **GEOMETRY)
    of_weight = ConvolutionWeightGradient.instance.evaluate(g, x, kernel_size=(3, 2), **GEOMETRY)
    inner = (result * g).sum()
    np.testing.assert_allclose([(of_input * x).sum(), (of_weight * weight).sum()], inner, rtol=1e-12)


def test_matmul_takes_any_layout() -> None:
    """Strided, transposed, broadcast, and reversed operands give what contiguous copies give."""
    generator = np.random.default_rng(0)
    wide = generator.standard_normal((3, 8, 12))
    layouts = (
        wide[:, :, ::2],
        wide.transpose(0, 2, 1)[:, ::2],
        np.broadcast_to(wide[:1, :, :6], (3, 8, 6)),
        wide[::-1],
    )
    for left in layouts:
        right = generator.standard_normal((3, left.shape[-1], 4))[:, :, ::-1]
        expected = np.einsum("bij,bjk->bik", left, right)
        np.testing.assert_allclose(Matmul.instance.evaluate(left, right), expected, rtol=1e-12, atol=1e-12)


def test_a_batch_times_one_matrix_is_one_product() -> None:
    """The batch is folded into the rows, also where its size is symbolic; linear makes one matmul too."""
    builder = Builder(simplify=True)
    batch, time = variable("N", 1), variable("T", 1)
    x = builder.input("x", TensorType(float32, (batch, time, 6)))
    weight = builder.input("weight", TensorType(float32, (4, 6)))
    assert linear(x, weight).shape == (batch, time, 4)
    products = [node for node in builder.nodes if node.op is Matmul.instance]
    assert [str(node.type) for node in products] == ["f32[N*T,4]"]


def test_groups_are_a_batch_dimension_of_the_primitive() -> None:
    """A grouped convolution is one primitive on operands with a group dimension."""
    builder = Builder(simplify=True)
    x = builder.input("x", TensorType(float32, (variable("N", 1), 4, 5, 5)))
    weight = builder.input("weight", TensorType(float32, (6, 2, 3, 3)))
    assert conv2d(x, weight, groups=2).shape == (variable("N", 1), 6, 3, 3)
    (made,) = (node for node in builder.nodes if node.op is Convolution.instance)
    assert Convolution.instance.roles([operand.type for operand in made.inputs], **made.attrs) == (
        "batch",
        "batch",
        "row",
        "column",
        "column",
    )
