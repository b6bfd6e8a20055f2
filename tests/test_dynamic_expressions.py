"""Functions of sizes that are known at run time only: shapes, views, writes in place, and random draws, as in eager
mode at every size."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.capture.trees import flatten
from graphc.nn import functional
from graphc.randomness.generator import default_generator
from graphc.tensor import Tensor
from tests.dynamic_programs import MOST, close, of_x

# -- expressions of sizes ------------------------------------------------------------------------------------------

EXPRESSIONS: dict[str, Callable[[Tensor], Any]] = {
    "first": lambda x: x[0],
    "last": lambda x: x[-1],
    "from one": lambda x: x[1:],
    "up to the last": lambda x: x[:-1],
    "differences": lambda x: x[1:] - x[:-1],
    "every other": lambda x: x[::2] * 1,
    "every third from one": lambda x: x[1::3] + 1,
    "first half": lambda x: x[: x.shape[0] // 2] * 1,
    "second half": lambda x: x[x.shape[0] // 2 :].sum(0),
    "column": lambda x: x[:, 0],
    "new dims": lambda x: x[None, :, None] * 2,
    "double": lambda x: gc.cat([x, x]),
    "with a row": lambda x: gc.cat([x, gc.ones(1, 3)]),
    "with its tail": lambda x: gc.cat([x[1:], x[:1]]),
    "stack": lambda x: gc.stack([x, x * 2], 1),
    "stack first": lambda x: gc.stack([x, x * 2]),
    "flatten": lambda x: x.flatten() * 2,
    "view -1": lambda x: x.view(-1) + x.reshape(-1),
    "reshape": lambda x: x.reshape(x.shape[0], 3, 1).reshape(3 * x.shape[0]),
    "rows of three": lambda x: x.view(-1).view(-1, 3) @ gc.ones(3, 2),
    "transpose": lambda x: x.t() @ x,
    "gram": lambda x: x @ x.t(),
    "transposed view": lambda x: x.t().reshape(-1),
    "expand": lambda x: x.sum(1, keepdim=True).expand(x.shape[0], 5) * 1,
    "expand rows": lambda x: gc.ones(1, 4).expand(x.shape[0], 4) + x[:, :1],
    "pairs": lambda x: x[:, None] * x[None, :],
    "repeat": lambda x: x.repeat(2, 1),
    "repeat_interleave": lambda x: x.repeat_interleave(2, 0),
    "flip": lambda x: x.flip(0),
    "roll": lambda x: x.roll(1, 0),
    "pad": lambda x: functional.pad(x, (0, 0, 1, 2), value=3.0),
    "split columns": lambda x: x.split(2, 1),
    "unbind columns": lambda x: x.unbind(1),
    "arange": lambda x: gc.arange(x.shape[0]) * 2,
    "arange from": lambda x: gc.arange(2, x.shape[0] + 2),
    "arange backwards": lambda x: gc.arange(x.shape[0] - 1, -1, -1),
    "arange floats": lambda x: gc.arange(x.shape[0], dtype=gc.float32) / 2,
    "zeros": lambda x: gc.zeros(x.shape[0], 2) + x[:, :2],
    "ones": lambda x: gc.ones(x.shape[0]),
    "ones of size": lambda x: gc.ones(x.size(0), 2, dtype=gc.int64),
    "full": lambda x: gc.full((x.shape[0], 2), 1.5),
    "full of the size": lambda x: gc.full((2,), x.shape[0]),
    "zeros_like": lambda x: gc.zeros_like(x),
    "new_zeros": lambda x: x.new_zeros(x.shape[0], 1) + x,
    "eye": lambda x: gc.eye(3) @ x.t(),
    "one_hot": lambda x: functional.one_hot(gc.arange(x.shape[0]) % 4, 4),
    "gather": lambda x: x.gather(1, x.argmax(1, keepdim=True)),
    "index": lambda x: x[gc.arange(x.shape[0]), x.argmax(1)],
    "embedding": lambda x: functional.embedding(x.argmax(1), gc.arange(6.0).reshape(3, 2)),
    "scatter_add": lambda x: gc.zeros(3, 3).scatter_add(0, x.argsort(1), x),
    "index_add": lambda x: gc.zeros(3, 3).index_add(0, x.argmax(1), x),
    "mean": lambda x: (x.mean(), x.mean(0)),
    "sum": lambda x: (x.sum(), x.sum(0), x.sum(1)),
    "var": lambda x: (x.var(0, unbiased=False), x.std()),
    "argmax": lambda x: (x.argmax(), x.argmax(1)),
    "max": lambda x: x.max(1),
    "softmax over N": lambda x: x.softmax(0),
    "log_softmax over N": lambda x: functional.log_softmax(x, 0),
    "logsumexp": lambda x: x.logsumexp(0),
    "cumsum": lambda x: x.cumsum(0),
    "cumsum columns": lambda x: x.cumsum(1),
    "cumprod": lambda x: x.cumprod(0),
    "sort": lambda x: x.sort(0),
    "topk": lambda x: x.topk(2, 1),
    "norm": lambda x: (x.norm(), x.norm(dim=0)),
    "where": lambda x: gc.where(x > 0, x, x.mean()),
    "masked_fill": lambda x: x.masked_fill(x < 0, 0.5),
    "tril": lambda x: (x @ x.t()).tril(),
    "triu above": lambda x: (x @ x.t()).triu(1),
    "causal mask": lambda x: (x @ x.t()).masked_fill(gc.ones(x.shape[0], x.shape[0]).triu(1).bool(), -9.0).softmax(1),
    "einsum": lambda x: gc.einsum("ni,mi->nm", x, x),
    "times the size": lambda x: x * x.shape[0],
    "twice the size": lambda x: x + x.shape[0] * 2,
    "size squared": lambda x: x - x.shape[0] ** 2,
    "over the size": lambda x: x.sum() / x.shape[0],
    "one over the size": lambda x: x * (1 / x.shape[0]),
    "half of the size": lambda x: x * (x.shape[0] / 2),
    "size // 2": lambda x: x + x.shape[0] // 2,
    "size % 3": lambda x: x + x.shape[0] % 3,
    "numel": lambda x: x / x.numel(),
    "nelement": lambda x: x * x.nelement(),
    "prod of the shape": lambda x: x * np.prod([1, 2]) * x.shape.numel(),
    "negative": lambda x: x + -x.shape[0],
    "sizes returned": lambda x: (x.shape[0], x.shape, x.size(0) * 2 + 1, x.numel(), x * 1),
    "size in a dict": lambda x: {"rows": x.size(0), "x": x + 1},
    "average returned": lambda x: (x.sum() * (1.0 / x.shape[0]), 1.0 / x.shape[0]),
    "view of the argument": lambda x: x[1:],
    "view and copy": lambda x: (x[:, 1:], x.t(), x.clone()[1:]),
    "two results of one memory": lambda x: (lambda y: (y, y[1:], y.view(-1)))(x * 2),
    "boolean result": lambda x: x.shape[0] >= 0,
    "linalg": lambda x: gc.linalg.solve(x.t() @ x + gc.eye(3), x.t()),
    "conv1d over N": lambda x: functional.conv1d(x.t()[None], gc.ones(2, 3, 1)),
    "layer_norm": lambda x: functional.layer_norm(x, (3,)),
    "normalize": lambda x: functional.normalize(x, dim=1),
    "cosine": lambda x: functional.cosine_similarity(x, x.flip(1)),
    "half precision": lambda x: (x.to(gc.float16) * 2).sum(1),
    "bfloat16": lambda x: x.to(gc.bfloat16) @ gc.ones(3, 2, dtype=gc.bfloat16),
    "complex": lambda x: gc.fft.fft(x, dim=1).abs(),
    "bool": lambda x: (x > 0).any(0),
    "integer": lambda x: (x * 10).to(gc.int64) // 3,
}  # fmt: skip


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expression_of_sizes(name: str) -> None:
    """A function of [N, 3] has one build for N from 1 to the most."""
    of_x(EXPRESSIONS[name])


# What eager mode refuses without rows.
NEEDS_ROWS = {
    "first",
    "last",
    "max",
    "argmax",
    "over the size",
    "one over the size",
    "average returned",
    "conv1d over N",
}


@pytest.mark.parametrize("name", sorted(EXPRESSIONS.keys() - NEEDS_ROWS))
def test_expression_without_rows(name: str) -> None:
    """N may be 0; that is a build more where a slice would end before the first row, or the rows are counted."""
    of_x(EXPRESSIONS[name], sizes=(7, 0, 3, 16, 0), builds=(1, 2))


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_gradient_of_expression(name: str) -> None:
    """Backward from outside, through what depends on the size: one build for N from 1 to the most."""

    def after(result: Any) -> None:
        total = None
        for tensor in flatten(result)[0]:
            if tensor.requires_grad:
                weight = (gc.arange(tensor.numel()).reshape(tensor.shape).to(tensor.dtype) * 0.9 + 1).sin()
                part = (tensor * weight).sum().to(gc.float64)
                total = part if total is None else total + part
        if total is not None:
            total.backward()

    of_x(EXPRESSIONS[name], grad=True, after=after)


# -- writes in place -----------------------------------------------------------------------------------------------

WRITES: dict[str, Callable[[Tensor], Any]] = {
    "column": lambda x: x[:, 0].add_(1),
    "first row": lambda x: x[0].mul_(2),
    "last row": lambda x: x[-1].fill_(3),
    "from one": lambda x: x[1:].neg_(),
    "up to the last": lambda x: x[:-1].sub_(5),
    "every other": lambda x: x[::2].zero_(),
    "half": lambda x: x[: x.shape[0] // 2].mul_(x.shape[0]),
    "whole": lambda x: x.mul_(2).add_(x.shape[0]),
    "transposed": lambda x: x.t()[1].exp_(),
    "flat": lambda x: x.view(-1)[::3].add_(1),
    "masked": lambda x: x.masked_fill_(x > 0, 0.0),
    "copied": lambda x: x.copy_(gc.arange(x.shape[0])[:, None]),
    "by subscript": lambda x: x.__setitem__((slice(None), 1), x[:, 2] * 3),
    "by indices": lambda x: x.__setitem__((gc.arange(x.shape[0]), gc.zeros(x.shape[0], dtype=gc.int64)), 8.0),
    "by mask": lambda x: x.__setitem__(x < 0, 1.0),
    "and read": lambda x: (x[:, 1].mul_(2), x.sum(0), x[1:] * 1)[1:],
    "chained views": lambda x: x[:, 1:].t()[0].view(-1).add_(2),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITES)
def test_writes_into_arguments(name: str) -> None:
    """A write through views of an argument of a dynamic size."""

    def f(x: Tensor) -> Any:
        result = WRITES[name](x)
        return x * 1 if result is None else result

    of_x(f)


def test_writes_into_own_memory() -> None:
    """Writes through views of what the function made itself, gradients through them."""

    def f(x: Tensor) -> Tensor:
        y = x * 2
        y[:, 0] += 1
        y[1:] *= x[:-1]
        y[-1] = 3.0
        z = gc.zeros(x.shape[0], 2)
        z[:, 1] = y.sum(1)
        return z

    of_x(f, grad=True, after=lambda result: (result**2).sum().backward())


# -- randomness ----------------------------------------------------------------------------------------------------

DRAWS: dict[str, Callable[[Tensor], Any]] = {
    "dropout": lambda x: functional.dropout(x, 0.4),
    "dropout1d": lambda x: functional.dropout1d(x[None], 0.5),
    "feature_alpha_dropout": lambda x: functional.feature_alpha_dropout(x[None, :, :, None], 0.3),
    "alpha_dropout": lambda x: functional.alpha_dropout(x, 0.3),
    "randn_like": lambda x: gc.randn_like(x),
    "rand_like": lambda x: gc.rand_like(x),
    "randn": lambda x: gc.randn(x.shape[0], 2),
    "rand": lambda x: gc.rand(x.shape[0]),
    "randn double": lambda x: gc.randn(x.shape[0], 3, dtype=gc.float64),
    "rand half": lambda x: gc.rand(x.shape[0], 3, dtype=gc.float16),
    "bernoulli": lambda x: x.sigmoid().bernoulli(),
    "normal_": lambda x: x.normal_(2, 3),
    "uniform_": lambda x: x.uniform_(-1, 2),
    "exponential_": lambda x: x.exponential_(2),
    "gumbel_softmax": lambda x: functional.gumbel_softmax(x),
    "many": lambda x: gc.randn(x.shape[0] * 5, 7).sum() + gc.rand_like(x),
    "reparametrised": lambda x: x + gc.randn_like(x) * x.exp(),
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWS)
def test_draws(name: str) -> None:
    """Random draws of a dynamic size: eager's values, and the generator in eager's state."""
    of_x(DRAWS[name])


@pytest.mark.parametrize("name", ["randn half", "randint", "randperm"])
def test_draws_that_depend_on_the_size(name: str) -> None:
    """Draws for which eager mode takes other ways at other sizes, or whose number can't be told: right all the same."""
    calls = {
        "randn half": lambda x: gc.randn(x.shape[0], 3, dtype=gc.float16),
        "randint": lambda x: x + gc.randint(0, 9, (x.shape[0], 1)),
        "randperm": lambda x: x[gc.randperm(x.shape[0])],
    }
    program = gc.compile(calls[name], dynamic={"x": {0: ("N", MOST)}})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for size in (5, 1, 16, 2, 9):
            x = gc.randn(size, 3)
            gc.manual_seed(5)
            expected = calls[name](x)
            stream = default_generator.buffer.copy()
            gc.manual_seed(5)
            try:
                close(program(x), expected, f"{name} at {size}")
            except gc.CaptureError:
                return  # refused, with the line
            assert (default_generator.buffer == stream).all()
