"""Random functions against PyTorch: values, what is left of the stream, errors; and the same stream when compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc
from graphc.capture.errors import CaptureError

torch = pytest.importorskip("torch")

# Around a pair of normal numbers, and a block of sixteen.
SIZES = (0, 1, 2, 3, 7, 15, 16, 17, 31, 33, 40)
FLOATS = ("float32", "float64", "float16", "bfloat16")
INTEGERS = ("int64", "int32", "int8", "uint8", "bool")
# What is drawn, written for both libraries, and the dtypes it is for.
DRAWS = {
    "normal_": ("{T}.zeros(n, dtype=d).normal_(2, 3)", (*FLOATS, "complex64")),
    "normal_ of columns": ("{T}.zeros(n, 4, dtype=d)[:, 1:3].normal_()", (*FLOATS, "complex64")),
    "uniform_": ("{T}.zeros(n, dtype=d).uniform_(-2, 5)", (*FLOATS, "complex64")),
    "uniform_ transposed": ("{T}.zeros(n, 4, dtype=d).t().uniform_()", FLOATS),
    "bernoulli_": ("{T}.zeros(n, dtype=d).bernoulli_(0.3)", FLOATS + INTEGERS),
    "bernoulli_ of a tensor": ("{T}.zeros(n).bernoulli_({T}.full((n,), 0.4, dtype=d))", FLOATS),
    "bernoulli": ("{T}.bernoulli({T}.full((n,), 0.4, dtype=d))", FLOATS),
    "exponential_": ("{T}.zeros(n, dtype=d).exponential_(1.5)", FLOATS),
    "geometric_": ("{T}.zeros(n, dtype=d).geometric_(0.3)", FLOATS + INTEGERS[:4]),
    "cauchy_": ("{T}.zeros(n, dtype=d).cauchy_(1, 2)", FLOATS),
    "log_normal_": ("{T}.zeros(n, dtype=d).log_normal_(0.5, 0.2)", FLOATS),
    "random_": ("{T}.zeros(n, dtype=d).random_()", FLOATS + INTEGERS),
    "random_ below": ("{T}.zeros(n, dtype=d).random_(100)", FLOATS + INTEGERS[:4]),
    "random_ from": ("{T}.zeros(n, dtype=d).random_(5, None)", FLOATS + INTEGERS[:4]),
    "random_ of a wide range": ("{T}.zeros(n, dtype=d).random_(-2**40, 2**40)", ("float32", "float64", "int64")),
    "multinomial": ("{T}.multinomial({T}.arange(1, n + 2).to(d), 1)", FLOATS[:2]),
    "multinomial without replacement": ("{T}.multinomial({T}.arange(1, n + 2).to(d), n // 2 + 1)", FLOATS[:2]),
    "multinomial with replacement": ("{T}.multinomial({T}.ones(3, n + 1, dtype=d), 5, True)", FLOATS[:2]),
    "poisson": ("{T}.poisson({T}.arange(n).to(d) * 2)", FLOATS),
    "binomial": ("{T}.binomial({T}.arange(n).to(d) * 3, {T}.full((n,), 0.3, dtype=d))", FLOATS[:2]),
    "normal of means": ("{T}.normal({T}.arange(n).to(d), 2.0)", FLOATS),
    "normal of deviations": ("{T}.normal(1.0, {T}.arange(n).to(d))", FLOATS),
    "normal of both": ("{T}.normal({T}.arange(n).to(d), {T}.arange(n).to(d))", FLOATS),
    "normal of a size": ("{T}.normal(2, 3, size=(n,), dtype=d)", FLOATS),
    "randint": ("{T}.randint(1, 100, (n,), dtype=d)", FLOATS + INTEGERS[:4]),
    "randint_like": ("{T}.randint_like({T}.zeros(n, dtype=d), 1, 50)", FLOATS + INTEGERS[:4]),
    "rand_like": ("{T}.rand_like({T}.zeros(n, 3, dtype=d).t())", (*FLOATS, "complex64")),
    "randn_like": ("{T}.randn_like({T}.zeros(n, 3, dtype=d).t())", (*FLOATS, "complex64")),
    "randperm": ("{T}.randperm(n, dtype=d)", FLOATS + INTEGERS[:4]),
    "dropout": ("{T}.nn.functional.dropout({T}.ones(n, 3, dtype=d).t(), 0.4)", FLOATS[:2]),
    "a generator": ("{T}.zeros(n, dtype=d).normal_(generator={T}.Generator().manual_seed(3))", FLOATS),
}


def drawn(library: Any, text: str, dtype: str, size: int) -> Any:
    """What a call gives after a seed and one normal number, so that another is waiting."""
    library.manual_seed(size + 7)
    library.randn(1)
    return eval(text.format(T="library"), {"library": library, "n": size, "d": getattr(library, dtype)})


@pytest.mark.parametrize("name", DRAWS)
def test_values_and_stream(name: str) -> None:
    """Every size and dtype gives PyTorch's numbers, and both streams go on alike."""
    text, dtypes = DRAWS[name]
    for dtype in dtypes:
        for size in SIZES:
            expected = drawn(torch, text, dtype, size)
            rest = torch.rand(2).tolist() + torch.randn(1).tolist()
            found = drawn(graphc, text, dtype, size)
            assert graphc.rand(2).tolist() + graphc.randn(1).tolist() == rest, (dtype, size)
            assert (str(found.dtype), tuple(found.shape)) == (str(expected.dtype), tuple(expected.shape))
            if 0 not in found.shape:
                assert found.stride() == expected.stride()
            wide = torch.float64 if expected.dtype.is_floating_point else expected.dtype
            array = expected.to(wide).numpy()
            own = found.double().numpy() if found.dtype.is_floating_point else found.numpy()
            # One unit in the last place of what a vectorised logarithm or exponential computes.
            np.testing.assert_allclose(
                own, array, rtol=2.5e-7 if dtype != "float64" else 5e-16, err_msg=f"{dtype} {size}"
            )


