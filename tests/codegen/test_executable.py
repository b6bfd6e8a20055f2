"""Loop programs as C: built, run, and compared with numpy and with the interpreter."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

import graphc.ops  # noqa: F401
from graphc.codegen.c.program import MOST_OPTIMIZED
from graphc.codegen.executable import CompiledProgram, compile_loops
from graphc.codegen.executable import load as load_program
from graphc.codegen.interpret import OutOfRange, run_program
from graphc.codegen.loops import Accumulate, Accumulator, Kernel, Let, Local, Loop, LoopProgram, Random, Store
from graphc.ir.scalars import Constant, FromIndex
from graphc.ir.types import bool_, float32, float64, int8, int16, int32, int64, uint8
from graphc.runtime import set_num_threads
from tests.codegen.loop_programs import (
    Convolution,
    call,
    floats,
    index,
    kernel,
    load,
    matmul,
    pointwise,
    program,
    row_gather,
    softmax,
)
from tests.codegen.sanitize import run_sanitized


def one(kernel: Kernel, *names: str) -> LoopProgram:
    """A program of one launch: every parameter is an argument of its name, but those written are outputs."""
    kinds = {"read": "argument", "write": "output", "update": "state"}
    buffers = [(p.name, p.dtype, p.size, kinds[p.access]) for p in kernel.parameters]
    return program("one", buffers, [(kernel, [p.name for p in kernel.parameters])])


def close(actual: np.ndarray, expected: np.ndarray, tolerance: float = 2e-5) -> None:
    expected = np.asarray(expected, actual.dtype).reshape(-1)
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * (1 + np.nanmax(np.abs(expected))))


def run_all_ways(given: LoopProgram, folder: Path | None = None, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    """The results of the built program, which must be the same bits on one and two threads, without a build warning,
    and clean under the sanitizers."""
    compiled = compile_loops(given, threads=2)
    executable = load_program(compiled)
    assert executable.build.messages == ""
    results = {}
    for threads in (1, 2):
        set_num_threads(threads)
        results[threads] = executable(**inputs)
    for name, array in results[1].items():
        assert array.tobytes() == results[2][name].tobytes(), f"{name} depends on the number of threads"
    if folder is not None:
        sanitized(compiled, inputs, folder)
    return results[1]


def sanitized(compiled: CompiledProgram, inputs: dict[str, np.ndarray], folder: Path, **options: object) -> tuple:
    arrays = []
    for buffer in compiled.buffers:
        given = inputs.get(buffer.name)
        array = np.zeros(buffer.size, buffer.dtype.numpy) if given is None else np.array(given, buffer.dtype.numpy)
        arrays.append(array)
    return run_sanitized(compiled, arrays, folder, **options)


def test_softmax(tmp_path: Path) -> None:
    """Sweeps over a row with a maximum, a sum, and stores: equal to numpy, also with NaN and infinities in a row."""
    x = floats(37, 129)
    x[3, 100] = np.nan
    x[4, 7] = -np.inf
    result = run_all_ways(one(softmax(37, 129)), tmp_path, in0=x)["out0"]
    power = np.exp(x - x.max(1, keepdims=True))
    close(result, power / power.sum(1, keepdims=True))
    assert np.isnan(result.reshape(37, 129)[3]).all()


LAYOUTS = list(itertools.product(("mk", "km"), ("kn", "nk")))


@pytest.mark.parametrize(("left", "right"), LAYOUTS)
@pytest.mark.parametrize(
    ("batch", "rows", "depth", "columns"),
    [
        (1, 64, 784, 256),
        (1, 1, 400, 120),
        (1, 65, 37, 1),
        (1, 31, 1, 97),
        (3, 17, 130, 33),
        (1, 6, 5000, 25),
        (5, 16, 16, 16),
        (1, 2, 3, 5),
    ],
)
def test_matmul(batch: int, rows: int, depth: int, columns: int, left: str, right: str) -> None:
    """Contractions of many shapes, every layout of both operands, with an epilogue: equal to numpy in float64."""
    a, b, bias = floats(batch, rows, depth), floats(batch, depth, columns, seed=1), floats(columns, seed=2)
    inputs = {
        "in0": a if left == "mk" else a.swapaxes(1, 2),
        "in1": b if right == "kn" else b.swapaxes(1, 2),
        "in2": bias,
    }
    result = run_all_ways(one(matmul(batch, rows, depth, columns, left=left, right=right)), **inputs)["out0"]
    close(result, np.maximum(a.astype(np.float64) @ b + bias, 0))


@pytest.mark.parametrize("vector_bytes", [16, 32, 64])
@pytest.mark.parametrize("dtype", [float32, float64])
def test_matmul_sanitized(vector_bytes: int, dtype, tmp_path: Path) -> None:
    """A tiled contraction with edges on all sides touches no byte outside its buffers, at every vector width."""
    given = one(matmul(2, 19, 45, 35, dtype=dtype))
    compiled = compile_loops(given, threads=2, vector_bytes=vector_bytes)
    inputs = {"in0": floats(2, 19, 45), "in1": floats(2, 45, 35), "in2": floats(35)}
    sanitized(compiled, inputs, tmp_path, threads=2)
    close(load_program(compiled)(**inputs)["out0"], np.maximum(inputs["in0"] @ inputs["in1"] + inputs["in2"], 0))


@pytest.mark.parametrize("vector_bytes", [16, 64])
def test_tiles_sum_in_the_result(vector_bytes: int, tmp_path: Path) -> None:
    """Where tiles write whole rows of the result, sums lie in its memory: no scratch, no byte beside it."""
    compiled = compile_loops(one(matmul(2, 19, 900, 112)), threads=2, vector_bytes=vector_bytes)
    assert compiled.plan.arena_bytes == 0
    inputs = {"in0": floats(2, 19, 900), "in1": floats(2, 900, 112), "in2": floats(112)}
    sanitized(compiled, inputs, tmp_path, threads=2)
    expected = np.maximum(inputs["in0"].astype(np.float64) @ inputs["in1"] + inputs["in2"], 0)
    close(load_program(compiled)(**inputs)["out0"], expected)


@pytest.mark.parametrize("dtype", [int32, int64])
def test_integer_matmul(dtype, tmp_path: Path) -> None:
    """Contractions of integers are exact and wrap on overflow."""
    a = np.random.default_rng(0).integers(-(2**31), 2**31, (9, 20)).astype(dtype.numpy)
    b = np.random.default_rng(1).integers(-(2**31), 2**31, (20, 13)).astype(dtype.numpy)
    result = run_all_ways(one(matmul(1, 9, 20, 13, dtype=dtype)), tmp_path, in0=a, in1=b, in2=np.zeros(13))["out0"]
    np.testing.assert_array_equal(result, np.maximum(a @ b, 0).reshape(-1))


CONVOLUTIONS = [
    Convolution(4, 1, 6, 28, 5),
    Convolution(3, 6, 16, 12, 5),
    Convolution(2, 3, 8, 16, 3, 1, 1),
    Convolution(2, 5, 7, 15, 3, 2, 1),
    Convolution(1, 2, 3, 6, 1),
]


@pytest.mark.parametrize("convolution", CONVOLUTIONS)
def test_convolution(convolution: Convolution, tmp_path: Path) -> None:
    """A convolution as a contraction, forward and for its weights, with padding and stride, equals numpy's."""
    c = convolution
    x, w = floats(c.images, c.inputs, c.size, c.size), floats(c.outputs, c.inputs, c.window, c.window, seed=1)
    result = run_all_ways(one(c.forward()), tmp_path, in0=x, in1=w)["out0"]
    patches = c.patches(x)
    close(result, np.einsum("byxcij,ocij->boyx", patches, w))
    gradient = floats(c.images, c.outputs, c.result, c.result, seed=2)
    result = run_all_ways(one(c.weight_gradient()), tmp_path, in0=x, in1=gradient)["out0"]
    close(result, np.einsum("byxcij,boyx->ocij", patches, gradient))


