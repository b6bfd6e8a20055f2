"""Which values of a graph are computed as values of their own, and which only inside the expressions of others.

A value of its own (an *anchor*) becomes a member of a fusion group; it is stored only where another group reads it. All
other nodes are traced through: views cost nothing, and cheap pointwise work is done again by each reader.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from graphc.codegen.placements import Assembly, assemble, copy_of
from graphc.codegen.trace import is_elementwise, is_host_work, is_product, shown_in_order
from graphc.ir.applications import applies
from graphc.ir.graph import Graph, Node, Projection
from graphc.ir.integers import Integer, bounds, coefficient_of, variable
from graphc.ir.primitive import (
    PRIMITIVES,
    Contraction,
    Gather,
    Pointwise,
    Reduction,
    RowAlgorithm,
    Scan,
    Scatter,
    Source,
    View,
)
from graphc.ir.rewrite import live_nodes
from graphc.ir.structured import Repetition, Structured
from graphc.ir.types import TensorType

# The cost model counts scalar operations as the primitives' ``cost`` does; a load is about two additions.
OPERATION_WEIGHT = 0.5
STORE_COST = 1.5
# What may be computed while a contraction packs its operands: a rectifier is, an exponential is not.
PROLOGUE_OPERATIONS = 2.0
PROLOGUE_LOADS = 1
# So many contractions that would each pack the same matrix read a copy of it that lies as they need it.
MANY_READERS = 4
# What may be computed while a row is walked in order, without vectors.
SERIAL_OPERATIONS = 8.0
# A single number is computed once for each kernel that reads it, outside of its loops: that is cheaper than a kernel.
MOST_SCALAR_OPERATIONS = 4.0
# Longer chains are cut, so that expressions stay of a readable size and tracing of a bounded depth.
LONGEST_CHAIN = 48


@dataclass
class Targets:
    """Where results go: for each anchor the outputs (by position) and states that take its value.

    ``late`` holds the states whose new value another state's buffer holds, or an input: they are copied to at the end.
    """

    outputs: dict[Node, list[int]] = field(default_factory=dict)
    states: dict[Node, list[Node]] = field(default_factory=dict)
    output_nodes: list[Node] = field(default_factory=list)
    copies: list[Node] = field(default_factory=list)


def choose_targets(graph: Graph) -> Targets:
    """The node that each output and each update is stored from; copies stand in where a value is an input's."""
    targets = Targets()
    copied: dict[Node, Node] = {}

    def own(node: Node) -> Node:
        result = _shown_result(node)
        if result is not None:
            return result
        if not node.is_input:
            return node
        if node not in copied:
            copied[node] = copy_of(node)
            targets.copies.append(copied[node])
        return copied[node]

    for update in graph.updates:
        if update.node is not update.state:
            targets.states.setdefault(own(update.node), []).append(update.state)
    for position, output in enumerate(graph.outputs):
        node = own(output.node)
        targets.output_nodes.append(node)
        targets.outputs.setdefault(node, []).append(position)
    return targets


def _shown_result(node: Node) -> Node | None:
    """The result of a structured operation that a node is, or shows in the order in which it lies in memory."""
    while (shown := shown_in_order(node)) is not None:
        node = shown
    return node if isinstance(node.op, Projection) else None


def scatter_bases(graph: Graph, targets: Targets) -> dict[Node, Node]:
    """For each scatter the value whose buffer it works in: its base if nothing else reads that, else a copy."""
    live = live_nodes(graph)
    readers: dict[Node, int] = {}
    for node in graph.nodes:
        if node in live:
            for operand in node.inputs:
                readers[operand] = readers.get(operand, 0) + 1
    bases: dict[Node, Node] = {}
    for node in graph.nodes:
        if node in live and isinstance(node.op, Scatter) and not is_host_work(node):
            base = node.inputs[0]
            exclusive = not base.is_input and readers[base] == 1
            if not exclusive or base in targets.outputs or base in targets.states:
                base = copy_of(base)
            bases[node] = base
    return bases


def structured_results(graph: Graph) -> dict[Node, list[Node]]:
    """For each live structured operation its results in order; nodes stand in for those that nothing reads."""
    live = live_nodes(graph)
    known = {(node.inputs[0], node.attrs["index"]): node for node in graph.nodes if isinstance(node.op, Projection)}
    found: dict[Node, list[Node]] = {}
    for node in graph.nodes:
        if node in live and isinstance(node.op, Structured):
            found[node] = [
                known.get((node, index)) or Node(Projection.instance, (node,), (("index", index),), type, node.location)
                for index, type in enumerate(node.type.fields)
            ]
    return found


