"""graphc.random_stream and templates/c/random.h.j2, held against PyTorch's generator and against each other."""

from __future__ import annotations

import copy
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cffi
import jinja2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphc.random_library
import graphc.random_stream
from graphc.random_stream import DEFAULT_SEED, RandomStream

SEEDS = (0, 1, 5489, 2**32 - 1, 2**32, DEFAULT_SEED, 2**64 - 1, -1, -(2**63))
# Around a pair, a block of sixteen, the 624 words of the state, and the chunks in which normals are made.
COUNTS = (0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 311, 312, 313, 623, 624, 625, 1248, 1249, 8192, 8200, 20011)


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="PyTorch is the oracle of this test")


@pytest.fixture(autouse=True, params=["numpy", "compiled"])
def way(request, monkeypatch) -> str:
    """Every test runs twice: with numpy drawing all that it can, and with compiled C drawing all that it can."""
    if request.param == "numpy":
        monkeypatch.setattr(graphc.random_stream, "library", lambda count: None)
    else:
        monkeypatch.setattr(graphc.random_library, "_WORTH_A_CALL", 1)
        monkeypatch.setattr(graphc.random_library, "_WORTH_LOADING", 1)
        assert graphc.random_library.library(1) is not None, "this test needs a C compiler"
    return request.param


def bits(array: np.ndarray) -> np.ndarray:
    """The bit pattern: unlike ==, it tells -0.0 from 0.0."""
    array = np.ascontiguousarray(array)
    return array.view({1: np.uint8, 4: np.uint32, 8: np.uint64}[array.itemsize])


def torch_dtype(torch, dtype: str):
    return getattr(torch, dtype)


# One entry for each method: how PyTorch makes the values, and how the stream does. `x` is a number in [0, 1].
DRAWS = {
    "uniform": (
        lambda t, g, n, d, x: t.rand(n, generator=g, dtype=torch_dtype(t, d)),
        lambda s, n, d, x: s.uniform(n, d),
    ),
    "uniform_between": (
        lambda t, g, n, d, x: t.empty(n, dtype=t.float32).uniform_(-x, 0.7, generator=g),
        lambda s, n, d, x: s.uniform(n, np.float32, -x, 0.7),
    ),
    "normal": (
        lambda t, g, n, d, x: t.randn(n, generator=g, dtype=torch_dtype(t, d)),
        lambda s, n, d, x: s.normal(n, d),
    ),
    "normal_with_mean": (
        lambda t, g, n, d, x: t.empty(n, dtype=t.float32).normal_(x - 0.5, 0.02, generator=g),
        lambda s, n, d, x: s.normal(n, np.float32, x - 0.5, 0.02),
    ),
    "exponential": (
        lambda t, g, n, d, x: t.empty(n, dtype=torch_dtype(t, d)).exponential_(x + 0.25, generator=g),
        lambda s, n, d, x: s.exponential(n, d, x + 0.25),
    ),
    "bernoulli": (
        lambda t, g, n, d, x: t.empty(n, dtype=t.bool).bernoulli_(x, generator=g),
        lambda s, n, d, x: s.bernoulli(x, n),
    ),
    "bernoulli_tensor": (
        lambda t, g, n, d, x: t.bernoulli(t.full((n,), x, dtype=torch_dtype(t, d)), generator=g).bool(),
        lambda s, n, d, x: s.bernoulli_tensor(np.full(n, x, d)),
    ),
    "integers": (
        lambda t, g, n, d, x: t.randint(-3, 10 + int(1e6 * x), (n,), generator=g),
        lambda s, n, d, x: s.integers(-3, 10 + int(1e6 * x), n),
    ),
    "permutation": (
        lambda t, g, n, d, x: t.randperm(n, generator=g),
        lambda s, n, d, x: s.permutation(n),
    ),
}


def assert_equal_draw(torch, name, generator, stream, count, dtype="float32", x=0.3):
    theirs, ours = DRAWS[name][0](torch, generator, count, dtype, x).numpy(), DRAWS[name][1](stream, count, dtype, x)
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    if theirs.dtype == np.float32 and "AVX" not in torch.backends.cpu.get_cpu_capability():
        # Without AVX2, PyTorch takes float32 logarithms and cosines from the C library.
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)
    else:
        np.testing.assert_array_equal(bits(ours), bits(theirs), err_msg=f"{name} of {count} {dtype}")


