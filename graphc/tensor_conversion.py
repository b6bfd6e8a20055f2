"""A tensor's elements elsewhere: as Python's numbers, as arrays, in other dtypes, in copies and files.

Source: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.autograd.naming import described
from graphc.device import Device
from graphc.device_memory import at, gpu_of, settle, use
from graphc.ir.types import DType, bfloat16, dtype_of, float64
from graphc.layouts import MemoryFormat, contiguous_format, preserve_format
from graphc.memory_views import rebuilt
from graphc.notices import warn_once
from graphc.ops.functions.conversion import as_dtype
from graphc.ops.pointwise import Cast, Copy
from graphc.ops.sources import as_number
from graphc.recording import state

if TYPE_CHECKING:
    from graphc.tensor import Tensor


class Conversion:
    """The part of :class:`graphc.Tensor` that gives its elements in other forms."""

    def _value(self, what: str) -> np.ndarray:
        if state.recorder is not None:
            state.recorder.refuse_value(self, what)
        if use.active:
            settle(self._array)
        return self._array

    def _read(self, what: str) -> np.ndarray:
        """The elements, for Python code that may decide by them: a program that is recorded then depends on them."""
        if state.recorder is not None:
            state.recorder.value_read(self, what)
        if use.active:
            settle(self._array)
        return self._array

    @property
    def _settled(self) -> np.ndarray:
        """The elements, for numpy to read, or to write where nobody follows it: GPUs are waited for."""
        if use.active:
            settle(self._array)
        return self._array

    def item(self) -> float | int | bool:
        """The one element as a Python number. Raises RuntimeError where there is not exactly one."""
        if state.recorder is not None and self.dtype.is_floating_point and self._array.size == 1:
            return state.recorder.number_read(self)
        return self._single("item()")

    def _single(self, what: str) -> Any:
        if self._array.size != 1:
            raise RuntimeError(f"a Tensor with {self._array.size} elements cannot be converted to Scalar")
        return self._read(what).item()

    def _only(self, what: str) -> Any:
        if self._array.size != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        return self._read(what).item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return self._read("tolist()").tolist()

    def __contains__(self, element: Any) -> bool:
        """Whether an element equals a number or, somewhere, a tensor that is broadcast. Else RuntimeError."""
        if not isinstance(element, bool | int | float | complex) and not hasattr(element, "apply"):
            raise RuntimeError(
                f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}."
            )
        return bool((self == element).any())

    def __bool__(self) -> bool:
        if self._array.size == 0:
            raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
        if self._array.size > 1:
            raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
        return bool(self._read("bool()").item())

    def __int__(self) -> int:
        self._note_lost_gradient()
        return int(_real(self._only("int()")))

    def __float__(self) -> float:
        self._note_lost_gradient()
        return float(_real(self._only("float()")))

    def _note_lost_gradient(self) -> None:
        if self.requires_grad:
            warn_once(
                "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\nConsider "
                "using tensor.detach() first."
            )

    def __complex__(self) -> complex:
        self._note_lost_gradient()
        return complex(self._only("complex()"))

    def __index__(self) -> int:
        if self.dtype.is_differentiable:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self._single("int()"))

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The elements as an array that shares this tensor's memory; with ``force`` of a tensor with a gradient too.

        Raises:
            RuntimeError: for a tensor that requires a gradient; use ``tensor.detach().numpy()``.
            TypeError: for bfloat16, which numpy does not know; for a tensor on a GPU, unless ``force`` copies it.
        """
        if self.requires_grad and not force:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        if use.active and self._gpu is not None:
            if not force:
                raise TypeError(
                    f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to "
                    "host memory first."
                )
            return self.detach().cpu().numpy()
        if self.dtype is bfloat16:
            raise TypeError("Got unsupported ScalarType BFloat16")
        # An array of its own, which the caller may give another shape.
        return self._value("numpy()").view()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype, copy=copy)

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Tensor:
        """What a function of numpy found for this tensor, as a tensor; truth values as PyTorch has them here, uint8."""
        found = np.asarray(array)
        return self.from_array(found.astype(np.uint8) if found.dtype == np.bool_ else found)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        """A copy; tensors that share memory and are copied together share the copied memory."""
        if id(self) in memo:
            return memo[id(self)]
        if self._grad_fn is not None:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the "
                "moment."
            )
        array = self._value("deepcopy()")
        if use.active:
            settle(self._storage.array)
        memory = copy.deepcopy(self._storage, memo)
        if use.active:
            memory.array = at(memory.array, gpu_of(self._storage.array))
        copied = self._wrap(memory.array, self.dtype, memory, self._chain, kind=type(self))
        if self._chain:
            copied._array = rebuilt(copied)
            if not np.may_share_memory(copied._array, memory.array):
                copied = self._wrap(at(array.copy(), gpu_of(array)), self.dtype, kind=type(self))
        copied._requires_grad = self._requires_grad
        memo[id(self)] = copied
        if self._grad is not None:
            copied._grad = self._grad.__deepcopy__(memo)
        for name, value in vars(self).items():
            if name not in ("_array", "dtype") and not hasattr(type(self), name):
                copied.__dict__[name] = copy.deepcopy(value, memo)
        return copied

    def __reduce__(self) -> Any:
        return _restore, (type(self), np.array(self._value("pickling"), order="C"), self._requires_grad)

    def to(
        self,
        *targets: Any,
        dtype: Any = None,
        device: Any = None,
        non_blocking: bool = False,
        copy: bool = False,
        memory_format: Any = None,
    ) -> Tensor:
        """This tensor in another dtype or on another device; itself where nothing changes, unless ``copy`` says so.

        The first arguments are a dtype (one of Python's types stands for one too), a device and perhaps a dtype, or
        another tensor of those; ``non_blocking`` and ``copy`` may follow them.
        """
        flags = [target for target in targets if isinstance(target, bool)]
        copy = flags[1] if len(flags) > 1 else copy
        dtype = as_dtype(dtype)
        for target in targets:
            if isinstance(target, (DType, type)):
                dtype = as_dtype(target)
            elif isinstance(target, Conversion):
                dtype, device = target.dtype, target.device
            elif target is not None and not isinstance(target, bool):
                device = target
        if device is not None:
            gpu = Device.of(device).require()
            if use.active and gpu is not self._gpu:
                moved = self._moved(gpu)
                again = dtype is not None or memory_format is not None
                return moved.to(dtype=dtype, memory_format=memory_format) if again else moved
        order = preserve_format if memory_format is None else memory_format
        if dtype is None or dtype == self.dtype:
            if not copy and (order is preserve_format or order.holds(self._array)):
                return self
            return self.clone(memory_format=order)
        result = described(Cast.bind(self, dtype=dtype), "ToCopyBackward0(input)", self)
        return result if order is preserve_format else order.lay_out(result)

    def clone(self, *, memory_format: MemoryFormat = preserve_format) -> Tensor:
        """A copy with its own memory, within the graph; the elements lie in it in the tensor's own order, or in that of
        the memory format."""
        copied = Copy.bind(self)
        return copied if memory_format is preserve_format else memory_format.lay_out(copied)

    def contiguous(self, memory_format: MemoryFormat = contiguous_format) -> Tensor:
        """This tensor where its elements lie in row-major order (or in that of the memory format), else a copy for
        which they do."""
        if memory_format is contiguous_format:
            if self._array.flags.c_contiguous:
                return self
        elif memory_format is preserve_format or memory_format.holds(self._array):
            return self
        return memory_format.lay_out(self.clone())

    def cpu(self, memory_format: MemoryFormat = preserve_format) -> Tensor:
        """This tensor in the processor's memory: itself where it is there already."""
        return self._moved(None) if use.active and self._gpu is not None else self

    def _moved(self, gpu: Any) -> Tensor:
        """A copy on a GPU, or on the CPU for None, within the graph."""
        moved = described(self.clone(), "ToCopyBackward0(input)", self)
        moved._lie_at(gpu)
        return moved

    def _lie_at(self, gpu: Any) -> Tensor:
        """Give this tensor, which is new and has its memory to itself, memory on a GPU, or on the CPU for None."""
        if use.active:
            array = at(self._array, gpu)
            if array is not self._array:
                self._array = array
                if self._memory is not None:
                    self._memory.array = array
        return self

    def to_dense(self, dtype: DType | None = None, *, masked_grad: bool = True) -> Tensor:
        """This tensor, as it is dense already; in another dtype where one is given."""
        return self if dtype is None else self.to(dtype)

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
    ) -> Any:
        """A capsule by which other libraries share this tensor's memory.

        Raises RuntimeError for a tensor that requires a gradient; use ``tensor.detach()``.
        """
        from graphc.interchange import exported

        return exported(self, stream, max_version, dl_device, copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        """DLPack's numbers of the device: those of the CPU."""
        return (1, 0)

    def cuda(self, device: Any = None) -> Tensor:
        """This tensor on a GPU, the current one or that of the device or number given: itself where it is there
        already. Raises as :meth:`graphc.device.Device.require`."""
        return self.to(Device.of("cuda" if device is None else device))


def _real(number: float | int | complex) -> float | int:
    """A number without imaginary part. Raises RuntimeError where there is one."""
    return as_number(number, float64) if isinstance(number, complex) else number


def _restore(kind: type[Tensor], array: np.ndarray, requires_grad: bool) -> Tensor:
    tensor = kind._wrap(array, dtype_of(array.dtype), kind=kind)
    tensor._requires_grad = requires_grad
    return tensor
