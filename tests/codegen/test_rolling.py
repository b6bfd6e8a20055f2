"""Launches that repeat are loops of the C program, which makes the same calls in the same order, to the same bits."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc as gc
import graphc.nn.functional as F
from graphc import nn
from graphc.capture.trace import capture
from graphc.codegen.c.names import Names
from graphc.codegen.c.rolling import FEWEST_SAVED, FEWEST_TURNS, Argument, Turns, find_repeats
from graphc.codegen.executable import CompiledProgram, compile_loops
from graphc.codegen.executable import load as load_program
from graphc.codegen.loops import LoopProgram
from graphc.codegen.lower import lower
from graphc.ir.passes.pipeline import optimize
from graphc.ir.types import float32, int64
from graphc.randomness.generator import default_generator
from tests.codegen.loop_programs import call, pointwise, program, row_gather
from tests.codegen.sanitize import run_sanitized


def test_repeats_are_equal_and_apart() -> None:
    """Whatever the sequence: the turns of a run are equal, runs don't overlap, and each is worth a loop."""
    draw = random.Random(0)
    for _ in range(60):
        keys: list[int] = []
        while len(keys) < 300:
            turn = [draw.randrange(4) for _ in range(draw.randrange(1, 12))]
            keys += turn * draw.choice((1, 1, 2, 5, 20))
        done = 0
        for repeat in find_repeats(keys):
            assert repeat.start >= done
            done = repeat.stop
            turns = [keys[start : start + repeat.length] for start in range(repeat.start, repeat.stop, repeat.length)]
            assert all(turn == turns[0] for turn in turns)
            assert len(turns) == repeat.turns >= FEWEST_TURNS
            assert repeat.saved == len(keys[repeat.start : repeat.stop]) - repeat.length >= FEWEST_SAVED


def test_the_run_that_saves_most_is_taken() -> None:
    """A run of equal calls within each layer does not hide that the layers are equal; what is left is looked at too."""
    layer = [1, 1, 1, 1, 2, 3, 4, 5]
    (repeat,) = find_repeats([9, *layer * 10, 8])
    assert (repeat.length, repeat.turns) == (8, 10)
    first, second = find_repeats([*layer * 10, *[7] * 40, 6])
    assert (first.length, first.turns, second.length, second.turns) == (8, 10, 1, 40)
    assert find_repeats([]) == find_repeats([1]) == find_repeats(list(range(200))) == []
    assert find_repeats([1, 2, 3] * 4) == []  # too few calls to save


def _turns(count: int) -> Turns:
    return Turns(count, "turns", {"a": "a", "b": "b", "c": "c"}, Names())


def _places(kind: str, *places: tuple[str, int, int], written: bool = False) -> list[Argument]:
    return [
        Argument(f"{name} + {start}" if start else name, f"{kind} float", (place, start), name, written)
        for name, place, start in places
    ]


def test_arguments_of_a_turn() -> None:
    """What stays is written as ever; what moves on by equal steps is an expression; the rest comes from a table."""
    turns = _turns(3)
    assert turns.argument(_places("caller", *[("a", 0, 0)] * 3)) == "a"
    assert turns.argument(_places("caller", ("a", 0, 8), ("a", 0, 4), ("a", 0, 0))) == "a + 8 - 4 * turn"
    assert turns.argument(_places("caller", ("a", 0, 0), ("a", 0, 1), ("a", 0, 2))) == "a + turn"
    assert turns.outside == {"a"}
    assert turns.argument(_places("arena", ("a", 64, 0), ("b", 128, 0), ("c", 192, 0))) == "this_a"
    assert turns.argument(_places("arena", ("a", 64, 0), ("b", 128, 1), ("c", 192, 5), written=True)) == (
        "this_a + turns[turn].a_start"
    )
    assert turns.argument(_places("caller", ("a", 0, 0), ("b", 5, 0), ("c", 6, 0))) == "this_a_2"
    assert turns.argument([Argument(f"f({n})", "f({0})", (n,)) for n in (7, 7, 9)]) == "f(turns[turn].scratch)"
    assert turns.declarations() == (
        "float *const this_a = (float *)(arena + 64 + 64 * turn);",
        "const float *const this_a_2 = buffers[turns[turn].a];",
    )
    assert turns.table() == (
        "static const struct { int64_t a_start, a, scratch; } turns[3] = {\n"
        "    {0, 0, 7},\n    {1, 5, 7},\n    {5, 6, 9},\n};"
    )


