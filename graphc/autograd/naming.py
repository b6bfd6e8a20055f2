"""Giving tape nodes PyTorch's names.

The tape holds primitives; PyTorch has one node for many functions that are composites here. While such a function
stands in the table of :mod:`graphc.autograd.node_names`, the node of its result is described: it is given PyTorch's
name and the nodes of the function's tensor arguments. Functions within it describe nothing, so the outermost one's
words stand. Descriptions are for who looks at the graph; the sweep goes by the real edges.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from graphc.autograd.descriptions import Template, template
from graphc.autograd.node_choices import OnlyWith
from graphc.autograd.node_names import FUNCTION_NODES
from graphc.autograd.tape import TapeNode, gradient_edge
from graphc.autograd.watching import mark_parts, switch
from graphc.ops.describing import register_describers
from graphc.recording import state

_SEVERAL = (tuple, list)
_TAKES_ANY_NUMBER = 0x04  # the flag of code with *arguments
# For each parameter of a template: where it stands among the arguments, its keyword, and whether it is a sequence.
Plan = tuple[tuple[int, str, bool], ...]


class Naming:
    """How the nodes of one public function are described; made once, when the function becomes public."""

    __slots__ = ("_choose", "_gathers", "_of_one", "_plans", "_positions", "_template", "before", "only_with", "whole")

    def __init__(self, function: Callable[..., Any], node: str | Callable[..., str | None]):
        code = inspect.unwrap(function).__code__
        names = code.co_varnames[: code.co_argcount]
        self._positions = {name: place for place, name in enumerate(names)}
        # Where *arguments are one parameter, its name and the first of them.
        self._gathers: tuple[str, int] | None = None
        if code.co_flags & _TAKES_ANY_NUMBER:
            variable = code.co_varnames[code.co_argcount + code.co_kwonlyargcount]
            self._gathers = variable, code.co_argcount
        self._choose = None if isinstance(node, str) else node
        self._template = template(node) if isinstance(node, str) else None
        self._plans: dict[Template, Plan] = {}
        # The template, where all that it says is which node the first argument has.
        self._of_one = self._template if self._template is not None and self._is_of_first(self._template) else None
        # Without this keyword nothing is described.
        self.only_with = node.keyword if isinstance(node, OnlyWith) else None
        # Where the function may write to its argument, the argument's node is asked for before it does.
        self.before = "inplace" in names
        # Whatever the arguments, the function is one node: nothing within it needs words of its own.
        self.whole = isinstance(node, str) or getattr(node, "__annotations__", {}).get("return") == "str"

    def _is_of_first(self, chosen: Template) -> bool:
        plan = self._plan(chosen)
        return len(plan) == 1 and plan[0][0] == 0 and not plan[0][2] and not chosen.saves and not chosen.saves_result

    def operands(
        self, arguments: tuple[Any, ...], keywords: dict[str, Any], result: Any = None
    ) -> tuple[Template, list[Any], Sequence[Any]] | None:
        """The template for a call, the nodes of its parameters, and which of them PyTorch saves, each with its version;
        None where PyTorch has no node of its own."""
        chosen = self._template
        if chosen is None:
            text = self._choose(result, *arguments, **keywords)
            if text is None:
                return None
            chosen = template(text)
        plan = self._plans.get(chosen)
        if plan is None:
            plan = self._plans[chosen] = self._plan(chosen)
        edges: list[Any] = []
        count = len(arguments)
        for place, name, several in plan:
            value = arguments[place] if place < count else keywords.get(name)
            if several:
                if self._gathers is not None and not isinstance(value, _SEVERAL):
                    value = arguments[place:]
                edges.append([_edge(tensor) for tensor in value])
            else:
                edges.append(gradient_edge(value) if hasattr(value, "_base") else None)
        return chosen, edges, self._saved(chosen, plan, edges, arguments, keywords) if chosen.saves else ()

    def _saved(
        self, chosen: Template, plan: Plan, edges: list[Any], arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> list[tuple[Any, int, Any]]:
        saved = []
        for parameter, needed in chosen.saves:
            if needed is None or edges[needed] is not None:
                place, name, _ = plan[parameter]
                value = arguments[place] if place < len(arguments) else keywords.get(name)
                if hasattr(value, "_base"):
                    version = 0 if value._memory is None else value._memory.version
                    saved.append((value, version, edges[parameter]))
        return saved

    def _plan(self, chosen: Template) -> Plan:
        plan = []
        for parameter in chosen.parameters:
            name = parameter.removeprefix("*")
            place = self._positions.get(name, _NOWHERE)
            if self._gathers is not None and self._gathers[0] == name:
                place = self._gathers[1]
            plan.append((place, name, parameter[0] == "*"))
        return tuple(plan)

    def describe(self, result: Any, operands: tuple[Template, list[Any], Sequence[Any]]) -> None:
        """Give the node (or nodes) of a result the words of a call."""
        node = getattr(result, "_grad_fn", None)
        if node is not None:
            _describe(node, *operands, 0, result)
        elif isinstance(result, _SEVERAL):
            for number, part in enumerate(result):
                node = getattr(part, "_grad_fn", None)
                if node is not None:
                    _describe(node, *operands, number, part)

    def __call__(self, result: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        """Describe what a call that has just ended gave."""
        node = getattr(result, "_grad_fn", None)
        if node is None and not isinstance(result, _SEVERAL):
            return
        if self._of_one is not None and arguments and node is not None and not switch.active:
            # The most common case: a function of one tensor, always of the same name.
            edge = _edge(arguments[0])
            if edge is not node:
                node.description = (self._of_one, (edge,), 0)
            return
        operands = self.operands(arguments, keywords, result)
        if operands is None:
            return
        if node is None:
            self.describe(result, operands)
        else:
            chosen, edges, saved = operands
            _describe(node, chosen, edges, saved, 0, result)


# Beyond any position: a parameter that can only be given by its keyword.
_NOWHERE = 1 << 30


def _edge(value: Any) -> Any:
    return gradient_edge(value) if hasattr(value, "_base") else None


def _describe(
    node: Any, chosen: Template, edges: list[Any], saved: Sequence[tuple[Any, int, Any]], number: int, result: Any
) -> None:
    for edge in edges:
        # The function gave back what it was given.
        if edge is node or (type(edge) is list and node in edge):
            return
    node.description = (chosen, edges, number)
    if (saved or chosen.saves_result) and isinstance(node, TapeNode):
        node.watch(saved, result, chosen.saves_result)
    if switch.active:
        mark_parts(node, [each for edge in edges for each in (edge if type(edge) is list else (edge,))])


def described(value: Any, text: str, input: Any) -> Any:
    """A value that a method has computed of its input, its node described; where it is the input, nothing is."""
    node = getattr(value, "_grad_fn", None)
    if node is not None and value is not input:
        node.description = (template(text), (_edge(input),), 0)
    return value


def describe_written(value: Any, text: str, **operands: Any) -> Any:
    """A value that is about to be written to memory, its node described; one that a node of its own does not stand
    behind is copied first, so that the written tensor has a place in the graph."""
    if not state.gradients or not value.requires_grad:
        return value
    chosen = template(text)
    edges = [_edge(operands[name]) for name in chosen.parameters]
    node = value._node()
    if node is None or any(edge is node for edge in edges):
        value = value.clone()
    value._grad_fn.description = (chosen, edges, 0)
    return value


def describe_copy_slices(node: Any, base: Any, written: Any) -> None:
    """Describe the node of a base whose memory was written through a view: it leads to the base's own node, and to the
    operands of what was written but the view."""
    if node is not None:
        if hasattr(written, "variable"):
            rest = [written]
        else:
            rest = [None] if written is None else [edge for edge, _ in written.next_functions[1:]]
        node.description = (template("CopySlices(base, *rest)"), (base, rest), 0)


def describe_index_put(node: Any, before: Any, index: Any, value: Any) -> None:
    """Describe the node of a tensor that was written to at places that tensors (or lists) look up, and nowhere else."""
    parts = index if isinstance(index, tuple) else (index,)
    looks_up = [hasattr(part, "apply") or isinstance(part, list | tuple) for part in parts]
    whole = [isinstance(part, slice) and part == slice(None) for part in parts]
    if any(looks_up) and all(map(any, zip(looks_up, whole, strict=True))):
        node.description = (template("IndexPutBackward0(input, value)"), (before, _edge(value)), 0)


# Namespaces whose functions PyTorch has under the same names elsewhere.
_SAME_NAMES = ("Tensor", "torch", "nn.functional")


def naming_of(function: Callable[..., Any], namespace: str | None = None) -> Naming | None:
    """How the results of a public function are described; None for one that is not in the table."""
    name = function.__name__
    node = FUNCTION_NODES.get(f"{namespace}.{name}" if namespace else name)
    if node is None and namespace in _SAME_NAMES:
        node = FUNCTION_NODES.get(name)
    return None if node is None else Naming(function, node)


register_describers(naming_of, described)
