"""The random stream in the C of programs, templates/c/random.h.j2: the bits of numpy, however it is compiled."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import cffi
import jinja2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphc.randomness.stream
from graphc.randomness.stream import RandomStream
from tests.randomness.bits import COUNTS, bits


@pytest.fixture(autouse=True)
def by_numpy(monkeypatch) -> None:
    """The stream that C is held against draws with numpy alone."""
    monkeypatch.setattr(graphc.randomness.stream, "library", lambda count: None)


TEMPLATES = Path(__file__).parents[2] / "templates" / "c"
ARGUMENTS = {
    "gc_random_next": "",
    "gc_random_uniform_f32": "float *out, int64_t count",
    "gc_random_uniform_f64": "double *out, int64_t count",
    "gc_random_normal_f32": "float *out, int64_t count",
    "gc_random_normal_f64": "double *out, int64_t count",
    "gc_random_exponential_f32": "double rate, float *out, int64_t count",
    "gc_random_exponential_f64": "double rate, double *out, int64_t count",
    "gc_random_bernoulli": "double probability, bool *out, int64_t count",
    "gc_random_bernoulli_f32": "const float *probability, bool *out, int64_t count",
    "gc_random_bernoulli_f64": "const double *probability, bool *out, int64_t count",
    "gc_random_integers": "int64_t low, int64_t high, int64_t *out, int64_t count",
    "gc_random_bits": "int bits, int64_t *out, int64_t count",
    "gc_random_permutation": "int64_t *out, int64_t count",
}


def prototype(name: str) -> str:
    """The declaration of the exported twin of a function."""
    arguments = ", ".join(filter(None, ["gc_random_state *state", ARGUMENTS[name]]))
    return f"{'uint32_t' if name == 'gc_random_next' else 'void'} call_{name}({arguments});"


STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Werror")


def source(functions) -> str:
    """The fragment in a file of its own, each function behind an exported `call_...`, so that none is unused."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template("random.h.j2").render(functions=frozenset(functions))
    exports = ["uint64_t state_size(void);\nuint64_t state_size(void)\n{\n    return sizeof(gc_random_state);\n}\n"]
    for name in sorted(functions):
        passed = ", ".join(["state", *(part.split()[-1].lstrip("*") for part in ARGUMENTS[name].split(",") if part)])
        call = f"{'return ' if name == 'gc_random_next' else ''}{name}({passed});"
        exports.append(f"{prototype(name)}\n{prototype(name)[:-1]}\n{{\n    {call}\n}}\n")
    return "#include <math.h>\n#include <stdbool.h>\n#include <stdint.h>\n\n" + text + "\n" + "\n".join(exports)


def build(directory: Path, functions, flags=("-O2",)) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    assert compiler, "this test needs a C compiler: cc, gcc, or clang"
    path, library = directory / "random.c", directory / "random.so"
    path.write_text(source(functions))
    command = [compiler, *STRICT, *flags, "-shared", "-fPIC", str(path), "-o", str(library), "-lm"]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    return library


class Native:
    """The C functions on the buffer of a RandomStream."""

    def __init__(self, library: Path) -> None:
        self.ffi = cffi.FFI()
        self.ffi.cdef("typedef struct gc_random_state gc_random_state; uint64_t state_size(void);")
        self.ffi.cdef("\n".join(map(prototype, ARGUMENTS)))
        self.library = self.ffi.dlopen(str(library))

    def state(self, stream: RandomStream):
        return self.ffi.cast("gc_random_state *", stream.buffer.ctypes.data)

    def fill(self, stream, name, count, dtype, *arguments):
        out = np.full(count + 1, 77, dtype)
        kind = {"float32": "float *", "float64": "double *", "bool": "bool *", "int64": "int64_t *"}[out.dtype.name]
        getattr(self.library, f"call_{name}")(
            self.state(stream), *arguments, self.ffi.cast(kind, out.ctypes.data), count
        )
        assert out[-1] == np.array(77, dtype), "wrote past the end"
        return out[:-1]

    def pointer(self, array: np.ndarray):
        return self.ffi.cast(
            {"float32": "const float *", "float64": "const double *"}[array.dtype.name], array.ctypes.data
        )


@pytest.fixture(scope="module", params=["-O0", "-O2", "-O3 -march=native -fno-math-errno"])
def native(request, tmp_path_factory) -> Native:
    """Optimised for this machine as well: fused and vectorised instructions must not change a bit."""
    return Native(build(tmp_path_factory.mktemp("random"), ARGUMENTS, request.param.split()))


