"""Contractions as tiled C through ``templates/c/gemm.c.j2``."""

from __future__ import annotations

import math
from dataclasses import replace

from graphc.codegen.c.expressions import Used
from graphc.codegen.c.gemm import GemmPrinter, Operand, most_of
from graphc.codegen.c.kernels import KernelText, contract_loops, names_in_scalar, print_loops
from graphc.codegen.c.rewriting import Change, map_scalar, map_statement, substitution
from graphc.codegen.c.sliding import sliding_printer
from graphc.codegen.c.tiles import Tiling, choose_tile
from graphc.codegen.loops import Contract, Kernel
from graphc.ir.applications import applies
from graphc.ir.integers import Integer, Quotient, Remainder, Variable, atoms, bounds, variable
from graphc.ir.scalars import Scalar
from graphc.ir.types import float32, float64

# Below so many multiplications plain loops are as fast, and shorter.
SMALLEST = 2048
SMALLEST_IMAGE = 32


def print_contraction(
    kernel: Kernel, name: str, used: Used, vector_bytes: int, symbols: frozenset[str] = frozenset()
) -> KernelText:
    """A contraction as C: tiled where that pays, else as plain loops."""
    contract = kernel.body
    assert isinstance(contract, Contract)
    most = [bounds(size)[1] or 0 for size in (contract.batch, contract.rows, contract.columns, contract.depth)]
    lanes = vector_bytes // contract.dtype.itemsize
    if contract.dtype not in (float32, float64) or math.prod(most) < SMALLEST or lanes < 2:
        return print_loops(kernel, name, contract_loops(contract), used, symbols)
    registers = 32 if vector_bytes >= 64 else 16
    sliding = sliding_printer(kernel, name, used, _without_batch(contract), lanes, registers, symbols)
    contract = _without_batch(split_images(contract, lanes))
    left = _operand(contract.left, "m", contract.rows)
    right = _operand(contract.right, "n", contract.columns)
    best: tuple[float, Operand, Operand, Tiling] | None = None
    for a, b in ((left, right), (right, left)):
        tiling = choose_tile(most_of(contract.batch), a.side(), b.side(), most_of(contract.depth), lanes, registers)
        if best is None or tiling.cost < best[0]:
            best = (tiling.cost, a, b, tiling)
    assert best is not None
    if sliding is not None and sliding.tiling.cost < best[0] and applies("read a picture on planes"):
        return sliding.print()
    return GemmPrinter(kernel, name, used, contract, *best[1:], symbols).print()


def _without_batch(contract: Contract) -> Contract:
    return change_contract(contract, substitution({"b": 0})) if contract.batch == 1 else contract


def _operand(value: Scalar, name: str, extent: Integer) -> Operand:
    return Operand(value, name, most_of(extent), "b" in names_in_scalar(value), not isinstance(extent, int))


def change_contract(contract: Contract, change: Change) -> Contract:
    """The contraction with every integer expression in it changed."""
    return contract.changed(
        lambda factor: map_scalar(factor, change),
        lambda epilogue: tuple(map_statement(statement, change) for statement in epilogue),
    )


def split_images(contract: Contract, lanes: int = 1) -> Contract:
    """A contraction whose rows (or columns) are those of many images, with the images as its batch.

    A convolution reads row ``m`` at ``m // pixels`` and ``m % pixels``; as ``b * pixels + m`` both fold away. Of a
    single image the rows of pixels are split, so many together as fill vectors of so many lanes.
    """
    if contract.batch != 1:
        return contract
    for name, extent, value in (("m", contract.rows, contract.left), ("n", contract.columns, contract.right)):
        divisors = [size for size in _divisors(value, name) if extent % size == 0 and size >= SMALLEST_IMAGE]
        pixels = [size for size in divisors if size < most_of(extent)]
        if pixels:
            size = max(pixels)
            together = size * lanes // math.gcd(size, lanes)
            size = together if extent % together == 0 and together < most_of(extent) else size
            images = variable("b", 0, most_of(extent) // size - 1)
            split = change_contract(contract, substitution({name: images * size + variable(name, 0, size - 1)}))
            field = "rows" if name == "m" else "columns"
            return replace(split, batch=extent // size, **{field: size})
    return contract


def _divisors(value: Scalar, name: str) -> set[int]:
    """What a variable by itself is divided by in an expression."""
    found: set[int] = set()

    def look(integer: Integer) -> Integer:
        for atom in atoms(integer):
            if isinstance(atom, Quotient | Remainder) and isinstance(atom.divisor, int):
                terms = atom.dividend.terms
                only = [each for monomial, _ in terms for each in monomial]
                alone = len(terms) == 1 and terms[0][1] == 1 and len(only) == 1 and isinstance(only[0], Variable)
                if alone and only[0].name == name:
                    found.add(atom.divisor)
        return integer

    map_scalar(value, look)
    return found
