"""One tiled contraction as C: what fills the holes of ``templates/c/gemm.c.j2``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphc.codegen.c.expressions import Expressions, Used
from graphc.codegen.c.kernels import (
    KernelText,
    Phase,
    declaration,
    names_in_integer,
    names_in_scalar,
    sources,
    without_unused,
)
from graphc.codegen.c.literals import c_type
from graphc.codegen.c.names import Names, comment
from graphc.codegen.c.rewriting import Tables, map_scalar, map_statement, substitution, table_and_rest
from graphc.codegen.c.spelling import UNARY
from graphc.codegen.c.statements import INDENT, Statements
from graphc.codegen.c.tiles import Side, Tiling
from graphc.codegen.loops import Contract, Kernel, Let, Local, Statement, Store
from graphc.codegen.render import render
from graphc.ir.integers import (
    Integer,
    Opaque,
    atoms,
    bounds,
    ceiling,
    coefficient_of,
    round_up,
    variable,
)
from graphc.ir.scalars import Call, Load, Scalar, Within, rebuild
from graphc.ir.types import bool_, int32

# Names that the template declares; a kernel's parameter of that name gets another.
_RESERVED_TEXT = """
    a b a_at b_at a_stage b_stage a_copied b_copied a_wanted b_wanted batch block bottom channel chunk first
    first_sample item k k0 k1 k_first k_last last last_sample local m m0 m1 n n0 n1 panel part partial panels
    phase0 phase1 phase2 piece place row sample shared sum tap to top total x y z K M N PITCH TILE TILE_M TILE_N
    BLOCK_M BLOCK_N BLOCK_K
