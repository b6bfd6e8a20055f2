"""OptimizedModule: what ``compile(module)`` gives, a module around the module whose calls run a compiled program.

Source: https://docs.pytorch.org/docs/stable/generated/torch.compile.html
"""

from __future__ import annotations

from typing import Any

from graphc.compiler import CompiledFunction
from graphc.nn.module import Module

__all__ = ["OptimizedModule"]

# What it keeps itself; every other attribute is the module's.
_OWN = {"_orig_mod", "_program", "forward", "__dict__"}
# What compiled functions tell of their builds, where the module has no attribute of the name.
_OF_THE_PROGRAM = {"check", "fallback", "function", "graph", "max_paths", "plan", "report", "source", "stages"}


class OptimizedModule(Module):
    """A module in whose place a program runs. The module is its part ``_orig_mod``, which is how its parameters and its
    state are named; attributes are read from the module and written to it, as its mode is.

    ``report()``, ``plan``, ``source``, ``graph``, and ``stages`` are those of the program, as of a compiled function,
    unless the module has attributes of these names.
    """

    def __init__(self, module: Module, program: CompiledFunction):
        super().__init__()
        self.__dict__.pop("training", None)
        self.__dict__["_program"] = self.__dict__["forward"] = program
        self._modules["_orig_mod"] = module

    @property
    def training(self) -> bool:
        """The mode of the module."""
        return self._orig_mod.training

    def __len__(self) -> int:
        module = self._orig_mod
        if not hasattr(type(module), "__len__"):
            raise TypeError(f"{type(module).__name__} does not support len()")
        return len(module)

    def __bool__(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        module = self.__dict__.get("_modules", {}).get("_orig_mod")
        if name == "_orig_mod" or module is None:
            return super().__getattr__(name)
        if name in _OF_THE_PROGRAM and not hasattr(module, name):
            return getattr(self._program, name)
        return getattr(module, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "training" and (name in _OWN or hasattr(type(self), name)):
            super().__setattr__(name, value)
        else:
            setattr(self._orig_mod, name, value)

    def __delattr__(self, name: str) -> None:
        if name in _OWN or hasattr(type(self), name):
            super().__delattr__(name)
        else:
            delattr(self._orig_mod, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self._orig_mod)})

    def __reduce__(self) -> Any:
        return OptimizedModule, (self._orig_mod, self._program)
