"""Joins the families of samples: every module of this package that has ``SAMPLES`` is one."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from tests.ops.samples.table import OpSample


def _collect() -> tuple[OpSample, ...]:
    package = __name__.rpartition(".")[0]
    directory = import_module(package).__path__
    families = sorted(module.name for module in iter_modules(directory) if module.name not in ("collect", "table"))
    found: dict[str, OpSample] = {}
    for family in families:
        for sample in import_module(f"{package}.{family}").SAMPLES:
            if sample.identity in found:
                raise ValueError(f"two samples are called {sample.identity!r}; the second is in {family}.py")
            found[sample.identity] = sample
    return tuple(found.values())


ALL_SAMPLES: tuple[OpSample, ...] = _collect()