def _equal(made: LoopProgram, arrays: list[np.ndarray], threads: int) -> tuple[str, str]:
    """Run a program rolled and unrolled, twice each, from the same arrays; their C texts."""
    found = []
    for roll in (True, False):
        compiled = compile_loops(made, threads=threads, roll=roll)
        given = [array.copy() for array in arrays]
        executable = load_program(compiled)
        for _ in range(2):
            executable.run(given)
        found.append((compiled.source, [array.tobytes() for array in given]))
    assert found[0][1] == found[1][1]
    return found[0][0], found[1][0]


def _arrays(compiled: CompiledProgram) -> list[np.ndarray]:
    """Plausible contents for the buffers of a program: positive variances, small weights, class 1."""
    generator = np.random.default_rng(0)
    arrays = []
    for buffer in compiled.buffers:
        if buffer.dtype.is_floating_point:
            values = generator.standard_normal(buffer.size) * 0.1
            arrays.append((np.abs(values) if "v" in buffer.name else values).astype(buffer.dtype.numpy))
        else:
            arrays.append(np.ones(buffer.size, buffer.dtype.numpy))
    return [*arrays, default_generator.buffer.copy()] if compiled.draws_random else arrays


def chain(length: int, size: int = 40) -> LoopProgram:
    """x through three maps ``length`` times, each into a buffer of its own; one takes an operand of the caller's."""
    double = pointwise(size, lambda x: call("add", x, x), float32, float32)
    less = pointwise(size, lambda x, y: call("sub", x, y), float32, float32, float32)
    bounded = pointwise(size, lambda x: call("tanh", x), float32, float32)
    buffers: list[tuple] = [("x", float32, size, "argument")]
    launches = []
    last = "x"
    for n in range(length):
        buffers += [(f"w{n}", float32, size, "argument"), *((f"{k}{n}", float32, size, "temporary") for k in "abc")]
        launches += [(double, (last, f"a{n}")), (less, (f"a{n}", f"w{n}", f"b{n}")), (bounded, (f"b{n}", f"c{n}"))]
        last = f"c{n}"
    buffers.append(("y", float32, size, "output"))
    launches.append((double, (last, "y")))
    return program("chain", buffers, launches)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_long_chain_is_no_longer_than_a_short_one(threads: int) -> None:
    """The C text of 60 layers has as many calls as that of 12, and computes the bits of the unrolled text."""
    counts = []
    for length in (12, 60):
        made = chain(length)
        arrays = [np.linspace(-1, 1, 40, dtype=np.float32) + k for k in range(length + 2)]
        rolled, unrolled = _equal(made, arrays, threads)
        assert "for (int64_t turn = 0; turn < " in rolled
        assert "turn <" not in unrolled
        assert _calls(unrolled) == 3 * length + 1
        counts.append(_calls(rolled))
    assert counts[0] == counts[1] < 10


def _calls(source: str) -> int:
    """How many kernels are called in the step."""
    kernels = re.findall(r"^GC_KERNEL \w+ (\w+)\(", source, re.MULTILINE)
    step = re.search(r"^int64_t graphc_run\(.*?^}", source, re.MULTILINE | re.DOTALL).group()
    return sum(len(re.findall(rf"\b{kernel}\(", step)) for kernel in kernels)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("wrong", [3, 17, 39])
def test_the_turn_that_fails_is_named(threads: int, wrong: int) -> None:
    """An index error within a loop ends the step with the number of the launch that found it, and nothing after it is
    written."""
    check, take = row_gather(10, 3, 4)
    buffers: list[tuple] = [("table", float32, 30, "argument")]
    launches = []
    for n in range(40):
        buffers += [(f"i{n}", int64, 4, "argument"), (f"y{n}", float32, 12, "output")]
        launches += [(check, (f"i{n}",)), (take, (f"i{n}", "table", f"y{n}"))]
    compiled = compile_loops(program("checks", buffers, launches), threads=threads)
    assert "turn < 40" in compiled.source
    executable = load_program(compiled)
    arrays = [np.zeros(buffer.size, buffer.dtype.numpy) for buffer in compiled.buffers]
    places = {buffer.name: array for buffer, array in zip(compiled.buffers, arrays, strict=True)}
    places["table"][:] = np.arange(30)
    for n in range(40):
        places[f"i{n}"][:] = (n % 10, 0, 9, 1)
    executable.run(arrays)
    assert all(places[f"y{n}"][0] == 3 * (n % 10) for n in range(40))
    places["table"][:] += 100
    places[f"i{wrong}"][2] = 10
    with pytest.raises(IndexError):
        executable.run(arrays)
    assert list(executable.program.error) == [2 * wrong, 10, 10]
    assert places[f"y{wrong - 1}"][0] >= 100 > places[f"y{wrong}"][0]


