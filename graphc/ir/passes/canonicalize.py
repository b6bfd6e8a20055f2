"""Canonicalize: every primitive's own algebraic rules, applied bottom-up while the graph is rebuilt.

The rules keep every bit of every result. Equal nodes merge on the way, since a builder interns.
"""

from __future__ import annotations

from graphc.ir.graph import Graph
from graphc.ir.rewrite import rebuild

# A rule's result can enable a rule of its user's operand; chains are short, and a rebuild that changes nothing ends it.
MOST_ROUNDS = 8


def canonicalize(graph: Graph) -> Graph:
    """Rebuild with the primitives' rules until nothing changes."""
    for _ in range(MOST_ROUNDS):
        new = rebuild(graph, simplify=True)
        if new is graph:
            break
        graph = new
    return graph
