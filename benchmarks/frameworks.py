"""The frameworks that can be timed, and what each needs from its process."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from benchmarks.workloads import Workload
from benchmarks.workloads.workload import Step


@dataclass(frozen=True)
class Framework:
    """A module with PyTorch's interface, run eagerly or through its `compile`.

    `cache_variable` names the environment variable of its cache of compiled programs, `install` the command that
    brings the module.
    """

    name: str
    module: str
    compiles: bool
    cache_variable: str | None
    install: str

    def missing(self) -> str | None:
        """Return what to tell the user if the module is not installed, else None."""
        if importlib.util.find_spec(self.module) is not None:
            return None
        return f"{self.name} needs the module {self.module}, which is not installed: {self.install}"

    def load(self) -> ModuleType:
        """Import the module, and those of its parts that the workloads use."""
        for part in ("nn", "nn.functional", "optim"):
            importlib.import_module(f"{self.module}.{part}")
        return importlib.import_module(self.module)

    def build(self, module: ModuleType, workload: Workload) -> Step:
        """Return one step of the workload: a function that returns its loss."""
        return workload.build(module, module.compile if self.compiles else run_as_it_is)


def run_as_it_is(function: Callable) -> Callable:
    """Stand in for `compile` where nothing is to be compiled."""
    return function


GET_TORCH = "pip install torch==2.13.0"
FRAMEWORKS: dict[str, Framework] = {
    framework.name: framework
    for framework in (
        Framework("graphc", "graphc", True, "GRAPHC_CACHE_DIR", "pip install -e ."),
        Framework("graphc_eager", "graphc", False, "GRAPHC_CACHE_DIR", "pip install -e ."),
        Framework("torch_eager", "torch", False, None, GET_TORCH),
        Framework("torch_compile", "torch", True, "TORCHINDUCTOR_CACHE_DIR", GET_TORCH),
    )
}
DEFAULT_FRAMEWORKS = ["graphc", "torch_eager"]
