"""Saved tensors that the user packs, gradient edges, checkpoints, and anomaly mode, against PyTorch."""

from __future__ import annotations

import importlib
import re
import warnings
from typing import Any

import pytest

import graphc as gc
from tests.autograd.scenarios import assert_like_torch, in_order


def leaf(t: Any) -> Any:
    return t.tensor([1.0, -2.0, 3.0], requires_grad=True)


def library(t: Any, name: str) -> Any:
    """A module of a library that is not imported with it."""
    return importlib.import_module(f"{t.__name__}.{name}")


# -- packing


def packed_and_unpacked(t):
    x, w, seen = leaf(t), leaf(t), []

    def pack(tensor):
        seen.append("pack")
        return tensor.detach().clone()

    def unpack(kept):
        seen.append("unpack")
        return kept

    with t.autograd.graph.saved_tensors_hooks(pack, unpack):
        y = (x * w).sum()
    before = list(seen)
    y.backward()
    return before, seen, x.grad, w.grad


def packed_as_something_else(t):
    x = leaf(t)
    with t.autograd.graph.saved_tensors_hooks(lambda tensor: tensor.tolist(), t.tensor):
        y = (x * x).exp().sum()
    y.backward()
    return x.grad


def packed_second_order(t):
    x = leaf(t)
    with t.autograd.graph.saved_tensors_hooks(lambda tensor: tensor.clone(), lambda kept: kept):
        y = (x**3).sum()
    (g,) = t.autograd.grad(y, x, create_graph=True)
    return t.autograd.grad(g.sum(), x)


def packed_result(t):
    x = leaf(t)
    with t.autograd.graph.saved_tensors_hooks(lambda tensor: tensor * 2, lambda kept: kept):
        y = x.exp().sum()
    y.backward()
    return x.grad


def unpacks_to_a_number(t):
    x = leaf(t)
    with t.autograd.graph.saved_tensors_hooks(lambda tensor: 3, lambda kept: kept):
        y = (x * x).sum()
    y.backward()


def saved_on_the_processor(t):
    x = leaf(t)
    with t.autograd.graph.save_on_cpu():
        y = (x * x).sum()
    y.backward()
    return x.grad