@pytest.mark.parametrize("threads", [1, 2])
def test_every_launch_of_a_loop_is_timed(threads: int) -> None:
    """An instrumented program adds the time of each turn to the launch that it stands for."""
    compiled = compile_loops(chain(30, size=4000), threads=threads, timed=True)
    assert "turn <" in compiled.source
    executable = load_program(compiled)
    executable.run([np.ones(4000, np.float32) for _ in compiled.buffers])
    assert len(executable.seconds) == 91
    assert (executable.seconds > 0).all()


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc and its sanitizers")
def test_sanitizers_find_nothing_in_loops(tmp_path: Path) -> None:
    """The places of all turns lie within the arena and the caller's buffers, and are aligned; warnings are errors."""
    compiled = compile_loops(chain(30), threads=2)
    assert "turn <" in compiled.source
    run_sanitized(compiled, [np.ones(40, np.float32) for _ in compiled.buffers], tmp_path)


Case = tuple[Callable[..., Any], tuple[gc.Tensor, ...]]


def _recurrent(steps: int) -> Case:
    cell, head = nn.LSTMCell(4, 8), nn.Linear(8, 3)
    optimizer = gc.optim.SGD([*cell.parameters(), *head.parameters()], lr=0.1)

    def step(x: gc.Tensor, y: gc.Tensor) -> gc.Tensor:
        optimizer.zero_grad()
        state = (gc.zeros(2, 8), gc.zeros(2, 8))
        for t in range(steps):
            state = cell(x[:, t], state)
        loss = F.cross_entropy(head(state[0]), y)
        loss.backward()
        optimizer.step()
        return loss

    return step, (gc.randn(2, steps, 4), gc.ones(2, dtype=gc.int64))


def _layered(layers: int) -> Case:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.wide, self.narrow = nn.LayerNorm(8), nn.Linear(8, 16), nn.Linear(16, 8)
            self.drop = nn.Dropout(0.1)

        def forward(self, x: gc.Tensor) -> gc.Tensor:
            return x + self.drop(self.narrow(F.gelu(self.wide(self.norm(x)))))

    net = nn.Sequential(*[Block() for _ in range(layers)], nn.Linear(8, 3))
    optimizer = gc.optim.AdamW(net.parameters(), lr=0.01)

    def step(x: gc.Tensor, y: gc.Tensor) -> gc.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step, (gc.randn(5, 8), gc.ones(5, dtype=gc.int64))


@pytest.mark.parametrize("make", [_recurrent, _layered])
def test_training_steps_grow_with_what_is_distinct(make: Callable[[int], Case]) -> None:
    """A training step of 24 steps or layers has hardly more calls than one of 12, and hardly other kernels; rolled and
    unrolled leave the same bits in results, gradients, state, and the generator, on two threads."""
    counts = []
    for depth in (12, 24):
        gc.manual_seed(0)
        step, arguments = make(depth)
        step(*arguments)  # the optimizer's state is there
        recording, _ = capture(step, arguments, {})
        made = lower(optimize(recording.graph).graph)
        compiled = compile_loops(made, threads=1)
        if depth == 12:
            _equal(made, _arrays(compiled), threads=2)
        counts.append((_calls(compiled.source), compiled.source.count("GC_KERNEL ")))
    assert counts[1][0] <= 1.2 * counts[0][0]
    assert counts[1][1] <= counts[0][1] + 6  # sums of as many gradients as there are steps


def test_compiled_training_with_rolled_launches_agrees_with_eager() -> None:
    """Random numbers within a loop come from the stream in order: a compiled step with dropout trains as eager does."""
    losses = []
    for compiled in (False, True):
        gc.manual_seed(3)
        step, arguments = _layered(10)
        run = gc.compile(step) if compiled else step
        losses.append([run(*arguments).item() for _ in range(4)])
        if compiled:
            assert "for (int64_t turn = 0;" in run.source
    assert np.allclose(*losses, rtol=1e-5)


