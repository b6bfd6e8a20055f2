"""Rounds of timing: each framework in its own process, one after the other, so that drift of the machine hits all."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from benchmarks.child import Child, ChildError
from benchmarks.frameworks import FRAMEWORKS

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
QUIET_CPUS = 0.1
MOST_TRIES = 3


@dataclass(frozen=True)
class Plan:
    """What to time: names of frameworks and workloads, threads, rounds, seconds a timing, seconds until giving up."""

    frameworks: list[str]
    workloads: list[str]
    threads: int
    rounds: int
    seconds: float
    timeout: float


def busy_seconds() -> float | None:
    """Return how long all CPUs together have worked since the machine started, or had been stolen; None if unknown."""
    try:
        user, nice, system, _idle, _wait, interrupt, soft, stolen = map(
            int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
        )
    except OSError:
        return None
    return (user + nice + system + interrupt + soft + stolen) / TICKS_A_SECOND


def machine() -> dict:
    """Return what a reader must know of the machine to judge the figures."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
    except OSError:
        pass
    return {
        "kind": "machine",
        "date": time.strftime("%Y-%m-%d"),
        "cpu": model,
        "cpus": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def ask_quietly(child: Child, timeout: float, **request: object) -> dict:
    """Ask for a measurement; again if other processes used the CPUs meanwhile. Return the least disturbed answer.

    `foreign_cpus` is the mean number of CPUs that others used, None where the system does not tell.
    """
    tries = []
    for _ in range(MOST_TRIES):
        start, before = time.perf_counter(), busy_seconds()
        answer = child.ask(timeout, **request)
        if before is None:
            return {**answer, "foreign_cpus": None}
        foreign = busy_seconds() - before - answer["cpu_s"]
        tries.append({**answer, "foreign_cpus": max(0.0, foreign) / (time.perf_counter() - start)})
        if tries[-1]["foreign_cpus"] <= QUIET_CPUS:
            break
    return min(tries, key=lambda answer: answer["foreign_cpus"])


def run_workload(plan: Plan, workload: str) -> Iterator[dict]:
    """Yield the records of one workload: for each framework a "build", `rounds` times "time", and a "finish".

    A framework that fails yields one "failure" and takes no further part; one without the program takes none.
    """
    with ExitStack() as stack:

        def start(framework: str) -> Child:
            cache_directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-cache-"))
            child = Child(framework, workload, plan.threads, cache_directory)
            stack.callback(child.close)
            return child

        children = {name: start(name) for name in plan.frameworks if FRAMEWORKS[name].offers(workload)}
        stages = ["build", *range(plan.rounds), "finish"]
        for stage in stages:
            order = list(children)
            if isinstance(stage, int):
                order = order[stage % len(order) :] + order[: stage % len(order)]
            for framework in order:
                record = {"framework": framework, "workload": workload, "threads": plan.threads}
                try:
                    if isinstance(stage, int):
                        answer = ask_quietly(children[framework], plan.timeout, do="time", seconds=plan.seconds)
                        yield {"kind": "time", **record, "round": stage, **answer}
                    else:
                        yield {"kind": stage, **record, **children[framework].ask(plan.timeout, do=stage)}
                except ChildError as error:
                    children.pop(framework).close()
                    tqdm.write(f"{workload}, {framework}: {error}", file=sys.stderr)
                    yield {"kind": "failure", **record, "stage": str(stage), "error": str(error)}
            if not children:
                return


def run_ceilings(plan: Plan) -> dict:
    """Return the record of the machine's rates on as many threads as the plan says."""
    with tempfile.TemporaryDirectory() as directory:
        child = Child("none", "none", plan.threads, directory)
        try:
            return {"kind": "ceilings", "threads": plan.threads, **ask_quietly(child, plan.timeout, do="ceilings")}
        finally:
            child.close()
