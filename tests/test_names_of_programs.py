"""Names that programs import from PyTorch's inner modules, against PyTorch's own."""

from __future__ import annotations

import collections
import importlib
import inspect
import warnings
from collections.abc import Callable
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


def one_buffer(t):
    tensors = [t.arange(6.0).reshape(2, 3).t(), t.ones(()), t.zeros(0, 2), t.arange(2.0)]
    flat = t._utils._flatten_dense_tensors(tensors)
    parts = t._utils._unflatten_dense_tensors(flat, tensors)
    parts[0].zero_()
    return flat, parts


def classes_of_results(t):
    kinds = t.return_types
    return (
        isinstance(t.ones(2, 2).max(0), kinds.max),
        isinstance(t.linalg.eigh(t.eye(2)), kinds.linalg_eigh),
        kinds.topk.__name__,
        isinstance(t.ones(3), _module(t, "_tensor").Tensor),
    )


def made_tensors(t):
    t.manual_seed(3)
    make, found = _module(t, "testing").make_tensor, []
    for dtype in (t.float32, t.float64, t.int64, t.int32, t.uint8, t.bool, t.complex64):
        for options in ({}, {"noncontiguous": True}, {"exclude_zero": True}, {"low": 0.5 if dtype.is_complex else 1}):
            made = make((3, 4), dtype=dtype, device="cpu", **options)
            found += [made, made.is_contiguous(), made.requires_grad]
    found += [make(2, 3, dtype=t.float32, device="cpu", low=-1e39, high=1e39, requires_grad=True)]
    return [*found, make((), dtype=t.int8, device="cpu", low=-500, high=3)]


def made_of_wrong_bounds(t):
    words, make = [], _module(t, "testing").make_tensor
    for dtype, options in (
        (t.float32, {"low": 2.0, "high": 1.0}),
        (t.float32, {"low": float("nan")}),
        (t.uint8, {"low": 256, "high": 300}),
        (t.int64, {"requires_grad": True}),
        (t.float32, {"noncontiguous": True, "memory_format": t.contiguous_format}),
    ):
        try:
            make(2, dtype=dtype, device="cpu", **options)
        except ValueError as error:
            words.append(str(error))
    return words


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


# -- nests of containers

Pair = collections.namedtuple("Pair", "one other")


def _nest(leaf):
    return {
        "b": [leaf(1), (leaf(2), None)],
        "a": collections.OrderedDict(z=leaf(3), y=Pair(leaf(4), [])),
        "c": collections.defaultdict(list, q=leaf(5)),
        "d": collections.deque([leaf(6)], maxlen=3),
    }


def _pytree(t):
    return _module(t, "utils._pytree")


NESTS: dict[str, Callable[[Any, Any], Any]] = {
    "leaves": lambda t, p: p.tree_flatten(_nest(float))[0],
    "counts": lambda t, p: (s := p.tree_structure(_nest(float))) and (s.num_leaves, s.num_nodes, s.num_children),
    "back": lambda t, p: repr(p.tree_unflatten(range(7), p.tree_structure(_nest(float)))),
    "map": lambda t, p: repr(p.tree_map(str, _nest(int))),
    "map of two": lambda t, p: repr(p.tree_map(lambda a, b: (a, b), {"x": [1, 2], "y": 3}, {"y": 5, "x": [(1,), 4]})),
    "map of tensors": lambda t, p: [*p.tree_map_only(t.Tensor, lambda x: x * 2, [t.ones(2), 3])],
    "map of some": lambda t, p: p.tree_map_only((int, str), str, [1, 2.5, "a", {"b": 3}]),
    "map by a function": lambda t, p: p.tree_map_only(lambda x: x == 1, str, [1, 2]),
    "own leaves": lambda t, p: p.tree_leaves([(1, 2), [3]], is_leaf=lambda x: isinstance(x, tuple)),
    "one leaf": lambda t, p: (p.tree_leaves(None), p.tree_map(str, 3), p.tree_structure(1).is_leaf()),
    "equal": lambda t, p: (
        p.tree_structure([1, (2,)]) == p.tree_structure([3, (4,)]),
        p.tree_structure([1]) == p.tree_structure((1,)),
        p.tree_structure({"a": 1}) == p.tree_structure({"b": 1}),
    ),
    "all and any": lambda t, p: (p.tree_all(bool, [1, 0]), p.tree_any(bool, [1, [0]])),
    "sizes": lambda t, p: repr(p.tree_map(lambda n: n + 1, t.ones(2, 3).shape)),
    "too few": lambda t, p: p.tree_unflatten([1], p.tree_structure((1, 2))),
    "no description": lambda t, p: p.tree_unflatten([1], 3),
    "other kinds": lambda t, p: p.tree_map(max, [1], (1,)),
    "other counts": lambda t, p: p.tree_map(max, [1], [1, 2]),
    "other keys": lambda t, p: p.tree_map(max, {"a": 1}, {"b": 1}),
}


@pytest.mark.parametrize("name", NESTS)
def test_nests_of_containers(name: str) -> None:
    """Nests are taken apart, put together, and mapped as by PyTorch, errors by their kind."""
    assert_like_torch(lambda t: NESTS[name](t, _pytree(t)), words=0)


def test_registered_containers() -> None:
    """Instances of a class of the program's hold parts once it is registered."""

    class Box:
        def __init__(self, parts: Any, note: str):
            self.parts, self.note = parts, note

    def boxes(t: Any) -> Any:
        p = _pytree(t)
        p.register_pytree_node(Box, lambda box: (list(box.parts), box.note), lambda parts, note: Box(parts, note))
        mapped = p.tree_map(lambda x: x + 1, [Box([1, 2], "n")])[0]
        return p.tree_leaves(Box([1, [2]], "")), list(mapped.parts), mapped.note

    assert_like_torch(boxes)
    with pytest.raises(ValueError, match="already registered"):
        _pytree(graphc).register_pytree_node(Box, None, None)
