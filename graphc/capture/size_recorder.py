"""The part of a recorder that knows of sizes which are known at run time only, and fixes them where they must be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from graphc.capture.guards import SizeGuard
from graphc.ir.graph import Builder, Location, Node
from graphc.ir.integers import IntegerExpression, bind_attribute, substitute, variables
from graphc.ir.primitive import Attributes
from graphc.sizes import expression_of, plain
from graphc.tensor import View


class SizeRecorder:
    """A builder, and what its sizes are; subclasses record into it."""

    def __init__(self, name: str):
        self.builder = Builder(name)
        # Nodes that were computed where gradients were switched off.
        self.stopped: set[Node] = set()
        self._variants: dict[Node, str] = {}
        # The sizes that are known at run time only, as they are now; and why others no longer are among them.
        self.symbols: dict[str, int] = {}
        self.fixed: dict[str, str] = {}
        self.fixed_values: dict[str, int] = {}
        self.size_guards: dict[Any, tuple[SizeGuard, Location]] = {}

    def location(self) -> Location:
        """The user's line that is running."""
        raise NotImplementedError

    def nodes_replaced(self, new: dict[Node, Node]) -> None:
        """The builder was made anew: what else is kept of nodes is kept of the new ones."""
        raise NotImplementedError

    def with_numbers(self, attrs: Attributes) -> Attributes:
        sizes = {**self.fixed_values, **self.symbols}
        return {name: bind_attribute(value, sizes) for name, value in attrs.items()} if sizes else attrs

    def with_sizes(self, attrs: Attributes) -> Attributes:
        sizes = self.fixed_values
        return {name: bind_attribute(value, sizes) for name, value in attrs.items()} if sizes else attrs

    def with_symbols(self, attrs: Attributes) -> Attributes:
        if not self.symbols:
            return {name: plain(value) for name, value in attrs.items()} if self.fixed else attrs
        return {name: bind_attribute(expression_of(value), self.fixed_values) for name, value in attrs.items()}

    def symbolic(self, chain: Sequence[View]) -> tuple[View, ...]:
        """A chain of views with sizes as what they stand for."""
        return tuple((primitive, self.with_symbols(attrs)) for primitive, attrs in chain)

    def size_decided(self, sign: str, expression: IntegerExpression, value: int, outcome: bool) -> None:
        current = substitute(expression, self.fixed_values)
        if isinstance(current, int) or not self.symbols:
            return  # what it is of is fixed already
        expression, names = current, variables(current)
        guard = SizeGuard(sign, expression, value, outcome)
        if outcome == (sign == "==") and sign in ("==", "!=") and str(expression) in names:
            self.fix_sizes(names, f"{guard} decides at {self.location()}")
        else:
            self.size_guards.setdefault((sign, expression, value), (guard, self.location()))

    def fix_all_sizes(self, reason: str) -> None:
        """From now on all sizes are numbers."""
        if self.symbols:
            self.fix_sizes(tuple(self.symbols), reason)

    def fix_sizes(self, names: Iterable[str], reason: str) -> None:
        """From now on these sizes are the numbers that they are in this recording, in what was recorded too."""
        values = {name: self.symbols.pop(name) for name in names}
        self.fixed_values.update(values)
        self.fixed.update(dict.fromkeys(values, reason))
        before, self.size_guards = self.size_guards, {}
        for guard, location in before.values():
            expression = substitute(guard.expression, values)
            if isinstance(expression, IntegerExpression):
                new_guard = SizeGuard(guard.sign, expression, guard.value, guard.outcome)
                self.size_guards[guard.sign, expression, guard.value] = (new_guard, location)
        builder = Builder(self.builder.name)
        builder.location = self.builder.location
        new: dict[Node, Node] = {}
        for node in self.builder.inputs:
            new[node] = builder.input(node.name, node.type.bind(values), node.kind).node
        for node in self.builder.nodes:
            attrs = {name: bind_attribute(value, values) for name, value in node.attrs.items()}
            operands = [new[operand] for operand in node.inputs]
            new[node] = builder.add(node.op, operands, attrs, node.location, self._variants.get(node, ""))
        self.builder = builder
        self.stopped = {new[node] for node in self.stopped}
        self._variants = {new[node]: variant for node, variant in self._variants.items()}
        self.nodes_replaced(new)
