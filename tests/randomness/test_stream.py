"""The random stream against PyTorch's generator: words, draws, states, and what is refused."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphc.randomness.library
import graphc.randomness.stream
from graphc.randomness.stream import DEFAULT_SEED, RandomStream
from tests.randomness.bits import COUNTS, bits

SEEDS = (0, 1, 5489, 2**32 - 1, 2**32, DEFAULT_SEED, 2**64 - 1, -1, -(2**63))


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="PyTorch is the oracle of this test")


@pytest.fixture(autouse=True, params=["numpy", "compiled"])
def way(request, monkeypatch) -> str:
    """Every test runs twice: with numpy drawing all that it can, and with compiled C drawing all that it can."""
    if request.param == "numpy":
        monkeypatch.setattr(graphc.randomness.stream, "library", lambda count: None)
    else:
        monkeypatch.setattr(graphc.randomness.library, "_WORTH_A_CALL", 1)
        monkeypatch.setattr(graphc.randomness.library, "_WORTH_LOADING", 1)
        assert graphc.randomness.library.library(1) is not None, "this test needs a C compiler"
    return request.param


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
    monkeypatch.setattr(graphc.randomness.stream, "_LARGE_PERMUTATION", 100)
    monkeypatch.setattr(
        graphc.randomness.stream, "library", lambda count: None
    )  # compiled C has the threshold built in
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
