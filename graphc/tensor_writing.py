"""Writing to a tensor's memory in place, with the gradients following, and changing its shape in place.

Source: https://docs.pytorch.org/docs/stable/notes/autograd.html#in-place-operations-with-autograd
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.autograd.naming import describe_copy_slices, describe_index_put, describe_written, described
from graphc.autograd.tape import TapeNode, gradient_edge
from graphc.device_memory import settle, use
from graphc.ir.types import contiguous_strides
from graphc.layouts import MemoryFormat, contiguous_format, preserve_format
from graphc.memory_views import first_elements
from graphc.ops.functions.indexing import setitem
from graphc.ops.functions.shaping import broadcast_to
from graphc.ops.memory_overlap import require_apart
from graphc.ops.operands import number_operand
from graphc.ops.pointwise import Copy
from graphc.ops.pointwise_family import PointwiseFunction
from graphc.ops.quiet import IGNORE, restore, silence
from graphc.ops.sources import as_number, number_like
from graphc.ops.view_origins import refuse_write
from graphc.ops.views import SliceUpdate
from graphc.recording import generation, refuse_in_capture, state
from graphc.source_lines import explained
from graphc.storage import Storage
from graphc.tensor_gradients import INFERENCE

if TYPE_CHECKING:
    from graphc.tensor import Tensor


_NUMBERS = (float, int)
# PyTorch's nodes of ``squeeze_`` without a dim, with one, and with several.
_SQUEEZES = {None: "SqueezeBackward3", int: "SqueezeBackward4", tuple: "SqueezeBackward5"}


def _kind(dims: tuple[Any, ...]) -> Any:
    if not dims:
        return None
    return int if hasattr(dims[0], "__index__") else tuple


def _is_stretched(array: np.ndarray) -> bool:
    """Whether several elements lie in one place: numpy lets nobody write to such an array."""
    return any(step == 0 and extent > 1 for extent, step in zip(array.shape, array.strides, strict=True))


class Writing:
    """The part of :class:`graphc.Tensor` that changes it in place."""

    def _assign(self, value: Tensor) -> Tensor:
        """Overwrite this tensor's memory with a value of the same shape and dtype; gradients follow the value."""
        if value._array.shape != self._array.shape:
            raise RuntimeError(
                f"output with shape {list(self._array.shape)} doesn't match the broadcast shape "
                f"{list(value._array.shape)}"
            )
        base = self._base
        if state.gradients and (self.requires_grad or value.requires_grad):
            self._require_written_by_graph(base)
        if self._restriction is not None or not self._array.flags.writeable:
            self._refuse_write()
        follows = state.gradients and (self.requires_grad or value.requires_grad)
        if follows and isinstance(value._grad_fn, TapeNode):
            value._grad_fn.keep_overwritten(self._storage)
        recorder = state.recorder
        if recorder is not None:
            recorder.assign(self, value)
        if follows and base is not None:
            self._rewrite_base(base, value)
        elif follows:
            self._grad_fn, self._requires_grad = value._node(), value.requires_grad
            if self._grad_fn is None and self._requires_grad:
                self._grad_fn = value.clone()._grad_fn
            self._history += 1
            if self._retains_grad:
                self._retain_here()
        if recorder is None or not recorder.write_waits(self, value):
            self._overwrite(value._array)
        self._storage.version += not self._unseen
        return self

    def _overwrite(self, values: np.ndarray) -> None:
        """Copy an array's elements to this tensor's memory."""
        if use.active:
            if state.recorder is None and use.kernels.write(Copy.instance, (values,), {}, self._array):
                return
            settle(self._array, values)
        np.copyto(self._array, values)
        if use.active and state.recorder is None:
            use.kernels.write(Copy.instance, (values,), {}, self._array, seen=True)

    def _assign_places(self, value: Tensor) -> Tensor:
        """As :meth:`_assign`, for a write to some places alone, which PyTorch allows where elements share memory: what
        is written to one of them shows in all."""
        array = self._array
        if (
            array.flags.writeable
            or state.recorder is not None
            or self._restriction is not None
            or (state.gradients and (self.requires_grad or value.requires_grad))
            or not _is_stretched(array)
        ):
            return self._assign(value)
        if use.active:
            settle(array, value._array)
        written = value._array != array
        try:
            array.flags.writeable = True
        except ValueError:
            return self._assign(value)
        try:
            array[written] = value._array[written]
        finally:
            array.flags.writeable = False
        self._storage.version += not self._unseen
        return self

    def _require_written_by_graph(self, base: Tensor | None) -> None:
        """Raise where this tensor can't be overwritten with a value that has a history, or that ends its own."""
        if self._view_origin is not None:
            refuse_write(self._view_origin, self._grad_fn, False)
        if not self.requires_grad:
            return
        if base is None and self.is_leaf:
            raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
        if base is not None and (self.is_leaf or (base.is_leaf and base._requires_grad)):
            raise RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")

    def _takes(self, value: Tensor) -> bool:
        """Whether writing a value here is a matter of memory alone: nothing is recorded, nothing forbids it, and the
        value has this tensor's dtype and shape, or is one number of it."""
        array, given = self._array, value._array
        return (
            value.dtype is self.dtype
            and (given.shape == array.shape or not given.ndim)
            and state.recorder is None
            and not (state.gradients and (self.requires_grad or value.requires_grad))
            and self._restriction is None
            and array.flags.writeable
        )

    def _updated(self, primitive: PointwiseFunction, operand: Any) -> bool:
        """Write what a function of this tensor and an operand gives to this tensor's memory without making a tensor of
        it; gives whether that could be done."""
        dtype, array = self.dtype, self._array
        if state.recorder is not None or not dtype.is_direct or not dtype.is_floating_point:
            return False
        if type(operand) in _NUMBERS:
            operand = number_operand(self, operand)
        elif not isinstance(operand, Writing) or operand.dtype is not dtype or operand.stands_for_number:
            return False
        given = operand._array
        if (
            (given.shape != array.shape and given.ndim)
            or self._restriction is not None
            or not array.flags.writeable
            or (state.gradients and (self.requires_grad or operand.requires_grad))
        ):
            return False
        if not (use.active and use.kernels.write(primitive, (array, given), {}, array)):
            if use.active:
                settle(array, given)
            token = silence(IGNORE)
            try:
                primitive.function(array, given, array)
            finally:
                restore(token)
            if use.active:
                use.kernels.write(primitive, (array, given), {}, array, seen=True)
        if not self._unseen:
            memory = self._memory
            if memory is None:
                memory = self._storage
            memory.version += 1
        return True

    def _refuse_write(self) -> None:
        """Raise where this tensor can't be written to."""
        if self._restriction == INFERENCE and state.gradients is not None:
            raise RuntimeError(
                "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a "
                "normal tensor before doing inplace update.See https://github.com/pytorch/rfcs/pull/17 for more "
                "details."
            )
        if self._restriction not in (None, INFERENCE) and state.gradients:
            raise RuntimeError(self._restriction)
        array = self._array
        if array.flags.writeable:
            return
        if not array.size or not _is_stretched(array):
            self._unlock(array)  # a part of a stretched tensor in which nothing is stretched
            return
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory "
            "location. Please clone() the tensor before performing the operation."
        )

    def _unlock(self, array: np.ndarray) -> None:
        """Let a part of this tensor's memory in which nothing is stretched be written to. Raises RuntimeError where the
        memory itself can't be."""
        memory = self._storage.array
        try:
            if memory.flags.writeable or _is_stretched(memory):
                array.flags.writeable = True
                return
        except ValueError:
            pass
        raise RuntimeError("the memory of this tensor is read-only: it was made from a read-only array")

    def _rewrite_base(self, base: Tensor, value: Tensor) -> None:
        """Give the base the history of a base with ``value`` written through this view."""
        recorder, state.recorder = state.recorder, None
        before, written = gradient_edge(base), gradient_edge(value)
        try:
            stages = [base]
            own = self._chain[len(base._chain) :]
            for primitive, attrs in own[:-1]:
                stages.append(stages[-1].apply(primitive, (stages[-1],), attrs))
            for stage, (primitive, attrs) in zip(reversed(stages), reversed(own), strict=True):
                value = primitive.write_back(stage, value, **attrs)
        finally:
            state.recorder = recorder
        base._grad_fn, base._requires_grad = value._grad_fn, value._requires_grad
        describe_copy_slices(base._grad_fn, before, written)
        base._history += 1

    def _replaced_by(self, value: Tensor) -> Tensor:
        """A value that replaces every element here, with this tensor in its history: what is overwritten has a gradient
        of zeros, not none."""
        if not (state.gradients and self.requires_grad) or self.is_leaf or value._array.shape != self._array.shape:
            return value
        shape = tuple(self.shape)
        return SliceUpdate.bind(self, value, starts=(0,) * len(shape), stops=shape, steps=(1,) * len(shape))

    @explained
    def copy_(self, other: Tensor, non_blocking: bool = False) -> Tensor:
        """Overwrite the elements with those of a tensor (broadcast and converted)."""
        if not isinstance(other, Writing):
            kind = type(other)
            module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
            raise TypeError(f"copy_(): argument 'other' (position 1) must be Tensor, not {module}{kind.__name__}")
        if self._memory is not None:
            require_apart(self, (other,))
        if self._takes(other):
            self._overwrite(other._array)
            self._storage.version += not self._unseen
            return self
        value = self._replaced_by(broadcast_to(other.to(self.dtype), self.shape))
        return self._assign(describe_written(value, "CopyBackwards(input, source)", input=self, source=other))

    def zero_(self) -> Tensor:
        """Set all elements to zero."""
        return self._fill(0, "ZeroBackward0(input)")

    def fill_(self, value: float | Tensor) -> Tensor:
        """Set all elements to a number."""
        if isinstance(value, Writing):
            if value._array.ndim:
                raise RuntimeError(
                    f"fill_ only supports 0-dimension value tensor but got tensor with {value._array.ndim} dimensions."
                )
            return self.copy_(value if value._memory is not self._memory else value.clone())
        return self._fill(value, "FillBackward2(input)")

    def _fill(self, value: float, node: str) -> Tensor:
        if state.recorder is None and self._restriction is None and not (state.gradients and self.requires_grad):
            array = self._array
            if not array.flags.writeable:
                # Of elements that lie in one place, one.
                array = array[tuple(slice(1) if step == 0 else slice(None) for step in array.strides)]
                self._unlock(array)
            if use.active:
                settle(array)
            array.fill(value if type(value) is int and not value else as_number(value, self.dtype))
            if not self._unseen:
                self._storage.version += 1
            return self
        return self._assign(describe_written(self._replaced_by(number_like(self, value)), node, input=self))

    @explained
    def __setitem__(self, index: Any, value: Any) -> None:
        follows = state.gradients and (self.requires_grad or getattr(value, "requires_grad", False))
        before = gradient_edge(self) if follows else None
        setitem(self, index, value)
        if follows and self._base is None:
            describe_index_put(self._grad_fn, before, index, value)

    def __delitem__(self, index: Any) -> None:
        raise TypeError("Tensor does not support deleting items")

    def __iter__(self) -> Any:
        if self._array.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))

    # -- from Python -------------------------------------------------------------------------------------------

    def apply_(self, callable: Callable[[Any], Any]) -> Tensor:
        """Replace each element by what a Python function makes of it."""
        return self._mapped("apply_", callable)

    def map_(self, tensor: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
        """Replace each element by what a function makes of it and of the element of another tensor there."""
        return self._mapped("map_", callable, tensor)

    def map2_(self, x: Tensor, y: Tensor, callable: Callable[[Any, Any, Any], Any]) -> Tensor:
        """Replace each element by what a function makes of it and of the elements of two other tensors there."""
        return self._mapped("map2_", callable, x, y)

    def _mapped(self, name: str, function: Callable[..., Any], *others: Tensor) -> Tensor:
        for tensor in (self, *others):
            if tensor.requires_grad:
                raise RuntimeError(
                    f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead."
                )
        own = self._value(f"{name}()")
        operands = [np.broadcast_to(other._value(f"{name}()"), own.shape).reshape(-1).tolist() for other in others]
        results = [function(*values) for values in zip(own.reshape(-1).tolist(), *operands, strict=True)]
        own[...] = np.array([as_number(result, self.dtype) for result in results], own.dtype).reshape(own.shape)
        self._storage.version += not self._unseen
        return self

    # -- shape and strides in place ------------------------------------------------------------------------------

    def _relaid(self, name: str, node: str, view_of: Callable[[Tensor], Tensor]) -> Tensor:
        """Become a view of what this tensor was: the memory stays, and shape and strides are the view's.

        ``node`` is what PyTorch calls the view's node.
        """
        recorder = state.recorder
        if recorder is not None and not recorder.made_within(self):
            # A program could not do this again to a tensor that it does not make itself.
            refuse_in_capture(f"{name}() of a tensor from outside")
        if state.gradients and self.requires_grad and self.is_leaf:
            raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
        before = self._wrap(self._array, self.dtype, self._storage, self._chain, grad_fn=self._node())
        before._base, before._base_version, before._history = self._base, self._base_version, self._history
        view = described(view_of(before), f"{node}(input)", before)
        self._array, self._chain = view._array, view._chain
        if view._grad_fn is not None:
            self._grad_fn, self._requires_grad = view._grad_fn, True
            self._base, self._base_version = view._base, view._base_version
        generation.advance()
        return self

    @explained
    def squeeze_(self, *dims: Any, dim: Any = None) -> Tensor:
        """Remove dimensions of size 1, all or those named, in place."""
        given = dims if dims else () if dim is None else (dim,)
        return self._relaid("squeeze_", _SQUEEZES[_kind(given)], lambda tensor: tensor.squeeze(*given))

    @explained
    def unsqueeze_(self, dim: int) -> Tensor:
        """Insert a dimension of size 1 in place."""
        return self._relaid("unsqueeze_", "UnsqueezeBackward1", lambda tensor: tensor.unsqueeze(dim))

    @explained
    def transpose_(self, dim0: int, dim1: int) -> Tensor:
        """Swap two dimensions in place."""
        return self._relaid("transpose_", "TransposeBackward1", lambda tensor: tensor.transpose(dim0, dim1))

    @explained
    def t_(self) -> Tensor:
        """Transpose a matrix in place."""
        return self._relaid("t_", "TBackward1", lambda tensor: tensor.t())

    def swapdims_(self, dim0: int, dim1: int) -> Tensor:
        """As :meth:`transpose_`."""
        return self.transpose_(dim0, dim1)

    def swapaxes_(self, axis0: int, axis1: int) -> Tensor:
        """As :meth:`transpose_`."""
        return self.transpose_(axis0, axis1)

    @explained
    def as_strided_(self, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
        """Become a view of this tensor's memory with another shape, strides, and offset."""
        return self._relaid(
            "as_strided_", "AsStridedBackward1", lambda tensor: tensor.as_strided(size, stride, storage_offset)
        )

    @explained
    def resize_(self, *sizes: Any, memory_format: MemoryFormat = contiguous_format) -> Tensor:
        """Take another shape in row-major order over the same memory, or over more of it where it does not suffice.

        Elements that the memory had keep their values, further ones are not set. Where more memory is needed, this
        tensor no longer shares its memory with others. Raises RuntimeError for a tensor that requires a gradient.
        """
        shape = tuple(sizes[0]) if len(sizes) == 1 and hasattr(sizes[0], "__iter__") else sizes
        shape = tuple(int(extent) for extent in shape)
        if any(extent < 0 for extent in shape):
            raise RuntimeError("numel: integer multiplication overflow")
        if self.requires_grad:
            raise RuntimeError("cannot resize variables that require grad")
        if shape == self._array.shape:
            return self
        refuse_in_capture("resize_()")
        offset, count = self.storage_offset(), int(np.prod(shape, dtype=np.int64))
        own = self._storage.vector().view(self.dtype.numpy)
        if offset + count > own.size:
            if use.active:
                settle(own)
            grown = np.empty(offset + count, self.dtype.numpy)
            grown[: own.size] = own
            self._memory, self._chain, self._base = Storage(grown), (), None
            self._array = grown
        view = first_elements(self, offset, shape)
        self._array, self._memory, self._chain = view._array, view._storage, view._chain
        if memory_format not in (contiguous_format, preserve_format):
            self.as_strided_(shape, memory_format.strides(shape), offset)
        generation.advance()
        return self

    def resize_as_(self, the_template: Tensor, *, memory_format: MemoryFormat = contiguous_format) -> Tensor:
        """Take another tensor's shape; see :meth:`resize_`."""
        return self.resize_(the_template.shape, memory_format=memory_format)

    @explained
    def set_(self, source: Any = None, storage_offset: int = 0, size: Any = None, stride: Any = None) -> Tensor:
        """Take over the memory, shape, and strides of a tensor, or part of a storage; without a source become empty.

        Raises RuntimeError for a source of another dtype.
        """
        refuse_in_capture("set_()")
        found = self._from_source(source, storage_offset, size, stride)
        if found.dtype is not self.dtype:
            raise RuntimeError(f"Could not set tensor of type {found.dtype.name} to a tensor of type {self.dtype.name}")
        self._array, self._memory, self._chain = found._array, found._storage, found._chain
        generation.advance()
        return self

    def _from_source(self, source: Any, storage_offset: int, size: Any, stride: Any) -> Tensor:
        if source is None:
            return self._wrap(np.empty(0, self.dtype.numpy), self.dtype)
        if not isinstance(source, Writing):
            vector = source._vector.view(self.dtype.numpy) if source.element_size() == 1 else source._vector
            dtype = self.dtype if source.element_size() == 1 else source._dtype
            source = self._wrap(vector, dtype, source._storage)
            if size is None:
                return source
        if size is None:
            return source
        shape = (size,) if isinstance(size, int) else tuple(size)
        return source.detach().as_strided(
            shape, contiguous_strides(shape) if stride is None else stride, storage_offset
        )

    def module_load(self, other: Tensor, assign: bool = False) -> Tensor:
        """What a module keeps when it loads ``other`` for this tensor: a detached ``other`` with ``assign``, else this
        tensor with the values of ``other``."""
        return other.detach() if assign else self.copy_(other).detach()