def test_interpreter_agrees() -> None:
    """The interpreter gives what the built program gives, and finds parallel iterations independent."""
    for given, inputs in (
        (one(softmax(3, 7)), {"in0": floats(3, 7)}),
        (one(matmul(2, 3, 5, 4)), {"in0": floats(2, 3, 5), "in1": floats(2, 5, 4), "in2": floats(4)}),
        (one(Convolution(2, 2, 3, 6, 3, 1, 1).forward()), {"in0": floats(2, 2, 6, 6), "in1": floats(3, 2, 3, 3)}),
    ):
        expected = run_program(given, inputs, check_parallel=True)
        close(run_all_ways(given, **inputs)["out0"], expected["out0"])


def test_chain_of_launches(tmp_path: Path) -> None:
    """Launches that hand temporaries on meet where they must: results are right with any number of threads."""
    m, k, n = 33, 70, 50
    buffers = [
        ("x", float32, m * k, "argument"),
        ("w", float32, k * n, "state"),
        ("bias", float32, n, "state"),
        ("hidden", float32, m * n, "temporary"),
        ("doubled", float32, m * n, "temporary"),
        ("y", float32, m * n, "output"),
    ]
    double = pointwise(m * n, lambda x: call("add", x, x), float32, float32)
    given = program(
        "chain",
        buffers,
        [
            (matmul(1, m, k, n), ("x", "w", "bias", "hidden")),
            (double, ("hidden", "doubled")),
            (softmax(m, n), ("doubled", "y")),
        ],
    )
    x, w, bias = floats(m, k), floats(k, n, seed=1) / 8, floats(n, seed=2)
    result = run_all_ways(given, tmp_path, x=x, w=w, bias=bias)["y"]
    power = np.exp(2 * np.maximum(x @ w + bias, 0))
    close(result, power / power.sum(1, keepdims=True))


