"""Compiled programs of halves, of wide unsigned integers, and of complex numbers give eager mode's results.

Halves and integers are computed by kernels, bit for bit where the operators are exact; complex numbers by the host.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import graphc as gc
from graphc.tensor import Tensor
from tests.every_way import difference, run_every_way
from tests.ops.running import keyword_arrays
from tests.ops.samples import ALL_SAMPLES, OpSample, map_arrays
from tests.test_op_table_compiled import Given, replaced, values_and_gradients

HALVES = (gc.float16, gc.bfloat16)
UNSIGNED = (gc.uint8, gc.uint16, gc.uint32, gc.uint64)
TOGETHER = 40
# Kernels compute exponentials and sums in float32 by code of their own: a half may then round to its neighbour. Where
# sums cancel, what is left of them may differ by more than that.
STEP = {"float16": 2.0**-10, "bfloat16": 2.0**-7}


def words(bits: np.ndarray, dtype: gc.dtype) -> Tensor:
    """16-bit words as halves."""
    return Tensor.from_array(bits.astype(np.uint16).view(dtype.numpy))


# -- conversions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_every_half_is_widened_exactly(dtype: gc.dtype) -> None:
    """All 65536 words, denormal numbers, infinities, and NaN among them, become the float that they stand for."""
    halves = words(np.arange(2**16), dtype)
    found = gc.compile(lambda x: x.float())(halves)
    assert difference(found.numpy(), halves._array.astype(np.float32)) is None


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_floats_are_rounded_as_numpy_rounds(dtype: gc.dtype) -> None:
    """Floats at, just below, and just above every tie between two neighbours, and random ones, round to even."""
    halves = np.arange(2**16).astype(np.uint16).view(dtype.numpy).astype(np.float32)
    finite = np.sort(np.unique(halves[np.isfinite(halves)]))
    ties = ((finite[1:].astype(np.float64) + finite[:-1]) / 2).astype(np.float32)
    greatest = np.float32(finite[-1]) + (np.float32(finite[-1]) - np.float32(finite[-2])) / 2
    generator = np.random.default_rng(0)
    floats = np.concatenate(
        [
            *(ties, np.nextafter(ties, np.float32(np.inf)), np.nextafter(ties, np.float32(-np.inf))),
            generator.integers(0, 2**32, 2**18, dtype=np.uint32).view(np.float32),
            np.array([greatest, -greatest, np.inf, -np.inf, np.nan, 0.0, -0.0, 1e-45, -1e-45], np.float32),
        ]
    )
    found = gc.compile(lambda x: x.to(dtype))(gc.from_numpy(floats))
    with np.errstate(all="ignore"):
        expected = floats.astype(dtype.numpy)
    assert difference(found._array, expected) is None


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("source", ["float64", "int64", "int32", "uint8", "bool"])
def test_other_types_become_halves_as_in_eager_mode(source: str, dtype: gc.dtype) -> None:
    """By way of float32, both from and to halves."""
    generator = np.random.default_rng(0)
    values = generator.standard_normal(500) * 10.0 ** generator.integers(-6, 6, 500)
    given = values.astype(source) if source != "uint8" else np.abs(values % 256).astype(source)

    def function(arguments: list[Tensor]) -> list[Tensor]:
        half = arguments[0].to(dtype)
        return [half, half.to(arguments[0].dtype)]

    ways = run_every_way(function, lambda: [Tensor.from_array(given)])
    for found, expected in zip(ways.compiled.results, ways.eager.results, strict=True):
        assert difference(found, expected) is None


# -- pointwise chains, bit for bit -----------------------------------------------------------------------------------

UNARY = (
    ("neg", lambda x: -x),
    ("abs", lambda x: x.abs()),
    ("sqrt", lambda x: x.abs().sqrt()),
    ("floor", lambda x: x.floor()),
    ("relu", lambda x: x.relu()),
    ("times a number", lambda x: x * 1.1),
    ("plus a number", lambda x: x + 0.3),
    ("over a number", lambda x: x / 3),
    ("square", lambda x: x * x),
    ("widened and back", lambda x: (x.float() + 0.001).to(x.dtype)),
    ("clamp", lambda x: x.clamp(-2, 2)),
    ("flip", lambda x: x.flip(0)),
    ("chosen", lambda x: gc.where(x > 0.5, x, x * 0.25)),
)
BINARY = (
    ("add", lambda x, y: x + y),
    ("sub", lambda x, y: x - y),
    ("mul", lambda x, y: x * y),
    ("div", lambda x, y: x / (y.abs() + 0.1)),
    ("maximum", gc.maximum),
    ("minimum", gc.minimum),
    ("chosen", lambda x, y: gc.where(x < y, x, y)),
)


def chain(seed: int) -> list[tuple[str, int, int]]:
    """A random program: names of operators, and which of the values so far they take."""
    generator = np.random.default_rng(seed)
    steps = []
    for count in range(2, 14):
        table = UNARY if generator.random() < 0.5 else BINARY
        name = table[generator.integers(len(table))][0]
        one, other = (int(place) for place in generator.integers(max(count - 4, 0), count, 2))
        steps.append((("unary " if table is UNARY else "binary ") + name, one, other))
    return steps


def run_chain(steps: list[tuple[str, int, int]], x: Tensor, y: Tensor) -> list[Tensor]:
    """The values of the last steps of a random program."""
    unary, binary, values = dict(UNARY), dict(BINARY), [x, y]
    for name, one, other in steps:
        arity, _, operator = name.partition(" ")
        values.append(
            unary[operator](values[one]) if arity == "unary" else binary[operator](values[one], values[other])
        )
    return values[-3:]


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_random_chains_keep_every_rounding(dtype: gc.dtype) -> None:
    """Chains of operators that float32 computes exactly or rounds correctly give eager's bits, values and gradients."""
    programs = [chain(seed) for seed in range(24)]
    generator = np.random.default_rng(3)
    arrays = [generator.standard_normal((2, 7, 5)).astype(np.float32).astype(dtype.numpy) for _ in programs]

    def together(tensors: list[Tensor]) -> list[list[Tensor]]:
        results = []
        for steps, tensor in zip(programs, tensors, strict=True):
            values = run_chain(steps, tensor[0], tensor[1])
            total = sum((value.float() * (place + 1)).sum() for place, value in enumerate(values))
            (gradient,) = gc.autograd.grad(total, tensor, allow_unused=True)
            results.append([*(value.detach() for value in values), gradient])
        return results

    ways = run_every_way(together, lambda: [Tensor.from_array(array.copy()).requires_grad_() for array in arrays])
    for way in ("recorded", "captured", "optimized", "compiled"):
        for place, (found, expected) in enumerate(zip(getattr(ways, way).results, ways.eager.results, strict=True)):
            assert difference(found, expected, 0.0, 5e-324) is None, (way, programs[place // 4])


def test_kernels_compute_with_halves() -> None:
    """No host is asked, and the program of a half linear layer, forward and backward, fuses the casts."""

    @gc.compile
    def step(x: Tensor, w: Tensor, b: Tensor) -> list[Tensor]:
        loss = ((x @ w + b).relu() * 2).softmax(-1).sum(0).mean()
        return [loss, *gc.autograd.grad(loss, [w, b])]

    x, w, b = (gc.randn(*shape).to(gc.bfloat16) for shape in ((8, 16), (16, 4), (4,)))
    results = step(x, w.requires_grad_(), b.requires_grad_())
    assert [result.dtype for result in results] == [gc.bfloat16] * 3
    assert "call_out" not in step.source
    assert "gc_round_bf16" in step.source


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_kernels_write_through_views_of_halves(dtype: gc.dtype) -> None:
    """What a write through a slice or a diagonal makes of a base moves elements only, so no host is asked."""

    def step(x: Tensor, y: Tensor) -> Tensor:
        written = x.clone()
        written[1:3, ::2] = y
        written.diagonal().fill_(0.5)
        return written

    x, y = gc.randn(5, 6).to(dtype), gc.randn(2, 3).to(dtype)
    compiled = gc.compile(step, fullgraph=True)
    assert (compiled(x, y) == step(x, y)).all()
    assert (compiled(x + 1, y) == step(x + 1, y)).all()
    assert "call_out" not in compiled.source


def test_the_program_and_its_host_draw_from_one_stream() -> None:
    """Halves are drawn by the host, floats by the program: numbers and the generator's state are eager's, in order."""

    def function(arguments: list[Tensor]) -> list[Tensor]:
        x, half = arguments
        drawn = [gc.rand(5), gc.rand(5, dtype=gc.float16), gc.randn(17), gc.randn(3, dtype=gc.bfloat16), gc.rand(3)]
        return [*drawn, gc.nn.functional.dropout(half, 0.3), gc.nn.functional.dropout(x, 0.3), gc.rand(2)]

    ways = run_every_way(function, lambda: [gc.ones(8), gc.ones(8, dtype=gc.float16)])
    state = gc.get_rng_state()
    gc.manual_seed(7)
    function([gc.ones(8), gc.ones(8, dtype=gc.float16)])
    for found, expected in zip(ways.compiled.results, ways.eager.results, strict=True):
        assert difference(found, expected, 1e-6, 1e-6) is None
    assert gc.get_rng_state().tolist() == state.tolist()
    alone = gc.compile(lambda: gc.rand(4, dtype=gc.bfloat16))
    gc.manual_seed(7)
    expected = gc.rand(4, dtype=gc.bfloat16)
    for _ in range(2):
        gc.manual_seed(7)
        assert alone().tolist() == expected.tolist()


# -- unsigned integers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", UNSIGNED, ids=str)
def test_unsigned_integers_wrap_as_in_eager_mode(dtype: gc.dtype) -> None:
    """Arithmetic, division, bits, comparisons, extremes, and casts of the least and greatest numbers and others."""
    generator = np.random.default_rng(0)
    greatest = np.iinfo(dtype.numpy).max
    left = generator.integers(0, greatest, 300, dtype.numpy, endpoint=True)
    left[:4] = [greatest, 0, greatest // 2, greatest // 2 + 1]
    right = generator.integers(0, 20, 300, dtype.numpy)
    floats = np.concatenate([generator.standard_normal(200) * 300, [0.0, 1e4, 3e9, -1.0, -5.5]])

    def function(arguments: list[Tensor]) -> list[Tensor]:
        x, y, floats = arguments
        return [
            *(x + y, x - y, x * y, x // (y + 1), x % (y + 1), gc.maximum(x, y), gc.minimum(x, y)),
            *(x & y, x | y, x ^ y, ~x, x < y, x == y, gc.where(x > y, x, y), x.clamp(3, 7), gc.sign(x)),
            *(x.amax(), x.amin(), x.argmax(), x.any(), x.float(), x.double(), x.bool(), x.long(), x.to(gc.uint16)),
            *(x << y, x >> y, gc.gcd(x, y), x.to(gc.bfloat16), floats.to(dtype), floats.float().to(dtype)),
        ]

    ways = run_every_way(function, lambda: [Tensor.from_array(array) for array in (left, right, floats)])
    for way in ("optimized", "compiled"):
        for place, (found, expected) in enumerate(zip(getattr(ways, way).results, ways.eager.results, strict=True)):
            assert difference(found, expected) is None, (way, place)


# -- complex numbers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [gc.complex64, gc.complex128], ids=str)
def test_complex_numbers_are_carried_out_by_the_host(dtype: gc.dtype) -> None:
    """Values and gradients are eager's to the bit, the report names the calls, and ``fullgraph`` refuses them."""
    generator = np.random.default_rng(0)
    array = (generator.standard_normal((4, 6)) + 1j * generator.standard_normal((4, 6))).astype(dtype.numpy)

    def function(arguments: list[Tensor]) -> list[Tensor]:
        z = arguments[0]
        loss = ((z * z.conj() + 2j * z).exp() @ z.mT).abs().sum()
        (gradient,) = gc.autograd.grad(loss, z)
        return [loss.detach(), gradient, (z.real * 2).relu(), gc.fft.fft(z)]

    ways = run_every_way(function, lambda: [Tensor.from_array(array.copy()).requires_grad_()])
    for found, expected in zip(ways.compiled.results[1:], ways.eager.results[1:], strict=True):
        assert difference(found, expected, 1e-5, 1e-5) is None
    program = gc.compile(lambda z: z * 2j + 1)
    program(Tensor.from_array(array))
    assert "host" in str(program.report())
    with pytest.raises(Exception, match="mul"):
        gc.compile(lambda z: z * 2j + 1, fullgraph=True)(Tensor.from_array(array))


# -- the table of samples, in halves ---------------------------------------------------------------------------------


def has_floats(sample: OpSample) -> bool:
    positional, keywords = sample.make()
    arrays: list[np.ndarray] = []
    map_arrays(positional, arrays.append)
    keyword_arrays(keywords, arrays.append)
    return any(array.dtype.kind == "f" for array in arrays)


def representative() -> list[OpSample]:
    """The first sample with floats of each function."""
    found: dict[str, OpSample] = {}
    for sample in ALL_SAMPLES:
        fits = not sample.primitive
        if fits and sample.name not in found and has_floats(sample):
            found[sample.name] = sample
    return list(found.values())


def give(sample: OpSample, dtype: str) -> Given:
    """A sample's arguments with halves for floats."""
    positional, keywords = sample.make()
    tensors: list[Tensor] = []

    def convert(array: np.ndarray) -> Tensor:
        half = array.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else np.float16)
        tensors.append(Tensor.from_array(half if array.dtype.kind == "f" else array))
        return tensors[-1]

    arguments = map_arrays(positional, convert)
    leaves = [tensors[place].requires_grad_() for place in sample.differentiable_positions()]
    return Given(arguments, keyword_arrays(keywords, convert), tensors, leaves)


REFUSED = (RuntimeError, NotImplementedError, TypeError, ValueError, IndexError)


def accepted(sample: OpSample, dtype: str) -> bool:
    """Whether eager mode computes the sample in halves."""
    try:
        values_and_gradients(sample, give(sample, dtype))
    except REFUSED:
        return False
    return True


class Program:
    """Samples in halves that run together, as a function of all their tensors."""

    def __init__(self, samples: list[OpSample], dtype: str):
        self.samples, self.dtype = samples, dtype
        self.patterns = [give(sample, dtype) for sample in samples]

    def make(self) -> list[Tensor]:
        return [tensor for sample in self.samples for tensor in give(sample, self.dtype).tensors]

    def __call__(self, tensors: list[Tensor]) -> list[tuple[list[Tensor], list[Tensor]]]:
        results, remaining = [], iter(tensors)
        for sample, pattern in zip(self.samples, self.patterns, strict=True):
            new = {id(tensor): next(remaining) for tensor in pattern.tensors}
            leaves = [new[id(leaf)] for leaf in pattern.leaves]
            given = Given(
                replaced(pattern.positional, new), replaced(pattern.keywords, new), list(new.values()), leaves
            )
            results.append(values_and_gradients(sample, given))
        return results


def failures(samples: list[OpSample], dtype: str) -> list[str]:
    """What is wrong with samples that run as one program: a line for each result that differs."""
    program = Program(samples, dtype)
    try:
        ways = run_every_way(program, program.make)
    except Exception as error:
        if len(samples) == 1:
            return [f"{samples[0].identity}: {type(error).__name__}: {str(error)[:400]}"]
        middle = len(samples) // 2
        found = failures(samples[:middle], dtype) + failures(samples[middle:], dtype)
        return found or [f"{samples[0].identity} to {samples[-1].identity} fail together only: {error}"]
    found, place = [], 0
    for sample, (values, gradients) in zip(samples, ways.returned, strict=True):
        for number in range(len(values) + len(gradients)):
            what = f"result {number}" if number < len(values) else f"gradient {number - len(values)}"
            for way in ("recorded", "captured", "optimized", "compiled"):
                array, expected = getattr(ways, way).results[place + number], ways.eager.results[place + number]
                close = (4 * STEP[dtype], 4 * STEP[dtype]) if way == "compiled" else (0.0, 0.0)
                if expected.dtype.kind in "iub":
                    close = (0.0, 0.0)
                wrong = difference(array, expected, *close)
                if wrong:
                    found.append(f"{sample.identity}: {what}, {way}: {wrong}")
        place += len(values) + len(gradients)
    return found


SAMPLES = representative()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("start", range(0, len(SAMPLES), TOGETHER))
def test_samples_in_halves_agree_every_way(start: int, dtype: str) -> None:
    """Graphs give eager's bits before and after the passes; kernels are off by the rounding of a half at most."""
    samples = [sample for sample in SAMPLES[start : start + TOGETHER] if accepted(sample, dtype)]
    if not samples:
        pytest.skip("none of these functions takes halves")
    found = failures(samples, dtype)
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize(("half", "other"), [HALVES, HALVES[::-1]])
def test_one_kind_of_half_becomes_the_other(half: gc.dtype, other: gc.dtype) -> None:
    """By way of float32, in a kernel as in eager mode."""
    x = gc.tensor([1.5, -2.5, 0.25, 300.125, float("inf")]).to(half)
    program = gc.compile(lambda x: x.to(other))
    program(x)
    assert gc.equal(program(x), x.to(other))
