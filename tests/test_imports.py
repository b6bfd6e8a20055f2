"""Imports run one way: what a module loads as it is loaded is of a room below its own, as docs/architecture.md says."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import graphc

PACKAGE = Path(graphc.__file__).parent
# For each room, the rooms above it, which nothing in it may load.
ABOVE = {
    "ir": {"ops", "autograd", "tensor", "capture", "codegen", "runtime", "compiler", "compiled", "nn", "optim"},
    "recording": {"ops", "autograd", "tensor", "capture", "codegen", "runtime", "compiler", "compiled"},
    "randomness": {"ops", "autograd", "tensor", "capture", "codegen", "runtime", "compiler", "compiled"},
    "sizes": {"ops", "autograd", "tensor", "capture", "codegen", "runtime", "compiler", "compiled"},
    "runtime": {"ir", "ops", "autograd", "tensor", "capture", "codegen", "compiler", "compiled", "nn", "optim"},
    "ops": {"autograd", "tensor", "capture", "codegen", "runtime", "compiler", "compiled", "nn", "optim"},
    "autograd": {"capture", "codegen", "runtime", "compiler", "compiled", "nn", "optim"},
    "tensor": {"capture", "codegen", "runtime", "compiler", "compiled", "nn", "optim"},
    "codegen": {"ops", "autograd", "tensor", "capture", "compiler", "compiled", "nn", "optim"},
    "control": {"codegen", "runtime", "compiler", "compiled", "nn", "optim"},
    "capture": {"control", "codegen", "runtime", "compiler", "compiled", "nn", "optim"},
    "nn": {"codegen", "runtime", "compiler", "compiled"},
    "optim": {"codegen", "runtime", "compiler", "compiled"},
}


def modules() -> Iterator[tuple[str, Path]]:
    """Every module by name."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def loaded_by(path: Path) -> Iterator[str]:
    """The modules of the package that a module names at its top, outside of functions and of type checking."""
    for statement in ast.parse(path.read_text()).body:
        if isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith("graphc"):
            for name in statement.names:
                inner = f"{statement.module}.{name.name}"
                yield (
                    inner
                    if (PACKAGE.parent / inner.replace(".", "/")).with_suffix(".py").exists()
                    else str(statement.module)
                )
        elif isinstance(statement, ast.Import):
            yield from (name.name for name in statement.names if name.name.startswith("graphc"))


def room_of(module: str) -> str:
    """The room that a module is in: the first part of its name in the package."""
    return [*module.split("."), "", ""][1]


@pytest.mark.parametrize("room", ABOVE)
def test_no_room_loads_one_above_it(room: str) -> None:
    """Not one module."""
    found = {
        (module, other)
        for module, path in modules()
        if room_of(module) == room
        for other in loaded_by(path)
        if room_of(other) in ABOVE[room]
    }
    assert not found


def test_what_only_some_programs_need_is_not_imported() -> None:
    """`import graphc` reads no module that takes long and that a first step may do without."""
    late = ("numpy.random", "networkx", "jinja2", "tqdm", "pycuda", "torch", "unittest", "asyncio", "multiprocessing")
    told = f"import sys, graphc; print([name for name in {late} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True).stdout == "[]\n"
