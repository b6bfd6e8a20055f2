"""Loops and branches as single launches, and back."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.codegen.interpret import run_program
from graphc.codegen.loops import Contract, LoopProgram
from graphc.codegen.lower import lower
from graphc.codegen.ordering import order_for_memory
from graphc.codegen.units import BlockKernel, collapse, expand, expanded_places
from tests.codegen.test_blocks import PROGRAMS, made


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_what_is_collapsed_is_expanded_again(program) -> None:
    """A program without blocks whose launches are those of the other, in order; and the other again."""
    whole = lower(made(program)[0])
    collapsed = collapse(whole)
    assert whole.blocks
    assert not collapsed.blocks
    units = [launch for launch in collapsed.launches if isinstance(launch.kernel, BlockKernel)]
    assert 0 < len(units) <= len(whole.blocks)
    assert expand(collapsed) == whole
    places = expanded_places(collapsed)
    assert len(places) == len(whole.launches)
    assert places == sorted(places)
    inside = {place for place in places if isinstance(collapsed.launches[place].kernel, BlockKernel)}
    assert len(inside) == len(units)


def test_a_unit_tells_what_its_launches_do() -> None:
    """Every buffer that they touch once, written where any of them writes it; their work as often as they run."""
    whole = lower(made(PROGRAMS[0])[0])
    unit = next(launch for launch in collapse(whole).launches if isinstance(launch.kernel, BlockKernel))
    block = whole.blocks[0]
    inner = whole.launches[block.first : block.stop]
    assert unit.operations == block.count * sum(launch.operations for launch in inner)
    assert len(set(unit.buffers)) == len(unit.buffers)
    access = {name: each.access for name, each in zip(unit.buffers, unit.kernel.parameters, strict=True)}
    for launch in inner:
        for name, parameter in zip(launch.buffers, launch.kernel.parameters, strict=True):
            assert access[name] == "write" or parameter.access == "read"
    statements = [
        each
        for launch in inner
        for each in (launch.kernel.body.epilogue if isinstance(launch.kernel.body, Contract) else launch.kernel.body)
    ]
    assert list(unit.kernel.body) == statements


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_another_order_gives_the_same_bits(program) -> None:
    """Blocks are moved as wholes, and what they are told by stays before them."""
    graph, inputs = made(program)
    whole = lower(graph)
    ordered: LoopProgram = expand(order_for_memory(collapse(whole)))
    assert len(ordered.launches) == len(whole.launches)
    expected, found = (run_program(each, inputs) for each in (whole, ordered))
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