def test_equal_kernels_are_emitted_once() -> None:
    """A deep program calls one function many times; here two, since all but the ends work in place."""
    size = 64
    names = ["x", *(f"t{i}" for i in range(9)), "y"]
    kinds = ["argument", *["temporary"] * 9, "output"]
    exp = pointwise(size, lambda x: call("tanh", x), float32, float32, title="tanh")
    buffers = [(name, float32, size, kind) for name, kind in zip(names, kinds, strict=True)]
    given = program("deep", buffers, [(exp, pair) for pair in itertools.pairwise(names)])
    source = compile_loops(given).source
    assert source.count("GC_KERNEL void tanh_") == 2
    assert len(re.findall(r"\btanh_\w*\(", source)) == 2 + 10
    x = floats(size)
    result = load_program(compile_loops(given))(x=x)["y"]
    for _ in range(10):
        x = np.tanh(x)
    close(result, x)


def test_long_steps_are_compiled_as_they_stand() -> None:
    """A step of many calls takes the compiler little time: it is not optimized, and computes the same."""
    size = 5000
    for count, level in ((MOST_OPTIMIZED, "O1"), (MOST_OPTIMIZED + 1, "O0")):
        names = ["x", *(f"t{number}" for number in range(count - 1)), "y"]
        kinds = ["argument", *["temporary"] * (count - 1), "output"]
        launches = [
            (pointwise(size, lambda x: call("add", x, Constant(2.0, float32)), float32, float32), pair)
            for pair in itertools.pairwise(names)
        ]
        buffers = [(name, float32, size, kind) for name, kind in zip(names, kinds, strict=True)]
        given = program("long", buffers, launches)
        assert f'optimize("{level}")' in compile_loops(given).source
        x = floats(size)
        close(run_all_ways(given, x=x)["y"], x + 2 * count)


