"""Gradients that are recorded depend on what PyTorch's depend on, with derivatives of zero too."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("expecttest", reason="PyTorch's table of operators needs it")

import torch

import graphc
from tests.torch_tables.conversion import is_tensor, leaves, own
from tests.torch_tables.differences import NOT_OFFERED
from tests.torch_tables.operators import SEED, identity, operators, own_function, samples

DIFFERENCES: dict[str, str] = {
    r"nn\.functional\.ctc_loss": "PyTorch has no second gradient of it",
    r"nn\.functional\.linear_cross_entropy/.*": "PyTorch's gradient is computed in the forward pass, once for all",
}

OPERATORS = [
    pytest.param(operator, id=identity(operator))
    for operator in operators()
    if operator.name.startswith("nn.functional.")
    and operator.supports_autograd
    and operator.supports_gradgrad
    and torch.float64 in operator.supported_backward_dtypes("cpu")
    and not any(re.fullmatch(pattern, operator.name) for pattern in NOT_OFFERED)
    and not any(re.fullmatch(pattern, identity(operator)) for pattern in DIFFERENCES)
]


def dependences(library: Any, function: Callable[..., Any], arguments: Any, keywords: Any) -> list[str]:
    """For the gradient of each operand: whether it requires a gradient, and which operands that reaches."""
    operands = [value for value in leaves((arguments, keywords)) if is_tensor(value) and value.requires_grad]
    library.manual_seed(SEED)
    results = [value for value in leaves(function(*arguments, **keywords)) if is_tensor(value) and value.requires_grad]
    if not results:
        return []
    roots = [value.sum() for value in results]
    found = []
    for gradient in library.autograd.grad(roots, operands, create_graph=True, allow_unused=True):
        if gradient is None or not gradient.requires_grad:
            found.append("none" if gradient is None else "constant")
            continue
        second = library.autograd.grad(gradient.sum(), operands, allow_unused=True, retain_graph=True)
        found.append("reaches " + " ".join("nothing" if value is None else "it" for value in second))
    return found


@pytest.mark.parametrize("operator", OPERATORS)
def test_recorded_gradients_depend_on_what_pytorchs_do(operator: Any) -> None:
    """The first sample's gradients require a gradient where PyTorch's do, and theirs reach the same operands."""
    function = own_function(operator)
    for sample in samples(operator, torch.float64, 1, True):
        seen: dict[int, Any] = {}
        arguments, keywords = [sample.input, *sample.args], dict(sample.kwargs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = dependences(torch, operator.op, arguments, keywords)
            found = dependences(graphc, function, own(arguments, seen), own(keywords, seen))
        assert found == expected


def test_a_net_of_corners_has_a_second_derivative_of_zero() -> None:
    """The second derivative of a net with relu is zeros, and no error, as in PyTorch; so is the trained loss."""
    for library in (torch, graphc):
        library.manual_seed(0)
        net = library.nn.Sequential(library.nn.Linear(1, 8), library.nn.ReLU(), library.nn.Linear(8, 1))
        x = library.linspace(-1, 1, 5).unsqueeze(1).requires_grad_()
        (first,) = library.autograd.grad(net(x).sum(), x, create_graph=True)
        (second,) = library.autograd.grad(first.sum(), x, create_graph=True)
        assert second.tolist() == [[0.0]] * 5
        (first.pow(2).mean() + second.pow(2).mean()).backward()
        assert net[0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("name", ["elu", "celu", "selu", "gelu", "silu", "softplus", "hardswish", "leaky_relu", "relu"])
@pytest.mark.parametrize("keywords", [{}, {"alpha": 0.5}], ids=["plain", "alpha"])
def test_derivatives_of_activations_at_their_corners(name: str, keywords: dict[str, float]) -> None:
    """The first and second derivative of activations where their pieces meet are PyTorch's."""
    if keywords and name not in ("elu", "celu"):
        pytest.skip("has no alpha")
    found = []
    for library in (torch, graphc):
        x = library.tensor([-3.0, -1.0, -0.0, 0.0, 1.0, 3.0], dtype=library.float64, requires_grad=True)
        result = getattr(library.nn.functional, name)(x, **keywords)
        (first,) = library.autograd.grad(result.sum(), x, create_graph=True)
        (second,) = library.autograd.grad(first.sum(), x)
        found.append([value.detach().numpy() for value in (result, first, second)])
    for expected, value in zip(*found, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-15)
