"""Kernels of every schedule give numpy's numbers, whatever the order of threads and blocks; nvcc takes all of them.

Many small functions are one program: a compiler takes longer to start than to compile one of them.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from graphc.codegen.cuda import CudaProgram
from graphc.codegen.loops import symbols_of
from graphc.codegen.lower import LoweringOptions, lower
from graphc.codegen.target import GPU
from graphc.ir.integers import variable
from graphc.ir.interp import interpret
from graphc.randomness.stream import RandomStream
from graphc.runtime.cubin import build_cubin
from tests.codegen.cuda.emulation import captured, captured_with_inputs, cuda_program, differences, run
from tests.every_way import difference

needs_nvcc = pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not on the PATH")
RNG = np.random.default_rng(3)


def draw(*shape: int, dtype: str = "float32") -> np.ndarray:
    return RNG.standard_normal(shape).astype(dtype)


def with_extremes(*shape: int) -> np.ndarray:
    """Numbers with ties, NaN, and infinities, for searches."""
    array = RNG.integers(-3, 4, shape).astype(np.float32)
    array[..., ::7] = 3
    array[1, 40:] = np.nan
    array[2] = -np.inf
    return array


class Case:
    """A function of arrays by name, as a graph and as a CUDA program."""

    def __init__(self, function: Callable[..., Any], **arrays: np.ndarray):
        self.graph, self.inputs = captured_with_inputs(function, *map(gc.tensor, arrays.values()))

    @property
    def program(self) -> CudaProgram:
        return cuda_program(self.graph)


def pointwise() -> Case:
    """Vectors of 16 bytes with and without a rest, broadcasts, conditions, casts, halves, integers."""

    def pointwise(x, odd, row, i, b, d, h):
        return [
            x * 2 + row,
            (odd.exp() + 1).log(),
            gc.where(b, x, row),
            gc.where(odd > 0, odd, -odd).sqrt(),
            F.pad(odd, (3, 2)),
            gc.cat([x[:, :3], x[:, 9:]], 1),
            i * 3 - i // 4,
            i % 5 + i.float(),
            (x > 0) & b,
            d.sin() * 2,
            h * 2 + 1,
            h.bfloat16() + 1,
            x.t() + 1,
            x.sigmoid() * x.tanh(),
        ]

    return Case(
        pointwise,
        x=draw(24, 40), odd=draw(1003), row=draw(40), i=RNG.integers(-50, 50, (37,)), b=RNG.random((24, 40)) < 0.5,
        d=draw(515, dtype="float64"), h=draw(130).astype(np.float16),
    )  # fmt: skip


def rows() -> Case:
    """Rows that a thread, a warp, or a block works on, several sums over each, searches with ties and NaN."""

    def rows(short, middling, long, extremes):
        return [
            short.sum(1),
            short.softmax(1),
            middling.softmax(1),
            F.layer_norm(middling, (70,)),
            long.softmax(1),
            F.layer_norm(long, (3000,)),
            long.amax(1),
            (long * 2 > 1).any(1),
            extremes.argmax(1),
            extremes.argmin(1),
            extremes.amax(1),
            gc.logsumexp(middling, 1),
        ]

    return Case(rows, short=draw(300, 5), middling=draw(300, 70), long=draw(3, 3000), extremes=with_extremes(5, 90))


def columns() -> Case:
    """Sums and searches over the first dimension, where neighbours are neighbours in memory; sums over outer ones."""

    def columns(wide, tall, four, extremes):
        return [
            wide.sum(0),
            tall.sum(0),
            tall.softmax(0),
            four.mean((0, 2, 3)),
            four.var((0, 2, 3)),
            extremes.argmax(0),
        ]

    return Case(columns, wide=draw(50, 70), tall=draw(3000, 33), four=draw(8, 6, 9, 9), extremes=with_extremes(90, 41))


def sums() -> Case:
    """Sums to few results in two stages."""

    def sums(x, y):
        return [x.sum(), (x * x).mean(), x.amax(), x.argmax(), y.sum(1), (y > 0.5).sum(1)]

    return Case(sums, x=draw(70001), y=draw(3, 30000))


def products() -> Case:
    """Tiles with rests, transposed factors, batches, a depth that many blocks share, epilogues, float64, integers,
    convolutions and their gradients."""

    def products(a, b, c, deep, wide, batch, d, image, kernel, i):
        a, kernel, image = (each.detach().requires_grad_() for each in (a, kernel, image))
        made = F.conv2d(image, kernel, padding=1, stride=2).relu()
        made.square().sum().backward()
        return [
            F.gelu(a @ b + c), b.t() @ a.t(), deep @ wide, batch @ batch.transpose(1, 2), d @ d, i @ i,
            made, kernel.grad, image.grad, a[0] @ b, (a @ b[:, :3]).softmax(1),
        ]  # fmt: skip

    return Case(
        products,
        a=draw(70, 45), b=draw(45, 83), c=draw(83), deep=draw(20, 1000), wide=draw(1000, 24), batch=draw(3, 20, 18),
        d=draw(20, 20, dtype="float64"), image=draw(2, 16, 14, 14), kernel=draw(20, 16, 3, 3),
        i=RNG.integers(-9, 9, (17, 17)),
    )  # fmt: skip


def halves() -> Case:
    """Products of halves by tensor cores, summed in float32: rests, padding, a depth that blocks share, epilogues."""

    def halves(a, b, c, kernel, image, deep, wide):
        return [(a @ b).relu() + c, F.conv2d(image, kernel, padding=1), deep @ wide, a.bfloat16() @ b.bfloat16()]

    shapes = {"a": (70, 45), "b": (45, 83), "c": (83,), "kernel": (20, 16, 3, 3), "image": (2, 16, 14, 14)}
    shapes |= {"deep": (20, 1000), "wide": (1000, 24)}
    return Case(halves, **{name: draw(*shape).astype(np.float16) for name, shape in shapes.items()})


def gathers() -> Case:
    """Gathers, scatters that meet the same place often, scans, sorting, pools, and their gradients."""

    def gathers(table, index, x, image):
        table, x, image = (each.detach().requires_grad_() for each in (table, x, image))
        made = F.embedding(index, table)
        pooled = F.max_pool2d(image, 3, stride=2), F.avg_pool2d(image, 2)
        total = (made * made).sum() + x.cumsum(1).square().sum() + sum(each.square().sum() for each in pooled)
        total.backward()
        counts = gc.zeros(7).index_add(0, index.reshape(-1) % 7, gc.ones(index.numel()))
        last = x.detach().clone()
        last[index.reshape(-1) % 6] = table.detach().repeat(7, 3)[:72, :50]  # of several that go to one place, the last
        order, places = x.sort(1)
        return [last, made, table.grad, x.grad, image.grad, counts, order, places, x.topk(3, 1)[0], x.median(1)[0]]

    return Case(
        gathers,
        table=draw(11, 20), index=RNG.integers(0, 11, (9, 8)), x=draw(6, 50), image=draw(2, 3, 11, 11),
    )  # fmt: skip


CASES = (pointwise, rows, columns, sums, products, halves, gathers)
# Where sums in another order may round a half otherwise.
TOLERANCE = {halves: 2e-3}


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_kernels_agree_with_numpy(make: Callable[[], Case]) -> None:
    """Every result is numpy's, and bit for bit the same with threads and blocks in the other order."""
    case = make()
    assert differences(case.graph, case.inputs, TOLERANCE.get(make, 2e-5)) == []
    assert ("wmma::mma_sync" in case.program.source) == (make is halves)