REFUSED = (
    "{f}.normal_(0, -1)",
    "{i}.normal_()",
    "{f}.uniform_(2, 1)",
    "{f}.uniform_(0, float('inf'))",
    "{i}.uniform_()",
    "{f}.exponential_(-1)",
    "{i}.exponential_()",
    "{f}.geometric_(2)",
    "{f}.cauchy_(0, -1)",
    "{i}.cauchy_()",
    "{f}.log_normal_(0, -1)",
    "{i}.log_normal_()",
    "{f}.random_(3, 3)",
    "{b}.random_(5)",
    "{f}.bernoulli_(2)",
    "{T}.bernoulli({i})",
    "{T}.multinomial({f}, 2)",
    "{T}.multinomial({f} + 1, 4)",
    "{T}.multinomial({f} - 1, 2)",
    "{T}.multinomial({f} + 1, 0)",
    "{T}.multinomial({i}, 1)",
    "{T}.poisson({f} - 1)",
    "{T}.poisson({i})",
    "{T}.binomial({i}, {f})",
    "{T}.normal({f}, -1)",
    "{T}.normal({f}, {f} - 1)",
    "{T}.normal(0, 1)",
    "{T}.randint(3, 3, (2,))",
    "{T}.randint(300, (2,), dtype={T}.uint8)",
    "{T}.randperm(-1)",
    "{T}.randperm(300, dtype={T}.uint8)",
    "{T}.rand(2, dtype={T}.int64)",
    "{T}.randn(2, dtype={T}.int64)",
)


@pytest.mark.parametrize("text", REFUSED)
def test_errors(text: str) -> None:
    """Bad arguments raise PyTorch's error with its first words."""
    names = {
        "T": "library",
        "f": "library.zeros(3)",
        "i": "library.zeros(3, dtype=library.int64)",
        "b": "library.zeros(3, dtype=library.bool)",
    }
    with pytest.raises((RuntimeError, TypeError, ValueError)) as expected:
        eval(text.format(**names), {"library": torch})
    with pytest.raises(type(expected.value)) as found:
        eval(text.format(**names), {"library": graphc})
    assert str(found.value)[:40] == str(expected.value)[:40]


def test_a_leaf_is_not_filled() -> None:
    """Filling a leaf that requires a gradient is refused; of a computed tensor the gradient is zero from there on."""
    leaf = graphc.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        leaf.normal_()
    filled = (leaf * 2).uniform_()
    assert type(filled.grad_fn).__name__ == "UniformBackward0"
    filled.sum().backward()
    assert leaf.grad.tolist() == [0.0, 0.0, 0.0]


