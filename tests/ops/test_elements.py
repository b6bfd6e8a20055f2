"""The element-wise meaning of every primitive, by which it is lowered and fused, equals its numpy evaluation."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np
import pytest

from graphc.ir.graph import Builder, Node
from graphc.ir.primitive import PRIMITIVES, Contraction, Elementwise, Reduction, Scan, Scatter
from tests.ops.elements import by_elements, check_roles
from tests.ops.running import keyword_arrays, run_on_symbols
from tests.ops.samples import ALL_SAMPLES, OpSample, flat_arrays

Case = tuple[str, list[np.ndarray], dict[str, Any]]

# Points of result and reduction domain that one case may have: more is slow in Python and shows nothing new.
POINTS = 4000
WITH_MEANING = sorted(
    name
    for name, primitive in PRIMITIVES.items()
    if isinstance(primitive, (Elementwise, Reduction, Scan, Scatter)) and primitive.effect is None
)


def nodes_of(sample: OpSample) -> list[tuple[Node, list[np.ndarray]]]:
    """The operations that a sample becomes as a graph, with the values of their operands."""
    builder = Builder()
    try:
        run_on_symbols(sample, builder)
    except AttributeError as error:
        if "_assign" not in str(error):
            raise
        return []  # it writes in place, which graphs do not
    except TypeError as error:
        if "graph" not in str(error):
            raise
        return []  # its shape depends on values: eager only
    positional, keywords = sample.make()
    arrays: list[np.ndarray] = []
    keyword_arrays(keywords, arrays.append)  # the keywords' arrays became the first inputs
    values = dict(zip(builder.inputs, [*arrays, *flat_arrays(positional)], strict=True))
    found = []
    for node in builder.nodes:
        operands = [values[operand] for operand in node.inputs]
        values[node] = node.op.evaluate(*operands, **node.attrs)
        found.append((node, operands))
    return found


def collect() -> dict[str, list[Case]]:
    """For each primitive the distinct ways in which the samples use it."""
    cases: dict[str, list[Case]] = defaultdict(list)
    seen = set()
    for sample in ALL_SAMPLES:
        if sample.random or (sample.primitive and not sample.inputs):
            continue
        for node, operands in nodes_of(sample):
            key = (node.op.name, node.attributes, tuple(operand.type for operand in node.inputs), sample.label)
            if key not in seen:
                seen.add(key)
                cases[node.op.name].append((sample.identity, operands, node.attrs))
    for sample in ALL_SAMPLES:
        if sample.primitive and not sample.inputs and not sample.random:
            cases[sample.name].append((sample.identity, [], dict(sample.keywords)))
    return cases


CASES = collect()


def points(name: str, operands: list[np.ndarray], attrs: dict[str, Any]) -> int:
    """How many scalar evaluations a case takes."""
    from graphc.ir.types import TensorType, dtype_of

    primitive = PRIMITIVES[name]
    types = [TensorType(dtype_of(array.dtype), array.shape) for array in operands]
    count = math.prod(primitive.infer(*types, **attrs).shape)
    return count * math.prod(primitive.reduced_extents(types, **attrs)) if isinstance(primitive, Reduction) else count


@pytest.mark.parametrize("name", WITH_MEANING)
def test_meaning_equals_evaluation(name: str) -> None:
    """Computed element by element from its meaning, each use in the samples gives what numpy gives."""
    small = [case for case in CASES[name] if points(name, *case[1:]) <= POINTS]
    assert small, f"no sample uses the primitive {name}: add one to tests/ops/samples"
    for identity, operands, attrs in small:
        primitive = PRIMITIVES[name]
        expected = primitive.evaluate(*operands, **attrs)
        with np.errstate(all="ignore"):
            found = by_elements(primitive, operands, attrs)
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape), f"{name} in {identity}"
        if found.dtype.kind in "fc":
            scale = np.abs(expected[np.isfinite(expected)]).max(initial=1e-30)
            tolerance = 1e-5 if found.dtype in (np.float32, np.complex64) else 1e-12
            np.testing.assert_allclose(
                found, expected, rtol=tolerance, atol=tolerance * scale, err_msg=f"{name} in {identity}"
            )
        else:
            np.testing.assert_array_equal(found, expected, err_msg=f"{name} in {identity}")


@pytest.mark.parametrize("name", [name for name in WITH_MEANING if isinstance(PRIMITIVES[name], Contraction)])
def test_factors_depend_on_their_roles_alone(name: str) -> None:
    """A left factor reads at no column's index, a right one at no row's."""
    for _, operands, attrs in CASES[name]:
        if all(array.size for array in operands):
            check_roles(PRIMITIVES[name], operands, attrs)