def packed_in_a_function(t):
    x, seen = leaf(t), []

    class Own(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 2 * x

    with t.autograd.graph.saved_tensors_hooks(lambda tensor: seen.append(1) or tensor.detach(), lambda kept: kept):
        y = Own.apply(x).sum()
    y.backward()
    return seen, x.grad


# -- edges


def gradient_of_an_edge(t):
    x = leaf(t)
    y = x * 2
    edge = t.autograd.graph.get_gradient_edge(y)
    (g,) = t.autograd.grad((y * y).sum(), [edge])
    return g, edge.output_nr


def edge_as_root(t):
    x = leaf(t)
    t.autograd.backward(t.autograd.graph.get_gradient_edge(x * 2), t.ones(3))
    return x.grad


def edge_of_nothing(t):
    t.autograd.graph.get_gradient_edge(t.ones(3))


def nodes_are_nodes(t):
    return isinstance((leaf(t) * 2).grad_fn, t.autograd.graph.Node)


def batched_gradients(t):
    x = leaf(t)
    return t.autograd.grad(x**2, x, t.eye(3), is_grads_batched=True)


def unused_made_and_not_allowed(t):
    x = leaf(t)
    t.autograd.grad((x * 2).sum(), x, materialize_grads=True, allow_unused=False)


def no_inputs(t):
    t.autograd.grad(leaf(t).sum(), [])


def cotangent_of_another_dtype(t):
    x = leaf(t)
    x.sum().backward(t.ones((), dtype=t.float64))
    return x.grad


def cotangent_is_no_tensor(t):
    leaf(t).sum().backward(3)


def too_few_cotangents(t):
    x = leaf(t)
    t.autograd.backward([x.sum(), x.sum()], [None])


def truth_has_no_gradient(t):
    (leaf(t) > 1).sum().backward()


def both_names_of_cotangents(t):
    t.autograd.backward(leaf(t).sum(), t.tensor(1.0), grad_variables=t.tensor(1.0))


def old_name_of_cotangents(t):
    x = leaf(t)
    t.autograd.backward(x.sum(), grad_variables=t.tensor(3.0))
    return x.grad


def variable(t):
    x = t.autograd.Variable(t.ones(2), requires_grad=True)
    (x * 2).sum().backward()
    return x.grad, isinstance(t.ones(2), t.autograd.Variable), t.autograd.Variable(t.ones(2)).requires_grad


# -- checkpoints


def checkpointed(t, reentrant):
    checkpoint = library(t, "utils.checkpoint").checkpoint
    x, w, calls = leaf(t), leaf(t), []

    def f(x, w):
        calls.append(1)
        return (x * w).tanh() * w.exp()

    y = checkpoint(f, x * 1, w, use_reentrant=reentrant)
    before = len(calls)
    (y * y).sum().backward()
    return y, before, len(calls), x.grad, w.grad


def checkpoint_by_what_is_saved(t):
    return checkpointed(t, False)


def checkpoint_by_a_pass_within(t):
    return checkpointed(t, True)


def checkpoint_with_random_numbers(t):
    checkpoint = library(t, "utils.checkpoint").checkpoint
    found = []
    for reentrant in (True, False):
        t.manual_seed(3)
        x = leaf(t)
        y = checkpoint(lambda x: t.nn.functional.dropout(x * x, 0.5), x, use_reentrant=reentrant)
        t.rand(5)
        y.sum().backward()
        found.append((y, x.grad, t.rand(2)))
    return found


def checkpoint_with_keywords(t):
    checkpoint = library(t, "utils.checkpoint").checkpoint
    x = leaf(t)
    checkpoint(lambda x, scale: (x * scale).exp(), x, scale=2.0, use_reentrant=False).sum().backward()
    return x.grad


def checkpoint_of_several_parts(t):
    sequential = library(t, "utils.checkpoint").checkpoint_sequential
    x = leaf(t)
    parts = [t.exp, t.sin, lambda x: x * x]
    sequential(parts, 2, x, use_reentrant=False).sum().backward()
    return x.grad


def checkpoint_within_a_checkpoint(t):
    checkpoint = library(t, "utils.checkpoint").checkpoint
    x = leaf(t)

    def inner(x):
        return (x * x).sin()

    def outer(x):
        return checkpoint(inner, x.exp(), use_reentrant=False) * x

    checkpoint(outer, x, use_reentrant=False).sum().backward()
    return x.grad


def checkpoint_that_saves_less(t):
    checkpoint = library(t, "utils.checkpoint").checkpoint
    x, calls = leaf(t), []

    def f(x):
        calls.append(1)
        return x.exp().sin() if len(calls) == 1 else x.exp()

    y = checkpoint(f, x, use_reentrant=False)
    try:
        y.sum().backward()
    except RuntimeError as error:
        return type(error).__name__, "number of tensors" in str(error)


# -- anomalies


def told(t: Any, run: Any) -> Any:
    """The words of the error and of the warnings that a run in anomaly mode gives."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        error = ""
        try:
            run()
        except RuntimeError as raised:
            error = str(raised)
    texts = [re.sub(r" *\(Triggered.*", "", str(each.message), flags=re.DOTALL).strip() for each in caught]
    return error, [
        re.sub(r".*, line (\d+), in (told|__call__|test_|pytest).*\n", "", text).split("\n")[0] for text in texts
    ]


def nan_is_found(t):
    def run():
        with t.autograd.detect_anomaly():
            (t.zeros(3, requires_grad=True).sqrt() * 0).sum().backward()

    return told(t, run)


def nan_within_a_function_of_several_operations(t):
    def run():
        x = leaf(t)
        with t.autograd.set_detect_anomaly(True):
            y = t.nn.functional.linear(x[None], t.full((2, 3), float("inf")), t.ones(2))
            (y.sum() * 0).backward()

    return told(t, run)


def nan_of_a_function_of_ones_own(t):
    class Broken(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * float("nan")

    def run():
        with t.autograd.set_detect_anomaly(True):
            Broken.apply(leaf(t)).sum().backward()

    return told(t, run)


def nan_is_not_looked_for(t):
    def run():
        with t.autograd.detect_anomaly(check_nan=False):
            (t.zeros(3, requires_grad=True).sqrt() * 0).sum().backward()

    return told(t, run)


def forward_was_not_watched(t):
    def run():
        y = t.zeros(3, requires_grad=True).sqrt() * 0
        with t.autograd.set_detect_anomaly(True):
            y.sum().backward()

    return told(t, run)


def error_is_explained(t):
    def run():
        with t.autograd.set_detect_anomaly(True):
            y = leaf(t) * 1
            z = y * y
            y.add_(1)
            z.sum().backward()

    return told(t, run)


def anomaly_flags(t):
    before = t.is_anomaly_enabled()
    t.autograd.set_detect_anomaly(True)
    within = t.is_anomaly_enabled(), t.is_anomaly_check_nan_enabled()
    t.autograd.set_detect_anomaly(False)
    return before, within, t.is_anomaly_enabled()


def frozen_after_use(t):
    """A leaf that wants no gradient any more by the time of the sweep gets none; one that wants it again does."""
    w, a = leaf(t), t.zeros(3)
    a.add_(w)
    w.requires_grad_(False)
    a.sum().backward()
    frozen = w.grad is None
    w.requires_grad_(True)
    (a * 2).sum().backward()
    return frozen, w.grad


SCENARIOS = in_order(globals(), leaf, library, checkpointed, told)
# PyTorch says the type alone.
WORDS = {"unpacks_to_a_number": 9, "cotangent_is_no_tensor": 0}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_like_torch(scenario: Any) -> None:
    """Results, what was called on the way, and the words of errors and warnings are PyTorch's."""
    assert_like_torch(scenario, words=WORDS.get(scenario.__name__))


def test_an_anomaly_names_the_forward_line() -> None:
    """The warning shows this file's line, and no line of the library."""
    with gc.autograd.set_detect_anomaly(True):
        y = gc.zeros(2, requires_grad=True).sqrt()
        loss = (y * 0).sum()
        with (
            pytest.warns(UserWarning, match="SqrtBackward0") as caught,
            pytest.raises(RuntimeError, match="nan values"),
        ):
            loss.backward()
    text = str(caught[0].message)
    assert "y = gc.zeros(2, requires_grad=True).sqrt()" in text
    assert "in sqrt" not in text
