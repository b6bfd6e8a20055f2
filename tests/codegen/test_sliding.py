"""Contractions that read a picture through a window, on planes: every geometry, form, and cut, against plain sums."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphc.codegen.c import contractions, tiles
from graphc.codegen.executable import CompiledProgram, compile_loops, load
from graphc.codegen.lower import lower
from graphc.ir.graph import Builder
from graphc.ir.integers import variable
from graphc.ir.primitive import PRIMITIVES
from graphc.ir.types import DType, TensorType, float32, float64
from tests.codegen.lowering import graph, op
from tests.codegen.sanitize import run_sanitized

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Geometry:
    """One convolution: its sizes, and its stride, padding, and dilation for each dimension."""

    samples: int
    groups: int
    channels: int
    outputs: int
    extents: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]

    @property
    def attributes(self) -> dict[str, Any]:
        return {"stride": self.stride, "padding": self.padding, "dilation": self.dilation}

    @property
    def places(self) -> tuple[int, ...]:
        sizes = zip(self.extents, self.kernel, self.stride, self.padding, self.dilation, strict=True)
        return tuple((e + 2 * p - d * (k - 1) - 1) // s + 1 for e, k, s, p, d in sizes)

    def shapes(self, samples: Any = None) -> dict[str, tuple[Any, ...]]:
        """The shapes of the weight, the picture, and the result."""
        groups = (self.groups,) if self.groups > 1 else ()
        samples = self.samples if samples is None else samples
        return {
            "weight": (*groups, self.outputs, self.channels, *self.kernel),
            "picture": (samples, *groups, self.channels, *self.extents),
            "result": (samples, *groups, self.outputs, *self.places),
        }


def convolutions(
    geometry: Geometry, dtype: DType = float32, vector_bytes: int | None = None, samples: Any = None
) -> CompiledProgram:
    """The convolution of a weight and a picture, and both gradients for a cotangent of its result, each with a
    rectifier behind it."""
    b = Builder("convolutions")
    values = {name: b.input(name, TensorType(dtype, shape)) for name, shape in geometry.shapes(samples).items()}
    weight, picture, result = values["weight"], values["picture"], values["result"]
    outputs = {
        "forward": op("convolution", weight, picture, **geometry.attributes),
        "input_gradient": op(
            "convolution_input_gradient", weight, result, input_size=geometry.extents, **geometry.attributes
        ),
        "weight_gradient": op(
            "convolution_weight_gradient", result, picture, kernel_size=geometry.kernel, **geometry.attributes
        ),
    }
    rectified = {name: op("maximum", value, op("sub", value, value)) for name, value in outputs.items()}
    return compile_loops(lower(graph(b, {**rectified})), threads=2, vector_bytes=vector_bytes)


def arrays_for(geometry: Geometry, dtype: DType = float32, seed: int = 0) -> tuple[Arrays, Arrays]:
    """Arguments, and results computed in double precision."""
    generator = np.random.default_rng(seed)
    inputs = {name: generator.standard_normal(shape).astype(dtype.numpy) for name, shape in geometry.shapes().items()}
    wide = {name: array.astype(np.float64) for name, array in inputs.items()}
    return inputs, {name: np.maximum(array, 0) for name, array in evaluated(geometry, wide).items()}


def evaluated(geometry: Geometry, inputs: Arrays) -> Arrays:
    """The three primitives by their own evaluation."""
    attributes = geometry.attributes
    return {
        "forward": PRIMITIVES["convolution"].evaluate(inputs["weight"], inputs["picture"], **attributes),
        "input_gradient": PRIMITIVES["convolution_input_gradient"].evaluate(
            inputs["weight"], inputs["result"], input_size=geometry.extents, **attributes
        ),
        "weight_gradient": PRIMITIVES["convolution_weight_gradient"].evaluate(
            inputs["result"], inputs["picture"], kernel_size=geometry.kernel, **attributes
        ),
    }


def check(found: Arrays, expected: Arrays, dtype: DType, message: str) -> None:
    tolerance = 3e-5 if dtype is float32 else 1e-12
    for name, right in expected.items():
        scale = max(1.0, float(np.abs(right).max(initial=0.0)))
        np.testing.assert_allclose(
            found[name].reshape(right.shape), right, tolerance, tolerance * scale, err_msg=f"{name} of {message}"
        )


def drawn(number: int) -> Geometry:
    """A geometry of one to three dimensions in which anything may be odd: large paddings, steps that skip elements."""
    choose = random.Random(number)
    count = choose.choice((1, 2, 2, 2, 3))
    most = {1: 60, 2: 21, 3: 9}[count]
    while True:
        extents, kernel, stride, padding, dilation = (
            tuple(choose.choice(of) for _ in range(count))
            for of in (range(3, most), (1, 2, 3, 3, 5), (1, 1, 2, 3), (0, 1, 2, 4), (1, 1, 2))
        )
        groups = choose.choice((1, 1, 1, 2))
        sizes = (choose.choice((1, 2, 3, 9)), groups, choose.choice((1, 3, 8, 19)), choose.choice((2, 6, 17)))
        geometry = Geometry(*sizes, extents, kernel, stride, padding, dilation)
        if min(geometry.places) > 0:
            return geometry


@pytest.fixture(autouse=True)
def other_ways_cost_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planes are chosen wherever they can be, though panels may be quicker."""

    def choose(*arguments: Any) -> tiles.Tiling:
        return replace(tiles.choose_tile(*arguments), cost=math.inf)

    monkeypatch.setattr(contractions, "choose_tile", choose)