def initial_values(graph: Graph, targets: Targets, results: dict[Node, list[Node]]) -> dict[Node, Node]:
    """For results of repetitions the value whose buffer each begins with: what is carried at first, and zeros for
    stacked results of which there may be less rows than there is place for."""
    live = live_nodes(graph)
    readers: dict[Node, int] = {}
    for node in graph.nodes:
        if node in live:
            for operand in node.inputs:
                readers[operand] = readers.get(operand, 0) + 1
    bases: dict[Node, Node] = {}
    for node, made in results.items():
        if not isinstance(node.op, Repetition):
            continue
        attrs = node.attrs
        first, carried = int(attrs.get("counted", False)), attrs["carried"]
        for result, value in zip(made[:carried], node.inputs[first:], strict=False):
            exclusive = not value.is_input and readers[value] == 1
            taken = value in targets.outputs or value in targets.states or not isinstance(value.type, TensorType)
            bases[result] = value if exclusive and not taken else copy_of(value)
        if first or attrs.get("conditional"):
            for result in made[carried:]:
                attributes = {"value": 0, "shape": result.type.shape, "dtype": result.type.dtype}
                nothing = Node(PRIMITIVES["full"], (), tuple(sorted(attributes.items())), result.type, node.location)
                bases[result] = copy_of(nothing)
    return bases


def choose_anchors(
    graph: Graph, targets: Targets, bases: dict[Node, Node], results: dict[Node, list[Node]] | None = None
) -> tuple[list[Node], Assembly]:
    """The anchors in the order of the graph, and which of them others fill. ``bases`` are those of
    :func:`scatter_bases` and :func:`initial_values`, ``results`` those of :func:`structured_results`."""
    live = live_nodes(graph)
    nodes = [node for node in graph.nodes if node in live]
    users: dict[Node, list[Node]] = {}
    for node in [*nodes, *targets.copies]:
        for operand in dict.fromkeys(node.inputs):
            users.setdefault(operand, []).append(node)
    required = _required(nodes, targets) | set(bases.values())
    readings = _readings(nodes, users, required)
    anchors: dict[Node, None] = {}
    effort: dict[Node, _Effort] = {}
    for node in nodes:
        if node in required or _worth_storing(node, effort, readings, anchors):
            anchors[node] = None
    for node in _turned(nodes, users, anchors):
        if applies("turn a matrix once", node):
            anchors[node] = None
    fixed = set(targets.outputs) | set(targets.states)
    taken_over = set(bases) | set(bases.values())
    _sink(nodes, users, anchors, fixed | set(bases.values()))
    assembly = assemble(nodes, users, anchors, fixed | taken_over, taken_over)
    ordered: list[Node] = []
    for node in nodes:
        if node not in anchors or isinstance(node.op, Projection):
            continue
        made = (results or {}).get(node, ())
        ordered += [bases[each] for each in (node, *made) if each in bases and bases[each] not in live]
        ordered += [part for part in assembly.parts.get(node, ()) if part not in live]
        ordered += [node, *made]
    return [*ordered, *targets.copies], assembly


def _required(nodes: list[Node], targets: Targets) -> set[Node]:
    """Nodes that cannot be computed inside the expression of another."""
    required = set(targets.outputs) | set(targets.states)
    for node in nodes:
        if not is_elementwise(node) and not is_product(node) and node.op.effect not in ("guard", "check"):
            required.add(node)
        if isinstance(node.op, Structured):
            first = int(node.attrs.get("counted", False))
            begun = range(first, first + node.attrs.get("carried", 0))
            read = (operand for position, operand in enumerate(node.inputs) if position not in begun)
            required.update(operand for operand in read if not operand.is_input)
        if is_host_work(node) or isinstance(node.op, RowAlgorithm):
            required.update(operand for operand in node.inputs if not operand.is_input)
    return required


def _readings(nodes: list[Node], users: dict[Node, list[Node]], required: set[Node]) -> dict[Node, float]:
    """How often each element is read, roughly: by the loops of all readers that nodes are traced into."""
    evaluations: dict[Node, float] = {}  # number of elements computed in all, were the node traced into its readers
    readings: dict[Node, float] = {}
    for node in reversed(nodes):
        total = 0.0
        for user in users.get(node, ()):
            if user in required or _is_costly(user):
                total += user.inputs.count(node) * 0.0 + _domain(user, node)
            else:
                total += evaluations.get(user, 0.0)
        evaluations[node] = total
        readings[node] = total / max(size_estimate(node.type.size), 1.0)
    return readings


def _is_costly(node: Node) -> bool:
    return isinstance(node.op, Pointwise) and node.op.cost >= 5.0


def _domain(user: Node, operand: Node) -> float:
    """The number of elements of the operand that one reader computes."""
    if isinstance(user.op, Contraction):
        return 2.0 * size_estimate(operand.type.size)
    if isinstance(user.op, Reduction):
        size = size_estimate(user.type.size)
        for extent in user.op.reduced_extents([i.type for i in user.inputs], **user.attrs):
            size *= size_estimate(extent)
        return size
    if isinstance(user.op, Pointwise | View | Gather):
        return size_estimate(user.type.size)
    return size_estimate(operand.type.size)


def size_estimate(size: Integer) -> float:
    """A number for a size; a symbolic one counts as if each symbol were 64."""
    if isinstance(size, int):
        return float(size)
    total = 0.0
    for monomial, coefficient in size.terms:
        total += coefficient * 64.0 ** len(monomial)
    return total


@dataclass(slots=True)
class _Effort:
    """What one element costs when it is computed inside a reader's expression."""

    operations: float
    loads: frozenset[int]
    depth: int