def test_index_error(tmp_path: Path) -> None:
    """An index out of range raises eager's message with its operation and line, before state or output is written."""
    check, gather = row_gather(5, 8, 40)
    bump = pointwise(8, lambda x: call("add", x, Constant(1.0, float32)), float32, float32)
    buffers = [
        ("index", int64, 40, "argument"),
        ("table", float32, 40, "argument"),
        ("ones", float32, 8, "argument"),
        ("w", float32, 8, "state"),
        ("y", float32, 320, "output"),
    ]
    launches = [(check, ("index",)), (gather, ("index", "table", "y")), (bump, ("ones", "w"))]
    compiled = compile_loops(program("gather", buffers, launches), threads=2)
    executable = load_program(compiled)
    inputs = {"index": np.arange(40) % 5, "table": floats(5, 8), "ones": np.ones(8), "w": np.zeros(8)}
    for threads in (1, 2):
        set_num_threads(threads)
        results = executable(**inputs)
        np.testing.assert_array_equal(results["y"].reshape(40, 8), inputs["table"][inputs["index"]])
        np.testing.assert_array_equal(results["w"], np.full(8, 2))
        arrays = [np.array(inputs[b.name], b.dtype.numpy) if b.name != "y" else floats(320) for b in compiled.buffers]
        arrays[0][17] = 7
        before = [array.copy() for array in arrays]
        with pytest.raises(IndexError, match=r"index out of range in self"):
            executable.run(arrays)
        for old, new in zip(before, arrays, strict=True):
            np.testing.assert_array_equal(old, new)
    bad = {**inputs, "index": np.where(np.arange(40) == 30, -1, 0)}
    assert sanitized(compiled, bad, tmp_path, threads=2) == (1, 0, -1, 5)
    with pytest.raises(OutOfRange, match="index -1"):
        run_program(compiled.program, bad)