NATIVE_DRAWS = {
    "uniform_f32": (
        lambda c, s, n: c.fill(s, "gc_random_uniform_f32", n, np.float32),
        lambda s, n: s.uniform(n),
    ),
    "uniform_f64": (
        lambda c, s, n: c.fill(s, "gc_random_uniform_f64", n, np.float64),
        lambda s, n: s.uniform(n, np.float64),
    ),
    "normal_f32": (
        lambda c, s, n: c.fill(s, "gc_random_normal_f32", n, np.float32),
        lambda s, n: s.normal(n),
    ),
    "normal_f64": (
        lambda c, s, n: c.fill(s, "gc_random_normal_f64", n, np.float64),
        lambda s, n: s.normal(n, np.float64),
    ),
    "exponential_f32": (
        lambda c, s, n: c.fill(s, "gc_random_exponential_f32", n, np.float32, 0.7),
        lambda s, n: s.exponential(n, np.float32, 0.7),
    ),
    "exponential_f64": (
        lambda c, s, n: c.fill(s, "gc_random_exponential_f64", n, np.float64, 0.7),
        lambda s, n: s.exponential(n, np.float64, 0.7),
    ),
    "bernoulli": (
        lambda c, s, n: c.fill(s, "gc_random_bernoulli", n, np.bool_, 0.3),
        lambda s, n: s.bernoulli(0.3, n),
    ),
    "bernoulli_f32": (
        lambda c, s, n: c.fill(s, "gc_random_bernoulli_f32", n, np.bool_, c.pointer(probabilities(n, np.float32))),
        lambda s, n: s.bernoulli_tensor(probabilities(n, np.float32)),
    ),
    "bernoulli_f64": (
        lambda c, s, n: c.fill(s, "gc_random_bernoulli_f64", n, np.bool_, c.pointer(probabilities(n, np.float64))),
        lambda s, n: s.bernoulli_tensor(probabilities(n, np.float64)),
    ),
    "integers": (
        lambda c, s, n: c.fill(s, "gc_random_integers", n, np.int64, -4, 90),
        lambda s, n: s.integers(-4, 90, n),
    ),
    "integers_wide": (
        lambda c, s, n: c.fill(s, "gc_random_integers", n, np.int64, -(2**63), 2**63 - 1),
        lambda s, n: s.integers(-(2**63), 2**63 - 1, n),
    ),
    "permutation": (
        lambda c, s, n: c.fill(s, "gc_random_permutation", n, np.int64),
        lambda s, n: s.permutation(n),
    ),
}
_PROBABILITIES = {dtype: np.linspace(0, 1, max(COUNTS), dtype=dtype) for dtype in (np.float32, np.float64)}


def probabilities(count: int, dtype) -> np.ndarray:
    """Kept alive by the module, since C sees only the pointer."""
    return _PROBABILITIES[dtype][:count]


@pytest.mark.parametrize("name", NATIVE_DRAWS)
def test_c_gives_the_same_bits(native, name):
    """For every size around an internal border, C gives the bits of Python and leaves the buffer as Python does."""
    here, there = RandomStream(21), RandomStream(21)
    for count in COUNTS:
        values = NATIVE_DRAWS[name][0](native, there, count)
        expected = NATIVE_DRAWS[name][1](here, count)
        np.testing.assert_array_equal(bits(values), bits(expected), err_msg=f"{name} of {count}")
        np.testing.assert_array_equal(there.buffer, here.buffer)


@settings(deadline=None, max_examples=40)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(sorted(NATIVE_DRAWS)),
            st.one_of(st.integers(0, 40), st.integers(600, 660)),
            st.booleans(),
        ),
        max_size=12,
    )
)
def test_c_and_python_take_turns(native, steps):
    """One buffer drawn from by C and by Python in turn is one stream, the waiting normal value included."""
    alone, shared = RandomStream(33), RandomStream(33)
    for name, count, in_c in steps:
        draw_in_c, draw = NATIVE_DRAWS[name]
        values = draw_in_c(native, shared, count) if in_c else draw(shared, count)
        np.testing.assert_array_equal(bits(values), bits(draw(alone, count)))
    np.testing.assert_array_equal(shared.buffer, alone.buffer)


def test_c_words_and_layout(native):
    """The struct is as large as the buffer, and gc_random_next gives the plain words of the generator."""
    stream = RandomStream(5489)
    assert native.library.state_size() == stream.buffer.nbytes
    words = [native.library.call_gc_random_next(native.state(stream)) for _ in range(10_000)]
    assert (words[0], words[-1]) == (3499211612, 4123659995)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_only_what_is_used_is_emitted(tmp_path, name):
    """One function alone compiles without a warning: all it rests on is there, and nothing unused is."""
    build(tmp_path, [name], ("-O1",))
    text = source([name])
    for other in set(ARGUMENTS) - {name}:
        if text.count(f"{other}(") == 1:
            pytest.fail(f"{other} is emitted for {name} but never called")