def position_and_cache(stream: RandomStream) -> tuple:
    return stream.buffer[:625].tobytes(), int(stream.buffer[625]), stream.buffer[626:].tobytes()


def assert_equal_state(torch, generator, stream):
    """Compares through a stream that takes PyTorch's state over: right after seeding, PyTorch counts differently."""
    theirs = RandomStream()
    theirs.set_state(generator.get_state().numpy())
    assert position_and_cache(theirs) == position_and_cache(stream)
    assert theirs.initial_seed() == stream.initial_seed()


def test_words_are_those_of_the_standard_generator():
    """The words are MT19937's: the C++ standard gives the 10,000th of seed 5489 (so no oracle need be installed)."""
    stream = RandomStream(5489)
    low_bits = stream.uniform(10_000) * 2**24
    assert low_bits[0] == 3499211612 % 2**24
    assert low_bits[9_999] == 4123659995 % 2**24


def test_default_seed(torch):
    """A stream that nobody seeded is the generator that nobody seeded."""
    assert RandomStream().initial_seed() == torch.Generator().initial_seed() == DEFAULT_SEED
    assert_equal_draw(torch, "uniform", torch.Generator(), RandomStream(), 100)


@pytest.mark.parametrize("seed", SEEDS)
def test_seeds(torch, seed):
    """Every seed that PyTorch takes, negative and beyond 32 bits too, starts the same stream with the same name."""
    generator, stream = torch.Generator().manual_seed(seed), RandomStream(seed)
    assert stream.initial_seed() == generator.initial_seed()
    assert_equal_draw(torch, "uniform", generator, stream, 700)
    assert_equal_state(torch, generator, stream)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", DRAWS)
def test_sizes(torch, name, dtype):
    """Each method gives PyTorch's bits for every size around its internal borders, and leaves the same state."""
    generator, stream = torch.Generator().manual_seed(7), RandomStream(7)
    for count in COUNTS:
        assert_equal_draw(torch, name, generator, stream, count, dtype)
        assert_equal_state(torch, generator, stream)


STEP = st.tuples(
    st.sampled_from(sorted(DRAWS)),
    st.one_of(st.integers(0, 40), st.integers(600, 660)),
    st.sampled_from(["float32", "float64"]),
    st.floats(0.0, 1.0, width=32),
)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(-(2**63), 2**64 - 1), steps=st.lists(STEP, max_size=12))
def test_interleavings(torch, seed, steps):
    """Any sequence of draws gives PyTorch's values, with the waiting normal kept between them as PyTorch keeps it."""
    generator, stream = torch.Generator().manual_seed(seed), RandomStream(seed)
    for name, count, dtype, x in steps:
        assert_equal_draw(torch, name, generator, stream, count, dtype, x)
    assert_equal_state(torch, generator, stream)


def test_a_million_normals(torch):
    """float32 normals keep PyTorch's rounding over the whole range of radii and angles."""
    assert_equal_draw(torch, "normal", torch.Generator().manual_seed(11), RandomStream(11), 1_000_003)


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (0, 1),
        (0, 2**28 - 1),
        (0, 2**28),
        (-(2**27), 2**27),
        (0, 2**32 - 1),
        (0, 2**32),
        (-5, 2**40),
        (-(2**63), 2**63 - 1),
    ],
)
def test_integer_ranges(torch, low, high):
    """The range decides between 32 and 64 bits a draw where PyTorch decides, up to the whole of int64."""
    generator, stream = torch.Generator().manual_seed(5), RandomStream(5)
    theirs = torch.randint(low, high, (3, 50), generator=generator).numpy()
    np.testing.assert_array_equal(stream.integers(low, high, (3, 50)), theirs)
    assert_equal_state(torch, generator, stream)


def test_large_permutations_use_wide_draws(monkeypatch):
    """From the length where PyTorch changes its method on, each element takes 64 bits and goes in from the inside
    out; the threshold is lowered here, since such a permutation takes 1.7 GB."""
    monkeypatch.setattr(graphc.random_stream, "_LARGE_PERMUTATION", 100)
    monkeypatch.setattr(graphc.random_stream, "library", lambda count: None)  # compiled C has the threshold built in
    stream, twin = RandomStream(3), RandomStream(3)
    expected = []
    for place in range(1000):
        high, low = (int(word) for word in twin._draw(2))
        other = ((high << 32) | low) % (place + 1)
        expected.append(place)
        expected[place], expected[other] = expected[other], place
    np.testing.assert_array_equal(stream.permutation(1000), expected)
    assert position_and_cache(stream) == position_and_cache(twin)
    assert sorted(expected) == list(range(1000))


