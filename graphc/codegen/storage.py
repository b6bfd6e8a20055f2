"""Where values live while kernels are written, and what a kernel is before its parameters have names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from graphc.codegen.loops import Contract, Statement, Store
from graphc.codegen.placements import Placement
from graphc.codegen.trace import Values, flat_offset
from graphc.ir.graph import Node
from graphc.ir.integers import Integer
from graphc.ir.scalars import Index, Load, Scalar
from graphc.ir.types import DType


@dataclass
class Storage:
    """Where values live: for each stored node the keys of its places, the first being the one that is read.

    A value with a placement lies within the memory of another.
    """

    values: Values
    anchors: set[Node]
    placements: Mapping[Node, Placement] = field(default_factory=dict)
    places: dict[Node, list[str]] = field(default_factory=dict)

    def offset(self, node: Node, index: Index) -> Integer:
        """Where in its buffer an element of a value lies."""
        placement = self.placements.get(node)
        if placement is None:
            return flat_offset(index, node.type.strides)
        return placement.start + flat_offset(index, placement.strides)

    def load(self, node: Node, index: Index) -> Load:
        """The element of a value in memory."""
        return Load(self.values.key(node), (self.offset(node, index),), node.type.dtype)

    def outside(self, node: Node, index: Index) -> Load | None:
        """The load of a value that has memory: an input, or what another kernel computes. None for other nodes."""
        return self.load(node, index) if node.is_input or node in self.anchors else None

    def stores(self, node: Node, index: Index, value: Scalar) -> list[Statement]:
        """Stores of an element of a value to all its places."""
        offset = self.offset(node, index)
        return [Store(place, offset, value, node.type.dtype) for place in self.places.get(node, ())]


@dataclass
class Draft:
    """The body of a kernel over values, and the partial results (key, dtype, size) that it hands on."""

    body: tuple[Statement, ...] | Contract
    partials: tuple[tuple[str, DType, Integer], ...] = ()