def test_what_is_read_across_goes_through_tiles() -> None:
    """A transposed operand is read and written along memory, in tiles with rests, beside operands that lie well, under
    conditions, in batches, and of other widths; the result is numpy's in both orders of threads."""

    def turned(x, y, a, b, batch, wide, half):
        return [
            x.t().contiguous(),
            (a.t() * 2 + b.exp()).contiguous(),
            gc.where(b > 0, a.t() + 1, b).contiguous(),
            batch.permute(2, 0, 1).relu().contiguous(),
            (wide.t() + y).contiguous(),
            (half.t().float() - 1).contiguous(),
        ]

    case = Case(
        turned,
        x=draw(50, 70), y=draw(70, 51), a=draw(49, 70), b=draw(70, 49), batch=draw(40, 3, 37),
        wide=draw(51, 70, dtype="float64"), half=draw(52, 71).astype("float16"),
    )  # fmt: skip
    assert differences(case.graph, case.inputs) == []
    program = case.program
    assert program.source.count("__syncthreads();\n    for (int step") >= 5
    small = captured(lambda x: x.t().contiguous(), gc.zeros(50, 8))
    assert "turned0" not in cuda_program(small).source
    if shutil.which("nvcc") is not None:
        assert build_cubin(program.source, name="turned").path.exists()


