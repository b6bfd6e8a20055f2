"""Running the notes' programs, and the transcripts of what PyTorch printed.

    python -m tests.seeds.transcripts

writes the transcripts anew where PyTorch is installed. Those of programs that need torchvision are written by graphc
where torchvision is not installed, after a look at what the note shows.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import re
import runpy
import subprocess
import sys
import warnings
from pathlib import Path

import graphc

ROOT = Path(graphc.__path__[0]).parent
FOLDER = Path(__file__).parent
PROGRAMS = tuple(sorted(path.stem for path in (FOLDER / "programs").glob("*.py")))
_SEPARATOR = "\x1e"


def path_of(program: str) -> Path:
    """Where a program lies."""
    return FOLDER / "programs" / f"{program}.py"


def transcript_of(program: str) -> Path:
    """Where its transcript lies."""
    return FOLDER / "expected" / f"{program}.txt"


def needs_torchvision(program: str) -> bool:
    """Whether a program imports torchvision."""
    return "torchvision" in path_of(program).read_text(encoding="utf-8")


def masked(text: str) -> str:
    """Output without the addresses of objects."""
    return re.sub(r"0x[0-9a-f]+", "0x", text)


def printed_by_graphc(program: str) -> str:
    """What a program prints with graphc in PyTorch's place. Raises AssertionError with what it wrote to stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "graphc", "run", "--as-torch", str(path_of(program))],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return masked(done.stdout)


def printed_by_torch() -> dict[str, str]:
    """What the programs print with PyTorch: those that it can run, one after another in one process."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(Path(__file__)), "run"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    parts = [part.partition("\n") for part in done.stdout.split(_SEPARATOR)[1:]]
    return {name: masked(text) for name, _, text in parts}


def _has_torchvision() -> bool:
    return importlib.util.find_spec("torchvision") is not None


def _run_all() -> None:
    warnings.simplefilter("ignore")
    for program in PROGRAMS:
        if needs_torchvision(program) and not _has_torchvision():
            continue
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            runpy.run_path(str(path_of(program)), run_name="__main__")
        sys.stdout.write(f"{_SEPARATOR}{program}\n{output.getvalue()}")


def _write() -> None:
    texts = printed_by_torch()
    for program in PROGRAMS:
        text = texts[program] if program in texts else printed_by_graphc(program)
        transcript_of(program).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    _run_all() if sys.argv[1:] == ["run"] else _write()
