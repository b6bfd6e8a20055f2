"""The eager Tensor: numpy storage, views that share memory, a tape, and in-place writes.

Arithmetic and most methods are bound from the tables of :mod:`graphc.ops`. What needs to know how a tensor is made is
written in parts, each in a module of its own: what it is, its elements in other forms, gradients, and writing in place.
Source: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

# The tape registers how it describes calls before the first function becomes public.
from graphc.autograd import naming  # noqa: F401
from graphc.autograd.hooks import Hooks
from graphc.autograd.structured_node import ResultNode, StructuredNode
from graphc.autograd.tape import TapeNode, edges_of, gradient_edge
from graphc.device_memory import beside, settle
from graphc.device_memory import use as device_use
from graphc.device_operations import evaluated
from graphc.ir.primitive import PRIMITIVES, Attributes, Pointwise, Primitive
from graphc.ir.types import DTYPE_OF_NUMPY, DType, dtype_of, float64
from graphc.missing_names import absent_of_tensor
from graphc.ops.operands import common_shape
from graphc.ops.operators import bind_operators
from graphc.ops.pointwise_family import PointwiseFunction
from graphc.ops.view_origins import INFERENCE_MODE, UNRECORDED
from graphc.recording import state
from graphc.sizes import plain
from graphc.storage import Size, Storage
from graphc.tensor_conversion import Conversion
from graphc.tensor_gradients import INFERENCE, Differentiation
from graphc.tensor_metadata import Metadata
from graphc.tensor_writing import Writing

__all__ = ["RunTimeNumber", "Size", "Storage", "Tensor", "View"]

View = tuple[Primitive, Attributes]
_new = object.__new__
_NOTHING: Attributes = {}


class Tensor(Metadata, Conversion, Differentiation, Writing):
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
    # How a view was made, where it or its base must not be written to while gradients are recorded.
    _view_origin: str | None = None
    # numpy must leave `array * tensor` to the tensor.
    __array_priority__: ClassVar[int] = 1000
    # Type promotion treats it as a Python number.
    stands_for_number: ClassVar[bool] = False
    # Pointwise operations on it need no explicit broadcasts, unless they are recorded.
    is_eager: ClassVar[bool] = True

    # Whether functions ask the class what to do with its instances.
    overrides_functions: ClassVar[bool] = False

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if cls.__module__.partition(".")[0] != __name__.partition(".")[0]:
            from graphc.tensor_overriding import derived

            derived(cls)

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """What a function gives for instances of a derived class: what it gives for tensors, as instances of it."""
        from graphc.tensor_overriding import answer_of_tensor

        return answer_of_tensor(cls, func, types, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if hasattr(type(self), name):
            return object.__getattribute__(self, name)  # a property that raised: its own error
        raise absent_of_tensor(type(self), Tensor, name)

    @staticmethod
    def _make_subclass(cls: type[Tensor], data: Tensor, require_grad: bool = False, **options: Any) -> Tensor:
        """The memory of a tensor as an instance of a derived class, outside the graph."""
        made = data.detach()
        made.__class__ = cls
        return made.requires_grad_() if require_grad else made

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
        """A tensor of an array that the library made, whose memory it shares. Raises TypeError for an element type that
        no tensor holds."""
        made = Tensor._wrap(array, dtype_of(array.dtype))
        if state.recorder is not None:
            state.recorder.memory_made(made)
        return made

    def _beside(self, array: np.ndarray) -> Tensor:
        """A new tensor of an array, on the device of this one."""
        return Tensor.from_array(beside(array, (self._array,)) if device_use.active else array)

    @staticmethod
    def source(primitive: type[Primitive], **attrs: Any) -> Tensor:
        """The result of a primitive that has no operands."""
        return Tensor.apply(None, primitive.instance, (), attrs)

    def apply(self: Any, primitive: Primitive, inputs: Sequence[Tensor], attrs: Attributes) -> Tensor:
        """Run a primitive on tensors (the tensor itself need not be one of them): evaluate, wrap (as a view where
        memory is shared), and record for the tape and for a capture."""
        recorder = state.recorder
        given, array = attrs, None
        if recorder is not None:
            given = {name: plain(value) for name, value in attrs.items()}
            array = recorder.postponed.result_of(primitive, inputs, given) if inputs else None
        try:
            if array is not None:
                source = inputs[0]
            elif device_use.active:
                source = inputs[0] if inputs else None
                array = evaluated(primitive, inputs, given, recorder is not None)
            elif len(inputs) == 1:
                (source,) = inputs
                evaluate = primitive.evaluate if source.dtype.is_direct else primitive.compute
                array = evaluate(source._array, **given) if given else evaluate(source._array)
            elif inputs:
                source = inputs[0]
                evaluate = primitive.evaluate if source.dtype.is_direct else primitive.compute
                array = evaluate(*[tensor._array for tensor in inputs], **given)
            else:
                array = primitive.evaluate(**given)
        except (TypeError, ValueError):
            _require_types(primitive, inputs, given)
            raise
        if type(array) is not np.ndarray:
            array = np.asarray(array)
        dtype = DTYPE_OF_NUMPY.get(array.dtype) or dtype_of(array.dtype)
        result = _new(Tensor)
        result._array = array
        result.dtype = dtype
        gradients = state.gradients
        if primitive.aliases:
            memory, own = array.base, source._array
            if (memory is not None and (memory is own or memory is own.base)) or _shares(array, own):
                _make_view(result, source, ((primitive, attrs),), primitive.differentiable, gradients)
        if recorder is not None:
            # Before the tape sees it: what a hook does with saved results is recorded too.
            recorder.record(primitive, inputs, attrs, result)
        if gradients:
            if primitive.differentiable and dtype.is_differentiable:
                if len(inputs) == 1:
                    if not source._requires_grad and source._base is None:
                        return result
                    edge = gradient_edge(source)
                    edges: Any = None if edge is None else (edge,)
                else:
                    edges = edges_of(inputs)
                if edges is not None:
                    result._grad_fn = TapeNode(primitive, inputs, edges, attrs, result, recorder)
                    result._requires_grad = True
        elif gradients is None and not result._chain:
            result._restriction = INFERENCE
        return result

    def apply_pair(self, primitive: PointwiseFunction, other: Tensor) -> Tensor:
        """As :meth:`apply`, of a function of this tensor and one of the same dtype, where nothing is recorded."""
        dtype = self.dtype
        if not dtype.is_direct or device_use.active:
            return self.apply(primitive, (self, other), _NOTHING)
        try:
            array = primitive.evaluate(self._array, other._array)
        except (TypeError, ValueError):
            _require_types(primitive, (self, other), _NOTHING)
            raise
        result = _new(Tensor)
        result._array = array
        result.dtype = dtype = DTYPE_OF_NUMPY[array.dtype]
        gradients = state.gradients
        if gradients:
            if primitive.differentiable and dtype.is_differentiable:
                if not self._requires_grad and self._base is None:
                    edge = None
                    if not other._requires_grad and other._base is None:
                        return result
                else:
                    edge = gradient_edge(self)
                edges = (edge, gradient_edge(other))
                if edge is not None or edges[1] is not None:
                    result._grad_fn = TapeNode(primitive, (self, other), edges, _NOTHING, result, None)
                    result._requires_grad = True
        elif gradients is None:
            result._restriction = INFERENCE
        return result

    def apply_several(
        self: Any, primitive: Primitive, inputs: Sequence[Tensor], attrs: Attributes
    ) -> tuple[Tensor, ...]:
        """Run a structured operation on tensors: its results, recorded for the tape and for a capture."""
        recorder = state.recorder
        given = attrs
        if recorder is not None:
            given = recorder.with_numbers(attrs)
            recorder.postponed.carry_out()
        if device_use.active:
            settle(*[tensor._array for tensor in inputs])
        made = primitive.evaluate(*(tensor._array for tensor in inputs), **given)
        # A region may give what it was given: results have memory of their own.
        arrays = [np.array(array, order="C") for array in made]
        if device_use.active:
            operands = [tensor._array for tensor in inputs]
            arrays = [beside(array, operands) for array in arrays]
        results = tuple(Tensor._wrap(array, dtype_of(array.dtype)) for array in arrays)
        if state.gradients and primitive.differentiable and any(tensor.requires_grad for tensor in inputs):
            node = StructuredNode(primitive, inputs, attrs, results)
            for position, result in enumerate(results):
                if result.dtype.is_differentiable:
                    result._grad_fn = ResultNode(node, position)
                    result._requires_grad = True
        if recorder is not None:
            recorder.record_several(primitive, inputs, attrs, results)
        return results

    def _view(self, array: np.ndarray, primitive: Primitive, attrs: Attributes, links: tuple[View, ...]) -> Tensor:
        """A view of this tensor whose array is known, of a primitive that a graph has as several others (``links``).
        For tensors that run without being recorded."""
        result = _new(Tensor)
        result._array = array
        result.dtype = self.dtype
        gradients = state.gradients
        _make_view(result, self, links, True, gradients)
        if gradients and self.dtype.is_differentiable and (edge := gradient_edge(self)) is not None:
            result._grad_fn = TapeNode(primitive, (self,), (edge,), attrs, result, None)
            result._requires_grad = True
        return result


class RunTimeNumber(Tensor):
    """A Python float that a program reads anew at every call: 0-d, float64. Computing with such numbers alone gives
    another; with tensors it has the weight of a Python number in type promotion."""

    stands_for_number: ClassVar[bool] = True

    @staticmethod
    def of(value: Tensor) -> RunTimeNumber:
        """A 0-d float64 tensor as a number."""
        value.__class__ = RunTimeNumber
        return value

    def apply_pair(self, primitive: PointwiseFunction, other: Tensor) -> Tensor:
        return self.apply(primitive, (self, other), _NOTHING)

    def apply(self, primitive: Primitive, inputs: Sequence[Tensor], attrs: Attributes) -> Tensor:
        result = super().apply(primitive, inputs, attrs)
        alone = all(type(tensor) is RunTimeNumber for tensor in inputs)
        return RunTimeNumber.of(result) if alone and not result.ndim and result.dtype == float64 else result


def _require_types(primitive: Primitive, inputs: Sequence[Tensor], attrs: Attributes) -> None:
    """Ask the type rule about operands that numpy refused: it words what was given and what was expected. Numpy's
    message is the fall-back."""
    from graphc.ir.types import TensorType

    if isinstance(primitive, Pointwise):
        common_shape(inputs)
    primitive.infer(*(TensorType(tensor.dtype, tensor._array.shape) for tensor in inputs), **attrs)


def _shares(array: np.ndarray, source: np.ndarray) -> bool:
    return not array.size or np.may_share_memory(array, source)


def _make_view(
    result: Tensor, source: Tensor, links: tuple[View, ...], differentiable: bool, gradients: bool | None
) -> None:
    base = source._base
    if base is not None or source._chain:
        links = source._chain + links
    if not gradients and (source._requires_grad or (base is not None and source.requires_grad)):
        # Made where gradients are off: it shares the memory and not the history.
        links = (*links, (PRIMITIVES["detach"], {}))
    memory = source._memory
    result._memory = source._storage if memory is None else memory
    result._chain = links
    if source._unseen:
        result._unseen = True
    if source._restriction == INFERENCE:
        # Its views are tensors of inference mode wherever they are made; those of others never are.
        result._restriction = INFERENCE
    elif differentiable:
        if not gradients:
            result._view_origin = INFERENCE_MODE if gradients is None else UNRECORDED
        elif source._view_origin is not None:
            result._view_origin = source._view_origin
        if base is None or (source._requires_grad and source._grad_fn is None):
            base = source
        result._base = base
        if base._history:
            result._base_version = base._history


bind_operators(Tensor)
