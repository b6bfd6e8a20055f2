"""Schedules: contiguous work is one loop, divisions vanish, and sums do not depend on the number of threads."""

from __future__ import annotations

import numpy as np

from graphc.codegen.domains import Axis, merge_axes, split_divisions
from graphc.codegen.interpret import run_program
from graphc.codegen.listing import print_kernel
from graphc.codegen.loops import Let, LocalArray, Loop
from graphc.codegen.lower import lower
from graphc.ir.graph import Builder
from graphc.ir.integers import substitute
from tests.codegen.lowering import graph, loops, lowered, normal, number, op, spread, tensor


def _kernels(program) -> str:
    return "\n".join(line for launch in program.launches for line in print_kernel(launch.kernel, "kernel"))


def test_contiguous_dimensions_are_one_loop() -> None:
    """A pointwise kernel over three dimensions is one flat parallel loop; a broadcast keeps its dimension."""
    b = Builder("flat")
    x, bias = b.input("x", tensor(3, 4, 5)), b.input("b", tensor(5))
    program = lowered(
        graph(b, {"y": op("exp", x), "z": op("add", x, spread(bias, (3, 4, 5), (0, 1)))}),
        {"x": normal(3, 4, 5), "b": normal(5)},
    )
    nests = [[(loop.stop, loop.kind) for loop in loops(launch.kernel.body)] for launch in program.launches]
    assert nests == [[(12, "parallel"), (5, "vector")]]
    b = Builder("one")
    program = lower(graph(b, {"y": op("exp", b.input("x", tensor(3, 4, 5)))}))
    assert [(loop.stop, loop.kind) for loop in loops(program.launches[0].kernel.body)] == [(60, "parallel")]


def test_no_division_stays_in_a_loop() -> None:
    """Loops run over dimensions in which reshapes and permutations are linear."""
    b = Builder("split")
    x = b.input("x", tensor(6, 40))
    y = op("permute", op("reshape", x, shape=(2, 3, 8, 5)), dims=(0, 2, 1, 3))
    program = lowered(graph(b, {"y": op("exp", op("reshape", y, shape=(16, 15)))}), {"x": normal(6, 40)})
    assert "//" not in _kernels(program)
    assert "%" not in _kernels(program)