def test_shapes_are_filled_in_c_order():
    """A shape only folds the flat sequence, and () is one value."""
    for draw in (
        lambda stream, shape: stream.uniform(shape),
        lambda stream, shape: stream.normal(shape, np.float64),
        lambda stream, shape: stream.integers(0, 9, shape),
        lambda stream, shape: stream.bernoulli(0.5, shape),
        lambda stream, shape: stream.exponential(shape),
    ):
        np.testing.assert_array_equal(draw(RandomStream(2), (4, 1, 6)).ravel(), draw(RandomStream(2), 24))
        assert draw(RandomStream(2), ()).shape == ()
        assert draw(RandomStream(2), [0, 3]).shape == (0, 3)


def test_bernoulli_tensor_takes_any_layout():
    """Probabilities are read in C order of their indices, whatever their strides."""
    probabilities = np.linspace(0, 1, 30, dtype=np.float32).reshape(5, 6)
    plain = RandomStream(4).bernoulli_tensor(np.ascontiguousarray(probabilities.T))
    np.testing.assert_array_equal(RandomStream(4).bernoulli_tensor(probabilities.T), plain)


def test_extreme_probabilities():
    """Zero is never true and one is always true."""
    assert not RandomStream().bernoulli(0.0, 2000).any()
    assert RandomStream().bernoulli(1.0, 2000).all()


def test_uniform_stays_below_its_bound(torch):
    """Where rounding would reach the upper bound, the lower one is given, as PyTorch gives it."""
    low, high = 1.0, 1.0 + 2.0**-22
    values = RandomStream(1).uniform(5000, np.float32, low, high)
    theirs = torch.empty(5000).uniform_(low, high, generator=torch.Generator().manual_seed(1)).numpy()
    np.testing.assert_array_equal(values, theirs)
    assert values.max() < np.float32(high)


def test_state_moves_between_torch_and_here(torch):
    """A state taken here continues in PyTorch and the other way round, with a normal value waiting in it."""
    stream = RandomStream(9)
    stream.normal(3)
    stream.uniform(40)
    generator = torch.Generator()
    generator.set_state(torch.from_numpy(stream.get_state()))
    np.testing.assert_array_equal(generator.get_state().numpy(), stream.get_state())
    assert_equal_draw(torch, "normal", generator, stream, 1)
    torch.randn(7, generator=generator)
    stream.set_state(generator.get_state().numpy())
    assert_equal_draw(torch, "normal", generator, stream, 9)
    fresh = RandomStream(1)
    fresh.set_state(torch.Generator().manual_seed(6).get_state().numpy())
    assert_equal_draw(torch, "uniform", torch.Generator().manual_seed(6), fresh, 10)


