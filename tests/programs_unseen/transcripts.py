"""Running the programs, and the transcripts of what PyTorch printed.

    python -m tests.programs_unseen.transcripts

writes the transcripts anew, where PyTorch is installed.
"""

from __future__ import annotations

import importlib
import os
import runpy
import subprocess
import sys
from pathlib import Path

from tests.seeds.transcripts import ROOT, masked

FOLDER = Path(__file__).parent
PROGRAMS = tuple(sorted(path.stem for path in (FOLDER / "programs").glob("*.py")))
_SEPARATOR = "\x1e"


def path_of(program: str) -> Path:
    """Where a program lies."""
    return FOLDER / "programs" / f"{program}.py"


def transcript_of(program: str) -> Path:
    """Where its transcript lies."""
    return FOLDER / "expected" / f"{program}.txt"


def _printed(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *command],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return masked(done.stdout)


def printed_by_graphc(program: str) -> str:
    """What a program prints with graphc in PyTorch's place. Raises AssertionError with what it wrote to stderr."""
    return _printed("-m", "graphc", "run", "--as-torch", str(path_of(program)))


def printed_by_torch() -> dict[str, str]:
    """What the programs print with PyTorch, each in a copy of one process that has imported it."""
    parts = _printed("-m", "tests.programs_unseen.transcripts", "run").split(_SEPARATOR)[1:]
    return {name: text for name, _, text in (part.partition("\n") for part in parts)}


def _run_all() -> None:
    importlib.import_module("torch")
    for program in PROGRAMS:
        sys.stdout.write(f"{_SEPARATOR}{program}\n")
        sys.stdout.flush()
        child = os.fork()
        if not child:
            # What a program leaves behind, numbers of its hooks and settings, is not there for the next.
            runpy.run_path(str(path_of(program)), run_name="__main__")
            sys.stdout.flush()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            raise RuntimeError(f"{program} ended with status {status}")


def _write() -> None:
    for program, text in printed_by_torch().items():
        transcript_of(program).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    _run_all() if sys.argv[1:] == ["run"] else _write()
