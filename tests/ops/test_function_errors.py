"""Dtypes and arguments that functions refuse: PyTorch's class of error and first words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc
from tests.autograd.scenarios import assert_like_torch

torch = pytest.importorskip("torch")

COMPLEX = np.array([1 + 1j, 2.0, 0.5j], np.complex64)
_UNORDERED = (
    "mode(x)",
    "kthvalue(x, 1)",
    "topk(x, 1)",
    "searchsorted(x, x)",
    "bucketize(x, x)",
    "isin(x, x)",
    "unique(x)",
    "unique_consecutive(x)",
    "cummax(x, 0)",
    "cummin(x, 0)",
    "median(x)",
    "nanmedian(x, 0)",
    "max(x)",
    "max(x, 0)",
    "min(x, 0)",
    "amax(x)",
    "argmax(x)",
    "aminmax(x)",
    "sort(x)",
    "nansum(x)",
    "nanmean(x)",
    "heaviside(x, x)",
    "signbit(x)",
    "fmax(x, x)",
    "maximum(x, x)",
    "clamp(x, 0)",
    "histc(x)",
    "quantile(x, 0.5)",
    "igamma(x, x)",
    "hypot(x, x)",
    "lgamma(x)",
    "special.bessel_j0(x)",
    "special.chebyshev_polynomial_t(x, x)",
)
_OF_INTEGERS = (
    "mean(x)",
    "mean(x.float(), dtype=lib.int64)",
    "nanmean(x)",
    "nanmean(x.float(), dtype=lib.int64)",
    "std(x)",
    "var_mean(x)",
    "lerp(x, x, 0.5)",
    "lerp(x, x, x)",
    "addcdiv(x, x, x)",
    "round(x, decimals=1)",
    "quantile(x, 0.5)",
    "quantile(x, 2.0)",
    "nanquantile(x, 0.5)",
    "histc(x.bool())",
    "frexp(x)",
    "dist(x, x)",
    "igamma(x, x)",
    "igamma(x, 2)",
    "special.gammainc(2.0, x)",
    "special.bessel_j0(2.0)",
    "logcumsumexp(x, 0)",
    "clamp(x.to(lib.int8), max=300)",
    "clamp(x.to(lib.uint8), max=300)",
    "full((2,), 300, dtype=lib.uint8)",
    "topk(x.bool(), 1)",
    "kthvalue(x.bool(), 1)",
    "searchsorted(x.bool(), x.bool())",
    "isin(x.bool(), x)",
    "addcmul(x.bool(), x.bool(), x.bool())",
    "sub(x.bool(), x)",
    "div(x.bool(), x.bool(), rounding_mode='trunc')",
    "floor_divide(x.bool(), x.bool())",
    "gradient(x.to(lib.uint8))",
    "gradient(x, edge_order=3)",
    "gradient(x, dim=(0, 0))",
    "gradient(x, spacing=[1.0, 2.0])",
    "gradient(x, dim=0, spacing=[1.0, 2.0])",
    "gradient(x[:1])",
    "gradient(x[0], dim=0)",
    "histogramdd(x.float(), [2])",
    "histogramdd(x.float().reshape(1, 3), [2])",
    "histogramdd(x.float().reshape(1, 3), [2, 2, 2], range=[0.0, 1.0])",
    "histogramdd(x.float().reshape(1, 3), 2, weight=x.float())",
    "histogramdd(x.float().reshape(1, 3), [x.float(), x.float(), x.double()])",
    "histogram(x.float(), 0)",
    "max(x[:0])",
    "max(x[:0], 0)",
    "argmax(x[:0])",
    "aminmax(x[:0])",
    "aminmax(x[:0], dim=0)",
    "median(x[:0], 0)",
    "unique(x[0], dim=0)",
    "unique(x[:0].reshape(2, 0), dim=0)",
    "searchsorted(x[0], x)",
    "sum(x, 2)",
    "sum(x, (0, 0))",
    "cumsum(x, 1)",
    "kthvalue(x, 4)",
    "topk(x, 4)",
    "diff(x[0])",
    "-x.bool()",
    "x.bool() - x.bool()",
    "x.bool() - 1",
    "1 - x.bool()",
    "x.bool() // x.bool()",
    "x.bool() % x.bool()",
)


def _error(library: Any, array: np.ndarray, text: str) -> tuple[str, str]:
    x = library.tensor(array)
    code = text if text.startswith(("-", "x.", "1 ")) else f"lib.{text}"
    with pytest.raises(Exception) as caught:  # noqa: PT011 (which one it is, PyTorch tells)
        eval(code, {"lib": library, "x": x})
    return type(caught.value).__name__, " ".join(str(caught.value).split())[:40]


@pytest.mark.parametrize("text", _UNORDERED)
def test_complex_numbers_are_refused(text: str) -> None:
    """What needs an order, or has no kernel, is refused as PyTorch refuses it."""
    assert _error(graphc, COMPLEX, text) == _error(torch, COMPLEX, text)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", _OF_INTEGERS)
def test_what_does_not_fit_is_refused(text: str) -> None:
    """Integers, truth values, sizes, and dims that a function is not for are refused as PyTorch refuses them."""
    integers = np.array([3, 1, 2])
    assert _error(graphc, integers, text) == _error(torch, integers, text)


_LAYERS = (
    "F.batch_norm(x, None, None, training=True, eps=0)",
    "F.batch_norm(x, m, v, training=True, eps=-1.0)",
    "F.batch_norm(x, m, v, eps=-1.0)",
    "F.linear(x.double(), w)",
    "F.linear(x.double(), w, b)",
    "F.linear(x.double(), w.double(), b)",
    "F.linear(x, w, b.double())",
    "F.linear(x.double(), w, b.double())",
    "F.linear(x.expand(2, 2, 3).contiguous().double(), w, b)",
    "F.linear(x[0].double(), w, b)",
    "F.linear(x.half(), w, b)",
    "lib.addmm(b, x.double(), w.t())",
    "F.pad(x, (-2, -1), mode='reflect')",
    "F.pad(x, (-4, 0), mode='replicate')",
    "F.pad(x, (3, 0), mode='reflect')",
    "F.pad(x.expand(1, 2, 2, 3), (0, 0, -3, 0), mode='replicate')",
    "F.interpolate(x[None], size=4, mode='cubic')",
    "F.multi_margin_loss(x, lib.tensor([0.0, 1.0]))",
    "F.multi_margin_loss(x, lib.tensor([0, 1], dtype=lib.int32))",
    "F.multilabel_margin_loss(x, x)",
)


@pytest.mark.parametrize("text", _LAYERS)
def test_layers_refuse_what_does_not_fit(text: str) -> None:
    """Dtypes, numbers, and widths that functions of layers are not for are refused with PyTorch's whole first line."""
    errors = []
    for library in (graphc, torch):
        names = {"lib": library, "F": library.nn.functional, "x": library.ones(2, 3), "w": library.ones(4, 3)}
        names |= {"b": library.ones(4), "m": library.zeros(3), "v": library.ones(3)}
        with pytest.raises(Exception) as caught:  # noqa: PT011 (which one it is, PyTorch tells)
            eval(text, names)
        errors.append((type(caught.value).__name__, str(caught.value).splitlines()[0]))
    assert errors[0] == errors[1]


