"""The machine's GPUs, by way of pycuda, which is imported when somebody first asks for one.

Arrays lie in managed memory, that the CPU reaches too, so that what eager mode computes of them needs no copies. All
that a GPU is asked for, launches and copies, goes into one stream; a launch list that has the same addresses a second
time is replayed as a CUDA graph where cuda-bindings is installed (pycuda has no graphs).

Sources: https://documen.tician.de/pycuda/driver.html, https://nvidia.github.io/cuda-python/
"""

from __future__ import annotations

import importlib
import math
import os
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from graphc.device_memory import DeviceMemory
from graphc.fork_safe import recursive_lock
from graphc.runtime.cubin import build_cubin
from graphc.runtime.errors import GpuError, GpuOutOfMemory
from graphc.runtime.gpus import ALIGNMENT, PreparedLaunch, Ranges, call_all
from graphc.runtime.native import Build

# Launch lists whose graphs are kept, of one module.
MOST_GRAPHS = 16
# Launch lists that are remembered until somebody waits for them, to say what a fault may have come from.
MOST_REMEMBERED = 8
# Blocks of page-locked memory of one size that copies to the GPU go through.
MOST_STAGES = 8
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
        self._free: dict[int, list[tuple[Any, int]]] = {}
        self._used = self._most = 0
        self._managed = Ranges()
        self._asked = self._done = 0
        self._turn = recursive_lock()  # of the thread that waits
        self._watching: list[Callable[[], None]] = []
        self._recent: list[Callable[[], Sequence[PreparedLaunch]]] = []
        self._stages: dict[int, list[tuple[Any, Any]]] = {}
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

    @property
    def pending(self) -> bool:
        """Whether there may be something left to do."""
        return self._asked != self._done

    @contextmanager
    def asking(self) -> Iterator[Any]:
        """As :meth:`current`, for a block that asks for something which nobody waits for yet."""
        with self.current() as stream:
            self._asked += 1
            yield stream

    def empty(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """A new array in managed memory. Raises GpuOutOfMemory."""
        wanted = max(-(-math.prod(shape) * dtype.itemsize // ALIGNMENT) * ALIGNMENT, ALIGNMENT)
        with self._guard:
            kept = self._free.get(wanted)
            block, address = kept.pop() if kept else self._new_block(wanted)
            self._used += wanted
            self._most = max(self._most, self._used)
        return DeviceMemory(self, block, address, wanted).array(shape, dtype)

    def _new_block(self, nbytes: int) -> tuple[Any, int]:
        with self.current():
            for attempt in range(2):
                try:
                    flags = self._driver.mem_attach_flags.GLOBAL
                    block = self._driver.managed_empty((nbytes,), np.uint8, mem_flags=flags)
                except self._driver.MemoryError:
                    if attempt:
                        break
                    self._let_go()  # blocks of other sizes that nobody uses
                else:
                    address = block.__array_interface__["data"][0]
                    self._managed.add(address, nbytes)
                    return block, address
            raise self._refusal(nbytes)

    def _refusal(self, nbytes: int) -> GpuOutOfMemory:
        free, total = self._driver.mem_get_info()
        return GpuOutOfMemory(
            f"{self.name} (cuda:{self.number}) is out of memory: {nbytes:,} bytes were asked for, {free:,} of "
            f"{total:,} are free, and arrays of this process hold {self._used:,}"
        )

    def take_back(self, block: Any, address: int, nbytes: int) -> None:
        """Keep memory that no array shows any more for the next of its size."""
        with self._guard:
            self._used -= nbytes
            self._free.setdefault(nbytes, []).append((block, address))

    def _let_go(self) -> None:
        if self._free and self._stream is not None:
            self._stream.synchronize()
        for blocks in self._free.values():
            for _, address in blocks:
                self._managed.remove(address)
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

    def upload(self, address: int, values: np.ndarray) -> None:
        """Copy a contiguous array of the CPU's to this GPU's memory, by way of page-locked memory, in the stream."""
        if not values.nbytes:
            return
        with self.asking() as stream:
            size = 1 << max(values.nbytes - 1, 255).bit_length()
            stages = self._stages.setdefault(size, [])
            if stages and (len(stages) >= MOST_STAGES or stages[0][1].query()):
                block, free = stages.pop(0)
                free.synchronize()
            else:
                block, free = self._driver.pagelocked_empty((size,), np.uint8), self._driver.Event()
            staged = block[: values.nbytes]
            staged[...] = values.reshape(-1).view(np.uint8)
            self._driver.memcpy_htod_async(address, staged, stream)
            free.record(stream)
            stages.append((block, free))

    def download(self, values: np.ndarray, source: np.ndarray) -> None:
        """Copy a contiguous array of this GPU's memory without moving its pages."""
        if values.nbytes:
            with self.current():
                self._driver.memcpy_dtoh(values, source.__array_interface__["data"][0])

    def when_done(self, function: Callable[[], None]) -> None:
        """Call a function once, when what was asked for until now has been waited for."""
        with self._guard:
            self._watching.append(function)

    def mark(self) -> PhysicalMark:
        """This point in what the GPU was asked for."""
        with self.asking() as stream:
            return PhysicalMark(self, stream)

    def remember(self, launches: Callable[[], Sequence[PreparedLaunch]]) -> None:
        """Note what a fault may come from that shows itself when somebody waits."""
        self._recent.append(launches)
        del self._recent[:-MOST_REMEMBERED]

    def synchronize(self) -> None:
        """Wait until all that was asked of the GPU is done. Raises GpuError naming kernels, or the error of an
        operation."""
        with self._turn:
            with self._guard:
                watching, self._watching = self._watching, []
            call_all([self._wait, *watching])

    def _wait(self) -> None:
        # Nobody may wait for a stream that is being captured: others ask for nothing meanwhile.
        with self.current() as stream:
            recent, self._recent = self._recent, []
            try:
                stream.synchronize()
            except self._driver.Error as error:
                raise self.told(error, [launch for launches in recent for launch in launches()]) from error
            finally:
                self._done = self._asked

    def told(self, error: Exception, launches: Sequence[PreparedLaunch]) -> GpuError:
        """What a driver's error says, with the kernels that may have caused it: a fault shows itself only when the
        stream is waited for."""
        names = list(dict.fromkeys(launch.kernel for launch in launches))
        shown = ", ".join(names[:6]) + (f", and {len(names) - 6} more" if len(names) > 6 else "")
        advice = "" if len(launches) == 1 else "; GRAPHC_CUDA_SYNC=1 tells which"
        told = GpuError(f"{self.name} (cuda:{self.number}): {error}; in kernel {shown}{advice}")
        for launch in launches[:6]:
            if launch.told:
                told.add_note(f"{launch.kernel}: {launch.told}")
        return told


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
        with self._gpu.asking() as stream:
            self._gpu._driver.memcpy_htod_async(self._device, self.host, stream)

    def fetch(self) -> None:
        """Copy the GPU's bytes to the CPU, after what the GPU was asked for before."""
        with self._gpu.asking() as stream:
            self._gpu._driver.memcpy_dtoh_async(self.host, self._device, stream)


class PhysicalMark:
    """An event on a GPU's stream."""

    def __init__(self, gpu: PhysicalGpu, stream: Any):
        self._gpu = gpu
        self._event = gpu._driver.Event()
        self._event.record(stream)

    def reached(self) -> bool:
        """Whether what came before is done."""
        with self._gpu.current():
            return bool(self._event.query())

    def wait(self) -> None:
        """Wait until what came before is done."""
        with self._gpu.current():
            self._event.synchronize()

    def seconds_since(self, other: PhysicalMark) -> float:
        """The time between two points, to about half a microsecond."""
        with self._gpu.current():
            return float(self._event.time_since(other._event)) * 1e-3


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
        self._gpu.synchronize()

    def replay(self, key: Hashable, launches: Callable[[], Sequence[PreparedLaunch]]) -> None:
        """As :meth:`run`, without waiting, of launches that are the same whenever the key is: as one graph from the
        second time on."""
        with self._gpu.asking() as stream:
            self._gpu.remember(launches)
            graph = self._graph_of(key, launches, stream)
            if graph is not None:
                graph.launch(stream)
            else:
                self._launch_all(launches(), stream)

    def start(self, launches: Sequence[PreparedLaunch]) -> None:
        """As :meth:`run`, without waiting."""
        with self._gpu.asking() as stream:
            self._gpu.remember(lambda: launches)
            self._launch_all(launches, stream)

    def timed(self, launches: Sequence[PreparedLaunch]) -> list[float]:
        """Run launches one after the other, and wait: the seconds between events around each."""
        gpu = self._gpu
        marks = [gpu.mark()]
        for launch in launches:
            with gpu.asking() as stream:
                gpu.remember(lambda launch=launch: (launch,))
                self._launch_all((launch,), stream)
            marks.append(gpu.mark())
        gpu.synchronize()
        return [after.seconds_since(before) for before, after in pairwise(marks)]

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
            _, oldest = self._graphs.popitem(last=False)
            if oldest is not None:
                stream.synchronize()  # it may be running
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
                raise self._gpu.told(error, (launch,)) from error

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
