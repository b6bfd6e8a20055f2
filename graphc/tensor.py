"""The eager Tensor: numpy storage, views that share memory, a tape, and in-place writes.

Arithmetic and most methods are bound from the tables of :mod:`graphc.ops`; what stands here is what needs to know how
a tensor is made: storage and views, assignment, gradients, and conversion.
Source: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from graphc.autograd.hooks import Hook, HookHandle, Hooks
from graphc.autograd.naming import describe_copy_slices, describe_index_put, describe_written, described
from graphc.autograd.tape import AccumulateGrad, TapeNode, dressed, gradient_edge
from graphc.device import Device, cpu
from graphc.ir.primitive import PRIMITIVES, Attributes, Pointwise, Primitive
from graphc.ir.types import DTYPE_OF_NUMPY, DType, bfloat16, dtype_of, float64
from graphc.ops.functions import complex_numbers
from graphc.ops.functions.conversion import as_dtype
from graphc.ops.operands import common_shape
from graphc.ops.operators import bind_operators
from graphc.ops.sources import as_number, number_like
from graphc.recording import generation, state
from graphc.source_lines import explained
from graphc.storage import Size, Storage

View = tuple[Primitive, Attributes]
_new = object.__new__
_INFERENCE = "inference"


class Tensor:
    """A multi-dimensional array of one dtype that can record operations on it.

    Make one with :func:`graphc.tensor`, :func:`graphc.zeros`, :func:`graphc.from_numpy` and their like.
    """

    _array: np.ndarray
    dtype: DType
    # What most tensors never need lies in the class, so that making a tensor sets two attributes.
    _memory: Storage | None = None
    _chain: tuple[View, ...] = ()
    _base: Tensor | None = None
    _base_version = 0
    _history = 0
    _grad_fn: TapeNode | None = None
    _requires_grad = False
    _grad: Tensor | None = None
    _accumulator: Any = None
    _retains_grad = False
    _retaining: Hooks | None = None
    _unseen = False
    # Why it can't be written to where gradients are recorded; or that it was made in inference mode.
    _restriction: str | None = None
    # numpy must leave `array * tensor` to the tensor.
    __array_priority__: ClassVar[int] = 1000
    # Type promotion treats it as a Python number.
    stands_for_number: ClassVar[bool] = False
    # Pointwise operations on it need no explicit broadcasts, unless they are recorded.
    is_eager: ClassVar[bool] = True

    # -- making tensors ------------------------------------------------------------------------------------------

    def __new__(cls, *values: Any, device: Any = None) -> Tensor:
        from graphc.legacy_types import construct

        made = construct(None, values)
        return made if cls is Tensor else Tensor._wrap(made._array, made.dtype, made._storage, made._chain, kind=cls)

    @staticmethod
    def _wrap(
        array: np.ndarray,
        dtype: DType,
        storage: Storage | None = None,
        chain: tuple[View, ...] = (),
        *,
        grad_fn: TapeNode | None = None,
        kind: type[Tensor] | None = None,
    ) -> Tensor:
        """A tensor over an array; with a storage, a view of it by the given chain of view primitives."""
        tensor = object.__new__(kind or Tensor)
        tensor._array = array
        tensor.dtype = dtype
        if storage is not None:
            tensor._memory = storage
            tensor._chain = chain
        if grad_fn is not None:
            tensor._grad_fn = grad_fn
            tensor._requires_grad = True
        return tensor

    @staticmethod
    def from_array(array: np.ndarray) -> Tensor:
        """A tensor that shares the array's memory. Raises TypeError for an element type that no tensor holds."""
        return Tensor._wrap(array, dtype_of(array.dtype))

    @staticmethod
    def source(primitive: type[Primitive], **attrs: Any) -> Tensor:
        """The result of a primitive that has no operands."""
        return _apply(primitive.instance, (), attrs)

    def apply(self, primitive: Primitive, inputs: Sequence[Tensor], attrs: Attributes) -> Tensor:
        """Run a primitive on tensors, and record it for the tape and for a capture."""
        return _apply(primitive, inputs, attrs)

    # -- what it is ----------------------------------------------------------------------------------------------

    @property
    def _storage(self) -> Storage:
        memory = self._memory
        if memory is None:
            memory = self._memory = Storage(self._array)
        return memory

    @property
    def shape(self) -> Size:
        return Size(self._array.shape)

    def size(self, dim: int | None = None) -> Size | int:
        """The shape, or the extent of one dimension."""
        return Size(self._array.shape) if dim is None else self._array.shape[dim]

    @property
    def ndim(self) -> int:
        return self._array.ndim

    @property
    def T(self) -> Tensor:
        """The dimensions in reverse order."""
        return self.permute(*reversed(range(self.ndim)))

    @property
    def mT(self) -> Tensor:
        """The last two dimensions swapped."""
        return self.transpose(-2, -1)

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
        return self._array.size

    nelement = numel

    def element_size(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self._array.size * self.dtype.itemsize

    @property
    def device(self) -> Device:
        return cpu

    def stride(self, dim: int | None = None) -> tuple[int, ...] | int:
        """Strides in elements, or that of one dimension."""
        strides = tuple(step // self.dtype.itemsize for step in self._array.strides)
        return strides if dim is None else strides[dim]

    def is_contiguous(self) -> bool:
        """Whether elements lie in row-major order without gaps."""
        return self._array.flags.c_contiguous

    def data_ptr(self) -> int:
        """The address of the first element."""
        return self._array.__array_interface__["data"][0]

    def __len__(self) -> int:
        if self._array.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return self._array.shape[0]

    def __repr__(self) -> str:
        from graphc.tensor_printing import format_tensor

        return format_tensor(self)

    def __format__(self, specification: str) -> str:
        if self._array.ndim == 0 and type(self) is Tensor:
            return format(self.item(), specification)
        return object.__format__(self, specification)

    # -- Python values -------------------------------------------------------------------------------------------

    def _value(self, what: str) -> np.ndarray:
        if state.recorder is not None:
            state.recorder.refuse_value(self, what)
        return self._array

    def _read(self, what: str) -> np.ndarray:
        """The elements, for Python code that may decide by them: a program that is recorded then depends on them."""
        if state.recorder is not None:
            state.recorder.value_read(self, what)
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

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return self._read("tolist()").tolist()

    def __bool__(self) -> bool:
        if self._array.size == 0:
            raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
        if self._array.size > 1:
            raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
        return bool(self._read("bool()").item())

    def __int__(self) -> int:
        return int(_real(self._single("int()")))

    def __float__(self) -> float:
        return float(_real(self._single("float()")))

    def __complex__(self) -> complex:
        return complex(self._single("complex()"))

    def __index__(self) -> int:
        if self.dtype.is_differentiable:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self._single("int()"))

    def numpy(self) -> np.ndarray:
        """The elements as an array that shares this tensor's memory.

        Raises:
            RuntimeError: for a tensor that requires a gradient; use ``tensor.detach().numpy()``.
            TypeError: for bfloat16, which numpy does not know.
        """
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        if self.dtype is bfloat16:
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self._value("numpy()")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        return array if dtype is None else array.astype(dtype)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if self._grad_fn is not None:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the "
                "moment."
            )
        copied = Tensor._wrap(self._value("deepcopy()").copy(), self.dtype, kind=type(self))
        copied._requires_grad = self._requires_grad
        memo[id(self)] = copied
        if self._grad is not None:
            copied._grad = self._grad.__deepcopy__(memo)
        return copied

    def __reduce__(self) -> Any:
        return _restore, (type(self), np.array(self._value("pickling"), order="C"), self._requires_grad)

    # -- gradients -----------------------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        return self._requires_grad or (self._base is not None and self._base.requires_grad)

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for (or stop) gradients for this leaf. Raises RuntimeError for a dtype or tensor that can't have them."""
        if requires_grad and not self.dtype.is_differentiable:
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        if not requires_grad and self._grad_fn is not None:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in "
                "a subgraph that doesn't require differentiation use var_no_grad = var.detach()."
            )
        if self._requires_grad != requires_grad:
            self._requires_grad = requires_grad
            generation.advance()
        return self

    @property
    def grad_fn(self) -> TapeNode | None:
        return dressed(self._node())

    def _node(self) -> TapeNode | None:
        base = self._base
        if base is not None and base._history != self._base_version:
            self._follow_base(base)
        return self._grad_fn

    def _follow_base(self, base: Tensor) -> None:
        """After a write elsewhere in the base's memory, this view's history is that of the base now."""
        outer, state.gradients = state.gradients, True
        recorder, state.recorder = state.recorder, None
        try:
            view = base
            for primitive, attrs in self._chain[len(base._chain) :]:
                view = _apply(primitive, (view,), attrs)
        finally:
            state.gradients, state.recorder = outer, recorder
        if view._grad_fn is not None:
            describe_written(view, "AsStridedBackward0(base)", base=base)
        self._grad_fn, self._base_version = view._grad_fn, base._history

    @property
    def is_leaf(self) -> bool:
        return self._node() is None

    @property
    def grad(self) -> Tensor | None:
        if state.recorder is not None:
            state.recorder.gradient_read(self)
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None and (not isinstance(value, Tensor) or value.shape != self.shape):
            if not isinstance(value, Tensor):
                raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of type {type(value)}")
            raise RuntimeError(
                f"attempting to assign a gradient of size '{list(value.shape)}' to a tensor of size "
                f"'{list(self.shape)}'. Please ensure that the gradient and the tensor are the same size"
            )
        if state.recorder is not None:
            state.recorder.gradient_written(self)
        if (value is None) != (self._grad is None):
            generation.advance()
        self._grad = value

    def retain_grad(self) -> None:
        """Keep the gradient of this tensor, which is not a leaf, in ``grad`` too."""
        if not self.requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if not self.is_leaf and not self._retains_grad:
            self._retains_grad = True
            self._retaining = self._node().hooked()
            self._retaining.retaining.append(self)

    def _retain_here(self) -> None:
        """After a write the gradient that is kept is that of the new value."""
        before = self._retaining
        if before is not None:
            before.keep_no_longer(self)
        self._retaining = self._grad_fn.hooked()
        self._retaining.retaining.append(self)

    @property
    def retains_grad(self) -> bool:
        return self._retains_grad

    def register_hook(self, hook: Hook) -> HookHandle:
        """Call ``hook`` with this tensor's gradient when it is computed; what it returns, unless None, replaces it.

        Returns a handle whose ``remove()`` takes the hook away again.
        """
        edge = gradient_edge(self)
        if edge is None:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        return HookHandle(edge.hooked().tensor, hook)

    def is_inference(self) -> bool:
        """Whether this tensor was made in inference mode."""
        return self._restriction == _INFERENCE

    def register_post_accumulate_grad_hook(self, hook: Hook) -> HookHandle:
        """Call ``hook`` with this leaf after a backward pass added to its ``grad``."""
        edge = gradient_edge(self)
        if edge is None:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if not isinstance(edge, AccumulateGrad):
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        return HookHandle(edge.hooked().accumulated, hook)

    def _accumulate(self, cotangent: Tensor) -> None:
        if self.grad is None:
            # A cotangent may be another leaf's too, or the caller's: a gradient has memory of its own.
            fresh = cotangent.clone()
            self.grad = fresh if state.gradients else fresh.detach()
        elif state.gradients:
            self.grad = self._grad + cotangent
        else:
            self._grad._assign(self._grad + cotangent)

    @explained
    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Sequence[Tensor] | None = None,
    ) -> None:
        """Add the gradient of this tensor with respect to every leaf to the leaf's ``grad``.

        Args:
            gradient: the cotangent, of this tensor's shape; may be left out for one element.
            retain_graph: keep what a second sweep needs; by default as ``create_graph``.
            create_graph: make the gradients differentiable themselves.
            inputs: the leaves to accumulate into; all by default.

        Raises:
            RuntimeError: with PyTorch's words for a tensor with no graph, a missing or ill-shaped gradient, a graph
                that was freed, or a saved tensor that was overwritten.
        """
        from graphc.autograd.gradients import backward

        backward([self], [gradient], retain_graph, create_graph, inputs=inputs)

    def detach(self) -> Tensor:
        """The same memory, outside the graph."""
        from graphc.ops.views import Detach

        return Detach.bind(self)

    def detach_(self) -> Tensor:
        """Leave the graph: this tensor becomes a leaf. Raises RuntimeError for a view."""
        if self._base is not None:
            raise RuntimeError("Can't detach views in-place. Use detach() instead.")
        return self._leave_graph()

    def _leave_graph(self) -> Tensor:
        self._grad_fn, self._requires_grad, self._base = None, False, None
        return self

    @property
    def data(self) -> Tensor:
        # The tape does not see what is written through `data`: it saw the values that it has saved.
        data = self.detach()
        data._unseen = True
        return data

    @data.setter
    def data(self, value: Tensor) -> None:
        if state.recorder is not None:
            state.recorder.attribute_written(self, "data", value)
        self._array, self._memory, self._chain, self.dtype = value._array, value._storage, value._chain, value.dtype
        generation.advance()

    @property
    def _version(self) -> int:
        return self._storage.version

    # -- writing in place ----------------------------------------------------------------------------------------

    def _assign(self, value: Tensor) -> Tensor:
        """Overwrite this tensor's memory with a value of the same shape and dtype; gradients follow the value."""
        if value._array.shape != self._array.shape:
            raise RuntimeError(
                f"output with shape {list(self._array.shape)} doesn't match the broadcast shape "
                f"{list(value._array.shape)}"
            )
        base = self._base
        if state.gradients and self.requires_grad:
            if base is None and self.is_leaf:
                raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
            if base is not None and (self.is_leaf or (base.is_leaf and base._requires_grad)):
                raise RuntimeError(
                    "a view of a leaf Variable that requires grad is being used in an in-place operation."
                )
        if self._restriction is not None or not self._array.flags.writeable:
            self._refuse_write()
        follows = state.gradients and (self.requires_grad or value.requires_grad)
        if follows and isinstance(value._grad_fn, TapeNode):
            value._grad_fn.keep_overwritten(self._storage)
        if state.recorder is not None:
            state.recorder.assign(self, value)
        if follows and base is not None:
            self._rewrite_base(base, value)
        elif follows:
            self._grad_fn, self._requires_grad = value._node(), value.requires_grad
            if self._grad_fn is None and self._requires_grad:
                self._grad_fn = value.clone()._grad_fn
            self._history += 1
            if self._retains_grad:
                self._retain_here()
        np.copyto(self._array, value._array)
        self._storage.version += not self._unseen
        return self

    def _refuse_write(self) -> None:
        """Raise where this tensor can't be written to."""
        if self._restriction == _INFERENCE and state.gradients is not None:
            raise RuntimeError(
                "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a "
                "normal tensor before doing inplace update.See https://github.com/pytorch/rfcs/pull/17 for more "
                "details."
            )
        if self._restriction not in (None, _INFERENCE) and state.gradients:
            raise RuntimeError(self._restriction)
        if self._array.flags.writeable:
            return
        if 0 not in self._array.strides:
            raise RuntimeError("the memory of this tensor is read-only: it was made from a read-only array")
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory "
            "location. Please clone() the tensor before performing the operation."
        )

    def _rewrite_base(self, base: Tensor, value: Tensor) -> None:
        """Give the base the history of a base with ``value`` written through this view."""
        recorder, state.recorder = state.recorder, None
        before, written = gradient_edge(base), gradient_edge(value)
        try:
            stages = [base]
            own = self._chain[len(base._chain) :]
            for primitive, attrs in own[:-1]:
                stages.append(_apply(primitive, (stages[-1],), attrs))
            for stage, (primitive, attrs) in zip(reversed(stages), reversed(own), strict=True):
                value = primitive.write_back(stage, value, **attrs)
        finally:
            state.recorder = recorder
        base._grad_fn, base._requires_grad = value._grad_fn, value._requires_grad
        describe_copy_slices(base._grad_fn, before, written)
        base._history += 1

    @explained
    def _replaced_by(self, value: Tensor) -> Tensor:
        """A value that replaces every element here, with this tensor in its history: what is overwritten has a gradient
        of zeros, not none."""
        if not (state.gradients and self.requires_grad) or self.is_leaf or value._array.shape != self._array.shape:
            return value
        from graphc.ops.views import SliceUpdate

        shape = tuple(self._array.shape)
        return SliceUpdate.bind(self, value, starts=(0,) * len(shape), stops=shape, steps=(1,) * len(shape))

    def copy_(self, source: Tensor, non_blocking: bool = False) -> Tensor:
        """Overwrite the elements with those of a tensor (broadcast and converted)."""
        from graphc.ops.functions.shaping import broadcast_to

        value = self._replaced_by(broadcast_to(source.to(self.dtype), self.shape))
        return self._assign(describe_written(value, "CopyBackwards(input, source)", input=self, source=source))

    def zero_(self) -> Tensor:
        """Set all elements to zero."""
        return self._fill(0, "ZeroBackward0(input)")

    def fill_(self, value: float | Tensor) -> Tensor:
        """Set all elements to a number."""
        if isinstance(value, Tensor):
            return self.copy_(value)
        return self._fill(value, "FillBackward2(input)")

    def _fill(self, value: float, node: str) -> Tensor:
        if state.recorder is None and self._array.flags.writeable and not (state.gradients and self.requires_grad):
            self._array.fill(as_number(value, self.dtype))
            self._storage.version += not self._unseen
            return self
        return self._assign(describe_written(self._replaced_by(number_like(self, value)), node, input=self))

    @explained
    def __setitem__(self, index: Any, value: Any) -> None:
        from graphc.ops.functions.indexing import setitem

        follows = state.gradients and (self.requires_grad or getattr(value, "requires_grad", False))
        before = gradient_edge(self) if follows else None
        setitem(self, index, value)
        if follows and self._base is None:
            describe_index_put(self._grad_fn, before, index, value)

    def __iter__(self) -> Any:
        if self._array.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter([self[position] for position in range(self._array.shape[0])])

    # -- conversion ----------------------------------------------------------------------------------------------

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
        from graphc.ops.pointwise import Cast

        flags = [target for target in targets if isinstance(target, bool)]
        copy = flags[1] if len(flags) > 1 else copy
        dtype = as_dtype(dtype)
        for target in targets:
            if isinstance(target, (DType, type)):
                dtype = as_dtype(target)
            elif isinstance(target, Tensor):
                dtype = target.dtype
            elif target is not None and not isinstance(target, bool):
                device = target
        if device is not None:
            Device.of(device).require()
        if dtype is None or dtype == self.dtype:
            return self.clone() if copy else self
        return described(Cast.bind(self, dtype=dtype), "ToCopyBackward0(input)", self)

    def clone(self, memory_format: Any = None) -> Tensor:
        """A copy with its own memory, within the graph."""
        from graphc.ops.pointwise import Copy

        return Copy.bind(self)

    def contiguous(self) -> Tensor:
        """This tensor where its elements lie in row-major order, else a copy for which they do."""
        if self._array.flags.c_contiguous:
            return self
        result = self.clone()
        # A clone keeps the order of the memory; its storage is new, so that it can still be laid out anew.
        result._array = result._storage.array = np.ascontiguousarray(result._array)
        return result

    def cpu(self) -> Tensor:
        """This tensor: it is in the processor's memory already."""
        return self

    def cuda(self, device: Any = None) -> Tensor:
        """Raises RuntimeError: this version holds no tensors on a GPU."""
        Device.of("cuda" if device is None else device).require()
        return self


