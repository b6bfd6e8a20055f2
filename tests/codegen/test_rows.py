"""Sorting, selecting, and searching run in the program: the very elements and positions that eager mode gives."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.codegen.c.expressions import Used
from graphc.codegen.c.program import row_functions
from graphc.codegen.render import environment
from graphc.ir.graph import Builder
from graphc.ir.primitive import PRIMITIVES, RowAlgorithm
from graphc.ops.selection import LONGEST
from graphc.tensor import Tensor
from tests.codegen.lowering import graph, lowered, normal, op, tensor
from tests.codegen.test_scan import assert_same_bits, source_of

SHAPES = [(7,), (2, 300), (300, 2), (2, 3, 4, 5), (1, 9), (0, 3), (3, 0), (LONGEST,), (LONGEST + 300,)]
DTYPES = [gc.float32, gc.float64, gc.float16, gc.bfloat16, gc.int64, gc.int8, gc.uint8, gc.bool]


def with_ties(shape: tuple[int, ...], dtype: Any) -> Tensor:
    """Numbers of which many are equal; among floats NaN and zeros of both signs."""
    array = np.random.default_rng(4).standard_normal(shape).round(1)
    if dtype.is_floating_point:
        array.reshape(-1)[::11], array.reshape(-1)[::7] = np.nan, -0.0
    elif dtype is gc.bool:
        array = array > 0
    else:
        array = (array * 20).astype(np.int64) + (100 if dtype is gc.uint8 else 0)
    return Tensor.from_array(array).to(dtype)


def ordered(x: Tensor, dim: int) -> list[Tensor]:
    """All that sorts or selects along a dim."""
    size = x.shape[dim]
    results = [*x.sort(dim), *x.sort(dim, descending=True), x.argsort(dim)]
    if size:
        results += x.mode(dim)
    if size and x.dtype is not gc.bool:
        for k in sorted({1, size // 100 + 1, size // 2 + 1, size}):
            results += [*x.topk(k, dim), *x.topk(k, dim, largest=False), *x.kthvalue(k, dim)]
        results += [*x.median(dim), *x.nanmedian(dim)]
    return results


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_order_is_that_of_eager_mode(shape: tuple[int, ...]) -> None:
    """Along every dim, of all dtypes: NaN is the greatest, and ties are broken as eagerly; on either side of the length
    up to which the steps of the C++ library are taken."""
    dtypes = DTYPES if shape == (2, 300) else [gc.float32, gc.int64]

    def function(values: list[Tensor]) -> list[Tensor]:
        results: list[Tensor] = []
        for x in values:
            for dim in range(len(shape)):
                results += ordered(x, dim)
            if x.dtype is not gc.bool:
                results += [x.median(), x.nanmedian()]
        return results

    assert_same_bits(function, lambda: [with_ties(shape, dtype) for dtype in dtypes])


def killer(size: int) -> np.ndarray:
    """A row of which the median of three parts off almost nothing (Musser 1997), so that heaps take over."""
    half = size // 2
    row = np.zeros(size, np.int64)
    for i in range(1, half + 1):
        if i % 2:
            row[i - 1], row[i] = i, half + i
        row[half + i - 1] = 2 * i
    return row


def test_rows_that_part_badly() -> None:
    """Killers of the median of three, sorted rows, organ pipes, and rows of two values."""
    line = np.arange(1000)
    rows = [killer(1000), killer(1000) // 3, line, line[::-1].copy(), line % 2, np.minimum(line, line[::-1])]

    def function(values: list[Tensor]) -> list[Tensor]:
        return [part for x in values for part in (*x.topk(500), *x.topk(3), *x.mode(), *x.kthvalue(333))]

    assert_same_bits(function, lambda: [gc.tensor(row) for row in rows])


def test_searching_is_that_of_eager_mode() -> None:
    """In one row and in many, before equals and behind them, in rows that hold NaN or nothing, of many dtypes."""

    def function(values: list[Tensor]) -> list[Tensor]:
        results: list[Tensor] = []
        for x in values:
            rows = x.sort(-1)[0]
            line = x.reshape(-1).sort()[0]
            for right in (False, True):
                results += [
                    gc.searchsorted(rows, x[:, :3].contiguous(), right=right),
                    gc.bucketize(x, line, right=right),
                ]
                results += [gc.searchsorted(line[:0], x, right=right, out_int32=True)]
            results.append(gc.isin(x, line[::2]))
        return results

    dtypes = [gc.float32, gc.float64, gc.float16, gc.int64, gc.uint8]
    assert_same_bits(function, lambda: [with_ties((4, 30), dtype) for dtype in dtypes])


def test_gradients_go_to_the_elements_that_were_taken() -> None:
    """Of a sort, a selection, medians, and a quantile; nothing of it is the host's."""

    def function(values: list[Tensor]) -> list[Tensor]:
        x = values[0].detach().requires_grad_()
        parts = [x.sort(0)[0], x.topk(3, 1)[0], x.kthvalue(2, 0)[0], x.median(), x.median(1)[0], x.mode(1)[0]]
        parts.append(gc.quantile(x, 0.3, 1))
        total = sum((part * part * (place + 1)).sum() for place, part in enumerate(parts))
        return list(gc.autograd.grad(total, x))

    assert_same_bits(function, lambda: [Tensor.from_array(normal(6, 9))])


