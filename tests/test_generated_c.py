"""The C of random programs: no warning of gcc or clang, nothing defined that is not used, nothing for sanitizers."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc as gc
import graphc.nn.functional as F
from graphc.capture.recorded import FromArgument
from graphc.codegen.c import spelling
from graphc.codegen.render import environment
from graphc.runtime.toolchain import BASE_FLAGS, NUMERIC_FLAGS
from graphc.tensor import Tensor
from tests.codegen.sanitize import run_sanitized
from tests.every_way import difference
from tests.programs import write_program

COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
STRICT = (*BASE_FLAGS, "-O2", *NUMERIC_FLAGS, "-march=native", "-fopenmp", "-Wall", "-Wextra", "-Werror")


def together(seeds: Sequence[int]) -> tuple[Callable[[list[Tensor]], Any], list[Tensor]]:
    """Several random programs as one function, and its arguments."""
    programs = [write_program(seed) for seed in seeds]

    def function(tensors: list[Tensor]) -> list[Any]:
        remaining = iter(tensors)
        return [program.function()(*[next(remaining) for _ in program.arguments]) for program in programs]

    return function, [tensor for program in programs for tensor in program.tensors()]


def edges(tensors: list[Tensor]) -> list[Any]:
    """What random programs seldom have: rows of no element, sums that nobody reads, one element, every library."""
    none, x = gc.zeros(0, 4), gc.ones(3, 1)
    v = F.normalize(none, eps=0.3)
    several = [none.sum(0), v, F.log_softmax(v, -2), none.softmax(0).amax(1), (none.sum(1, keepdim=True) / 0.5).sum(0)]
    y = tensors[0]
    called = [
        y.exp(),
        y.tan(),
        y.atan(),
        gc.special.i0(y),
        y.abs().pow(0.3),
        y.half().sin(),
        y.long() // 3,
        y.cumsum(0),
    ]
    return [*several, *called, x.expand(3, 5).sum(), y.argmax(), F.dropout(y, 0.5)]


@pytest.mark.parametrize("compiler", COMPILERS)
def test_no_compiler_warns(compiler: str, tmp_path: Path) -> None:
    """Random programs, gradients included, and what is at the edge, under -Wall -Wextra -Werror."""
    sources = []
    for function, tensors in (together(range(7000, 7010)), (edges, [gc.randn(4, 3)])):
        compiled = gc.compile(function)
        compiled(tensors)
        sources.append(compiled.source)
    for number, source in enumerate(sources):
        path = tmp_path / f"program{number}.c"
        path.write_text(source)
        ended = subprocess.run(
            [compiler, *STRICT, "-o", tmp_path / "program.so", path, "-lm"], capture_output=True, text=True
        )
        assert ended.returncode == 0, ended.stderr


def test_a_library_function_brings_what_it_calls_and_no_more() -> None:
    """Of the mathematical library a program has what it needs: clang warns of what is defined for nothing."""
    template = environment().get_template("c/math.h.j2")
    tables = [table for table in vars(spelling).values() if isinstance(table, dict)]
    names = {getattr(entry, "library", None) for table in tables for entry in table.values()} - {None, ""}
    assert len(names) > 60
    for name in sorted(names):
        for dtype in ("f32", "f64", "i8", "i64", "u8", "u64"):
            text = template.render(functions=[f"{name}_{dtype}"])
            defined = re.findall(r"^static (?:inline )?[\w ]+?\*?(gc_\w+)\(", text, re.MULTILINE)
            called = re.findall(r"\b(gc_\w+)\(", text)
            unused = [each for each in defined if each != f"gc_{name}_{dtype}" and called.count(each) < 2]
            assert not unused, f"{name}_{dtype} defines {unused} for nothing"
            assert set(called) <= set(defined) or not defined


@pytest.mark.parametrize("compiler", COMPILERS)
def test_random_programs_are_clean_under_sanitizers(compiler: str, tmp_path: Path) -> None:
    """No access out of bounds and no undefined behaviour, on more threads than one, and eager mode's values."""
    seeds = range(8000, 8005) if compiler == "gcc" else range(8100, 8108)
    function, tensors = together(seeds)
    with np.errstate(all="ignore"):
        expected = [tensor for values in function(together(seeds)[1]) for tensor in values]
        compiled = gc.compile(function)
        compiled(tensors)
    recording, program = compiled.stages.recording, compiled.stages.compiled
    fresh = together(seeds)[1]
    assert all(isinstance(binding, FromArgument) for binding in recording.bindings)
    arrays = [np.array(fresh[b.position].detach().numpy(), order="C", ndmin=1) for b in recording.bindings]
    outputs = [
        np.empty(output.node.type.shape or (1,), output.node.type.dtype.numpy) for output in recording.graph.outputs
    ]
    assert run_sanitized(program, [*arrays, *outputs], tmp_path, threads=2, compiler=compiler)[0] == 0
    places = {output.name: array for output, array in zip(recording.graph.outputs, outputs, strict=True)}
    compared = 0
    for place, tensor in enumerate(expected):
        array = places.get(f"result_{place}")
        if array is not None and array.size == tensor.numel():
            largest = float(np.abs(tensor.numpy()).max(initial=1.0)) if tensor.dtype.is_floating_point else 0.0
            bounds = (1e-3, 1e-3 * largest) if tensor.dtype.is_floating_point else ()
            assert not difference(array.reshape(tensor.shape), tensor.numpy(), *bounds)
            compared += 1
    assert compared > 15


PATHS = ['*/ system("x"); /* .py', 'a"b\nint main;.py', "tri??/", "back\\", "\u2028 \u202e.py", "x" * 5000]


@pytest.mark.parametrize("compiler", COMPILERS)
def test_no_path_or_parameter_leaves_its_place(compiler: str, tmp_path: Path) -> None:
    """Files called anything, with parameters that are words of C or of the generated program."""
    text = "def int(static, restrict, été, _Alignas, gc_exp_f32, n0):\n"
    text += "    return ((static.exp() * restrict + été) @ _Alignas).sum() + gc_exp_f32.mean() + n0.sum()\n"
    arguments = [gc.randn(3, 3) for _ in range(6)]
    for number, path in enumerate(PATHS):
        namespace: dict[str, Any] = {}
        exec(compile(text, path, "exec"), namespace)
        compiled = gc.compile(namespace["int"])
        compiled(*arguments)
        np.testing.assert_allclose(compiled(*arguments).item(), namespace["int"](*arguments).item(), rtol=1e-4)
        source = tmp_path / f"program{number}.c"
        source.write_text(compiled.source)
        flags = [flag for flag in STRICT if flag != "-shared"]
        ended = subprocess.run([compiler, *flags, "-fsyntax-only", source], capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
