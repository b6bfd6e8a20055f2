"""graphc in PyTorch's place: programs that say ``import torch`` and ``import torchvision`` run on it, unchanged.

``torch`` is a module of its own that hands on what :mod:`graphc` has; ``torch.nn`` and the other namespaces are the
very modules of graphc, found by an import hook when they are first asked for. Classes are called as PyTorch calls them.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import operator
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import graphc
from graphc.stand_ins import FOLDER
from graphc.torch_modules import CLASSES
from graphc.torch_version import TorchVersion

# What each of the two names stands for.
_ROOTS = {"torch": "graphc", "torchvision": "graphc.vision"}
_TORCH_VERSION = "2.13.0"
_TORCHVISION_VERSION = "0.28.0"


class _Namespace(ModuleType):
    """A top namespace that hands on what a module of graphc has."""

    def __init__(self, name: str, own: str, version: str):
        super().__init__(name, sys.modules[own].__doc__)
        self.__path__: list[str] = []
        self.__version__ = TorchVersion(f"{version}+graphc")
        self.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
        self._own = own

    def __getattr__(self, name: str) -> Any:
        own = sys.modules[self._own]
        if name == "__all__":
            return [each for each in dir(own) if not each.startswith("_")]
        return getattr(own, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(sys.modules[self._own])})


class _Loader:
    """Gives an existing module for one of PyTorch's names, and leaves it as it was."""

    def __init__(self, module: ModuleType):
        self._module = module
        self._spec = module.__spec__

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec
        _rename_classes(module)


class _Finder:
    """Finds PyTorch's modules among graphc's."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        root, _, rest = name.partition(".")
        if root not in _ROOTS or not rest:
            return None
        module = _own_module(f"{_ROOTS[root]}.{rest}") or _gathered(name, rest)
        if module is None:
            raise ModuleNotFoundError(f"No module named {name!r}: graphc does not offer it", name=name)
        return importlib.machinery.ModuleSpec(name, _Loader(module), is_package=hasattr(module, "__path__"))


def _own_module(name: str) -> ModuleType | None:
    """graphc's module of that name; None where there is none."""
    parent, _, last = name.rpartition(".")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise
    # A module that another one offers under a name of its own, as autograd offers grad_mode.
    found = getattr(sys.modules.get(parent), last, None) if parent in sys.modules else None
    return found if isinstance(found, ModuleType) else None


def _gathered(name: str, rest: str) -> ModuleType | None:
    """A module that PyTorch has for classes that stand elsewhere here: it holds those that are offered."""
    if not any(key == rest or key.startswith(f"{rest}.") for key in CLASSES):
        return None
    module = ModuleType(name, "Classes that graphc defines elsewhere.")
    module.__path__ = []
    for class_name in CLASSES.get(rest, "").split():
        found = _offered(rest, class_name)
        if found is not None:
            setattr(module, class_name, found)
    return module


def _offered(place: str, name: str) -> Any:
    """A class of PyTorch's by its name, wherever above its module graphc offers it."""
    parts = place.split(".")
    for length in range(len(parts), -1, -1):
        holder = sys.modules.get(".".join(("graphc", *parts[:length])))
        found = None if holder is None else getattr(holder, name, None) if name in dir(holder) else None
        if isinstance(found, type):
            return found
    return None


# -- names of classes ----------------------------------------------------------------------------------------------

# Classes of the top namespace: the name in graphc, and the module and name in PyTorch.
_TOP_CLASSES = {
    "Tensor": ("torch", "Tensor"),
    "Size": ("torch", "Size"),
    "dtype": ("torch", "dtype"),
    "device": ("torch", "device"),
    "Generator": ("torch._C", "Generator"),
    "linalg.LinAlgError": ("torch._C", "_LinAlgError"),
}
_renamed: dict[type, tuple[str, str, str]] = {}


def _rename(kind: type, module: str, name: str | None = None) -> None:
    if kind in _renamed or not kind.__module__.startswith("graphc"):
        return
    _renamed[kind] = kind.__module__, kind.__name__, kind.__qualname__
    kind.__module__ = module
    if name is not None:
        kind.__name__ = kind.__qualname__ = name


def _rename_classes(module: ModuleType) -> None:
    """Call the classes that a module defines as PyTorch calls those of its counterpart."""
    own = module.__name__
    for torch_name, prefix in sorted(_ROOTS.items(), key=lambda item: -len(item[1])):
        if own == prefix or own.startswith(f"{prefix}."):
            for kind in [value for value in vars(module).values() if isinstance(value, type)]:
                if kind.__module__ == own:
                    _rename(kind, torch_name + own[len(prefix) :])
            return


def _rename_known_classes() -> None:
    for name, (module, torch_name) in _TOP_CLASSES.items():
        _rename(operator.attrgetter(name)(graphc), module, torch_name)
    for place, names in CLASSES.items():
        for name in names.split():
            found = _offered(place, name)
            if found is not None and found.__name__ == name:
                _rename(found, f"torch.{place}")
    for name in [name for name in sys.modules if name.split(".")[:2] in _PUBLIC]:
        _rename_classes(sys.modules[name])


_PUBLIC = (["graphc", "nn"], ["graphc", "optim"], ["graphc", "utils"], ["graphc", "autograd"], ["graphc", "vision"])


# -- installing ----------------------------------------------------------------------------------------------------


class _Installation:
    """graphc in PyTorch's place, from ``install`` to ``remove``."""

    def __init__(self) -> None:
        self.finder = _Finder()
        self.installed = False

    def install(self) -> None:
        if self.installed:
            return
        for name in _ROOTS:
            if name in sys.modules:
                raise RuntimeError(
                    f"{name} is imported already: call graphc.install_as_torch() before anything imports it"
                )
        for name in ("nn", "optim", "utils.data", "vision"):
            importlib.import_module(f"graphc.{name}")
        self.installed = True
        sys.meta_path.insert(0, self.finder)
        # For processes that the program starts; behind the script's own folder.
        sys.path.insert(1, FOLDER)
        sys.modules["torch"] = _Namespace("torch", "graphc", _TORCH_VERSION)
        sys.modules["torchvision"] = _Namespace("torchvision", "graphc.vision", _TORCHVISION_VERSION)
        _rename_known_classes()

    def remove(self) -> None:
        if not self.installed:
            return
        self.installed = False
        sys.meta_path.remove(self.finder)
        if FOLDER in sys.path:
            sys.path.remove(FOLDER)
        for name in [name for name in sys.modules if name.partition(".")[0] in _ROOTS]:
            del sys.modules[name]
        for kind, (module, name, qualified) in _renamed.items():
            kind.__module__, kind.__name__, kind.__qualname__ = module, name, qualified
        _renamed.clear()


_installation = _Installation()


def install_as_torch() -> None:
    """From now on ``import torch`` and ``import torchvision`` give graphc, in this process.

    Raises RuntimeError where one of them is imported already.
    """
    _installation.install()


def stands_for_torch() -> bool:
    """Whether ``import torch`` gives graphc in this process."""
    return _installation.installed


def remove_as_torch() -> None:
    """Undo :func:`install_as_torch`."""
    _installation.remove()
