"""The JAX program of each workload."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from benchmarks.jax_programs import kernels, networks
from benchmarks.workloads.workload import Step

PROGRAMS: dict[str, Callable[[], Step]] = {
    "quadfit": kernels.build_quadfit,
    "quadfit_loop": kernels.build_quadfit_scan,
    "mlp64": partial(networks.build_mlp, 64),
    "mlp1024": partial(networks.build_mlp, 1024),
    "lenet64": partial(networks.build_lenet, 64),
    "lenet1": partial(networks.build_lenet, 1),
    "resnet20": networks.build_resnet20,
    "gpt": networks.build_gpt,
    "lstm": networks.build_lstm,
    "chain": kernels.build_chain,
    "chain_grad": kernels.build_chain_gradient,
    "softmax_ln": kernels.build_softmax_norm,
    "softmax_ln_grad": kernels.build_softmax_norm_gradient,
    "vgg16_fwd": networks.build_vgg16,
    "vgg16_step": networks.build_vgg16_training,
}
