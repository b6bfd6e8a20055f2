"""The names of PyTorch that a checkpoint uses, and what they mean here.

Files name PyTorch's functions and classes, and PyTorch need not be there: each name is an inert object that is written
under its name and, when a file is read, does what the function of that name does.
Source: https://docs.pytorch.org/docs/stable/notes/serialization.html
"""

from __future__ import annotations

from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any

from graphc.device import Device
from graphc.nn.parameter import Parameter
from graphc.serialization.element_types import ELEMENT_TYPE_OF_NAME, ELEMENT_TYPES, UNTYPED, ElementType
from graphc.serialization.stored_memory import StoredMemory, UnsupportedTensor
from graphc.tensor import Size, Tensor


class TorchName:
    """A function or class of PyTorch's by name; calling it does here what it does there. It cannot be changed."""

    __slots__ = ("_function", "module", "name", "value")

    def __init__(self, module: str, name: str, function: Callable[..., Any] | None = None, value: Any = None):
        for slot, content in (("module", module), ("name", name), ("_function", function), ("value", value)):
            object.__setattr__(self, slot, content)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{self} cannot be changed")

    def __call__(self, *arguments: Any) -> Any:
        if self._function is None:
            raise UnpicklingError(f"{self} is called, which no checkpoint does")
        return self._function(*arguments)

    def __repr__(self) -> str:
        return f"{self.module}.{self.name}"


def _rebuild_tensor(memory: Any, offset: Any, size: Any, stride: Any) -> Any:
    if not isinstance(memory, StoredMemory):
        raise UnpicklingError(f"a tensor's memory is {type(memory).__name__}, expected a storage of the file")
    return memory.tensor(memory.element, offset, size, stride)


def _rebuild_tensor_v2(
    memory: Any, offset: Any, size: Any, stride: Any, requires_grad: Any, hooks: Any, metadata: Any = None
) -> Any:
    if metadata:
        raise UnpicklingError(f"a tensor that is stored conjugated or negated ({metadata!r:.80}) is not supported")
    return _with_gradient_flag(_rebuild_tensor(memory, offset, size, stride), requires_grad)


def _rebuild_tensor_v3(
    memory: Any, offset: Any, size: Any, stride: Any, requires_grad: Any, hooks: Any, dtype: Any, metadata: Any = None
) -> Any:
    if not isinstance(memory, StoredMemory) or metadata:
        return _rebuild_tensor_v2(memory, offset, size, stride, requires_grad, hooks, metadata)
    element = ELEMENT_TYPE_OF_NAME.get(getattr(dtype, "name", None))
    if element is None:
        raise UnpicklingError(f"a tensor's dtype is {dtype!r:.80}, expected one of PyTorch's")
    return _with_gradient_flag(memory.tensor(element, offset, size, stride), requires_grad)


def _with_gradient_flag(tensor: Any, requires_grad: Any) -> Any:
    if not isinstance(requires_grad, bool):
        raise UnpicklingError(f"a tensor's requires_grad is {requires_grad!r:.80}, expected a bool")
    if requires_grad and isinstance(tensor, Tensor):
        tensor.requires_grad_(True)
    return tensor


def _rebuild_parameter(data: Any, requires_grad: Any, hooks: Any = None) -> Any:
    if isinstance(data, UnsupportedTensor):
        return data
    if not isinstance(data, Tensor) or not isinstance(requires_grad, bool):
        raise UnpicklingError(f"a parameter of {type(data).__name__} and {requires_grad!r:.80}: expected tensor, bool")
    return Parameter(data, requires_grad)


def _rebuild_parameter_with_state(data: Any, requires_grad: Any, hooks: Any, state: Any) -> Any:
    return _with_attributes(_rebuild_parameter(data, requires_grad), state)


