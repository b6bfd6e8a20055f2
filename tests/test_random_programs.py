"""Random programs give the same values and gradients run eagerly, interpreted, compiled, and in PyTorch.

Programs come from :mod:`tests.programs`. Several share one build, since starting a C compiler is what takes time.
``GRAPHC_PROGRAMS=5000`` runs that many; without it, the same few hundred run each time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import graphc as gc
from graphc.ir.integers import variable
from graphc.tensor import Tensor
from tests.every_way import difference, run_every_way
from tests.programs import Program, write_program
from tests.recorded import RecordedProgram

REQUESTED = int(os.environ.get("GRAPHC_PROGRAMS", "0"))
TOGETHER = 16
BUILDS = max(REQUESTED // TOGETHER, 16)

# Relative to an element, and to the largest that the program computes: sums of random terms may cancel.
TOLERANCE = {"float32": 1e-4, "float64": 1e-9}

EITHER_ZERO = re.compile(r"maximum|minimum|clamp|relu|amax|amin|max\(|min\(")
MATRIX_PRODUCT = re.compile(r" @ |matmul|linear")
TURNED_WRITE = re.compile(r"\.(t|transpose|permute)\([^)]*\)\.\w+_\(")

# The same programs at every normal run; new ones when more are asked for. A failing program is reduced here, statement
# by statement: shrinking by another seed would give another program.
SETTINGS = settings(
    max_examples=BUILDS,
    derandomize=not REQUESTED,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def tolerances(program: Program, expected: np.ndarray, largest: float) -> tuple[float, float]:
    if expected.dtype.kind != "f":
        return 0.0, 0.0
    # A quotient of integers is a float32.
    single = expected.dtype == np.float32 or any(dtype != "float64" for _, _, dtype, _ in program.arguments)
    # Casts to float32 may stand anywhere in a program.
    single = single or "float32" in program.source or "softmax" in program.source
    relative = TOLERANCE["float32" if single else "float64"]
    return relative, relative * largest


def largest_of(array: np.ndarray) -> float:
    return float(np.abs(array[np.isfinite(array)]).max(initial=0.0))


def compare(program: Program, way: str, found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> list[str]:
    """The differences between two runs of a program, in words."""
    if len(found) != len(expected):
        return [f"{way}: {len(found)} values instead of {len(expected)}"]
    largest = max((largest_of(array) for array in expected if array.dtype.kind == "f"), default=0.0)
    # numpy multiplies a matrix by its own transpose in another order, and the passes may find that two are one.
    # And it sums in the order of memory, which is another where a graph makes a new value of what was written in part.
    graph = way in ("captured", "optimized") and not TURNED_WRITE.search(program.source)
    exactly = way == "recorded" or (graph and not (way == "optimized" and MATRIX_PRODUCT.search(program.source)))
    # Which zero the larger of 0 and -0 is, numpy leaves to the order of the operands.
    bits = (0.0, 5e-324) if EITHER_ZERO.search(program.source) else ()
    wrong = [
        (place, difference(one, other, *(bits if exactly else tolerances(program, other, largest))))
        for place, (one, other) in enumerate(zip(found, expected, strict=True))
    ]
    return [f"{way}: value {place}: {words}" for place, words in wrong if words]


def differences(programs: Sequence[Program]) -> list[tuple[Program, str]]:
    """Run programs as one, in every way; those of them for which the ways differ, and how."""
    counts = [len(program.arguments) for program in programs]
    functions = [program.function() for program in programs]

    def make() -> list[Tensor]:
        return [tensor for program in programs for tensor in program.tensors()]

    def together(tensors: list[Tensor]) -> list[list[Tensor]]:
        remaining = iter(tensors)
        return [
            function(*[next(remaining) for _ in range(count)])
            for function, count in zip(functions, counts, strict=True)
        ]

    try:
        with np.errstate(all="ignore"):
            ways = run_every_way(together, make)
    except Exception as error:
        if len(programs) == 1:
            return [(programs[0], f"{type(error).__name__}: {str(error)[:1500]}")]
        middle = len(programs) // 2
        found = differences(programs[:middle]) + differences(programs[middle:])
        return found or [(program, f"fails in company only: {error}") for program in programs]
    found = []
    begin = first = 0
    for program, results, count in zip(programs, ways.returned, counts, strict=True):
        words: list[str] = []
        for way in ("recorded", "captured", "optimized", "compiled"):
            outcome = getattr(ways, way)
            words += compare(
                program,
                way,
                outcome.results[begin : begin + len(results)] + outcome.arguments[first : first + count],
                ways.eager.results[begin : begin + len(results)] + ways.eager.arguments[first : first + count],
            )
        begin, first = begin + len(results), first + count
        if words:
            found.append((program, "\n".join(words)))
    return found


def reduced(program: Program, most: int = 40, find: Any = differences) -> Program:
    """The program without statements that it fails without too; ``find`` tells whether it fails."""
    for _ in range(most):
        for place in reversed(range(len(program.statements))):
            shorter = Program(
                program.seed, program.arguments, program.statements[:place] + program.statements[place + 1 :]
            )
            try:
                shorter.function()(*shorter.tensors())
            except Exception:  # a statement that others need
                continue
            if find([shorter]):
                program = shorter
                break
        else:
            break
    return program


def report(program: Program, words: str) -> str:
    """A failing program as something to run."""
    given = "\n".join(
        f"# {name}: {dtype}{list(shape)}{', requires a gradient' if wants else ''}"
        for name, shape, dtype, wants in program.arguments
    )
    return f"\nwrite_program({program.seed}):\n{words}\n{given}\n{program.source}"


@SETTINGS
@given(st.lists(st.integers(0, 2**40), min_size=TOGETHER, max_size=TOGETHER, unique=True))
def test_every_way_agrees(seeds: list[int]) -> None:
    """Captured and optimized graphs give eager's bits; compiled programs give its values, gradients included."""
    found = differences([write_program(seed) for seed in seeds])
    if found:
        program = reduced(found[0][0])
        words = dict(differences([program])).get(program, found[0][1])
        raise AssertionError(report(program, words) + f"\n({len(found)} of {len(seeds)} programs fail)")


