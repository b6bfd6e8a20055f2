"""Every program trains alike run eagerly and compiled whole, parameter by parameter, with one build for each step."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import graphc as gc
from tests.models.running import compare, trace

PROGRAMS = tuple(
    sorted(path.stem for path in (Path(__file__).parent / "programs").glob("*.py") if path.stem != "__init__")
)
# Sums are taken in another order than numpy's. In float64 a few steps of training leave that difference small; in
# float32 the steps of an adaptive optimizer follow the signs of gradients that are rounding noise.
TOLERANCE = 1e-8


@pytest.fixture
def doubles() -> Iterator[None]:
    """float64 as the default dtype."""
    before = gc.get_default_dtype()
    gc.set_default_dtype(gc.float64)
    yield
    gc.set_default_dtype(before)


@pytest.mark.usefixtures("doubles")
@pytest.mark.parametrize("name", PROGRAMS)
def test_compiled_is_eager(name: str) -> None:
    """Results, parameters, gradients, and optimizer state after every turn; the random stream; and one build of each
    compiled function, or as many as the program says that it should have."""
    program = importlib.import_module(f"tests.models.programs.{name}")
    host = getattr(program, "HOST", False)
    compiled = trace(program.build, True, fullgraph=not host)
    compare(compiled, trace(program.build, False), TOLERANCE)
    assert compiled.functions
    for function in compiled.functions:
        report = function.report()
        builds = getattr(program, "BUILDS", {}).get(function.__name__, 1)
        assert len(report.builds) == builds, [build.reason for build in report.builds]
        assert bool(any(build.call_outs for build in report.builds)) == host or not host
