"""What every public function has around it: ``out=``, and errors that name the call and the user's line."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from graphc.device_memory import use as device_use
from graphc.notices import warn
from graphc.ops.argument_kinds import refuse_wrong_kinds
from graphc.ops.autocasting import in_precision, precision_of
from graphc.ops.describing import describer_of, here
from graphc.ops.functions.memory_order import ordered
from graphc.ops.functions.older_calls import in_newer_form
from graphc.ops.functions.outdated import NOTICES, noticed
from graphc.ops.functions.random_values import with_own_streams
from graphc.ops.functions.return_types import out_type
from graphc.ops.memory_overlap import require_apart
from graphc.ops.one_device import here as placement
from graphc.ops.one_device import on_one_device
from graphc.ops.operands import cast, is_value
from graphc.ops.overriding import UNANSWERED, answer, answers_late
from graphc.ops.overriding import switch as overriding
from graphc.ops.promotion import require_castable
from graphc.recording import state
from graphc.source_lines import note_call

# Other names of arguments that PyTorch takes as well: numpy's, and those of functions that it has under one name with
# several of them.
_OTHER_NAMES = {
    "axis": "dim",
    "keepdims": "keepdim",
    "x": "input",
    "a": "input",
    "x1": "input",
    "x2": "other",
    "split_size": "split_size_or_sections",
    "train": "training",
}


def with_own_names(function: Callable[..., Any], keywords: dict[str, Any]) -> dict[str, Any] | None:
    """Keyword arguments with other names replaced where the function has its own alone; None where none has."""
    if keywords.keys().isdisjoint(_OTHER_NAMES):
        return None
    known = inspect.signature(function).parameters
    own = {name: _OTHER_NAMES.get(name, name) if name not in known else name for name in keywords}
    return {own[name]: value for name, value in keywords.items()} if own.keys() != set(own.values()) else None


_SEVERAL = (tuple, list)
# What a function raises that is given arguments in another form than its own.
_OF_OTHER_ARGUMENTS = (TypeError, AttributeError)


def public(
    function: Callable[..., Any], namespace: str | None = None, out_may_overlap: bool = False
) -> Callable[..., Any]:
    """The function as users call it: one frame more, and nothing else for a call that succeeds, unless PyTorch has a
    node of its own for the function.

    ``out_may_overlap``: what is given as ``out=`` may share memory with what is read.
    """
    name = function.__name__.strip("_")
    if namespace is None and name in NOTICES:
        function = noticed(function, NOTICES[name])
    if "generator" in inspect.signature(function).parameters:
        function = with_own_streams(function)
    if namespace is None:
        function = ordered(function, name)
    naming = describer_of(function, namespace)
    precision = precision_of(f"{namespace}.{name}" if namespace else name)
    only_with = None if naming is None else naming.only_with
    # Whether more than the function itself has to run for some calls of it.
    before, whole = (False, False) if naming is None else (naming.before, naming.whole)

    @functools.wraps(function)
    def operator(*arguments: Any, **keywords: Any) -> Any:
        if device_use.active and not placement.within:
            return on_one_device(function, operator, arguments, keywords)
        if precision is not None and state.autocast is not None and state.phase != "backward":
            return in_precision(precision, operator, arguments, keywords)
        if overriding.active:
            result = answer(operator, arguments, keywords)
            if result is not UNANSWERED:
                return result
        try:
            if keywords and "out" in keywords:
                return _written(function, name, arguments, keywords, out_may_overlap)
            if naming is None or (only_with is not None and only_with not in keywords):
                return function(*arguments, **keywords)
            if not state.gradients or here.whole:
                return function(*arguments, **keywords)
            if before:
                operands = naming.operands(arguments, keywords)
                result = function(*arguments, **keywords)
                if operands is not None:
                    naming.describe(result, operands)
                return result
            if whole:
                here.whole = True
                try:
                    result = function(*arguments, **keywords)
                finally:
                    here.whole = False
            else:
                result = function(*arguments, **keywords)
            if getattr(result, "_grad_fn", None) is not None or isinstance(result, _SEVERAL):
                naming(result, arguments, keywords)
            return result
        except Exception as error:
            result = _otherwise(operator, function, name, error, arguments, keywords)
            if result is UNANSWERED:
                raise
            return result

    operator.explains_errors = True
    return operator


def _otherwise(
    operator: Callable[..., Any],
    function: Callable[..., Any],
    name: str,
    error: Exception,
    arguments: tuple[Any, ...],
    keywords: dict[str, Any],
) -> Any:
    """What a call gives that failed: the answer of an operand's class, or the result of the same call in its present
    form; UNANSWERED where there is neither, with a note on the error. Raises another error where PyTorch has one."""
    if answers_late(error, arguments, keywords):
        return answer(operator, arguments, keywords)
    if type(error) in _OF_OTHER_ARGUMENTS:
        renamed = with_own_names(function, keywords)
        if renamed is not None:
            return operator(*arguments, **renamed)
        newer = in_newer_form(name, arguments, keywords)
        if newer is not None:
            return operator(*newer[0], **newer[1])
    refuse_wrong_kinds(error, function, name, arguments, keywords)
    note_call(error, name, arguments, keywords)
    return UNANSWERED


# These may not be given the very tensor that they write to either.
_OF_OTHER_OPERANDS = frozenset(["cat", "concat", "concatenate", "gather", "index_select", "stack", "take"])


def _written(
    function: Callable[..., Any],
    name: str,
    arguments: tuple[Any, ...],
    keywords: dict[str, Any],
    out_may_overlap: bool,
) -> Any:
    """A call that is given ``out=``."""
    others = dict(keywords)
    out = others.pop("out")
    if out is None:
        return function(*arguments, **others)
    if not out_may_overlap:
        for tensor in out if type(out) in (list, tuple) else (out,):
            if is_value(tensor):
                require_apart(tensor, (*arguments, *others.values()), itself=name not in _OF_OTHER_OPERANDS)
    return write_out(name, function(*arguments, **others), out)


def write_out(name: str, result: Any, out: Any) -> Any:
    """Write a result (or several) to the tensors given as ``out=``, and give those.

    A tensor of another shape is given the result's. Raises RuntimeError, with PyTorch's words, for a tensor that
    requires a gradient or whose dtype cannot hold the result.
    """
    if isinstance(out, Sequence) and not hasattr(out, "apply"):
        written = [write_out(name, part, target) for part, target in zip(result, out, strict=True)]
        return out_type(type(result))(*written) if hasattr(result, "_fields") else tuple(written)
    if state.gradients and (out.requires_grad or result.requires_grad):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the "
            "arguments requires grad."
        )
    require_castable(result.dtype, out.dtype)
    if tuple(out.shape) != tuple(result.shape):
        if out.numel():
            warn(
                f"An output with one or more elements was resized since it had shape {list(out.shape)}, which does "
                f"not match the required output shape {list(result.shape)}.",
            )
        out.resize_(result.shape)
    return out._assign(cast(result, out.dtype))
