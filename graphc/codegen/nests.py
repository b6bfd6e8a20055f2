"""Loop nests of a fusion group.

A group is written in one of four ways:

- flat: no reduction; a nest over the outer domain. One loop alone is "parallel" and also free to be vectorised; of
  several the first is parallel and the last a vector loop.
- rows: for each outer point one sweep over the reduced domain for each level, the row staying in cache. Sums over the
  rows are made beside it, in local arrays of each of a fixed number of parts.
- unrolled: a small reduced domain (a pooling window) written out, so that the outer dimension is what is vectorised.
- lanes: where neighbouring outer points are neighbours in memory (a bias gradient), a block of outer points is carried
  in small arrays, and the reduced loop stands outside the loop over the block.

Reductions to few results, and long ones, are cut into a number of chunks that depends on their size alone, so that a
sum is the same bit for bit with any number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from graphc.codegen.anchors import carried_locals
from graphc.codegen.domains import Axis, Domain, integer_expressions, merge_axes, split_divisions
from graphc.codegen.groups import (
    FEWEST_CHUNKS,
    LARGEST_ROW,
    LARGEST_WINDOW,
    POSITIONAL,
    Group,
    Member,
    chunk_count,
    has_positions,
    prefers_lanes,
    scans,
)
from graphc.codegen.loops import (
    Accumulate,
    Accumulator,
    Advance,
    Carried,
    Let,
    Local,
    LocalArray,
    Loop,
    Statement,
    Store,
)
from graphc.codegen.materialize import OPERATION_WEIGHT, size_estimate, static_size
from graphc.codegen.statements import (
    Ranges,
    blocks,
    contiguous_last,
    nest,
    outer_kinds,
    outer_nest,
    rewrite_statements,
    scalars_of,
    substitute_statements,
    unit_score,
    written_out,
)
from graphc.codegen.storage import Draft, Storage
from graphc.codegen.trace import Rewriter, Tracer, delinearize, flat_offset, index_variable, linear_offset
from graphc.ir.graph import Node
from graphc.ir.integers import Integer, opaque, product, substitute, variable
from graphc.ir.scalars import Call, Constant, Index, Load, Scalar
from graphc.ir.types import DType, int64


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


class LoopWriter:
    """Writes a group of loops."""

    def __init__(self, group: Group, storage: Storage):
        self.group = group
        self.storage = storage
        self.target = group.target
        self.names = {
            member.node: f"a{number}"
            for number, member in enumerate(m for m in group.members if m.role in ("reduction", "partial"))
        }
        self.carried = {
            member.node: carried_locals(member.node, f"s{number}") for number, member in enumerate(scans(group))
        }
        self.levels = 1 + max((m.level for m in group.members if m.role != "outer"), default=-1)
        self.lanes = False
        self.kept: dict[Node, str] = {}
        self.outer_values: dict[Node, Scalar] = {}
        self.sweeps: list[list[Statement]] = []
        self.before: list[list[Statement]] = []  # stores of outer values before each sweep, and after the last

    def drafts(self) -> list[Draft]:
        """The kernels, in order."""
        if not self.carried and not any(member.role == "reduction" for member in self.group.members):
            return [Draft(self._flat())]
        if self._is_window():
            return [Draft(self._unrolled())]
        empty = any(axis.extent == 0 for axis in self.group.reduced)
        self.lanes = self.target.lanes and prefers_lanes(self.group) and not empty and not self.group.parts
        self._choose_kept()
        self._trace()
        outer, reduced = self._domains()
        if self.group.split:
            return self._chunked(outer, reduced)
        if self.lanes:
            return [Draft(self._in_lanes(outer, reduced))]
        body = self._in_rows(outer, reduced)
        return [Draft(body)] if body else []

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
                return self.storage.outside(node, index)
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
        left = self.target.row_bytes
        columns = self.lanes or (self.target.all_parallel and prefers_lanes(self.group))
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
            elif member.role == "full" and not columns and member.node not in self.storage.places:
                costly = OPERATION_WEIGHT * sum(node.op.cost for node in member.anchor.visited) >= 2.0
                if not costly or row is None or row > LARGEST_ROW:
                    continue
                if left is not None:
                    left -= row * member.node.type.dtype.itemsize
                if left is None or left >= 0:
                    self.kept[member.node] = f"row{len(self.kept)}"

    def _trace(self) -> None:
        outer_tracer, _ = self._tracer(None)
        for level in range(self.levels + 1):
            stores: list[Statement] = []
            for member in self.group.members:
                is_last = level == self.levels
                if member.role == "outer" and (member.level == level or (is_last and member.level > level)):
                    value = outer_tracer.inside(member.node, member.index)
                    if not self.lanes and not self.group.split:
                        value = self._named(member.node, value, stores)
                    self.outer_values[member.node] = value
                    stores += self.storage.stores(member.node, member.index, value)
                    if member.node in self.kept:
                        position = self._row_position(member)
                        stores.append(Store(self.kept[member.node], position, value, member.node.type.dtype))
                elif member.role == "reduction" and member.level + 1 == level and member.node in self.storage.places:
                    value = self._reduction_value(member)
                    stores += self.storage.stores(member.node, member.index, value)
                elif member.role == "partial" and member.level + 1 == level and member.anchor.summed.type.size == 1:
                    stores.append(self._added(member, 0, self._reduction_value(member)))
            self.before.append(stores)
            if level < self.levels:
                self.sweeps.append(self._sweep(level))

    def _sweep(self, level: int) -> list[Statement]:
        tracer, computed = self._tracer(level)
        known: dict[Scalar, Node] = {}
        statements: list[Statement] = []
        advances: list[Statement] = []
        for member in self.group.members:
            if member.role == "outer" or member.level != level:
                continue
            node = member.node
            if member.role == "full":
                value = None if node in self.carried else tracer.inside(node, member.index)
                same = known.setdefault(value, node) if value is not None else node
                if same is not node:  # the backward part may compute anew what the forward part did
                    computed[node] = computed[same]
                else:
                    computed[node] = self._full_value(member, value, tracer, statements, advances)
                statements += self.storage.stores(node, member.index, computed[node])
                if node in self.kept and same is not node and same in self.kept:
                    self.kept[node] = self.kept[same]
                elif node in self.kept:
                    position = self._row_position(member)
                    statements.append(Store(self.kept[node], position, computed[node], node.type.dtype))
                continue
            value = self._element(member, tracer)
            if member.role == "partial" and member.anchor.summed.type.size != 1:
                place = flat_offset(member.index, member.anchor.summed.type.strides)
                statements.append(self._added(member, place, value))
            else:
                statements.append(self._accumulate(member, value))
        if not advances:
            return statements
        # From the end, a scan walks the reduced domain backwards.
        backwards = next(node for node in self.carried if self.group.member(node).level == level).attrs["reverse"]
        turned = {axis.name: axis.extent - 1 - axis.index for axis in self.group.reduced} if backwards else {}
        return list(substitute_statements([*statements, *advances], turned))

    def _full_value(
        self,
        member: Member,
        value: Scalar | None,
        tracer: Tracer,
        statements: list[Statement],
        advances: list[Statement],
    ) -> Scalar:
        """The value of a member at a point of both domains; that of a scan, which goes on by ``advances``, is None."""
        node = member.node
        if value is not None:
            return self._named(node, value, statements)
        carried = self.carried[node]
        for local, value in zip(carried, tracer.step(node, carried, member.index), strict=True):
            after = f"{local.name}_next"
            statements.append(Let(after, local.dtype, value, here=True))
            advances.append(Advance(local.name, local.dtype, Local(after, local.dtype)))
        first = Local(f"{carried[0].name}_next", carried[0].dtype)
        if first.dtype == node.type.dtype:
            return first
        return self._named(node, Call("cast", (first,), node.type.dtype), statements)

    def _element(self, member: Member, tracer: Tracer) -> Scalar:
        """What a reduction combines at a point."""
        if member.anchor.parts is not None:
            return self.storage.load(member.anchor.parts, (*member.reduced_index, *member.index))
        return tracer.inside(member.anchor.summed or member.node, member.index, member.reduced_index)

    def _added(self, member: Member, place: Integer, value: Scalar) -> Store:
        """What a row adds to an element of the sums over the rows of a part."""
        combiner = member.node.op.combiner  # type: ignore[attr-defined]
        return Store(f"part_{self.names[member.node]}", place, value, member.node.type.dtype, combiner)

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
        whole = (*self.group.outer, *self.group.reduced)
        is_outer = {axis.name for axis in self.group.outer}
        domain, split = split_divisions(whole, self._expressions())
        self._rewrite(split)
        outer = tuple(axis for axis in domain if axis.name.rstrip("hl") in is_outer)
        reduced = tuple(axis for axis in domain if axis.name.rstrip("hl") not in is_outer)
        expressions = self._expressions()
        outer, merged_outer = merge_axes(outer, expressions)
        reduced, merged_reduced = merge_axes(reduced, expressions)
        self._rewrite({**merged_outer, **merged_reduced})
        if has_positions(self.group) or self.carried:
            return outer, reduced
        reduced = contiguous_last(reduced, self.sweeps)
        if self.target.all_parallel and prefers_lanes(self.group):
            outer = contiguous_last(outer, self.sweeps)
        if not self.lanes:
            short = reduced
            for level, sweep in enumerate(self.sweeps):
                short, statements = written_out(reduced, sweep)
                self.sweeps[level] = list(statements)
            reduced = short
        return outer, reduced

    def _expressions(self) -> list[Integer]:
        return integer_expressions(scalars_of(s for part in (*self.before, *self.sweeps) for s in part))

    def _rewrite(self, mapping: dict[str, Integer]) -> None:
        if mapping:
            rewriter = Rewriter(mapping)
            self.before = [list(rewrite_statements(part, rewriter)) for part in self.before]
            self.sweeps = [list(rewrite_statements(part, rewriter)) for part in self.sweeps]

    def _is_window(self) -> bool:
        size = static_size(product(axis.extent for axis in self.group.reduced))
        results = size_estimate(product(axis.extent for axis in self.group.outer))
        return (
            size is not None
            and 0 < size <= LARGEST_WINDOW
            and results >= LARGEST_WINDOW
            and self.levels == 1
            and not self.carried
            and not any(member.role in ("full", "partial") for member in self.group.members)
        )

    # Writing loops.

    def _flat(self) -> tuple[Statement, ...]:
        tracer, _ = self._tracer(None)
        body: list[Statement] = []
        for member in self.group.members:
            value = self._named(member.node, tracer.inside(member.node, member.index), body)
            self.outer_values[member.node] = value
            body += self.storage.stores(member.node, member.index, value)
        return outer_nest(self.group.outer, body, self.target)

    def _named(self, node: Node, value: Scalar, statements: list[Statement]) -> Scalar:
        """The value under a name of its own, so that expressions stay shallow; needless names vanish later."""
        if isinstance(value, Local | Constant):
            return value
        statements.append(Let(self.storage.values.key(node), node.type.dtype, value))
        return Local(self.storage.values.key(node), node.type.dtype)

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
                    value = self._element(at_point, tracer)
                    accumulates.append(self._accumulate(at_point, value))
        body = [*self._accumulators(accumulates), *accumulates]
        tracer, _ = self._tracer(None)
        for member in self.group.members:
            if member.role == "reduction":
                value = self._reduction_value(member)
            else:
                value = self._named(member.node, tracer.inside(member.node, member.index), body)
                self.outer_values[member.node] = value
            body += self.storage.stores(member.node, member.index, value)
        return outer_nest(self.group.outer, body, self.target)

    def _accumulators(self, statements: Iterable[Statement]) -> list[Statement]:
        found: dict[str, Statement] = {}
        for statement in statements:
            if isinstance(statement, Accumulate):
                found[statement.name] = Accumulator(statement.name, statement.dtype, statement.combiner)
            elif isinstance(statement, Advance):
                found[statement.name] = Carried(statement.name, statement.dtype, self._starts()[statement.name])
        return list(found.values())

    def _starts(self) -> dict[str, Constant]:
        """What each carried scalar is before a row."""
        found: dict[str, Constant] = {}
        for node, names in self.carried.items():
            types = [operand.type for operand in node.inputs]
            constants = node.op.carried(types, node.type, **node.attrs)  # type: ignore[attr-defined]
            found.update(zip((local.name for local in names), constants, strict=True))
        return found

    def _rows(self) -> list[Statement]:
        """Local arrays that hold values of a row from one sweep to the next."""
        row = static_size(product(axis.extent for axis in self.group.reduced)) or 0
        arrays = {
            name: LocalArray(name, node.type.dtype, row)
            for node, name in self.kept.items()
            if self.group.member(node).role == "full"  # type: ignore[union-attr]
        }
        return list(arrays.values())

    def _in_rows(self, outer: Domain, reduced: Domain) -> tuple[Statement, ...]:
        body = self._rows()
        for level, sweep in enumerate(self.sweeps):
            body += self.before[level]
            is_empty = any(axis.extent == 0 for axis in reduced)
            body += self._accumulators(s for s in sweep if not (is_empty and isinstance(s, Advance)))
            if sweep and not is_empty:
                body += nest(reduced, sweep, self._reduced_kinds(reduced, sweep))
        body += self.before[self.levels]
        if not any(isinstance(statement, Store | Loop) for statement in body):
            return ()  # of no elements nothing is left to do
        if self.group.parts:
            return self._in_parts(outer, body)
        return nest(outer, body, outer_kinds(len(outer), self.target))

    def _in_parts(self, outer: Domain, rows: Sequence[Statement]) -> tuple[Statement, ...]:
        """The rows, part by part: each part has sums over its rows in arrays of its own, and hands these on."""
        p = index_variable("p", self.group.parts)
        first: list[Statement] = []
        last: list[Statement] = []
        for member in self.group.members:
            if member.role == "partial":
                size, dtype = static_size(member.anchor.summed.type.size), member.node.type.dtype
                c, name = index_variable("c", size), f"part_{self.names[member.node]}"
                empty = identity(member.node.op.combiner, dtype)  # type: ignore[attr-defined]
                axes = [Axis("c", size)] if size != 1 else []
                cleared = Store(name, c, empty, dtype)
                given = Store(self.storage.values.key(member.node), p * size + c, Load(name, (c,), dtype), dtype)
                first += [LocalArray(name, dtype, size), *nest(axes, [cleared], ["vector"] * len(axes))]
                last += nest(axes, [given], ["vector"] * len(axes))
        cut = max(outer, key=lambda axis: size_estimate(axis.extent))
        ranges = {cut.name: ((p * cut.extent) // self.group.parts, ((p + 1) * cut.extent) // self.group.parts)}
        domain = [cut, *(axis for axis in outer if axis is not cut)]
        body = [*first, *nest(domain, rows, ["serial"] * len(domain), ranges), *last]
        return nest([Axis("p", self.group.parts)], body, ["parallel"])

    def _chunked(self, outer: Domain, reduced: Domain) -> list[Draft]:
        """Two kernels: partial results of each chunk of the reduced domain, and their combination."""
        sweep = self.sweeps[0]
        axis = reduced[0] if has_positions(self.group) else _cut_axis(reduced)
        chunks = chunk_count(axis, reduced)
        p = index_variable("p", chunks)
        ranges = {axis.name: ((p * axis.extent) // chunks, ((p + 1) * axis.extent) // chunks)}
        if axis.extent == chunks:
            reduced = tuple(other for other in reduced if other is not axis)
            sweep = self.sweeps[0] = list(rewrite_statements(sweep, Rewriter({axis.name: p})))
        results = product(a.extent for a in outer)
        # The results of one chunk lie together, as they do in the end.
        place = p * results + linear_offset([a.index for a in outer], [a.extent for a in outer])
        partials: list[tuple[str, DType, Integer]] = []
        hand_on: list[Statement] = []
        combine: list[Statement] = []
        accumulators = self._accumulators(sweep)
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
        if self.lanes:
            axes, work = self._over_lanes(outer, reduced, ranges, hand_on)
            work = list(nest(axes, work, ["serial"] * len(axes)))
        else:
            loops = nest(reduced, sweep, self._reduced_kinds(reduced, sweep), ranges)
            around = "parallel" if self.target.all_parallel else "serial"
            work = list(nest(outer, [*accumulators, *loops, *hand_on], [around] * len(outer)))
        first_body = (Loop("p", 0, chunks, tuple(work), "parallel"),)
        kind = "serial" if has_positions(self.group) and not self.target.all_parallel else "vector"
        finish = [*self.before[0], *accumulators, Loop("p", 0, chunks, tuple(combine), kind), *self.before[1]]
        kinds = outer_kinds(len(outer), self.target)
        return [Draft(first_body, tuple(partials)), Draft(nest(outer, finish, kinds))]

    def _reduced_kinds(self, reduced: Domain, sweep: Sequence[Statement]) -> list[str]:
        carries = any(isinstance(each, Advance) for each in sweep)
        if self.target.all_parallel and not carries:
            return ["vector"] * len(reduced)
        kinds = ["serial"] * len(reduced)
        if kinds and not has_positions(self.group) and not carries:
            kinds[-1] = "vector"
        return kinds

    def _node(self, name: str) -> Node:
        return next(node for node, other in self.names.items() if other == name)

    def _in_lanes(self, outer: Domain, reduced: Domain) -> tuple[Statement, ...]:
        axes, body = self._over_lanes(outer, reduced, {}, self.before[self.levels])
        if len(axes) > 1 and axes[-1].name == "c" and size_estimate(axes[0].extent) < size_estimate(axes[-1].extent):
            axes = [axes[-1], *axes[:-1]]  # the longer of the loops is the one to share out
        return nest(axes, body, ["parallel", *["serial"] * (len(axes) - 1)][: len(axes)])

    def _over_lanes(
        self, outer: Domain, reduced: Domain, ranges: Ranges, last: Sequence[Statement]
    ) -> tuple[list[Axis], list[Statement]]:
        """The loops around a block of lanes, and what is done for each block; ``last`` comes after all sweeps."""
        lane = _lane_axis(outer, self.sweeps)
        count, width, start, stop = blocks(lane)
        place = lane.index - start
        arrays: list[Statement] = []
        first: list[Statement] = []
        starts = self._starts()
        change = _lane_rewriter(place, {*self.names.values(), *starts})
        for name, constant in starts.items():
            arrays.append(LocalArray(name, constant.dtype, width))
            first.append(Store(name, place, constant, constant.dtype))
        for member in self.group.members:
            if member.role == "reduction":
                name, dtype = self.names[member.node], member.node.type.dtype
                arrays.append(LocalArray(name, dtype, width))
                empty = identity(member.node.op.combiner, dtype)  # type: ignore[attr-defined]
                first.append(Store(name, place, empty, dtype))
            elif member.node in self.kept:
                arrays.append(LocalArray(self.kept[member.node], member.node.type.dtype, width))

        def for_each_lane(statements: Sequence[Statement]) -> list[Statement]:
            return [Loop(lane.name, start, stop, rewrite_statements(statements, change), "vector")]

        body: list[Statement] = [*arrays, *for_each_lane(first)]
        for level, sweep in enumerate(self.sweeps):
            if self.before[level] and not self.group.split:
                body += for_each_lane(self.before[level])
            if sweep:
                combined = [_of_lane(statement, place) for statement in sweep]
                body += nest(reduced, for_each_lane(combined), ["serial"] * len(reduced), ranges)
        if last:
            body += for_each_lane(last)
        axes = [axis for axis in outer if axis is not lane]
        return [*axes, *([Axis("c", count)] if count != 1 else [])], body


def _of_lane(statement: Statement, place: Integer) -> Statement:
    """A statement of a sweep where results, and what is carried, are elements of arrays."""
    if isinstance(statement, Accumulate):
        return Store(statement.name, place, statement.value, statement.dtype, statement.combiner)
    if isinstance(statement, Advance):
        return Store(statement.name, place, statement.value, statement.dtype)
    return statement


def _lane_rewriter(place: Integer, names: set[str]) -> Rewriter:
    """Accumulators of a lane are elements of arrays."""

    def change(scalar: Scalar) -> Scalar:
        if isinstance(scalar, Local) and scalar.name in names:
            return Load(scalar.name, (place,), scalar.dtype)
        return scalar

    return Rewriter({"lane": place}, change)


def _cut_axis(reduced: Domain) -> Axis:
    """The axis to cut: the longest, but the innermost only where no other is long enough, since its loop is the one in
    vectors."""
    outer = max(reduced[:-1], key=lambda axis: size_estimate(axis.extent), default=reduced[-1])
    return (
        outer if size_estimate(outer.extent) >= FEWEST_CHUNKS else max(reduced, key=lambda a: size_estimate(a.extent))
    )


def _lane_axis(outer: Domain, sweeps: Sequence[Sequence[Statement]]) -> Axis:
    score = unit_score(outer, [s for sweep in sweeps for s in sweep])
    return max(reversed(outer), key=lambda axis: score[axis.name])