def layers_of_steps(layers: int, steps: int, size: int = 40) -> LoopProgram:
    """Layers that begin and end with maps of their own, and take as many steps in between, each with the caller's
    operand of the step, and at its end with that of the layer."""
    double = pointwise(size, lambda x: call("add", x, x), float32, float32)
    less = pointwise(size, lambda x, y: call("sub", x, y), float32, float32, float32)
    bounded = pointwise(size, lambda x: call("tanh", x), float32, float32)
    buffers: list[tuple] = [("x", float32, size, "argument")]
    buffers += [(f"w{n}", float32, size, "argument") for n in range(layers)]
    buffers += [(f"v{n}", float32, size, "argument") for n in range(steps)]
    launches, last = [], "x"

    def add(kernel, name: str, *more: str) -> None:
        nonlocal last
        buffers.append((name, float32, size, "temporary"))
        launches.append((kernel, (last, *more, name)))
        last = name

    for layer in range(layers):
        add(double, f"begin{layer}")
        for step in range(steps):
            add(less, f"a{layer}_{step}", f"v{step}")
            add(less, f"b{layer}_{step}", f"w{layer}")
            add(bounded, f"c{layer}_{step}")
        add(less, f"less{layer}", f"w{layer}")
        add(double, f"end{layer}")
    buffers.append(("y", float32, size, "output"))
    launches.append((bounded, (last, "y")))
    return program("layers", buffers, launches)


@pytest.mark.parametrize("threads", [1, 2])
def test_layers_of_steps_are_a_loop_in_a_loop(threads: int) -> None:
    """The C text of 5 layers of 20 steps makes no more calls than that of 4 layers of 10, to the bits of the unrolled
    text; what moves with the step alone, or with the layer alone, is told once for it. The first call reads what the
    caller gave, so that a turn begins behind it, and the last layer is a loop beside."""
    counts = []
    for layers, steps in ((4, 10), (5, 20)):
        made = layers_of_steps(layers, steps)
        arrays = [np.linspace(-1, 1, 40, dtype=np.float32) + k / 9 for k in range(layers + steps + 2)]
        rolled, unrolled = _equal(made, arrays, threads)
        assert f"for (int64_t turn = 0; turn < {layers - 1}; ++turn)" in rolled
        assert f"for (int64_t step = 0; step < {steps}; ++step)" in rolled
        assert _calls(unrolled) == layers * (3 * steps + 3) + 1
        counts.append(_calls(rolled))
    assert counts[0] == counts[1] == 13
    assert "buffers[6 + step]" in rolled
    assert "buffers[1 + turn]" in rolled


def test_arguments_of_a_turn_in_a_turn() -> None:
    """Places that move on by equal steps in both loops are one expression; what depends on one loop alone is told
    there; anything else is in a table with a row for each turn of each."""
    names = Names()
    outer = Turns(3, names.fresh("turns"), {"a": "a", "b": "b"}, names)
    inner = Turns(4, names.fresh("steps"), {"a": "a", "b": "b"}, names, outer, "step")
    assert inner.total == 12

    def grid(place) -> list[int]:
        return [place(turn, step) for turn in range(3) for step in range(4)]

    assert inner.number(grid(lambda turn, step: 7), "n") == "7"
    assert inner.number(grid(lambda turn, step: 5 + 12 * turn + 3 * step), "n") == "5 + 12 * turn + 3 * step"
    assert inner.number(grid(lambda turn, step: 90 + turn - 3 * step), "n") == "90 + turn - 3 * step"
    assert inner.number(grid(lambda turn, step: 4 * step), "n") == "4 * step"
    assert inner.number(grid(lambda turn, step: turn**2 + step**3), "n") == "turns[turn].n + steps[step].n"
    assert inner.number(grid(lambda turn, step: turn * step), "n") == "turns_2[4 * turn + step].n_2"
    places = grid(lambda turn, step: 64 * turn)
    column = [Argument(f"a{place}", "arena float", (place, 0), "ab"[place > 0]) for place in places]
    assert inner.argument(column) == "this_a"
    assert inner.declarations() == ()
    assert outer.declarations() == ("const float *const this_a = (const float *)(arena + 64 * turn);",)
    assert inner.table() == (
        "static const struct { int64_t n; } steps[4] = {\n    {0},\n    {1},\n    {8},\n    {27},\n};\n"
        "static const struct { int64_t n_2; } turns_2[12] = {\n"
        + "".join(f"    {{{turn * step}}},\n" for turn in range(3) for step in range(4))
        + "};"
    )


def test_a_recurrent_network_of_layers_has_the_bits_of_the_unrolled_text() -> None:
    """The training step of an LSTM of several layers, forward and backward."""
    gc.manual_seed(0)
    net, x = nn.LSTM(3, 3, num_layers=4), gc.randn(8, 2, 3)

    def step(x: Any) -> Any:
        loss = net(x)[0].square().mean()
        loss.backward()
        return loss

    recording, _ = capture(step, (x,), {})
    made = lower(optimize(recording.graph).graph)
    rolled, unrolled = _equal(made, _arrays(compile_loops(made)), 1)
    assert "++step" in rolled
    assert _calls(rolled) < _calls(unrolled) / 3
