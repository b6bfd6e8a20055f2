"""What the tests of lowering share: graphs built from primitives, and lowered programs run against node by node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import graphc.ops.contractions
import graphc.ops.gathers
import graphc.ops.pointwise
import graphc.ops.pooling
import graphc.ops.reductions
import graphc.ops.scatters
import graphc.ops.sources
import graphc.ops.views  # noqa: F401  (each of these registers its primitives)
from graphc.codegen.interpret import run_program
from graphc.codegen.loops import Loop, LoopProgram, Statement
from graphc.codegen.lower import LoweringOptions, lower
from graphc.codegen.target import CPU, Target
from graphc.ir.graph import Builder, Graph, Symbol
from graphc.ir.interp import interpret
from graphc.ir.primitive import PRIMITIVES
from graphc.ir.types import DType, TensorType, float32

Arrays = Mapping[str, np.ndarray]


def tensor(*shape: Any, dtype: DType = float32) -> TensorType:
    return TensorType(dtype, shape)


def op(name: str, *operands: Symbol, **attrs: Any) -> Symbol:
    """A primitive applied to symbols."""
    return operands[0].apply(PRIMITIVES[name], operands, attrs)


def source(builder: Builder, name: str, **attrs: Any) -> Symbol:
    """A primitive without operands."""
    return builder.apply(PRIMITIVES[name], (), attrs)


def number(builder: Builder, value: float, shape: tuple[Any, ...], dtype: DType = float32) -> Symbol:
    return source(builder, "full", value=value, shape=shape, dtype=dtype)


def spread(value: Symbol, shape: tuple[int, ...], dims: tuple[int, ...]) -> Symbol:
    """A reduced value again in the shape it was reduced from."""
    kept = list(value.shape)
    for dim in dims:
        kept.insert(dim, 1)
    return op("expand", op("reshape", value, shape=tuple(kept)), shape=shape)


def softmax(x: Symbol) -> Symbol:
    """Softmax over the last dimension."""
    shape, last = x.shape, (x.ndim - 1,)
    exponentials = op("exp", op("sub", x, spread(op("amax", x, dims=last), shape, last)))
    return op("div", exponentials, spread(op("sum", exponentials, dims=last), shape, last))


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def graph(builder: Builder, outputs: Mapping[str, Symbol], updates: Mapping[Symbol, Symbol] | None = None) -> Graph:
    return builder.build(
        [(name, symbol.node) for name, symbol in outputs.items()],
        [(state.node, new.node) for state, new in (updates or {}).items()],
    )


def lowered(graph: Graph, arrays: Arrays, tolerance: float = 1e-5, target: Target = CPU) -> LoopProgram:
    """The fused program, after it and the unfused one gave what the graph's nodes give one by one.

    The runs watch that no store leaves its buffer and that parallel iterations do not meet.
    """
    expected = interpret(graph, arrays)
    for fuse in (False, True):
        program = lower(graph, LoweringOptions(fuse=fuse, target=target))
        results = run_program(program, arrays, check_parallel=True)
        named = dict(zip(program.outputs, (expected.outputs[o.name] for o in graph.outputs), strict=True))
        for name, value in {**named, **expected.updates}.items():
            np.testing.assert_allclose(
                results[name], value.reshape(-1), rtol=tolerance, atol=tolerance, err_msg=f"{name}, fuse={fuse}"
            )
    return program


def loops(statements: tuple[Statement, ...]) -> list[Loop]:
    """All loops in statements, outermost first."""
    found: list[Loop] = []
    for statement in statements:
        if isinstance(statement, Loop):
            found += [statement, *loops(statement.body)]
    return found
