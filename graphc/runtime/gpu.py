"""The machine's GPUs, by way of pycuda, which is imported when somebody first asks for one.

Arrays lie in managed memory, that the CPU reaches too, so that what eager mode computes of them needs no copies; a
launch list runs on one stream, and the second time that it has the same addresses it is replayed as a CUDA graph where
cuda-bindings is installed (pycuda has no graphs).

Sources: https://documen.tician.de/pycuda/driver.html, https://nvidia.github.io/cuda-python/
"""

from __future__ import annotations

import importlib
import os
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from graphc.device_memory import DeviceMemory
from graphc.fork_safe import recursive_lock
from graphc.runtime.cubin import build_cubin
from graphc.runtime.errors import GpuError, GpuOutOfMemory
from graphc.runtime.gpus import ALIGNMENT, PreparedLaunch, Ranges
from graphc.runtime.native import Build

# Launch lists whose graphs are kept, of one module.
MOST_GRAPHS = 16
# Dynamic shared memory that a kernel is given without being told to ask for more.
SHARED_BYTES = 48 * 1024


@cache
def _driver() -> tuple[Any, str]:
    """pycuda's driver, ready, or None and why not."""
    try:
        driver = importlib.import_module("pycuda.driver")
    except ImportError as error:
        return None, f"pycuda can't be imported ({error}); pip install 'graphc[cuda]' where a GPU's driver is"
    try:
        driver.init()
    except driver.Error as error:
        return None, f"the GPU's driver does not start: {error}"
    return driver, ""


def why_none() -> str:
    """Why the machine's GPUs can't be used, in words; empty where they can."""
    driver, reason = _driver()
    return reason or ("" if driver.Device.count() else "the machine has none that is visible")


def devices() -> tuple[PhysicalGpu, ...]:
    """The machine's GPUs. The driver itself looks at CUDA_VISIBLE_DEVICES, as it was when the driver was started."""
    driver, _ = _driver()
    return () if driver is None else tuple(PhysicalGpu(driver, number) for number in range(driver.Device.count()))


