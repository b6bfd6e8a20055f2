"""A large program is compiled as several translation units at once: the same library, to the bit."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from graphc.codegen.c import parts
from graphc.codegen.c.parts import cut
from graphc.codegen.executable import CompiledProgram, compile_loops, load
from graphc.codegen.loops import Kernel, LoopProgram
from graphc.ir.types import float32
from graphc.runtime import native
from graphc.runtime.errors import CompileError
from tests.codegen.loop_programs import call, matmul, pointwise, program, softmax


def several(last: Kernel) -> LoopProgram:
    """A product, a softmax, and a map, and one more kernel."""
    double = pointwise(64, lambda x: call("add", x, call("exp", x)), float32, float32, title="double")
    buffers = [
        ("x", float32, 64, "argument"),
        ("b", float32, 8, "argument"),
        *((name, float32, 64, "temporary") for name in "stu"),
        ("y", float32, 64, "output"),
    ]
    launches = [
        (matmul(1, 8, 8, 8), ("x", "x", "b", "s")),
        (softmax(8, 8), ("s", "t")),
        (double, ("t", "u")),
        (last, ("u", "y")),
    ]
    return program("several", buffers, launches)


NEGATED = pointwise(64, lambda x: call("neg", x), float32, float32, title="negated")


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small programs are cut too."""
    monkeypatch.setattr(parts, "FEWEST_CHARACTERS", 200)
    monkeypatch.setattr("graphc.codegen.executable.default_threads", lambda: 3)


def _result(compiled: CompiledProgram) -> bytes:
    x, b = np.linspace(-1, 1, 64, dtype=np.float32), np.ones(8, np.float32)
    executable = load(compiled)
    assert executable.build.messages == ""
    return executable(x=x, b=b)["y"].tobytes()


def test_a_program_in_parts_is_the_program(small_parts: None) -> None:
    """Each kernel is defined in one part, and declared where the step is; the bits are those of the whole."""
    compiled = compile_loops(several(NEGATED), threads=2)
    assert len(compiled.parts) == 4
    *kernels, step = compiled.parts
    assert "graphc_run(" not in "".join(kernels)
    functions = re.findall(r"^GC_KERNEL \w+ (\w+)\(", compiled.source, re.MULTILINE)
    assert len(functions) >= 4
    for function in functions:
        assert sum(f" {function}(" in text for text in kernels) == 1
        assert re.search(rf"^GC_KERNEL \w+ {function}\([^{{]*;$", step, re.MULTILINE)
    assert _result(compiled) == _result(replace(compiled, parts=()))


def test_small_programs_stay_whole() -> None:
    """Starting a second compiler would cost more than it saves."""
    assert compile_loops(several(NEGATED)).parts == ()
    assert cut("", [], 8) == ()


def test_parts_are_kept_by_content(small_parts: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A program that differs in one kernel compiles the part that holds it and the step; the others are known."""
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path))  # where no other process makes room
    commands: list[tuple[str, ...]] = []
    run = native.run_compiler

    def counted(command: tuple[str, ...], folder: object, *more: object) -> str:
        commands.append(command)
        return run(command, folder, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(native, "run_compiler", counted)
    first = compile_loops(several(NEGATED), threads=1)
    _result(first)
    assert sum("-c" in command for command in commands) == len(first.parts)
    commands.clear()
    changed = first.parts[0] + "/* another text */\n"
    again = replace(first, source=first.source + "\n", parts=(changed, *first.parts[1:]))
    _result(again)
    assert ["-c" in command for command in commands] == [True, False]  # a part, and the linker


def test_a_fault_in_a_part_is_told_of_the_whole(small_parts: None) -> None:
    """Where a part does not compile, or not without warnings, the whole text is: that is what a user can read."""
    compiled = compile_loops(several(NEGATED), threads=1)
    unlike = replace(compiled, parts=(compiled.parts[0] + "#error oops\n", *compiled.parts[1:]))
    assert _result(unlike) == _result(compiled)
    broken = replace(compiled, source=compiled.source + "#error oops\n", parts=unlike.parts)
    with pytest.raises(CompileError, match="oops") as caught:
        load(broken)
    assert caught.value.source_path is not None
    assert caught.value.source_path.read_text() == broken.source
