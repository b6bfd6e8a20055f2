"""One build serves every size: programs with sizes that are known at run time only do what eager mode does.

Each program runs eagerly and compiled, from one seed, on the same arguments of many sizes in turn: 1, the most that it
is built for, 0 where eager mode takes it, and others in between. Results, arguments written in place, parameters,
buffers, gradients, and the state of the generator agree, and the builds are counted.
"""

from __future__ import annotations

import copy
import itertools
import math
import pickle
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.integers import substitute
from graphc.tensor import Tensor
from tests.dynamic_programs import MOST, agrees, close, guards_of, of_x

# -- guards, and what fixes a size ---------------------------------------------------------------------------------


def test_a_comparison_is_a_guard() -> None:
    """An ``if`` on a size has a build for either way, each for all sizes that go it; report() names the guard."""

    def f(x: Tensor) -> Tensor:
        return x.sum(0) if x.shape[0] > 8 else x.mean(0) * 3

    program = of_x(f, builds=2)
    assert any(re.match(r"N <= 8, since .*test_dynamic\.py:\d+ decides by it", guard) for guard in guards_of(program))
    assert any(re.match(r"N > 8, since .*test_dynamic\.py:\d+ decides by it", guard) for guard in guards_of(program))


def test_three_ways() -> None:
    """``elif`` and ``and`` on sizes: a build for each way."""

    def f(x: Tensor) -> Tensor:
        n = x.shape[0]
        if n == 1:
            return x * 10
        if 4 <= n < 10 and n % 2:
            return x * 20
        return x * 30

    of_x(f, sizes=(7, 1, 12, 9, 5, 1, 16, 11), builds=3)


