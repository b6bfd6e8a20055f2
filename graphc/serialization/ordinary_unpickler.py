"""The unpickler for files that the user trusts: any class may be named, and PyTorch's tensors become graphc's."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, BinaryIO

from graphc.serialization.torch_names import TorchName, read_name

# Of these names a pickle may ask for the class itself, to make an object of it without calling it.
_CLASSES = frozenset({"Size", "Tensor", "Parameter"})


class OrdinaryUnpickler(pickle.Unpickler):
    """Reads one pickle as the standard unpickler does. It runs what the file says: only for files you trust.

    Raises UnpicklingError for a class of PyTorch's own, such as a whole ``torch.nn.Linear``, that graphc does not read.
    """

    def __init__(self, file: BinaryIO, find_memory: Callable[[Any], Any] | None = None, encoding: str = "utf-8"):
        super().__init__(file, encoding=encoding)
        self._find_memory = find_memory

    def find_class(self, module: str, name: str) -> Any:
        """What a name in the file stands for."""
        found = read_name(module, name)
        if isinstance(found, TorchName) and name in _CLASSES:
            return found.value
        if found is not None:
            return found
        if module.split(".")[0] == "torch" and not _stands_for_torch():
            raise pickle.UnpicklingError(
                f"the file holds an object of {module}.{name}, a class of PyTorch's that only PyTorch can make; save "
                "the state_dict there instead, and load it into a module of graphc's"
            )
        return super().find_class(module, name)

    def persistent_load(self, pid: Any) -> Any:
        """The storage of a persistent id."""
        if self._find_memory is None:
            raise pickle.UnpicklingError("a storage is named where the file can hold none")
        return self._find_memory(pid)


def _stands_for_torch() -> bool:
    # Only here, since that module is made of all the others.
    from graphc.as_torch import stands_for_torch

    return stands_for_torch()
