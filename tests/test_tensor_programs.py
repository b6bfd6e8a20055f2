"""Programs about tensors, as PyTorch's tutorials write them, print under graphc what they print under PyTorch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

PROGRAMS = sorted((Path(__file__).parent / "tensor_programs").glob("[a-z]*.py"))


def printed(*command: str) -> str:
    """What a Python command prints."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *command], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_prints_what_pytorch_prints(program: Path) -> None:
    """The same text, to the character."""
    assert printed("-m", "graphc", "run", "--as-torch", str(program)) == printed(str(program))
