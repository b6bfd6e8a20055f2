"""What graphc uses of pycuda's driver and of cuda-bindings, over an emulated GPU: a cubin is the text that it was built
of. What was asked for is kept in ``log``."""

from __future__ import annotations

import struct
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
                driver.log.append("wait")
                if driver.pending is not None:
                    error, driver.pending = driver.pending, None
                    raise error

        self.Device, self.Context, self.Stream = Device, Context, Stream

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

    def mem_alloc(self, nbytes: int) -> Any:
        assert self.depth > 0
        if nbytes > self.left:
            raise OutOfMemory("cuMemAlloc failed: out of memory")
        memory = np.full(nbytes, 0xAB, np.uint8)
        return DeviceAllocation(memory)

    def memcpy_htod_async(self, device: DeviceAllocation, host: np.ndarray, stream: Any) -> None:
        assert self.depth > 0
        device.memory[: host.nbytes] = host

    def memcpy_dtoh_async(self, host: np.ndarray, device: DeviceAllocation, stream: Any) -> None:
        assert self.depth > 0
        host[:] = device.memory[: host.nbytes]

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
                        module.run([prepared])
                    except GpuError as error:
                        self.pending = LaunchError(f"unspecified launch failure ({error})")

                if self.captured is not None:
                    self.captured.append(work)
                else:
                    self.log.append(f"launch {name}")
                    work()

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
            for work in executable:
                work()
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
