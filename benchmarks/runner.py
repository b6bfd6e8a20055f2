"""The child process: one framework, one workload. Reads a request a line from standard input, answers with JSON.

{"do": "build"}                   import, build, first call, ten steps
{"do": "time", "seconds": 1.0}    steps for about so long
{"do": "finish"}                  peak of the memory
{"do": "ceilings"}                what the machine can do (needs no framework)
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.workloads.workload import Step

STEPS_IN_CHECKSUM = 10
WARM_UP_SECONDS = 0.5
SETTLE_SECONDS = 0.1
CHUNK_SECONDS = 0.005
MEBIBYTE = 2**20


def memory(field: str) -> int:
    """Return VmRSS (resident now) or VmHWM (the most so far) in bytes; the most so far where there is no /proc."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def forget_peak() -> None:
    """Set VmHWM back to what is resident now, where the kernel allows it."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def cpu_seconds() -> float:
    """Return the CPU time of this process and of those it has waited for."""
    return sum(os.times()[:4])


class Runner:
    """Holds the step between requests."""

    def __init__(self, framework: str, workload: str, threads: int):
        self.framework, self.workload, self.threads = framework, workload, threads
        self.step: Step | None = None
        self.chunk = 1
        self.resident_after_import = 0

    def build(self) -> dict:
        """Import the framework, build the step, run it until it is warm."""
        import numpy  # noqa: F401  (every framework needs it: its time and memory are not counted)

        from benchmarks.frameworks import FRAMEWORKS
        from benchmarks.workloads import WORKLOADS

        framework, workload = FRAMEWORKS[self.framework], WORKLOADS[self.workload]
        before_import = time.perf_counter()
        module = framework.load(self.threads)
        imported = time.perf_counter()
        forget_peak()
        self.resident_after_import = memory("VmRSS")

        start = time.perf_counter()
        self.step = framework.build(module, workload)
        built = time.perf_counter()
        losses = [float(self.step())]
        called = time.perf_counter()
        losses += [float(self.step()) for _ in range(STEPS_IN_CHECKSUM - 1)]

        durations = self.measure(WARM_UP_SECONDS)
        self.chunk = max(1, round(CHUNK_SECONDS / statistics.median(durations)))
        helpers = resource.getrusage(resource.RUSAGE_CHILDREN)
        return {
            "version": module.__version__,
            "import_s": imported - before_import,
            "build_s": built - start,
            "first_call_s": called - built,
            "helpers_cpu_s": helpers.ru_utime + helpers.ru_stime,
            "checksum": statistics.fmean(losses),
        }

    def measure(self, seconds: float) -> list[float]:
        """Run steps for so long; return the seconds a step took in each chunk, the loss fetched at its end."""
        durations = []
        end = time.perf_counter() + seconds
        while (start := time.perf_counter()) < end or not durations:
            for _ in range(self.chunk):
                loss = self.step()
            float(loss)
            durations.append((time.perf_counter() - start) / self.chunk)
        return durations

    def time(self, seconds: float) -> dict:
        """Time steps, after some that bring caches and threads back to work."""
        self.measure(SETTLE_SECONDS)
        durations = self.measure(seconds)
        return {
            "ms": 1000 * statistics.median(durations),
            "fastest_ms": 1000 * min(durations),
            "steps": len(durations) * self.chunk,
        }

    def finish(self) -> dict:
        """Return how far the resident memory of this process has risen above what the import left, in MiB."""
        return {"peak_mib": max(0, memory("VmHWM") - self.resident_after_import) / MEBIBYTE}

    def ceilings(self) -> dict:
        """Return the machine's rates."""
        from benchmarks.ceilings import measure_ceilings

        return measure_ceilings(self.threads)

    def answer(self, request: dict) -> dict:
        """Do what one request asks; say how much CPU time it took."""
        handlers: dict[str, Callable[..., dict]] = {
            "build": self.build,
            "time": self.time,
            "finish": self.finish,
            "ceilings": self.ceilings,
        }
        before = cpu_seconds()
        result = handlers[request.pop("do")](**request)
        return {**result, "cpu_s": cpu_seconds() - before}


def main() -> None:
    framework, workload, threads = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a framework prints must not mix with the answers
    runner = Runner(framework, workload, int(threads))
    for line in sys.stdin:
        answers.write(json.dumps(runner.answer(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
