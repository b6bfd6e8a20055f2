"""What graphc uses of pycuda's driver and of cuda-bindings, over an emulated GPU: a cubin is the text that it was built
of. What was asked for is kept in ``log``, and done as late as it may be: when somebody waits."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from graphc.runtime.emulated_gpu import EmulatedModule, kernels_of
from graphc.runtime.errors import GpuError
from graphc.runtime.gpus import PreparedLaunch


class Error(Exception):
    """The base of the driver's errors."""


class LaunchError(Error):
    """A kernel failed."""


class OutOfMemory(Error):
    """There is no more memory."""


def address_of(array: np.ndarray) -> int:
    assert array.flags.c_contiguous
    return array.__array_interface__["data"][0]


class DeviceAllocation:
    """Memory that only the GPU reaches."""

    def __init__(self, memory: np.ndarray):
        self.memory = memory

    def __int__(self) -> int:
        return self.memory.__array_interface__["data"][0]


class FakeDriver:
    """A module's worth of ``pycuda.driver`` with so many devices of so many bytes."""

    Error, LaunchError, MemoryError = Error, LaunchError, OutOfMemory
    mem_attach_flags = SimpleNamespace(GLOBAL=1)
    function_attribute = SimpleNamespace(MAX_DYNAMIC_SHARED_SIZE_BYTES="most shared")

    def __init__(self, devices: int = 1, nbytes: int = 1 << 30):
        self.log: list[Any] = []
        self.left = nbytes
        self.nbytes = nbytes
        self.depth = 0
        self.captured: list[Any] | None = None
        self.pending: Exception | None = None
        self.asked: list[Callable[[], None]] = []
        driver = self

        class Device:
            def __init__(self, number: int):
                self.number = number

            @staticmethod
            def count() -> int:
                return devices

            def name(self) -> str:
                return "Fake GPU"

            def compute_capability(self) -> tuple[int, int]:
                return (9, 0)

            def retain_primary_context(self) -> Any:
                return driver.Context

        class Context:
            @staticmethod
            def push() -> None:
                driver.depth += 1

            @staticmethod
            def pop() -> None:
                driver.depth -= 1

        class Stream:
            handle = 7

            def synchronize(self) -> None:
                assert driver.depth > 0
                assert driver.captured is None
                driver.log.append("wait")
                driver.work()

        class Event:
            done = False

            def record(self, stream: Any) -> None:
                assert driver.depth > 0
                self.done, self.time = False, len(driver.log)
                driver.asked.append(lambda: setattr(self, "done", True))

            def query(self) -> bool:
                return self.done

            def synchronize(self) -> None:
                if not self.done:
                    driver.log.append("wait")
                    driver.work()

            def time_since(self, other: Any) -> float:
                assert self.done
                assert other.done
                return float(self.time - other.time)

        self.Device, self.Context, self.Stream, self.Event = Device, Context, Stream, Event

    def work(self) -> None:
        """Do what was asked for."""
        asked, self.asked = self.asked, []
        for each in asked:
            each()
        if self.pending is not None:
            error, self.pending = self.pending, None
            raise error

    def init(self) -> None:
        self.log.append("init")

    def managed_empty(self, shape: tuple[int, ...], dtype: Any, mem_flags: int) -> np.ndarray:
        assert self.depth > 0
        nbytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if nbytes > self.left:
            raise OutOfMemory("cuMemAllocManaged failed: out of memory")
        self.left -= nbytes
        self.log.append(f"new {nbytes}")
        return np.empty(shape, dtype)

    def pagelocked_zeros(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        assert self.depth > 0
        return np.zeros(shape, dtype)

    def pagelocked_empty(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        assert self.depth > 0
        return np.full(shape, 0xCD, dtype)

    def mem_alloc(self, nbytes: int) -> Any:
        assert self.depth > 0
        if nbytes > self.left:
            raise OutOfMemory("cuMemAlloc failed: out of memory")
        memory = np.full(nbytes, 0xAB, np.uint8)
        return DeviceAllocation(memory)

    def memcpy_htod_async(self, device: DeviceAllocation | int, host: np.ndarray, stream: Any) -> None:
        assert self.depth > 0
        self.log.append("send")
        self.asked.append(lambda: ctypes.memmove(int(device), address_of(host), host.nbytes))

    def memcpy_dtoh_async(self, host: np.ndarray, device: DeviceAllocation | int, stream: Any) -> None:
        assert self.depth > 0
        self.log.append("fetch")
        self.asked.append(lambda: ctypes.memmove(address_of(host), int(device), host.nbytes))

    def memcpy_dtoh(self, host: np.ndarray, device: DeviceAllocation | int) -> None:
        assert self.depth > 0
        self.work()
        ctypes.memmove(address_of(host), int(device), host.nbytes)

    def mem_get_info(self) -> tuple[int, int]:
        return self.left, self.nbytes

    def module_from_buffer(self, cubin: bytes) -> Any:
        assert self.depth > 0
        if not cubin.startswith(b"\x7fELF"):
            raise Error("device kernel image is invalid")
        text = cubin[4:].decode()
        module = EmulatedModule(text, kernels_of(text))

        def get_function(name: str) -> Any:
            known: dict[str, Any] = {}

            def prepared_async_call(grid: Any, block: Any, stream: Any, *words: int, shared_size: int) -> None:
                assert self.depth > 0
                struct.pack(known["widths"], *words)
                prepared = PreparedLaunch(name, grid, block, shared_size, words)

                def work() -> None:
                    try:
                        if self.pending is None:
                            module.run([prepared])
                    except GpuError as error:
                        self.pending = LaunchError(f"unspecified launch failure ({error})")

                if self.captured is not None:
                    self.captured.append(work)
                else:
                    self.log.append(f"launch {name}")
                    self.asked.append(work)

            return SimpleNamespace(
                prepare=lambda widths: known.update(widths=widths),
                prepared_async_call=prepared_async_call,
                set_attribute=lambda attribute, value: self.log.append(f"{name} {attribute} {value}"),
            )

        return SimpleNamespace(get_function=get_function)

    def bindings(self) -> Any:
        """``cuda.bindings.driver`` for the same GPU."""
        success = 0

        def begin(stream: int, mode: str) -> tuple[int]:
            self.captured = []
            return (success,)

        def end(stream: int) -> tuple[int, Any]:
            graph, self.captured = self.captured, None
            return success, graph

        def launch(executable: list[Any], stream: int) -> tuple[int]:
            self.log.append(f"graph of {len(executable)}")
            self.asked += executable
            return (success,)

        return SimpleNamespace(
            CUstreamCaptureMode=SimpleNamespace(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL="thread local"),
            CUresult=SimpleNamespace(CUDA_SUCCESS=success),
            cuStreamBeginCapture=begin,
            cuStreamEndCapture=end,
            cuGraphInstantiate=lambda graph, flags: (success, graph),
            cuGraphDestroy=lambda graph: (success,),
            cuGraphExecDestroy=lambda executable: (success,),
            cuGraphLaunch=launch,
        )
