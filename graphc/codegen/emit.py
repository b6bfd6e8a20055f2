"""From a fusion group to the statements of its kernels.

Statements here still name values by their keys; :mod:`graphc.codegen.kernels` turns those into parameters. A group of
loops is written in one of four ways:

- flat: no reduction; a nest over the outer domain. One loop alone is "parallel" and also free to be vectorised; of
  several the first is parallel and the last a vector loop.
- rows: for each outer point one sweep over the reduced domain for each level, the row staying in cache.
- unrolled: a small reduced domain (a pooling window) written out, so that the outer dimension is what is vectorised.
- lanes: where neighbouring outer points are neighbours in memory (a bias gradient), a block of outer points is carried
  in small arrays, and the reduced loop stands outside the loop over the block.

Reductions to few results are cut into a number of chunks that depends on their size alone, so that a sum is the same
bit for bit with any number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from graphc.codegen.domains import Axis, Domain, integer_expressions, merge_axes, split_divisions
from graphc.codegen.fuse import Group, Member
from graphc.codegen.loops import (
    Accumulate,
    Accumulator,
    CheckIndex,
    Contract,
    Local,
    LocalArray,
    Loop,
    Random,
    Statement,
    Store,
)
from graphc.codegen.materialize import OPERATION_WEIGHT, size_estimate, static_size
from graphc.codegen.trace import (
    Rewriter,
    Tracer,
    Values,
    delinearize,
    flat_offset,
    index_variable,
    index_variables,
    linear_offset,
    linear_terms,
    walk_all,
)
from graphc.ir.graph import Node
from graphc.ir.integers import Integer, opaque, product, substitute, variable
from graphc.ir.scalars import Constant, Index, Load, Scalar
from graphc.ir.types import DType, int64

LARGEST_WINDOW = 16  # points of a reduced domain that is written out
LARGEST_ROW = 4096  # elements of a row that is kept in a local array
LANES = 64  # outer points that are carried together
FEWEST_LANES = 8
MOST_CHUNKS = 4096
POSITIONAL = ("argmax", "argmin")


@dataclass
class Storage:
    """Where values live: for each stored node the keys of its places, the first being the one that is read."""

    values: Values
    anchors: set[Node]
    places: dict[Node, list[str]] = field(default_factory=dict)

    def load(self, node: Node, index: Index) -> Load:
        """The element of a value in memory."""
        return Load(self.values.key(node), (flat_offset(index, node.type.strides),), node.type.dtype)


@dataclass
class Draft:
    """The body of a kernel over values, and the partial results (key, dtype, size) that it hands on."""

    body: tuple[Statement, ...] | Contract
    partials: tuple[tuple[str, DType, Integer], ...] = ()


def emit(group: Group, storage: Storage) -> list[Draft]:
    """The kernels of a group, in order. None where it has no elements."""
    if group.kind == "random":
        node = group.members[0].node
        numbers = tuple(float(value) for _, value in node.attributes if isinstance(value, int | float))
        return [
            Draft((Random(node.op.name, storage.values.key(node), node.type.size, node.type.dtype, numbers),))
        ]
    if group.kind == "check":
        return [Draft(_check(group, storage))]
    if group.kind == "scatter":
        return [Draft(_scatter(group, storage))]
    if any(axis.extent == 0 for axis in group.outer):
        return []
    if group.kind == "contraction":
        return [Draft(_contract(group, storage))]
    return _Loops(group, storage).drafts()


def identity(combiner: str, dtype: DType) -> Constant:
    """What a combination of no elements gives."""
    if combiner in ("sum", "prod", "any", "all"):
        return Constant(dtype.numpy.type({"sum": 0, "prod": 1, "any": 0, "all": 1}[combiner]).item(), dtype)
    if dtype.is_floating_point:
        return Constant(-math.inf if combiner == "max" else math.inf, dtype)
    if dtype.category == "bool":
        return Constant(combiner != "max", dtype)
    limits = np.iinfo(dtype.numpy)
    return Constant(int(limits.min if combiner == "max" else limits.max), dtype)


def _stores(node: Node, index: Index, value: Scalar, storage: Storage) -> list[Statement]:
    offset = flat_offset(index, node.type.strides)
    return [Store(place, offset, value, node.type.dtype) for place in storage.places.get(node, ())]


# Contractions.


def _contract(group: Group, storage: Storage) -> Contract:
    first = group.members[0]
    node = first.node
    total = Local("total", node.type.dtype)
    tracer = Tracer(lambda source, index: _outside(source, index, storage))
    types = [operand.type for operand in node.inputs]
    extents = node.op.reduced_extents(types, **node.attrs)  # type: ignore[attr-defined]
    depth = product(extents)
    reduced = delinearize(index_variable("k", depth), extents)
    sides = (1, 0) if group.swapped else (0, 1)
    left, right = (tracer.factor(node, side, first.index, reduced) for side in sides)

    def inside(source: Node, index: Index) -> Scalar | None:
        if source is node:
            return total
        return _outside(source, index, storage, computed.get(source))

    computed: dict[Node, Scalar] = {}
    epilogue = _stores(node, first.index, total, storage)
    epilogue_tracer = Tracer(inside)
    for member in group.members[1:]:
        computed[member.node] = epilogue_tracer.inside(member.node, member.index)
        epilogue += _stores(member.node, member.index, computed[member.node], storage)
    batch, rows, columns = (axis.extent for axis in group.outer)
    return Contract(batch, rows, columns, depth, node.type.dtype, left, right, tuple(epilogue))


def _outside(node: Node, index: Index, storage: Storage, computed: Scalar | None = None) -> Scalar | None:
    if computed is not None:
        return computed
    return storage.load(node, index) if node.is_input or node in storage.anchors else None


# Scatters and checks.


def _scatter(group: Group, storage: Storage) -> tuple[Statement, ...]:
    (member,) = group.members
    node = member.node
    tracer = Tracer(lambda source, index: _outside(source, index, storage))
    types = [operand.type for operand in node.inputs]
    at = index_variables("i", types[2].shape)
    place = linear_offset(tracer.target(node, at), node.type.shape)
    value = tracer.element(node.inputs[2], at)
    combiner = None if node.op.combiner == "put" else node.op.combiner  # type: ignore[attr-defined]
    body: tuple[Statement, ...] = (Store(storage.values.key(node), place, value, node.type.dtype, combiner),)
    domain = tuple(Axis(f"i{d}", extent) for d, extent in enumerate(types[2].shape) if extent != 1)
    independent = {f"i{d}" for d in node.op.independent_dimensions(types, **node.attrs)}  # type: ignore[attr-defined]
    expressions = [place, *integer_expressions((value, Load("place", (place,), int64)))]
    domain, merged = merge_axes(
        domain, expressions, {axis.name for a, axis in zip(domain, domain[1:], strict=False) if (a.name in independent) != (axis.name in independent)}
    )
    body = substitute_statements(body, merged)
    free = [axis for axis in domain if axis.name in independent]
    bound = [axis for axis in domain if axis.name not in independent]
    if not free:
        return _nest(bound, body, ["serial"] * len(bound))
    if bound and free[-1] is domain[-1]:
        # The source's rows are taken in order by each thread, for a block of columns of its own.
        axis = free.pop()
        blocks, width, start, stop = _blocks(axis)
        rest = [*free, *bound]
        inner = _nest(rest, (Loop(axis.name, start, stop, body, "vector"),), ["serial"] * len(rest))
        return (Loop("c", 0, blocks, inner, "parallel"),) if blocks != 1 else inner
    kinds = ["parallel", *["serial"] * (len(domain) - 1)]
    return _nest([*free, *bound], body, kinds)


def _check(group: Group, storage: Storage) -> tuple[Statement, ...]:
    statements: list[Statement] = []
    tracer = Tracer(lambda source, index: _outside(source, index, storage))
    for node, extent in group.checked:
        index = index_variables("i", node.type.shape)
        value = tracer.element(node, index)
        domain = tuple(Axis(f"i{d}", size) for d, size in enumerate(node.type.shape) if size != 1)
        domain, merged = merge_axes(domain, integer_expressions((value,)))
        body = substitute_statements((CheckIndex(value, extent),), merged)
        statements += _nest(domain, body, ["serial"] * len(domain))
    return tuple(statements)


# Loops.


def _nest(domain: Sequence[Axis], body: Iterable[Statement], kinds: Sequence[str]) -> tuple[Statement, ...]:
    statements = tuple(body)
    for axis, kind in reversed(list(zip(domain, kinds, strict=True))):
        statements = (Loop(axis.name, 0, axis.extent, statements, kind),)
    return statements


def _blocks(axis: Axis) -> tuple[Integer, int, Integer, Integer]:
    """Blocks of an axis: their number, the largest width, and the range of block ``c``."""
    size = static_size(axis.extent)
    if size is not None:
        for width in range(2 * LANES, LANES // 2 - 1, -16):
            if size % width == 0:
                c = index_variable("c", size // width)
                return size // width, width, c * width, c * width + width
        count = -(-size // LANES)
        c = index_variable("c", count)
        return count, -(-size // count), (c * size) // count, ((c + 1) * size) // count
    count_expression = (axis.extent + (LANES - 1)) // LANES
    c = index_variable("c", count_expression)
    return count_expression, LANES, (c * axis.extent) // count_expression, ((c + 1) * axis.extent) // count_expression


def substitute_statements(statements: Sequence[Statement], mapping: dict[str, Integer]) -> tuple[Statement, ...]:
    """Statements with index variables replaced in every expression."""
    return rewrite_statements(statements, Rewriter(mapping)) if mapping else tuple(statements)


def rewrite_statements(statements: Sequence[Statement], rewriter: Rewriter) -> tuple[Statement, ...]:
    """Statements with every expression rewritten."""
    result: list[Statement] = []
    for statement in statements:
        if isinstance(statement, Store):
            statement = Store(
                statement.target,
                rewriter.integer(statement.offset),
                rewriter.scalar(statement.value),
                statement.dtype,
                statement.combiner,
            )
        elif isinstance(statement, Accumulate):
            position = None if statement.position is None else rewriter.integer(statement.position)
            statement = Accumulate(
                statement.name, statement.dtype, statement.combiner, rewriter.scalar(statement.value), position
            )
        elif isinstance(statement, Loop):
            statement = Loop(
                statement.variable,
                rewriter.integer(statement.start),
                rewriter.integer(statement.stop),
                rewrite_statements(statement.body, rewriter),
                statement.kind,
            )
        elif isinstance(statement, CheckIndex):
            statement = CheckIndex(rewriter.scalar(statement.value), rewriter.integer(statement.extent))
        result.append(statement)
    return tuple(result)


def scalars_of(statements: Iterable[Statement]) -> list[Scalar]:
    """The scalar expressions of statements; offsets and positions stand as loads of nothing."""
    found: list[Scalar] = []
    for statement in statements:
        if isinstance(statement, Store):
            found += [statement.value, Load("offset", (statement.offset,), int64)]
        elif isinstance(statement, Accumulate):
            found.append(statement.value)
            if statement.position is not None:
                found.append(Load("position", (statement.position,), int64))
        elif isinstance(statement, CheckIndex):
            found.append(statement.value)
        elif isinstance(statement, Loop):
            found += scalars_of(statement.body)
    return found


class _Loops:
    """Writes a group of loops."""

    def __init__(self, group: Group, storage: Storage):
        self.group = group
        self.storage = storage
        self.names = {
            member.node: f"a{number}"
            for number, member in enumerate(m for m in group.members if m.role == "reduction")
        }
        self.levels = 1 + max((m.level for m in group.members if m.role != "outer"), default=-1)
        self.lanes = False
        self.kept: dict[Node, str] = {}
        self.outer_values: dict[Node, Scalar] = {}
        self.sweeps: list[list[Statement]] = []
        self.before: list[list[Statement]] = []  # stores of outer values before each sweep, and after the last

    def drafts(self) -> list[Draft]:
        """The kernels, in order."""
        if not self.group.reduced:
            return [Draft(self._flat())]
        if self._is_window():
            return [Draft(self._unrolled())]
        self.lanes = not self.group.split and self._prefers_lanes()
        self._choose_kept()
        self._trace()
        outer, reduced = self._domains()
        if self.group.split:
            return self._chunked(outer, reduced)
        if self.lanes:
            return [Draft(self._in_lanes(outer, reduced))]
        return [Draft(self._in_rows(outer, reduced))]

    # Tracing.

    def _reduction_value(self, member: Member) -> Scalar:
        name = self.names[member.node]
        suffix = "_position" if member.node.op.combiner in POSITIONAL else ""  # type: ignore[attr-defined]
        return Local(name + suffix, member.node.type.dtype)

    def _tracer(self, level: int | None) -> tuple[Tracer, dict[Node, Scalar]]:
        """A tracer of outer values (level None) or of one sweep, and the table of values that the sweep computed."""
        computed: dict[Node, Scalar] = {}

        def leaf(node: Node, index: Index) -> Scalar | None:
            member = self.group.member(node)
            if member is None:
                return _outside(node, index, self.storage)
            if member.role == "reduction":
                return self._reduction_value(member)
            if member.role == "outer":
                if level is not None and node in self.kept:
                    return self._kept(member)
                return self.outer_values[node]
            if node in computed:
                return computed[node]
            if node in self.storage.places:
                return self.storage.load(node, index)
            if node in self.kept:
                return self._kept(member)
            return None  # a value of an earlier sweep that is cheap to compute again

        return Tracer(leaf), computed

    def _kept(self, member: Member) -> Scalar:
        return Load(self.kept[member.node], (self._row_position(member),), member.node.type.dtype)

    def _row_position(self, member: Member) -> Integer:
        if member.role == "outer":
            return variable("lane")
        return linear_offset([a.index for a in self.group.reduced], [a.extent for a in self.group.reduced])

    def _choose_kept(self) -> None:
        """Values of a row that later sweeps need, cost much, and are not stored; in lanes, values of outer points."""
        row = static_size(product(axis.extent for axis in self.group.reduced))
        for member in self.group.members:
            later = [
                other
                for other in self.group.members
                if other.role != "outer"
                and other.level > (member.level if member.role == "full" else 0)
                and any(node is member.node for node, _ in other.loads)
            ]
            if not later:
                continue
            if member.role == "outer" and self.lanes and member.level > 0:
                self.kept[member.node] = f"row{len(self.kept)}"
            elif member.role == "full" and not self.lanes and member.node not in self.storage.places:
                costly = OPERATION_WEIGHT * sum(node.op.cost for node in member.anchor.visited) >= 2.0
                if costly and row is not None and row <= LARGEST_ROW:
                    self.kept[member.node] = f"row{len(self.kept)}"

    def _trace(self) -> None:
        outer_tracer, _ = self._tracer(None)
        for level in range(self.levels + 1):
            stores: list[Statement] = []
            for member in self.group.members:
                is_last = level == self.levels
                if member.role == "outer" and (member.level == level or (is_last and member.level > level)):
                    value = outer_tracer.inside(member.node, member.index)
                    self.outer_values[member.node] = value
                    stores += _stores(member.node, member.index, value, self.storage)
                    if member.node in self.kept:
                        position = self._row_position(member)
                        stores.append(Store(self.kept[member.node], position, value, member.node.type.dtype))
                elif (
                    member.role == "reduction" and member.level + 1 == level and member.node in self.storage.places
                ):
                    value = self._reduction_value(member)
                    stores += _stores(member.node, member.index, value, self.storage)
            self.before.append(stores)
            if level < self.levels:
                self.sweeps.append(self._sweep(level))

    def _sweep(self, level: int) -> list[Statement]:
        tracer, computed = self._tracer(level)
        statements: list[Statement] = []
        for member in self.group.members:
            if member.role == "outer" or member.level != level:
                continue
            node = member.node
            if member.role == "full":
                computed[node] = tracer.inside(node, member.index)
                statements += _stores(node, member.index, computed[node], self.storage)
                if node in self.kept:
                    position = self._row_position(member)
                    statements.append(Store(self.kept[node], position, computed[node], node.type.dtype))
                continue
            value = tracer.inside(node, member.index, member.reduced_index)
            statements.append(self._accumulate(member, value))
        return statements

    def _accumulate(self, member: Member, value: Scalar) -> Accumulate:
        node = member.node
        combiner = node.op.combiner  # type: ignore[attr-defined]
        position = None
        if combiner in POSITIONAL:
            types = [operand.type for operand in node.inputs]
            position = linear_offset(member.reduced_index, node.op.reduced_extents(types, **node.attrs))
        return Accumulate(self.names[node], self._accumulated_dtype(member, value), combiner, value, position)

    def _accumulated_dtype(self, member: Member, value: Scalar) -> DType:
        """Positional reductions hold values of the operand's type, all others of the result's."""
        if member.node.op.combiner in POSITIONAL:  # type: ignore[attr-defined]
            return value.dtype
        return member.node.type.dtype

    # Domains.

    def _domains(self) -> tuple[Domain, Domain]:
        """Outer and reduced loops after splitting and merging; the statements are rewritten to them."""
        expressions = integer_expressions(scalars_of([s for part in (*self.before, *self.sweeps) for s in part]))
        whole = (*self.group.outer, *self.group.reduced)
        is_outer = {axis.name for axis in self.group.outer}
        domain, split = split_divisions(whole, expressions)
        if split:
            expressions = [v for v in (substitute(e, split) for e in expressions) if not isinstance(v, int)]
        outer = tuple(axis for axis in domain if axis.name.rstrip("hl") in is_outer)
        reduced = tuple(axis for axis in domain if axis.name.rstrip("hl") not in is_outer)
        outer, merged_outer = merge_axes(outer, expressions)
        reduced, merged_reduced = merge_axes(reduced, expressions)
        merged = {**merged_outer, **merged_reduced}
        mapping = {name: substitute(value, merged) for name, value in split.items()}
        mapping.update({name: value for name, value in merged.items() if name not in mapping})
        rewriter = Rewriter(mapping)
        if mapping:
            self.before = [list(rewrite_statements(part, rewriter)) for part in self.before]
            self.sweeps = [list(rewrite_statements(part, rewriter)) for part in self.sweeps]
        if not self._has_positions():
            reduced = _contiguous_last(reduced, self.sweeps)
        return outer, reduced

    def _has_positions(self) -> bool:
        return any(
            member.node.op.combiner in POSITIONAL  # type: ignore[attr-defined]
            for member in self.group.members
            if member.role == "reduction"
        )

    def _is_window(self) -> bool:
        size = static_size(product(axis.extent for axis in self.group.reduced))
        results = size_estimate(product(axis.extent for axis in self.group.outer))
        return (
            size is not None
            and 0 < size <= LARGEST_WINDOW
            and results >= LARGEST_WINDOW
            and self.levels == 1
            and not any(member.role == "full" for member in self.group.members)
        )

    def _prefers_lanes(self) -> bool:
        """Whether more is read contiguously along an outer axis than along a reduced one."""
        if self._has_positions():
            return False
        score = {axis.name: 0 for axis in (*self.group.outer, *self.group.reduced)}
        for member in self.group.members:
            if member.role != "outer":
                for node, index in member.loads:
                    terms = linear_terms(flat_offset(index, node.type.strides), score.keys())
                    for name, factor in terms.items():
                        score[name] += factor == 1
        best = max((score[axis.name] for axis in self.group.reduced if axis.extent != 1), default=0)
        along = [axis for axis in self.group.outer if score[axis.name] > best]
        return any(size_estimate(axis.extent) >= FEWEST_LANES for axis in along)

    # Writing loops.

    def _flat(self) -> tuple[Statement, ...]:
        tracer, _ = self._tracer(None)
        body: list[Statement] = []
        for member in self.group.members:
            value = tracer.inside(member.node, member.index)
            self.outer_values[member.node] = value
            body += _stores(member.node, member.index, value, self.storage)
        return _outer_nest(self.group.outer, body)

    def _unrolled(self) -> tuple[Statement, ...]:
        extents = [static_size(axis.extent) or 0 for axis in self.group.reduced]
        body: list[Statement] = []
        accumulates: list[Statement] = []
        for point in range(math.prod(extents)):
            at = delinearize(point, extents)
            fixed = {axis.name: i for axis, i in zip(self.group.reduced, at, strict=True)}
            tracer, _ = self._tracer(0)
            for member in self.group.members:
                if member.role == "reduction":
                    reduced = tuple(substitute(i, fixed) for i in member.reduced_index)
                    at_point = Member(member.anchor, member.role, 0, member.index, reduced, ())
                    value = tracer.inside(member.node, member.index, reduced)
                    accumulates.append(self._accumulate(at_point, value))
        body = [*self._accumulators(accumulates), *accumulates]
        tracer, _ = self._tracer(None)
        for member in self.group.members:
            if member.role == "reduction":
                value = self._reduction_value(member)
            else:
                value = self.outer_values[member.node] = tracer.inside(member.node, member.index)
            body += _stores(member.node, member.index, value, self.storage)
        return _outer_nest(self.group.outer, body)

    def _accumulators(self, statements: Iterable[Statement]) -> list[Statement]:
        found = {s.name: Accumulator(s.name, s.dtype, s.combiner) for s in statements if isinstance(s, Accumulate)}
        return list(found.values())

    def _rows(self) -> list[Statement]:
        """Local arrays that hold values of a row from one sweep to the next."""
        row = static_size(product(axis.extent for axis in self.group.reduced)) or 0
        return [
            LocalArray(name, node.type.dtype, row)
            for node, name in self.kept.items()
            if self.group.member(node).role == "full"  # type: ignore[union-attr]
        ]

    def _in_rows(self, outer: Domain, reduced: Domain) -> tuple[Statement, ...]:
        kinds = ["serial"] * (len(reduced) - 1) + ["vector"] if reduced else []
        if self._has_positions():
            kinds = ["serial"] * len(reduced)
        body = self._rows()
        for level, sweep in enumerate(self.sweeps):
            body += self.before[level]
            body += self._accumulators(sweep)
            if sweep:
                body += _nest(reduced, sweep, kinds)
        body += self.before[self.levels]
        return _nest(outer, body, ["parallel", *["serial"] * (len(outer) - 1)][: len(outer)])

    def _chunked(self, outer: Domain, reduced: Domain) -> list[Draft]:
        kinds = ["serial"] * (len(reduced) - 1) + ["vector"]
        if self._has_positions():
            kinds = ["serial"] * len(reduced)
        sweep = self.sweeps[0]
        position = 0
        if not self._has_positions():
            position = max(range(len(reduced)), key=lambda d: size_estimate(reduced[d].extent))
        axis = reduced[position]
        chunks = _chunk_count(axis, reduced)
        c = index_variable("c", chunks)
        start, stop = (c * axis.extent) // chunks, ((c + 1) * axis.extent) // chunks
        results = product(a.extent for a in outer)
        place = linear_offset([a.index for a in outer], [a.extent for a in outer]) * chunks + c
        accumulators = self._accumulators(sweep)
        loops: tuple[Statement, ...] = tuple(sweep)
        for d in reversed(range(len(reduced))):
            first, last = (start, stop) if d == position else (0, reduced[d].extent)
            loops = (Loop(reduced[d].name, first, last, loops, kinds[d]),)
        partials: list[tuple[str, DType, Integer]] = []
        hand_on: list[Statement] = []
        combine: list[Statement] = []
        for accumulator in accumulators:
            assert isinstance(accumulator, Accumulator)
            key = f"partial_{self.storage.values.key(self._node(accumulator.name))}"
            where = None
            partials.append((key, accumulator.dtype, results * chunks))
            hand_on.append(Store(key, place, Local(accumulator.name, accumulator.dtype), accumulator.dtype))
            if accumulator.combiner in POSITIONAL:
                where_key = f"{key}_position"
                partials.append((where_key, int64, results * chunks))
                hand_on.append(Store(where_key, place, Local(f"{accumulator.name}_position", int64), int64))
                where = opaque(Load(where_key, (place,), int64))
            value = Load(key, (place,), accumulator.dtype)
            combine.append(Accumulate(accumulator.name, accumulator.dtype, accumulator.combiner, value, where))
        work = _nest(outer, [*accumulators, *loops, *hand_on], ["serial"] * len(outer))
        before = tuple(self.before[0])
        first_body = (Loop("c", 0, chunks, work, "parallel"),)
        kind = "serial" if self._has_positions() else "vector"
        finish = [*before, *accumulators, Loop("c", 0, chunks, tuple(combine), kind), *self.before[1]]
        kinds = ["parallel", *["serial"] * (len(outer) - 1)][: len(outer)]
        return [Draft(first_body, tuple(partials)), Draft(_nest(outer, finish, kinds))]

    def _node(self, name: str) -> Node:
        return next(node for node, other in self.names.items() if other == name)

    def _in_lanes(self, outer: Domain, reduced: Domain) -> tuple[Statement, ...]:
        lane = _lane_axis(outer, self.sweeps)
        rest = [axis for axis in outer if axis is not lane]
        blocks, width, start, stop = _blocks(lane)
        place = lane.index - start
        arrays: list[Statement] = []
        change = _lane_rewriter(place, set(self.names.values()))
        first: list[Statement] = []
        for member in self.group.members:
            if member.role == "reduction":
                name, dtype = self.names[member.node], member.node.type.dtype
                arrays.append(LocalArray(name, dtype, width))
                empty = identity(member.node.op.combiner, dtype)  # type: ignore[attr-defined]
                first.append(Store(name, place, empty, dtype))
            elif member.node in self.kept:
                arrays.append(LocalArray(self.kept[member.node], member.node.type.dtype, width))

        def over_lanes(statements: Sequence[Statement]) -> list[Statement]:
            return [Loop(lane.name, start, stop, rewrite_statements(statements, change), "vector")]

        body: list[Statement] = [*arrays, *over_lanes(first)]
        for level, sweep in enumerate(self.sweeps):
            if self.before[level]:
                body += over_lanes(self.before[level])
            if sweep:
                combined = [
                    Store(s.name, place, s.value, s.dtype, s.combiner) if isinstance(s, Accumulate) else s
                    for s in sweep
                ]
                body += _nest(reduced, over_lanes(combined), ["serial"] * len(reduced))
        if self.before[self.levels]:
            body += over_lanes(self.before[self.levels])
        axes = [*rest, *([Axis("c", blocks)] if blocks != 1 else [])]
        if blocks != 1 and rest and size_estimate(rest[0].extent) < size_estimate(blocks):
            axes = [axes[-1], *axes[:-1]]
        return _nest(axes, body, ["parallel", *["serial"] * (len(axes) - 1)][: len(axes)])


def _lane_rewriter(place: Integer, names: set[str]) -> Rewriter:
    """Accumulators of a lane are elements of arrays."""

    def change(scalar: Scalar) -> Scalar:
        if isinstance(scalar, Local) and scalar.name in names:
            return Load(scalar.name, (place,), scalar.dtype)
        return scalar

    return Rewriter({"lane": place}, change)


def _chunk_count(axis: Axis, reduced: Domain) -> int:
    """The number of chunks: about the square root of the elements, so that sums of sums stay accurate."""
    elements = size_estimate(product(a.extent for a in reduced))
    count = 1 << max(4, round(math.log2(max(elements, 1.0)) / 2))
    extent = static_size(axis.extent)
    return min(count, MOST_CHUNKS, extent if extent else MOST_CHUNKS)


def _unit_score(domain: Domain, statements: Iterable[Statement]) -> dict[str, int]:
    """How often each axis is walked contiguously; stores count twice."""
    names = {axis.name for axis in domain}
    score = dict.fromkeys(names, 0)
    weights: dict[Integer, int] = {}
    for scalar in walk_all(scalars_of(statements)):
        if isinstance(scalar, Load):
            weight = 2 if scalar.source == "offset" else 1
            offset = scalar.index[0]
            weights[offset] = weights.get(offset, 0) + weight
    for offset, weight in weights.items():
        for name, factor in linear_terms(offset, names).items():
            score[name] += weight * (factor == 1)
    return score


def _contiguous_last(domain: Domain, sweeps: Sequence[Sequence[Statement]]) -> Domain:
    """The domain with the axis innermost that memory is walked along most."""
    if len(domain) < 2:
        return domain
    score = _unit_score(domain, [s for sweep in sweeps for s in sweep])
    best = max(reversed(domain), key=lambda axis: score[axis.name])
    if score[best.name] <= score[domain[-1].name]:
        return domain
    return (*(axis for axis in domain if axis is not best), best)


def _lane_axis(outer: Domain, sweeps: Sequence[Sequence[Statement]]) -> Axis:
    score = _unit_score(outer, [s for sweep in sweeps for s in sweep])
    return max(reversed(outer), key=lambda axis: score[axis.name])


def _outer_nest(domain: Domain, body: Sequence[Statement]) -> tuple[Statement, ...]:
    """A nest over independent points: the first loop parallel, the last of several a vector loop."""
    expressions = integer_expressions(scalars_of(body))
    domain, split = split_divisions(domain, expressions)
    expressions = [v for v in (substitute(e, split) for e in expressions) if not isinstance(v, int)]
    domain, merged = merge_axes(domain, expressions)
    mapping = {name: substitute(value, merged) for name, value in split.items()}
    mapping.update({name: value for name, value in merged.items() if name not in mapping})
    statements = substitute_statements(body, mapping)
    domain = _contiguous_last(domain, [statements])
    kinds = ["parallel", *["serial"] * (len(domain) - 1)][: len(domain)]
    if len(domain) > 1:
        kinds[-1] = "vector"
    return _nest(domain, statements, kinds)
