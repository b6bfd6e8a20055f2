"""Every workload under its name, in the order of the tables."""

from __future__ import annotations

from benchmarks.workloads import chain, gpt, lenet, lstm, mlp, quadfit, resnet, softmax_norm, vgg
from benchmarks.workloads.workload import Workload

WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for module in (quadfit, mlp, lenet, resnet, gpt, lstm, chain, softmax_norm, vgg)
    for workload in module.WORKLOADS
}
