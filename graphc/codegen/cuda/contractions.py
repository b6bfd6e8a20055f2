"""Contractions: tiles through shared memory (``templates/cuda/gemm.cu.j2``), or a sum for each element."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from graphc.codegen.c.contractions import split_images
from graphc.codegen.c.kernels import integers_of, names_in_integer, sources, statements_within, without_unused
from graphc.codegen.c.literals import c_type, literal
from graphc.codegen.c.rewriting import map_scalar, map_statement, substitution
from graphc.codegen.c.spelling import ADD, OR
from graphc.codegen.cuda.expressions import CudaExpressions, all_integers, index_type
from graphc.codegen.cuda.kernels import (
    Calls,
    CudaKernel,
    Frame,
    Part,
    declaration,
    head,
    kernel_names,
    opening,
    print_loops,
)
from graphc.codegen.cuda.schedule import Schedule
from graphc.codegen.cuda.statements import CudaStatements
from graphc.codegen.loops import (
    Accumulate,
    Accumulator,
    Contract,
    Kernel,
    Let,
    Local,
    Loop,
    Parameter,
    Statement,
    Store,
)
from graphc.codegen.materialize import size_estimate
from graphc.codegen.render import render
from graphc.codegen.statements import scalars_of
from graphc.codegen.trace import index_variable, linear_terms, walk_all
from graphc.ir.integers import Integer, bounds, product, variable
from graphc.ir.scalars import Call, Choose, Constant, Load, Scalar
from graphc.ir.types import DType, float32, float64

# Fewer rows or columns than this leave most of a tile empty, and so small a depth is not worth shared memory.
FEWEST_ROWS = 16
FEWEST_TERMS = 8
# Tiles that are enough for a GPU; where even the smallest are fewer than half of that, blocks share the depth of larger
# ones, which takes a second launch, up to so many blocks.
ENOUGH_TILES = 100
FEW_TILES = 66
MANY_BLOCKS = 264
FEWEST_TERMS_OF_SPLIT = 128
MOST_SPLITS = 128
MOST_BLOCKS = 65535  # along y and z


@dataclass(frozen=True, slots=True)
class Fragments:
    """What tensor cores multiply: CUDA's type of a fragment's elements and of those in memory, and how many terms of
    the sums a product has. ``rounded`` is the function that an element goes through first."""

    type: str
    held: str
    terms: int = 16
    rounded: str = ""


FRAGMENTS = {
    "f16": Fragments("__half", "__half"),
    "bf16": Fragments("__nv_bfloat16", "__nv_bfloat16"),
    "f32": Fragments("wmma::precision::tf32", "float", 8, "wmma::__float_to_tf32"),
}


@dataclass(frozen=True, slots=True)
class Tile:
    """What a block of 16 x 16 threads computes, and how much of the depth it holds at once."""

    rows: int
    columns: int
    depth: int


@dataclass(frozen=True, slots=True)
class GemmContext:
    """The holes of ``templates/cuda/gemm.cu.j2``, which describes them."""

    head: str
    opening: tuple[str, ...]
    t: str
    i: str
    e: str
    fragments: Fragments | None
    gap: int
    warps_across: int
    rows: str
    columns: str
    depth: str
    tile_rows: int
    tile_columns: int
    tile_depth: int
    thread_rows: int
    thread_columns: int
    row_run: int
    column_run: int
    left: str
    right: str
    left_along: bool
    right_along: bool
    zero: str
    splits: int
    batched: bool
    epilogue: tuple[str, ...]


def print_contraction(kernel: Kernel, name: str, calls: Calls, frame: Frame) -> CudaKernel:
    """A contraction in CUDA: tiled where that pays, else as sums of their own."""
    contract = kernel.body
    assert isinstance(contract, Contract)
    most = [size_estimate(size) for size in (contract.rows, contract.columns, contract.depth)]
    small = min(most[:2]) < FEWEST_ROWS or most[2] < FEWEST_TERMS
    split = split_images(contract)
    blocks = size_estimate(split.rows) / SMALLEST_TILE.rows, size_estimate(split.batch)
    if contract.dtype not in (float32, float64) or small or max(blocks) > MOST_BLOCKS:
        return print_loops(kernel, name, contract_loops(contract), calls, frame)
    contract = split
    if contract.batch == 1:
        change = substitution({"b": 0})
        contract = contract.changed(
            lambda factor: map_scalar(factor, change),
            lambda epilogue: tuple(map_statement(statement, change) for statement in epilogue),
        )
    tile = choose_tile(contract)
    splits = split_count(contract, tile)
    if splits == 1:
        return _tiled(kernel, name, contract, contract.epilogue, tile, 1, calls, frame)
    # The sums over parts of the depth, and a second kernel that adds them and goes on.
    place = _place(contract, "split")
    partial = Store("partial", place, Local("total", contract.dtype), contract.dtype)
    first = _tiled(kernel, name, contract, (partial,), tile, splits, calls, frame)
    parameter = Parameter("partial", contract.dtype, splits * _results(contract), "read")
    whole = replace(kernel, parameters=(*kernel.parameters, parameter))
    second = print_loops(whole, f"{name}_sum", _sum_of_partials(contract, splits), calls, frame)
    nbytes = splits * contract.dtype.itemsize * (bounds(_results(contract))[1] or 0)
    return CudaKernel(f"{first.definition}\n\n{second.definition}", (*first.parts, *second.parts), nbytes)


def contract_loops(contract: Contract) -> tuple[Statement, ...]:
    """A contraction as a sum for each element of the result."""
    product_of_factors = Call("mul", (contract.left, contract.right), contract.dtype)
    terms = Accumulate("total", contract.dtype, "sum", product_of_factors)
    body: tuple[Statement, ...] = (
        Accumulator("total", contract.dtype, "sum"),
        Loop("k", 0, contract.depth, (terms,), "vector"),
        *contract.epilogue,
    )
    return _over_results(contract, body)


def _over_results(contract: Contract, body: tuple[Statement, ...]) -> tuple[Statement, ...]:
    for name, extent in (("n", contract.columns), ("m", contract.rows), ("b", contract.batch)):
        body = (Loop(name, 0, extent, body, "parallel"),)
    return body


def _sum_of_partials(contract: Contract, splits: int) -> tuple[Statement, ...]:
    value = Load("partial", (_place(contract, "split"),), contract.dtype)
    terms = Accumulate("total", contract.dtype, "sum", value)
    body = (
        Accumulator("total", contract.dtype, "sum"),
        Loop("split", 0, splits, (terms,), "vector"),
        *contract.epilogue,
    )
    return _over_results(contract, body)


def _results(contract: Contract) -> Integer:
    return product((contract.batch, contract.rows, contract.columns))


def _place(contract: Contract, split: str) -> Integer:
    b, m, n = (
        index_variable(name, extent)
        for name, extent in (("b", contract.batch), ("m", contract.rows), ("n", contract.columns))
    )
    within = (b * contract.rows + m) * contract.columns + n
    return variable(split, 0, MOST_SPLITS - 1) * _results(contract) + within


SMALLEST_TILE = Tile(32, 32, 16)


def choose_tile(contract: Contract) -> Tile:
    """The tile of a block: the largest of which there are enough, counting as many as may share the depth of each where
    there are few in any case."""
    depth = size_estimate(contract.depth)
    shares = depth // FEWEST_TERMS_OF_SPLIT if _tile_count(contract, SMALLEST_TILE) < FEW_TILES else 1
    shares = max(1, min(shares, MOST_SPLITS))
    rows, columns = size_estimate(contract.rows), size_estimate(contract.columns)
    best = SMALLEST_TILE
    sides = (32, 64) if contract.dtype == float64 else (32, 64, 128)
    for tile_rows, tile_columns in itertools.product(sides, sides):
        if (tile_rows > 32 and tile_rows / 2 >= rows) or (tile_columns > 32 and tile_columns / 2 >= columns):
            continue
        tile = Tile(tile_rows, tile_columns, 8 if tile_rows * tile_columns > 64 * 64 else 16)
        larger = tile_rows * tile_columns > best.rows * best.columns
        if larger and _tile_count(contract, tile) * shares >= ENOUGH_TILES:
            best = tile
    return best


def _tile_count(contract: Contract, tile: Tile) -> float:
    rows, columns = size_estimate(contract.rows), size_estimate(contract.columns)
    return size_estimate(contract.batch) * -(-rows // tile.rows) * -(-columns // tile.columns)


def split_count(contract: Contract, tile: Tile) -> int:
    """How many blocks share the depth of one tile."""
    tiles = _tile_count(contract, tile)
    if _tile_count(contract, SMALLEST_TILE) >= FEW_TILES:
        return 1
    depth = size_estimate(contract.depth)
    return int(max(1, min(MANY_BLOCKS // tiles, depth // FEWEST_TERMS_OF_SPLIT, MOST_SPLITS)))


def _tiled(
    kernel: Kernel,
    name: str,
    contract: Contract,
    epilogue: Sequence[Statement],
    tile: Tile,
    splits: int,
    calls: Calls,
    frame: Frame,
) -> CudaKernel:
    """The tiled function. It hands on partial sums where the depth is shared out."""
    epilogue = without_unused(epilogue)
    half, left, right = _halves(contract)
    if half is None and calls.tf32 and contract.dtype == float32:
        half = float32
    fragments = None if half is None else FRAGMENTS[half.short]
    if fragments is not None:
        tile = _tile_of_fragments(tile)
        calls.tensor_cores = True
    warps_down = min(tile.rows // 16, 4)
    factors = (left, right)
    stand_in = [Let("factor", contract.dtype, factor) for factor in factors]
    body = [*stand_in, *epilogue]
    names = kernel_names(
        kernel, frame.symbols, ("thread", "first_row", "first_column", "left_part", "right_part", "at")
    )
    for variable_name in ("b", "m", "n", "k", "total", "split", "partial"):
        names.bind(variable_name, variable_name)
    statements = list(statements_within(body))
    integers = list(all_integers(scalars_of(body), itertools.chain.from_iterable(map(integers_of, statements))))
    extents = [each.size for each in kernel.parameters]
    extents += [contract.batch, contract.rows, contract.columns, contract.depth, _results(contract) * splits]
    known = [extent if isinstance(extent, int) else bounds(extent)[1] or extent for extent in extents]
    index = index_type(integers, known)
    expressions = CudaExpressions(names, calls.used, index)
    printer = CudaStatements(expressions, Schedule("threads", (), (), (), (16, 16, 1)), calls.combined, frozenset())
    mentioned = sources(body) | {
        name for size in (contract.rows, contract.columns, contract.depth) for name in _symbols(size, frame.symbols)
    }
    arguments = tuple(i for i, parameter in enumerate(kernel.parameters) if parameter.name in mentioned)
    symbols = tuple(sorted(mentioned & frame.symbols))
    declarations = [declaration(kernel.parameters[i], names(kernel.parameters[i].name)) for i in arguments]
    extra: list[str] = []
    if splits > 1:
        extra.append("scratch")
        declarations.append(f"{c_type(contract.dtype)} *__restrict__ partial")
    if frame.guarded:
        extra.append("error")
        declarations.append("int64_t *__restrict__ error")
    declarations[len(arguments) : len(arguments)] = [f"int64_t {names(symbol)}" for symbol in symbols]
    block = (16, 16, 1)
    text = render(
        "cuda/gemm.cu.j2",
        GemmContext(
            head=head(name, declarations, block),
            opening=tuple(opening(frame.guarded)),
            t=c_type(contract.dtype),
            i=index,
            e=c_type(contract.dtype if half is None else half),
            fragments=fragments,
            gap=4 if half is None else 8,
            warps_across=8 // warps_down,
            rows=expressions.integer(contract.rows, ADD),
            columns=expressions.integer(contract.columns, ADD),
            depth=expressions.integer(contract.depth, ADD),
            tile_rows=tile.rows,
            tile_columns=tile.columns,
            tile_depth=tile.depth,
            thread_rows=tile.rows // 16 if half is None else tile.rows // 16 // warps_down,
            thread_columns=tile.columns // 16 if half is None else tile.columns // 16 // (8 // warps_down),
            row_run=min(tile.rows // 16, 4),
            column_run=min(tile.columns // 16, 4),
            left=expressions.scalar(left, OR),
            right=expressions.scalar(right, OR),
            left_along=_along(contract.left, "k", "m"),
            right_along=_along(contract.right, "k", "n"),
            zero=literal(0, contract.dtype if half is None else half),
            splits=splits,
            batched=contract.batch != 1,
            epilogue=tuple(printer.block(epilogue, 4)),
        ),
    )
    grid = (
        _tiles(contract.columns, tile.columns),
        _tiles(contract.rows, tile.rows),
        contract.batch * splits,
    )
    return CudaKernel(text.rstrip("\n"), (Part(name, arguments, grid, block, symbols, tuple(extra)),))


def _halves(contract: Contract) -> tuple[DType | None, Scalar, Scalar]:
    """The kind of halves whose products a contraction sums in float32, and the factors as such; or None."""
    kinds = {part.arguments[0].dtype for part in walk_all((contract.left, contract.right)) if _widens(part)}
    if contract.dtype == float32 and len(kinds) == 1:
        (half,) = kinds
        left, right = _as_half(contract.left, half), _as_half(contract.right, half)
        if left is not None and right is not None:
            return half, left, right
    return None, contract.left, contract.right


def _widens(part: Scalar) -> bool:
    return isinstance(part, Call) and part.function == "cast" and part.arguments[0].dtype.is_half


def _as_half(value: Scalar, half: DType) -> Scalar | None:
    """The half that a float32 expression widens; None where it may be no half."""
    if isinstance(value, Call) and value.function == "cast" and value.arguments[0].dtype == half:
        return value.arguments[0]
    if isinstance(value, Choose):
        chosen, otherwise = _as_half(value.chosen, half), _as_half(value.otherwise, half)
        if chosen is not None and otherwise is not None:
            return Choose(value.condition, chosen, otherwise, half)
    if isinstance(value, Constant) and float(half.numpy.type(value.value)) == value.value:
        return Constant(value.value, half)
    return None


def _tile_of_fragments(tile: Tile) -> Tile:
    """A tile that gives each of the eight warps of a block a fragment."""
    columns = 64 if tile.rows == tile.columns == 32 else tile.columns
    return Tile(tile.rows, columns, 32)


def _tiles(extent: Integer, side: int) -> Integer:
    return (extent + (side - 1)) // side


def _symbols(size: Integer, symbols: frozenset[str]) -> set[str]:
    return names_in_integer(size) & symbols


def _along(factor: Scalar, depth: str, other: str) -> bool:
    """Whether memory is contiguous along the depth rather than along the other dimension."""
    score = {depth: 0, other: 0}
    for part in walk_all((factor,)):
        if isinstance(part, Load) and isinstance(part.source, str):
            for name, step in linear_terms(part.index[0], score.keys()).items():
                # What divides the variable mostly walks along it all the same.
                score[name] += 4 if step == 1 else 1 if step is None else 0
    return score[depth] > score[other]
