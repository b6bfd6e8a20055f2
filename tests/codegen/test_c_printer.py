"""C text of expressions, literals, names and comments; what the text means is tested by running it elsewhere."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphc.codegen.c.expressions import Expressions, Used
from graphc.codegen.c.literals import integer_literal, literal
from graphc.codegen.c.names import Names, comment, identifier
from graphc.ir.integers import bounds, floor_divide, modulo, variable
from graphc.ir.scalars import Call, Choose, Constant, Load, from_index, within
from graphc.ir.types import bool_, float32, float64, int64


def printed(value: object) -> str:
    return Expressions(Names(), Used()).scalar(value)


def call(name: str, *arguments: object) -> Call:
    return Call(name, arguments, bool_ if name in ("lt", "logical_and", "logical_or") else arguments[0].dtype)


X, Y, Z = (Load(name, (0,), float32) for name in "xyz")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (call("add", call("add", X, Y), Z), "x[0] + y[0] + z[0]"),
        (call("add", X, call("add", Y, Z)), "x[0] + (y[0] + z[0])"),
        (call("sub", X, call("sub", Y, Z)), "x[0] - (y[0] - z[0])"),
        (call("mul", call("add", X, Y), Z), "(x[0] + y[0]) * z[0]"),
        (call("add", call("mul", X, Y), Z), "x[0] * y[0] + z[0]"),
        (call("div", X, call("mul", Y, Z)), "x[0] / (y[0] * z[0])"),
        (call("neg", call("neg", X)), "-(-x[0])"),
        (call("mul", call("neg", X), Y), "-x[0] * y[0]"),
        (call("sub", X, Constant(-1.5, float32)), "x[0] - -1.5f"),
        (call("rsqrt", call("add", X, Y)), "gc_rsqrt_f32(x[0] + y[0])"),
        (Choose(call("lt", X, Y), X, Choose(call("lt", Y, Z), Y, Z, float32), float32),
         "x[0] < y[0] ? x[0] : y[0] < z[0] ? y[0] : z[0]"),
        (call("add", Choose(call("lt", X, Y), X, Y, float32), Z), "(x[0] < y[0] ? x[0] : y[0]) + z[0]"),
        (call("logical_or", call("logical_and", call("lt", X, Y), call("lt", Y, Z)), call("lt", X, Z)),
         "(x[0] < y[0] && y[0] < z[0]) || x[0] < z[0]"),
        (Call("cast", (call("add", X, Y),), float64), "(double)(x[0] + y[0])"),
        (from_index(variable("i", 0, 9) * 3 + 1, float32), "(float)(i * 3 + 1)"),
        (within(variable("i", 0, 9) - 2, 0, 6), "i - 2 >= 0 && i - 2 < 6"),
        (within(variable("i", 0, 9), 0, 6), "i < 6"),
    ],
)  # fmt: skip
def test_parentheses(value: object, text: str) -> None:
    """Only the parentheses that C needs, and those without which floats would associate differently or gcc warns."""
    assert printed(value) == text


@given(st.floats(width=32), st.floats())
def test_float_literals_are_exact(single: float, double: float) -> None:
    """The printed decimal reads back as the same bits, at the precision of its type."""
    for number, dtype, kind in ((single, float32, np.float32), (double, float64, np.float64)):
        text = literal(number, dtype)
        value = kind(number)
        if np.isfinite(value):
            assert kind(text.rstrip("f")).tobytes() == value.tobytes()
            assert text.endswith("f") == (dtype is float32)
            assert re.search(r"[.e]", text)
        elif np.isnan(value):
            assert "NAN" in text
        else:
            assert text.lstrip("-").removeprefix("(double)") == "INFINITY"
            assert text.startswith("-") == (value < 0)


@pytest.mark.parametrize("value", [0, 5, -5, 2**31 - 1, -(2**31), 2**31, -(2**63), 2**63 - 1])
def test_integer_literals(value: int) -> None:
    """Integers print so that C gives them a type they fit in; INT64_MIN can't be written as a number."""
    text = integer_literal(value)
    assert text == "INT64_MIN" or int(re.sub(r"INT64_C\((\d+)\)", r"\1", text)) == value