PLAIN_NUMBERS: dict[str, Callable[[Tensor], Any]] = {
    "range": lambda x: sum((x[i] * i for i in range(x.shape[0])), gc.zeros(3)),
    "iteration": lambda x: sum((row * 2 for row in x), gc.zeros(3)),
    "unbind": lambda x: x.unbind(0)[-1],
    "int()": lambda x: x * int(x.shape[0]),
    "float()": lambda x: x * float(x.shape[0]),
    "len()": lambda x: x * len(x),
    "list repeated": lambda x: x + len([0] * x.shape[0]),
    "text repeated": lambda x: x + ("a" * x.shape[0]).count("a"),
    "subscript": lambda x: x + list(range(40))[x.shape[0]],
    "slice of a list": lambda x: x + sum(([1] * 40)[: x.shape[0]]),
    "key of a dict": lambda x: x * {1: 2.0, 16: 4.0}.get(x.shape[0], 7.0),
    "member of a set": lambda x: x * (2.0 if x.shape[0] in {1, 16} else 3.0),
    "member of a tuple": lambda x: x * (2.0 if x.shape[0] in (1, 16) else 3.0),
    "math.log": lambda x: x * math.log(x.shape[0]),
    "math.sqrt": lambda x: x / math.sqrt(x.shape[0]),
    "math.gcd": lambda x: x * math.gcd(x.shape[0], 12),
    "math.isqrt": lambda x: x * math.isqrt(x.shape[0]),
    "bit_length": lambda x: x * x.shape[0].bit_length(),
    "numpy array": lambda x: x * float(np.array([x.shape[0], 2]).prod()),
    "numpy prod": lambda x: x + int(np.prod(x.shape)),
    "numpy arange": lambda x: x + gc.tensor(np.arange(x.shape[0])[:, None]),
    "numpy zeros": lambda x: x + gc.tensor(np.zeros((x.shape[0], 3), np.float32)),
    "numpy float": lambda x: x * float(np.float64(2.0) * x.shape[0]),
    "numpy integer": lambda x: x * int(np.int64(x.shape[0])),
    "tensor of it": lambda x: x * gc.tensor(x.shape[0]),
    "tensor of several": lambda x: x * gc.tensor([x.shape[0], 1, 2]),
    "bits": lambda x: x + (x.shape[0] & 5) + (x.shape[0] ^ 1) + (x.shape[0] << 1) + (x.shape[0] >> 1),
    "power": lambda x: x * 2.0 ** -x.shape[0] + 2 ** x.shape[0],
    "format": lambda x: x * float("%d" % x.shape[0]),  # noqa: UP031
    "sorted": lambda x: x * sorted([x.shape[0], 5])[0],
    "minimum": lambda x: x * min(x.shape[0], 5),
    "islice": lambda x: x + sum(itertools.islice(itertools.count(), x.shape[0])),
    "divmod": lambda x: x * divmod(x.shape[0], 5)[1],
    "floor division by a float": lambda x: x * (x.shape[0] // 2.0),
    "product of a list": lambda x: x * math.prod(x.shape),
    "sum of a list": lambda x: x * sum(x.shape),
    "all": lambda x: x * all(x.shape),
    "isinstance": lambda x: x * 2 if isinstance(x.shape[0], int) else x * 3,
    "type": lambda x: x * 2 if type(x.shape[0]) in (int, type(x.shape[0])) else x * 3,
}  # fmt: skip


@pytest.mark.parametrize("name", PLAIN_NUMBERS)
def test_plain_number_is_never_built_in_unseen(name: str) -> None:
    """Built-in functions and numpy that take a size as a plain number: right at every size, with a build of its own for
    each where that must be."""
    function = PLAIN_NUMBERS[name]
    eager, program = function, gc.compile(function, dynamic={"x": {0: ("N", MOST)}})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for size in (5, 1, 16, 2, 5, 9):
            x = gc.randn(size, 3)
            close(program(x), eager(x), f"{name} at {size}")


@pytest.mark.parametrize("name", ["range", "int()", "len()", "list repeated", "member of a set", "math.log"])
def test_report_tells_why_a_size_is_fixed(name: str) -> None:
    """Where a plain number was taken the report says so, with the line."""
    program = gc.compile(PLAIN_NUMBERS[name], dynamic={"x": {0: "N"}})
    program(gc.randn(5, 3))
    assert any(re.match(r"N is fixed: N == 5 decides at .*test_dynamic\.py:\d+", guard) for guard in guards_of(program))


def test_what_comes_out_of_a_recording_is_plain() -> None:
    """A size that the code keeps is an int after the call: it can be pickled, copied, hashed, and printed."""
    kept: dict[int, Any] = {}

    class Keeper:
        def __setitem__(self, name: str, value: Any) -> None:
            kept[0] = value

    keeper = Keeper()

    def f(x: Tensor) -> Tensor:
        keeper["rows"] = x.shape[0]
        return x * 2

    program = gc.compile(f, dynamic=True)
    program(gc.randn(5, 3))
    size = kept[0]
    assert isinstance(size, int)
    assert size == 5
    assert hash(size) == hash(5)
    assert (f"{size:3d}", str(size), repr(size)) == ("  5", "5", "5")
    assert type(pickle.loads(pickle.dumps(size))) is int
    assert copy.deepcopy([size]) == [5]
    assert (list(range(size)), [0] * size, {5: 1}[size], size / 2) == ([0, 1, 2, 3, 4], [0] * 5, 1, 2.5)
    with pytest.raises(AttributeError, match="'int' object has no attribute 'rows'"):
        _ = size.rows


def test_a_printed_shape_is_no_guard(capsys: pytest.CaptureFixture[str]) -> None:
    """Formatting a size does not fix it; the text is of the call that was recorded."""

    def f(x: Tensor) -> Tensor:
        print(f"{x.shape} {x.shape[0]} {x.size(0):4d}", x.shape[0])
        return x * 2

    of_x(f, sizes=(5, 3, 7))
    assert capsys.readouterr().out.split("\n")[3] == "torch.Size([5, 3]) 5    5 5"


def test_names_that_happen_to_be_equal() -> None:
    """Two names may have one size now and two later."""

    def make() -> Any:
        def f(x: Tensor, y: Tensor) -> Any:
            return x @ y.t(), gc.cat([x, y]), x[: y.shape[0]] * 2

        return f, lambda size: (gc.randn(7, 3), gc.randn(size, 3)), ()

    agrees(make, sizes=(7, 3, 1, 5, 7), dynamic={"x": {0: "N"}, "y": {0: ("M", 7)}}, builds=1)


def test_sizes_that_must_be_equal() -> None:
    """Where two names are added the sizes must be one: that is what the build rests on."""

    def f(x: Tensor, y: Tensor) -> Tensor:
        return x + y

    program = gc.compile(f, dynamic={"x": {0: ("N", 9)}, "y": {0: ("M", 9)}})
    for sizes in ((5, 5), (4, 4), (6, 1), (1, 6), (3, 3)):
        x, y = (gc.randn(size, 2) for size in sizes)
        close(program(x, y), f(x, y), str(sizes))
    with pytest.raises(RuntimeError, match="must match"):
        program(gc.randn(4, 2), gc.randn(3, 2))


@pytest.mark.parametrize("first", [1, 2, 5])
def test_broadcast_against_a_known_size(first: int) -> None:
    """[N, 3] beside [5, 3]: right where N is 1 and where it is 5, an error elsewhere, whichever came first."""
    weight = gc.randn(5, 3)

    def f(x: Tensor) -> Tensor:
        return x + weight

    program = gc.compile(f, dynamic={"x": {0: ("N", 9)}})
    for size in (first, 5, 1, 2, 1, 5):
        x = gc.randn(size, 3)
        if size == 2:
            with pytest.raises(RuntimeError, match="must match the size of tensor"):
                program(x)
        else:
            close(program(x), f(x), str(size))


@pytest.mark.parametrize("first", [0, 1])
def test_few_rows_are_recorded_as_they_are(first: int) -> None:
    """What is recorded with no row or one is a build of its own, and says so; what comes after serves all."""

    def f(x: Tensor) -> Any:
        y = x.softmax(1) + x.mean(1, keepdim=True)
        return (y @ y.t()).sum(0), gc.cat([y, x]), y.sum(0), y.expand(2, *y.shape) * 1, x.t()

    def make() -> Any:
        return f, lambda size: (gc.randn(size, 3),), ()

    program = agrees(make, sizes=(first, 5, 1 - first, first, 9, 2), dynamic={"x": {0: ("N", 9)}}, builds=2)
    assert f"N is fixed: it was {first} when this was recorded" in guards_of(program)


# -- which sizes are dynamic ----------------------------------------------------------------------------------------


def double(x: Tensor, y: Tensor | None = None) -> Tensor:
    return x * 2 if y is None else x @ y


def builds_for(dynamic: Any, sizes: Sequence[int]) -> Any:
    program = gc.compile(double, dynamic=dynamic)
    for size in sizes:
        x = gc.randn(size, 3)
        close(program(x), double(x), str(size))
    return program


def test_beyond_the_most() -> None:
    """A size beyond what a build was made for is a new build, for twice as much; the report says so."""
    program = builds_for({"x": {0: "N"}}, (5, 3, 7, 9, 10, 11, 19, 2, 40))
    reports = program.report().builds
    assert len(reports) == 4
    reasons = [build.reason for build in reports]
    assert "N is 7, and the build is for at most 5" in reasons[1]
    assert [program.stages.recording.graph.inputs[0].type.shape[0].terms[0][0][0].upper for _ in "a"] == [40]


def test_most_is_kept() -> None:
    """A bound that is declared is an error to go beyond."""
    program = builds_for({"x": {0: ("N", 8)}}, (5, 8, 1))
    with pytest.raises(ValueError, match="N is at most 8, and 9 was given"):
        program(gc.randn(9, 3))
    assert len(program.report().builds) == 1


def test_shown_by_calls() -> None:
    """Without a word of the user's: static first, dynamic from the second size on."""
    assert len(builds_for(None, (5, 5, 5)).report().builds) == 1
    assert len(builds_for(None, (5, 3, 4, 1, 2, 5)).report().builds) == 2
    # Beyond the most that was seen there is one build more, for twice as much.
    assert len(builds_for(None, (5, 3, 4, 6, 10, 7)).report().builds) == 3


def test_shown_by_two_calls_in_another_dimension() -> None:
    """Sizes that differ in another dimension than the first are builds of their own."""
    program = gc.compile(double)
    for shape in ((3, 4), (3, 5), (3, 6)):
        program(gc.randn(shape))
    assert len(program.report().builds) == 3


def test_shown_leaves_the_others() -> None:
    """Of two arguments the one that changes is dynamic."""
    program = gc.compile(double)
    for size in (5, 3, 4, 2):
        x, y = gc.randn(size, 3), gc.randn(3, 3)
        close(program(x, y), x @ y, str(size))
    assert len(program.report().builds) == 2


def test_static() -> None:
    """``dynamic=False``: every shape is a build."""
    assert len(builds_for(False, (5, 3, 4, 5)).report().builds) == 3


def test_sizes_of_one_name_that_differ() -> None:
    """Two arguments with one name and two sizes: ValueError that tells both."""
    program = gc.compile(double, dynamic={"x": {1: "K"}, "y": {0: "K"}})
    program(gc.randn(2, 3), gc.randn(3, 2))
    program(gc.randn(2, 5), gc.randn(5, 2))
    with pytest.raises(ValueError, match="K is 3 and, as dimension 0 of y, 4"):
        program(gc.randn(2, 3), gc.randn(4, 2))
    with pytest.raises(ValueError, match=r"the first dimensions of the arguments are \[2, 3\]"):
        gc.compile(double, dynamic=True)(gc.randn(2, 3), gc.randn(3, 2))


@pytest.mark.parametrize(
    ("dynamic", "error", "words"),
    [
        ("N", TypeError, "expected True, False, None, or for arguments by name"),
        ({"x": 0}, TypeError, "expected True, False, None"),
        ({"x": {"0": "N"}}, TypeError, "got 'x'"),
        ({"x": {0: 5}}, TypeError, "got 'x'"),
        ({"x": {0: ("N", -1)}}, TypeError, "got 'x'"),
        ({"x": {0: ("N", 4, 5)}}, TypeError, "got 'x'"),
        ({3: {0: "N"}}, TypeError, "got 3"),
        ({"x": {0: "n"}}, ValueError, "begins with a capital"),
        ({"x": {0: "N + 1"}}, ValueError, "a size's name is an identifier"),
        ({"x": {0: ("N", 4), 1: ("N", 5)}}, ValueError, "N is at most 4 and at most 5"),
    ],
)
def test_wrong_declarations(dynamic: Any, error: type[Exception], words: str) -> None:
    """What is no declaration is refused when the function is compiled, with what was given and what was expected."""
    with pytest.raises(error, match=words):
        gc.compile(double, dynamic=dynamic)


@pytest.mark.parametrize(
    ("dynamic", "words"),
    [
        ({"z": {0: "N"}}, "dynamic names z; the tensors among the arguments are x"),
        ({"x": {2: "N"}}, "x has 2 dimensions, and no dimension 2"),
        ({"x": {-3: "N"}}, "x has 2 dimensions, and no dimension -3"),
        ({"x": {0: ("N", 2)}}, "N is at most 2, and 3 was given"),
    ],
)
def test_declarations_that_do_not_fit(dynamic: Any, words: str) -> None:
    """An argument, a dimension, or a bound that does not fit the call: ValueError that names it."""
    with pytest.raises(ValueError, match=words):
        gc.compile(double, dynamic=dynamic)(gc.randn(3, 3))


def test_checked_calls() -> None:
    """``check=True`` computes a call of any size again."""
    program = gc.compile(double, dynamic={"x": {0: "N"}}, check=True)
    for size in (5, 2, 1, 4, 0):
        x = gc.randn(size, 3)
        close(program(x), double(x), str(size))


def test_deep_copy_and_pickle_keep_the_declaration() -> None:
    """A copy of a compiled function has its declaration."""
    program = gc.compile(double, dynamic={"x": {0: "N"}})
    for other in (copy.deepcopy(program), pickle.loads(pickle.dumps(program))):
        other(gc.randn(5, 3))
        other(gc.randn(3, 3))
        assert len(other.report().builds) == 1


def test_an_error_leaves_everything_as_it_was() -> None:
    """An index out of range at a size that was not recorded raises eager's error and changes no state."""
    table = gc.zeros(4)

    def f(x: Tensor, index: Tensor) -> Tensor:
        table.add_(1)
        return x[index] * table.sum()

    program = gc.compile(f, dynamic={"x": {0: ("N", 9)}})
    index = gc.tensor([0, 3])
    program(gc.randn(5), index)
    program(gc.randn(4), index)
    with pytest.raises(IndexError, match="index 3 is out of bounds for dimension 0 with size 3"):
        program(gc.randn(3), index)
    assert table.tolist() == [2.0] * 4


# -- memory --------------------------------------------------------------------------------------------------------


def test_plan_is_a_formula() -> None:
    """The plan tells bytes for the greatest sizes, as polynomials, and for the sizes of the last call."""

    def f(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.t()).softmax(1) @ y

    program = gc.compile(f, dynamic={"x": {0: ("N", 64)}, "y": {0: ("M", 32)}})
    program(gc.randn(5, 8), gc.randn(7, 8))
    table = str(program.plan)
    assert re.search(r"^x +argument +2,048 +32\*N bytes", table, re.MULTILINE)
    assert re.search(r"^y +argument +1,024 +32\*M bytes", table, re.MULTILINE)
    assert re.search(r"^result +output +2,048 +32\*N bytes", table, re.MULTILINE)
    assert "4*M*N bytes" in table
    assert "At most, where M = 32, N = 64:" in table
    assert re.search(r"arguments: +3,072 bytes = 32\*M\+32\*N bytes$", table, re.MULTILINE)
    program(gc.randn(3, 8), gc.randn(2, 8))
    table = str(program.plan)
    assert re.search(r"arguments: +3,072 bytes = 32\*M\+32\*N bytes; 160 where M = 2, N = 3$", table, re.MULTILINE)
    plan = program.plan
    assert substitute(plan.peak_formula, {"N": 64, "M": 32}) == plan.peak_bytes


def test_a_plan_without_sizes_has_no_formulas() -> None:
    """A static program's plan is a table of numbers."""
    program = gc.compile(double, dynamic=False)
    program(gc.randn(5, 3))
    assert "formula" not in str(program.plan)
