"""Names that programs import from PyTorch's inner modules, against PyTorch's own."""

from __future__ import annotations

import importlib
import inspect
import warnings
from typing import Any

import pytest
import torch

import graphc
from tests.autograd.scenarios import assert_like_torch, in_order


def _module(t: Any, name: str) -> Any:
    return importlib.import_module(f"{t.__name__}.{name}")


def views(t):
    x = t.ones(2, 3, requires_grad=True)
    with t.no_grad():
        unrecorded = t.ones(3)[1:]
    return [y._is_view() for y in (x, x[0], x.detach(), x.t(), x * 2, unrecorded, (x * 2)[0], x[0].clone())]


def hooks(t):
    x = t.ones(2, requires_grad=True)
    y = x * 2
    none = [value._backward_hooks is None for value in (x, y, t.ones(1))]
    kept = [value.register_hook(lambda gradient: None) for value in (x, y)]
    return none, [len(value._backward_hooks) for value in (x, y)], len(kept)


def notes_of_nodes(t):
    x = t.ones(2, requires_grad=True)
    y = x * 2
    before = dict(y.grad_fn.metadata)
    y.grad_fn.metadata["place"] = 3
    return before == {}, y.grad_fn.metadata["place"], (y * 2).grad_fn.metadata == {}


def _same(value):
    return value


def no_functions_for_what_is_saved(t):
    graph, words = t.autograd.graph, []
    for first, second in (
        (graph.disable_saved_tensors_hooks("no"), graph.save_on_cpu()),
        (graph.saved_tensors_hooks(_same, _same), graph.disable_saved_tensors_hooks("not now")),
    ):
        try:
            with first, second:
                pass
        except RuntimeError as error:
            words.append(str(error))
    with graph.disable_saved_tensors_hooks("a"):
        with graph.disable_saved_tensors_hooks("b"):
            pass
        try:
            graph.saved_tensors_hooks(_same, _same).__enter__()
        except RuntimeError as error:
            words.append(str(error))
    x = t.ones(2, requires_grad=True)
    with graph.saved_tensors_hooks(_same, _same):
        (x * x).sum().backward()
    return words, x.grad


def moved_in(t):
    return [t.nn.modules.module._addindent(text, 4) for text in ("a", "a\nb\n\n c", "")]


def reductions(t):
    numbers = t.nn.functional._Reduction
    found = [numbers.get_enum(name) for name in ("none", "mean", "sum")]
    for size_average in (None, True, False):
        for reduce in (None, True, False):
            for warns in (False, True):
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    found.append(numbers.legacy_get_string(size_average, reduce, warns))
                    found.append(numbers.legacy_get_enum(size_average, reduce, warns))
                found += [str(each.message) for each in caught]
    return found


def reduction_of_no_kind(t):
    return t.nn.functional._Reduction.get_enum("most")


def generators_of_gpus(t):
    module = _module(t, "cuda.random")
    module.manual_seed(3)
    return module.get_rng_state_all(), t.cuda.random is module


def probabilities(t):
    utils = _module(t, "distributions.utils")
    probs = t.tensor([0.0, 0.25, 0.75, 1.0])
    logits = t.tensor([-1.0, 0.5, 3.0])
    return (
        [utils.logits_to_probs(logits, two) for two in (False, True)],
        [utils.probs_to_logits(probs, two) for two in (False, True)],
        utils.clamp_probs(probs),
        utils.broadcast_all(1.0, t.ones(2, 1), t.zeros(3)),
    )


def lower_triangles(t):
    utils = _module(t, "distributions.utils")
    matrix = t.arange(32.0).reshape(2, 4, 4)
    found = []
    for diag in range(-3, 4):
        vector = utils.tril_matrix_to_vec(matrix, diag)
        found += [vector, utils.vec_to_tril_matrix(vector, diag)]
    return found


def no_lower_triangle(t):
    return _module(t, "distributions.utils").vec_to_tril_matrix(t.ones(5))


def no_diagonal(t):
    return _module(t, "distributions.utils").tril_matrix_to_vec(t.ones(2, 2), 2)


def computed_once(t):
    class Owner:
        count = 0

        @_module(t, "distributions.utils").lazy_property
        def value(self):
            self.count += 1
            return self.count

    owner = Owner()
    return owner.value, owner.value


@pytest.mark.parametrize("scenario", in_order(globals(), assert_like_torch, in_order), ids=lambda each: each.__name__)
def test_names_do_what_they_do_in_pytorch(scenario: Any) -> None:
    """The names are there and give what PyTorch's give."""
    assert_like_torch(scenario)


def test_types_for_annotations() -> None:
    """The types that PyTorch's own annotations use are spelled alike."""
    for name, theirs in inspect.getmembers(torch.nn.common_types):
        if name.endswith("_t"):
            own = getattr(graphc.nn.common_types, name)
            assert str(own).replace("graphc.tensor.", "torch.") == str(theirs), name
