"""What a tape node is called, and where it leads, in PyTorch's words: templates, and nodes described by them."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

from graphc.autograd.node_names import PRIMITIVE_NODES
from graphc.autograd.node_saves import NODE_SAVES, SECOND_NODES, VIEWS, SecondNode

_TOKENS = re.compile(r"\w+|[(),*]")


def camel_case(name: str) -> str:
    """``log_softmax`` as ``LogSoftmax``, a digit before a letter as PyTorch has it (``log1p``: ``Log1P``)."""
    return "".join(word.title() for word in name.split("_"))


def node_of_primitive(node: Any) -> tuple[str, Sequence[Any]]:
    """The name that PyTorch has for the tape node of a primitive, and which of the node's edges its own has."""
    name = node.primitive.name
    known = PRIMITIVE_NODES.get(name) or f"{camel_case(name)}Backward0"
    if isinstance(known, str):
        return known, node.edges
    chosen, positions = known(node)
    return chosen, [node.edges[position] for position in positions]


class Template:
    """A node as PyTorch makes it: its name, and for each operand a parameter's name, another template, or None."""

    __slots__ = ("name", "operands", "parameters", "saves", "saves_result", "second")

    def __init__(self, name: str, operands: Sequence[str | Template | None]):
        self.name = name
        self.operands = tuple(operands)
        found: list[str] = []
        for operand in self.operands:
            found += operand.parameters if isinstance(operand, Template) else [operand] if operand else []
        self.parameters = tuple(dict.fromkeys(found))
        # Of what PyTorch's node saves and the rules here may not: the places of parameters, each with that of the one
        # that must need a gradient for it, or None; and whether the result is saved.
        self.saves = tuple(dict.fromkeys(self._saved()))
        self.saves_result = "result" in NODE_SAVES.get(name, ())
        self.second = self._second()

    def _saved(self) -> list[tuple[int, int | None]]:
        found = []
        for entry in NODE_SAVES.get(self.name, ()):
            place, _, beside = entry.partition("/")
            needed = self._parameters_at(beside)
            found += [(parameter, needed[0] if needed else None) for parameter in self._parameters_at(place)]
        for operand in self.operands:
            if isinstance(operand, Template):
                found += [
                    (self.parameters.index(operand.parameters[place]), None)
                    for place, needed in operand.saves
                    if needed is None
                ]
        return found

    def _second(self) -> SecondNode | None:
        """What stands behind the gradients; where views follow the function's own node, that has the say."""
        second = SECOND_NODES.get(self.name)
        if second is None and self.name.startswith(("Squeeze", "View")):
            inner = next((operand for operand in self.operands if isinstance(operand, Template)), None)
            return None if inner is None else inner.second
        return second

    def _parameters_at(self, place: str) -> list[int]:
        """The parameters whose memory an operand is."""
        if not place.isdigit() or int(place) >= len(self.operands):
            return []
        operand = self.operands[int(place)]
        while isinstance(operand, Template) and operand.name in VIEWS:
            operand = operand.operands[0]
        return [self.parameters.index(operand)] if isinstance(operand, str) and operand[0] != "*" else []


@functools.lru_cache(maxsize=4096)
def template(text: str) -> Template:
    """The template that a text such as ``AddmmBackward0(bias, input, TBackward0(weight))`` stands for.

    ``*tensors`` is every tensor of a sequence, ``None`` an operand that has no node.
    """
    tokens = _TOKENS.findall(text)
    position = 0

    def parse() -> Template | str | None:
        nonlocal position
        word = tokens[position]
        position += 1
        if word == "*":
            word = f"*{tokens[position]}"
            position += 1
        if position >= len(tokens) or tokens[position] != "(":
            return None if word == "None" else word
        operands = []
        position += 1
        while tokens[position] != ")":
            operands.append(parse())
            position += tokens[position] == ","
        position += 1
        return Template(word, operands)

    return parse()


# PyTorch's words for a tape node: a template, the nodes of its parameters in their order (lists for sequences), and
# which of the function's results the node made. A plain tuple, since one is made for every call of such a function.
Description = tuple["Template", Sequence[Any], int]


def described_functions(description: Description) -> tuple[tuple[Any, int], ...]:
    """The ``next_functions`` of a described node."""
    from graphc.autograd.tape import dressed

    return tuple((dressed(node), output_number(node)) for node in _nodes(description))


def place_of(description: Description, node: Any) -> int:
    """The operand of a described node that leads to another node."""
    chosen, edges, _ = description
    found = dict(zip(chosen.parameters, edges, strict=True))
    for place, operand in enumerate(chosen.operands):
        names = operand.parameters if isinstance(operand, Template) else (operand,)
        for edge in (found.get(name) for name in names):
            if edge is node or (type(edge) is list and any(each is node for each in edge)):
                return place
    return 0


def _nodes(description: Description) -> list[Any]:
    chosen, edges, _ = description
    found = dict(zip(chosen.parameters, edges, strict=True))
    nodes: list[Any] = []
    for operand in chosen.operands:
        if isinstance(operand, Template):
            nodes.append(DescribedNode((operand, [found[name] for name in operand.parameters], 0)))
        elif operand is None:
            nodes.append(None)
        elif operand[0] == "*":
            nodes += found[operand]
        else:
            nodes.append(found[operand])
    return nodes


def output_number(node: Any) -> int:
    """Which result of its function a node made."""
    if hasattr(node, "core"):
        return node.place
    description = getattr(node, "description", None)
    return 0 if description is None else description[2]


class DescribedNode:
    """A node that PyTorch has and the tape has not: the transpose within ``linear``, the view before a product."""

    __slots__ = ("description",)

    def __new__(cls, description: Description) -> Any:
        node = object.__new__(named_class(DescribedNode, description[0].name))
        node.description = description
        return node

    def __init__(self, description: Description):
        pass

    def name(self) -> str:
        """PyTorch's name for the node."""
        return self.description[0].name

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        return described_functions(self.description)

    def register_hook(self, hook: Callable[..., Any]) -> Any:
        """Raises RuntimeError: the gradient is not computed at this place."""
        raise RuntimeError(
            f"{self.name()} is a part of a function that graphc differentiates as a whole: register the hook on the "
            "function's result or on its tensors"
        )

    register_prehook = register_hook

    def __repr__(self) -> str:
        return f"<{self.name()} object at {hex(id(self))}>"


@functools.cache
def named_class(kind: type, name: str) -> type:
    """A subclass of a class of nodes that is called as PyTorch calls its own."""
    return type(name, (kind,), {"__slots__": (), "__module__": "builtins"})
