"""Loop programs written by hand, and what they compute, for the tests of printers, plans, and schedules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from graphc.codegen.loops import (
    Accumulate,
    Accumulator,
    Buffer,
    CheckIndex,
    Contract,
    Kernel,
    Launch,
    Let,
    Local,
    Loop,
    LoopProgram,
    Origin,
    Parameter,
    Statement,
    Store,
)
from graphc.ir.graph import Graph, Location
from graphc.ir.integers import Integer, variable
from graphc.ir.scalars import Call, Constant, Load, Scalar, as_index, both, choose, within
from graphc.ir.types import DType, float32, int64

Arrays = dict[str, np.ndarray]


def index(name: str, extent: int) -> Integer:
    """A loop variable of ``range(extent)``."""
    return variable(name, 0, extent - 1)


def load(name: str, offset: Integer, dtype: DType = float32) -> Load:
    return Load(name, (offset,), dtype)


def call(function: str, *arguments: Scalar, dtype: DType | None = None) -> Call:
    return Call(function, arguments, dtype or arguments[0].dtype)


def kernel(parameters: Sequence[tuple[str, DType, int, str]], body: object, *operations: str) -> Kernel:
    """A kernel of parameters (name, dtype, size, access)."""
    return Kernel(tuple(Parameter(*each) for each in parameters), body, operations)


def program(
    name: str, buffers: Sequence[tuple[str, DType, int, str]], launches: Sequence[tuple[Kernel, Sequence[str]]]
) -> LoopProgram:
    """A program of buffers (name, dtype, size, kind) and launches; every launch claims to be slow, so that threads
    share it."""
    return LoopProgram(
        name,
        Graph(name, (), (), ()),
        tuple(Buffer(*each) for each in buffers),
        tuple(
            Launch(each, tuple(names), tuple(Origin(o, Location("model.py", 7)) for o in each.operations), 10**6)
            for each, names in launches
        ),
        tuple(each[0] for each in buffers if each[3] == "output"),
    )


def pointwise(size: int, expression: Callable[..., Scalar], *dtypes: DType, title: str = "pointwise") -> Kernel:
    """``out0[i] = expression(in0[i], in1[i], ...)``; the last dtype is the result's."""
    i = index("i", size)
    inputs = [(f"in{k}", dtype, size, "read") for k, dtype in enumerate(dtypes[:-1])]
    value = expression(*(load(name, i, dtype) for name, dtype, _, _ in inputs))
    body = (Loop("i", 0, size, (Store("out0", i, value, dtypes[-1]),), "parallel"),)
    return kernel([*inputs, ("out0", dtypes[-1], size, "write")], body, title)


def softmax(rows: int, columns: int) -> Kernel:
    i, j = index("i", rows), index("j", columns)
    offset = i * columns + j
    top, total, power = Local("top", float32), Local("total", float32), Local("power", float32)
    sweeps: tuple[Statement, ...] = (
        Accumulator("top", float32, "max"),
        Loop("j", 0, columns, (Accumulate("top", float32, "max", load("in0", offset)),), "vector"),
        Accumulator("total", float32, "sum"),
        Loop(
            "j",
            0,
            columns,
            (
                Let("power", float32, call("exp", call("sub", load("in0", offset), top))),
                Accumulate("total", float32, "sum", power),
                Store("out0", offset, power, float32),
            ),
            "vector",
        ),
        Loop("j", 0, columns, (Store("out0", offset, call("div", load("out0", offset), total), float32),), "vector"),
    )
    body = (Loop("i", 0, rows, sweeps, "parallel"),)
    size = rows * columns
    return kernel([("in0", float32, size, "read"), ("out0", float32, size, "write")], body, "amax", "exp", "sum", "div")


def matmul(
    batch: int, rows: int, depth: int, columns: int, *, left: str = "mk", right: str = "kn", dtype: DType = float32
) -> Kernel:
    """``relu(in0 @ in1 + in2)`` with operands in any order of axes; in2 is a row of ``columns``."""
    b, m, n, k = index("b", batch), index("m", rows), index("n", columns), index("k", depth)
    left_offset = b * (rows * depth) + (m * depth + k if left == "mk" else k * rows + m)
    right_offset = b * (depth * columns) + (k * columns + n if right == "kn" else n * depth + k)
    value = call("maximum", call("add", Local("total", dtype), load("in2", n, dtype)), Constant(0, dtype))
    body = Contract(
        batch,
        rows,
        columns,
        depth,
        dtype,
        load("in0", left_offset, dtype),
        load("in1", right_offset, dtype),
        (Store("out0", b * (rows * columns) + m * columns + n, value, dtype),),
    )
    parameters = [
        ("in0", dtype, batch * rows * depth, "read"),
        ("in1", dtype, batch * depth * columns, "read"),
        ("in2", dtype, columns, "read"),
        ("out0", dtype, batch * rows * columns, "write"),
    ]
    return kernel(parameters, body, "matmul", "add", "relu")


