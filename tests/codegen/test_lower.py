"""Lowering: every kind of graph computes, as loops, what its nodes compute one by one."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.codegen.interpret import OutOfRange, run_program
from graphc.codegen.listing import print_program
from graphc.codegen.lower import lower
from graphc.ir.graph import Builder
from graphc.ir.types import bool_, float32, float64, int32, int64
from tests.codegen.lowering import graph, lowered, normal, number, op, softmax, source, spread, tensor


def test_chains_broadcasts_and_views() -> None:
    """Pointwise chains over reshaped, permuted, flipped, sliced, padded and joined values."""
    b = Builder("views")
    x = b.input("x", tensor(4, 6, 5))
    blocks = op("reshape", op("permute", op("reshape", x, shape=(4, 2, 3, 5)), dims=(2, 0, 3, 1)), shape=(12, 10))
    flipped = op("flip", x, dims=(1,))
    padded = op("exp", op("pad", x, low=(0, 1, 2), high=(1, 0, 0), value=1.5))
    part = op("slice", x, starts=(1, 0, 0), stops=(4, 6, 5), steps=(2, 3, 1))
    outputs = {
        "blocks": blocks,
        "exponential": op("exp", blocks),
        "flat": op("add", op("reshape", flipped, shape=(120,)), op("reshape", x, shape=(120,))),
        "joined": op("cat", x, flipped, dim=1),
        "padded": padded,
        "part": op("neg", part),
    }
    lowered(graph(b, outputs), {"x": normal(4, 6, 5)})


@pytest.mark.parametrize("name", ["sum", "amax", "prod", "argmax", "wide_sum", "any"])
def test_reductions_over_no_dimensions(name: str) -> None:
    """A reduction over no dimensions, which nothing simplified, combines each element with the identity."""
    dtype = bool_ if name == "any" else float32
    b = Builder("nothing")
    result = op(name, b.input("x", tensor(3, 4, dtype=dtype)), dims=())
    outputs = {"result": result, "twice": op("logical_or" if name == "any" else "add", result, result)}
    lowered(graph(b, outputs), {"x": normal(3, 4) > 0 if name == "any" else normal(3, 4)})


def test_outputs_that_are_inputs_or_one_another() -> None:
    """Each output has a buffer of its own, also where two are one value or one is an argument."""
    b = Builder("same")
    x = b.input("x", tensor(3, 2))
    y = op("exp", x)
    program = lowered(graph(b, {"x1": x, "x2": x, "y1": y, "y2": y}), {"x": normal(3, 2)})
    assert len(set(program.outputs)) == 4


@pytest.mark.parametrize("shape", [(), (0, 3), (3, 0), (1, 1)])
def test_scalars_and_empty_values(shape: tuple[int, ...]) -> None:
    """Rank 0, no elements, and single elements."""
    b = Builder("small")
    x = b.input("x", tensor(*shape))
    dims = tuple(range(len(shape)))
    outputs = {"y": op("add", op("exp", x), x), "s": op("sum", x, dims=dims), "p": op("prod", x, dims=dims)}
    if len(shape) == 2:
        outputs["last"] = op("sum", x, dims=(1,))
        outputs["product"] = op("matmul", op("permute", x, dims=(1, 0)), x)
    lowered(graph(b, outputs), {"x": normal(*shape)})


def test_other_dtypes() -> None:
    """Integers, booleans, doubles, casts between them, and positions of extremes."""
    b = Builder("dtypes")
    x, y, z = (b.input(name, tensor(4, 5, dtype=dtype)) for name, dtype in (("x", int32), ("y", bool_), ("z", float64)))
    divisor = op("maximum", x, number(b, 1, (4, 5), int32))
    outputs = {
        "count": op("sum", op("cast", y, dtype=int64), dims=(1,)),
        "any": op("any", y, dims=(0,)),
        "position": op("argmin", x, dims=(1,)),
        "total": op("sum", op("where", y, op("cast", x, dtype=float64), z), dims=(0, 1)),
        "quotient": op("floor_divide", x, divisor),
    }
    generator = np.random.default_rng(0)
    arrays = {
        "x": generator.integers(-9, 9, (4, 5)).astype(np.int32),
        "y": generator.random((4, 5)) > 0.5,
        "z": generator.random((4, 5)),
    }
    lowered(graph(b, outputs), arrays)


def test_attention() -> None:
    """Heads cut out of one product, masked scores, softmax, and the heads put together again."""
    batch, time, heads, width = 2, 5, 3, 4
    channels = heads * width
    b = Builder("attention")
    x, weight = b.input("x", tensor(batch, time, channels)), b.input("w", tensor(channels, 3 * channels))
    rows = op("reshape", x, shape=(batch * time, channels))
    projected = op("reshape", op("matmul", rows, weight), shape=(batch, time, 3 * channels))

    def head(part: int):
        starts, stops = (0, 0, part * channels), (batch, time, (part + 1) * channels)
        sliced = op("slice", projected, starts=starts, stops=stops, steps=(1, 1, 1))
        return op("permute", op("reshape", sliced, shape=(batch, time, heads, width)), dims=(0, 2, 1, 3))

    query, key, value = head(0), head(1), head(2)
    square = (batch, heads, time, time)
    scores = op("matmul", query, op("permute", key, dims=(0, 1, 3, 2)))
    row, column = (source(b, "iota", shape=square, dim=dim, dtype=int64) for dim in (2, 3))
    masked = op("where", op("ge", row, column), scores, number(b, -np.inf, square))
    mixed = op("permute", op("matmul", softmax(masked), value), dims=(0, 2, 1, 3))
    result = op("add", op("reshape", mixed, shape=(batch, time, channels)), x)
    program = lowered(
        graph(b, {"y": result}), {"x": normal(batch, time, channels), "w": normal(channels, 3 * channels)}, 1e-4
    )
    assert len(program.launches) == 4


def test_convolution_and_its_gradients() -> None:
    """Bias and rectifier after a convolution, pooling, and gradients by input and weight."""
    b = Builder("convolution")
    x, weight, bias = b.input("x", tensor(2, 3, 8, 8)), b.input("w", tensor(4, 3, 3, 3)), b.input("b", tensor(4))
    cotangent, shape = b.input("ct", tensor(2, 4, 8, 8)), (2, 4, 8, 8)
    geometry = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1)}
    z = op("add", op("convolution", weight, x, **geometry), spread(bias, shape, (0, 2, 3)))
    zero = number(b, 0.0, shape)
    window = {"kernel_size": (2, 2), "stride": (2, 2), "padding": (0, 0), "dilation": (1, 1), "ceil_mode": False}
    pooled = op("max_pool", op("maximum", z, zero), **window)
    dz = op("where", op("gt", z, zero), cotangent, zero)
    outputs = {
        "pooled": pooled,
        "position": op("max_pool_position", op("maximum", z, zero), pooled, **window),
        "bias": op("sum", dz, dims=(0, 2, 3)),
        "weight": op("convolution_weight_gradient", dz, x, kernel_size=(3, 3), **geometry),
        "input": op("convolution_input_gradient", weight, dz, input_size=(8, 8), **geometry),
    }
    arrays = {"x": normal(2, 3, 8, 8), "w": normal(4, 3, 3, 3), "b": normal(4), "ct": normal(*shape, seed=1)}
    lowered(graph(b, outputs), arrays, 1e-4)


def test_matrix_times_vector_and_outer_product() -> None:
    """One row: sums over the matrix as it lies in memory; a depth of one: no sum at all."""
    b = Builder("vectors")
    x, w, u = b.input("x", tensor(1, 20)), b.input("w", tensor(20, 70), "state"), b.input("u", tensor(70, 20))
    y = op("matmul", x, w)
    outputs = {"y": y, "z": op("tanh", op("matmul", x, op("permute", u, dims=(1, 0))))}
    step = op("sub", w, op("matmul", op("permute", x, dims=(1, 0)), y))
    lowered(graph(b, outputs, {w: step}), {"x": normal(1, 20), "w": normal(20, 70), "u": normal(70, 20)}, 1e-4)


def test_weight_gradient_along_the_weight() -> None:
    """A product that is stored transposed is computed transposed: its stores lie side by side."""
    b = Builder("transposed")
    x, g, w = b.input("x", tensor(7, 5)), b.input("g", tensor(7, 6)), b.input("w", tensor(6, 5), "state")
    product = op("permute", op("matmul", op("permute", x, dims=(1, 0)), g), dims=(1, 0))
    program = lowered(
        graph(b, {}, {w: op("sub", w, product)}), {"x": normal(7, 5), "g": normal(7, 6), "w": normal(6, 5)}
    )
    (launch,) = program.launches
    assert (launch.kernel.body.rows, launch.kernel.body.columns) == (6, 5)


def test_embedding_and_its_gradient() -> None:
    """Rows by index, and the update of the table by sums into those rows; equal indices add up."""
    b = Builder("embedding")
    table, index = b.input("w", tensor(11, 70), "state"), b.input("t", tensor(2, 5, dtype=int64))
    cotangent = b.input("ct", tensor(2, 5, 70))
    y = op("tanh", op("index_select", table, index, dim=0))
    rows = op("reshape", op("mul", cotangent, y), shape=(10, 70))
    gradient = op("index_add", number(b, 0.0, (11, 70)), op("reshape", index, shape=(10,)), rows, dim=0)
    arrays = {"w": normal(11, 70), "t": np.array([[1, 2, 1, 0, 10], [3, 1, 4, 2, 9]]), "ct": normal(2, 5, 70, seed=1)}
    built = graph(b, {"y": y}, {table: op("sub", table, gradient)})
    program = lowered(built, arrays)
    with pytest.raises(OutOfRange):
        run_program(program, {**arrays, "t": np.full((2, 5), 11)})
    writes_state = next(
        i for i, launch in enumerate(program.launches) if "w" in launch.buffers and _writes(launch, "w")
    )
    checks = [i for i, launch in enumerate(program.launches) if launch.kernel.operations == ("check_index",)]
    assert 0 <= max(checks) < writes_state


def _writes(launch, buffer: str) -> bool:
    position = launch.buffers.index(buffer)
    return launch.kernel.parameters[position].access != "read"


def test_scatters_that_share_a_base() -> None:
    """A base that others read is copied; the chain of scatters then works in one buffer."""
    b = Builder("scatter")
    x, index, values = (
        b.input("x", tensor(4, 5), "state"),
        b.input("i", tensor(2, 5, dtype=int64)),
        b.input("s", tensor(2, 5)),
    )
    put = op("scatter", x, index, values, dim=0)
    added = op("scatter_add", put, index, op("exp", values), dim=0)
    built = graph(b, {"q": op("add", added, x), "put": put}, {x: added})
    arrays = {"x": normal(4, 5), "i": np.random.default_rng(0).integers(0, 4, (2, 5)), "s": normal(2, 5)}
    lowered(built, arrays)


def test_random_numbers_keep_the_order_of_the_graph() -> None:
    """Each draw is a launch of its own, in the order of the graph."""
    b = Builder("random")
    x = b.input("x", tensor(4, 5))
    one, zero = (source(b, "random_bernoulli", probability=p, shape=(4, 5), dtype=float32) for p in (1.0, 0.0))
    program = lowered(graph(b, {"y": op("add", op("mul", x, zero), one)}), {"x": normal(4, 5)})
    assert [launch.kernel.operations for launch in program.launches[:2]] == [("random_bernoulli",)] * 2
    assert [launch.kernel.body[0].arguments for launch in program.launches[:2]] == [(1.0,), (0.0,)]


def test_state_that_is_swapped_or_read_after_its_update() -> None:
    """Old values are read before they are overwritten, whatever depends on them."""
    b = Builder("swap")
    u, v = (b.input(name, tensor(3), "state") for name in "uv")
    lowered(graph(b, {"old": u}, {u: v, v: u}), {"u": normal(3), "v": normal(3, seed=1)})

    b = Builder("mixed")
    u, v, w = (b.input(name, tensor(4), "state") for name in "uvw")
    new = op("add", u, v)
    turned = op("flip", u, dims=(0,))
    lowered(
        graph(b, {"new": new, "old": u, "turned": turned}, {u: new, v: u, w: turned}),
        {"u": normal(4), "v": normal(4, seed=1), "w": normal(4, seed=2)},
    )

    b = Builder("not aligned")
    u = b.input("u", tensor(4), "state")
    new = op("add", u, op("flip", u, dims=(0,)))
    lowered(graph(b, {"c": op("exp", new)}, {u: new}), {"u": normal(4)})


def test_state_that_a_sweep_reads_is_overwritten_after_it() -> None:
    """A row of state that every row of a value reads keeps its entry value for all of them, though its update reads it
    element for element in the same kernel."""
    b = Builder("row")
    weight, x = b.input("weight", tensor(1, 12), "state"), b.input("x", tensor(9, 1))
    wide = op("mul", op("expand", x, shape=(9, 12)), op("expand", weight, shape=(9, 12)))
    outputs = {"wide": wide, "total": op("sum", wide, dims=(0,))}
    lowered(
        graph(b, outputs, {weight: op("mul", weight, number(b, 0.5, (1, 12)))}),
        {"weight": normal(1, 12), "x": normal(9, 1)},
    )


def test_symbolic_batch() -> None:
    """A batch size that is known only at run time stays a symbol in loops and buffers."""
    from graphc.ir.integers import variable

    size = variable("N", 1)
    b = Builder("symbolic")
    x = b.input("x", tensor(size, 5))
    total = op("sum", op("exp", x), dims=(1,))
    program = lower(graph(b, {"y": op("log", total)}))
    (launch,) = program.launches
    assert launch.kernel.body[0].stop == size
    assert program.buffer("y").size == size


def test_listing_shows_buffers_kernels_and_launches() -> None:
    """The text of a program, as a dump shows it."""
    b = Builder("scaled")
    x = b.input("x", tensor(2, 3))
    program = lower(graph(b, {"y": op("mul", op("exp", x), number(b, 2.0, (2, 3)))}))
    assert print_program(program) == (
        "program scaled\n\n"
        "buffers\n"
        "    x  argument  f32[6]\n"
        "    y  output    f32[6]\n\n"
        "kernel exp_mul(read in0: f32[6], write out0: f32[6])\n"
        "    # exp, mul\n"
        "    for i0 in 0..6 parallel\n"
        "        out0[i0] = mul(exp(in0[i0]), 2.0)\n\n"
        "launches\n"
        "    exp_mul(x, y)\n\n"
        "outputs y\n"
    )


@pytest.mark.parametrize(("readers", "copies"), [(3, 0), (4, 1)])
def test_a_matrix_that_many_products_turn_is_turned_once(readers: int, copies: int) -> None:
    """Each step of a sequence multiplies by the same transposed weight: it lies in order after one copy."""
    b = Builder("turned")
    weight = b.input("w", tensor(10, 6))
    arrays = {"w": normal(10, 6)}
    outputs = {}
    for step in range(readers):
        x = b.input(f"x{step}", tensor(3, 6))
        arrays[f"x{step}"] = normal(3, 6, seed=step)
        outputs[f"y{step}"] = op("matmul", x, op("permute", weight, dims=(1, 0)))
    program = lowered(graph(b, outputs), arrays)
    assert (
        sum("permute" in launch.kernel.operations for launch in program.launches if len(launch.buffers) == 2) == copies
    )
