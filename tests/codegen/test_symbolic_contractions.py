"""Contractions whose sizes are known at run time only: every tile edge, form, and layout, at many sizes of a build."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphc.codegen.executable import CompiledProgram, compile_loops, load
from graphc.codegen.lower import lower
from graphc.ir.graph import Builder
from graphc.ir.integers import variable
from graphc.ir.types import DType, TensorType, float32, float64
from tests.codegen.lowering import graph, op
from tests.codegen.sanitize import run_sanitized

LAYOUTS = list(itertools.product(("mk", "km"), ("kn", "nk")))
Sizes = dict[str, int]


def products(known: Sizes, most: Sizes, dtype: DType = float32, vector_bytes: int | None = None) -> CompiledProgram:
    """``relu(a @ b + bias)`` for each layout of both operands; sizes B, M, K, N are known or at most so much."""
    sizes: dict[str, Any] = {**known, **{name: variable(name, 0, bound) for name, bound in most.items()}}
    batch, rows, depth, columns = (sizes[name] for name in "BMKN")
    b = Builder("products")
    bias = b.input("bias", TensorType(dtype, (columns,)))
    spread = op("expand", op("reshape", bias, shape=(1, 1, columns)), shape=(batch, rows, columns))
    outputs = {}
    for left, right in LAYOUTS:
        shape = (batch, rows, depth) if left == "mk" else (batch, depth, rows)
        x = b.input(f"a_{left}_{right}", TensorType(dtype, shape))
        shape = (batch, depth, columns) if right == "kn" else (batch, columns, depth)
        y = b.input(f"b_{left}_{right}", TensorType(dtype, shape))
        x = x if left == "mk" else op("permute", x, dims=(0, 2, 1))
        y = y if right == "kn" else op("permute", y, dims=(0, 2, 1))
        total = op("add", op("matmul", x, y), spread)
        outputs[f"out_{left}_{right}"] = op("maximum", total, op("mul", total, op("sub", total, total)))
    return compile_loops(lower(graph(b, outputs)), threads=2, vector_bytes=vector_bytes)


def arrays_for(compiled: CompiledProgram, sizes: Sizes, seed: int = 0) -> tuple[dict[str, np.ndarray], Sizes]:
    """Arguments of the program for sizes, and the results that it should give."""
    generator = np.random.default_rng(seed)
    batch, rows, depth, columns = (sizes[name] for name in "BMKN")
    kind = compiled.buffers[0].dtype.numpy
    inputs: dict[str, np.ndarray] = {"bias": generator.standard_normal(columns).astype(kind)}
    expected: dict[str, Any] = {}
    for left, right in LAYOUTS:
        x = generator.standard_normal((batch, rows, depth)).astype(kind)
        y = generator.standard_normal((batch, depth, columns)).astype(kind)
        inputs[f"a_{left}_{right}"] = np.ascontiguousarray(x if left == "mk" else x.swapaxes(1, 2))
        inputs[f"b_{left}_{right}"] = np.ascontiguousarray(y if right == "kn" else y.swapaxes(1, 2))
        expected[f"out_{left}_{right}"] = np.maximum(x.astype(np.float64) @ y.astype(np.float64) + inputs["bias"], 0)
    return inputs, expected


def check(compiled: CompiledProgram, executable: Any, sizes: Sizes, tolerance: float) -> None:
    inputs, expected = arrays_for(compiled, sizes)
    found = executable(None, [sizes[symbol] for symbol in compiled.program.symbols], **inputs)
    for name, right in expected.items():
        scale = max(1.0, float(np.abs(right).max(initial=0.0)))
        np.testing.assert_allclose(
            found[name].reshape(right.shape), right, tolerance, tolerance * scale, err_msg=f"{name} at {sizes}"
        )


def some_sizes(known: Sizes, most: Sizes, count: int, seed: int) -> list[Sizes]:
    """Sizes with edges of tiles and vectors on either side, the least, and the most."""
    choose = random.Random(seed)
    edges = (0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 23, 31, 32, 33, 47, 48, 49, 63, 64, 65)

    def one(bound: int) -> int:
        return choose.choice([*(edge for edge in edges if edge <= bound), bound, choose.randint(0, bound)])

    corners = [{**known, **most}, {**known, **dict.fromkeys(most, 1)}, {**known, **dict.fromkeys(most, 0)}]
    each = [{**known, **most, name: 0} for name in most]
    return corners + each + [{**known, **{name: one(bound) for name, bound in most.items()}} for _ in range(count)]


MOST = {"B": 4, "M": 67, "K": 70, "N": 83}
SUBSETS = [names for length in range(1, 5) for names in itertools.combinations("BMKN", length)]


@pytest.mark.parametrize("names", SUBSETS, ids="".join)
@pytest.mark.parametrize(("dtype", "vector_bytes"), [(float32, None), (float64, None), (float32, 16), (float32, 32)])
def test_every_size_may_vary(names: tuple[str, ...], dtype: DType, vector_bytes: int | None) -> None:
    """Rows, columns, depth, and batch, in every combination: equal to numpy at sizes around every edge, and at 0."""
    known = {"B": 3, "M": 19, "K": 37, "N": 35}
    known = {name: size for name, size in known.items() if name not in names}
    most = {name: MOST[name] for name in names}
    compiled = products(known, most, dtype, vector_bytes)
    executable = load(compiled)
    for sizes in some_sizes(known, most, 40, len(names)):
        check(compiled, executable, sizes, 2e-5 if dtype is float32 else 1e-12)


@pytest.mark.parametrize("known", [{"B": 1, "M": 1, "N": 40}, {"B": 1, "M": 6, "N": 25}, {"B": 1, "M": 64, "N": 64}])
def test_a_deep_sum_of_unknown_length(known: Sizes) -> None:
    """A depth that may be thousands is summed in chunks, of which the last may be short, or empty."""
    compiled = products(known, {"K": 6000})
    executable = load(compiled)
    for depth in (0, 1, 15, 16, 511, 512, 513, 767, 768, 769, 1500, 2047, 2048, 2049, 3333, 5999, 6000):
        check(compiled, executable, {**known, "K": depth}, 5e-5)


@pytest.mark.parametrize("most", [{"M": 3000}, {"N": 3000}, {"M": 700, "N": 700}])
def test_many_rows_or_columns(most: Sizes) -> None:
    """Blocks of rows and columns: whole ones, a part of one, none."""
    known = {name: size for name, size in {"B": 1, "M": 33, "K": 65, "N": 47}.items() if name not in most}
    compiled = products(known, most)
    executable = load(compiled)
    for sizes in some_sizes(known, most, 12, 5):
        check(compiled, executable, sizes, 2e-5)


@pytest.mark.parametrize("names", ["M", "N", "K", "B", "BMKN"])
@pytest.mark.parametrize("vector_bytes", [16, 64])
def test_sanitized(names: str, vector_bytes: int, tmp_path: Path) -> None:
    """No byte outside of buffers of just the size of the call is touched, though the plan is for greater ones."""
    known = {name: size for name, size in {"B": 2, "M": 19, "K": 45, "N": 35}.items() if name not in names}
    most = {name: MOST[name] for name in names}
    compiled = products(known, most, vector_bytes=vector_bytes)
    for number, sizes in enumerate(some_sizes(known, most, 3, 9)):
        inputs, expected = arrays_for(compiled, sizes)
        extents = [sizes[symbol] for symbol in compiled.program.symbols]
        arrays = [
            inputs[buffer.name].copy() if buffer.name in inputs else np.zeros(expected[buffer.name].shape, np.float32)
            for buffer in compiled.buffers
        ]
        run_sanitized(compiled, arrays, tmp_path, threads=2, extents=extents, rebuild=number == 0)
        for buffer, array in zip(compiled.buffers, arrays, strict=True):
            if buffer.name in expected:
                np.testing.assert_allclose(
                    array, expected[buffer.name], 2e-5, 2e-4, err_msg=f"{buffer.name} at {sizes}"
                )
