"""Convolutions of arrays: columns in runs and in parts give what the definition gives, on any number of threads."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from graphc import thread_count
from graphc.ops import convolution_arrays
from graphc.ops.convolution_arrays import Sizes, convolve, input_gradient, weight_gradient

# Of each: extents, kernel, stride, padding, dilation.
GEOMETRIES = [
    ((7,), (3,), (1,), (1,), (1,)),
    ((6, 5), (3, 2), (1, 1), (0, 0), (1, 1)),
    ((6, 5), (3, 3), (1, 1), (1, 1), (1, 1)),
    ((6, 7), (3, 2), (1, 1), (2, 1), (2, 3)),
    ((8, 7), (3, 3), (2, 2), (1, 1), (1, 1)),
    ((8, 7), (3, 3), (2, 1), (0, 3), (1, 2)),
    ((5, 5), (1, 1), (1, 1), (0, 0), (1, 1)),
    ((5, 5), (1, 1), (2, 2), (0, 0), (1, 1)),
    ((4, 3), (1, 1), (1, 1), (2, 2), (1, 1)),
    ((4, 3, 5), (2, 2, 2), (1, 1, 1), (1, 0, 1), (1, 1, 1)),
    ((4, 3, 5), (2, 3, 2), (2, 1, 1), (0, 1, 0), (1, 1, 2)),
]


@pytest.fixture(params=[(1, 1), (40, 3), (1 << 18, 1)], ids=["one by one", "threads", "at once"])
def parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many elements the columns of one part have, and how many threads work on the parts."""
    columns, threads = request.param
    monkeypatch.setattr(convolution_arrays, "COLUMNS", columns)
    monkeypatch.setattr(thread_count.setting, "count", threads)


def product_of_all(
    weight: np.ndarray, x: np.ndarray, cotangent: np.ndarray, stride: Sizes, padding: Sizes, dilation: Sizes
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The convolution and its gradients by the definition: a sum over every place and every element of the kernel."""
    spatial = len(stride)
    wide = np.pad(x, [(0, 0)] * (x.ndim - spatial) + [(width, width) for width in padding])
    result, wide_gradient, weight_gradients = np.zeros_like(cotangent), np.zeros_like(wide), np.zeros_like(weight)
    for tap in itertools.product(*map(range, weight.shape[-spatial:])):
        under = tuple(
            slice(at * gap, at * gap + (count - 1) * step + 1, step)
            for at, gap, count, step in zip(tap, dilation, cotangent.shape[-spatial:], stride, strict=True)
        )
        met, of_tap = wide[(..., *under)], weight[(..., *tap)]
        result += np.einsum("...oc,n...cp->n...op", of_tap, met.reshape(*met.shape[:-spatial], -1)).reshape(
            result.shape
        )
        flat = cotangent.reshape(*cotangent.shape[:-spatial], -1)
        wide_gradient[(..., *under)] += np.einsum("...oc,n...op->n...cp", of_tap, flat).reshape(met.shape)
        weight_gradients[(..., *tap)] = np.einsum("n...op,n...cp->...oc", flat, met.reshape(*met.shape[:-spatial], -1))
    inside = tuple(slice(width, width + extent) for width, extent in zip(padding, x.shape[-spatial:], strict=True))
    return result, wide_gradient[(..., *inside)], weight_gradients


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize("groups", [(), (2,)], ids=["whole", "groups"])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_the_definition(geometry: tuple, groups: tuple[int, ...]) -> None:
    """A convolution and both gradients are the sums that define them."""
    extents, kernel, stride, padding, dilation = geometry
    generator = np.random.default_rng(0)
    weight = generator.normal(size=(*groups, 3, 2, *kernel))
    x = generator.normal(size=(5, *groups, 2, *extents))
    found = convolve(weight, x, stride, padding, dilation)
    cotangent = generator.normal(size=found.shape)
    expected = product_of_all(weight, x, cotangent, stride, padding, dilation)
    found_x = input_gradient(weight, cotangent, extents, stride, padding, dilation)
    found_weight = weight_gradient(cotangent, x, kernel, stride, padding, dilation)
    for one, other in zip((found, found_x, found_weight), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.usefixtures("parts")
def test_no_sample() -> None:
    """A batch of nothing gives nothing, and a weight gradient of zeros."""
    x, weight = np.zeros((0, 2, 5, 5)), np.ones((3, 2, 3, 3))
    geometry = ((1, 1), (0, 0), (1, 1))
    result = convolve(weight, x, *geometry)
    assert result.shape == (0, 3, 3, 3)
    assert input_gradient(weight, result, (5, 5), *geometry).shape == x.shape
    np.testing.assert_array_equal(weight_gradient(result, x, (3, 3), *geometry), np.zeros_like(weight))


@pytest.mark.usefixtures("parts")
def test_infinity_reaches_only_what_meets_it() -> None:
    """An infinite element at the border makes no weight's gradient NaN that it has no part in."""
    x = np.ones((2, 1, 4, 4))
    x[0, 0, 0, 0] = np.inf
    gradient = weight_gradient(np.ones((2, 1, 2, 2)), x, (3, 3), (1, 1), (0, 0), (1, 1))
    expected = np.full((1, 1, 3, 3), 8.0)
    expected[0, 0, 0, 0] = np.inf
    np.testing.assert_array_equal(gradient, expected)


def test_threads_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The weight's gradient is summed in one order, however many threads there are."""
    monkeypatch.setattr(convolution_arrays, "COLUMNS", 500)
    generator = np.random.default_rng(0)
    x, cotangent = (generator.normal(size=(9, 3, 8, 8)).astype(np.float32) for _ in range(2))
    found = set()
    for count in (1, 2, 4):
        monkeypatch.setattr(thread_count.setting, "count", count)
        found.add(weight_gradient(cotangent, x, (3, 3), (1, 1), (1, 1), (1, 1)).tobytes())
    assert len(found) == 1
