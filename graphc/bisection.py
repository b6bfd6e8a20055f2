"""``graphc bisect``: which single change of which pass makes a script go wrong.

A script fails where it ends with another status than 0: by its own assertions, by a crash, or by a CheckError, since
every compiled call is checked against numpy. It is run again and again with fewer applications of passes (see
:mod:`graphc.ir.applications`); the last one of the fewest that fail is the culprit.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from graphc.ir.applications import LOG, VARIABLE

HANGS = 124  # what timeout(1) gives


@dataclass(frozen=True, slots=True)
class Trial:
    """One run: whether it failed, how, and the applications that were made, in order."""

    failed: bool
    words: str
    made: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a search found. ``culprit`` is the change, "pass 3, canonicalize: mul (f32[3]) at model.py:12", of the given
    number among all; it is empty where no change is at fault: the program fails without any, or does not fail.
    """

    culprit: str
    number: int
    total: int
    words: str


def search(attempt: Callable[[int | None], Trial], tell: Callable[[str], None] = lambda line: None) -> Verdict:
    """Find the first application with which something fails.

    Args:
        attempt: runs it with so many applications, None for all.
        tell: called with a line about each run.
    """

    def tried(limit: int | None) -> Trial:
        trial = attempt(limit)
        many = f"all {len(trial.made)}" if limit is None else str(limit)
        tell(f"{many} applications: {f'fails, {trial.words}' if trial.failed else 'right'}")
        return trial

    worst = tried(None)
    total = len(worst.made)
    if not worst.failed:
        return Verdict("", 0, total, "it does not fail")
    least = tried(0)
    if least.failed:
        return Verdict("", 0, total, f"it fails without any pass too: {least.words}")
    right, wrong = 0, total
    while wrong - right > 1:
        middle = (right + wrong) // 2
        trial = tried(middle)
        if trial.failed:
            wrong, worst = middle, trial
        else:
            right = middle
    return Verdict(worst.made[wrong - 1] if wrong <= len(worst.made) else "", wrong, total, worst.words)


def bisect_script(
    script: Path, arguments: Sequence[str] = (), *, as_torch: bool = False, time_limit: float | None = None
) -> Verdict:
    """Search for the change that makes a script fail, each run in a process of its own; lines of progress go to stderr.

    A run that takes longer than ``time_limit`` seconds has failed.
    """
    options = ["--as-torch"] if as_torch else []
    command = [sys.executable, "-m", "graphc", "run", *options, str(script), *arguments]

    def attempt(limit: int | None) -> Trial:
        with tempfile.TemporaryDirectory(prefix="graphc-bisect-") as folder:
            log = Path(folder) / "applications"
            given = {VARIABLE: "" if limit is None else str(limit), LOG: str(log), "GRAPHC_CHECK": "1"}
            status, words = _run(command, {**os.environ, **given}, time_limit)
            made = log.read_text("utf-8", "replace").splitlines() if log.exists() else []
        return Trial(status != 0, words, tuple(made))

    return search(attempt, lambda line: print(f"graphc bisect: {line}", file=sys.stderr, flush=True))


def _run(command: Sequence[str], environment: dict[str, str], time_limit: float | None) -> tuple[int, str]:
    """The exit status of a process and the last line that it said."""
    try:
        ended = subprocess.run(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=time_limit, check=False
        )
    except subprocess.TimeoutExpired:
        return HANGS, f"no end after {time_limit:g} seconds"
    lines = ended.stderr.decode("utf-8", "replace").strip().splitlines()
    last = lines[-1] if lines else "no message"
    return ended.returncode, last if ended.returncode > 0 else f"signal {-ended.returncode}"
