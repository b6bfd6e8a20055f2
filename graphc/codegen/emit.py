"""From a fusion group to the bodies of its kernels.

Bodies here still name values by their keys; :mod:`graphc.codegen.kernels` turns those into parameters. Groups of loops
are written by :mod:`graphc.codegen.nests`; contractions, scatters, rows, random numbers, calls to
the host, and checks here.
"""

from __future__ import annotations

from typing import Any

from graphc.codegen.domains import Axis, integer_expressions, merge_axes
from graphc.codegen.groups import Group
from graphc.codegen.loops import (
    CallOut,
    CallRow,
    CheckIndex,
    Contract,
    Let,
    Local,
    Random,
    Sliding,
    Span,
    Statement,
)
from graphc.codegen.nests import LoopWriter
from graphc.codegen.scatters import write_scatter
from graphc.codegen.statements import (
    nest,
    outer_kinds,
    rewrite_statements,
    substitute_statements,
    unit_score,
)
from graphc.codegen.storage import Draft, Storage
from graphc.codegen.trace import (
    Rewriter,
    Tracer,
    delinearize,
    flat_offset,
    index_variable,
    index_variables,
)
from graphc.ir.applications import applies
from graphc.ir.graph import Node
from graphc.ir.integers import product, substitute
from graphc.ir.primitive import Run
from graphc.ir.scalars import Index, Load, Scalar
from graphc.ir.types import int64


def emit(group: Group, storage: Storage) -> list[Draft]:
    """The kernels of a group, in order. None where it has no elements, or where others fill its value."""
    if group.kind == "assembled":
        return []
    if group.kind == "random":
        node = group.members[0].node
        numbers = tuple(value for _, value in node.attributes if isinstance(value, int | float))
        return [Draft((Random(node.op.name, storage.values.key(node), node.type.size, node.type.dtype, numbers),))]
    if group.kind == "external":
        node = group.members[0].node
        keys = tuple(storage.values.key(operand) for operand in node.inputs)
        types = tuple(operand.type for operand in node.inputs)
        return [Draft((CallOut(node.op.name, node.attributes, keys, types, storage.values.key(node), node.type),))]
    if group.kind == "rows":
        return _rows(group, storage)
    if group.kind == "check":
        return [Draft(_check(group, storage))]
    if group.kind == "scatter":
        return [Draft(write_scatter(group, storage))]
    if any(axis.extent == 0 for axis in group.outer):
        return []
    if group.kind == "contraction":
        return [Draft(_contract(group, storage))]
    return LoopWriter(group, storage).drafts()


def _contract(group: Group, storage: Storage) -> Contract:
    first = group.members[0]
    node = first.node
    total = Local("total", node.type.dtype)
    tracer = Tracer(storage.outside)
    types = [operand.type for operand in node.inputs]
    extents = node.op.reduced_extents(types, **node.attrs)  # type: ignore[attr-defined]
    depth = product(extents)
    reduced = delinearize(index_variable("k", depth), extents)
    sides = (1, 0) if group.swapped else (0, 1)
    left, right = (tracer.factor(node, side, first.index, reduced) for side in sides)

    def inside(source: Node, index: Index) -> Scalar | None:
        if source is node:
            return total
        return computed.get(source) or storage.outside(source, index)

    computed: dict[Node, Scalar] = {}
    epilogue = storage.stores(node, first.index, total)
    epilogue_tracer = Tracer(inside)
    for member in group.members[1:]:
        key, dtype = storage.values.key(member.node), member.node.type.dtype
        epilogue.append(Let(key, dtype, epilogue_tracer.inside(member.node, member.index)))
        computed[member.node] = Local(key, dtype)
        epilogue += storage.stores(member.node, member.index, computed[member.node])
    batch, rows, columns = (axis.extent for axis in group.outer)
    sliding = None if group.swapped else _sliding(node, first.index, tracer)
    contract = Contract(batch, rows, columns, depth, node.type.dtype, left, right, tuple(epilogue), sliding)
    score = unit_score(group.outer, epilogue)
    turns = score["m"] > score["n"] and applies("exchange the factors of a contraction", node)
    return _transposed(contract) if turns else contract


