"""Kernels for eager operations on a GPU: each operation is a graph of one node, built as a step is.

An operation is known by its primitive, its attributes, and how its operands lie in memory; pointwise ones of operands
that lie alike are one for all sizes. The first time numpy computes it, in managed memory; what comes again gets a
kernel, which nobody waits for. ``GRAPHC_CUDA_EAGER`` says how often an operation is left to numpy before (1 where it is
not set), or ``numpy`` for always, as on emulated GPUs, where kernels take longer.
"""

from __future__ import annotations

import os
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.codegen.cuda import compile_cuda
from graphc.codegen.cuda.executable import ACCESS_BYTES, CudaExecutable, load_cuda
from graphc.codegen.lower import LoweringOptions, lower
from graphc.codegen.target import GPU
from graphc.codegen.trace import is_host_work
from graphc.device_memory import at, gpu_of, settle
from graphc.fork_safe import recursive_lock
from graphc.garbage import paused_collection
from graphc.ir.graph import Builder, Symbol, exact_key
from graphc.ir.integers import variable
from graphc.ir.passes.pipeline import optimize
from graphc.ir.primitive import Pointwise, Primitive
from graphc.ir.structured import Structured, nested_nodes
from graphc.ir.types import TensorType, dtype_of
from graphc.ops.functions.shaping import broadcast_to
from graphc.ops.one_device import here as placement
from graphc.ops.pointwise import Copy
from graphc.ops.strided_views import AsStrided
from graphc.ops.views import Permute
from graphc.recording import paused, state
from graphc.runtime.gpus import Gpu
from graphc.settings import tf32_is_allowed
from graphc.storage import widest_first

# Numbers that GPUs keep a copy of, and operations that are known.
MOST_NUMBERS = 1024
MOST_KNOWN = 4096
# So many kernels an operation gets that differ in nothing but how its operands lie; those that come later are numpy's.
MOST_SHAPES = 32
# Operations on more elements than this are not one for all sizes.
MOST_ELEMENTS = 1 << 30


@dataclass(frozen=True, slots=True)
class _Operand:
    """How an operand lies: elements from its first on, in the order of memory (``order``), or with strides from an
    aligned address on (``strides`` and ``offset``, in elements). A number has no order and no strides."""

    dtype: np.dtype
    shape: tuple[int, ...]
    order: tuple[int, ...] | None = None
    strides: tuple[int, ...] | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class _Kernel:
    """A built operation. ``order`` is that of its result in memory, None for the operands' own; ``slots`` are those of
    the operands, the result's being the last."""

    executable: CudaExecutable
    slots: tuple[int, ...]
    dtype: np.dtype
    shape: tuple[int, ...]
    order: tuple[int, ...] | None


