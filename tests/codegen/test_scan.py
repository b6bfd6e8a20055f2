"""Scans are loops that carry numbers: bit for bit what eager mode computes, fused with what they read and feed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.codegen.loops import Advance, Carried
from graphc.ir.graph import Builder
from graphc.tensor import Tensor
from tests.codegen.lowering import graph, lowered, normal, op, tensor
from tests.every_way import difference, run_every_way

SHAPES = [(7,), (40, 300), (300, 40), (2, 3, 4, 5), (1, 9), (9, 1), (0, 3), (3, 0)]


def assert_same_bits(function: Any, make: Any) -> str:
    """The compiled program gives eager's bits, on one thread and on two, with no call to the host; gives its C."""
    expected = function(make())
    before = gc.get_num_threads()
    try:
        for threads in (1, 2):
            gc.set_num_threads(threads)
            program = gc.compile(function, fullgraph=True)
            for found, wanted in zip(program(make()), expected, strict=True):
                wrong = difference(np.array(found._value("test")), np.array(wanted._value("test")))
                assert wrong is None, wrong
    finally:
        gc.set_num_threads(before)
    return program.source


def numbers(shape: tuple[int, ...], dtype: Any) -> Tensor:
    """Numbers with zeros of both signs, and a NaN in the middle of a float."""
    array = np.random.default_rng(3).standard_normal(shape)
    if not dtype.is_floating_point:
        return Tensor.from_array(np.abs(array * 3).astype(np.int64)).to(dtype)
    flat = array.reshape(-1)
    flat[::5], flat[1::7] = -0.0, 0.0
    if flat.size > 20:
        flat[flat.size // 2] = np.nan
    return Tensor.from_array(array).to(dtype)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_scan_has_the_bits_of_eager_mode(shape: tuple[int, ...]) -> None:
    """All scans, all dtypes, every dimension, from both ends; with zeros of both signs and NaN."""
    dtypes = [gc.float32, gc.float64, gc.float16, gc.bfloat16, gc.int64, gc.int8, gc.uint8, gc.bool]

    def function(values: list[Tensor]) -> list[Tensor]:
        results: list[Tensor] = []
        for x in values:
            for dim in range(len(shape)):
                results += [x.cumsum(dim), x.cumprod(dim), x.flip(dim).cumsum(dim), *x.cummax(dim), *x.cummin(dim)]
                if x.is_floating_point():
                    results += [x.logcumsumexp(dim), (x * 3 + 1).cumsum(dim), x.cumsum(dim).exp().sum(dim)]
        return results

    assert_same_bits(function, lambda: [numbers(shape, dtype) for dtype in dtypes])


@pytest.mark.parametrize("shape", [(5, 33), (1, 4)], ids=str)
def test_gradients_of_scans_have_the_bits_of_eager_mode(shape: tuple[int, ...]) -> None:
    """Scans from the other end, linear recurrences, and what stands between them: twice differentiated."""

    def function(values: list[Tensor]) -> list[Tensor]:
        (x,) = (value.detach().requires_grad_() for value in values)
        results = []
        for dim in (0, 1):
            for y in (x.cumsum(dim), x.cumprod(dim), x.cummax(dim)[0], x.logcumsumexp(dim)):
                (first,) = gc.autograd.grad((y * y).sum(), x, create_graph=True)
                (second,) = gc.autograd.grad((first * first).sum(), x)
                results += [first.detach(), second]
        return results

    def make() -> list[Tensor]:
        return [Tensor.from_array(normal(*shape).astype(np.float64))]

    ways = run_every_way(function, make)
    for found, wanted in zip(ways.compiled.results, ways.eager.results, strict=True):
        assert difference(found, wanted, 1e-12, 1e-12) is None
    assert "call_out" not in source_of(function, make)


def source_of(function: Any, make: Any) -> str:
    """The C of a program that refuses calls to the host."""
    program = gc.compile(function, fullgraph=True)
    program(make())
    return program.source


def test_a_sum_starts_from_zero() -> None:
    """As in PyTorch -0 alone sums up to 0, eagerly too; a product of it is -0."""
    x = gc.tensor([-0.0, -0.0, 1.0])
    for found in (x.cumsum(0), gc.compile(lambda x: x.cumsum(0))(x)):
        assert not np.signbit(found.numpy()[:2]).any()
    assert np.signbit(x.cumprod(0).numpy()[0])


def carrying(program: Any) -> list[int]:
    """How many numbers each kernel of a loop program carries."""

    def count(statements: Any) -> int:
        return sum(isinstance(s, Carried) + count(getattr(s, "body", ())) for s in statements)

    return [count(launch.kernel.body) for launch in program.launches]


def test_scans_of_one_row_share_its_loop() -> None:
    """Three scans, what they read, and what reads them are one kernel, and each row is walked once."""
    builder = Builder()
    x = builder.input("x", tensor(6, 50))
    y = op("mul", x, x)
    scans = [op(name, y, dim=1, reverse=False) for name in ("cumsum", "cumprod", "cummax_indices")]
    total = op("cumsum", op("add", scans[0], x), dim=1, reverse=False)
    program = lowered(graph(builder, {"a": scans[1], "b": scans[2], "c": total}), {"x": normal(6, 50)})
    assert carrying(program) == [5]  # of the third the position and the value


def test_scans_from_both_ends_do_not() -> None:
    """A row is walked from one end; the scan from the other end is a kernel of its own."""
    builder = Builder()
    x = builder.input("x", tensor(6, 50))
    both = {name: op("cumsum", x, dim=1, reverse=name == "last") for name in ("first", "last")}
    assert sorted(carrying(lowered(graph(builder, both), {"x": normal(6, 50)}))) == [1, 1]


def test_rows_side_by_side_are_walked_together() -> None:
    """Along the first dimension of a matrix a block of columns is carried in an array, by vector loops."""
    source = source_of(lambda values: [values[0].cumsum(0)], lambda: [gc.ones(30, 200)])
    assert "#pragma omp simd" in source
    assert "s0[" in source


def test_costly_work_is_not_made_serial() -> None:
    """What a scan along rows reads is computed by vector loops before it, where it costs much."""
    source = source_of(lambda values: [values[0].tanh().exp().cumsum(1)], lambda: [gc.ones(30, 200)])
    carried = source[source.index("void cumsum(") :]
    assert "gc_exp" not in carried
    assert "gc_tanh" not in carried


def test_a_scan_over_state_is_written_in_place() -> None:
    """A buffer that becomes its own running sum; and a scan of what a scan wrote through a view."""

    def function(values: list[Tensor]) -> list[Tensor]:
        (x,) = values
        x.copy_(x.cumsum(1))
        x[1:].copy_(x[1:].flip(1).cumprod(1))
        return [x * 1]

    assert_same_bits(function, lambda: [Tensor.from_array(normal(4, 9))])


def test_no_statement_changes_what_is_carried_too_early() -> None:
    """In a kernel's loop all that reads a carried number stands before what changes it."""
    builder = Builder()
    x = builder.input("x", tensor(3, 8))
    once = op("cumsum", x, dim=1, reverse=False)
    program = lowered(graph(builder, {"y": op("cummax_indices", once, dim=1, reverse=False)}), {"x": normal(3, 8)})
    (launch,) = program.launches
    (row,) = launch.kernel.body
    kinds = [isinstance(statement, Advance) for statement in row.body[-1].body]
    assert kinds == sorted(kinds)


def test_positions_need_no_check() -> None:
    """What a scan or a reduction gives as positions indexes its operand without a check; other indices have one."""
    values = [gc.arange(35.0).reshape(5, 7), gc.tensor([[1], [2], [0], [6], [3]])]
    known = source_of(lambda v: [v[0].cummax(1)[0], v[0].gather(0, v[0].argmin(0, keepdim=True))], lambda: values)
    assert "gc_is_outside" not in known
    for foreign in (lambda v: [v[0].gather(1, v[1])], lambda v: [v[0][:3].gather(0, v[0].argmin(0, keepdim=True))]):
        assert "gc_is_outside" in source_of(foreign, lambda: values)
