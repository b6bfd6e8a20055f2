"""Fusion: what should be one kernel is one, and what must not be is not."""

from __future__ import annotations

from graphc.codegen.loops import Contract, LocalArray
from graphc.codegen.lower import lower
from graphc.ir.graph import Builder, Symbol
from tests.codegen.lowering import graph, lowered, normal, number, op, softmax, spread, tensor


def test_softmax_and_its_gradient_are_rows() -> None:
    """Softmax is one kernel, and with its gradient still one: each row is read while it is in cache."""
    b = Builder("softmax")
    x, cotangent = b.input("x", tensor(4, 5)), b.input("ct", tensor(4, 5))
    y = softmax(x)
    inner = op("sum", op("mul", cotangent, y), dims=(1,))
    gradient = op("mul", y, op("sub", cotangent, spread(inner, (4, 5), (1,))))
    program = lowered(graph(b, {"y": y, "dx": gradient}), {"x": normal(4, 5), "ct": normal(4, 5, seed=1)})
    assert len(program.launches) == 1


def test_costly_values_of_a_row_are_kept_not_computed_twice() -> None:
    """The exponentials of a softmax wait in a small array for their sum."""
    b = Builder("softmax")
    program = lower(graph(b, {"y": softmax(b.input("x", tensor(8, 33)))}))
    (launch,) = program.launches
    (rows,) = launch.kernel.body
    assert [(s.name, s.size) for s in rows.body if isinstance(s, LocalArray)] == [("row0", 33)]


def _layer_norm(b: Builder, x: Symbol, shape: tuple[int, int]) -> tuple[Symbol, Symbol]:
    rows, width = shape
    scale = number(b, 1 / width, (rows,))
    centred = op("sub", x, spread(op("mul", op("sum", x, dims=(1,)), scale), shape, (1,)))
    variance = op("mul", op("sum", op("mul", centred, centred), dims=(1,)), scale)
    deviation = op("rsqrt", op("add", variance, number(b, 1e-5, (rows,))))
    return op("mul", centred, spread(deviation, shape, (1,))), deviation


def test_layer_norm_takes_the_residual_sum_along() -> None:
    """A sum that others need, then layer norm: one kernel with two stores."""
    b = Builder("layer_norm")
    x, residual = b.input("x", tensor(6, 33)), b.input("r", tensor(6, 33))
    h = op("add", x, residual)
    y, _ = _layer_norm(b, h, (6, 33))
    program = lowered(graph(b, {"h": h, "y": y}), {"x": normal(6, 33), "r": normal(6, 33, seed=1)})
    assert len(program.launches) == 1


def test_batch_norm_updates_its_running_mean_in_place() -> None:
    """Statistics over three dimensions, normalisation, and the running mean: one kernel, no copy."""
    shape = (4, 9, 5, 6)
    b = Builder("batch_norm")
    x, running = b.input("x", tensor(*shape)), b.input("mean", tensor(9), "state")
    scale = number(b, 1 / 120, (9,))
    mean = op("mul", op("sum", x, dims=(0, 2, 3)), scale)
    centred = op("sub", x, spread(mean, shape, (0, 2, 3)))
    variance = op("mul", op("sum", op("mul", centred, centred), dims=(0, 2, 3)), scale)
    y = op("mul", centred, spread(op("rsqrt", variance), shape, (0, 2, 3)))
    moved = op("add", op("mul", running, number(b, 0.9, (9,))), op("mul", mean, number(b, 0.1, (9,))))
    program = lowered(graph(b, {"y": y}, {running: moved}), {"x": normal(*shape), "mean": normal(9)}, 1e-4)
    assert [launch.buffers for launch in program.launches] == [("x", "mean", "y")]


def test_bias_activation_and_residual_follow_a_product() -> None:
    """Pointwise readers of a matrix product go into its epilogue, also through a reshape; the product has no buffer."""
    b = Builder("linear")
    x, weight, bias = b.input("x", tensor(6, 5)), b.input("w", tensor(5, 8)), b.input("b", tensor(8))
    residual = b.input("r", tensor(2, 3, 8))
    hidden = op("tanh", op("add", op("matmul", x, weight), spread(bias, (6, 8), (0,))))
    y = op("add", op("reshape", hidden, shape=(2, 3, 8)), residual)
    arrays = {"x": normal(6, 5), "w": normal(5, 8), "b": normal(8), "r": normal(2, 3, 8, seed=1)}
    program = lowered(graph(b, {"h": hidden, "y": y}), arrays)
    assert len(program.launches) == 1
    assert isinstance(program.launches[0].kernel.body, Contract)
    assert {buffer.kind for buffer in program.buffers} == {"argument", "output"}