@pytest.mark.parametrize("number", range(40))
def test_a_drawn_geometry(number: int) -> None:
    """Forward and both gradients equal the primitives' own evaluation, for vectors of every width and both dtypes."""
    geometry = drawn(number)
    dtype, vector_bytes = ((float32, None), (float64, None), (float32, 16), (float32, 32))[number % 4]
    inputs, expected = arrays_for(geometry, dtype)
    check(load(convolutions(geometry, dtype, vector_bytes))(**inputs), expected, dtype, str(geometry))


SQUARE = ((3, 3), (1, 1), (1, 1), (1, 1))
CUTS = [
    Geometry(2, 1, 16, 24, (70, 30), *SQUARE),  # a picture in several cuts of rows
    Geometry(2, 1, 150, 12, (9, 9), *SQUARE),  # channels in several blocks
    Geometry(2, 1, 48, 200, (20, 20), *SQUARE),  # rows in several blocks
    Geometry(70, 1, 8, 8, (6, 6), *SQUARE),  # many samples in one sum
    Geometry(2, 1, 12, 8, (40, 60), (5, 5), (2, 2), (2, 2), (1, 1)),
    Geometry(1, 1, 6, 8, (1400,), (9,), (1,), (4,), (1,)),
]


@pytest.mark.parametrize("geometry", CUTS, ids=str)
def test_cuts(geometry: Geometry) -> None:
    """What is too large for a cache is cut in rows, channels, outputs, and samples; the planes are what is read."""
    compiled = convolutions(geometry)
    assert compiled.source.count("b: local planes") == 3
    inputs, expected = arrays_for(geometry)
    check(load(compiled)(**inputs), expected, float32, str(geometry))


@pytest.mark.parametrize("geometry", [CUTS[0], CUTS[3], CUTS[4]], ids=str)
def test_any_number_of_samples(geometry: Geometry) -> None:
    """One program serves every number of samples up to the greatest, none too."""
    compiled = convolutions(geometry, samples=variable("N", 0, geometry.samples))
    executable = load(compiled)
    for samples in {0, 1, 2, 5, 15, 16, 17, geometry.samples} & set(range(geometry.samples + 1)):
        inputs, _ = arrays_for(geometry)
        inputs = {name: array if name == "weight" else array[:samples] for name, array in inputs.items()}
        wide = {name: array.astype(np.float64) for name, array in inputs.items()}
        if samples:
            expected = {name: np.maximum(array, 0) for name, array in evaluated(geometry, wide).items()}
        else:
            shapes = geometry.shapes(0)
            expected = {
                "forward": np.zeros(shapes["result"]),
                "input_gradient": np.zeros(shapes["picture"]),
                "weight_gradient": np.zeros(shapes["weight"]),
            }
        check(executable(None, [samples], **inputs), expected, float32, f"{samples} samples")


@pytest.mark.parametrize("number", range(12))
def test_infinities_stay_where_they_belong(number: int) -> None:
    """Gaps between rows are multiplied with zeros: no infinity and no NaN in a picture spreads through them."""
    geometry = (*CUTS, *(drawn(each) for each in range(100, 106)))[number]
    inputs, _ = arrays_for(geometry)
    generator = np.random.default_rng(number)
    for name in ("picture", "result"):
        flat = inputs[name].reshape(-1)
        flat[generator.integers(0, flat.size, 3)] = (np.inf, -np.inf, np.nan)
        inputs[name][..., -1] = np.inf
    found = load(convolutions(geometry))(**inputs)
    with np.errstate(invalid="ignore"):
        expected = {name: np.maximum(array, array - array) for name, array in evaluated(geometry, inputs).items()}
    for name, right in expected.items():
        there = found[name].reshape(right.shape)
        np.testing.assert_array_equal(np.isfinite(there), np.isfinite(right), err_msg=f"{name} of {geometry}")


@pytest.mark.parametrize("geometry", [*CUTS[:1], *CUTS[3:], drawn(3), drawn(5), drawn(10)], ids=str)
@pytest.mark.parametrize("vector_bytes", [16, 64])
def test_sanitized(geometry: Geometry, vector_bytes: int, tmp_path: Path) -> None:
    """No byte outside of buffers and scratch memory is touched."""
    compiled = convolutions(geometry, vector_bytes=vector_bytes)
    inputs, expected = arrays_for(geometry)
    arrays = [
        inputs[buffer.name].copy() if buffer.name in inputs else np.zeros(expected[buffer.name].shape, np.float32)
        for buffer in compiled.buffers
    ]
    run_sanitized(compiled, arrays, tmp_path, threads=2)
    found = {buffer.name: array for buffer, array in zip(compiled.buffers, arrays, strict=True)}
    check(found, expected, float32, str(geometry))


@pytest.mark.parametrize("geometry", CUTS, ids=str)
def test_threads_do_not_show(geometry: Geometry) -> None:
    """One thread and two give the same bits."""
    inputs, _ = arrays_for(geometry)
    executable = load(convolutions(geometry))
    one, two = (executable(threads, **inputs) for threads in (1, 2))
    for name, array in one.items():
        np.testing.assert_array_equal(array, two[name], err_msg=name)