class EagerKernels:
    """The kernels that were built, and how often others were seen."""

    def __init__(self) -> None:
        self._known: OrderedDict[Any, _Kernel | int | None] = OrderedDict()
        self._numbers: OrderedDict[Any, np.ndarray] = OrderedDict()
        self._shapes: Counter[Any] = Counter()
        self._lock = recursive_lock()

    def compute(self, primitive: Primitive, arrays: Sequence[np.ndarray], attrs: Any) -> np.ndarray | None:
        """The result of an operation on arrays of which one is on a GPU; None where numpy is to compute it."""
        arrays = _unstretched(primitive, arrays)
        found = self._found(primitive, arrays, attrs)
        return None if found is None else self._run(*found, arrays, None)

    def write(
        self, primitive: Primitive, arrays: Sequence[np.ndarray], attrs: Any, target: np.ndarray, seen: bool = False
    ) -> bool:
        """Write the result of a pointwise operation to an array on a GPU that lies as its operands do; whether that is
        done. With ``seen`` numpy does it, and the operation counts as seen."""
        like = next((array for array in arrays if array.ndim), None)
        if like is None or like.shape != target.shape or like.strides != target.strides or gpu_of(target) is None:
            return False
        if seen:
            self.note(primitive, arrays, attrs, target)
            return False
        found = self._found(primitive, arrays, attrs)
        if found is None or found[1].order is not None or found[1].dtype != target.dtype or _is_odd(target):
            return False
        return self._run(*found, arrays, target) is not None

    def contiguous(self, array: np.ndarray) -> np.ndarray:
        """A copy of an array on a GPU whose elements lie in row-major order."""
        found = self._found(Copy.instance, (array,), {}, laid_out=True)
        if found is not None:
            return self._run(*found, (array,), None)
        settle(array)
        copy = at(np.array(array, order="C"), gpu_of(array))
        self.note(Copy.instance, (array,), {}, copy, laid_out=True)
        return copy

    def note(
        self, primitive: Primitive, arrays: Sequence[np.ndarray], attrs: Any, result: np.ndarray, laid_out: bool = False
    ) -> None:
        """Numpy has computed an operation: build a kernel for the next time, where it came often enough. With
        ``laid_out`` the result lies otherwise than the operands say."""
        gpu, key, operands = self._key(primitive, _unstretched(primitive, arrays), attrs, laid_out)
        if key is None:
            return
        with self._lock:
            seen = self._known.get(key, 0)
            if not isinstance(seen, int):
                return
            if seen + 1 < _often_enough(gpu):
                self._known[key] = seen + 1
                return
            general = gpu, primitive, tuple((operand.dtype, len(operand.shape)) for operand in operands)
            self._shapes[general] += 1
            if self._shapes[general] > MOST_SHAPES:
                self._known[key] = None
                return
            try:
                with paused_collection():
                    self._known[key] = _built(gpu, primitive, operands, attrs, result)
            except Exception:  # whatever it is, numpy computes it as before
                self._known[key] = None
            while len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)

    def _found(
        self, primitive: Primitive, arrays: Sequence[np.ndarray], attrs: Any, laid_out: bool = False
    ) -> tuple[Gpu, _Kernel] | None:
        gpu, key, _ = self._key(primitive, arrays, attrs, laid_out)
        kernel = None if key is None else self._known.get(key)
        return (gpu, kernel) if isinstance(kernel, _Kernel) else None

    def _key(
        self, primitive: Primitive, arrays: Sequence[np.ndarray], attrs: Any, laid_out: bool
    ) -> tuple[Any, Any, Any]:
        """The GPU of some operands, what the operation is known by, and how the operands lie; None where it gets no
        kernel."""
        nothing = None, None, None
        homes = [gpu_of(array) for array in arrays]
        gpu = next((home for home in homes if home is not None), None)
        if gpu is None or primitive.effect is not None or not _often_enough(gpu):
            return nothing
        if any(home is not gpu and (home is not None or array.ndim) for home, array in zip(homes, arrays, strict=True)):
            return nothing
        if not all(array.size for array in arrays):
            return nothing
        operands = _alike(arrays) if isinstance(primitive, Pointwise) and not laid_out else None
        if operands is None:
            found = [_operand(array) for array in arrays]
            if None in found:
                return nothing
            operands = tuple(found)
        try:
            key = gpu, primitive, operands, exact_key(tuple(sorted(attrs.items()))), laid_out, tf32_is_allowed()
            hash(key)
        except TypeError:
            return nothing
        return gpu, key, operands

    def _run(
        self, gpu: Gpu, kernel: _Kernel, arrays: Sequence[np.ndarray], target: np.ndarray | None
    ) -> np.ndarray | None:
        like = next((array for array in arrays if array.ndim), arrays[0])
        extents: tuple[int, ...] = ()
        if kernel.order is None:
            shape, order = like.shape, widest_first(like)
            extents = (like.size,)
        else:
            shape, order = kernel.shape, kernel.order
        if target is None:
            laid = gpu.empty(tuple(shape[dim] for dim in order), kernel.dtype)
            target = laid.transpose(np.argsort(order)) if order != tuple(range(len(order))) else laid
        addresses = [0] * (len(arrays) + 1)
        for array, slot in zip(arrays, kernel.slots, strict=False):
            if gpu_of(array) is None:
                array = self._number(gpu, array)
            address = array.__array_interface__["data"][0]
            addresses[slot] = address if not array.ndim else address - address % ACCESS_BYTES
        addresses[kernel.slots[-1]] = target.__array_interface__["data"][0]
        kernel.executable.program.start(addresses, extents)
        return target

    def _number(self, gpu: Gpu, array: np.ndarray) -> np.ndarray:
        """A number of the CPU's in a GPU's memory."""
        settle(array)
        key = gpu, array.dtype, array.tobytes()
        with self._lock:
            found = self._numbers.get(key)
            if found is None:
                found = self._numbers[key] = gpu.empty((), array.dtype)
                gpu.upload(found.__array_interface__["data"][0], array)
                if len(self._numbers) > MOST_NUMBERS:
                    self._numbers.popitem(last=False)
            return found


def _often_enough(gpu: Gpu) -> int:
    """The time that an operation must come for the kernel to be built; 0 for never."""
    said = os.environ.get("GRAPHC_CUDA_EAGER", "numpy" if gpu.emulated else "1")
    return int(said) if said.isdigit() else 0


