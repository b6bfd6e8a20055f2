"""How long a step takes to build: `python -m benchmarks.build_time [workload]`, by default LeNet with batch 64.

Each round starts two processes on one fresh cache: the first finds it empty (cold), the second finds what the first
left (warm). The first call is timed, import and building of the model apart. Helpers' CPU seconds are those of the
processes that the framework started, compilers above all: none in a warm start.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile

from benchmarks.child import Child, ChildError
from benchmarks.frameworks import FRAMEWORKS
from benchmarks.table import markdown
from benchmarks.workloads import WORKLOADS

FIGURES = {
    "import_s": "import, s",
    "build_s": "model, s",
    "first_call_s": "first call, s",
    "helpers_cpu_s": "helpers' CPU, s",
}


def measure(framework: str, workload: str, threads: int, cache_directory: str) -> dict:
    """Return the times of one build in a new process."""
    child = Child(framework, workload, threads, cache_directory)
    try:
        return child.ask(600.0, do="build")
    finally:
        child.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload", nargs="?", default="lenet64", choices=WORKLOADS)
    parser.add_argument("--framework", default="graphc", choices=FRAMEWORKS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if message := FRAMEWORKS[options.framework].missing():
        parser.error(message)

    builds: dict[str, list[dict]] = {"cold": [], "warm": []}
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(prefix="benchmark-cache-") as cache_directory:
            for state in builds:
                try:
                    builds[state].append(measure(options.framework, options.workload, options.threads, cache_directory))
                except ChildError as error:
                    sys.exit(f"{options.framework}, {options.workload}, {state}: {error}")

    print(f"{options.workload}, {options.framework}, {options.threads} threads, median of {options.rounds}\n")
    rows = [
        [state, *(f"{statistics.median(build[figure] for build in records):.3f}" for figure in FIGURES)]
        for state, records in builds.items()
    ]
    print(markdown(["cache", *FIGURES.values()], rows))


if __name__ == "__main__":
    main()