"""
RESERVED = tuple(_RESERVED_TEXT.split())


@dataclass(frozen=True, slots=True)
class GemmContext:
    """The holes of ``templates/c/gemm.c.j2``, which describes them."""

    name: str
    comment: str
    parameters: dict[str, str]
    pack_uses: tuple[str, ...]
    multiply_uses: tuple[str, ...]
    multiply_scratch: tuple[str, ...]
    finish_uses: tuple[str, ...]
    a_uses: tuple[str, ...]
    b_uses: tuple[str, ...]
    dtype: str
    lanes: int
    form: str
    batch: int | str
    m: int | str
    n: int | str
    k: int | str
    single_rows: bool
    no_depth: bool
    tile_m: int
    tile_n: int
    edge_m: int
    edge_n: int
    block_m: int
    block_n: int
    block_k: int
    pitch: int
    block_elements: int
    m_blocks: int | str
    n_blocks: int | str
    chunks: int | str
    chunk_k: int
    order: str
    tile_order: str
    a_place: str
    a_layout: str
    a_tile: str
    a_row_stride: int
    a_depth_stride: int
    a_offsets: str | None
    a_fill: str
    a_panels: int | str
    a_batches: int | str
    a_offset: int
    b_place: str
    b_layout: str
    b_tile: str
    b_row_stride: int
    b_depth_stride: int
    b_offsets: str | None
    b_fill: str
    b_panels: int | str
    b_batches: int | str
    b_offset: int
    block_offset: int
    block_tile: str
    partial_offset: int
    packs: bool
    epilogue: str
    tables: str
    exact: str


@dataclass(frozen=True, slots=True)
class Operand:
    """One factor of a contraction; ``variable`` is the row or column variable that it depends on."""

    value: Scalar
    variable: str
    extent: int
    by_batch: bool
    varies: bool

    def side(self) -> Side:
        """How the operand lies in memory."""
        if not isinstance(self.value, Load) or not isinstance(self.value.source, str):
            return Side(self.extent, None, None, self.by_batch, self.varies)
        (offset,) = self.value.index
        if any(isinstance(atom, Opaque) for atom in atoms(offset)):
            return Side(self.extent, None, None, self.by_batch, self.varies)
        strides = [coefficient_of(offset, name) for name in (self.variable, "k")]
        known = [stride if isinstance(stride, int) else None for stride in strides]
        return Side(self.extent, known[0], known[1], self.by_batch, self.varies)


def most_of(size: Integer) -> int:
    """A size, or the most that one which is known at run time only can be."""
    greatest = bounds(size)[1]
    assert greatest is not None
    return greatest


class GemmPrinter:
    """Fills the template for one contraction whose roles and tiling are chosen."""

    def __init__(
        self,
        kernel: Kernel,
        name: str,
        used: Used,
        contract: Contract,
        a: Operand,
        b: Operand,
        tiling: Tiling,
        symbols: frozenset[str],
    ):
        self.kernel = kernel
        self.name = name
        self.contract = contract
        self.a, self.b = a, b
        self.tiling = tiling
        self.names = Names(RESERVED)
        # The contraction's row variable is the template's "m" or "n", as the roles are.
        for own, given in ((a.variable, "m"), (b.variable, "n"), ("k", "k"), ("b", "batch"), ("total", "total")):
            self.names.bind(own, given)
        for fixed in ("m0", "n0", "k0"):
            self.names.bind(fixed, fixed)
        for parameter in kernel.parameters:
            self.names(parameter.name)
        self.symbols = tuple(sorted(symbols))
        for symbol in self.symbols:
            self.names(symbol)
        self.expressions = Expressions(self.names, used)
        rows, columns = (contract.rows, contract.columns) if a.variable == "m" else (contract.columns, contract.rows)
        self.m, self.n, self.k, self.batch = rows, columns, contract.depth, contract.batch
        self.m_blocks = _parts(rows, tiling.block_m)
        self.n_blocks = _parts(columns, tiling.block_n)
        # Of no depth at all there is still one chunk, of zeros.
        self.chunks: Integer = tiling.chunks
        self.home = self._home()
        if tiling.chunks > 1 and not isinstance(contract.depth, int):
            self.chunks = contract.depth // tiling.chunk_k + 1

    def _home(self) -> Store | None:
        """The store of the epilogue in whose array tiles sum, so that a block needs no memory of its own; None where
        tiles would write more there than the elements of the block. What is stored takes the place of the sum."""
        t = self.tiling
        whole = t.form == "dot" or (self.b.extent % t.lanes == 0 and not self.b.varies)
        if t.chunks > 1 or not whole or (self.a.varies and not t.single_rows) or not isinstance(self.k, int):
            return None
        statements = without_unused(self.contract.epilogue)
        if not are_independent(statements):
            return None
        stores = [statement for statement in statements if isinstance(statement, Store)]
        written = {parameter.name for parameter in self.kernel.parameters if parameter.access == "write"}
        for store in stores:
            alone = store.target in written and sum(each.target == store.target for each in stores) == 1
            opaque = any(isinstance(atom, Opaque) for atom in atoms(store.offset))
            if not alone or opaque or store.dtype != self.contract.dtype:
                continue
            row, column = (coefficient_of(store.offset, each.variable) for each in (self.a, self.b))
            if isinstance(row, int) and column == 1:
                return store
        return None

    def _sum(self) -> str:
        """The element (m, n) of a finished block."""
        if self.home is None:
            return "block[(m - m0) * PITCH + n - n0]"
        return f"{self.names(self.home.target)}[{self.expressions.integer(self.home.offset)}]"

    def _pitch(self) -> int:
        """Elements from one row of a block to the next."""
        row = None if self.home is None else coefficient_of(self.home.offset, self.a.variable)
        return row if isinstance(row, int) else self.tiling.pitch

    def print(self) -> KernelText:
        tiling, contract = self.tiling, self.contract
        context = self.context()
        phases = []
        uses = {"pack": context.pack_uses, "multiply": context.multiply_uses, "finish": context.finish_uses}
        blocks = self.batch * self.m_blocks * self.n_blocks
        scratch = {"pack": ("shared",), "multiply": context.multiply_scratch, "finish": ("shared", "local")}
        items = {
            "pack": self._panels("a") + self._panels("b"),
            "multiply": blocks * self.chunks,
            "finish": blocks if tiling.chunks > 1 else 0,
        }
        by_identifier = {self.names(p.name): i for i, p in enumerate(self.kernel.parameters)}
        by_symbol = {self.names(symbol): symbol for symbol in self.symbols}
        for suffix in ("pack", "multiply", "finish"):
            if items[suffix] != 0:
                arguments = tuple(by_identifier[use] for use in uses[suffix] if use in by_identifier)
                sizes = tuple(by_symbol[use] for use in uses[suffix] if use in by_symbol)
                name = f"{self.name}_{suffix}"
                phases.append(Phase(name, arguments, 0, items[suffix], scratch[suffix], symbols=sizes))
        shared, local = self.scratch()
        size = contract.dtype.itemsize
        return KernelText(
            render("c/gemm.c.j2", context).strip("\n"),
            tuple(phases),
            shared * size,
            local * size,
            ((contract.dtype.short, tiling.lanes),),
            scratch_type=c_type(contract.dtype),
        )

    def stage_elements(self, side: str) -> int:
        """How many elements the copy of an operand takes in its scratch."""
        t = self.tiling
        place, operand = (t.a_place, self.a) if side == "a" else (t.b_place, self.b)
        tile, block = (t.tile_m, t.block_m) if side == "a" else (t.tile_n, t.block_n)
        if place == "shared":
            return round_up(operand.extent, tile) * t.k * (t.batch if operand.by_batch else 1)
        return round_up(block, tile) * t.block_k if place == "local" else 0

    def _panels(self, side: str) -> Integer:
        """How many panels the shared copy of an operand has, in all batches."""
        t = self.tiling
        place, operand, extent, tile = (
            (t.a_place, self.a, self.m, t.tile_m) if side == "a" else (t.b_place, self.b, self.n, t.tile_n)
        )
        if place != "shared":
            return 0
        return _parts(extent, tile) * (self.batch if operand.by_batch else 1)

    def text(self, size: Integer) -> int | str:
        """A size as the template takes it: a number, or an expression of C in parentheses where it needs them."""
        return size if isinstance(size, int) else self.expressions.integer(size, UNARY)

    def _offsets(self) -> dict[str, int]:
        """Where in the shared and the thread's own scratch everything lies, and how long those are, in elements."""
        t = self.tiling
        align = 64 // self.contract.dtype.itemsize
        ends = {"shared": 0, "local": 0}
        offsets = {"a": 0, "b": 0, "partial": 0}
        for side, place in (("a", t.a_place), ("b", t.b_place)):
            if place != "memory":
                offsets[side] = ends[place]
                ends[place] += round_up(self.stage_elements(side), align)
        offsets["block"] = ends["local"]
        ends["local"] += round_up(t.block_elements, align) if self.home is None else 0
        if t.chunks > 1:
            offsets["partial"] = ends["shared"]
            ends["shared"] += round_up(
                most_of(self.chunks) * t.batch * t.m_blocks * t.n_blocks * t.block_elements, align
            )
        return {**offsets, **ends}

    def scratch(self) -> tuple[int, int]:
        """Elements of scratch memory for all threads together, and for each."""
        offsets = self._offsets()
        return offsets["shared"], offsets["local"]

    def _multiply_scratch(self) -> tuple[str, ...]:
        """The scratch that the phase which multiplies uses: with chunks its blocks are shared."""
        t = self.tiling
        shared = t.chunks > 1 or "shared" in (t.a_place, t.b_place)
        local = "local" in (t.a_place, t.b_place) or (t.chunks == 1 and self.home is None)
        return (*(["shared"] if shared else []), *(["local"] if local else []))

    def context(self) -> GemmContext:
        t, contract = self.tiling, self.contract
        order = [self.names(name) for name in (*(p.name for p in self.kernel.parameters), *self.symbols)]
        epilogue = self.epilogue()
        a_uses, b_uses = self.uses(names_in_scalar(self.a.value)), self.uses(names_in_scalar(self.b.value))
        epilogue_uses = (*self.uses(sources(without_unused(contract.epilogue))), *self.exact_uses())
        depth_uses, rows_uses, columns_uses = (self.uses(names_in_integer(size)) for size in (self.k, self.m, self.n))
        blocks_uses = (*rows_uses, *columns_uses)
        a_panel_uses, b_panel_uses = (*rows_uses, *depth_uses), (*columns_uses, *depth_uses)

        def union(*sets: Sequence[str]) -> tuple[str, ...]:
            return tuple(name for name in order if any(name in each for each in sets))

        offsets = self._offsets()
        batches = f"{self.batch} x " if self.batch != 1 else ""
        return GemmContext(
            name=self.name,
            comment=comment(f"{batches}[{self.m}, {self.k}] @ [{self.k}, {self.n}]"),
            parameters=self.declarations(),
            pack_uses=union(
                (*a_uses, *a_panel_uses) if t.a_place == "shared" else (),
                (*b_uses, *b_panel_uses) if t.b_place == "shared" else (),
            ),
            multiply_uses=union(
                a_uses if t.a_place != "shared" else (),
                b_uses if t.b_place != "shared" else (),
                epilogue_uses if t.chunks == 1 else (),
                blocks_uses,
                depth_uses,
            ),
            multiply_scratch=self._multiply_scratch(),
            finish_uses=union(epilogue_uses, blocks_uses, depth_uses),
            a_uses=a_uses,
            b_uses=b_uses,
            dtype=contract.dtype.short,
            lanes=t.lanes,
            form=t.form,
            batch=self.text(self.batch),
            m=self.text(self.m),
            n=self.text(self.n),
            k=self.text(self.k),
            single_rows=t.single_rows,
            no_depth=not isinstance(self.k, int),
            tile_m=t.tile_m,
            tile_n=t.tile_n,
            edge_m=t.edge_m,
            edge_n=t.edge_n,
            block_m=t.block_m,
            block_n=t.block_n,
            block_k=t.block_k,
            pitch=self._pitch(),
            block_elements=t.block_elements,
            m_blocks=self.text(self.m_blocks),
            n_blocks=self.text(self.n_blocks),
            chunks=self.text(self.chunks),
            chunk_k=t.chunk_k,
            order=t.order,
            tile_order="nm",
            **self.reading("a", offsets["a"]),
            **self.reading("b", offsets["b"]),
            block_offset=offsets["block"],
            block_tile=""
            if self.home is None
            else self.address(Load(self.home.target, (self.home.offset,), contract.dtype)),
            partial_offset=offsets["partial"],
            packs="shared" in (t.a_place, t.b_place),
            epilogue=epilogue,
            tables=self.tables(),
            exact=self.exact(),
        )

    def reading(self, side: str, offset: int) -> dict[str, Any]:
        """The holes that say where tiles read an operand, and what fills a copy of it that starts at ``offset``."""
        t = self.tiling
        operand, extent, index, place, tile = (
            (self.a, self.m, "m", t.a_place, t.tile_m) if side == "a" else (self.b, self.n, "n", t.b_place, t.tile_n)
        )
        panels, memory = place != "memory", operand.side()
        return {
            f"{side}_place": place,
            f"{side}_layout": "panels" if panels else "plain",
            f"{side}_tile": "" if panels else self._tile(operand),
            f"{side}_row_stride": 1 if panels else _known(memory.stride),
            f"{side}_depth_stride": tile if panels else _known(memory.depth_stride),
            f"{side}_offsets": None,
            f"{side}_fill": self._fill(operand, index) if panels else "",
            f"{side}_panels": self.text(_parts(extent, tile)),
            f"{side}_batches": self.text(self.batch if operand.by_batch else 1),
            f"{side}_offset": offset,
        }

    def declarations(self) -> dict[str, str]:
        """The declaration of each parameter and symbol by its identifier."""
        parameters = {
            self.names(parameter.name): declaration(parameter, self.names(parameter.name))
            for parameter in self.kernel.parameters
        }
        return parameters | {self.names(symbol): f"int64_t {self.names(symbol)}" for symbol in self.symbols}

    def tables(self) -> str:
        """Declarations of what the tiles read offsets from."""
        return ""

    def exact(self) -> str:
        """A function that computes one element of the result without what tiles add to it, where they add anything."""
        return ""

    def exact_uses(self) -> tuple[str, ...]:
        """The identifiers of the parameters that :meth:`exact` takes."""
        return ()

    def uses(self, mentioned: set[str]) -> tuple[str, ...]:
        """The identifiers of the parameters and symbols that are mentioned."""
        names = (*(p.name for p in self.kernel.parameters), *self.symbols)
        return tuple(self.names(name) for name in names if name in mentioned)

    def _tile(self, operand: Operand) -> str:
        """The address of an operand's element at (batch, m or n, k0)."""
        return self.address(map_scalar(operand.value, substitution({"k": variable("k0", 0, self.tiling.k - 1)})))

    def address(self, value: Scalar) -> str:
        assert isinstance(value, Load)
        (offset,) = value.index
        text = self.expressions.integer(offset)
        return self.names(value.source) if text == "0" else f"{self.names(value.source)} + {text}"

    def _fill(self, operand: Operand, index: str) -> str:
        """Statements that copy rows (or columns) [m0, m1) and depths [k0, k1) of an operand into a panel."""
        start = variable(f"{index}0", 0, operand.extent - 1)
        tables = Tables(operand.variable, start, variable(operand.variable, 0, operand.extent - 1), f"at_{index}")
        value = map_scalar(operand.value, tables.change)
        side, tile = operand.side(), self.tiling.tile_m if index == "m" else self.tiling.tile_n
        if side.in_memory and side.depth_stride == 1 and side.stride != 1 and tile % self.tiling.lanes == 0:
            at = {operand.variable: start, "k": variable("k0", 0, self.tiling.k - 1)}
            place = self.address(map_scalar(operand.value, substitution(at)))
            pack = f"gc_{self.contract.dtype.short}_pack_transposed"
            return f"{pack}(panel, TILE, TILE, {place}, {side.stride}, {index}1 - {index}0, k1 - k0);"
        lines = self._table_lines(tables, index, "TILE")
        hoisted: list[str] = []
        value = rebuild(value, lambda part: self._hoist(part, operand.variable, hoisted))
        lines.append("for (int64_t k = k0; k < k1; ++k)" + (" {" if hoisted else ""))
        lines += [INDENT + line for line in hoisted]
        lines.append(f"{INDENT}for (int64_t {index} = {index}0; {index} < {index}1; ++{index})")
        lines.append(f"{INDENT * 2}panel[(k - k0) * TILE + {index} - {index}0] = {self.expressions.scalar(value)};")
        if hoisted:
            lines.append("}")
        return "\n".join(lines)

    def _hoist(self, part: Scalar, variable: str, lines: list[str]) -> Scalar:
        """Take what does not change along ``variable`` out of offsets and tests that read a table, so that what is left
        is arithmetic of 32 bits. The definitions go to ``lines``."""
        if isinstance(part, Load) and isinstance(part.source, str) and len(part.index) == 1:
            split = table_and_rest(part.index[0], variable)
            if split is not None:
                name = f"from{len(lines)}"
                t, source = c_type(part.dtype), self.names(part.source)
                lines.append(f"const {t} *const {self.names(name)} = {source} + {self.expressions.integer(split[1])};")
                return Load(name, (split[0],), part.dtype)
        if isinstance(part, Within):
            split = table_and_rest(part.value, variable)
            if split is not None:
                limits = []
                for limit in (part.lower - split[1], part.upper - split[1]):
                    name = f"limit{len(lines)}"
                    text = self.expressions.integer(limit, UNARY)
                    lines.append(f"const int32_t {self.names(name)} = (int32_t){text};")
                    limits.append(Local(name, int32))
                ((monomial, _),) = split[0].terms  # type: ignore[union-attr]
                element = monomial[0].value  # type: ignore[union-attr]
                at_least = Call("ge", (element, limits[0]), bool_)
                return Call("logical_and", (at_least, Call("lt", (element, limits[1]), bool_)), bool_)
        return part

    def _table_lines(self, tables: Tables, index: str, size: str) -> list[str]:
        lines = []
        for value, name in tables.entries.items():
            table = self.names(name)
            lines.append(f"int32_t {table}[{size}];")
            lines.append(f"for (int64_t {index} = {index}0; {index} < {index}1; ++{index})")
            lines.append(f"{INDENT}{table}[{index} - {index}0] = (int32_t){self.expressions.integer(value, UNARY)};")
        return lines

    def epilogue(self) -> str:
        """Statements that visit every element of a finished block."""
        statements = self.contract.epilogue
        if self.home is not None and self.home.value == Local("total", self.contract.dtype):
            statements = tuple(statement for statement in statements if statement != self.home)
        statements = without_unused(statements)
        if not statements:
            return ""
        inner = self._inner_variable(statements)
        operand, index = (self.a, "m") if inner == self.a.variable else (self.b, "n")
        outer = "n" if index == "m" else "m"
        start = variable(f"{index}0", 0, operand.extent - 1)
        tables = Tables(operand.variable, start, variable(operand.variable, 0, operand.extent - 1), f"to_{index}")
        statements = tuple(map_statement(statement, tables.change) for statement in statements)
        lines = self._table_lines(tables, index, f"BLOCK_{index.upper()}")
        lines.append(f"for (int64_t {outer} = {outer}0; {outer} < {outer}1; ++{outer})")
        if are_independent(statements):
            lines.append(f"{INDENT}#pragma omp simd")
        lines.append(f"{INDENT}for (int64_t {index} = {index}0; {index} < {index}1; ++{index}) {{")
        t = c_type(self.contract.dtype)
        lines.append(f"{INDENT * 2}const {t} total = {self._sum()};")
        lines += Statements(self.expressions).block(statements, 2)
        lines.append(f"{INDENT}}}")
        return "\n".join(lines)

    def _inner_variable(self, statements: Sequence[Statement]) -> str:
        """The variable along which the first store is contiguous; the one of the vectors where none is."""
        for statement in statements:
            if isinstance(statement, Store):
                for name in (self.b.variable, self.a.variable):
                    if coefficient_of(statement.offset, name) == 1:
                        return name
        return self.b.variable


def are_independent(statements: Sequence[Statement]) -> bool:
    """Whether the elements of an epilogue may be computed side by side."""
    return all(isinstance(s, Let) or (isinstance(s, Store) and s.combiner is None) for s in statements)


def _parts(size: Integer, part: int) -> Integer:
    """How many parts a size takes: one where it never takes more."""
    if most_of(size) <= part:
        return 1
    return ceiling(size, part) if isinstance(size, int) else (size + part - 1) // part


def _known(stride: int | None) -> int:
    assert stride is not None
    return stride
