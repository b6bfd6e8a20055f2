"""Every op sample with a size that is known at run time only: one build serves all sizes, or says why it can't.

The first dimension of a sample's first tensor is dynamic, and so are those of its other tensors that must have the same
size. Many samples share one program, each with a size of its own. The program is recorded at one size and called at
others; results, gradients, arguments written in place, and the generator's state are eager's.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import autograd
from graphc.ir.integers import variable
from graphc.ops.checks import GuardMissed
from graphc.randomness.generator import default_generator
from graphc.tensor import Tensor
from tests.every_way import difference
from tests.ops.running import apply_sample, flat_values, keyword_arrays, tensors_of
from tests.ops.samples import ALL_SAMPLES, OpSample, map_arrays
from tests.recorded import RecordedProgram
from tests.test_op_table_compiled import Given, tolerances, weighted

TOGETHER = 60
SEED = 7


def values_and_gradients(sample: OpSample, given: Given) -> list[Tensor]:
    """A sample's results, and the gradients of their weighted sum: zeros for a tensor that has no part in it, as one
    of no elements may have none."""
    results = tensors_of(flat_values(apply_sample(sample, given.positional, given.keywords)))
    total = weighted(results)
    if total is None:
        return [result.detach() for result in results]
    found = autograd.grad(total, given.leaves, allow_unused=True)
    zeros = [
        gc.zeros_like(leaf) if gradient is None else gradient
        for leaf, gradient in zip(given.leaves, found, strict=True)
    ]
    return [tensor.detach() for tensor in (*results, *zeros)]


@dataclass
class Dynamic:
    """A sample with the dimensions of its tensors that have the dynamic size."""

    sample: OpSample
    dims: tuple[tuple[int, ...], ...]
    size: int
    others: list[int] = field(default_factory=list)

    def give(self, size: int) -> Given:
        """The sample's arguments at a size: its rows, or those of them that fit, over again."""
        positional, keywords = self.sample.make()
        tensors: list[Tensor] = []

        def convert(array: np.ndarray) -> Tensor:
            for dim in self.dims[len(tensors)] if len(tensors) < len(self.dims) else ():
                array = np.take(array, np.arange(size) % self.size, dim)
            tensors.append(Tensor.from_array(np.array(array)))
            return tensors[-1]

        arguments = map_arrays(positional, convert)
        leaves = [tensors[place].requires_grad_() for place in self.sample.differentiable_positions()]
        return Given(arguments, keyword_arrays(keywords, convert), tensors, leaves)

    def runs_at(self, size: int) -> bool:
        """Whether eager mode accepts the size."""
        try:
            with np.errstate(all="ignore"):
                values_and_gradients(self.sample, self.give(size))
        except Exception:
            return False
        return True


def made_dynamic(sample: OpSample) -> Dynamic | None:
    """The sample with the first choice of dimensions that eager mode accepts at two other sizes; None without one."""
    shapes = [tuple(tensor.shape) for tensor in Dynamic(sample, (), 0).give(0).tensors]
    first = next((place for place, shape in enumerate(shapes) if shape and shape[0] > 1), None)
    if first is None:
        return None
    size = shapes[first][0]
    choices = [
        tuple((0,) if shape and shape[0] == size else () for shape in shapes),
        tuple(tuple(dim for dim, extent in enumerate(shape) if extent == size) for shape in shapes),
        tuple((0,) if place == first else () for place in range(len(shapes))),
    ]
    for dims in dict.fromkeys(choices):
        found = Dynamic(sample, dims, size)
        found.others = [other for other in (size + 2, size - 1, 1, 2 * size + 1, 0) if found.runs_at(other)]
        if len(found.others) >= 2:
            return found
    return None


@dataclass(frozen=True)
class Note:
    """What became of a sample's size: the sizes that its build serves, why it is fixed, and what it rests on."""

    sample: Dynamic
    served: list[int]
    reason: str | None
    guards: tuple[str, ...]


