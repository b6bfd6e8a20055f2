"""Parameters and buffers: the tensors of a module, those included whose shape is not known yet.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.parameter.Parameter.html
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from graphc import source_lines
from graphc.creation import empty
from graphc.device import of_gpu
from graphc.device_memory import gpu_of
from graphc.ir.primitive import Attributes, Primitive
from graphc.ir.types import DType
from graphc.ops.pointwise import Cast
from graphc.recording import state
from graphc.storage import Size
from graphc.tensor import Tensor


class _PrintsAsTorchs(type):
    """The classes of this module print as PyTorch's do."""

    def __repr__(cls) -> str:
        return f"<class 'torch.nn.parameter.{cls.__name__}'>" if cls.__module__ == __name__ else super().__repr__()


class Parameter(Tensor, metaclass=_PrintsAsTorchs):
    """A leaf tensor that a module registers when it is made an attribute. Shares memory with ``data``."""

    __slots__ = ()

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Any:
        parameter = _window(empty(0) if data is None else data, cls)
        if requires_grad and parameter.dtype.category not in ("float", "complex"):
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        return parameter.requires_grad_(requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class _MarkedAsBuffer(_PrintsAsTorchs):
    """Buffers are plain tensors that carry a mark, as PyTorch's."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor) and getattr(instance, "_is_buffer", False)


class Buffer(Tensor, metaclass=_MarkedAsBuffer):
    """A tensor that a module registers as a buffer when it is made an attribute. Shares memory with ``data``.

    ``persistent`` tells whether it is part of the module's ``state_dict``.
    """

    __slots__ = ()

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Any:
        source = empty(0) if data is None else data
        buffer = _window(source, Tensor)
        buffer._requires_grad = source.requires_grad
        buffer.persistent, buffer._is_buffer = persistent, True
        return buffer


def _window(source: Tensor, kind: type[Tensor]) -> Tensor:
    window = Tensor._wrap(source._array, source.dtype, source._storage, source._chain, kind=kind)
    if state.recorder is not None:
        state.recorder.view_made(window)
    return window


class Uninitialized(Tensor, metaclass=_PrintsAsTorchs):
    """What a parameter or buffer is before its shape is known: it has a dtype and a device and nothing else.

    :meth:`materialize` makes it an ordinary one. Computing with it, or asking for its shape, raises an error that says
    so.
    """

    __slots__ = ()
    cls_to_become: ClassVar[type[Tensor]]

    def materialize(self, shape: Any, device: Any = None, dtype: DType | None = None) -> None:
        """Give it memory of a shape, with elements that are not set; from now on it is an ordinary tensor."""
        made = empty(tuple(shape), device=self.device if device is None else device, dtype=dtype or self.dtype)
        self.__class__ = self.cls_to_become
        self.data = made

    @property
    def shape(self) -> Any:
        asking = sys._getframe(1).f_globals["__name__"]
        if asking == source_lines.__name__:
            return Size((0,))
        if asking.startswith("graphc.ops"):
            self._refuse()
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in "
            "`load_state_dict` when trying to load an uninitialized parameter into an initialized one. Call `forward` "
            "to initialize the parameters before accessing their attributes."
        )

    def size(self, dim: int | None = None) -> Any:
        """That of the nothing that it holds."""
        return Size((0,)) if dim is None else 0

    @property
    def _array(self) -> Any:
        # Whatever computes with a tensor looks at its array.
        return self._refuse()

    @_array.setter
    def _array(self, array: np.ndarray) -> None:
        self.__dict__["_array"] = array

    @property
    def _gpu(self) -> Any:
        return gpu_of(self.__dict__["_array"])

    def _moved(self, gpu: Any) -> Any:
        return type(self)(self._requires_grad, of_gpu(gpu), self.dtype)

    def _refuse(self) -> Any:
        raise ValueError(
            f"Attempted to use an uninitialized parameter in {_asking_function()}. This error happens when you are "
            "using a `LazyModule` or explicitly manipulating "
            f"`torch.nn.parameter.{type(self).__name__}` objects. When using LazyModules Call `forward` with a dummy "
            "batch to initialize the parameters before calling torch functions"
        )

    def apply(self, primitive: Primitive, inputs: Sequence[Any], attrs: Attributes) -> Any:
        """Another dtype is all that it can be given."""
        if not isinstance(primitive, Cast):
            return self._refuse()
        return type(self)(self._requires_grad, self.device, attrs["dtype"])

    @property
    def data(self) -> Any:
        return self

    @data.setter
    def data(self, value: Any) -> None:
        self.dtype, self._array = value.dtype, value.__dict__["_array"]

    def copy_(self, other: Tensor, non_blocking: bool = False) -> Any:
        """Does nothing for another tensor without a shape; there is nothing to copy."""
        return self if is_lazy(other) else self._refuse()

    def share_memory_(self) -> Any:
        """Raises RuntimeError: there is no memory."""
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to initialize the parameters "
            "before calling `module.share_memory()`."
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        copied = type(self)(self.requires_grad, self.device, self.dtype)
        memo[id(self)] = copied
        return copied

    def __reduce__(self) -> Any:
        return type(self), (self.requires_grad,)


def _asking_function() -> str:
    """The name of the operator that is running: that of the outermost frame of one, else of the innermost frame."""
    frame = sys._getframe(2)
    name = ""
    while frame is not None:
        module, function = frame.f_globals.get("__name__", ""), frame.f_code.co_name
        is_operator = module.startswith("graphc.ops.functions.") and not module.endswith(".public")
        if (module != __name__ and not name) or (is_operator and function[0] not in "_<"):
            name = function
        frame = frame.f_back
    return name


class UninitializedParameter(Uninitialized, Parameter):
    """A parameter whose shape is not known yet."""

    __slots__ = ()
    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: DType | None = None) -> Any:
        parameter = _window(empty(0, device=device, dtype=dtype), cls)
        parameter._requires_grad = requires_grad
        return parameter


class UninitializedBuffer(Uninitialized):
    """A buffer whose shape is not known yet."""

    __slots__ = ()
    cls_to_become = Tensor

    def __new__(
        cls, requires_grad: bool = False, device: Any = None, dtype: DType | None = None, persistent: bool = True
    ) -> Any:
        buffer = _window(empty(0, device=device, dtype=dtype), cls)
        buffer._requires_grad = requires_grad
        buffer.persistent, buffer._is_buffer = persistent, True
        return buffer


def is_lazy(value: Any) -> bool:
    """Whether a value is a parameter or buffer whose shape is not known yet."""
    return isinstance(value, Uninitialized)
