"""Every op sample, forward and gradient, through the whole compiler: eager, interpreted, and compiled agree.

Many samples share one program, since a C compiler takes longer to start than to compile one of them. Each sample's
results are compared on their own, so a failure names the samples; where a whole program can't be built or run, it is
halved until the samples that break it are found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import autograd
from graphc.capture.postponed import WORTH_WAITING_BYTES
from graphc.tensor import Tensor
from tests.every_way import difference, run_every_way
from tests.ops.running import apply_sample, flat_values, keyword_arrays, tensors_of
from tests.ops.samples import ALL_SAMPLES, OpSample, map_arrays

# Samples of one program: more make one for which a C compiler needs more than linearly longer.
TOGETHER = 60

PROGRAMS = [ALL_SAMPLES[start : start + TOGETHER] for start in range(0, len(ALL_SAMPLES), TOGETHER)]

# Relative to an element, and to the largest element of its array.
TOLERANCE = {"float32": 2e-5, "float64": 1e-11}


@dataclass
class Given:
    """A sample's arguments as tensors; some samples write into them."""

    positional: list[Any]
    keywords: dict[str, Any]
    tensors: list[Tensor]
    leaves: list[Tensor]


def give(sample: OpSample) -> Given:
    positional, keywords = sample.make()
    tensors: list[Tensor] = []

    def convert(array: np.ndarray) -> Tensor:
        tensors.append(Tensor.from_array(array))
        return tensors[-1]

    arguments = map_arrays(positional, convert)
    leaves = [tensors[place].requires_grad_() for place in sample.differentiable_positions()]
    return Given(arguments, keyword_arrays(keywords, convert), tensors, leaves)


def replaced(value: Any, tensors: dict[int, Tensor]) -> Any:
    """A tree of arguments with tensors replaced by others."""
    if isinstance(value, Tensor):
        return tensors[id(value)]
    if isinstance(value, list):
        return [replaced(item, tensors) for item in value]
    if isinstance(value, dict):
        return {name: replaced(item, tensors) for name, item in value.items()}
    return value


def weighted(results: Sequence[Tensor]) -> Tensor | None:
    """The sum of all differentiable results, each element with a weight of its own."""
    total = None
    for result in results:
        if result.requires_grad:
            places = gc.arange(result.numel()).reshape(result.shape).to(result.dtype)
            part = (result * (places * 0.7 + 0.3).sin()).sum().real
            total = part if total is None else total + part
    return total


def values_and_gradients(sample: OpSample, given: Given) -> tuple[list[Tensor], list[Tensor]]:
    """A sample's results, and the gradients of their weighted sum that there are."""
    results = tensors_of(flat_values(apply_sample(sample, given.positional, given.keywords)))
    total = weighted(results)
    found = () if total is None else autograd.grad(total, given.leaves, allow_unused=True)
    return [result.detach() for result in results], [gradient for gradient in found if gradient is not None]


class Program:
    """Samples that run together, as a function of all their tensors."""

    def __init__(self, samples: Sequence[OpSample]):
        self.samples = samples
        self.patterns = [give(sample) for sample in samples]

    def make(self) -> list[Tensor]:
        """The tensors of all samples, made anew."""
        return [tensor for sample in self.samples for tensor in give(sample).tensors]

    def __call__(self, tensors: list[Tensor]) -> list[tuple[list[Tensor], list[Tensor]]]:
        results, remaining = [], iter(tensors)
        for sample, pattern in zip(self.samples, self.patterns, strict=True):
            new = {id(tensor): next(remaining) for tensor in pattern.tensors}
            given = Given(
                replaced(pattern.positional, new),
                replaced(pattern.keywords, new),
                list(new.values()),
                [new[id(leaf)] for leaf in pattern.leaves],
            )
            results.append(values_and_gradients(sample, given))
        return results


def failures(samples: Sequence[OpSample]) -> list[str]:
    """What is wrong with samples that run as one program: a line for each result that differs."""
    program = Program(samples)
    try:
        ways = run_every_way(program, program.make)
    except Exception as error:
        if len(samples) == 1:
            return [f"{samples[0].identity}: {type(error).__name__}: {str(error)[:600]}"]
        middle = len(samples) // 2
        found = failures(samples[:middle]) + failures(samples[middle:])
        return found or [f"{samples[0].identity} to {samples[-1].identity} fail together only: {error}"]
    found = []
    result = argument = 0
    for sample, (values, gradients), pattern in zip(samples, ways.returned, program.patterns, strict=True):
        largest = max((tensor._array.nbytes for tensor in (*values, *gradients, *pattern.tensors)), default=0)
        parts = [("results", f"result {place}", result + place) for place in range(len(values))]
        parts += [("results", f"gradient {place}", result + len(values) + place) for place in range(len(gradients))]
        parts += [("arguments", f"argument {place}", argument + place) for place in range(len(pattern.tensors))]
        result += len(values) + len(gradients)
        argument += len(pattern.tensors)
        for group, what, place in parts:
            expected = getattr(ways.eager, group)[place]
            # The first call leaves large values to the program.
            near = ("recorded", "compiled") if 2 * largest >= WORTH_WAITING_BYTES else ("compiled",)
            for way in ("recorded", "captured", "optimized", "compiled"):
                array = getattr(getattr(ways, way), group)[place]
                wrong = (
                    difference(array, expected, *tolerances(sample, pattern, expected))
                    if way in near
                    else difference(array, expected)
                )
                if wrong:
                    found.append(f"{sample.identity}: {what}, {way}: {wrong}")
    return found


def tolerances(sample: OpSample, given: Given, expected: np.ndarray) -> tuple[float, float]:
    """The relative and the absolute tolerance for a compiled array."""
    if expected.dtype.kind not in "fc":
        return 0.0, 0.0
    # A float64 result of float32 operands is no more precise than they are.
    single = expected.dtype in (np.float32, np.complex64) or any(
        tensor.dtype in (gc.float32, gc.complex64) for tensor in given.tensors
    )
    relative = max(TOLERANCE["float32" if single else "float64"], sample.tolerance[0 if single else 1])
    finite = np.abs(expected[np.isfinite(expected)])
    return relative, relative * float(finite.max(initial=0.0))


@pytest.mark.parametrize("samples", PROGRAMS, ids=lambda samples: f"{samples[0].identity}..{samples[-1].identity}")
def test_every_way_agrees(samples: list[OpSample]) -> None:
    """The captured graph and the optimized one give eager's bits; compiled results and gradients agree closely."""
    found = failures(samples)
    assert not found, "\n".join(["", *found])


def test_the_table_is_large_and_split_without_loss() -> None:
    """Each sample stands in one program: nothing that is sampled is refused."""
    spread = [sample.identity for program in PROGRAMS for sample in program]
    assert sorted(spread) == sorted(sample.identity for sample in ALL_SAMPLES)
    print(f"{len(spread)} samples compiled in {len(PROGRAMS)} programs")
