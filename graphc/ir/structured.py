"""Structured control flow in graphs: operations whose attributes hold regions, which are graphs of their own.

A structured operation is one node. All that its regions read is among its operands, in the order of the regions'
inputs; it gives several values (a :class:`~graphc.ir.types.TupleType`), which projections take out. Two families say
how it lowers: a :class:`Repetition` becomes a loop around the launches of its body, a :class:`Choice` an ``if``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.ir.graph import Builder, Graph, Node, exact_key
from graphc.ir.integers import Dimension, Integer, bind_attribute
from graphc.ir.interp import evaluate_nodes
from graphc.ir.primitive import Attributes, Primitive
from graphc.ir.rewrite import rebuild
from graphc.ir.types import TensorType, TupleType, bool_, int64


class Region:
    """A graph as an attribute of a node. Regions are equal where they compute the same of their inputs' positions."""

    def __init__(self, graph: Graph):
        self.graph = graph

    @functools.cached_property
    def _key(self) -> Any:
        numbers: dict[Node, int] = {}
        parts: list[Any] = []
        for node in self.graph.inputs:
            numbers[node] = len(numbers)
            parts.append(node.type)
        for node in self.graph.nodes:
            numbers[node] = len(numbers)
            attributes = tuple((name, exact_key(value)) for name, value in node.attributes)
            parts.append((node.op.name, tuple(numbers[operand] for operand in node.inputs), attributes))
        return (*parts, tuple(numbers[output.node] for output in self.graph.outputs))

    @functools.cached_property
    def _hash(self) -> int:
        return hash(self._key)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Region) and (self is other or self._key == other._key)

    @property
    def input_types(self) -> tuple[TensorType, ...]:
        """The types of the inputs."""
        return tuple(node.type for node in self.graph.inputs)

    @property
    def output_types(self) -> tuple[TensorType, ...]:
        """The types of the results."""
        return tuple(output.node.type for output in self.graph.outputs)

    @functools.cached_property
    def draws(self) -> bool:
        """Whether it takes numbers from the random stream: only an operation with that effect may have it."""
        return any(node.op.effect == "random" for node in self.graph.nodes)

    def bind(self, values: Mapping[str, Integer]) -> Region:
        """The region with symbolic dimensions replaced by name."""
        builder = Builder(self.graph.name)
        made: dict[Node, Node] = {}
        for node in self.graph.inputs:
            made[node] = builder.input(node.name, node.type.bind(values), node.kind).node
        for node in self.graph.nodes:
            attrs = {name: bind_attribute(value, values) for name, value in node.attributes}
            made[node] = builder.add(node.op, [made[operand] for operand in node.inputs], attrs, node.location)
        return Region(builder.build([(output.name, made[output.node]) for output in self.graph.outputs]))

    def evaluate(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The results for arrays in the order of the inputs. Symbolic dimensions must have been bound."""
        values = evaluate_nodes(self.graph, dict(zip(self.graph.inputs, arrays, strict=True)), {})
        return [values[output.node] for output in self.graph.outputs]

    def __repr__(self) -> str:
        return f"<region {self.graph.name} of {len(self.graph)} nodes>"


def inline(builder: Builder, graph: Graph, operands: Sequence[Node]) -> list[Node]:
    """Add a graph's nodes to a builder, its inputs being the operands; gives the nodes of its results."""
    made = dict(zip(graph.inputs, operands, strict=True))
    for node in graph.nodes:
        made[node] = builder.add(node.op, [made[operand] for operand in node.inputs], node.attrs, node.location)
    return [made[output.node] for output in graph.outputs]


class Structured(Primitive):
    """Control flow over regions. ``evaluate`` gives a tuple of arrays."""

    moves = True
    cost = 100.0

    def _require_effect(self, *regions: Region) -> None:
        if self.effect != "random" and any(region.draws for region in regions):
            raise TypeError(f"{self.name} has no effect, and its regions draw random numbers")


def regions_of(node: Node) -> Iterator[tuple[str, Region]]:
    """The attributes of a node that are regions."""
    return ((name, value) for name, value in node.attributes if isinstance(value, Region))


def nested_nodes(graph: Graph) -> Iterator[Node]:
    """The nodes of a graph and of all regions within it."""
    for node in graph.nodes:
        yield node
        for _, region in regions_of(node):
            yield from nested_nodes(region.graph)


def within_regions(change: Callable[[Graph], Graph], graph: Graph) -> Graph:
    """The graph with ``change`` applied to every region in it, to those within others last."""
    if not any(isinstance(node.op, Structured) for node in graph.nodes):
        return graph

    def transform(builder: Builder, node: Node, operands: tuple[Node, ...]) -> Node | None:
        changed = {name: Region(within_regions(change, change(region.graph))) for name, region in regions_of(node)}
        return builder.add(node.op, operands, {**node.attrs, **changed}, node.location) if changed else None

    return rebuild(graph, transform)


class Repetition(Structured):
    """A region that runs again and again on what it carries from one run to the next.

    Operands are the number of runs (an i64[], where ``counted``), the carried values as they are at first (``carried``
    of them), the sequences (``sequences``), of which each run is given one row, and what else the body reads. The body
    is given them in this order, without the number, and gives the carried values after the run, and rows of results.
    The values of the node are the carried values after the last run, and the results' rows stacked.

    The first run has row 0, or with ``reverse`` the last one. There are ``length`` runs; where ``counted``, as many as
    the operand says, and where ``conditional``, as long as the first carried value, a bool[], is true. Then ``length``
    is the most that there may be, None for any number, and rows of results that no run made are zeros.
    """

    def infer(
        self,
        *types: TensorType,
        body: Region,
        carried: int,
        sequences: int,
        length: Dimension | None,
        reverse: bool = False,
        counted: bool = False,
        conditional: bool = False,
    ) -> TupleType:
        self._require_effect(body)
        given = types[1:] if counted else types
        if counted and types[0] != TensorType(int64, ()):
            raise TypeError(f"{self.name} counts its runs with an i64[], got {types[0]}")
        rows = given[carried : carried + sequences]
        for type in rows:
            if length is None or type.rank < 1 or type.shape[0] != length:
                raise TypeError(f"{self.name} of {length} runs was given a sequence {type}")
        expected = (
            *given[:carried],
            *(TensorType(type.dtype, type.shape[1:]) for type in rows),
            *given[carried + sequences :],
        )
        if expected != body.input_types:
            taken = _listed(body.input_types)
            raise TypeError(f"the body of {self.name} takes {taken}, it is given {_listed(expected)}")
        made = body.output_types
        if made[:carried] != given[:carried]:
            raise TypeError(
                f"the body of {self.name} is given the carried values {_listed(given[:carried])} and gives "
                f"{_listed(made[:carried])}"
            )
        if conditional and given[:1] != (TensorType(bool_, ()),):
            raise TypeError(f"{self.name} goes on while its first carried value is true: a bool[], got {given[:1]}")
        if length is None and len(made) > carried:
            raise TypeError(f"{self.name} without a bound has no place for the results of each run")
        return TupleType((*given[:carried], *(TensorType(t.dtype, (length, *t.shape)) for t in made[carried:])))

    def evaluate(
        self,
        *arrays: np.ndarray,
        body: Region,
        carried: int,
        sequences: int,
        length: int | None,
        reverse: bool = False,
        counted: bool = False,
        conditional: bool = False,
    ) -> tuple[np.ndarray, ...]:
        given = arrays[1:] if counted else arrays
        state = list(given[:carried])
        rows, closed = given[carried : carried + sequences], given[carried + sequences :]
        results = [np.zeros((length, *type.shape), type.dtype.numpy) for type in body.output_types[carried:]]
        most = int(arrays[0]) if counted else length
        run = 0
        while (most is None or run < most) and (not conditional or state[0]):
            row = most - 1 - run if reverse else run
            made = body.evaluate([*state, *(np.asarray(each[row]) for each in rows), *closed])
            state = made[:carried]
            for result, value in zip(results, made[carried:], strict=True):
                result[row] = value
            run += 1
        return (*state, *results)


class Choice(Structured):
    """One of two regions, by the first operand, a bool[]; the other operands are those of both regions."""

    def infer(self, *types: TensorType, then: Region, otherwise: Region) -> TupleType:
        self._require_effect(then, otherwise)
        if types[:1] != (TensorType(bool_, ()),):
            raise TypeError(f"{self.name} chooses by a bool[], got {_listed(types[:1])}")
        for region in (then, otherwise):
            if region.input_types != types[1:]:
                raise TypeError(
                    f"a branch of {self.name} takes {_listed(region.input_types)}, it is given {_listed(types[1:])}"
                )
        if then.output_types != otherwise.output_types:
            raise TypeError(
                f"the branches of {self.name} give {_listed(then.output_types)} and {_listed(otherwise.output_types)}"
            )
        return TupleType(then.output_types)

    def evaluate(self, chosen: np.ndarray, *arrays: np.ndarray, then: Region, otherwise: Region) -> tuple[Any, ...]:
        return tuple((then if chosen else otherwise).evaluate(arrays))


class Ruled(Structured):
    """Values whose derivative is a region's: the first ``results`` operands are the values, the next ``arguments`` what
    they are a function of, the rest what the rule reads beside.

    ``rule`` is given the cotangents of all values, and what the rule reads. It gives cotangents of those arguments
    whose positions are ``found``. ``own`` says of each value that it reads which of the values it is, -1 where it is
    none: that value with its rule, so that second derivatives are right.
    """

    def infer(
        self,
        *types: TensorType,
        rule: Region,
        results: int,
        arguments: int,
        found: tuple[int, ...],
        own: tuple[int, ...],
    ) -> TupleType:
        expected = (*types[:results], *types[results + arguments :])
        if rule.input_types != expected or len(own) != len(expected) - results:
            raise TypeError(
                f"the rule of {self.name} takes {_listed(rule.input_types)}, it is given {_listed(expected)}"
            )
        given = tuple(types[results + position] for position in found)
        if rule.output_types != given:
            raise TypeError(f"the rule of {self.name} gives {_listed(rule.output_types)} for {_listed(given)}")
        return TupleType(types[:results])

    def evaluate(self, *arrays: np.ndarray, results: int, **attrs: Any) -> tuple[np.ndarray, ...]:
        return arrays[:results]


def _listed(types: Sequence[TensorType]) -> str:
    return f"({', '.join(map(str, types))})"


def without_regions(attrs: Attributes) -> Attributes:
    """The attributes that are no regions."""
    return {name: value for name, value in attrs.items() if not isinstance(value, Region)}