# -- sizes that are known at run time only -------------------------------------------------------------------------


def resized(program: Program, size: int, other: int) -> Program:
    """The program with another first dimension for those of its arguments that have one of this size."""
    arguments = tuple(
        (name, (other, *shape[1:]) if shape and shape[0] == size else shape, dtype, wants)
        for name, shape, dtype, wants in program.arguments
    )
    return replace(program, arguments=arguments)


def runs(program: Program) -> bool:
    """Whether eager mode accepts a program."""
    try:
        with np.errstate(all="ignore"):
            program.function()(*program.tensors())
    except (RuntimeError, ValueError, IndexError, TypeError):
        return False
    return True


def dynamic_size(program: Program) -> int:
    """The first dimension of the first argument that has more than one row; 0 where there is none."""
    return next((shape[0] for _, shape, _, _ in program.arguments if shape and shape[0] > 1), 0)


def dynamic_differences(programs: Sequence[Program]) -> list[tuple[Program, str]]:
    """Record programs as one, each with a first dimension that is known at run time only, and run it at other sizes:
    the programs that differ from eager mode at a size that they say they are right for, and how."""
    sizes = [dynamic_size(program) for program in programs]
    counts = [len(program.arguments) for program in programs]
    functions = [program.function() for program in programs]
    symbols = [
        {0: variable(f"N{number}", 0, 2 * size + 3)} if size and shape[:1] == (size,) else {}
        for number, (program, size) in enumerate(zip(programs, sizes, strict=True))
        for _, shape, _, _ in program.arguments
    ]

    def together(tensors: list[Tensor]) -> list[list[Tensor]]:
        remaining = iter(tensors)
        return [
            function(*[next(remaining) for _ in range(count)])
            for function, count in zip(functions, counts, strict=True)
        ]

    def halved() -> list[tuple[Program, str]]:
        middle = len(programs) // 2
        return dynamic_differences(programs[:middle]) + dynamic_differences(programs[middle:])

    try:
        recorded = RecordedProgram(together, [tensor for program in programs for tensor in program.tensors()], symbols)
        if len(programs) > 1 and any("can't be done otherwise" in reason for reason in recorded.fixed.values()):
            return halved()
        served = []
        for number, (program, size) in enumerate(zip(programs, sizes, strict=True)):
            others = [
                other for other in (size + 2, size - 1, 1, 2 * size + 1, 0) if recorded.serves(f"N{number}", other)
            ]
            served.append([one for other in others if size and runs(one := resized(program, size, other))])
        words: dict[Program, list[str]] = {}
        for call in range(max(map(len, served), default=0)):
            now = [own[call] if call < len(own) else program for own, program in zip(served, programs, strict=True)]
            given = [program.tensors() for program in now]
            results = recorded([tensor for tensors in given for tensor in tensors])
            for program, one, arguments, found in zip(programs, now, given, results, strict=True):
                eager = one.tensors()
                with np.errstate(all="ignore"):
                    expected = one.function()(*eager)
                wrong = compare(one, "compiled", _arrays([*found, *arguments]), _arrays([*expected, *eager]))
                if wrong:
                    words.setdefault(program, []).extend([f"with {one.arguments}:", *wrong])
    except Exception as error:
        if len(programs) == 1:
            return [(programs[0], f"{type(error).__name__}: {str(error)[:1500]}")]
        return halved() or [(program, f"fails in company only: {error}") for program in programs]
    return [(program, "\n".join(lines)) for program, lines in words.items()]


