"""Gradients of every smooth op sample against finite differences in float64: first order and second."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphc.autograd.gradients import grad
from graphc.tensor import Tensor
from tests.ops.running import apply_sample, flat_values, keyword_arrays, tensors_of
from tests.ops.samples import ALL_SAMPLES, OpSample, flat_arrays, map_arrays

SMOOTH = [sample for sample in ALL_SAMPLES if sample.smooth and not sample.random and sample.differentiable_positions()]
# Each check moves along random directions rather than along every element: one directional derivative sees them all.
DIRECTIONS = 2


class Checked:
    """A sample as a function of its differentiable arrays, weighted to one number."""

    def __init__(self, sample: OpSample):
        self.sample = sample
        self.positional, self.keywords = sample.make("float64")
        arrays = flat_arrays(self.positional)
        self.places = sample.differentiable_positions()
        self.points = [arrays[place] for place in self.places]
        self.generator = np.random.default_rng(5)
        results = self.results([Tensor.from_array(point) for point in self.points])
        self.weights = [self.weight(result) for result in results]

    def weight(self, result: Any) -> np.ndarray:
        """Random numbers of the shape of a result, complex where it is."""
        values = self.generator.standard_normal(tuple(result.shape))
        if result.dtype.is_complex:
            values = values + 1j * self.generator.standard_normal(tuple(result.shape))
        return np.asarray(values).astype(result.dtype.numpy)

    def results(self, leaves: list[Tensor]) -> list[Any]:
        """The floating and complex results of the sample for these leaves."""
        chosen, count = dict(zip(self.places, leaves, strict=True)), [0]

        def convert(array: np.ndarray) -> Tensor:
            place, count[0] = count[0], count[0] + 1
            return chosen[place] if place in chosen else Tensor.from_array(array)

        arguments = map_arrays(self.positional, convert)
        values = flat_values(apply_sample(self.sample, arguments, keyword_arrays(self.keywords, Tensor.from_array)))
        return [value for value in tensors_of(values) if value.dtype.is_differentiable]

    def total(self, leaves: list[Tensor]) -> Any:
        """The weighted sum of all results; of complex ones the real part."""
        parts = [
            product(result, Tensor.from_array(weight))
            for result, weight in zip(self.results(leaves), self.weights, strict=True)
        ]
        return sum(parts[1:], parts[0])

    def gradients(self, arrays: list[np.ndarray], create_graph: bool = False) -> tuple[list[Tensor], list[Any]]:
        """Leaves at these points, and the gradients of the total there; zeros where it does not depend on one."""
        leaves = [Tensor.from_array(array.copy()).requires_grad_() for array in arrays]
        total = self.total(leaves)
        if not total.requires_grad:
            return leaves, [Tensor.from_array(np.zeros_like(array)) for array in arrays]
        found = grad(total, leaves, create_graph=create_graph, allow_unused=True)
        return leaves, [
            Tensor.from_array(np.zeros_like(array)) if value is None else value
            for value, array in zip(found, arrays, strict=True)
        ]

    def directions(self) -> list[np.ndarray]:
        """A random direction in the space of all leaves, of elements whose parts have magnitude 1."""

        def along(point: np.ndarray) -> np.ndarray:
            signs = self.generator.choice([-1.0, 1.0], point.shape)
            if point.dtype.kind == "c":
                signs = signs + 1j * self.generator.choice([-1.0, 1.0], point.shape)
            return np.asarray(signs)

        return [along(point) for point in self.points]


def _difference(value: Any, points: list[np.ndarray], direction: list[np.ndarray], step: float) -> float:
    """The central difference of fourth order of a function along a direction."""

    def at(multiple: float) -> float:
        return value(
            [np.asarray(point + multiple * step * along) for point, along in zip(points, direction, strict=True)]
        )

    return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * step)


def product(x: Any, y: Any) -> Any:
    """The inner product of two values; of complex ones the real part of conj(x) y, as PyTorch's gradients take it."""
    return (x.conj() * y).real.sum()


def _dot(arrays: list[Any], direction: list[np.ndarray]) -> float:
    return float(
        sum((array.detach().numpy().conj() * along).real.sum() for array, along in zip(arrays, direction, strict=True))
    )


@pytest.mark.parametrize("sample", SMOOTH, ids=lambda sample: sample.identity)
def test_first_order(sample: OpSample) -> None:
    """The gradient along random directions is the finite difference of the function along them."""
    checked = Checked(sample)
    _, gradients = checked.gradients(checked.points)

    def value(arrays: list[np.ndarray]) -> float:
        return checked.total([Tensor.from_array(array) for array in arrays]).item()

    for _ in range(DIRECTIONS):
        direction = checked.directions()
        expected = _difference(value, checked.points, direction, 1e-4)
        assert _dot(gradients, direction) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("sample", SMOOTH, ids=lambda sample: sample.identity)
def test_second_order(sample: OpSample) -> None:
    """The gradient of the gradient along random directions is the finite difference of the gradient."""
    checked = Checked(sample)
    for _ in range(DIRECTIONS):
        direction, other = checked.directions(), checked.directions()
        leaves, gradients = checked.gradients(checked.points, create_graph=True)
        parts = [product(gradient, Tensor.from_array(along)) for gradient, along in zip(gradients, other, strict=True)]
        total = sum(parts[1:], parts[0])
        if total.requires_grad:
            found = grad(total, leaves, allow_unused=True)
            second = _dot(
                [f for f in found if f is not None], [d for f, d in zip(found, direction, strict=True) if f is not None]
            )
        else:
            second = 0.0

        def slope(arrays: list[np.ndarray], other: list[np.ndarray] = other) -> float:
            return _dot(checked.gradients(arrays)[1], other)

        expected = _difference(slope, checked.points, direction, 1e-4)
        assert second == pytest.approx(expected, rel=1e-5, abs=1e-5)