def _rebuild_from_type(function: Any, kind: Any, arguments: Any, state: Any) -> Any:
    if not isinstance(function, TorchName) or not isinstance(arguments, tuple):
        raise UnpicklingError(f"a tensor with attributes is made by {function!r:.80}, expected a function of PyTorch's")
    tensor = function(*arguments)
    if isinstance(tensor, UnsupportedTensor):
        return tensor
    if isinstance(kind, TorchName):
        kind = kind.value
    if not (isinstance(tensor, Tensor) and isinstance(kind, type) and issubclass(kind, Tensor)):
        raise UnpicklingError(f"a tensor of class {kind!r:.80}: expected a class of tensors")
    if type(tensor) is not kind:
        requires_grad = tensor.requires_grad
        tensor = Tensor._wrap(tensor._array, tensor.dtype, tensor._storage, tensor._chain, kind=kind)
        tensor._requires_grad = requires_grad
    return _with_attributes(tensor, state)


def _with_attributes(tensor: Any, state: Any) -> Any:
    if isinstance(tensor, UnsupportedTensor):
        return tensor
    attributes, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    if slots or not (attributes is None or (type(attributes) is dict and all(type(key) is str for key in attributes))):
        raise UnpicklingError(f"attributes of a tensor are {state!r:.80}, expected a dict")
    tensor.__dict__.update(attributes or {})
    return tensor


def _make_parameter(data: Any = None, requires_grad: Any = True) -> Any:
    return _rebuild_parameter(data, requires_grad)


def _make_size(extents: Any = ()) -> Size:
    if not isinstance(extents, tuple | list) or not all(type(extent) is int for extent in extents):
        raise UnpicklingError(f"torch.Size of {extents!r:.80}: expected a tuple of whole numbers")
    return Size(extents)


def _make_device(kind: Any = "cpu", index: Any = None) -> Device:
    if not isinstance(kind, str) or not (index is None or type(index) is int):
        raise UnpicklingError(f"torch.device of {kind!r:.80} and {index!r:.80}: expected a name and a number")
    return Device.of(kind) if index is None else Device(kind, index)


_FUNCTIONS = (
    TorchName("torch._utils", "_rebuild_tensor", _rebuild_tensor),
    TorchName("torch._utils", "_rebuild_tensor_v2", _rebuild_tensor_v2),
    TorchName("torch._utils", "_rebuild_tensor_v3", _rebuild_tensor_v3),
    TorchName("torch._utils", "_rebuild_parameter", _rebuild_parameter),
    TorchName("torch._utils", "_rebuild_parameter_with_state", _rebuild_parameter_with_state),
    TorchName("torch._tensor", "_rebuild_from_type_v2", _rebuild_from_type),
    TorchName("torch", "Size", _make_size, Size),
    TorchName("torch", "device", _make_device, Device),
    TorchName("torch", "Tensor", None, Tensor),
    TorchName("torch.nn.parameter", "Parameter", _make_parameter, Parameter),
    TorchName("torch", "UntypedStorage", None, UNTYPED),
    TorchName("torch.storage", "UntypedStorage", None, UNTYPED),
)
_STORAGES = tuple(
    TorchName(module, element.storage, None, element)
    for module in ("torch", "torch.cuda")
    for element in ELEMENT_TYPES
    if element.storage is not None
)
_DTYPES = tuple(TorchName("torch", element.name, None, element) for element in ELEMENT_TYPES)

TORCH_NAMES: dict[tuple[str, str], TorchName] = {
    (name.module, name.name): name for name in (*_FUNCTIONS, *_STORAGES, *_DTYPES)
}
TORCH_NAMES["torch.tensor", "_rebuild_from_type_v2"] = TORCH_NAMES["torch._tensor", "_rebuild_from_type_v2"]


def torch_name(module: str, name: str) -> TorchName:
    """The object that stands for one of PyTorch's names that this module lists."""
    return TORCH_NAMES[module, name]


def read_name(module: str, name: str) -> Any | None:
    """What a name of PyTorch's in a file stands for; None for a name that no checkpoint needs.

    A dtype is graphc's own, or its element type where graphc has no such dtype.
    """
    found = TORCH_NAMES.get((module, name))
    if found is not None and isinstance(found.value, ElementType) and name == found.value.name:
        return found.value if found.value.dtype is None else found.value.dtype
    return found