@pytest.mark.parametrize("exact", [True, False])
def test_products_of_rounded_floats(exact: bool) -> None:
    """Where tf32 is asked for, tensor cores multiply floats that are rounded to 11 bits: of small integers the results
    are exact, of others within that rounding, and the same in both orders of threads."""

    def products(a, b, batch, image, kernel, deep, wide):
        return [(a @ b).relu(), batch @ batch.transpose(1, 2), F.conv2d(image, kernel, padding=1), deep @ wide, b.t()]

    shapes = {"a": (70, 45), "b": (45, 83), "batch": (3, 20, 18), "image": (2, 16, 14, 14), "kernel": (20, 16, 3, 3)}
    shapes |= {"deep": (20, 1000), "wide": (1000, 24)}
    arrays = {
        name: RNG.integers(-9, 9, shape).astype("float32") if exact else draw(*shape) for name, shape in shapes.items()
    }
    case = Case(products, **arrays)
    program = cuda_program(case.graph, tf32=True)
    assert program.source.count("wmma::precision::tf32, wmma::col_major") == 4
    expected = interpret(case.graph, case.inputs).outputs
    found = [run(program, case.inputs, backwards=backwards).outputs for backwards in (False, True)]
    for name, array in expected.items():
        assert (found[0][name] == found[1][name]).all()
        np.testing.assert_allclose(found[0][name], array, rtol=0, atol=0 if exact else 2e-3 * np.abs(array).max())
        assert exact or array.size == 45 * 83 or (found[0][name] != array).any()
    if shutil.which("nvcc") is not None:
        assert build_cubin(program.source, name="tf32").path.exists()


@needs_nvcc
def test_nvcc_takes_every_kernel() -> None:
    """All of these kernels in one text become a cubin."""
    for make in CASES:
        program = make().program
        assert build_cubin(program.source, name=make.__name__).path.stat().st_size > 0


def test_what_each_schedule_looks_like() -> None:
    """Blocks and threads are chosen by how long rows are and which way memory lies."""
    shapes = {
        (300, 5): (256, 1, 1),  # a thread a row
        (3000, 70): (32, 4, 1),  # a warp a row
        (3, 3000): (1024, 1, 1),  # a block a row
    }
    for shape, block in shapes.items():
        program = cuda_program(captured(lambda x: x.softmax(1), gc.zeros(*shape)))
        assert [launch.block for launch in program.launches] == [block]
    (launch,) = cuda_program(captured(lambda x: x.sum(0), gc.zeros(100, 64))).launches
    assert (launch.grid, launch.block) == ((2, 1, 1), (32, 16, 1))


def test_vectors_where_memory_is_aligned_alone() -> None:
    """Threads move 16 bytes at once, unless what they are given begins elsewhere."""
    moved = r"gc_f32x4 in0_v = \*\(const gc_f32x4 \*\)&in0\[i0\]"
    assert re.search(moved, cuda_program(captured(lambda x: x * 2, gc.zeros(1000))).source)
    assert not re.search("gc_f32x4", cuda_program(captured(lambda x: x[1:] * 2, gc.zeros(1000))).source)
    # What is read once for all, such as a learning rate, does not keep them from it.
    scaled = captured(lambda x, rate: x * rate, gc.zeros(1000), gc.tensor(2.0))
    assert re.search(r"const float \w+ = in\d\[0\];.*gc_f32x4 in\d_v = ", cuda_program(scaled).source, re.DOTALL)