def test_too_large_integers_are_refused() -> None:
    """An integer that does not fit into 64 bits is named."""
    with pytest.raises(ValueError, match="18446744073709551616 does not fit"):
        integer_literal(2**64)
    assert integer_literal(2**63) == "UINT64_C(9223372036854775808)"


INTEGER_FORMS = [
    lambda i, j: i * 28 + j,
    lambda i, j: floor_divide(i, 3) * 7 + modulo(i, 3),
    lambda i, j: floor_divide(i - 5, 3),
    lambda i, j: modulo(i - j, 4) * 2,
    lambda i, j: floor_divide(i * j, 2) - modulo(j, 2) * i,
    lambda i, j: -i - j * 3 - 4,
    lambda i, j: modulo(floor_divide(i, 2) + j, 5) * modulo(j, 3),
]


@pytest.mark.parametrize("form", INTEGER_FORMS)
def test_integer_expressions_mean_the_same_in_c(form, tmp_path: Path) -> None:
    """Index arithmetic in C, negative dividends included, gives what the integer algebra means."""
    from graphc.codegen.c.program import scalar_helpers
    from graphc.codegen.render import environment
    from graphc.ir.integers import substitute

    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    value = form(variable("i", 0, 9), variable("j", 0, 9))
    used = Used()
    text = Expressions(Names(), used).integer(value)
    if (bounds(value)[0] or 0) >= 0 and "i - " not in text:
        assert "gc_floor" not in text
    helpers = environment().get_template("c/scalar.h.j2").render(scalar_functions=scalar_helpers(used))
    source = tmp_path / "integers.c"
    source.write_text(
        "#include <stdint.h>\n#include <stdbool.h>\n#include <stdio.h>\n#include <math.h>\n"
        + helpers
        + "int main(void) {\n"
        "for (int64_t i = 0; i < 10; ++i) for (int64_t j = 0; j < 10; ++j)\n"
        f'printf("%lld\\n", (long long)({text}));\nreturn 0; }}\n'
    )
    binary = tmp_path / "integers"
    subprocess.run(["gcc", "-Wall", "-Wextra", "-Werror", "-o", binary, source], check=True)
    found = [int(line) for line in subprocess.run([binary], capture_output=True, text=True).stdout.split()]
    pairs = itertools.product(range(10), range(10))
    assert found == [substitute(value, {"i": i, "j": j}) for i, j in pairs]


HOSTILE = st.text(alphabet=st.sampled_from('*/\\?"\n\r\t abz09_%;{}#<:\u202e\u00e9')) | st.text()


@given(HOSTILE)
def test_comments_cannot_be_left(text: str) -> None:
    """Whatever the text, there is no delimiter, trigraph, line splice, or line end in the comment made of it."""
    wrapped = f"/* {comment(text)} */"
    inside = wrapped[2:-2]
    assert not any(each in inside for each in ("*/", "/*", "??", "\\", "\n", "\r"))
    assert wrapped.index("*/") == len(wrapped) - 2
    assert all(" " <= character <= "~" for character in inside)


@given(HOSTILE)
def test_identifiers_are_identifiers(text: str) -> None:
    """Whatever the text, its identifier is one that C accepts and nobody else uses."""
    name = identifier(text)
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name)
    assert len(name) <= 50
    assert name not in ("int", "for", "exp", "threads")
    assert not name.startswith(("gc_", "GC_"))


@given(st.lists(HOSTILE, max_size=8))
def test_different_names_stay_different(texts: list[str]) -> None:
    """In one scope, equal names get one identifier and different names never the same."""
    names = Names()
    given_names = {text: names(text) for text in texts}
    assert len(set(given_names.values())) == len(given_names)
    assert all(names(text) == name for text, name in given_names.items())


def test_unknown_functions_are_named() -> None:
    """A function that C has no spelling for is named with its dtype."""
    with pytest.raises(NotImplementedError, match="no spelling for gamma of float32"):
        printed(call("gamma", X))


def test_int64_is_the_type_of_indices() -> None:
    """An int64 index prints as itself, without a cast."""
    assert printed(from_index(variable("i", 0, 9), int64)) == "i"
