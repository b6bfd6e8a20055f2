"""The op sample table is complete, and its format means what it says."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.autograd.reverse import pull_back
from graphc.ir.graph import Builder
from graphc.ir.primitive import PRIMITIVES
from graphc.ops.functions.registry import FUNCTIONS
from tests.ops.running import run_on_symbols, run_on_tensors, tensors_of
from tests.ops.samples import ALL_SAMPLES, OpSample

# Names that stand for the same function object need samples under one of them only.
SAMPLED = {sample.name for sample in ALL_SAMPLES if not sample.primitive}


def test_every_function_has_a_sample() -> None:
    """No public function is without a sample, under one of its names."""
    missing = [
        name
        for name, function in FUNCTIONS.items()
        if not any(FUNCTIONS.get(sampled) is function for sampled in SAMPLED)
    ]
    assert missing == []


def bound_by_gradient(sample: OpSample) -> set[str]:
    """The primitives in the gradient of a sample; none where the sample can't be a graph."""
    builder = Builder()
    try:
        results = [symbol for symbol in tensors_of(run_on_symbols(sample, builder)) if symbol.dtype.is_differentiable]
        cotangents = [symbol * 0 + 1 for symbol in results]
        inputs = [builder.symbol(node) for node in builder.inputs if node.type.dtype.is_differentiable]
        pull_back(builder, results, cotangents, inputs)
    except (AttributeError, TypeError, RuntimeError):
        pass
    return {node.op.name for node in builder.nodes}


def test_every_primitive_is_reached() -> None:
    """Each registered primitive is bound by a sample, or used by a sampled function or its gradient."""
    ours = {name for name, primitive in PRIMITIVES.items() if type(primitive).__module__.startswith("graphc.ops.")}
    # Recordings alone make the last ones.
    recorded = {"input", "guard", "check_holds", "own_rule", "random_exchange"}
    reached = {sample.name for sample in ALL_SAMPLES if sample.primitive} | recorded
    for sample in ALL_SAMPLES:
        if sample.primitive:
            continue
        builder = Builder()
        try:
            run_on_symbols(sample, builder)
        except (AttributeError, TypeError):
            continue  # writes in place, or needs values: eager only
        reached |= {node.op.name for node in builder.nodes}
    for sample in ALL_SAMPLES:
        if ours <= reached:
            break
        if not sample.primitive:
            reached |= bound_by_gradient(sample)
    assert sorted(ours - reached) == []


def test_samples_name_what_there_is() -> None:
    """A sample's name is that of a function or of a primitive."""
    for sample in ALL_SAMPLES:
        assert sample.name in (PRIMITIVES if sample.primitive else FUNCTIONS), sample.identity


def test_inputs_are_the_same_at_each_call() -> None:
    """Two calls of ``make`` give equal arrays, so that two backends see the same."""
    for sample in ALL_SAMPLES[::7]:
        first, second = sample.make()[0], sample.make()[0]
        for one, other in zip(first, second, strict=True):
            np.testing.assert_equal(one, other)


@pytest.mark.parametrize("sample", ALL_SAMPLES, ids=lambda sample: sample.identity)
def test_symbols_have_the_types_of_tensors(sample: OpSample) -> None:
    """On graph symbols a sample gives the dtypes and shapes that it gives on tensors."""
    builder = Builder()
    tensors, _ = run_on_tensors(sample)
    if sample.primitive and not sample.inputs:
        return
    try:
        symbols = run_on_symbols(sample, builder)
    except (AttributeError, TypeError) as error:
        pytest.skip(f"eager only: {error}")
    symbols, tensors = tensors_of(symbols), tensors_of(tensors)
    assert [(s.dtype, tuple(s.shape)) for s in symbols] == [(t.dtype, tuple(t.shape)) for t in tensors]