def test_divergence_from_negative_chances_is_no_number() -> None:
    """kl_div of a negative target is NaN, and of zero nothing, with PyTorch's gradients for both."""
    results = []
    for library in (graphc, torch):
        x = library.tensor([0.1, 0.2, 0.3, 0.4], requires_grad=True)
        y = library.tensor([-1.0, 0.0, 0.5, 2.0], requires_grad=True)
        loss = library.nn.functional.kl_div(x, y, reduction="none")
        loss.sum().backward()
        results.append([value.detach().numpy() for value in (loss, x.grad, y.grad)])
    for found, wanted in zip(*results, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.add(t.ones(2), "a"),
        lambda t: t.mul(t.ones(2), None),
        lambda t: t.div(t.ones(2), [1, 2]),
        lambda t: t.sub(t.ones(2), np.ones(2)),
        lambda t: ~t.ones(2),
        lambda t: t.where(t.ones(2), 1, 0),
        lambda t: t.nn.functional.one_hot(t.tensor([-1])),
        lambda t: t.nn.functional.one_hot(t.tensor([-1, 3])),
        lambda t: t.nn.functional.one_hot(t.tensor([5]), 3),
    ],
)
def test_words_for_operands_that_do_not_fit(call: Any) -> None:
    """An operand that is no tensor, or of a dtype that does not go, is refused in PyTorch's words."""
    assert_like_torch(call)


def test_a_range_needs_an_end() -> None:
    """Nothing is no range."""
    with pytest.raises(TypeError, match="invalid combination of arguments"):
        graphc.arange()


def test_names_that_nn_has_not() -> None:
    """The error names the module and the nearest name."""
    with pytest.raises(AttributeError, match=r"has no attribute 'Linar'.*nearest.*'Linear'"):
        _ = graphc.nn.Linar
    with pytest.raises(AttributeError, match=r"nn\.functional' has no attribute 'rely'"):
        _ = graphc.nn.functional.rely