@settings(SETTINGS, max_examples=max(BUILDS // 2, 8))
@given(st.lists(st.integers(0, 2**40), min_size=TOGETHER, max_size=TOGETHER, unique=True))
def test_dynamic_sizes_agree(seeds: list[int]) -> None:
    """A program whose first dimension is known at run time only is right at every size that it says it serves."""
    found = dynamic_differences([write_program(seed) for seed in seeds])
    if found:
        program = reduced(found[0][0], find=dynamic_differences)
        words = dict(dynamic_differences([program])).get(program, found[0][1])
        raise AssertionError(report(program, words) + f"\n({len(found)} of {len(seeds)} programs fail)")


def test_programs_write_through_no_stretched_value() -> None:
    """Eager mode fills stretched values and a recording refuses to, so the programs here do neither; this one did."""
    program = write_program(229)
    assert dynamic_differences([program]) == []
    assert differences([program]) == []


def test_most_programs_serve_other_sizes() -> None:
    """The test above tries something: of most programs one build serves other sizes."""
    programs = [program for seed in range(40) if dynamic_size(program := write_program(seed))]
    served = 0
    for program in programs:
        size = dynamic_size(program)
        symbols = [{0: variable("N", 0, 99)} if shape[:1] == (size,) else {} for _, shape, _, _ in program.arguments]
        run = program.function()
        recorded = RecordedProgram(lambda tensors, run=run: run(*tensors), program.tensors(), symbols)
        served += any(recorded.serves("N", other) for other in (size + 2, size - 1, 2 * size + 1))
    assert served > len(programs) // 2, f"{served} of {len(programs)}"


@settings(SETTINGS, max_examples=max(REQUESTED, 200))
@given(st.integers(0, 2**40))
def test_eager_agrees_with_pytorch(seed: int) -> None:
    """Where PyTorch accepts a program, views and writes in place included, graphc's values and gradients are its."""
    torch = pytest.importorskip("torch")
    program = write_program(seed)
    arguments = [
        torch.from_numpy(array).requires_grad_(wants)
        for array, (*_, wants) in zip(program.arrays(), program.arguments, strict=True)
    ]
    try:
        expected = program.function(torch, torch.nn.functional)(*arguments)
    except (RuntimeError, NotImplementedError, TypeError):
        return  # PyTorch refuses some writes, and some dtypes, that are well defined
    own = program.tensors()
    with np.errstate(all="ignore"):
        found = program.function()(*own)
    words = compare(program, "eager", _arrays([*found, *own]), _arrays([*expected, *arguments]))
    assert not words, report(program, "\n".join(words))


def _arrays(tensors: Sequence[Any]) -> list[np.ndarray]:
    return [np.array(tensor.detach().numpy()) for tensor in tensors]


def test_a_difference_is_found_and_reduced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong kernel, put in on purpose, is noticed, and the program shown is one that needs it."""
    from graphc.ops import pointwise

    program = Program(
        3,
        (("a", (5,), "float32", True), ("b", (5,), "float32", False)),
        ("v1 = a.sin()", "v2 = b.tanh()", "v3 = v2 + 1", "v4 = v1 * v3"),
    )
    assert not differences([program])
    monkeypatch.setattr(pointwise.Tanh, "evaluate", lambda self, x, **attrs: np.tanh(x) * np.float32(1.001))
    found = differences([program])
    assert found
    assert reduced(program).statements == ("v2 = b.tanh()",)
    assert "v2 = b.tanh()" in report(*found[0])


def test_programs_are_what_they_claim() -> None:
    """The generator reaches writes through views, gradients, joins, and every dtype."""
    text = "\n".join(write_program(seed).source for seed in range(60))
    for expected in ("_(", " @ ", ".sum(", "gc.where", "no_grad", "gc.cat", "gc.float64", "expand", ".t()", "argmax"):
        assert expected in text
    assert {value.dtype for seed in range(60) for value in write_program(seed).tensors()} >= {
        gc.float32,
        gc.float64,
        gc.int64,
        gc.int32,
        gc.bool,
    }