class PhysicalGpu:
    """A GPU of this machine. Its primary context is used, which it shares with other libraries in the process."""

    emulated = False

    def __init__(self, driver: Any, number: int):
        self._driver = driver
        self.number = number
        self._device = driver.Device(number)
        self.name = self._device.name()
        self.capability = tuple(self._device.compute_capability())
        self._context: Any = None
        self._stream: Any = None
        self._guard = recursive_lock()
        self._free: dict[int, list[Any]] = {}
        self._used = self._most = 0
        self._managed = Ranges()
        self._modules: dict[tuple[str, tuple[str, ...]], PhysicalModule] = {}

    def __repr__(self) -> str:
        return f"<GPU {self.number}: {self.name}>"

    @property
    def architecture(self) -> str:
        """What nvcc calls GPUs of this kind."""
        return "sm_{}{}".format(*self.capability)

    @contextmanager
    def current(self) -> Iterator[Any]:
        """Make this GPU's context the thread's for a block; gives the stream."""
        with self._guard:
            if self._context is None:
                self._context = self._device.retain_primary_context()
            self._context.push()
            try:
                if self._stream is None:
                    self._stream = self._driver.Stream()
                yield self._stream
            finally:
                self._driver.Context.pop()

    def empty(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """A new array in managed memory. Raises GpuOutOfMemory."""
        wanted = max(-(-int(np.prod(shape, dtype=np.int64)) * dtype.itemsize // ALIGNMENT) * ALIGNMENT, ALIGNMENT)
        with self.current():
            kept = self._free.get(wanted)
            block = kept.pop() if kept else self._new_block(wanted)
            self._used += wanted
            self._most = max(self._most, self._used)
        memory = DeviceMemory(self, block, block.__array_interface__["data"][0], wanted)
        weakref.finalize(memory, self._given_back, block, wanted)
        return memory.array(shape, dtype)

    def _new_block(self, nbytes: int) -> Any:
        for attempt in range(2):
            try:
                flags = self._driver.mem_attach_flags.GLOBAL
                block = self._driver.managed_empty((nbytes,), np.uint8, mem_flags=flags)
            except self._driver.MemoryError:
                if attempt:
                    break
                self._let_go()  # blocks of other sizes that nobody uses
            else:
                self._managed.add(block.__array_interface__["data"][0], nbytes)
                return block
        raise self._refusal(nbytes)

    def _refusal(self, nbytes: int) -> GpuOutOfMemory:
        free, total = self._driver.mem_get_info()
        return GpuOutOfMemory(
            f"{self.name} (cuda:{self.number}) is out of memory: {nbytes:,} bytes were asked for, {free:,} of "
            f"{total:,} are free, and arrays of this process hold {self._used:,}"
        )

    def _given_back(self, block: Any, nbytes: int) -> None:
        self._used -= nbytes
        self._free.setdefault(nbytes, []).append(block)

    def _let_go(self) -> None:
        for blocks in self._free.values():
            for block in blocks:
                self._managed.remove(block.__array_interface__["data"][0])
        self._free.clear()

    def empty_cache(self) -> None:
        """Give memory that no array uses back to the driver."""
        with self.current():
            self._let_go()

    def mirror(self, nbytes: int) -> PhysicalMirror:
        """A block of zeros, one copy in page-locked memory here and one there. Raises GpuOutOfMemory."""
        with self.current():
            try:
                return PhysicalMirror(self, nbytes)
            except self._driver.MemoryError as error:
                raise self._refusal(nbytes) from error

    def reaches(self, address: int) -> bool:
        """Whether an address is one of managed memory."""
        with self._guard:
            return address in self._managed

    def load(self, source: str, kernels: Sequence[str], name: str) -> PhysicalModule:
        """Compile a text for this kind of GPU, or find it in the cache, and load it. Raises CompileError, GpuError."""
        key = (source, tuple(kernels))
        with self._guard:
            module = self._modules.get(key)
            if module is None:
                build = build_cubin(source, name=name, architecture=self.architecture)
                module = self._modules[key] = PhysicalModule(self, build, kernels)
            return module

    def memory(self) -> tuple[int, int]:
        """Bytes that are free, and all there are."""
        with self.current():
            free, total = self._driver.mem_get_info()
            return int(free), int(total)

    def allocated(self) -> tuple[int, int]:
        """Bytes in use by arrays of this process, and the most that ever were."""
        return self._used, self._most

    def reset_peak(self) -> None:
        """Count the most bytes in use from now on."""
        self._most = self._used

    def synchronize(self) -> None:
        """Wait until all that was asked of the GPU is done."""
        with self.current() as stream:
            stream.synchronize()


class PhysicalMirror:
    """A block of bytes that the CPU, in page-locked memory, and a GPU each have a copy of."""

    def __init__(self, gpu: PhysicalGpu, nbytes: int):
        self._gpu = gpu
        self.host = gpu._driver.pagelocked_zeros((max(nbytes, 1),), np.uint8)
        self._device = gpu._driver.mem_alloc(self.host.nbytes)
        self.address = int(self._device)
        self.send()

    def send(self) -> None:
        """Copy the CPU's bytes to the GPU, before what runs there next."""
        with self._gpu.current() as stream:
            self._gpu._driver.memcpy_htod_async(self._device, self.host, stream)

    def fetch(self) -> None:
        """Copy the GPU's bytes to the CPU, once it has done what was asked of it."""
        with self._gpu.current() as stream:
            self._gpu._driver.memcpy_dtoh_async(self.host, self._device, stream)
            stream.synchronize()


class PhysicalModule:
    """Kernels that are loaded on a GPU."""

    def __init__(self, gpu: PhysicalGpu, build: Build, kernels: Sequence[str]):
        """Raises GpuError where the GPU refuses the cubin."""
        self.build = build
        self._gpu, self._driver = gpu, gpu._driver
        self._graphs: OrderedDict[Hashable, Any] = OrderedDict()
        self._ready: set[str] = set()
        try:
            with gpu.current():
                self._module = self._driver.module_from_buffer(build.path.read_bytes())
                self._functions = {kernel: self._module.get_function(kernel) for kernel in kernels}
        except self._driver.Error as error:
            raise GpuError(f"{gpu.name} does not load a program's kernels: {error}") from error

    def run(self, launches: Sequence[PreparedLaunch]) -> None:
        """Run launches in order on the GPU's stream, and wait for the last. Raises GpuError naming the kernel."""
        self.replay(tuple(launches), lambda: launches)

    def replay(self, key: Hashable, launches: Callable[[], Sequence[PreparedLaunch]]) -> None:
        """As :meth:`run`, of launches that are the same whenever the key is: as one graph from the second time on."""
        with self._gpu.current() as stream:
            graph = self._graph_of(key, launches, stream)
            if graph is not None:
                graph.launch(stream)
            else:
                self._launch_all(launches(), stream)
            try:
                stream.synchronize()
            except self._driver.Error as error:
                raise self._told(error, launches()) from error

    def _graph_of(self, key: Hashable, launches: Callable[[], Sequence[PreparedLaunch]], stream: Any) -> _Graph | None:
        """The graph of a launch list, made when it comes the second time; None where it is launched by itself."""
        if _each_alone() or _bindings() is None:
            return None
        seen = key in self._graphs
        graph = self._graphs.pop(key, None)
        if seen and graph is None:
            graph = _captured(stream, lambda: self._launch_all(launches(), stream))
        self._graphs[key] = graph
        if len(self._graphs) > MOST_GRAPHS:
            self._graphs.popitem(last=False)
        return graph

    def _launch_all(self, launches: Sequence[PreparedLaunch], stream: Any) -> None:
        for launch in launches:
            function = self._prepared(launch)
            words = [value & 0xFFFFFFFFFFFFFFFF for value in launch.arguments]
            try:
                function.prepared_async_call(launch.grid, launch.block, stream, *words, shared_size=launch.shared_bytes)
                if _each_alone():
                    stream.synchronize()
            except self._driver.Error as error:
                raise self._told(error, (launch,)) from error

    def _prepared(self, launch: PreparedLaunch) -> Any:
        """A kernel's function, told once how wide its arguments are and how much shared memory it may be given."""
        function = self._functions[launch.kernel]
        if launch.kernel not in self._ready:
            function.prepare("Q" * len(launch.arguments))
            if launch.shared_bytes > SHARED_BYTES:
                attribute = self._driver.function_attribute.MAX_DYNAMIC_SHARED_SIZE_BYTES
                function.set_attribute(attribute, launch.shared_bytes)
            self._ready.add(launch.kernel)
        return function

    def _told(self, error: Exception, launches: Sequence[PreparedLaunch]) -> GpuError:
        """What a driver's error says, with the kernels that may have caused it: a fault shows itself only when the
        stream is waited for."""
        names = list(dict.fromkeys(launch.kernel for launch in launches))
        shown = ", ".join(names[:6]) + (f", and {len(names) - 6} more" if len(names) > 6 else "")
        advice = "" if len(launches) == 1 else "; GRAPHC_CUDA_SYNC=1 tells which"
        told = GpuError(f"{self._gpu.name} (cuda:{self._gpu.number}): {error}; in kernel {shown}{advice}")
        for launch in launches[:6]:
            if launch.told:
                told.add_note(f"{launch.kernel}: {launch.told}")
        return told


def _each_alone() -> bool:
    """Whether every launch is waited for by itself, so that an error names its kernel: GRAPHC_CUDA_SYNC=1."""
    return os.environ.get("GRAPHC_CUDA_SYNC", "0") not in ("", "0")


class _Graph:
    """A captured launch list, ready to be launched as one."""

    def __init__(self, bindings: Any, executable: Any):
        self._bindings, self._executable = bindings, executable
        weakref.finalize(self, bindings.cuGraphExecDestroy, executable)

    def launch(self, stream: Any) -> None:
        _checked(self._bindings, self._bindings.cuGraphLaunch(self._executable, stream.handle))


@cache
def _bindings() -> Any:
    """NVIDIA's own bindings of the driver; None where they are not installed."""
    try:
        return importlib.import_module("cuda.bindings.driver")
    except ImportError:
        return None


def _captured(stream: Any, launch: Callable[[], None]) -> _Graph:
    """What a function launches on a stream, as a graph."""
    bindings = _bindings()
    mode = bindings.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
    _checked(bindings, bindings.cuStreamBeginCapture(stream.handle, mode))
    try:
        launch()
    finally:
        (graph,) = _checked(bindings, bindings.cuStreamEndCapture(stream.handle))
    (executable,) = _checked(bindings, bindings.cuGraphInstantiate(graph, 0))
    _checked(bindings, bindings.cuGraphDestroy(graph))
    return _Graph(bindings, executable)


def _checked(bindings: Any, results: tuple[Any, ...]) -> tuple[Any, ...]:
    """The results of a call of the bindings, but for its status. Raises GpuError for one that is not success."""
    status, *values = results
    if status != bindings.CUresult.CUDA_SUCCESS:
        raise GpuError(f"the driver refused a CUDA graph: {status}")
    return tuple(values)