class RunTimeNumber(Tensor):
    """A Python float that a program reads anew at every call: 0-d, float64. Computing with such numbers alone gives
    another; with tensors it has the weight of a Python number in type promotion."""

    stands_for_number: ClassVar[bool] = True

    @staticmethod
    def of(value: Tensor) -> RunTimeNumber:
        """A 0-d float64 tensor as a number."""
        value.__class__ = RunTimeNumber
        return value

    def apply(self, primitive: Primitive, inputs: Sequence[Tensor], attrs: Attributes) -> Tensor:
        result = _apply(primitive, inputs, attrs)
        alone = all(type(tensor) is RunTimeNumber for tensor in inputs)
        return RunTimeNumber.of(result) if alone and not result.ndim and result.dtype == float64 else result


def _real(number: float | int | complex) -> float | int:
    """A number without imaginary part. Raises RuntimeError where there is one."""
    return as_number(number, float64) if isinstance(number, complex) else number


def _restore(kind: type[Tensor], array: np.ndarray, requires_grad: bool) -> Tensor:
    tensor = Tensor._wrap(array, dtype_of(array.dtype), kind=kind)
    tensor._requires_grad = requires_grad
    return tensor


def _apply(primitive: Primitive, inputs: Sequence[Any], attrs: Attributes) -> Tensor:
    """Evaluate, wrap (as a view where memory is shared), and record for the tape and for a capture."""
    arrays = [tensor._array for tensor in inputs]
    try:
        if arrays and not inputs[0].dtype.is_direct:
            array = primitive.compute(*arrays, **attrs)
        else:
            array = primitive.evaluate(*arrays, **attrs)
    except (TypeError, ValueError):
        # The type rule words what was given and what was expected; numpy's message is the fall-back.
        from graphc.ir.types import TensorType

        if isinstance(primitive, Pointwise):
            common_shape(inputs)

        primitive.infer(*(TensorType(tensor.dtype, tensor._array.shape) for tensor in inputs), **attrs)
        raise
    if type(array) is not np.ndarray:
        array = np.asarray(array)
    dtype = DTYPE_OF_NUMPY.get(array.dtype) or dtype_of(array.dtype)
    result = _new(Tensor)
    result._array = array
    result.dtype = dtype
    if primitive.aliases and (np.may_share_memory(array, arrays[0]) or not array.size):
        _make_view(result, inputs[0], primitive, attrs)
    gradients = state.gradients
    if gradients and primitive.differentiable and dtype.is_differentiable:
        for tensor in inputs:
            if tensor._requires_grad or (tensor._base is not None and tensor.requires_grad):
                result._grad_fn = TapeNode(primitive, inputs, attrs, result)
                result._requires_grad = True
                break
    elif gradients is None:
        result._restriction = _INFERENCE
    if state.recorder is not None:
        state.recorder.record(primitive, inputs, attrs, result)
    return result


def _make_view(result: Tensor, source: Tensor, primitive: Primitive, attrs: Attributes) -> None:
    chain = (*source._chain, (primitive, attrs))
    if not state.gradients and source.requires_grad:
        # Made where gradients are off: it shares the memory and not the history.
        chain = (*chain, (PRIMITIVES["detach"], {}))
    result._memory, result._chain = source._storage, chain
    if source._unseen:
        result._unseen = True
    if primitive.differentiable:
        own = source._base is None or (source._requires_grad and source._grad_fn is None)
        base = result._base = source if own else source._base
        result._base_version = base._history


bind_operators(Tensor)