def test_compiled_steps_draw_the_same_stream() -> None:
    """A compiled function draws what it draws eagerly, and leaves the stream where eager does."""

    def step(x: graphc.Tensor) -> tuple[graphc.Tensor, ...]:
        noise = graphc.empty_like(x).normal_(1, 2)
        mask = graphc.bernoulli(graphc.full_like(x, 0.4))
        spread = graphc.empty_like(x).uniform_(-1, 3)
        waits = graphc.empty_like(x).exponential_(2)
        return noise, mask, spread, waits, graphc.nn.functional.dropout(x, 0.3), graphc.randn_like(x)

    x = graphc.ones(4, 5)
    graphc.manual_seed(5)
    expected = [*step(x), *step(x), graphc.rand(3)]
    compiled = graphc.compile(step)
    graphc.manual_seed(5)
    found = [*compiled(x), *compiled(x), graphc.rand(3)]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-6)


DRAWN = {
    "integers": lambda x: [
        graphc.randint(0, 9, (3, 50)),
        graphc.randint(-5, 1 << 40, (9,)),
        graphc.randint_like(x.t(), 3, 9),
    ],
    "small integers": lambda x: [
        graphc.randint(2, (40,), dtype=dtype) for dtype in (graphc.bool, graphc.uint8, graphc.half)
    ],
    "any integers": lambda x: [graphc.zeros(9, dtype=dtype).random_() for dtype in WHOLE],
    "all integers": lambda x: graphc.zeros(9, dtype=graphc.int64).random_(-(2**63), None),
    "permutations": lambda x: [
        graphc.randperm(n, dtype=dtype) for n, dtype in ((0, None), (1, None), (99, graphc.int32))
    ],
    "trials": lambda x: [
        x.bernoulli(),
        x.half().bernoulli(),
        graphc.zeros(6, 4).t().bernoulli_(0.2),
        x.bool().bernoulli(0.3),
    ],
    "categories": lambda x: [graphc.multinomial(y, 3) for y in (x, x[0], x.half(), x.double())],
    "categories again": lambda x: [graphc.multinomial(y, 30, True) for y in (x, x[0], x.half(), x.double())],
    "counts": lambda x: [graphc.poisson(x * 30), graphc.binomial((x * 40).floor(), x)],
    "normals": lambda x: [graphc.normal(x, x + 1), graphc.zeros(6, 4).t().normal_(1, 2), x.clone().log_normal_()],
    "waits": lambda x: [
        x.clone().exponential_(2),
        x.half().exponential_(),
        x.double().geometric_(0.2),
        x.clone().cauchy_(2),
    ],
    "dropout": lambda x: [graphc.nn.functional.dropout(x, 0.3), graphc.nn.functional.rrelu(x - 0.5, training=True)],
    "distributions": lambda x: [
        graphc.distributions.Categorical(x).sample((3,)),
        graphc.distributions.Normal(x, x).rsample(),
    ],
}
WHOLE = [
    graphc.int8,
    graphc.uint8,
    graphc.int32,
    graphc.uint32,
    graphc.int64,
    graphc.uint64,
    graphc.float32,
    graphc.bfloat16,
]
# What the host draws for a program: rejection methods, and normal numbers made singly.
BY_HOST = {"counts", "normals", "dropout"}


@pytest.mark.parametrize("name", DRAWN)
def test_programs_draw_what_eager_mode_draws(name: str) -> None:
    """Bit for bit the same numbers, call after call, by the program itself where each element takes a fixed count of
    the stream's; and the stream is left where eager mode leaves it."""
    x = graphc.rand(4, 6)

    def run(draw: Any) -> list[np.ndarray]:
        graphc.manual_seed(5)
        drawn = [draw(x) for _ in range(3)]
        lists = [each if isinstance(each, list) else [each] for each in drawn]
        return [np.array(tensor._value("test")) for each in lists for tensor in [*each, graphc.rand(3)]]

    compiled = graphc.compile(DRAWN[name], fullgraph=name not in BY_HOST)
    for found, expected in zip(run(compiled), run(DRAWN[name]), strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found.astype(np.float64), expected.astype(np.float64))


@pytest.mark.parametrize(
    ("factor", "words"), [(-1, "element < 0"), (float("nan"), "`nan`"), (0, "sum of probabilities <= 0")]
)
def test_programs_refuse_weights_of_no_distribution(factor: float, words: str) -> None:
    """As eager mode does, and the stream does not move."""
    draw = graphc.compile(lambda x: graphc.multinomial(x, 2))
    draw(graphc.ones(4, 5))
    before = graphc.get_rng_state()
    with pytest.raises(RuntimeError, match=words):
        draw(graphc.ones(4, 5) * factor)
    assert graphc.get_rng_state().equal(before)


