"""What a training step needs of memory, planned and measured: `python -m benchmarks.memory [workload ...]`.

Parameters, state, and batches are there before a step and are not counted. For graphc: the arena of the plan with the
step's results and gradients, and the same as measured, by what numpy allocated while a step ran besides the arena. For
PyTorch: the most bytes that its allocator held of what an eager step allocated. The old gradients, which the new ones
replace, are counted for neither.
"""

from __future__ import annotations

import argparse
import tracemalloc
from collections.abc import Callable

import numpy as np

import graphc
from benchmarks.table import markdown
from benchmarks.workloads import WORKLOADS
from benchmarks.workloads.workload import Compile, Workload
from graphc.codegen.memory import MemoryPlan

WARM_UPS = 3


def planned_bytes(plan: MemoryPlan) -> int:
    """The arena of a plan with the step's results and gradients."""
    return plan.arena_bytes + plan.total("output")


def graphc_bytes(workload: Workload) -> tuple[int, int]:
    """What a compiled step needs: planned, and measured."""
    compiled: list = []

    def compile(function: Callable) -> Callable:
        compiled.append(graphc.compile(function))
        return compiled[-1]

    step = workload.build(graphc, Compile(compile))
    for _ in range(WARM_UPS):
        step()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        step()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    plan = compiled[-1].plan
    return planned_bytes(plan), plan.arena_bytes + peak - before


def torch_bytes(workload: Workload) -> int:
    """The peak of what an eager step of PyTorch allocates. Raises ImportError without PyTorch."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    step = workload.build(torch, Compile())
    for _ in range(WARM_UPS):
        step()
    peaks = []
    for _ in range(2):  # the profiler loses an event now and then
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
            step()
        # Frees of what was there before the step are not among the events.
        events = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
        held = np.cumsum([event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())])
        peaks.append(int(max(held, default=0)))
    return max(peaks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", metavar="workload", help="default: all")
    names = parser.parse_args().workloads or list(WORKLOADS)
    rows = []
    for name in names:
        planned, measured = graphc_bytes(WORKLOADS[name])
        eager = torch_bytes(WORKLOADS[name])
        rows.append([name, f"{planned:,}", f"{measured:,}", f"{eager:,}", f"{planned / eager:.2f}"])
    print(markdown(["workload", "planned", "measured", "PyTorch eager", "planned / eager"], rows))


if __name__ == "__main__":
    main()
