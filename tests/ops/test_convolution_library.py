"""Eager convolutions in compiled C: the same as numpy's, for every geometry, and within their memory."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

import graphc
from graphc.ops import convolution_arrays, convolution_library

Sizes = tuple[int, ...]
Geometry = tuple[int, int, int, int, Sizes, Sizes, Sizes, Sizes, Sizes]

pytestmark = pytest.mark.skipif(convolution_library._loaded("float32") is None, reason="there is no compiler")

# samples, groups, channels, outputs, extents, kernel, stride, padding, dilation
CUTS: list[Geometry] = [
    (2, 1, 64, 40, (60, 50), (3, 3), (1, 1), (1, 1), (1, 1)),  # pictures in cuts of rows
    (2, 1, 300, 40, (14, 14), (3, 3), (1, 1), (1, 1), (1, 1)),  # channels in blocks
    (2, 1, 20, 200, (20, 20), (3, 3), (1, 1), (1, 1), (1, 1)),  # rows of the cotangent in blocks
    (70, 1, 8, 8, (6, 6), (3, 3), (1, 1), (1, 1), (1, 1)),  # several samples in one sum
    (1, 1, 4, 8, (9000,), (9,), (1,), (4,), (1,)),  # a sequence
    (2, 2, 6, 8, (40, 33), (7, 7), (2, 3), (3, 3), (1, 1)),
]


def drawn(number: int) -> Geometry:
    """A geometry of one to three dimensions in which anything may be odd."""
    choose = random.Random(number)
    count = choose.choice((1, 2, 2, 2, 3))
    most = {1: 60, 2: 21, 3: 9}[count]
    while True:
        extents, kernel, stride, padding, dilation = (
            tuple(choose.choice(of) for _ in range(count))
            for of in (range(3, most), (1, 2, 3, 3, 5), (1, 1, 2, 3), (0, 1, 2, 4), (1, 1, 2))
        )
        if min(map(convolution_arrays.convolved_extent, extents, kernel, stride, padding, dilation)) > 0:
            sizes = (choose.choice((0, 1, 2, 3, 9, 20)), choose.choice((1, 1, 1, 2)), choose.choice((1, 3, 8, 19)))
            return (*sizes, choose.choice((2, 6, 17)), extents, kernel, stride, padding, dilation)


def operands(geometry: Geometry, dtype: type, seed: int = 0) -> dict[str, np.ndarray]:
    samples, groups, channels, outputs, extents, kernel, stride, padding, dilation = geometry
    places = tuple(map(convolution_arrays.convolved_extent, extents, kernel, stride, padding, dilation))
    group = (groups,) if groups > 1 else ()
    shapes = {
        "x": (samples, *group, channels, *extents),
        "weight": (*group, outputs, channels, *kernel),
        "cotangent": (samples, *group, outputs, *places),
    }
    generator = np.random.default_rng(seed)
    return {name: generator.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}


def results(geometry: Geometry, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The convolution and its gradients by what eager mode calls."""
    extents, kernel, *attributes = geometry[4:]
    with np.errstate(all="ignore"):
        return {
            "result": convolution_arrays.convolve(given["weight"], given["x"], *attributes),
            "of x": convolution_arrays.input_gradient(given["weight"], given["cotangent"], extents, *attributes),
            "of weight": convolution_arrays.weight_gradient(given["cotangent"], given["x"], kernel, *attributes),
        }


def by_numpy(
    geometry: Geometry, given: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> dict[str, np.ndarray]:
    with monkeypatch.context() as patch:
        patch.setattr(convolution_library, "WORTH_A_CALL", math.inf)
        return results(geometry, given)


@pytest.fixture(autouse=True)
def every_call_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolution_library, "WORTH_A_CALL", 0)


@pytest.mark.parametrize("number", range(120))
def test_a_drawn_geometry(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The convolution and both gradients are numpy's but for rounding, for both dtypes; of no samples, too."""
    geometry, dtype = drawn(number), (np.float32, np.float64)[number % 2]
    given = operands(geometry, dtype)
    found, expected = results(geometry, given), by_numpy(geometry, given, monkeypatch)
    for name, right in expected.items():
        assert found[name].dtype == dtype
        tolerance = (1e-5 if dtype is np.float32 else 1e-13) * max(1.0, float(np.abs(right).max(initial=0.0)))
        np.testing.assert_allclose(found[name], right, 0, tolerance, err_msg=f"{name} of {geometry}")


@pytest.mark.parametrize("geometry", CUTS, ids=str)
def test_cuts(geometry: Geometry, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too large for a cache is cut; nothing is written behind the memory that a thread works in."""
    mark = 77

    def marked(use: str, shape: Sizes, dtype: np.dtype) -> np.ndarray:
        memory = np.full(shape[0] * dtype.itemsize + 4096, mark, np.uint8)
        held.append((memory, shape[0] * dtype.itemsize))
        return memory

    held: list[tuple[np.ndarray, int]] = []
    monkeypatch.setattr(convolution_library, "scratch", marked)
    given = operands(geometry, np.float32)
    found, expected = results(geometry, given), by_numpy(geometry, given, monkeypatch)
    for name, right in expected.items():
        np.testing.assert_allclose(found[name], right, 0, 1e-5 * float(np.abs(right).max()), err_msg=name)
    assert held
    assert all((memory[size:] == mark).all() for memory, size in held)


@pytest.mark.parametrize("number", range(12))
def test_infinities_stay_where_they_belong(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No infinity and no NaN spreads through the zeros of gaps, or of taps that are not there."""
    geometry = (*CUTS, *(drawn(each) for each in range(200, 206)))[number]
    given = operands(geometry, np.float32)
    generator = np.random.default_rng(number)
    for name in ("x", "cotangent"):
        flat = given[name].reshape(-1)
        if flat.size:
            flat[generator.integers(0, flat.size, 3)] = (np.inf, -np.inf, np.nan)
    found, expected = results(geometry, given), by_numpy(geometry, given, monkeypatch)
    for name, right in expected.items():
        np.testing.assert_array_equal(np.isfinite(found[name]), np.isfinite(right), err_msg=name)


@pytest.mark.parametrize("geometry", CUTS, ids=str)
def test_threads_do_not_show(geometry: Geometry) -> None:
    """One thread and three give the same bits."""
    given = operands(geometry, np.float32)
    before = graphc.get_num_threads()
    try:
        found = []
        for threads in (1, 3):
            graphc.set_num_threads(threads)
            found.append(results(geometry, given))
    finally:
        graphc.set_num_threads(before)
    for name, array in found[0].items():
        np.testing.assert_array_equal(array, found[1][name], err_msg=name)


def test_without_a_compiler_numpy_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the library can't be had, a large convolution is computed all the same."""
    monkeypatch.setattr(convolution_library, "_loaded", lambda dtype: None)
    given = operands(CUTS[0], np.float32)
    for name, right in by_numpy(CUTS[0], given, monkeypatch).items():
        np.testing.assert_array_equal(results(CUTS[0], given)[name], right, err_msg=name)
