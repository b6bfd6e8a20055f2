"""Control flow on data: ``scan``, ``cond``, and ``while_loop``, with PyTorch's signatures.

Eager mode runs the plain Python that they stand for. Inside a compiled function each is one node of the graph whose
bodies are regions, and a loop or a branch in the C that is made of it. A body is then run once, to be recorded: it
computes with tensors alone, and may read any tensor around it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from graphc.capture.errors import CaptureError
from graphc.capture.recorder import GraphRecorder
from graphc.capture.regions import RecordedBody, record_body, with_closed
from graphc.capture.trees import flatten, unflatten
from graphc.control.draws import separate, separate_branches
from graphc.control.operators import Cond, DrawingCond, DrawingScan, DrawingWhileLoop, Scan, WhileLoop
from graphc.ir.integers import Dimension
from graphc.ir.primitive import Attributes, Primitive
from graphc.ir.types import TensorType, bool_, int64
from graphc.ops.checks import CheckHolds
from graphc.ops.functions.shaping import movedim, stack
from graphc.ops.operands import cast, truth
from graphc.ops.sources import number_like
from graphc.recording import state
from graphc.sizes import expression_of
from graphc.tensor import Tensor


def scan(
    combine_fn: Callable[[Any, Any], tuple[Any, Any]], init: Any, xs: Any, *, dim: int = 0, reverse: bool = False
) -> tuple[Any, Any]:
    """Walk along a dimension of ``xs``, and carry a value from step to step.

    Args:
        combine_fn: takes the carried value and a slice of ``xs``; gives the next carried value and a result.
        init: the carried value at first: a tensor, or a tuple, list, or dict of tensors.
        xs: a tensor, or a tree of tensors that have the same size along ``dim``, at least 1.
        dim: the dimension to walk along.
        reverse: begin with the last slice. The results still stand in the order of the slices.

    Returns:
        the carried value after the last step, and the results stacked along ``dim`` (along dimension 0 where they have
        fewer dimensions), as trees.

    Raises:
        TypeError: where ``combine_fn`` gives anything but such a pair, or a carried value of another tree, shape, or
            dtype than ``init``.
        RuntimeError: where a tensor of ``xs`` has no such dimension, or sizes differ or are 0.
        CaptureError: inside a compiled function, where ``combine_fn`` does what can't be recorded.

    Source: torch._higher_order_ops.scan
    """
    carry, carry_tree = _tensors("init", init)
    slices, slices_tree = _tensors("xs", xs)
    dim, length, extent = _walk(slices, dim)
    rows = [movedim(tensor, dim, 0) if dim else tensor for tensor in slices]

    def laid(results: Iterable[Tensor]) -> Iterator[Tensor]:
        return (movedim(each, 0, dim) if 0 < dim < each.ndim else each for each in results)

    def combine(carried: Sequence[Tensor], row: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor], Any]:
        given = combine_fn(unflatten(carry_tree, iter(carried)), unflatten(slices_tree, iter(row)))
        if not isinstance(given, tuple | list) or len(given) != 2:
            raise TypeError(f"combine_fn gives the next carried value and a result; it gave {_shown(given)}")
        following, tree = _tensors("the carried value of combine_fn", given[0])
        _require_alike("combine_fn", "init", carry, carry_tree, following, tree)
        made, made_tree = _tensors("the result of combine_fn", given[1])
        return following, made, made_tree

    if state.recorder is None:
        results: list[list[Tensor]] = []
        tree: Any = None
        for step in reversed(range(length)) if reverse else range(length):
            before = [tensor._version for tensor in (*carry, *rows)]
            following, made, tree = combine(carry, [tensor[step] for tensor in rows])
            _refuse_writes("combine_fn", (*carry, *rows), before)
            carry = following
            results.append(made)
        if reverse:
            results.reverse()
        stacked = [stack(list(column)) for column in zip(*results, strict=True)]
        return unflatten(carry_tree, map(_own, carry)), unflatten(tree, laid(stacked))

    trees: list[Any] = []

    def body(*tensors: Tensor) -> list[Tensor]:
        following, made, tree = combine(tensors[: len(carry)], tensors[len(carry) :])
        trees.append(tree)
        return [*following, *made]

    first = length - 1 if reverse else 0
    samples = [*map(_sample, carry), *(_sample(tensor, first) for tensor in rows)]
    names = [*_names("carry", len(carry)), *_names("x", len(rows))]
    shapes = [*map(_symbolic_shape, carry), *(_symbolic_shape(tensor)[1:] for tensor in rows)]
    recorded = record_body("scan", body, samples, names, shapes, [combine_fn])
    (region,) = with_closed([recorded], len(samples), recorded.closed)
    attrs = {"body": region, "carried": len(carry), "sequences": len(rows), "length": extent, "reverse": reverse}
    operands = [*carry, *rows, *recorded.closed]
    found = _repeated(Scan.instance, DrawingScan.instance, operands, attrs)
    return unflatten(carry_tree, iter(found)), unflatten(trees[0], laid(found[len(carry) :]))


def cond(
    pred: bool | Tensor, true_fn: Callable[..., Any], false_fn: Callable[..., Any], operands: Sequence[Any] = ()
) -> Any:
    """``true_fn(*operands)`` where ``pred`` is true, else ``false_fn(*operands)``.

    Args:
        pred: a tensor of one element, or a Python truth value, by which a compiled function chooses once and for all.
        true_fn: gives a tensor, or a tuple, list, or dict of tensors.
        false_fn: gives the like of ``true_fn``: the same tree, shapes, and dtypes.
        operands: tensors, or trees of tensors.

    Raises:
        TypeError: inside a compiled function, where the branches do not give the like.
        CaptureError: inside a compiled function, where a branch does what can't be recorded. Both are recorded.

    Inside a compiled function what only the branch that is not taken reads has a gradient of zeros, as in PyTorch;
    eager mode leaves none.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cond.html
    """
    if not isinstance(operands, tuple | list):
        raise TypeError(f"cond takes its operands as a tuple or list, got {_shown(operands)}")
    if isinstance(pred, Tensor) and pred.numel() != 1:
        raise RuntimeError(f"Expected pred to be bool or single-element tensor, but got {_shown(pred)}.")
    if not isinstance(pred, Tensor):
        return (true_fn if pred else false_fn)(*operands)
    if state.recorder is None:
        made, tree = _tensors("the result of a branch", (true_fn if pred else false_fn)(*operands))
        return unflatten(tree, map(_own, made))
    given, tree = _tensors("operands", tuple(operands))
    trees: list[Any] = []

    chosen = truth(pred).reshape(())

    def branch(function: Callable[..., Any], name: str, runs: bool) -> RecordedBody:
        def body(*tensors: Tensor) -> list[Tensor]:
            made, made_tree = _tensors(f"the result of {name}", function(*unflatten(tree, iter(tensors))))
            trees.append(made_tree)
            return made

        names, shapes = _names("operand", len(given)), list(map(_symbolic_shape, given))
        return _recorded("cond", body, list(map(_sample, given)), names, shapes, [function], runs)

    taken = bool(chosen._settled)
    branches = [branch(true_fn, "true_fn", taken), branch(false_fn, "false_fn", not taken)]
    types = [[output.node.type.bind(_sizes()) for output in each.graph.outputs] for each in branches]
    if trees[0] != trees[1] or types[0] != types[1]:
        raise TypeError(
            f"the branches of cond give the like: true_fn gave {_listed(types[0])}, false_fn {_listed(types[1])}"
            + (" in another tree" if types[0] == types[1] else "")
        )
    closed = list({id(tensor): tensor for each in branches for tensor in each.closed}.values())
    then, otherwise = with_closed(branches, len(given), closed)
    arguments = [chosen, *given, *closed]
    if then.draws or otherwise.draws:
        drawing, (then, otherwise) = separate_branches([then, otherwise])
        arguments += _applied(DrawingCond.instance, arguments, {"then": drawing[0], "otherwise": drawing[1]})
    results = _applied(Cond.instance, arguments, {"then": then, "otherwise": otherwise})
    return unflatten(trees[0], iter(results))


def while_loop(
    cond_fn: Callable[..., Any],
    body_fn: Callable[..., Any],
    carried_inputs: Sequence[Any],
    *,
    max_iterations: int | None = None,
) -> Any:
    """``body_fn`` again and again on what it gave, as long as ``cond_fn`` of that is true.

    Args:
        cond_fn: takes the carried values; gives a bool tensor of shape [], or a Python bool.
        body_fn: takes the carried values; gives the next ones, of the same trees, shapes, and dtypes.
        carried_inputs: a tuple or list of tensors, or trees of tensors: the carried values at first.
        max_iterations: the most runs of ``body_fn``. A gradient inside a compiled function needs it, since each run
            keeps what its gradient will read; eager mode does not.

    Returns:
        the carried values for which ``cond_fn`` is false.

    Raises:
        TypeError: where the functions give something else than that.
        RuntimeError: where ``cond_fn`` is still true after ``max_iterations`` runs; inside a compiled function, where a
            gradient is asked for without ``max_iterations``.
        CaptureError: inside a compiled function, where they do what can't be recorded.

    Source: torch._higher_order_ops.while_loop
    """
    if not isinstance(carried_inputs, tuple | list):
        raise TypeError(f"while_loop carries a tuple or list, got {_shown(carried_inputs)}")
    if max_iterations is not None and (isinstance(max_iterations, bool) or max_iterations < 0):
        raise ValueError(f"max_iterations is a number of runs, got {max_iterations!r}")
    carry, tree = _tensors("carried_inputs", tuple(carried_inputs))

    def more(carried: Sequence[Tensor]) -> Any:
        found = cond_fn(*unflatten(tree, iter(carried)))
        if isinstance(found, bool) or (isinstance(found, Tensor) and _type_of(found) == TensorType(bool_, ())):
            return found
        raise TypeError(f"cond_fn must return a boolean scalar tensor or a boolean but got {_shown(found)}")

    def following(carried: Sequence[Tensor]) -> list[Tensor]:
        given = body_fn(*unflatten(tree, iter(carried)))
        wrapped = tuple(given) if isinstance(given, tuple | list) else (given,)
        new, new_tree = _tensors("what body_fn gives", wrapped)
        _require_alike("body_fn", "carried_inputs", carry, tree, new, new_tree)
        return new

    if state.recorder is None:
        runs = 0
        while more(carry):
            if runs == max_iterations:
                raise RuntimeError(_too_many(max_iterations))
            before = [tensor._version for tensor in carry]
            new = following(carry)
            _refuse_writes("body_fn", carry, before)
            carry, runs = new, runs + 1
        return unflatten(tree, map(_own, carry))

    begins = more(carry)
    if begins is False:
        return unflatten(tree, map(_own, carry))
    if begins is True:
        raise TypeError("inside a compiled function cond_fn gives a tensor: a Python bool would never change")

    def body(going: Tensor, runs: Tensor, *tensors: Tensor) -> list[Tensor]:
        new = following(tensors)
        goes_on = more(new)
        if isinstance(goes_on, bool):
            raise TypeError("inside a compiled function cond_fn gives a tensor: a Python bool would never change")
        return [goes_on, runs + 1, *new]

    zero = number_like(begins, 0, shape=(), dtype=int64)
    state_tensors = [begins, zero, *carry]
    names = ["goes_on", "runs", *_names("carry", len(carry))]
    shapes, samples = list(map(_symbolic_shape, state_tensors)), list(map(_sample, state_tensors))
    recorded = _recorded("while_loop", body, samples, names, shapes, [body_fn, cond_fn], bool(begins._settled))
    (region,) = with_closed([recorded], len(state_tensors), recorded.closed)
    attrs = {
        "body": region,
        "carried": len(state_tensors),
        "sequences": 0,
        "length": max_iterations,
        "conditional": True,
    }
    operands = [*state_tensors, *recorded.closed]
    results = _repeated(WhileLoop.instance, DrawingWhileLoop.instance, operands, attrs)
    if max_iterations is not None:
        goes_on = cast(results[0], int64)
        words = {"error": "RuntimeError", "message": _too_many(max_iterations)}
        goes_on.apply(CheckHolds.instance, (goes_on,), words)
    return unflatten(tree, iter(results[2:]))


def _too_many(runs: int) -> str:
    return f"while_loop ran {runs} times, its max_iterations, and its condition is still true"


def _recorded(
    operation: str,
    body: Callable[..., Sequence[Tensor]],
    samples: Sequence[Tensor],
    names: Sequence[str],
    shapes: Sequence[Sequence[Dimension]],
    written: Sequence[Callable[..., Any]],
    runs: bool,
) -> RecordedBody:
    """Record a body. One that does not run for the values that there are may fail on them, as an index does that it is
    there to keep out: then it is recorded on zeros."""
    try:
        return record_body(operation, body, samples, names, shapes, written)
    except (CaptureError, TypeError):
        raise
    except Exception:
        if runs:
            raise
    zeros = [Tensor.from_array(np.zeros_like(sample._array)) for sample in samples]
    for zero, sample in zip(zeros, samples, strict=True):
        zero._requires_grad = sample._requires_grad
    return record_body(operation, body, zeros, names, shapes, written)


def _repeated(
    primitive: Primitive, drawing: Primitive, operands: Sequence[Tensor], attrs: Attributes
) -> tuple[Tensor, ...]:
    """The results of a repetition; where its body draws, one that draws runs before one that is given the numbers."""
    body, carried, length = attrs["body"], attrs["carried"], attrs["length"]
    if not body.draws:
        return _applied(primitive, operands, attrs)
    if length is None:
        return _applied(drawing, operands, attrs)
    at = carried + attrs["sequences"]
    draws, given = separate(body, at, carried)
    drawn = _applied(drawing, operands, {**attrs, "body": draws})[carried:]
    more = {**attrs, "body": given, "sequences": attrs["sequences"] + len(drawn)}
    return _applied(primitive, [*operands[:at], *drawn, *operands[at:]], more)


def _applied(primitive: Primitive, operands: Sequence[Tensor], attrs: Attributes) -> tuple[Tensor, ...]:
    return operands[0].apply_several(primitive, operands, attrs)


def _tensors(what: str, tree: Any) -> tuple[list[Tensor], Any]:
    """The tensors of a tree and its description. Raises TypeError where there is anything else in it."""
    for leaf in _leaves(tree):
        if not isinstance(leaf, Tensor):
            raise TypeError(f"{what} may hold tensors, in tuples, lists, and dicts; it holds {_shown(leaf)}")
    return flatten(tree)


def _leaves(tree: Any) -> Iterator[Any]:
    if isinstance(tree, tuple | list):
        for item in tree:
            yield from _leaves(item)
    elif isinstance(tree, dict):
        yield from _leaves(list(tree.values()))
    else:
        yield tree


def _walk(slices: Sequence[Tensor], dim: int) -> tuple[int, int, Dimension]:
    """The dimension to walk along, counted from 0, and the number of slices: now, and as what it stands for."""
    shapes = ", ".join(str(_type_of(tensor)) for tensor in slices) or "no tensor"
    first = slices[0].ndim if slices else 0
    if not -first <= dim < first or any(
        tensor.ndim <= dim % first or tensor.shape[dim % first] < 1 for tensor in slices
    ):
        raise RuntimeError(
            "All xs leaves must at least have 'dim' number of dimensions and scan dimension > 0; "
            f"dim is {dim}, and xs holds {shapes}"
        )
    dim %= first
    length = slices[0].shape[dim]
    if any(tensor.shape[dim] != length for tensor in slices):
        raise RuntimeError(f"the tensors of xs have one size along dimension {dim}; xs holds {shapes}")
    return dim, slices[0]._array.shape[dim], expression_of(length)


def _require_alike(
    function: str, first: str, given: Sequence[Tensor], tree: Any, made: Sequence[Tensor], made_tree: Any
) -> None:
    """Raise TypeError unless the carried values are of the tree, shapes, and dtypes that they had at first."""
    types, new = list(map(_type_of, given)), list(map(_type_of, made))
    if tree != made_tree or types != new:
        raise TypeError(
            f"{function} gives carried values {_listed(new)}, expected {_listed(types)} as in {first}"
            + (", in the same tree" if types == new else "")
        )


def _refuse_writes(function: str, tensors: Sequence[Tensor], versions: Sequence[int]) -> None:
    if any(tensor._version != version for tensor, version in zip(tensors, versions, strict=True)):
        raise RuntimeError(f"{function} writes in place to what it is given; it gives new values instead")


def _sample(tensor: Tensor, row: int | None = None) -> Tensor:
    """A tensor that stands for another one, or for its rows, while a body is recorded."""
    array = tensor._settled if row is None else tensor._settled[row]
    sample = Tensor.from_array(array.copy())
    # A leaf of the body's own, of which the capture around need not know.
    sample._requires_grad = tensor.requires_grad
    return sample


def _own(tensor: Tensor) -> Tensor:
    """A result in memory of its own, as a program gives it: a body may give what it was given."""
    return tensor.clone()


def _names(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}_{number}" for number in range(count)]


def _type_of(tensor: Tensor) -> TensorType:
    return TensorType(tensor.dtype, tensor._array.shape)


def _symbolic_shape(tensor: Tensor) -> tuple[Dimension, ...]:
    """The shape of a tensor during a capture, with sizes as what they stand for."""
    return tuple(map(expression_of, tensor.shape))


def _sizes() -> dict[str, int]:
    """The sizes that are known at run time only, as they are now."""
    recorder = state.recorder
    assert isinstance(recorder, GraphRecorder)
    return {**recorder.fixed_values, **recorder.symbols}


def _listed(types: Sequence[TensorType]) -> str:
    return f"({', '.join(map(str, types))})"


def _shown(value: Any) -> str:
    return str(_type_of(value)) if isinstance(value, Tensor) else f"{type(value).__name__} {value!r:.60}"
