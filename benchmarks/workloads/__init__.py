"""The programs that are timed, one file a model. `WORKLOADS` maps the name on the command line to its workload."""

from benchmarks.workloads.registry import WORKLOADS
from benchmarks.workloads.workload import Workload

__all__ = ["WORKLOADS", "Workload"]