@dataclass(frozen=True)
class Convolution:
    """A two-dimensional convolution, square in everything, and its kernels as lowering writes them."""

    images: int
    inputs: int
    outputs: int
    size: int
    window: int
    stride: int = 1
    padding: int = 0

    @property
    def result(self) -> int:
        return (self.size + 2 * self.padding - self.window) // self.stride + 1

    def pixel(self, image: Integer, channel: Integer, y: Integer, x: Integer) -> Scalar:
        """An input pixel; 0 in the padding. ``y`` and ``x`` count from the padding's edge."""
        y, x = y - self.padding, x - self.padding
        offset = ((image * self.inputs + channel) * self.size + y) * self.size + x
        inside = both(within(y, 0, self.size), within(x, 0, self.size))
        return choose(inside, load("in0", offset), Constant(0.0, float32))

    def forward(self) -> Kernel:
        r, w, area = self.result, self.window, self.window**2
        m, n, k = index("m", self.images * r * r), index("n", self.outputs), index("k", self.inputs * area)
        image, y, x = m // (r * r), m // r % r, m % r
        left = self.pixel(image, k // area, y * self.stride + k // w % w, x * self.stride + k % w)
        offset = (image * self.outputs + n) * (r * r) + m % (r * r)
        body = Contract(
            1,
            self.images * r * r,
            self.outputs,
            self.inputs * area,
            float32,
            left,
            load("in1", n * (self.inputs * area) + k),
            (Store("out0", offset, Local("total", float32), float32),),
        )
        return kernel(self._parameters("in1", "out0"), body, "conv2d")

    def weight_gradient(self) -> Kernel:
        r, w, area = self.result, self.window, self.window**2
        m, n = index("m", self.outputs), index("n", self.inputs * area)
        k = index("k", self.images * r * r)
        image, y, x = k // (r * r), k // r % r, k % r
        right = self.pixel(image, n // area, y * self.stride + n // w % w, x * self.stride + n % w)
        left = load("in1", (image * self.outputs + m) * (r * r) + k % (r * r))
        body = Contract(
            1,
            self.outputs,
            self.inputs * area,
            self.images * r * r,
            float32,
            left,
            right,
            (Store("out0", m * (self.inputs * area) + n, Local("total", float32), float32),),
        )
        return kernel(self._parameters("out0", "in1"), body, "conv2d_weight_gradient")

    def _parameters(self, weight: str, result: str) -> list[tuple[str, DType, int, str]]:
        sizes = {
            "in0": self.images * self.inputs * self.size**2,
            weight: self.outputs * self.inputs * self.window**2,
            result: self.images * self.outputs * self.result**2,
        }
        return [(name, float32, sizes[name], "write" if name == "out0" else "read") for name in ("in0", "in1", "out0")]

    def patches(self, x: np.ndarray) -> np.ndarray:
        """[images, result, result, inputs, window, window]: what each output pixel sees."""
        x = x.reshape(self.images, self.inputs, self.size, self.size)
        pad = (self.padding, self.padding)
        x = np.pad(x, ((0, 0), (0, 0), pad, pad))
        views = np.lib.stride_tricks.sliding_window_view(x, (self.window, self.window), (2, 3))
        return views[:, :, :: self.stride, :: self.stride].transpose(0, 2, 3, 1, 4, 5)


def row_gather(rows: int, width: int, count: int) -> tuple[Kernel, Kernel]:
    """A kernel that checks ``count`` indices into ``rows`` rows, and one that gathers those rows."""
    i, j = index("i", count), index("j", width)
    chosen = load("in0", i, int64)
    check = kernel([("in0", int64, count, "read")], (Loop("i", 0, count, (CheckIndex(chosen, rows),)),), "index_select")
    value = load("in1", as_index(chosen, rows) * width + j)
    body = (Loop("i", 0, count, (Loop("j", 0, width, (Store("out0", i * width + j, value, float32),), "vector"),)),)
    gather = kernel(
        [
            ("in0", int64, count, "read"),
            ("in1", float32, rows * width, "read"),
            ("out0", float32, count * width, "write"),
        ],
        body,
        "index_select",
    )
    return check, gather


def floats(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)