@pytest.mark.parametrize(
    "draw",
    [
        lambda x: graphc.zeros(5, 4, dtype=graphc.complex64).t().normal_() + x,
    ],
)
def test_what_a_program_can_not_draw_is_refused(draw: Any) -> None:
    """A compiled function refuses it, naming the line."""
    with pytest.raises(CaptureError, match=r"test_random_functions\.py:\d+"):
        graphc.trace(draw, graphc.ones(4, 5))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("call", ["{T}.rand(20000, dtype=d)", "{T}.empty(20000, dtype=d).uniform_(0.3, 0.7)"])
def test_halves_that_round_to_the_upper_bound_become_the_lower_one(call, dtype):
    """The upper bound is not in the range, as in PyTorch, eager and compiled: what rounds to it is the lower bound."""
    torch.manual_seed(0)
    theirs = eval(call.format(T="torch"), {"torch": torch, "d": getattr(torch, dtype)}).double().numpy()

    def ours():
        return eval(call.format(T="graphc"), {"graphc": graphc, "d": getattr(graphc, dtype)})

    for run in (ours, graphc.compile(ours)):
        graphc.manual_seed(0)
        np.testing.assert_array_equal(run().double().numpy(), theirs)


@pytest.mark.parametrize("call", ["uniform_(-1.3, 1.2)", "normal_(0.3, 0.7)"])
def test_programs_scale_random_numbers_as_eager_tensors_do(call):
    """Bounds, mean and deviation are rounded to float32 and the result is rounded once, eager and compiled."""

    def ours():
        return eval(f"graphc.empty(5000).{call}", {"graphc": graphc})

    graphc.manual_seed(0)
    eager = ours()
    graphc.manual_seed(0)
    compiled = graphc.compile(ours)()
    np.testing.assert_array_equal(compiled.numpy(), eager.numpy())


NEGATIVE = (
    *("zeros(2, -1)", "empty(-2, -1)", "ones(2, -1)", "full((2, -1), 1.0)", "rand(2, -1)", "randn(2, -1)"),
    *("randint(3, (2, -1))", "normal(0.0, 1.0, (2, -1))", "Tensor(2, -1)", "zeros(2).new_zeros(2, -1)", "randperm(-1)"),
    *("zeros(2).new_full((2, -1), 1)", "empty_strided((2, -1), (1, 1))", "nn.Embedding(-1, 3)", "eye(2, -1)"),
)


@pytest.mark.parametrize("call", ["uniform_(-1.3, 1.2)", "normal_(0.3, 0.7)"])
def test_programs_shift_both_parts_of_complex_random_numbers(call):
    """Compiled as eager: the bounds, or the mean, are those of the real and of the imaginary part."""

    def ours():
        return eval(f"graphc.empty(500, dtype=graphc.complex64).{call}", {"graphc": graphc})

    graphc.manual_seed(0)
    eager = ours()
    graphc.manual_seed(0)
    np.testing.assert_allclose(graphc.compile(ours)().numpy(), eager.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("call", NEGATIVE)
def test_negative_sizes_are_refused_with_the_words_of_pytorch(call):
    """The first negative size and the whole shape are named."""
    with pytest.raises(RuntimeError) as wanted:
        eval(f"torch.{call}", {"torch": torch})
    with pytest.raises(RuntimeError) as found:
        eval(f"graphc.{call}", {"graphc": graphc})
    assert str(found.value).splitlines()[0] == str(wanted.value).splitlines()[0]


LAYOUTS = {
    "rows repeated": "{T}.linspace(0, 1, 30).expand(40, 30)",
    "columns repeated": "{T}.linspace(0, 1, 30)[:, None].expand(30, 40)",
    "turned": "{T}.linspace(0, 1, 600).reshape(20, 30).t()",
    "turned and repeated": "{T}.linspace(0, 1, 300).reshape(20, 3, 5, 1).permute(2, 0, 3, 1).expand(5, 20, 4, 3)",
    "repeated within": "{T}.linspace(0, 1, 30)[None, :, None].expand(20, 30, 4)",
}


@pytest.mark.parametrize("call", ["rand_like", "randn_like", "bernoulli", "poisson", "empty_like", "zeros_like"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_numbers_lie_and_are_drawn_as_in_pytorch(layout, call):
    """Where a tensor's dims are turned or repeated: the strides of the result, and the order in which it is drawn."""
    results = []
    for library in (graphc, torch):
        library.manual_seed(0)
        result = getattr(library, call)(eval(LAYOUTS[layout].format(T="t"), {"t": library}))
        # poisson() of graphc gives rows of its own; PyTorch's follow the input where it is dense.
        results.append((call == "poisson" or result.stride(), call == "empty_like" or result.tolist()))
    assert results[0] == results[1]
