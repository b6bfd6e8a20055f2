"""The library that draws large arrays: the same bits as numpy's, and only where it is worth it."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

import graphc
import graphc.randomness.library
import graphc.randomness.stream
from graphc import runtime
from graphc.codegen import library as libraries
from graphc.randomness import normal_numbers
from graphc.randomness.stream import RandomStream
from tests.randomness.bits import bits

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
    compiled = graphc.randomness.library._loaded()
    by_numpy, by_c = RandomStream(77), RandomStream(77)
    for words, count in [(0, 70_001), (1, 70_000), (5, 1249), (311, 65_536), (623, 625), (2, 17), (0, 65_551)]:
        for stream, library in ((by_numpy, None), (by_c, compiled)):
            monkeypatch.setattr(graphc.randomness.stream, "library", lambda count, library=library: library)
            stream.normal(3)  # leaves one waiting, or takes the one that waits
            stream.integers(0, 10, words)
        monkeypatch.setattr(graphc.randomness.stream, "library", lambda count: None)
        expected = draw(by_numpy, count, dtype)
        monkeypatch.setattr(graphc.randomness.stream, "library", lambda count: compiled)
        values = draw(by_c, count, dtype)
        assert values.dtype == expected.dtype
        np.testing.assert_array_equal(values.view(np.uint8), expected.view(np.uint8), err_msg=f"{name} of {count}")
        np.testing.assert_array_equal(by_c.buffer, by_numpy.buffer)


def test_products_and_sums_round_once():
    """left * right + addend is that of exact arithmetic rounded to float32, where a sum in float64 ends halfway between
    two float32 and has lost something, too."""
    fused = normal_numbers._fused_multiply_add
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

    def no_compiler(*arguments, **keywords):
        raise runtime.CompilerNotFound("no C compiler")

    expected = RandomStream(9).normal(70_000)
    graphc.randomness.library._loaded.cache_clear()
    monkeypatch.setattr(libraries, "build_library", no_compiler)
    assert graphc.randomness.library.library(70_000) is None
    np.testing.assert_array_equal(bits(RandomStream(9).normal(70_000)), bits(expected))
    graphc.randomness.library._loaded.cache_clear()


def test_few_numbers_load_nothing(tmp_path):
    """`import graphc` and small draws leave cffi and the compiler alone."""
    code = (
        "import sys, graphc; graphc.randn(1000); graphc.rand(1000); graphc.randperm(1000);"
        "assert '_cffi_backend' not in sys.modules, 'cffi'; assert 'jinja2' not in sys.modules, 'jinja2'"
    )
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