class Program:
    """Samples that run together, as a function of all their tensors."""

    def __init__(self, samples: Sequence[Dynamic]):
        self.samples = samples

    def make(self, sizes: Sequence[int]) -> list[Given]:
        return [each.give(size) for each, size in zip(self.samples, sizes, strict=True)]

    def function(self, patterns: Sequence[Given]) -> Any:
        def program(tensors: list[Tensor]) -> Any:
            return [
                values_and_gradients(each.sample, given) for each, given in zip(self.samples, patterns, strict=True)
            ]

        return program

    def eagerly(self, patterns: Sequence[Given]) -> Any:
        gc.manual_seed(SEED)
        with np.errstate(all="ignore"):
            return self.function(patterns)([])

    def record(self) -> RecordedProgram:
        """The program recorded with each sample's size dynamic."""
        given = self.make([each.size for each in self.samples])
        symbols = []
        for number, (each, pattern) in enumerate(zip(self.samples, given, strict=True)):
            symbol = variable(f"N{number}", 0, 2 * each.size + 3)
            for place in range(len(pattern.tensors)):
                dims = each.dims[place] if place < len(each.dims) else ()
                symbols.append(dict.fromkeys(dims, symbol))
        gc.manual_seed(SEED)
        return RecordedProgram(self.function(given), tensors_in(given), symbols)


def tensors_in(given: Sequence[Given]) -> list[Tensor]:
    return [tensor for each in given for tensor in each.tensors]


def failures(samples: Sequence[Dynamic], notes: dict[str, Note]) -> list[str]:
    """What is wrong with samples that run as one program; notes tell of sizes that were fixed or guarded."""

    def halved() -> list[str]:
        middle = len(samples) // 2
        return failures(samples[:middle], notes) + failures(samples[middle:], notes)

    program = Program(samples)
    try:
        recorded = program.record()
        if len(samples) > 1 and any("can't be done otherwise" in reason for reason in recorded.fixed.values()):
            return halved()  # one of them has fixed the sizes of all
        served = [
            [other for other in each.others if recorded.serves(f"N{number}", other)]
            for number, each in enumerate(samples)
        ]
        found = [f"the compiler warns: {recorded.messages[:600]}"] if recorded.messages else []
        for call in range(max(map(len, served), default=0)):
            sizes = [own[call] if call < len(own) else each.size for own, each in zip(served, samples, strict=True)]
            found += compare(program, recorded, sizes)
    except GuardMissed:  # what the sample computes decides, as for `equal`
        return halved() if len(samples) > 1 else []
    except Exception as error:
        if len(samples) == 1:
            return [f"{samples[0].sample.identity}: {type(error).__name__}: {str(error)[:600]}"]
        together = f"{samples[0].sample.identity} to {samples[-1].sample.identity} fail together only: {error}"
        return halved() or [together]
    for number, (each, own) in enumerate(zip(samples, served, strict=True)):
        reason = recorded.fixed.get(f"N{number}")
        guards = tuple(str(guard).replace(f"N{number}", "N") for guard in recorded.guards(f"N{number}"))
        notes[each.sample.identity] = Note(each, own, reason, guards)
    return found


def compare(program: Program, recorded: RecordedProgram, sizes: Sequence[int]) -> list[str]:
    patterns = program.make(sizes)
    expected = program.eagerly(patterns)
    state = default_generator.buffer.copy()
    given = program.make(sizes)
    gc.manual_seed(SEED)
    results = recorded(tensors_in(given))
    found = [] if (default_generator.buffer == state).all() else [f"at {sizes}: the generator is in another state"]
    for each, size, own, right, pattern, left in zip(
        program.samples, sizes, results, expected, given, patterns, strict=True
    ):
        where = f"{each.sample.identity} at {size} (recorded at {each.size})"
        if len(own) != len(right):
            found.append(f"{where}: {len(own)} results, eager gives {len(right)}")
        pairs = [
            tuple(np.array(tensor.detach()._value("comparison")) for tensor in pair)
            for pair in (*zip(own, right, strict=False), *zip(pattern.tensors, left.tensors, strict=True))
        ]
        # A sum that cancels is as far off as what was added.
        floats = [wanted[np.isfinite(wanted)] for _, wanted in pairs if wanted.dtype.kind in "fc"]
        largest = max((float(np.abs(array).max(initial=0.0)) for array in floats), default=0.0)
        for place, (mine, wanted) in enumerate(pairs):
            relative, absolute = tolerances(each.sample, pattern, wanted)
            wrong = difference(mine, wanted, relative, max(absolute, relative * largest))
            if wrong:
                found.append(f"{where}: value {place}: {wrong}")
    return found