def test_split_and_merge_undo_each_other() -> None:
    """Splitting makes divisions vanish; axes that every expression walks as one are merged."""
    axis = Axis("i", 12)
    i = axis.index
    domain, split = split_divisions((axis,), [5 * (i // 4) + i % 4])
    assert [a.extent for a in domain] == [3, 4]
    assert str(substitute(5 * (i // 4) + i % 4, split)) == "5*ih+il"
    merged, _ = merge_axes(domain, [substitute(i, split)])
    assert [a.extent for a in merged] == [12]
    kept, _ = merge_axes(domain, [substitute(5 * (i // 4) + i % 4, split)])
    assert [a.extent for a in kept] == [3, 4]


def test_column_sums_carry_a_block_of_columns() -> None:
    """Where columns lie side by side, the loop over them is the innermost, and sums wait in a small array."""
    b = Builder("columns")
    x = b.input("x", tensor(5, 7, 70))
    top = op("amax", x, dims=(0, 1))
    shifted = op("sub", x, spread(top, (5, 7, 70), (0, 1)))
    outputs = {"top": top, "sum": op("sum", op("exp", shifted), dims=(0, 1)), "shifted": shifted}
    program = lowered(graph(b, outputs), {"x": normal(5, 7, 70)}, 1e-4)
    (launch,) = program.launches
    (blocks,) = launch.kernel.body
    assert {s.size for s in blocks.body if isinstance(s, LocalArray)} == {35}
    assert all(loop.kind == "vector" for loop in loops(launch.kernel.body) if not loops(loop.body))


def test_long_sums_are_cut_by_size_alone() -> None:
    """A sum of many elements is made of sums of chunks; so is a long column, and a position is the first."""
    b = Builder("long")
    x = b.input("x", tensor(40000))
    scale = number(b, 1 / 40000, ())
    outputs = {"mean": op("mul", op("sum", x, dims=(0,)), scale), "y": op("exp", x), "at": op("argmax", x, dims=(0,))}
    array = normal(40000)
    array[[777, 31000]] = array.max() + 1
    program = lowered(graph(b, outputs), {"x": array}, 1e-4)
    chunks = {launch.kernel.body[0].stop for launch in program.launches if isinstance(launch.kernel.body[0], Loop)}
    assert chunks == {250}
    assert run_program(program, {"x": array})[program.outputs[2]] == 777

    b = Builder("columns")
    x = b.input("x", tensor(2100, 20))
    mean = op("mul", op("sum", x, dims=(0,)), number(b, 1 / 2100, (20,)))
    centred = op("sub", x, spread(mean, (2100, 20), (0,)))
    lowered(graph(b, {"mean": mean, "centred": centred}), {"x": normal(2100, 20)}, 1e-4)


def test_a_sum_is_cut_along_the_axis_that_is_not_walked_in_vectors() -> None:
    """The gradient of a bias sums samples and places: samples are shared out, and rows of places stay whole."""
    b = Builder("bias_gradient")
    x = b.input("x", tensor(64, 6, 784))
    program = lower(graph(b, {"out": op("sum", x, dims=(0, 2))}))
    partial, _ = (launch.kernel.body for launch in program.launches)
    walked = {loop.stop for loop in loops(partial)}
    assert partial[0].stop == 64
    assert 784 in walked


def test_a_long_sum_in_single_precision_is_accurate() -> None:
    """Equal numbers added in float32: one after the other they lose ten times more than in chunks."""
    count, step = 1 << 18, np.float32(0.1)
    b = Builder("accurate")
    x = b.input("x", tensor(count))
    program = lower(graph(b, {"sum": op("sum", x, dims=(0,))}))
    array = np.full(count, step)
    (total,) = run_program(program, {"x": array})[program.outputs[0]]
    exact = count * float(step)
    one_by_one = float(np.cumsum(array)[-1])
    assert abs(float(total) - exact) * 10 < abs(one_by_one - exact)
    assert abs(float(total) / exact - 1) < 1e-5


def test_small_windows_are_written_out() -> None:
    """A pooling window has no loops; the loop along the row is what can be vectorised."""
    b = Builder("pool")
    window = {"kernel_size": (3, 3), "stride": (2, 2), "padding": (1, 1), "dilation": (1, 1), "ceil_mode": False}
    x = b.input("x", tensor(2, 3, 17, 21))
    program = lowered(graph(b, {"y": op("max_pool", x, **window)}), {"x": normal(2, 3, 17, 21)})
    nest = loops(program.launches[0].kernel.body)
    assert (nest[-1].kind, nest[-1].stop) == ("vector", 11)


def test_common_expressions_are_computed_once_and_invariants_outside() -> None:
    """What two stores need has a name; what does not vary in the inner loop is named outside of it."""
    b = Builder("names")
    x, bias = b.input("x", tensor(6, 9)), b.input("b", tensor(6))
    shift = spread(op("exp", bias), (6, 9), (1,))
    common = op("tanh", op("add", x, shift))
    program = lowered(graph(b, {"y": op("neg", common), "z": op("exp", common)}), {"x": normal(6, 9), "b": normal(6)})
    text = _kernels(program)
    assert text.count("tanh(") == 1
    outer = program.launches[-1].kernel.body[0]
    assert any(isinstance(statement, Let) for statement in outer.body)


def test_padding_is_not_read_before_it_is_asked_for() -> None:
    """A load that a condition guards stays behind it, however often it is used."""
    b = Builder("guarded")
    x = b.input("x", tensor(4, 5))
    wide = op("pad", x, low=(1, 2), high=(1, 2), value=0.0)
    outputs = {"y": op("mul", wide, wide), "z": op("exp", wide)}
    lowered(graph(b, outputs), {"x": normal(4, 5)})


def test_a_vector_times_a_matrix_walks_the_matrix_as_it_lies() -> None:
    """Where a row's elements lie side by side, sums of a block of columns wait in an array; a column's are one sum."""
    for shape in ((64, 40), (40, 64)):
        b = Builder("vector_times_matrix")
        matrix = b.input("a", tensor(*shape))
        turned = matrix if shape == (64, 40) else op("permute", matrix, dims=(1, 0))
        product = op("matmul", b.input("x", tensor(1, 64)), turned)
        program = lowered(graph(b, {"y": product}), {"a": normal(*shape), "x": normal(1, 64)}, 1e-4)
        (launch,) = program.launches
        statements = [part for statement in launch.kernel.body for part in (statement, *getattr(statement, "body", ()))]
        assert any(isinstance(statement, LocalArray) for statement in statements) == (shape == (64, 40))
