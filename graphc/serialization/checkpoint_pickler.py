"""The pickler of checkpoints: tensors, sizes, dtypes, and devices are written under PyTorch's names."""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from typing import Any

import numpy as np

from graphc.device import Device
from graphc.device_memory import gpu_of
from graphc.ir.types import DType
from graphc.nn.parameter import Parameter
from graphc.serialization.element_types import ElementType, element_type_of
from graphc.serialization.stored_memory import element_strides, memory_window, window_offset
from graphc.serialization.torch_names import TorchName, torch_name
from graphc.tensor import Size, Storage, Tensor

PROTOCOL = 2
_STORAGE_TAG, _LOCATION, _UNTYPED_NAME = "storage", "cpu", "UntypedStorage"


# The attributes that tensors are made of.
_OF_TENSORS = frozenset((*vars(Tensor), *Tensor.__annotations__))


class _SavedMemory:
    """One storage of the file: its memory as a 1-d array, and the key of its record."""

    __slots__ = ("element", "key", "source", "window")

    def __init__(self, window: np.ndarray, element: ElementType, key: str, source: Any):
        self.window, self.element, self.key = window, element, key
        # Held until the file is written: a storage is known by where it lies.
        self.source = source


# The standard library's pickler in Python: the other one writes only names that it can import, and PyTorch's it can't.
class CheckpointPickler(pickle._Pickler):
    """Writes one object as the ``data.pkl`` of a checkpoint, and gathers the memory that its tensors lie in."""

    def __init__(self, file: io.BytesIO):
        super().__init__(file, protocol=PROTOCOL)
        self._by_place: dict[tuple[int, int, DType], _SavedMemory] = {}
        self._memories: list[_SavedMemory] = []

    def memories(self) -> list[tuple[str, np.ndarray]]:
        """Key and content, a contiguous 1-d array, of every storage in the order in which it was met."""
        return [(memory.key, np.ascontiguousarray(memory.window)) for memory in self._memories]

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        """Write one object."""
        if type(obj) is DType:
            obj = torch_name("torch", obj.name)
        if type(obj) is TorchName and id(obj) not in self.memo:
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode("ascii"))
            self.memoize(obj)
        else:
            super().save(obj, save_persistent_id)

    def persistent_id(self, obj: Any) -> Any:
        """What stands for a storage in the file; None for every other object."""
        if type(obj) is not _SavedMemory:
            return None
        element = obj.element
        kind = torch_name("torch", element.storage) if element.storage else torch_name("torch.storage", _UNTYPED_NAME)
        count = obj.window.size if element.storage else obj.window.nbytes
        gpu = gpu_of(obj.window)
        return (_STORAGE_TAG, kind, obj.key, _LOCATION if gpu is None else f"cuda:{gpu.number}", count)

    def reducer_override(self, obj: Any) -> Any:
        """How the kinds of graphc's values that PyTorch has too are made again."""
        if isinstance(obj, Tensor):
            return self._reduced_tensor(obj)
        kind = type(obj)
        if kind is Size:
            return torch_name("torch", "Size"), (tuple(obj),)
        if kind is Device:
            return torch_name("torch", "device"), ((obj.type,) if obj.index is None else (obj.type, obj.index))
        return NotImplemented

    def _reduced_tensor(self, tensor: Tensor) -> Any:
        # What the user gave the tensor beside what it is made of.
        state = {name: value for name, value in vars(tensor).items() if name not in _OF_TENSORS} or None
        if type(tensor) is Parameter:
            data = tensor.detach()
            arguments = (data, tensor.requires_grad, OrderedDict())
            if state is None:
                return torch_name("torch._utils", "_rebuild_parameter"), arguments
            return torch_name("torch._utils", "_rebuild_parameter_with_state"), (*arguments, state)
        function, arguments = self._plain_tensor(tensor)
        if type(tensor) is Tensor and state is None:
            return function, arguments
        kind = torch_name("torch", "Tensor") if type(tensor) is Tensor else type(tensor)
        return torch_name("torch._tensor", "_rebuild_from_type_v2"), (function, kind, arguments, state)

    def _plain_tensor(self, tensor: Tensor) -> tuple[TorchName, tuple[Any, ...]]:
        array = tensor._value("save()")
        memory = self._memory_of(tensor._storage, tensor.dtype)
        offset = None if memory is None else window_offset(memory.window, array)
        if memory is None or offset is None:
            # A numpy array that runs backwards, or one field of records: no PyTorch tensor can lie so.
            array = np.array(array, order="C")
            memory, offset = self._new_memory(array.reshape(-1), tensor.dtype, array), 0
        layout = (memory, offset, tuple(array.shape), element_strides(array), tensor.requires_grad, OrderedDict())
        if memory.element.storage is None:
            dtype = torch_name("torch", memory.element.name)
            return torch_name("torch._utils", "_rebuild_tensor_v3"), (*layout, dtype)
        return torch_name("torch._utils", "_rebuild_tensor_v2"), layout

    def _memory_of(self, storage: Storage, dtype: DType) -> _SavedMemory | None:
        window = memory_window(storage)
        if window is None:
            return None
        # Two storages may show one memory, as two tensors made from one numpy array do.
        place = window.__array_interface__["data"][0] if window.size else id(storage)
        known = self._by_place.get((place, window.size, dtype))
        if known is None:
            known = self._by_place[place, window.size, dtype] = self._new_memory(window, dtype, storage)
        return known

    def _new_memory(self, window: np.ndarray, dtype: DType, source: Any) -> _SavedMemory:
        memory = _SavedMemory(window, element_type_of(dtype), str(len(self._memories)), source)
        self._memories.append(memory)
        return memory