def test_what_is_overwritten_is_read_first() -> None:
    """A value that is read under a condition only, and written over, is in the vector that is written."""

    def function(x, y, z):
        a = x.exp()
        return gc.where(y > 0, a, z) * 2 + a.sum()

    case = Case(function, x=draw(64), y=draw(64), z=draw(64))
    assert differences(case.graph, case.inputs) == []


def test_a_gather_of_rows_moves_vectors() -> None:
    """What a row's index is read from is read once for a vector, where the vector lies within the row."""

    def function(table, index):
        return table[index] * 2, table.gather(0, index[:, None] % 3)

    case = Case(function, table=draw(9, 32), index=RNG.integers(0, 9, 21))
    assert re.search(r"gc_f32x4 in1_v = \*\(const gc_f32x4 \*\)&in1\[\(int\)\w+ \* 32", case.program.source)
    assert differences(case.graph, case.inputs) == []


def test_the_first_index_out_of_range_is_named() -> None:
    """Of indices in several loops the first in order, whichever thread finds it; what comes after does nothing."""

    def function(table, index, state):
        state.add_(1)
        return gc.zeros(4, 3).index_reduce(0, index[:, 0], table[:, :3], "amax"), table[index]

    table, index, state = draw(40, 5), RNG.integers(0, 4, (40, 2)), draw(7)
    graph, inputs = captured_with_inputs(function, *map(gc.tensor, (table, index, state)))
    for place, wrong in ((0, 4), (17, -41), (39, 99)):
        index = inputs["index"].copy()
        index.reshape(-1)[2 * place :: 10] = wrong
        for backwards in (False, True):
            with pytest.raises((IndexError, RuntimeError), match=f"index {wrong} is out"):
                run(cuda_program(graph), {**inputs, "index": index}, backwards=backwards)


