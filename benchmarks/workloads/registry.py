"""Every workload under its name, in the order of the tables."""

from __future__ import annotations

from benchmarks.workloads import gpt, lenet, mlp, quadfit, resnet
from benchmarks.workloads.workload import Workload

WORKLOADS: dict[str, Workload] = {
    workload.name: workload for module in (quadfit, mlp, lenet, resnet, gpt) for workload in module.WORKLOADS
}
