"""The reverse sweep: cotangents from the roots of the tape to its leaves.

Nodes run in the order opposite to that in which they were made; a leaf is reached as soon as all that it was used for
has run, as in PyTorch.
Source: https://docs.pytorch.org/docs/stable/notes/autograd.html
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from graphc.autograd.anomaly_mode import refuse_anomalies, warn_of_forward
from graphc.autograd.second_sweep import connected
from graphc.autograd.tape import Node
from graphc.autograd.watching import switch, watching
from graphc.ops.one_device import here as placement
from graphc.recording import state
from graphc.tensor import Tensor


def sweep(
    roots: Sequence[tuple[Node, Tensor]],
    *,
    retain_graph: bool,
    create_graph: bool,
    targets: Iterable[Node] | None = None,
    accumulate: bool = True,
) -> dict[Node, Tensor]:
    """Pull cotangents back from the roots to the leaves, newest operation first.

    Args:
        roots: nodes, each with the cotangent of its output.
        retain_graph: keep saved values for another sweep.
        create_graph: record the sweep itself, so that its results can be differentiated.
        targets: the nodes whose cotangents are wanted; None for all leaves.
        accumulate: add the cotangents of leaves to their ``grad``.

    Returns:
        the cotangent of every target reached.
    """
    wanted = None if targets is None else set(targets)
    useful = None if wanted is None else _leading_to(wanted, [node for node, _ in roots])
    missing = _uses([node for node, _ in roots], useful)
    if switch.builds and not retain_graph:
        # What can't be built is told before anything is let go or added to a gradient: the sweep may be made again.
        for node in missing:
            if node.selects and (useful is None or node in useful):
                node.prepare(missing if useful is None else missing.keys() & useful)
    cotangents: dict[Node, Any] = {}
    pending = _Pending()
    found: dict[Node, Tensor] = {}

    watching.sweeps += 1
    outer_gradients, outer_location, outer_phase = state.gradients, state.location, state.phase
    outer_within, placement.within = placement.within, True  # rules make constants wherever they like
    state.gradients, state.phase = create_graph, "backward"
    # Of nodes without hooks nothing is asked but their rule.
    only_rules = useful is None and not create_graph and state.recorder is None and not watching.anomalies
    try:
        for node, cotangent in roots:
            cotangents[node] = cotangents[node] + cotangent if node in cotangents else cotangent
        for node in cotangents:
            if not missing[node]:
                pending.add(node)
        while (node := pending.newest()) is not None:
            edges = node.edges
            cotangent = cotangents.pop(node, None)
            by_rule = False
            results: Sequence[Any]
            if cotangent is None or (useful is not None and node not in useful):
                # Nothing came here, or nothing that is wanted lies beyond.
                results = (None,) * len(edges)
            elif only_rules and node.hooks is None and not node.selects:
                by_rule = True
                results = node.pull_back(cotangent)
            else:
                try:
                    results = _run(node, cotangent, wanted, useful, found, accumulate)
                except Exception:
                    if watching.anomalies:
                        warn_of_forward(node)
                    raise
            for position, edge in enumerate(edges):
                if edge is None or (useful is not None and edge not in useful):
                    continue
                result = results[position]
                if by_rule and result is not None:
                    result = _taken(node, result, position)
                if result is not None:
                    arrived = cotangents.get(edge)
                    cotangents[edge] = result if arrived is None else arrived + result
                left = missing[edge] = missing[edge] - 1
                if not left:
                    pending.add(edge)
            if not retain_graph and cotangent is not None:
                node.release()
    finally:
        state.gradients, state.location, state.phase = outer_gradients, outer_location, outer_phase
        placement.within = outer_within
    return found


class _Pending:
    """Nodes whose cotangent is whole: the newest first, of equally new ones the one that came first."""

    __slots__ = ("_arrivals", "_heap", "_next")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Node]] = []
        self._arrivals = 0
        # In a chain there is never more than one.
        self._next: Node | None = None

    def add(self, node: Node) -> None:
        if self._next is None and not self._heap:
            self._next = node
            return
        for each in (self._next, node):
            if each is not None:
                self._arrivals += 1
                heapq.heappush(self._heap, (-each.sequence, self._arrivals, each))
        self._next = None

    def newest(self) -> Node | None:
        node, self._next = self._next, None
        if node is None and self._heap:
            return heapq.heappop(self._heap)[2]
        return node


def _taken(node: Node, result: Any, position: int) -> Any:
    """What a rule gave for an operand as its cotangent: a rule may give a function, so that only those that are needed
    are computed."""
    value = result() if callable(result) else result
    return None if value is None else node.unstretched(value, position)


def _run(
    node: Node,
    cotangent: Any,
    wanted: AbstractSet[Node] | None,
    useful: AbstractSet[Node] | None,
    found: dict[Node, Tensor],
    accumulate: bool,
) -> Sequence[Any]:
    """The cotangents of a node's inputs, with all that hooks make of them."""
    recorder = state.recorder
    if recorder is not None:
        recorder.swept(node.sequence, node.name())
        state.location = node.location
    hooks = node.hooks
    if hooks:
        cotangent = hooks.on_tensor(cotangent)
    if wanted is not None and node in wanted:
        found[node] = cotangent
    edges = node.edges
    if not edges and not accumulate:
        return ()
    if wanted is not None and not any(edge in useful for edge in edges) and edges:
        return (None,) * len(edges)
    if hooks and hooks.before:
        cotangent = node.bundled(hooks.on_results(node.unbundled(cotangent)))
    results: list[Any] = []
    if node.selects:
        given = node.pull_back(cotangent, None if useful is None else [edge in useful for edge in edges])
    else:
        given = node.pull_back(cotangent)
    for position, result in enumerate(given):
        edge = edges[position]
        if edge is None or result is None or (useful is not None and edge not in useful):
            results.append(None)
            continue
        results.append(_taken(node, result, position))
    if state.gradients:
        results = connected(node, results)
    if switch.active and watching.anomalies:
        refuse_anomalies(node, results)
    if hooks:
        for hook in tuple(hooks.accumulated.values()):
            hook(node.variable)
        if hooks.after:
            return hooks.on_inputs(results, node.unbundled(cotangent))
    return results


def _uses(roots: Iterable[Node], useful: AbstractSet[Node] | None) -> dict[Node, int]:
    """How often each node below the roots is an input of another one."""
    uses = dict.fromkeys(roots, 0)
    stack = list(uses)
    while stack:
        node = stack.pop()
        if useful is not None and node not in useful:
            continue
        for edge in node.edges:
            if edge is None:
                continue
            if edge in uses:
                uses[edge] += 1
            else:
                uses[edge] = 1
                stack.append(edge)
    return uses


def _leading_to(targets: AbstractSet[Node], roots: Iterable[Node]) -> set[Node]:
    """The nodes below the roots from which a target is reached, the targets among them."""
    leads: dict[Node, bool] = {}
    for root in roots:
        stack: list[tuple[Node, bool]] = [(root, False)]
        while stack:
            node, expanded = stack.pop()
            if expanded:
                leads[node] = node in targets or any(leads.get(edge, False) for edge in node.edges if edge is not None)
            elif node not in leads:
                leads[node] = node in targets
                stack.append((node, True))
                stack.extend((edge, False) for edge in node.edges if edge is not None)
    return {node for node, lead in leads.items() if lead}
