"""The parent's end of a child process: started in its own group, and stopped dead whenever it is not its turn."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.frameworks import FRAMEWORKS

ROOT = Path(__file__).resolve().parent.parent
THREAD_VARIABLES = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"]


class ChildError(RuntimeError):
    """A child died, failed, or did not answer in time; the message holds the end of what it wrote."""


class Child:
    """A process that runs `benchmarks.runner`.

    Between requests the whole group is halted by SIGSTOP, so that no thread pool of one framework spins while
    another is timed. The cache of compiled programs is `cache_directory`, empty for a cold start.
    """

    def __init__(self, framework: str, workload: str, threads: int, cache_directory: str):
        environment = {**os.environ, **{name: str(threads) for name in THREAD_VARIABLES}}
        if framework in FRAMEWORKS and (variable := FRAMEWORKS[framework].cache_variable):
            environment[variable] = cache_directory
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115  (close() closes it)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.runner", framework, workload, str(threads)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            start_new_session=True,
        )
        self.halt()

    def halt(self) -> None:
        """Stop every thread and process of the group."""
        self._signal(signal.SIGSTOP)

    def ask(self, timeout: float, **request: object) -> dict:
        """Wake the group, send one request, wait for the answer, and halt the group again.

        Raises ChildError if there is no answer within `timeout` seconds.
        """
        self._signal(signal.SIGCONT)
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise ChildError(f"died:\n{self._end_of_log()}") from None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(timeout):
                raise ChildError(f"no answer to {request} within {timeout:g} seconds")
        line = self.process.stdout.readline()
        if not line:
            raise ChildError(f"died at {request}:\n{self._end_of_log()}")
        self.halt()
        return json.loads(line)

    def close(self) -> None:
        """End the group."""
        self._signal(signal.SIGKILL)
        self.process.wait()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()

    def _signal(self, number: int) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def _end_of_log(self) -> str:
        self.process.wait()
        self.log.seek(0)
        return "".join(self.log.readlines()[-12:])
