"""Kernels are given the parts of buffers that they touch, so that what is done to each part is one kernel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from graphc.codegen.c.program import print_kernels
from graphc.codegen.executable import compile_loops
from graphc.codegen.executable import load as load_program
from graphc.codegen.inplace import reuse_in_place
from graphc.codegen.interpret import run_program
from graphc.codegen.loops import Loop, LoopProgram, Store
from graphc.codegen.memory import check_plan, plan_memory
from graphc.ir.graph import Builder, Symbol
from graphc.ir.types import float32, int64
from tests.codegen.loop_programs import call, index, kernel, load, pointwise, program
from tests.codegen.lowering import Arrays, graph, lowered, normal, op, tensor


def _step(x: Symbol, t: int) -> Symbol:
    """x[:, t] of a (batch, time, width) sequence."""
    batch, _, width = x.shape
    part = op("slice", x, starts=(0, t, 0), stops=(batch, t + 1, width), steps=(1, 1, 1))
    return op("reshape", part, shape=(batch, width))


def _natively(made: LoopProgram, arrays: Arrays) -> dict[str, np.ndarray]:
    return load_program(compile_loops(made))(**arrays)


def test_steps_of_a_sequence_share_their_kernels() -> None:
    """Every step reads another part of the sequence: matrix products and maps are one kernel each, and right."""
    b = Builder("sequence")
    x, w = b.input("x", tensor(3, 5, 4)), b.input("w", tensor(4, 6))
    outputs = {}
    for t in range(5):
        outputs[f"product{t}"] = op("exp", op("matmul", _step(x, t), w))
        outputs[f"map{t}"] = op("permute", op("tanh", _step(x, t)), dims=(1, 0))
    g, arrays = graph(b, outputs), {"x": normal(3, 5, 4), "w": normal(4, 6, seed=1)}
    made = lowered(g, arrays)
    assert sorted(launch.starts for launch in made.launches if launch.kernel.title == "tanh") == [
        (start, 0) for start in (0, 4, 8, 12, 16)
    ]
    assert len(print_kernels(made).texts) == 2
    found = _natively(made, arrays)
    for t in range(5):
        assert np.allclose(found[f"product{t}"].reshape(3, 6), np.exp(arrays["x"][:, t] @ arrays["w"]), rtol=1e-5)


def test_a_window_spans_all_that_is_read() -> None:
    """Neighbouring elements at a distance are read from one window; the sizes of parameters tell what is touched."""
    b = Builder("neighbours")
    x = b.input("x", tensor(100))

    def part(start: int) -> Symbol:
        return op("slice", x, starts=(start,), stops=(start + 10,), steps=(1,))

    outputs = {f"y{start}": op("sub", part(start + 15), part(start)) for start in (0, 30, 70)}
    made = lowered(graph(b, outputs), {"x": normal(100)})
    assert {launch.kernel for launch in made.launches} == {made.launches[0].kernel}
    assert [launch.starts[0] for launch in made.launches] == [0, 30, 70]
    assert made.launches[0].kernel.parameters[0].size == 25


def test_places_found_in_data_keep_the_whole_buffer() -> None:
    """Where an index decides what is read, the kernel is given the buffer from its first element."""
    b = Builder("found")
    x, i = b.input("x", tensor(20, 3)), b.input("i", tensor(4, 3, dtype=int64))
    places = np.array([[19, 0, 7], [7, 7, 0], [1, 2, 3], [4, 5, 6]])
    made = lowered(graph(b, {"y": op("gather", x, i, dim=0)}), {"x": normal(20, 3), "i": places})
    assert all(not any(launch.starts) for launch in made.launches)


@pytest.mark.parametrize(("start", "shared"), [(0, True), (8, False)])
def test_a_result_takes_the_memory_only_of_the_same_window(start: int, shared: bool) -> None:
    """The elements that a kernel reads and writes lie at the same offsets of its parameters; where these begin at
    different elements of their buffers, the result can't be written over what was read."""
    at = index("i", 40)
    double = pointwise(48, lambda x: call("add", x, x), float32, float32)
    part = pointwise(40, lambda x: call("neg", x), float32, float32)
    last = kernel(
        [("in0", float32, 40, "read"), ("out0", float32, 40, "write")],
        (Loop("i", 0, 40, (Store("out0", at, load("in0", at), float32),), "parallel"),),
    )
    buffers = [
        ("x", float32, 48, "argument"),
        ("a", float32, 48, "temporary"),
        ("b", float32, 48, "temporary"),
        ("y", float32, 40, "output"),
    ]
    made = program("part", buffers, [(double, ("x", "a")), (part, ("a", "b")), (last, ("b", "y"))])
    launches = (made.launches[0], replace(made.launches[1], starts=(start, 0)), made.launches[2])
    made = replace(made, launches=launches)
    fewer = reuse_in_place(made)
    assert (len(fewer.buffers) < len(made.buffers)) == shared
    check_plan(fewer, plan_memory(fewer))
    x = normal(48)
    for each in (made, fewer):
        assert np.array_equal(run_program(each, {"x": x})["y"], -2 * x[start : start + 40])
        assert np.array_equal(_natively(each, {"x": x})["y"], -2 * x[start : start + 40])


def test_a_window_outside_its_buffer_is_named() -> None:
    """The interpreter finds a launch whose window goes past the end of its buffer."""
    copy = pointwise(8, lambda x: x, float32, float32)
    made = program("beyond", [("x", float32, 8, "argument"), ("y", float32, 8, "output")], [(copy, ("x", "y"))])
    made = replace(made, launches=(replace(made.launches[0], starts=(4, 0)),))
    with pytest.raises(AssertionError, match="offset 4 of in0, which has 4 elements"):
        run_program(made, {"x": normal(8)})
