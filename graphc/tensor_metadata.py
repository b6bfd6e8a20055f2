"""What a tensor is, beside its elements: shape, strides, dtype, memory, and the flags that PyTorch's tensors have.

Source: https://docs.pytorch.org/docs/stable/tensor_attributes.html
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from graphc.device import Device, cpu, of_gpu
from graphc.device_memory import gpu_of, use
from graphc.ir.types import DType, contiguous_strides
from graphc.layouts import Layout, MemoryFormat, contiguous_format, strided
from graphc.memory_views import rebuilt
from graphc.notices import warn, warn_once
from graphc.ops.describing import described
from graphc.ops.functions import complex_numbers
from graphc.ops.overriding import DisableTorchFunctionSubclass
from graphc.recording import generation, refuse_in_capture, state
from graphc.sizes import fixed
from graphc.storage import Size, Storage, widest_first
from graphc.storage_types import TypedStorage, UntypedStorage, storage_class, warn_of_typed_storage

if TYPE_CHECKING:
    from graphc.tensor import Tensor

# What PyTorch's tensors may be and these are not.
_ELSEWHERE = (
    *("ipu", "maia", "meta", "mkldnn", "mps", "mtia", "nested", "quantized", "sparse", "sparse_csr", "vulkan"),
    *("xla", "xpu"),
)


def _warn_of_turned(rank: int) -> None:
    if not rank:
        text = "Tensor.T is deprecated on 0-D tensors. This function is the identity in these cases."
    else:
        text = (
            "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and it will "
            "throw an error in a future release. Consider `x.mT` to transpose batches of matrices or `x.permute(*"
            "torch.arange(x.ndim - 1, -1, -1))` to reverse the dimensions of a tensor."
        )
    warn_once(text)


# Shapes of tensors, kept since programs ask for few different ones, and often.
_sizes: dict[tuple[int, ...], Size] = {}
_MOST_SIZES = 4096


def _size(shape: tuple[int, ...]) -> Size:
    if len(_sizes) >= _MOST_SIZES:
        _sizes.clear()
    size = _sizes[shape] = Size(shape)
    return size


class Metadata:
    """The part of :class:`graphc.Tensor` that tells what a tensor is."""

    @property
    def _storage(self) -> Storage:
        memory = self._memory
        if memory is None:
            memory = self._memory = Storage(self._array)
        return memory

    @property
    def shape(self) -> Size:
        recorder = state.recorder
        if recorder is not None:
            return recorder.shape_of(self)
        shape = self._array.shape
        return _sizes.get(shape) or _size(shape)

    def size(self, dim: int | None = None) -> Size | int:
        """The shape, or the extent of one dimension."""
        return self.shape if dim is None else self.shape[dim]

    @property
    def ndim(self) -> int:
        return self._array.ndim

    @property
    def T(self) -> Tensor:
        """The dimensions in reverse order."""
        if self._array.ndim != 2:
            _warn_of_turned(self._array.ndim)
        return self.permute(*reversed(range(self.ndim)))

    @property
    def mT(self) -> Tensor:
        """The last two dimensions swapped."""
        if self._array.ndim < 2:
            return self._as_matrix("mT", "matrices or batches of matrices")
        return self.transpose(-2, -1)

    @property
    def H(self) -> Tensor:
        """The conjugate transpose of a matrix."""
        if self._array.ndim != 2:
            return self._as_matrix("H", "matrices (2-D tensors)")
        return self.mH

    @property
    def mH(self) -> Tensor:
        """The conjugate transposes of matrices."""
        if self._array.ndim < 2:
            return self._as_matrix("mH", "matrices or batches of matrices")
        turned = self.transpose(-2, -1)
        return turned.conj() if self.dtype.is_complex else turned

    def _as_matrix(self, name: str, expected: str) -> Tensor:
        """A number, of which the transpose is itself. Raises RuntimeError for any other tensor."""
        rank = self._array.ndim
        if rank:
            hint = " For batches of matrices, consider using tensor.mH" if name == "H" and rank > 2 else ""
            raise RuntimeError(f"tensor.{name} is only supported on {expected}. Got {rank}-D tensor.{hint}")
        conjugate = name in ("H", "mH")
        meaning = "Consider using x.conj()." if conjugate else "This function is the identity in these cases."
        warn(f"Tensor.{name} is deprecated on 0-D tensors. {meaning}")
        return self.conj() if conjugate else self

    @property
    def real(self) -> Tensor:
        """The real part: a view; of real tensors the tensor itself."""
        return complex_numbers.real(self)

    @real.setter
    def real(self, value: Any) -> None:
        complex_numbers.real(self)[...] = value

    @property
    def imag(self) -> Tensor:
        """The imaginary part of a complex tensor: a view."""
        return complex_numbers.imag(self)

    @imag.setter
    def imag(self, value: Any) -> None:
        complex_numbers.imag(self)[...] = value

    def dim(self) -> int:
        """The number of dimensions."""
        return self._array.ndim

    def numel(self) -> int:
        """The number of elements."""
        return self._array.size if state.recorder is None else math.prod(self.shape)

    nelement = numel

    def element_size(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.numel() * self.dtype.itemsize

    @property
    def device(self) -> Device:
        return of_gpu(self._gpu) if use.active else cpu

    @property
    def _gpu(self) -> Any:
        """The GPU on which its memory is; None for the CPU's."""
        return gpu_of(self._array)

    def stride(self, dim: int | None = None) -> tuple[int, ...] | int:
        """Strides in elements, or that of one dimension."""
        if state.recorder is not None:
            if self._array.flags.c_contiguous and self._array.size:
                strides = contiguous_strides(self.shape)
                return strides if dim is None else strides[dim]
            fixed(self.shape)
        strides = tuple(step // self.dtype.itemsize for step in self._array.strides)
        if not self._array.size and not any(strides):  # numpy gives an empty array none
            strides = contiguous_strides(tuple(max(extent, 1) for extent in self._array.shape))
        return strides if dim is None else strides[dim]

    def is_contiguous(self, memory_format: MemoryFormat = contiguous_format) -> bool:
        """Whether elements lie in row-major order without gaps, or in that of a memory format."""
        if memory_format is contiguous_format:
            return self._array.flags.c_contiguous
        return memory_format.holds(self._array)

    def dim_order(self, ambiguity_check: Any = False) -> tuple[int, ...]:
        """The dimensions by their strides, the widest first."""
        return widest_first(self._array)

    def data_ptr(self) -> int:
        """The address of the first element; 0 where there is none."""
        return self._array.__array_interface__["data"][0] if self._array.size else 0

    const_data_ptr = data_ptr

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    ndimension = dim

    @property
    def layout(self) -> Layout:
        return strided

    @property
    def name(self) -> str | None:
        return None

    @property
    def output_nr(self) -> int:
        """Which of its node's results this tensor is."""
        node = self._node()
        return node.description[2] if node is not None and getattr(node, "description", None) else 0

    volatile = property(lambda self: False, doc="Of PyTorch before 0.4: without meaning.")
    is_cpu = property(lambda self: self.get_device() < 0, doc="Whether it is in the processor's memory.")
    is_cuda = property(lambda self: self.get_device() >= 0, doc="Whether it is in a GPU's memory.")

    def get_device(self) -> int:
        """The number of the GPU; -1, which stands for the CPU."""
        gpu = self._gpu if use.active else None
        return -1 if gpu is None else gpu.number

    def is_same_size(self, other: Tensor) -> bool:
        """Whether another tensor has this one's shape."""
        return self.shape == other.shape

    def is_set_to(self, tensor: Tensor) -> bool:
        """Whether another tensor is the same memory with the same offset, shape, and strides."""
        same = self._storage is tensor._storage and self.data_ptr() == tensor.data_ptr()
        return same and self.shape == tensor.shape and self.stride() == tensor.stride()

    def is_shared(self) -> bool:
        """Whether processes share the memory: after :meth:`share_memory_`."""
        return self._storage.shared

    def share_memory_(self) -> Tensor:
        """Move the memory to where processes that are forked from here on see it and write to it in common."""
        storage = self._storage
        if not storage.shared:
            refuse_in_capture("share_memory_()")
            storage.share()
            self._array = rebuilt(self)
            generation.advance()
        return self

    def is_distributed(self) -> bool:
        """False: no tensor lies on several machines."""
        return False

    def dense_dim(self) -> int:
        """The number of dimensions, of which none is sparse."""
        return self._array.ndim

    def sparse_dim(self) -> int:
        """0: no dimension is sparse."""
        return 0

    @property
    def grad_dtype(self) -> DType:
        """The dtype of the gradient: this tensor's."""
        return self.dtype

    def as_subclass(self, cls: type) -> Any:
        """A view of this tensor as an instance of a class of tensors, within the graph."""
        with DisableTorchFunctionSubclass():
            viewed = described(self.view_as(self), "AliasBackward0(input)", self)
        viewed.__class__ = cls
        return viewed

    def is_pinned(self, device: Any = None) -> bool:
        """False: memory of both is reached by the CPU and by a GPU alike."""
        return False

    def pin_memory(self, device: Any = None) -> Tensor:
        """This tensor: memory of both is reached by both. Raises RuntimeError where there is no GPU."""
        if not use.active:
            raise RuntimeError("Cannot access accelerator device when none is available.")
        return self

    # -- memory --------------------------------------------------------------------------------------------------

    def storage_offset(self) -> int:
        """How many elements of the memory lie before the first of this tensor."""
        fixed(self.shape)
        if not self._array.size and not self._storage.array.size:
            return 0
        start = self._array.__array_interface__["data"][0] - self._storage.address()
        return start // self.dtype.itemsize

    def untyped_storage(self) -> UntypedStorage:
        """The memory as bytes."""
        return UntypedStorage.of(self._storage)

    def storage(self) -> TypedStorage:
        """The memory as elements of this dtype."""
        warn_of_typed_storage()
        return self._typed_storage()

    def _typed_storage(self) -> TypedStorage:
        return TypedStorage.of(self._storage, self.dtype)

    def storage_type(self) -> type:
        """The class of storages of this dtype."""
        return storage_class(self.dtype)

    def __len__(self) -> int:
        if self._array.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return int(self.shape[0])

    def __repr__(self) -> str:
        from graphc.tensor_printing import format_tensor

        return format_tensor(self)

    def __format__(self, specification: str) -> str:
        from graphc.tensor import Tensor

        if self._array.ndim == 0 and type(self) is Tensor:
            return format(self.item(), specification)
        return object.__format__(self, specification)


def _never(kind: str) -> property:
    return property(lambda self: False, doc=f"False: no tensor is of the kind {kind}.")


for _kind in _ELSEWHERE:
    setattr(Metadata, f"is_{_kind}", _never(_kind))