def test_optimizer_update_follows_the_gradient() -> None:
    """Adam's two moments and the parameter are stored from the epilogue of the weight gradient, in place."""
    shape = (5, 6)
    b = Builder("adam")
    parameter, first, second = (b.input(name, tensor(*shape), "state") for name in ("p", "m", "v"))
    x, y, rate = b.input("x", tensor(3, 5)), b.input("y", tensor(3, 6)), b.input("lr", tensor(), "scalar")
    gradient = op("matmul", op("permute", x, dims=(1, 0)), y)
    new_first = op("add", op("mul", first, number(b, 0.9, shape)), op("mul", gradient, number(b, 0.1, shape)))
    square = op("mul", gradient, gradient)
    new_second = op("add", op("mul", second, number(b, 0.99, shape)), op("mul", square, number(b, 0.01, shape)))
    step = op("div", new_first, op("add", op("sqrt", new_second), number(b, 1e-8, shape)))
    step = op("mul", spread(rate, shape, (0, 1)), step)
    built = graph(b, {}, {parameter: op("sub", parameter, step), first: new_first, second: new_second})
    arrays = {"p": normal(*shape), "m": normal(*shape, seed=1), "v": abs(normal(*shape, seed=2))}
    program = lowered(built, {**arrays, "x": normal(3, 5), "y": normal(3, 6), "lr": normal()}, 1e-4)
    assert len(program.launches) == 1
    assert all(buffer.kind != "temporary" for buffer in program.buffers)


def test_costly_operands_of_a_product_are_stored_cheap_ones_are_not() -> None:
    """A rectifier is computed while packing; a hyperbolic tangent is not."""
    for function, launches in (("neg", 1), ("tanh", 2)):
        b = Builder(function)
        x, weight = b.input("x", tensor(6, 5)), b.input("w", tensor(5, 8))
        program = lowered(
            graph(b, {"y": op("matmul", op(function, x), weight)}), {"x": normal(6, 5), "w": normal(5, 8)}
        )
        assert len(program.launches) == launches


def test_no_group_waits_for_itself() -> None:
    """A value that reads a kernel's first and, through another kernel, its second result starts a new kernel."""
    b = Builder("circle")
    x, weight = b.input("x", tensor(6, 6)), b.input("w", tensor(6, 6))
    first = op("exp", x)
    product = op("matmul", first, weight)
    last = op("add", first, op("matmul", op("tanh", product), weight))
    outputs = {"first": first, "last": last, "sum": op("sum", last, dims=(1,))}
    program = lowered(graph(b, outputs), {"x": normal(6, 6), "w": normal(6, 6, seed=1)}, 1e-4)
    assert len(program.launches) == 4


def test_equal_layers_are_equal_kernels() -> None:
    """Kernels name parameters by position: the second layer adds launches but no kernel."""
    b = Builder("deep")
    x = b.input("x", tensor(4, 8))
    for layer in range(3):
        weight, bias = b.input(f"w{layer}", tensor(8, 8)), b.input(f"b{layer}", tensor(8))
        x = op("tanh", op("add", op("matmul", x, weight), spread(bias, (4, 8), (0,))))
    program = lower(graph(b, {"y": x}))
    assert len(program.launches) == 3
    assert len({launch.kernel for launch in program.launches}) == 1


def test_values_of_equal_size_that_share_a_part_are_not_one_walk() -> None:
    """Rows side by side and rows one above the other read the first row at the same places, and the rest elsewhere."""
    b = Builder("joined")
    x, y, z = (b.input(name, tensor(1, 13)) for name in "xyz")
    beside, above = op("cat", x, y, dim=1), op("cat", x, z, dim=0)
    results = {"beside": beside, "above": op("add", above, above)}
    lowered(graph(b, results), {name: normal(1, 13, seed=place) for place, name in enumerate("xyz")})