def _sliding(node: Node, index: Index, tracer: Tracer) -> Sliding | None:
    """What the right factor of a contraction reads through a window, at generic coordinates."""
    types = [operand.type for operand in node.inputs]
    window = node.op.window(types, node.type, **node.attrs)  # type: ignore[attr-defined]
    if window is None:
        return None
    coordinates = tuple(index_variable(f"y{d}", axis.extent) for d, axis in enumerate(window.axes))
    channel = index_variable("channel", window.channels)
    first, *others = node.op.reduced_extents(types, **node.attrs)  # type: ignore[attr-defined]
    reduced = (channel, *[0] * len(others))
    if window.summed == "places":
        reduced = (index_variable("sample", first), *[0] * len(others))
        index = tuple(substitute(i, {"n": channel * product(axis.taps for axis in window.axes)}) for i in index)
    return Sliding(window, tracer.picture(node, index, reduced, coordinates))


def _transposed(contract: Contract) -> Contract:
    """The same contraction with its factors exchanged: what is stored then lies along the columns."""
    exchange = Rewriter({"m": index_variable("n", contract.rows), "n": index_variable("m", contract.columns)})
    return Contract(
        contract.batch,
        contract.columns,
        contract.rows,
        contract.depth,
        contract.dtype,
        exchange.scalar(contract.right),
        exchange.scalar(contract.left),
        rewrite_statements(contract.epilogue, exchange),
    )


def _rows(group: Group, storage: Storage) -> list[Draft]:
    (member,) = group.members
    node, attrs = member.node, member.node.attrs
    op: Any = node.op
    types = [operand.type for operand in node.inputs]
    points = op.points(types, node.type, **attrs)
    if node.type.size == 0 or any(extent == 0 for extent in points):
        return []
    runs, run = op.runs(index_variables("i", points), types, node.type, **attrs)
    numbers = op.numbers(types, node.type, **attrs)
    operands = tuple(_span(value, each, storage) for value, each in zip(node.inputs, runs, strict=True))
    call = CallRow(op.name, node.attributes, operands, _span(node, run, storage), numbers, op.pairs * numbers[0])
    offsets = [Load("offset", (span.offset,), int64) for span in call.spans]
    domain = tuple(Axis(f"i{d}", extent) for d, extent in enumerate(points) if extent != 1)
    domain, merged = merge_axes(domain, integer_expressions(offsets))
    body = substitute_statements((call,), merged)
    return [Draft(nest(domain, body, outer_kinds(len(domain), group.target)))]


def _span(value: Node, run: Run, storage: Storage) -> Span:
    """The elements of a run in the memory of a value."""
    strides = value.type.strides
    offset = flat_offset(run.start, strides)
    if run.dim is None:
        return Span(storage.values.key(value), offset, None, 1, value.type.dtype)
    return Span(storage.values.key(value), offset, strides[run.dim], value.type.shape[run.dim], value.type.dtype)


def _check(group: Group, storage: Storage) -> tuple[Statement, ...]:
    statements: list[Statement] = []
    tracer = Tracer(storage.outside)
    for node, extent, user in group.checked:
        index = index_variables("i", node.type.shape)
        value = user.op.checked_value(tracer.element(node, index))
        domain = tuple(Axis(f"i{d}", size) for d, size in enumerate(node.type.shape) if size != 1)
        domain, merged = merge_axes(domain, integer_expressions((value,)))
        body = substitute_statements((CheckIndex(value, extent),), merged)
        statements += nest(domain, body, ["vector" if group.target.all_parallel else "serial"] * len(domain))
    return tuple(statements)