def test_state_is_a_copy_and_comes_back():
    """get_state is not a view, and set_state repeats the stream exactly."""
    stream = RandomStream(12)
    stream.normal(5)
    state = stream.get_state()
    first = stream.normal(3, np.float64), stream.uniform(700), stream.normal(1)
    stream.set_state(state)
    for before, after in zip(first, (stream.normal(3, np.float64), stream.uniform(700), stream.normal(1)), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_copies_are_independent(duplicate):
    """A copied or pickled stream goes on with the same values and shares nothing."""
    stream = RandomStream(2**40 + 3)
    stream.normal(3)
    twin = duplicate(stream)
    assert twin.initial_seed() == stream.initial_seed()
    expected = stream.normal(30)
    np.testing.assert_array_equal(twin.normal(30), expected)
    twin.uniform(5)
    assert position_and_cache(twin) != position_and_cache(stream)


def test_seed_takes_fresh_entropy():
    """seed() names the seed it took, with which the stream can be had again."""
    stream = RandomStream(0)
    taken = stream.seed()
    assert 0 <= taken < 2**53
    assert taken != RandomStream(0).seed()
    assert stream.initial_seed() == taken
    np.testing.assert_array_equal(stream.uniform(5), RandomStream(taken).uniform(5))


def test_buffer_is_the_whole_state():
    """Who copies the buffer has the stream: this is what a C program is handed."""
    stream, twin = RandomStream(3), RandomStream(4)
    stream.normal(17)
    stream.normal(1)
    twin.buffer[:] = stream.buffer
    np.testing.assert_array_equal(twin.normal(2), stream.normal(2))
    np.testing.assert_array_equal(twin.permutation(50), stream.permutation(50))
    assert stream.buffer.dtype == np.uint32
    assert stream.buffer.nbytes == 2512
    assert stream.buffer.ctypes.data % 8 == 0


def test_engine_through_numpys_public_state():
    """Should numpy lay out its state otherwise one day, the slower public way gives the same stream."""
    stream, twin = RandomStream(8), RandomStream(8)
    assert stream._engine._is_plain
    stream._engine._is_plain = False
    for count in (1, 20, 623, 700, 5):
        np.testing.assert_array_equal(stream.uniform(count), twin.uniform(count))
        assert position_and_cache(stream) == position_and_cache(twin)


def test_threads_share_a_stream():
    """Draws from several threads never take a word twice or lose one: together they are the single stream."""
    stream, twin = RandomStream(8), RandomStream(8)
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda _: stream.uniform(997, np.float64), range(64)))
    alone = twin.uniform((64, 997), np.float64)
    assert {part.tobytes() for part in parts} == {row.tobytes() for row in alone}
    assert position_and_cache(stream) == position_and_cache(twin)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda s: RandomStream("1"), TypeError, "a seed is an integer, but got '1'"),
        (lambda s: RandomStream(2**64), ValueError, "a seed lies in"),
        (lambda s: s.uniform(3, np.int64), TypeError, "float32 or float64, but int64"),
        (lambda s: s.uniform(3, np.float32, 1.0, 0.0), ValueError, "low=1.0, high=0.0"),
        (lambda s: s.uniform(3, np.float32, -3e38, 3e38), ValueError, "finite distance"),
        (lambda s: s.uniform((2, -1)), ValueError, "no negative size"),
        (lambda s: s.normal(3, np.float32, 0.0, -1.0), ValueError, "std=-1.0"),
        (lambda s: s.exponential(3, rate=0.0), ValueError, "rate=0.0"),
        (lambda s: s.bernoulli(1.5, 3), ValueError, "but got 1.5"),
        (lambda s: s.bernoulli(float("nan"), 3), ValueError, "but got nan"),
        (lambda s: s.bernoulli_tensor(np.array([0.1, np.nan])), ValueError, "outside or NaN"),
        (lambda s: s.bernoulli_tensor(np.array([0, 1])), TypeError, "float32 or float64"),
        (lambda s: s.integers(5, 5, 3), ValueError, "low=5, high=5"),
        (lambda s: s.integers(0, 2**64, 3), ValueError, "int64 bounds"),
        (lambda s: s.permutation(-1), ValueError, "but got -1"),
        (lambda s: s.set_state(np.zeros(5056)), TypeError, "uint8, but got float64"),
        (lambda s: s.set_state(np.zeros(5, np.uint8)), ValueError, r"\(5056,\), but got \(5,\)"),
        (lambda s: s.set_state(np.zeros(5056, np.uint8)), ValueError, "no state of a generator"),
    ],
)
def test_refusals_name_the_argument_and_keep_the_stream(call, error, message):
    """Bad input is refused with what was given and what was expected, before any word is drawn."""
    stream = RandomStream(1)
    before = position_and_cache(stream)
    with pytest.raises(error, match=message):
        call(stream)
    assert position_and_cache(stream) == before


# The same stream in C

TEMPLATES = Path(__file__).parent.parent / "templates" / "c"
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


# Both ways of the stream against each other

BOTH_WAYS = {
    "uniform": lambda s, n, d: s.uniform(n, d),
    "uniform_between": lambda s, n, d: s.uniform(n, d, -3.0, 7.5),
    "normal": lambda s, n, d: s.normal(n, d),
    "normal_with_mean": lambda s, n, d: s.normal(n, d, 0.37, 1.9),
    "exponential": lambda s, n, d: s.exponential(n, d, 0.7),
    "bernoulli": lambda s, n, d: s.bernoulli(0.3, n),
    "integers": lambda s, n, d: s.integers(-4, 90, n),
    "integers_wide": lambda s, n, d: s.integers(-(2**63), 2**63 - 1, n),
    "permutation": lambda s, n, d: s.permutation(n),
}


