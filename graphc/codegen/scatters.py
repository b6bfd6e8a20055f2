"""Loops of a scatter.

In order: the source's elements are taken one after the other, in parallel along the dimensions that they are passed
through. By owners, where there are threads enough: each element of the result looks through all of the source for what
goes to it. Both combine in an order of their own that never changes.
"""

from __future__ import annotations

import itertools

from graphc.codegen.domains import Axis, integer_expressions, merge_axes
from graphc.codegen.groups import Group, Member
from graphc.codegen.loops import Accumulate, Accumulator, If, Local, Loop, Statement, Store
from graphc.codegen.materialize import size_estimate
from graphc.codegen.statements import blocks, nest, outer_kinds, substitute_statements
from graphc.codegen.storage import Storage
from graphc.codegen.trace import Tracer, delinearize, index_variables, linear_offset
from graphc.ir.integers import Integer, opaque, product
from graphc.ir.scalars import Call, Constant, FromIndex, Load, Scalar, both
from graphc.ir.types import bool_, int64

# Where the results times the source's elements are more, looking through the source takes longer than going in order:
# a thread looks at some elements in the time in which one element is combined in memory.
MOST_OWNERS = 1 << 17


def write_scatter(group: Group, storage: Storage) -> tuple[Statement, ...]:
    """The statements of a scatter, which works on a copy of its base."""
    (member,) = group.members
    if group.target.all_parallel and size_estimate(member.node.type.size) <= MOST_OWNERS:
        return _by_owners(member, storage)
    return _in_order(group, member, storage)


def _by_owners(member: Member, storage: Storage) -> tuple[Statement, ...]:
    node = member.node
    tracer = Tracer(storage.outside)
    types = [operand.type for operand in node.inputs]
    shape, base = types[2].shape, node.type.shape
    at = index_variables("r", shape)
    target = tracer.target(node, at)
    value = tracer.element(node.inputs[2], at)
    passed = set(node.op.independent_dimensions(types, **node.attrs))  # type: ignore[attr-defined]
    extents = [shape[d] if d in passed else base[d] for d in range(len(base))]
    owner = index_variables("i", extents)
    through = {f"r{d}": owner[d] for d in passed if shape[d] != 1}
    mine: list[Scalar] = []
    for d, place in enumerate(target):
        if d not in passed:
            # Of a checked index nothing is known that would decide this here.
            mine.append(Call("eq", (_whole(place), _whole(owner[d])), bool_))
    rest = [d for d in range(len(shape)) if d not in passed]
    domain = [Axis(f"r{d}", shape[d]) for d in rest if shape[d] != 1]
    combiner = node.op.combiner  # type: ignore[attr-defined]
    offset = linear_offset(owner, base)
    key, dtype = storage.values.key(node), node.type.dtype
    is_put = combiner == "put"
    if is_put:
        # The last of those that go there.
        number = linear_offset([at[d] for d in rest], [shape[d] for d in rest])
        found = Accumulate("a0", int64, "max", _whole(number))
        last = opaque(Local("a0", int64), 0, _greatest([shape[d] for d in rest]))
        back = delinearize(last, [shape[d] for d in rest])
        chosen = {f"r{d}": back[n] for n, d in enumerate(rest) if shape[d] != 1}
        (store,) = substitute_statements((Store(key, offset, value, dtype),), chosen)
        some = Call("ge", (Local("a0", int64), Constant(0, int64)), bool_)
        after: Statement = If(some, (store,))
    else:
        found = Accumulate("a0", dtype, combiner, value)
        after = Store(key, offset, Local("a0", dtype), dtype, combiner)
    inner = nest(domain, (If(both(*mine), (found,)),), ["vector"] * len(domain))
    body = (Accumulator("a0", found.dtype, found.combiner), *inner, after)
    outer = [Axis(f"i{d}", extent) for d, extent in enumerate(extents) if extent != 1]
    return nest(outer, substitute_statements(body, through), ["parallel"] * len(outer))


def _whole(value: Integer) -> Scalar:
    return Constant(value, int64) if isinstance(value, int) else FromIndex(value, int64)


def _greatest(extents: list[Integer]) -> int | None:
    count = product(extents)
    return count - 1 if isinstance(count, int) else None


def _in_order(group: Group, member: Member, storage: Storage) -> tuple[Statement, ...]:
    node = member.node
    tracer = Tracer(storage.outside)
    types = [operand.type for operand in node.inputs]
    at = index_variables("i", types[2].shape)
    place = linear_offset(tracer.target(node, at), node.type.shape)
    value = tracer.element(node.inputs[2], at)
    combiner = None if node.op.combiner == "put" else node.op.combiner  # type: ignore[attr-defined]
    body: tuple[Statement, ...] = (Store(storage.values.key(node), place, value, node.type.dtype, combiner),)
    domain = tuple(Axis(f"i{d}", extent) for d, extent in enumerate(types[2].shape) if extent != 1)
    independent = {f"i{d}" for d in node.op.independent_dimensions(types, **node.attrs)}  # type: ignore[attr-defined]
    expressions = [place, *integer_expressions((value, Load("place", (place,), int64)))]
    borders = {
        low.name for high, low in itertools.pairwise(domain) if (high.name in independent) != (low.name in independent)
    }
    domain, merged = merge_axes(domain, expressions, borders)
    body = substitute_statements(body, merged)
    free = [axis for axis in domain if axis.name in independent]
    bound = [axis for axis in domain if axis.name not in independent]
    if not free:
        return nest(bound, body, ["serial"] * len(bound))
    if bound and free[-1] is domain[-1] and group.target.lanes:
        # The source's rows are taken in order by each thread, for a block of columns of its own.
        axis = free.pop()
        count, _, start, stop = blocks(axis)
        rest = [*free, *bound]
        inner = nest(rest, (Loop(axis.name, start, stop, body, "vector"),), ["serial"] * len(rest))
        return (Loop("c", 0, count, inner, "parallel"),) if count != 1 else inner
    kinds = [*outer_kinds(len(free), group.target), *["serial"] * len(bound)]
    return nest([*free, *bound], body, kinds)
