"""Sums over rows are made where the rows are, and groups that walk the same rows are one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

import graphc as gc
import graphc.nn.functional as F
from graphc.codegen.loops import LocalArray
from graphc.codegen.lower import lower
from graphc.codegen.target import CPU
from graphc.ir.graph import Builder, Symbol
from graphc.thread_count import get_num_threads, set_num_threads
from tests.codegen.lowering import graph, loops, lowered, normal, number, op, softmax, spread, tensor

SMALL = replace(CPU, many_elements=64)  # small enough for the interpreter
SHAPE = (21, 24)


def _normalised(b: Builder, x: Symbol) -> tuple[Symbol, Symbol]:
    rows, width = SHAPE
    scale = number(b, 1 / width, (rows,))
    centred = op("sub", x, spread(op("mul", op("sum", x, dims=(1,)), scale), SHAPE, (1,)))
    variance = op("mul", op("sum", op("mul", centred, centred), dims=(1,)), scale)
    deviation = op("rsqrt", op("add", variance, number(b, 1e-5, (rows,))))
    return op("mul", centred, spread(deviation, SHAPE, (1,))), deviation


def test_gradients_of_a_norm_are_one_pass_over_the_rows() -> None:
    """Layer norm after a softmax, and the gradients in weight and bias, and a row's sum of the gradient in x: a kernel
    that reads each row once, and one that combines the parts of both sums."""
    b = Builder("layer_norm")
    x, cotangent, weight = b.input("x", tensor(*SHAPE)), b.input("ct", tensor(*SHAPE)), b.input("w", tensor(24))
    in_bias = op("sum", cotangent, dims=(0,))
    normalised, deviation = _normalised(b, softmax(x))
    in_weight = op("sum", op("mul", cotangent, normalised), dims=(0,))
    scaled = op("mul", cotangent, spread(weight, SHAPE, (0,)))
    inner = op("sum", op("mul", scaled, normalised), dims=(1,))
    in_x = op(
        "mul", op("sub", scaled, op("mul", normalised, spread(inner, SHAPE, (1,)))), spread(deviation, SHAPE, (1,))
    )
    made = graph(b, {"dw": in_weight, "db": in_bias, "dx": in_x})
    arrays = {"x": normal(*SHAPE), "ct": normal(*SHAPE, seed=1), "w": normal(24, seed=2)}
    program = lowered(made, arrays, target=SMALL)
    rows, together = program.launches
    assert set(program.outputs[:2]) <= set(together.buffers)
    assert program.outputs[2] in rows.buffers
    assert {
        size for loop in loops(rows.kernel.body) for s in loop.body if isinstance(s, LocalArray) for size in [s.size]
    } == {24}


def test_parts_are_of_a_number_that_threads_have_no_say_in() -> None:
    """The loop that threads share runs over parts, and there are as many whatever the machine."""
    b = Builder("parts")
    y = softmax(b.input("x", tensor(64, 32)))
    program = lower(graph(b, {"y": y, "s": op("sum", y, dims=(0,)), "all": op("sum", y, dims=(0, 1))}))
    assert len(program.launches) > 1  # not worth it for so little work
    b = Builder("parts")
    y = softmax(b.input("x", tensor(1024, 64)))
    program = lower(graph(b, {"y": y, "s": op("sum", y, dims=(0,)), "all": op("sum", y, dims=(0, 1))}))
    (whole,) = program.launches[0].kernel.body
    assert (whole.kind, whole.stop) == ("parallel", 32)


@pytest.mark.parametrize("name", ["amax", "amin", "prod"])
def test_any_reduction_over_rows_may_be_made_in_parts(name: str) -> None:
    """Not sums alone: what combines in any order."""
    b = Builder(name)
    y = softmax(b.input("x", tensor(*SHAPE)))
    together = graph(b, {"y": y, "of_rows": op(name, y, dims=(0,)), "of_all": op(name, y, dims=(0, 1))})
    program = lowered(together, {"x": normal(*SHAPE)}, target=SMALL)
    assert len([launch for launch in program.launches if "exp" in launch.kernel.operations]) == 1


def test_rows_that_need_the_sum_over_all_rows_come_after_it() -> None:
    """What divides rows by sums over them is another kernel."""
    b = Builder("balanced")
    y = softmax(b.input("x", tensor(*SHAPE)))
    balanced = op("div", y, spread(op("sum", y, dims=(0,)), SHAPE, (0,)))
    again = op("div", balanced, spread(op("sum", balanced, dims=(1,)), SHAPE, (1,)))
    program = lowered(graph(b, {"y": again, "s": op("sum", again, dims=(0,))}), {"x": normal(*SHAPE)}, target=SMALL)
    assert 3 <= len(program.launches) <= 4


def test_points_that_need_a_sum_over_rows_do_not_join_the_rows_with_it() -> None:
    """A group of columns that holds a sum and what is divided by it stays apart from rows that are in the sum."""
    b = Builder("columns")
    x = b.input("x", tensor(*SHAPE))
    y = softmax(x)
    scaled = op("mul", x, y)
    balanced = op("div", scaled, spread(op("sum", scaled, dims=(0,)), SHAPE, (0,)))
    made = {"of_x": op("sum", x, dims=(0,)), "balanced": op("mul", balanced, x), "y": y}
    lowered(graph(b, made), {"x": normal(*SHAPE)}, target=SMALL, tolerance=1e-4)


def test_a_state_that_a_sum_over_rows_updates_is_written_after_the_rows() -> None:
    """A weight that the rows read, less its gradient: the combining kernel writes over it once all rows are done."""
    b = Builder("update")
    x, weight = b.input("x", tensor(*SHAPE)), b.input("w", tensor(24), "state")
    y = softmax(op("mul", x, spread(weight, SHAPE, (0,))))
    gradient = op("sum", op("mul", y, x), dims=(0,))
    updates = {weight: op("sub", weight, op("mul", gradient, number(b, 0.1, (24,))))}
    program = lowered(graph(b, {"y": y}, updates), {"x": normal(*SHAPE), "w": normal(24, seed=1)}, target=SMALL)
    assert len(program.launches) == 2


def _rows_and_columns(seed: int) -> tuple[Builder, dict[str, Symbol], dict[str, np.ndarray]]:
    """A random program of values of all points, of rows, of columns, and of one number."""
    choose = random.Random(seed)
    rows, width = choose.randint(17, 40), choose.randint(17, 30)
    shape = (rows, width)
    dims = {(rows, width): (), (rows,): (1,), (width,): (0,), (): (0, 1)}
    b = Builder(f"program_{seed}")
    arrays = {"x": normal(*shape, seed=seed), "y": normal(*shape, seed=seed + 1), "w": normal(width, seed=seed + 2)}
    values = [b.input(name, tensor(*array.shape)) for name, array in arrays.items()]
    values.append(softmax(values[0]))

    def everywhere(value: Symbol) -> Symbol:
        missing = dims[tuple(value.shape)]
        return spread(value, shape, missing) if missing else value

    for _ in range(choose.randint(6, 18)):
        value, other = choose.choice(values[-6:]), choose.choice(values)
        match choose.randrange(6):
            case 0 | 1:
                if value.shape != other.shape:
                    value, other = everywhere(value), everywhere(other)
                value = op(choose.choice(["add", "sub", "mul", "maximum"]), value, other)
            case 2:
                value = op(choose.choice(["tanh", "sigmoid", "neg"]), value)
            case 3:
                value = softmax(everywhere(value))
            case _:
                over = choose.choice([(0,), (1,), (0, 1), (0,)])
                scale = 1 / np.prod([shape[dim] for dim in over])
                kept = tuple(extent for dim, extent in enumerate(shape) if dim not in over)
                name = choose.choice(["sum", "sum", "amax"])
                value = op("mul", op(name, everywhere(value), dims=over), number(b, float(scale), kept))
        values.append(value)
    outputs = dict.fromkeys([values[-1], *choose.sample(values[3:], 3)])
    return b, {f"o{number}": value for number, value in enumerate(outputs)}, arrays


@pytest.mark.parametrize("first", range(0, 60, 10))
def test_random_rows_and_columns(first: int) -> None:
    """Random programs of rows, columns, and sums of both give what their nodes give one by one."""
    divided = 0
    for seed in range(first, first + 10):
        b, outputs, arrays = _rows_and_columns(seed)
        program = lowered(graph(b, outputs), arrays, tolerance=1e-4, target=SMALL)
        divided += any("part_" in s.name for launch in program.launches for s in _arrays(launch.kernel.body))
    assert divided >= 3


def _arrays(body: object) -> Iterator[LocalArray]:
    for loop in loops(body if isinstance(body, tuple) else ()):
        yield from (s for s in loop.body if isinstance(s, LocalArray))


@pytest.fixture
def threads() -> Iterator[None]:
    before = get_num_threads()
    yield
    set_num_threads(before)


def test_compiled_sums_are_eager_modes_and_the_same_with_any_number_of_threads(threads: None) -> None:
    """The gradients of a norm over a softmax, and a loss, with a batch that is known at run time only: eager mode's
    values, and the same bits with one thread, two, and three."""

    def gradients(x, weight, bias, cotangent):
        y = F.layer_norm(gc.softmax(x, dim=-1), (96,), weight, bias)
        loss = (y * cotangent).sum()
        return loss, *gc.autograd.grad(loss, (x, weight, bias))

    compiled = gc.compile(gradients, dynamic={"x": {0: "N"}, "cotangent": {0: "N"}})
    gc.manual_seed(0)
    weight, bias = gc.rand(96, requires_grad=True), gc.rand(96, requires_grad=True)
    for rows in (700, 411, 1):
        x, cotangent = gc.randn(rows, 96, requires_grad=True), gc.randn(rows, 96)
        compiled(x, weight, bias, cotangent)  # the first call of all is eager
        found = []
        for count in (1, 2, 3):
            set_num_threads(count)
            found.append([result.detach().numpy().copy() for result in compiled(x, weight, bias, cotangent)])
        for other in found[1:]:
            assert [a.tobytes() for a in other] == [a.tobytes() for a in found[0]]
        for result, expected in zip(found[0], gradients(x, weight, bias, cotangent), strict=True):
            np.testing.assert_allclose(result, expected.detach().numpy(), rtol=2e-4, atol=2e-4)