def training() -> tuple[Callable[..., Any], tuple[gc.Tensor, ...]]:
    """A step of Adam on a small network with normalization."""
    gc.manual_seed(1)
    first, last = nn.Linear(20, 24, bias=False), nn.Linear(24, 20)
    net = nn.Sequential(first, nn.BatchNorm1d(24), nn.ReLU(), last, nn.LayerNorm(20))
    optimizer = optim.AdamW(net.parameters(), lr=0.01)

    def training(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return training, (gc.randn(18, 20), gc.arange(18))


def test_small_launches_stand_side_by_side() -> None:
    """The updates of many parameters are few launches; a step changes its state as numpy does."""
    function, arguments = training()
    graph, inputs = captured_with_inputs(function, *arguments)
    program = cuda_program(graph)
    alone = len(lower(graph, LoweringOptions(target=GPU)).launches)
    assert len(program.launches) <= alone - 10
    assert "Side by side" in program.source
    assert differences(graph, inputs, 1e-4) == []


@needs_nvcc
def test_nvcc_takes_a_training_step() -> None:
    """So it does where kernels are functions of others."""
    function, arguments = training()
    assert build_cubin(cuda_program(captured(function, *arguments)).source, name="step").path.exists()


def test_random_numbers_are_those_of_eager_mode() -> None:
    """All threads of a block draw from the one stream: the same numbers, and the stream goes on where it would."""

    def draws(x):
        return [
            gc.rand(5), gc.rand(3), gc.rand(701), gc.rand(333, dtype=gc.float64), gc.randn(7), gc.randn(1000),
            gc.randn(48, dtype=gc.float64), gc.randint(-5, 5, (99,)), gc.randint(0, 1 << 40, (400,)),
            F.dropout(x, 0.3), gc.empty(50).exponential_(2.0), gc.randperm(20), gc.bernoulli(gc.full((9,), 0.5)),
            gc.rand(1),
        ]  # fmt: skip

    case = Case(draws, x=draw(1300))
    stream = RandomStream(11)
    gc.manual_seed(11)
    expected = interpret(case.graph, case.inputs).outputs
    found = run(case.program, case.inputs, stream.buffer).outputs
    for name, array in expected.items():
        tolerance = 0.0 if array.dtype.kind in "ib" else 2e-6
        assert difference(found[name], array, tolerance, tolerance) is None, name
    assert (stream.buffer[:625] == gc.random.default_generator.buffer[:625]).all()


def test_what_a_block_can_not_hold() -> None:
    """Rows of many kept values get a block each rather than a warp; a contraction of more batches than blocks in z go
    is no tiles."""

    def many_rows(x):
        one, other = (x * 2).exp(), (x * 3).exp()
        return one / one.sum(1, keepdim=True) + other / other.sum(1, keepdim=True)

    program = cuda_program(captured(many_rows, gc.zeros(500, 1000, dtype=gc.float64)))
    declared = re.findall(r"__shared__ double row\w+?(?:\[(\d+)\])?\[(\d+)\];", program.source)
    assert declared
    assert 8 * sum(int(rows or 1) * int(size) for rows, size in declared) <= 48 << 10
    tiles = cuda_program(captured(lambda a: a @ a, gc.zeros(70000, 16, 16)))
    assert all(extent <= 65535 for launch in tiles.launches for extent in launch.grid[1:])


def test_sizes_known_at_run_time() -> None:
    """One text serves every size of the first dimension: grids, rests, tiles, and stages of sums follow it."""

    def dynamic(x, w, index):
        w = w.detach().requires_grad_()
        y = (x @ w).relu()
        (y.softmax(1).square().mean() + x.sum() * 0).backward()
        return [y, w.grad, x.sum(0), x.mean(), x.cumsum(0), x.sort(0)[0], x * 2 + 1, w.detach()[index], x.t().argmax(1)]

    rows = variable("N", 2, 400)
    arguments = [gc.tensor(draw(37, 24)), gc.tensor(draw(24, 20)), gc.tensor(RNG.integers(0, 24, 37))]
    graph, _ = captured_with_inputs(dynamic, *arguments, symbols=[{0: rows}, {}, {0: rows}])
    assert symbols_of(graph) == ("N",)
    assert "int64_t i0" not in cuda_program(graph).source  # 32 bits hold all indices, whatever the size is
    for size in (2, 37, 400):
        inputs = {"x": draw(size, 24), "w": draw(24, 20), "index": RNG.integers(0, 24, size)}
        assert differences(graph, inputs, 1e-4) == []
    if shutil.which("nvcc") is not None:
        assert build_cubin(cuda_program(graph).source, name="dynamic").path.exists()


def test_loops_of_a_known_count_are_written_out() -> None:
    """A scan's launches stand in the list once for each run, on the rows of that run; its derivative's in reverse."""

    def looped(x, w):
        w = w.detach().requires_grad_()
        last, rows = gc.scan(lambda carry, row: ((carry @ w + row).tanh(),) * 2, gc.zeros(5, 4), x)
        (last.sum() + rows.square().sum()).backward()
        return last, rows, w.grad

    case = Case(looped, x=draw(6, 5, 4), w=draw(4, 4))
    assert Counter(launch.kernel for launch in case.program.launches)["matmul_add_tanh"] == 6
    assert differences(case.graph, case.inputs) == []


def test_control_flow_by_values_is_refused() -> None:
    """A branch that a value decides is named with its line: the host would have to wait for it."""

    def branched(x):
        return gc.cond(x.sum() > 0, lambda x: x * 2, lambda x: x - 1, (x,))

    with pytest.raises(NotImplementedError, match=r"cond, at .*test_kernels\.py:\d+, decides by values"):
        cuda_program(captured(branched, gc.ones(3)))