def _leaf(node: Node) -> _Effort:
    return _Effort(0.0, frozenset((id(node),)), 0)


def _worth_storing(
    node: Node, effort: dict[Node, _Effort], readings: dict[Node, float], anchors: dict[Node, None]
) -> bool:
    operands = [
        _leaf(operand) if operand.is_input or operand in anchors or operand not in effort else effort[operand]
        for operand in dict.fromkeys(node.inputs)
    ]
    loads = frozenset().union(*(operand.loads for operand in operands))
    own = 0.0 if isinstance(node.op, Source) else node.op.cost
    operations = own + sum(operand.operations for operand in operands)
    depth = 1 + max((operand.depth for operand in operands), default=0)
    effort[node] = _Effort(operations, loads, depth)
    if isinstance(node.op, View | Source):
        return False
    if depth > LONGEST_CHAIN:
        return True
    count = readings[node]
    if count <= 1.0 or (node.type.size == 1 and operations <= MOST_SCALAR_OPERATIONS):
        return False
    once = len(loads) + OPERATION_WEIGHT * operations
    return count * once > once + STORE_COST + count


def _sink(
    nodes: list[Node],
    users: dict[Node, list[Node]],
    anchors: dict[Node, None],
    fixed: set[Node],
) -> None:
    """Store the end of a chain rather than its start.

    Where the only reader of a contraction or reduction is pointwise and of the same size, that reader is the value to
    keep: a matrix product with its bias, a sum divided by a count.
    """
    prologues = _prologues(nodes, users, anchors)
    for node in prologues:
        anchors[node] = None
    for node in nodes:
        if node not in anchors or is_elementwise(node) or isinstance(node.op, Source):
            continue
        end = node
        while end not in fixed and len(users.get(end, ())) == 1:
            (reader,) = users[end]
            if not isinstance(reader.op, Pointwise | View) or not _same_size(reader, node):
                break
            end = reader
        while isinstance(end.op, View) and end is not node and end not in fixed:
            end = end.inputs[0]
        if end is not node:
            anchors[end] = None


def _turned(nodes: list[Node], users: dict[Node, list[Node]], anchors: dict[Node, None]) -> list[Node]:
    """Views that many contractions have as their right operand, whose rows do not lie in order."""

    def readers(node: Node) -> int:
        found = 0
        for user in users.get(node, ()):
            if isinstance(user.op, Contraction) and not is_product(user) and not is_host_work(user):
                found += user.inputs[1] is node
            elif user not in anchors and shown_in_order(user) is node:
                found += readers(user)
        return found

    return [
        node
        for node in nodes
        if isinstance(node.op, View)
        and len(users.get(node, ())) >= MANY_READERS
        and _turns_rows(node)
        and readers(node) >= MANY_READERS
    ]


def _turns_rows(node: Node) -> bool:
    """Whether the last dimension of a view is another one of what it shows."""
    shape, source = node.type.shape, node.inputs[0]
    if len(shape) < 2 or source.type.rank < 2 or not all(isinstance(extent, int) for extent in shape):
        return False
    index = tuple(variable(f"i{d}", 0, extent - 1) for d, extent in enumerate(shape))
    at = node.op.source_index(index, source.type, node.type, **node.attrs)
    return shape[-1] > 1 and coefficient_of(at[-1], f"i{len(shape) - 1}") == 0


def _same_size(left: Node, right: Node) -> bool:
    return left.type.size == right.type.size


def _prologues(nodes: list[Node], users: dict[Node, list[Node]], anchors: dict[Node, None]) -> list[Node]:
    """Operands that cost too much to compute while a contraction packs them, or while a scan walks along a row."""
    found: list[Node] = []
    for node in nodes:
        if not isinstance(node.op, Contraction | Scan) or is_product(node) or is_host_work(node):
            continue
        if isinstance(node.op, Scan) and any(extent != 1 for extent in node.type.shape[node.attrs["dim"] + 1 :]):
            continue  # rows side by side are walked together, as vectors
        most, most_loads = (
            (SERIAL_OPERATIONS, len(nodes)) if isinstance(node.op, Scan) else (PROLOGUE_OPERATIONS, PROLOGUE_LOADS)
        )
        for operand in node.inputs:
            while isinstance(operand.op, View) and operand not in anchors:
                operand = operand.inputs[0]
            if operand.is_input or operand in anchors or isinstance(operand.op, Source):
                continue
            operations, loads = _chain(operand, anchors)
            if operations > most or loads > most_loads:
                found.append(operand)
    return found


def _chain(node: Node, anchors: dict[Node, None]) -> tuple[float, int]:
    """Operations and loads of one element of a value that is traced through."""
    operations, loads = 0.0, 0
    pending, seen = [node], {node}
    while pending:
        current = pending.pop()
        operations += current.op.cost
        for operand in current.inputs:
            if operand in seen:
                continue
            seen.add(operand)
            if operand.is_input or operand in anchors:
                loads += 1
            else:
                pending.append(operand)
    return operations, loads


def static_size(size: Integer) -> int | None:
    """The size where it is a number."""
    least, greatest = bounds(size)
    return least if least == greatest else None