INTEGERS = [int8, int16, int32, int64, uint8]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integer_arithmetic(dtype, tmp_path: Path) -> None:
    """Integer functions wrap and round down as numpy's and PyTorch's do, for all pairs of awkward values, and nothing
    of it is undefined in C."""
    information = np.iinfo(dtype.numpy)
    values = [0, 1, 2, 3, 7, information.max, information.max - 1, information.min]
    values += [-1, -2, -7, information.min + 1] if information.min else [128, 200]
    a, b = (np.array(each, dtype.numpy) for each in zip(*itertools.product(values, values), strict=True))
    functions = ["add", "sub", "mul", "floor_divide", "remainder", "maximum", "minimum", "bitwise_and", "bitwise_xor"]
    size = a.size
    with np.errstate(all="ignore"):
        expected = {
            "add": a + b,
            "sub": a - b,
            "mul": a * b,
            "floor_divide": np.where(b == 0, 0, a // np.where(b == 0, 1, b)),
            "remainder": np.where(b == 0, 0, a % np.where(b == 0, 1, b)),
            "maximum": np.maximum(a, b),
            "minimum": np.minimum(a, b),
            "bitwise_and": a & b,
            "bitwise_xor": a ^ b,
        }
    buffers = [("a", dtype, size, "argument"), ("b", dtype, size, "argument")]
    buffers += [(f"y_{name}", dtype, size, "output") for name in functions]
    launches = [
        (
            pointwise(size, lambda x, y, name=name: call(name, x, y), dtype, dtype, dtype, title=name),
            ("a", "b", f"y_{name}"),
        )
        for name in functions
    ]
    results = run_all_ways(program("integers", buffers, launches), tmp_path, a=a, b=b)
    for name in functions:
        np.testing.assert_array_equal(results[f"y_{name}"], expected[name], err_msg=name)
    unary = {"neg": -a, "abs": np.abs(a), "sign": np.sign(a), "bitwise_not": ~a}
    buffers = [("a", dtype, size, "argument"), *((f"y_{name}", dtype, size, "output") for name in unary)]
    launches = [(pointwise(size, lambda x, n=name: call(n, x), dtype, dtype), ("a", f"y_{name}")) for name in unary]
    results = run_all_ways(program("unary", buffers, launches), tmp_path, a=a)
    for name, expected_one in unary.items():
        np.testing.assert_array_equal(results[f"y_{name}"], expected_one, err_msg=name)


@pytest.mark.parametrize("dtype", [float32, float64])
def test_float_arithmetic(dtype, tmp_path: Path) -> None:
    """Float functions treat NaN, infinities, signed zeros and division by zero as PyTorch does."""
    torch = pytest.importorskip("torch")
    values = [0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -2.5, 7.0, -3.0, 1e30, np.inf, -np.inf, np.nan]
    a, b = (np.array(each, dtype.numpy) for each in zip(*itertools.product(values, values), strict=True))
    ta, tb = torch.from_numpy(a), torch.from_numpy(b)
    binary = ["add", "sub", "mul", "div", "floor_divide", "remainder", "maximum", "minimum", "pow"]
    unary = ["neg", "abs", "sign", "reciprocal", "sqrt", "rsqrt", "floor", "ceil", "trunc", "round", "exp", "expm1"]
    unary += ["log", "log1p", "tanh", "sigmoid", "erf"]
    predicates = ["eq", "ne", "lt", "le", "gt", "ge"]
    size = a.size
    buffers = [("a", dtype, size, "argument"), ("b", dtype, size, "argument")]
    launches, expected = [], {}
    for name in binary + predicates:
        result = bool_ if name in predicates else dtype
        buffers.append((f"y_{name}", result, size, "output"))
        make = lambda x, y, name=name, result=result: call(name, x, y, dtype=result)  # noqa: E731
        launches.append((pointwise(size, make, dtype, dtype, result, title=name), ("a", "b", f"y_{name}")))
        expected[name] = getattr(torch, name)(ta, tb).numpy()
    for name in unary:
        buffers.append((f"y_{name}", dtype, size, "output"))
        launches.append(
            (pointwise(size, lambda x, name=name: call(name, x), dtype, dtype, title=name), ("a", f"y_{name}"))
        )
        expected[name] = getattr(torch, name)(ta).numpy()
    results = run_all_ways(program("floats", buffers, launches), tmp_path, a=a, b=b)
    for name, wanted in expected.items():
        found = results[f"y_{name}"]
        np.testing.assert_allclose(found, wanted, rtol=1e-6 if dtype is float32 else 1e-14, err_msg=name)
        if name not in ("maximum", "minimum", "expm1", "log1p", "tanh"):
            zero = wanted == 0
            np.testing.assert_array_equal(np.signbit(found[zero]), np.signbit(wanted[zero]), err_msg=name)


def test_casts(tmp_path: Path) -> None:
    """Casts are numpy's: towards zero, wrapping between integers, and defined where C leaves them undefined."""
    source = np.array([0.0, -0.0, 1.9, -1.9, 255.0, 300.7, -129.5, 2.0**31, 1e30, -1e30, np.inf, np.nan])
    dtypes = [bool_, uint8, int8, int16, int32, int64, float32, float64]
    size = source.size
    with np.errstate(all="ignore"):
        arrays = {dtype: source.astype(dtype.numpy) for dtype in (float32, float64, int64, bool_, int16)}
        for dtype_from, array in arrays.items():
            buffers = [("a", dtype_from, size, "argument")]
            buffers += [(f"y_{dtype.short}", dtype, size, "output") for dtype in dtypes]
            launches = [
                (
                    pointwise(size, lambda x, d=dtype: call("cast", x, dtype=d), dtype_from, dtype, title="to"),
                    ("a", f"y_{dtype.short}"),
                )
                for dtype in dtypes
            ]
            results = run_all_ways(program("casts", buffers, launches), tmp_path, a=array)
            for dtype in dtypes:
                wanted = array.astype(dtype.numpy)
                np.testing.assert_array_equal(results[f"y_{dtype.short}"], wanted, f"{dtype_from} to {dtype}")


def reduction(rows: int, columns: int, combiner: str, dtype, kind: str = "vector") -> Kernel:
    i, j = index("i", rows), index("j", columns)
    value = load("in0", i * columns + j, dtype)
    position = j if combiner.startswith("arg") else None
    result = Local("total_position", int64) if combiner.startswith("arg") else Local("total", dtype)
    body = (
        Loop(
            "i",
            0,
            rows,
            (
                Accumulator("total", dtype, combiner),
                Loop("j", 0, columns, (Accumulate("total", dtype, combiner, value, position),), kind),
                Store("out0", i, result, result.dtype),
            ),
            "parallel",
        ),
    )
    size = rows * columns
    return kernel([("in0", dtype, size, "read"), ("out0", result.dtype, rows, "write")], body, combiner)


REDUCTIONS = {
    "sum": np.sum,
    "prod": np.prod,
    "max": np.max,
    "min": np.min,
    "argmax": np.argmax,
    "argmin": np.argmin,
}


@pytest.mark.parametrize("combiner", REDUCTIONS)
@pytest.mark.parametrize("dtype", [float32, float64, int32, int64, uint8])
def test_reductions(combiner: str, dtype, tmp_path: Path) -> None:
    """Reductions in vector loops: NaN goes through maxima and minima wherever it stands, the first of equals wins an
    argmax, integers wrap."""
    rows, columns = 40, 67
    rng = np.random.default_rng(0)
    if dtype.is_floating_point:
        x = rng.normal(size=(rows, columns)).astype(dtype.numpy)
        for row in range(34):
            x[row, row * 2 - row % 2 * row] = np.nan
        x[35] = -np.inf
    else:
        information = np.iinfo(dtype.numpy)
        x = rng.integers(information.min, information.max, (rows, columns), dtype.numpy, endpoint=True)
        x[:, 40:] = x[:, :27]
    given = one(reduction(rows, columns, combiner, dtype))
    with np.errstate(all="ignore"):
        expected = REDUCTIONS[combiner](x, axis=1, **({"dtype": dtype.numpy} if combiner in ("sum", "prod") else {}))
    result = run_all_ways(given, tmp_path, in0=x)["out0"]
    if dtype.is_floating_point:
        np.testing.assert_allclose(result, expected, rtol=1e-4 if dtype is float32 else 1e-10, atol=1e-5)
    else:
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(("combiner", "reference"), [("any", np.any), ("all", np.all), ("max", np.any)])
def test_truth_reductions(combiner: str, reference, tmp_path: Path) -> None:
    """Any and all over bool rows."""
    x = np.random.default_rng(0).random((50, 33)) < np.linspace(0, 1, 50)[:, None] ** 0.1
    result = run_all_ways(one(reduction(50, 33, combiner, bool_)), tmp_path, in0=x)["out0"]
    np.testing.assert_array_equal(result, reference(x, axis=1))


def test_random_draws_continue_one_stream(tmp_path: Path) -> None:
    """Random fills are the stream of the Python generator, and move its state on."""
    from graphc.randomness.stream import RandomStream

    sizes = {"u": 100, "g": 65, "d": 40, "f": 10}
    kernels = [
        kernel([("out0", float32, 100, "write")], (Random("random_uniform", "out0", 100, float32),), "random_uniform"),
        kernel([("out0", float64, 65, "write")], (Random("random_normal", "out0", 65, float64),), "random_normal"),
        kernel([("out0", bool_, 40, "write")], (Random("random_bernoulli", "out0", 40, bool_, (0.3,)),), "bernoulli"),
        kernel(
            [("out0", float32, 10, "write")], (Random("random_bernoulli", "out0", 10, float32, (0.3,)),), "bernoulli"
        ),
    ]
    dtypes = [float32, float64, bool_, float32]
    buffers = [(name, dtype, size, "output") for (name, size), dtype in zip(sizes.items(), dtypes, strict=True)]
    launches = [(each, (name,)) for each, name in zip(kernels, sizes, strict=True)]
    compiled = compile_loops(program("random", buffers, launches))
    stream, reference = RandomStream(3), RandomStream(3)
    results = load_program(compiled)(random_state=stream.buffer)
    np.testing.assert_array_equal(results["u"], reference.uniform(100, np.float32))
    np.testing.assert_allclose(results["g"], reference.normal(65, np.float64), rtol=1e-14)
    np.testing.assert_array_equal(results["d"], reference.bernoulli(0.3, 40))
    np.testing.assert_array_equal(results["f"], reference.bernoulli(0.3, 10))
    np.testing.assert_array_equal(stream.buffer, reference.buffer)
    arrays = [np.zeros(b.size, b.dtype.numpy) for b in compiled.buffers]
    assert run_sanitized(compiled, [*arrays, RandomStream(3).buffer], tmp_path)[0] == 0
    with pytest.raises(TypeError, match="random_state"):
        load_program(compiled)()


def test_without_openmp(tmp_path: Path) -> None:
    """A program for many threads compiles without OpenMP, without a warning, and gives the same result."""
    compiled = compile_loops(one(softmax(300, 257)), threads=2)
    assert "#pragma omp parallel" in compiled.source
    x = floats(300, 257)
    arrays = [x.reshape(-1).copy(), np.zeros(x.size, np.float32)]
    run_sanitized(compiled, arrays, tmp_path, threads=2, openmp=False)
    close(arrays[1], load_program(compiled)(in0=x)["out0"])


def test_small_programs_stay_on_one_thread() -> None:
    """A program of a few microseconds has no parallel region."""
    given = one(softmax(2, 3))
    small = LoopProgram(
        given.name,
        given.graph,
        given.buffers,
        tuple(type(each)(each.kernel, each.buffers, each.origins, 60) for each in given.launches),
        given.outputs,
    )
    assert "omp parallel" not in compile_loops(small, threads=2).source


def test_locals_conditions_and_unused_definitions(tmp_path: Path) -> None:
    """Definitions that nothing reads are dropped, so that no compiler warns; index values become numbers."""
    i = index("i", 20)
    body = (
        Loop(
            "i",
            0,
            20,
            (
                Let("unused", float32, load("in0", i)),
                Let("used", float32, call("mul", load("in0", i), FromIndex(i, float32))),
                Store("out0", i, Local("used", float32), float32),
            ),
            "vector",
        ),
    )
    given = one(kernel([("in0", float32, 20, "read"), ("out0", float32, 20, "write")], body, "mul"))
    assert "unused" not in compile_loops(given).source.split("graphc_run")[0].split("kernels")[1]
    x = floats(20)
    close(run_all_ways(given, tmp_path, in0=x)["out0"], x * np.arange(20))


def test_hostile_names() -> None:
    """Names of programs, buffers and files can't leave their comment or identifier."""
    from graphc.codegen.loops import Launch, Origin
    from graphc.ir.graph import Location

    evil = '*/ system("x"); /* ??/\n \\'
    base = pointwise(8, lambda x: call("neg", x), float32, float32, title=evil)
    given = program(evil, [(evil, float32, 8, "argument"), ("int", float32, 8, "output")], [(base, (evil, "int"))])
    launch = Launch(base, given.launches[0].buffers, (Origin(evil, Location(evil, 3)),), 10**7)
    given = LoopProgram(evil, given.graph, given.buffers, (launch,), given.outputs)
    executable = load_program(compile_loops(given))
    assert executable.build.messages == ""
    close(executable(**{evil: np.arange(8)})["int"], -np.arange(8.0))


def test_wrong_arrays_are_refused() -> None:
    """Arrays of the wrong number, dtype, or size are named before anything runs."""
    executable = load_program(compile_loops(one(softmax(2, 3))))
    with pytest.raises(ValueError, match="2 buffers, 1 were given"):
        executable.run([np.zeros(6, np.float32)])
    with pytest.raises(ValueError, match="in0 takes a contiguous array of 6 float32"):
        executable.run([np.zeros(6), np.zeros(6, np.float32)])
    with pytest.raises(TypeError, match="no value given for in0"):
        executable()
