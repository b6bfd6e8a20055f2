"""The frameworks that can be timed, and what each needs from its process."""

from __future__ import annotations

import importlib
import importlib.util
import os
from dataclasses import dataclass
from types import ModuleType

from benchmarks.workloads import Workload
from benchmarks.workloads.workload import Compile, Step


@dataclass(frozen=True)
class Framework:
    """A module to time: one with PyTorch's interface, run eagerly or through its `compile`, or one with its own.

    `form` says what is compiled of a workload: nothing, the "whole" step in one function, or its "part"s, the loss
    and the update. `cache_variable` names the environment variable of its cache of compiled programs, `install` the
    command that brings the module.
    """

    name: str
    module: str
    form: str | None
    cache_variable: str | None
    install: str

    def missing(self) -> str | None:
        """Return what to tell the user if the module is not installed, else None."""
        if importlib.util.find_spec(self.module) is not None:
            return None
        return f"{self.name} needs the module {self.module}, which is not installed: {self.install}"

    def offers(self, workload: str) -> bool:
        """Return whether there is a program for the workload: here there always is."""
        return True

    def load(self, threads: int) -> ModuleType:
        """Import the module, with those of its parts that the workloads use, for so many threads."""
        module = importlib.import_module(self.module)
        for part in ("nn", "nn.functional", "optim"):
            importlib.import_module(f"{self.module}.{part}")
        module.set_num_threads(threads)
        return module

    def build(self, module: ModuleType, workload: Workload) -> Step:
        """Return one step of the workload: a function that returns its loss."""
        return workload.build(module, Compile(**{self.form: module.compile}) if self.form else Compile())


@dataclass(frozen=True)
class Other(Framework):
    """A framework whose programs are written for it: those in the module `programs`, for all workloads or `some`.

    Its threads are as many as the CPUs that the process may use.
    """

    programs: str
    some: frozenset[str] = frozenset()

    def offers(self, workload: str) -> bool:
        """Return whether there is a program for the workload."""
        return not self.some or workload in self.some

    def load(self, threads: int) -> ModuleType:
        """Import the framework on so many CPUs."""
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
        return importlib.import_module(self.module)

    def build(self, module: ModuleType, workload: Workload) -> Step:
        """Return one step of the program that was written for this workload."""
        return importlib.import_module(self.programs).PROGRAMS[workload.name]()


GET_TORCH = "pip install torch==2.13.0"
FRAMEWORKS: dict[str, Framework] = {
    framework.name: framework
    for framework in (
        Framework("graphc", "graphc", "whole", "GRAPHC_CACHE_DIR", "pip install -e ."),
        Framework("graphc_eager", "graphc", None, "GRAPHC_CACHE_DIR", "pip install -e ."),
        Framework("torch_eager", "torch", None, None, GET_TORCH),
        Framework("torch_compile", "torch", "whole", "TORCHINDUCTOR_CACHE_DIR", GET_TORCH),
        Framework("torch_compile_parts", "torch", "part", "TORCHINDUCTOR_CACHE_DIR", GET_TORCH),
        Other("jax", "jax", "whole", None, "pip install jax", "benchmarks.jax_programs"),
        Other(
            "onnxruntime",
            "onnxruntime",
            "whole",
            None,
            "pip install onnx onnxruntime",
            "benchmarks.onnx_programs",
            frozenset(("chain", "softmax_ln", "vgg16_fwd")),
        ),
    )
}
DEFAULT_FRAMEWORKS = ["graphc", "torch_eager"]