# What gives as many elements as values say: a way of its own for each count, beside those for sizes.
VALUE_SIZED = {
    *("argwhere", "masked_select", "nonzero", "nonzero-tuple", "one_hot-counted", "where-places"),
    *("getitem-mask", "getitem-mask of rows", "getitem-mask within", "index_put-mask"),
    *("bincount-integer-weights", "bincount-longer", "bincount-plain", "bincount-weights"),
    *("repeat_interleave-counts", "repeat_interleave-places"),
    *("unique-all", "unique-bool", "unique-columns", "unique-floats", "unique-plain", "unique-rows"),
    *("unique_consecutive-all", "unique_consecutive-plain", "unique_consecutive-rows"),
}


def chosen() -> list[OpSample]:
    """The samples that are tried: all with ``GRAPHC_OP_TABLE=all``, else two of each function."""
    samples = [sample for sample in ALL_SAMPLES if sample.identity not in VALUE_SIZED]
    if os.environ.get("GRAPHC_OP_TABLE") == "all":
        return samples
    of_name: dict[str, list[OpSample]] = {}
    for sample in samples:
        of_name.setdefault(f"{sample.primitive}{sample.name}", []).append(sample)
    return [sample for samples in of_name.values() for sample in (*samples[:1], *samples[1:][-1:])]


DYNAMIC = [found for sample in chosen() if (found := made_dynamic(sample)) is not None]
PROGRAMS = [DYNAMIC[start : start + TOGETHER] for start in range(0, len(DYNAMIC), TOGETHER)]
NOTES: dict[str, Note] = {}


@pytest.mark.parametrize("samples", PROGRAMS, ids=lambda samples: samples[0].sample.identity)
def test_every_size_agrees(samples: list[Dynamic]) -> None:
    """At each size that a build says it is right for, it gives what eager mode gives."""
    found = failures(samples, NOTES)
    assert not found, "\n".join(["", *found])


def test_few_sizes_are_fixed() -> None:
    """Nearly all functions serve every size; those that are fixed to one say why."""
    if len(NOTES) < len(DYNAMIC) - 20:
        pytest.skip("the programs above have not all run in this process")
    fixed = {identity: note.reason for identity, note in NOTES.items() if note.reason is not None}
    whole = [identity for identity, note in NOTES.items() if set(note.served) >= set(note.sample.others) - {0}]
    print(f"{len(NOTES)} samples: {len(whole)} serve every size, {len(fixed)} are fixed to the one of the recording")
    assert all(reason for reason in fixed.values())
    assert len(whole) > 0.9 * len(NOTES)
    assert not [identity for identity in fixed if identity.split("-")[0] in NEVER_FIXED]


# Functions whose first dimension is that of a batch, or of what is reduced or joined.
NEVER_FIXED = set(
    """
    relu gelu softmax log_softmax dropout add mul sub div pow where maximum minimum exp log sum mean amax amin argmax
    var std any all cumsum sort cat stack flip roll pad reshape flatten permute transpose squeeze unsqueeze gather
    scatter_add index_add index_select masked_fill tril triu linear matmul bmm conv1d conv2d conv3d conv_transpose2d
    max_pool2d avg_pool2d adaptive_avg_pool2d batch_norm layer_norm group_norm instance_norm embedding one_hot mse_loss
    l1_loss cross_entropy nll_loss binary_cross_entropy_with_logits kl_div scaled_dot_product_attention
    multi_head_attention_forward clamp tanh sigmoid norm logsumexp topk
    """.split()  # noqa: SIM905
)
