"""Contractions that read a picture through a window, on planes: see :mod:`graphc.ir.planes`."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from graphc.codegen.c.expressions import Used
from graphc.codegen.c.gemm import GemmPrinter, Operand, are_independent, most_of
from graphc.codegen.c.kernels import names_in_integer, names_in_scalar, without_unused
from graphc.codegen.c.literals import c_type
from graphc.codegen.c.rewriting import map_scalar, map_statement, substitution
from graphc.codegen.c.sliding_tiles import Cut, cuts_of_places, cuts_of_taps
from graphc.codegen.c.statements import INDENT, Statements
from graphc.codegen.c.undivided import planes_of, undivide
from graphc.codegen.loops import Contract, Kernel
from graphc.ir.integers import Integer, Opaque, atoms, coefficient_of, substitute, variable, variables
from graphc.ir.planes import PlaneAxis, Planes
from graphc.ir.scalars import Call, Load

# What people call the dimensions of a picture, the innermost last.
_DIMENSIONS = ("z", "y", "x")
# A table of offsets in the other factor lies on the stack.
_LONGEST_TABLE = 1 << 14


def sliding_printer(
    kernel: Kernel, name: str, used: Used, contract: Contract, lanes: int, registers: int, symbols: frozenset[str]
) -> GemmPrinter | None:
    """The printer of the cheapest way over planes; None where the contraction reads no picture that has them."""
    if contract.sliding is None or len(contract.sliding.window.axes) > len(_DIMENSIONS):
        return None
    if not isinstance(contract.rows, int) or not isinstance(contract.columns, int):
        return None
    columns_of = _columns_of_places if contract.sliding.window.summed == "taps" else _columns_of_taps
    return columns_of(kernel, name, used, contract, lanes, registers, symbols)


def _columns_of_places(
    kernel: Kernel, name: str, used: Used, given: Contract, lanes: int, registers: int, symbols: frozenset[str]
) -> GemmPrinter | None:
    if not isinstance(given.depth, int):
        return None
    undivided = undivide(given)
    contract = undivided.contract
    assert contract.sliding is not None
    planes = planes_of(contract.sliding)
    if planes is None:
        return None
    a = Operand(contract.left, "m", most_of(contract.rows), "b" in names_in_scalar(contract.left), False)
    in_place = a.side().in_memory or (_split_offset(a) is not None and given.depth <= _LONGEST_TABLE)
    cuts = cuts_of_places(most_of(contract.batch), a.side(), in_place, planes, lanes, registers)
    cut = min(cuts, key=lambda each: each.tiling.cost)
    picture = contract.sliding.picture
    b = Operand(picture, "n", cut.tiling.n, "b" in names_in_scalar(picture), False)
    flat = replace(contract, columns=cut.tiling.n)
    return PlacesPrinter(kernel, name, used, flat, a, b, cut, planes, given, symbols, undivided.divisors)


def _columns_of_taps(
    kernel: Kernel, name: str, used: Used, given: Contract, lanes: int, registers: int, symbols: frozenset[str]
) -> GemmPrinter | None:
    assert given.sliding is not None
    planes = planes_of(given.sliding)
    if planes is None:
        return None
    a_rows = most_of(given.rows)
    samples = given.depth // math.prod(axis.places for axis in planes.axes)
    if most_of(samples) == 0:
        return None
    cuts = cuts_of_taps(most_of(given.batch), most_of(samples), a_rows, planes, lanes, registers)
    cut = min(cuts, key=lambda each: each.tiling.cost)
    picture = given.sliding.picture
    a = Operand(given.left, "m", a_rows, "b" in names_in_scalar(given.left), False)
    b = Operand(picture, "n", cut.tiling.n, "b" in names_in_scalar(picture), False)
    blocks = (samples + cut.samples - 1) // cut.samples * -(-planes.axes[0].places // cut.rows)
    flat = replace(given, depth=blocks * cut.tiling.block_k)
    return TapsPrinter(kernel, name, used, flat, a, b, cut, planes, given, symbols, samples)


def _split_offset(operand: Operand) -> tuple[Integer, Integer, int] | None:
    """Where an operand lies, if its rows are evenly apart: its offset at depth 0, what a depth adds to that, and the
    distance of rows."""
    if not isinstance(operand.value, Load) or not isinstance(operand.value.source, str):
        return None
    (offset,) = operand.value.index
    stride = coefficient_of(offset, operand.variable)
    if not isinstance(stride, int) or any(isinstance(atom, Opaque) for atom in atoms(offset)):
        return None
    start = substitute(offset, {"k": 0})
    added = offset - start
    return (start, added, stride) if variables(added) <= {"k"} else None


class SlidingPrinter(GemmPrinter):
    """What the two kinds share: the planes, and the elements that are computed anew.

    ``given`` is the contraction as it was, before its columns or its depth became flat places.
    """

    def __init__(
        self,
        kernel: Kernel,
        name: str,
        used: Used,
        contract: Contract,
        a: Operand,
        b: Operand,
        cut: Cut,
        planes: Planes,
        given: Contract,
        symbols: frozenset[str],
    ):
        super().__init__(kernel, name, used, contract, a, b, cut.tiling, symbols)
        self.cut = cut
        self.planes = planes
        self.given = given
        self.dimensions = _DIMENSIONS[-len(planes.axes) :]
        for d, dimension in enumerate(self.dimensions):
            self.names.bind(f"y{d}", dimension)
            self.names.bind(f"phase{d}", f"phase{d}")
        for fixed in ("channel", "sample", "row"):
            self.names.bind(fixed, fixed)

    def _home(self) -> None:
        """Blocks have gaps between rows, or elements that are computed anew."""

    def stage_elements(self, side: str) -> int:
        return self.cut.stage if side == "b" else super().stage_elements(side)

    def tap_table(self, size: str) -> list[str]:
        """Statements that fill the table of what each (channel, tap) of a block adds to a flat place."""
        offsets = self.planes.tap_offsets(self.cut.plane)
        channel = self.planes.phases * self.cut.plane
        lines = [f"int32_t b_at[{size}];", f"for (int32_t k = 0; k < {size}; ++k)"]
        if len(offsets) == 1:
            return [*lines, f"{INDENT}b_at[k] = k * {channel} + {offsets[0]};"]
        table = f"static const int32_t tap[{len(offsets)}] = {{ {', '.join(map(str, offsets))} }};"
        return [table, *lines, f"{INDENT}b_at[k] = k / {len(offsets)} * {channel} + tap[k % {len(offsets)}];"]

    def copy_planes(self, depth: int, plane: str) -> list[str]:
        """Loops that copy all planes of one channel, of which the first starts at ``plane``. Where a block hasn't all
        places along the first dimension, it has those from ``top`` to ``bottom``."""
        axes, pitches = self.planes.axes, self.planes.pitches()
        lines: list[str] = []
        coordinates: dict[str, Integer] = {}
        terms = [plane] if plane != "0" else []
        for d, axis in enumerate(axes):
            if axis.step > 1:
                lines.append(_loop(f"phase{d}", "0", axis.step, depth))
                depth += 1
                terms.append(_times(f"phase{d}", self.cut.plane * math.prod(each.step for each in axes[d + 1 :])))
        for d, (axis, pitch, name) in enumerate(zip(axes, pitches, self.dimensions, strict=True)):
            start, stop, before = "0", _present(axis, d), -axis.first
            at = _plus(name, before)
            if d == 0 and self.cut.rows != axis.places:
                start, last = f"top > {before} ? top - {before} : 0", _plus("bottom", axis.first + axis.reach)
                start, stop = (start if before else "top"), f"({_least(last, stop)})"
                at = f"{at} - top"
            terms.append(_times(at if at == name else f"({at})", pitch) if pitch != 1 else at)
            lines.append(_loop(name, start, stop, depth))
            depth += 1
            element = axis.step * variable(f"y{d}", 0, axis.extent - 1)
            coordinates[f"y{d}"] = element + (variable(f"phase{d}", 0, axis.step - 1) if axis.step > 1 else 0)
        assert self.given.sliding is not None
        picture = map_scalar(self.given.sliding.picture, substitution(coordinates))
        lines.append(f"{INDENT * depth}b_stage[{' + '.join(terms)}] = {self.expressions.scalar(picture)};")
        return lines

    def exact(self) -> str:
        t, depth = c_type(self.contract.dtype), self.text(self.given.depth)
        parameters = "".join(f"{self.declarations()[name]}, " for name in self.exact_uses())
        batch = "int64_t batch, " if self.batch != 1 else ""
        product = Call("mul", (self.given.left, self.given.right), self.given.dtype)
        lines = [
            "/* One element by itself: a tile also adds zeros times what lies in the gaps, which may be infinite. */",
            f"static {t} {self.name}_exact({parameters}{batch}int64_t m, int64_t n)",
            "{",
            f"{INDENT}{t} total = 0;",
            _loop("k", "0", depth, 1),
            f"{INDENT * 2}total += {self.expressions.scalar(product)};",
            f"{INDENT}return total;",
            "}",
        ]
        return "\n".join(lines)

    def exact_uses(self) -> tuple[str, ...]:
        mentioned = names_in_scalar(self.given.left) | names_in_scalar(self.given.right)
        return self.uses(mentioned | set(names_in_integer(self.given.depth)))

    def call_exact(self, row: str, column: str) -> str:
        """The call of :meth:`exact` for an element of the result."""
        batch = ["batch"] if self.batch != 1 else []
        return f"{self.name}_exact({', '.join([*self.exact_uses(), *batch, row, column])})"

    def is_finite(self) -> str:
        """The test of a whole row of the finished block."""
        return f"gc_{self.contract.dtype.short}_finite(block + (m - m0) * PITCH, n1 - n0)"


class PlacesPrinter(SlidingPrinter):
    """Columns are places: a convolution, and the gradient of its input.

    Where ``divisors`` are not all 1, rows and places are those of :func:`graphc.codegen.c.undivided.undivide`.
    """

    def __init__(self, *arguments: Any):
        *others, self.divisors = arguments
        super().__init__(*others)
        self.phases = math.prod(self.divisors)

    def reading(self, side: str, offset: int) -> dict[str, Any]:
        if side == "b":
            return {
                "b_place": "local",
                "b_layout": "planes",
                "b_tile": "b_stage + n - n0",
                "b_row_stride": 1,
                "b_depth_stride": 1,
                "b_offsets": "b_at",
                "b_fill": self._fill_planes(),
                "b_panels": 0,
                "b_batches": self.text(self.batch if self.b.by_batch else 1),
                "b_offset": offset,
            }
        split = _split_offset(self.a) if self._has_table() else None
        if split is None:
            return super().reading(side, offset)
        start, _, stride = split
        assert isinstance(self.a.value, Load)
        return {
            "a_place": "memory",
            "a_layout": "plain",
            "a_tile": self.address(replace(self.a.value, index=(start,))),
            "a_row_stride": stride,
            "a_depth_stride": 0,
            "a_offsets": "a_at + k0",
            "a_fill": "",
            "a_panels": 0,
            "a_batches": 1,
            "a_offset": offset,
        }

    def _has_table(self) -> bool:
        return self.tiling.a_place == "memory" and not self.a.side().in_memory

    def tables(self) -> str:
        lines = self.tap_table("BLOCK_K")
        split = _split_offset(self.a) if self._has_table() else None
        if split is not None:
            lines.append(f"int32_t a_at[{self.tiling.k}];")
            lines.append(f"for (int64_t k = 0; k < {self.tiling.k}; ++k)")
            lines.append(f"{INDENT}a_at[k] = (int32_t)({self.expressions.integer(split[1])});")
        return "\n".join(lines)

    def _fill_planes(self) -> str:
        taps, row = self.planes.taps, self.planes.row
        lines = [f"memset(b_stage, 0, {self.cut.stage} * sizeof *b_stage);"]
        if self.cut.rows != self.planes.axes[0].places:
            lines.append(f"const int64_t top = {_over('n0', row)}, bottom = {_over('n1', row)};")
        first = _over("k0", taps) if self.tiling.block_k < self.tiling.k else "0"
        lines.append(_loop("channel", first, _over("k1", taps), 0))
        channel = "channel" if first == "0" else f"(channel - {first})"
        lines += self.copy_planes(1, _times(channel, self.planes.phases * self.cut.plane))
        return "\n".join(lines)

    def exact(self) -> str:
        return super().exact() if self.phases > 1 else ""

    def exact_uses(self) -> tuple[str, ...]:
        return super().exact_uses() if self.phases > 1 else ()

    def epilogue(self) -> str:
        assert self.given.sliding is not None
        axes = self.given.sliding.window.axes
        extents = [axis.places for axis in axes]
        column: Integer = 0
        for d, (extent, divisor) in enumerate(zip(extents, self.divisors, strict=True)):
            at = divisor * variable(f"y{d}", 0, extent - 1)  # type: ignore[operator]
            column = column * extent + at + (variable(f"phase{d}", 0, divisor - 1) if divisor > 1 else 0)
        row = variable("row" if self.phases > 1 else "m", 0, most_of(self.given.rows) - 1)
        change = substitution({"m": row, "n": column})
        statements = [map_statement(statement, change) for statement in without_unused(self.given.epilogue)]
        lines = [_loop("m", "m0", "m1", 0) + " {"]
        if self.phases > 1:
            lines.append(f"{INDENT}const int64_t row = m / {self.phases}{self._phase_digits()};")
            lines.append(f"{INDENT}if (!{self.is_finite()})")
            loops, element = self._visit(2)
            lines += loops
            call = self.call_exact("row", self.expressions.integer(column))
            lines += [
                f"{INDENT * (len(axes) + 2)}if (!isfinite({element}))",
                f"{INDENT * (len(axes) + 3)}{element} = {call};",
            ]
        loops, element = self._visit(1)
        depth = len(axes) + 1
        if are_independent(statements):
            loops.insert(-1, f"{INDENT * (depth - 1)}#pragma omp simd")
        lines += [*loops[:-1], loops[-1] + " {"]
        lines.append(f"{INDENT * depth}const {c_type(self.contract.dtype)} total = {element};")
        lines += Statements(self.expressions).block(tuple(statements), depth)
        lines += [f"{INDENT * (depth - 1)}}}", "}"]
        return "\n".join(lines)

    def _phase_digits(self) -> str:
        """Definitions of what remains of a place along each dimension, from the row of a tile."""
        text, below = "", 1
        for d, divisor in reversed(list(enumerate(self.divisors))):
            if divisor > 1:
                text = f", phase{d} = {_over('m', below)} % {divisor}{text}"
                below *= divisor
        return text

    def _visit(self, depth: int) -> tuple[list[str], str]:
        """Loops over the places of a row of the block, and the element there."""
        assert self.given.sliding is not None
        lines, terms = [], ["(m - m0) * PITCH"]
        row, cut = self.planes.row, self.cut.rows != self.planes.axes[0].places
        for d, (axis, pitch) in enumerate(zip(self.given.sliding.window.axes, self.planes.pitches(), strict=True)):
            name, divisor = self.dimensions[d], self.divisors[d]
            start, stop = "0", str(axis.places)
            if divisor > 1:
                stop = f"({axis.places} + {divisor - 1} - phase{d}) / {divisor}"
            if d == 0 and cut:
                start, bottom = _over("n0", row), _over("n1", row)
                stop = bottom if divisor == 1 else f"({_least(bottom, stop)})"
            terms.append(_times(name, pitch))
            lines.append(_loop(name, start, stop, depth + d))
        return lines, f"block[{' + '.join(terms)}{' - n0' if cut else ''}]"


class TapsPrinter(SlidingPrinter):
    """Columns are channels and taps, and places are summed: the gradient of a convolution's weight.

    Both factors are copied: ``a`` with zeros where a picture's rows have gaps.
    """

    def __init__(self, *arguments: Any):
        *others, self.samples = arguments
        super().__init__(*others)

    def stage_elements(self, side: str) -> int:
        return self.cut.stage if side == "b" else self.tiling.block_m * self.tiling.block_k

    def reading(self, side: str, offset: int) -> dict[str, Any]:
        tile = "a_stage + (m - m0) * BLOCK_K" if side == "a" else "b_stage"
        return {
            f"{side}_place": "local",
            f"{side}_layout": "places" if side == "a" else "planes",
            f"{side}_tile": tile,
            f"{side}_row_stride": self.tiling.block_k,
            f"{side}_depth_stride": 1,
            f"{side}_offsets": "b_at + n - n0" if side == "b" else None,
            f"{side}_fill": "\n".join(self._fill_places() if side == "a" else self._fill_planes()),
            f"{side}_panels": 0,
            f"{side}_batches": self.text(self.batch if (self.a if side == "a" else self.b).by_batch else 1),
            f"{side}_offset": offset,
        }

    def tables(self) -> str:
        return "\n".join(self.tap_table("BLOCK_N"))

    def _fill_places(self) -> list[str]:
        """Statements that copy the places of a block of rows, with zeros in the gaps."""
        axes, pitches = self.planes.axes, self.planes.pitches()
        lines = ["memset(a_stage, 0, (size_t)((m1 - m0) * BLOCK_K) * sizeof *a_stage);", *self._samples()]
        lines.append(_loop("m", "m0", "m1", 0))
        depth, terms = 1, ["(m - m0) * BLOCK_K"]
        if self.cut.samples > 1:
            lines.append(_loop("sample", "first_sample", "last_sample", depth))
            depth, terms = 2, [*terms, _times("(sample - first_sample)", self.cut.segment)]
        position: Integer = 0 if self.samples == 1 else variable("sample", 0, most_of(self.samples) - 1)
        for d, (axis, pitch, name) in enumerate(zip(axes, pitches, self.dimensions, strict=True)):
            position = position * axis.places + variable(f"y{d}", 0, axis.places - 1)
            cut = d == 0 and self.cut.rows != axis.places
            lines.append(_loop(name, "top" if cut else "0", "bottom" if cut else axis.places, depth))
            terms.append(_times("(y - top)".replace("y", name) if cut else name, pitch))
            depth += 1
        value = map_scalar(self.given.left, substitution({"k": position}))
        return [*lines, f"{INDENT * depth}a_stage[{' + '.join(terms)}] = {self.expressions.scalar(value)};"]

    def _fill_planes(self) -> list[str]:
        lines = [f"memset(b_stage, 0, {self.cut.stage} * sizeof *b_stage);", *self._samples()]
        taps, whole = self.planes.taps, self.tiling.block_n == self.tiling.n
        first = "0" if whole else _over("n0", taps)
        lines.append(_loop("channel", first, _over("n1", taps), 0))
        place = _times("channel" if whole else f"(channel - {first})", self.planes.phases * self.cut.plane)
        if self.cut.samples == 1:
            return [*lines, *self.copy_planes(1, place)]
        lines.append(_loop("sample", "first_sample", "last_sample", 1))
        return [*lines, *self.copy_planes(2, f"{place} + {_times('(sample - first_sample)', self.cut.segment)}")]

    def _samples(self) -> list[str]:
        """Definitions of what a block of places holds: some samples, or some rows of one."""
        places, rows, together = self.planes.axes[0].places, self.cut.rows, self.cut.samples
        if rows != places:
            pieces = -(-places // rows)
            # Of a single sample nothing depends on which one it is.
            sample = f"sample = piece / {pieces}, " if self.samples != 1 else ""
            return [
                f"const int64_t piece = k0 / BLOCK_K, {sample}top = piece % {pieces} * {rows};",
                f"const int64_t bottom = {_least(f'top + {rows}', places)};",
            ]
        if together == 1:
            return ["const int64_t sample = k0 / BLOCK_K;"] if self.samples != 1 else []
        samples = self.text(self.samples)
        return [
            f"const int64_t first_sample = k0 / BLOCK_K * {together};",
            f"const int64_t last_sample = {_least(f'first_sample + {together}', samples)};",
        ]

    def epilogue(self) -> str:
        element = "block[(m - m0) * PITCH + n - n0]"
        lines = [
            _loop("m", "m0", "m1", 0),
            f"{INDENT}if (!{self.is_finite()})",
            _loop("n", "n0", "n1", 2),
            f"{INDENT * 3}if (!isfinite({element}))",
            f"{INDENT * 4}{element} = {self.call_exact('m', 'n')};",
        ]
        return "\n".join([*lines, super().epilogue()])


def _present(axis: PlaneAxis, d: int) -> str:
    """The first element of a row of a plane that isn't there, or that no place reads."""
    if axis.step == 1:
        return str(axis.present)
    there = f"({axis.extent} + {axis.step - 1} - phase{d}) / {axis.step}"
    wanted = axis.places + axis.first + axis.reach
    return there if -(-axis.extent // axis.step) <= wanted else f"({_least(there, wanted)})"


def _loop(name: str, start: str, stop: str | int, depth: int) -> str:
    return f"{INDENT * depth}for (int64_t {name} = {start}; {name} < {stop}; ++{name})"


def _times(factor: str, number: int) -> str:
    return factor if number == 1 else f"{factor} * {number}"


def _over(dividend: str, number: int) -> str:
    return dividend if number == 1 else f"{dividend} / {number}"


def _plus(text: str, number: int) -> str:
    return text if number == 0 else f"{text} + {number}" if number > 0 else f"{text} - {-number}"


def _least(text: str, other: str | int) -> str:
    return f"{text} < {other} ? {text} : {other}"