COMPLEX = ("uniform", "normal", "normal_with_mean")


@pytest.mark.parametrize(
    ("name", "dtype"),
    [(name, dtype) for name in BOTH_WAYS for dtype in ("float32", "float64", "float16")]
    + [(name, "complex64") for name in COMPLEX],
)
def test_numpy_and_compiled_c_draw_the_same_bits(monkeypatch, name, dtype):
    """Any size, from any place within the words of the state and with a normal value waiting: same bits, same state."""
    draw = BOTH_WAYS[name]
    compiled = graphc.random_library._loaded()
    by_numpy, by_c = RandomStream(77), RandomStream(77)
    for words, count in [(0, 70_001), (1, 70_000), (5, 1249), (311, 65_536), (623, 625), (2, 17), (0, 65_551)]:
        for stream, library in ((by_numpy, None), (by_c, compiled)):
            monkeypatch.setattr(graphc.random_stream, "library", lambda count, library=library: library)
            stream.normal(3)  # leaves one waiting, or takes the one that waits
            stream.integers(0, 10, words)
        monkeypatch.setattr(graphc.random_stream, "library", lambda count: None)
        expected = draw(by_numpy, count, dtype)
        monkeypatch.setattr(graphc.random_stream, "library", lambda count: compiled)
        values = draw(by_c, count, dtype)
        assert values.dtype == expected.dtype
        np.testing.assert_array_equal(values.view(np.uint8), expected.view(np.uint8), err_msg=f"{name} of {count}")
        np.testing.assert_array_equal(by_c.buffer, by_numpy.buffer)


def test_products_and_sums_round_once():
    """left * right + addend is that of exact arithmetic rounded to float32, where a sum in float64 ends halfway between
    two float32 and has lost something, too."""
    from fractions import Fraction

    fused = graphc.normal_numbers._fused_multiply_add
    generator = np.random.default_rng(3)
    left = generator.integers(2**23, 2**24, 4000).astype(np.float32)
    right = np.float32(2**23 + 1)
    product = left.astype(np.float64) * float(right)
    # The sum ends halfway between two float32, but for something far below a float64's last bit.
    middle = 2.0 ** (np.floor(np.log2(product)) + 30)
    cases = [(left, right, np.float32(1.0)), (left, np.float32(2.0**-60), middle.astype(np.float32))]
    cases.append((np.float32([1 + 2.0**-12]), np.float32(1 + 2.0**-12), np.float32([2.0**-60])))
    cases.append((np.float32([1 + 2.0**-12]), np.float32(1 + 2.0**-12), np.float32([-(2.0**-60)])))
    for left, right, addend in cases:
        addends = np.broadcast_to(addend, left.shape)
        for one, other, value in zip(left[:500], addends[:500], fused(left, right, addend)[:500], strict=True):
            exact = Fraction(float(one)) * Fraction(float(right)) + Fraction(float(other))
            near = [np.nextafter(value, np.float32(-np.inf)), value, np.nextafter(value, np.float32(np.inf))]
            distances = [abs(Fraction(float(number)) - exact) for number in near]
            assert distances[1] == min(distances)


def test_a_machine_without_compiler_draws_with_numpy(monkeypatch):
    """No compiler: large draws are numpy's, and the same."""
    from graphc import runtime
    from graphc.codegen import library

    def no_compiler(*arguments, **keywords):
        raise runtime.CompilerNotFound("no C compiler")

    expected = RandomStream(9).normal(70_000)
    graphc.random_library._loaded.cache_clear()
    monkeypatch.undo()
    monkeypatch.setattr(library, "build_library", no_compiler)
    assert graphc.random_library.library(70_000) is None
    np.testing.assert_array_equal(bits(RandomStream(9).normal(70_000)), bits(expected))
    graphc.random_library._loaded.cache_clear()


def test_few_numbers_load_nothing(tmp_path):
    """`import graphc` and small draws leave cffi and the compiler alone."""
    code = (
        "import sys, graphc; graphc.randn(1000); graphc.rand(1000); graphc.randperm(1000);"
        "assert '_cffi_backend' not in sys.modules, 'cffi'; assert 'jinja2' not in sys.modules, 'jinja2'"
    )
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