def _unstretched(primitive: Primitive, arrays: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
    """The operands of a pointwise function, numbers that are stretched to the shape of another as numbers."""
    if not isinstance(primitive, Pointwise) or len(arrays) < 2:
        return arrays
    whole = {array.shape for array in arrays if any(array.strides)}
    if len(whole) != 1 or not any(array.ndim and not any(array.strides) for array in arrays):
        return arrays
    return [
        array[(0,) * array.ndim + (...,)] if array.shape in whole and not any(array.strides) else array
        for array in arrays
    ]


def _is_odd(array: np.ndarray) -> bool:
    return bool(array.__array_interface__["data"][0] % ACCESS_BYTES)


def _alike(arrays: Sequence[np.ndarray]) -> tuple[_Operand, ...] | None:
    """Operands of a pointwise function that lie alike and whole, as vectors of any length; None where they do not."""
    like = next((array for array in arrays if array.ndim), None)
    if like is None or like.size > MOST_ELEMENTS:
        return None
    if not like.flags.c_contiguous and not like.transpose(widest_first(like)).flags.c_contiguous:
        return None
    for array in arrays:
        if array.ndim and (array.shape != like.shape or array.strides != like.strides or _is_odd(array)):
            return None
    return tuple(_Operand(array.dtype, (-1,) if array.ndim else ()) for array in arrays)


def _operand(array: np.ndarray) -> _Operand | None:
    """How an array lies; None where its strides are no whole numbers of elements, or run backwards."""
    if not array.ndim:
        return _Operand(array.dtype, ())
    order = widest_first(array)
    if array.transpose(order).flags.c_contiguous and not _is_odd(array):
        return _Operand(array.dtype, array.shape, order)
    offset = array.__array_interface__["data"][0] % ACCESS_BYTES
    if any(step < 0 or step % array.itemsize for step in (*array.strides, offset)):
        return None
    strides = tuple(step // array.itemsize for step in array.strides)
    return _Operand(array.dtype, array.shape, None, strides, offset // array.itemsize)


def _symbol(builder: Builder, name: str, operand: _Operand) -> Symbol:
    """An operand as an input of the graph, and the view of it that the operation sees."""
    dtype = dtype_of(operand.dtype)
    if operand.shape == (-1,):
        return builder.input(name, TensorType(dtype, (variable("N", 1, MOST_ELEMENTS),)))
    if operand.strides is None:
        order = operand.order or ()
        turned = builder.input(name, TensorType(dtype, tuple(operand.shape[dim] for dim in order)))
        return turned if order == tuple(range(len(order))) else Permute.bind(turned, dims=_inverse(order))
    reach = sum((extent - 1) * step for extent, step in zip(operand.shape, operand.strides, strict=True))
    whole = builder.input(name, TensorType(dtype, (operand.offset + reach + 1,)))
    return AsStrided.bind(whole, shape=operand.shape, strides=operand.strides, offset=operand.offset)


def _inverse(order: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(order.index(dim) for dim in range(len(order)))


def _built(
    gpu: Gpu, primitive: Primitive, operands: Sequence[_Operand], attrs: Any, result: np.ndarray
) -> _Kernel | None:
    """The kernel of an operation, whose result lies as numpy's does; None where only the host computes it."""
    builder = Builder(primitive.name, simplify=True)
    symbols = [_symbol(builder, f"operand{place}", operand) for place, operand in enumerate(operands)]
    alike = any(operand.shape == (-1,) for operand in operands)
    if isinstance(primitive, Pointwise):
        shape = next(symbol.shape for symbol in symbols if symbol.ndim) if alike else result.shape
        symbols = [broadcast_to(symbol, shape) for symbol in symbols]
    autocast, state.autocast = state.autocast, None
    within, placement.within = placement.within, True
    try:
        with paused():
            made = type(primitive).bind(*symbols, **attrs)
    finally:
        state.autocast, placement.within = autocast, within
    order = tuple(range(result.ndim)) if alike else widest_first(result)
    if not isinstance(made, Symbol) or made.dtype.numpy != result.dtype:
        return None
    if not alike and tuple(made.shape) != result.shape:
        return None
    if order != tuple(range(len(order))):
        made = Permute.bind(made, dims=order)
    optimized = optimize(builder.build([("result", made.node)])).graph
    if any(is_host_work(node) or isinstance(node.op, Structured) for node in nested_nodes(optimized)):
        return None
    compiled = compile_cuda(lower(optimized, LoweringOptions(target=GPU)), tf32=tf32_is_allowed())
    places = {buffer.nodes[0].name: slot for slot, buffer in enumerate(compiled.buffers) if buffer.kind != "output"}
    slots = [places[f"operand{place}"] for place in range(len(operands))]
    (output,) = [slot for slot, buffer in enumerate(compiled.buffers) if buffer.kind == "output"]
    return _Kernel(load_cuda(compiled, gpu), (*slots, output), result.dtype, result.shape, None if alike else order)


kernels = EagerKernels()