def test_a_row_is_a_call_and_threads_share_the_rows() -> None:
    """One call of a function for each row, with scratch of the thread; what is gathered at positions needs no check."""
    source = source_of(lambda values: list(values[0].sort(1)), lambda: [Tensor.from_array(normal(500, 100))])
    assert source.count("gc_argsort_f32(&in0[") == 1
    assert "gc_is_outside" not in source
    assert "thread *" in source


def test_the_loop_program_says_what_it_calls() -> None:
    """Interpreted, the calls give what the graph's nodes give, within their buffers, and rows do not meet."""
    builder = Builder()
    x = builder.input("x", tensor(4, 9, 3))
    results = {
        "order": op("argsort", op("exp", x), dim=1, descending=True),
        "top": op("top_positions", x, dim=0, k=2, largest=True),
        "middle": op("median_position", x, dim=2, ignore_nan=False),
        "median": op("median", op("reshape", x, shape=(108,)), ignore_nan=False),
        "place": op("searchsorted", x, x, right=False),
    }
    program = lowered(graph(builder, results), {"x": normal(4, 9, 3)})
    assert len(program.launches) == 6


STRICT = ("-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-c", "-x", "c", "-", "-o", "/dev/null")


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_only_what_is_used_is_emitted(compiler: str) -> None:
    """Each function alone, of a float and of an integer, compiles without a warning: nothing unused is beside it."""
    path = shutil.which(compiler)
    if path is None:
        pytest.skip(f"needs {compiler}")
    for name in (each for each, primitive in PRIMITIVES.items() if isinstance(primitive, RowAlgorithm)):
        for dtype in (gc.float32, gc.int64):
            used = Used()
            used.rows.add((name, dtype))
            text = environment().get_template("c/rows.h.j2").render(row_functions=row_functions(used))
            call = f"void *const used = (void *)gc_{name}_{dtype.short};"
            source = f"#include <stdbool.h>\n#include <stdint.h>\n#include <string.h>\n{text}\n{call}\n"
            outcome = subprocess.run([path, *STRICT], input=source, capture_output=True, text=True, check=False)
            assert outcome.returncode == 0, f"{name} of {dtype}: {outcome.stderr[:800]}"


@pytest.mark.parametrize("dtype", [gc.float32, gc.float64, gc.int64, gc.int32, gc.uint8], ids=str)
def test_the_median_of_as_many_as_there_are(dtype: Any) -> None:
    """One program for every length, down to none: the same number as eagerly, NaN of nothing."""
    program = gc.compile(lambda x: x.median() * 1, dynamic={"x": {0: "N"}}, fullgraph=True)
    for size in (5, 9, 4, 0, 7):
        x = with_ties((size,), dtype)
        assert str(program(x).tolist()) == str((x.median() * 1).tolist())
