"""The loader of real GPUs, with pycuda and cuda-bindings replaced by an emulated one that keeps a log."""

from __future__ import annotations

import gc
import importlib
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import graphc
from graphc.codegen.cuda import compile_cuda
from graphc.codegen.cuda.executable import load_cuda
from graphc.codegen.lower import LoweringOptions, lower
from graphc.codegen.target import GPU
from graphc.device_memory import gpu_of
from graphc.nn import functional
from graphc.runtime import gpu as real
from graphc.runtime.errors import GpuError, GpuOutOfMemory
from graphc.runtime.gpus import PreparedLaunch
from tests.runtime import cuda_kernels as kernels
from tests.runtime.conftest import run_python
from tests.runtime.fake_pycuda import FakeDriver


@pytest.fixture
def driver(monkeypatch, tmp_path):
    """A driver in pycuda's place, with an nvcc that makes cubins of texts."""
    fake = FakeDriver(nbytes=1 << 20)
    modules = {"pycuda.driver": fake, "cuda.bindings.driver": fake.bindings()}
    own = importlib.import_module

    def import_module(name: str):
        if name in modules:
            if modules[name] is None:
                raise ImportError(f"no {name}")
            return modules[name]
        return own(name)

    def build(source: str, *, name: str, architecture: str):
        assert architecture == "sm_90"
        path = tmp_path / f"{name}.cubin"
        path.write_bytes(b"\x7fELF" + source.encode())
        return SimpleNamespace(path=path)

    monkeypatch.setattr(real.importlib, "import_module", import_module)
    monkeypatch.setattr(real, "build_cubin", build)
    monkeypatch.delenv("GRAPHC_CUDA_SYNC", raising=False)
    for cached in (real._driver, real._bindings):
        cached.cache_clear()
    fake.modules = modules
    yield fake
    for cached in (real._driver, real._bindings):
        cached.cache_clear()


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def row_sums(gpu, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, PreparedLaunch]:
    held, sums = gpu.empty(values.shape, values.dtype), gpu.empty(values.shape[:1], values.dtype)
    held[...], sums[...] = values, np.nan
    words = (address(held), address(sums), values.shape[1])
    return held, sums, PreparedLaunch("row_sum", (values.shape[0], 1, 1), (256, 1, 1), 0, words, "sum, at model.py:3")


def test_launches_are_replayed_as_a_graph(driver) -> None:
    """The first time a list is launched by itself, the second it is captured, from then on replayed; one wait a run."""
    (gpu,) = real.devices()
    assert (gpu.name, gpu.capability, gpu.emulated) == ("Fake GPU", (9, 0), False)
    module = gpu.load(kernels.ROW_SUM, ("row_sum",), "rows")
    assert gpu.load(kernels.ROW_SUM, ("row_sum",), "rows") is module
    held, sums, launch = row_sums(gpu, np.ones((3, 500), np.float32))
    driver.log.clear()
    for turn in range(4):
        held[...] = turn
        module.run([launch, launch])
        assert (sums == 500 * turn).all()
    assert driver.log == ["launch row_sum", "launch row_sum", "wait", *["graph of 2", "wait"] * 3]
    assert driver.depth == 0


def test_without_bindings_every_run_launches(driver) -> None:
    """Graphs are for those who have cuda-bindings; the work is the same."""
    driver.modules["cuda.bindings.driver"] = None
    (gpu,) = real.devices()
    module = gpu.load(kernels.ROW_SUM, ("row_sum",), "rows")
    _, sums, launch = row_sums(gpu, np.ones((3, 500), np.float32))
    driver.log.clear()
    for _ in range(3):
        module.run([launch])
    assert driver.log == ["launch row_sum", "wait"] * 3
    assert (sums == 500).all()


def test_lists_whose_graphs_are_kept_are_bounded(driver) -> None:
    """Those that were run last are kept."""
    (gpu,) = real.devices()
    module = gpu.load(kernels.ROW_SUM, ("row_sum",), "rows")
    launches = [row_sums(gpu, np.ones((1, 9), np.float32)) for _ in range(real.MOST_GRAPHS + 3)]
    for _ in range(2):
        for _, _, launch in launches:
            module.run([launch])
    assert len(module._graphs) == real.MOST_GRAPHS


def test_errors_name_kernel_and_line(driver, monkeypatch) -> None:
    """A fault shows when the stream is waited for: all kernels are named, or with GRAPHC_CUDA_SYNC the one."""
    (gpu,) = real.devices()
    text = kernels.ROW_SUM + kernels.ENDED_BEFORE_BARRIER
    module = gpu.load(text, ("row_sum", "ended"), "both")
    _, sums, launch = row_sums(gpu, np.ones((64, 9), np.float32))
    wrong = PreparedLaunch("ended", (1, 1, 1), (64, 1, 1), 0, (address(sums),), "exp, at model.py:9")
    with pytest.raises(GpuError, match=r"Fake GPU \(cuda:0\).*launch failure.*in kernel row_sum, ended; ") as caught:
        module.run([launch, wrong])
    assert caught.value.__notes__ == ["row_sum: sum, at model.py:3", "ended: exp, at model.py:9"]
    monkeypatch.setenv("GRAPHC_CUDA_SYNC", "1")
    with pytest.raises(GpuError, match=r"in kernel ended\nended: exp") as caught:
        module.run([launch, wrong])
    assert caught.value.__notes__ == ["ended: exp, at model.py:9"]
    assert driver.depth == 0


def test_memory_is_used_again_and_its_end_is_told(driver) -> None:
    """A block that no array uses serves the next of its size; one that is too large says what is free."""
    (gpu,) = real.devices()
    array = gpu.empty((100,), np.dtype(np.float32))
    assert gpu_of(array[3:]) is gpu
    assert gpu.reaches(address(array))
    assert gpu.reaches(address(array) + 511)
    assert not gpu.reaches(address(np.zeros(1)))
    first = address(array)
    del array
    gc.collect()
    again = gpu.empty((512,), np.dtype(np.uint8))
    assert address(again) == first
    assert driver.log.count("new 512") == 1
    assert gpu.allocated() == (512, 512)
    with pytest.raises(GpuOutOfMemory, match=r"2,097,152 bytes .*, 1,048,064 of 1,048,576 are free, .* hold 512"):
        gpu.empty((1 << 21,), np.dtype(np.uint8))
    del again
    gpu.empty_cache()
    assert not gpu.reaches(first)


def test_kept_memory_makes_room(driver) -> None:
    """Blocks of other sizes that nobody uses go back to the driver before memory is said to be at its end."""
    (gpu,) = real.devices()
    half = gpu.empty((1 << 19,), np.dtype(np.uint8))
    del half
    driver.left = 1 << 18
    freed: list[int] = []
    gpu._let_go = lambda: (freed.append(1), setattr(driver, "left", 1 << 20))
    gpu.empty((1 << 20,), np.dtype(np.uint8))
    assert freed == [1]


def test_a_cubin_that_the_gpu_refuses(driver, monkeypatch, tmp_path) -> None:
    """Is an error that says so."""
    (tmp_path / "bad.cubin").write_bytes(b"no cubin")
    monkeypatch.setattr(real, "build_cubin", lambda *_, **__: SimpleNamespace(path=tmp_path / "bad.cubin"))
    (gpu,) = real.devices()
    with pytest.raises(GpuError, match="does not load a program's kernels: device kernel image is invalid"):
        gpu.load(kernels.SCAN, ("scan",), "scan")


def test_without_pycuda_there_are_no_gpus(driver) -> None:
    """And the reason is told."""
    driver.modules["pycuda.driver"] = None
    real._driver.cache_clear()
    assert real.devices() == ()
    assert "pycuda can't be imported (no pycuda.driver)" in real.why_none()


def test_nothing_imports_pycuda() -> None:
    """Neither the library, nor the modules that know of GPUs, before somebody asks for one."""
    code = """
import sys, graphc, graphc.cuda, graphc.runtime.gpu
print(sorted({name.split(".")[0] for name in sys.modules} & {"pycuda", "cuda"}))
"""
    assert run_python(code) == "[]"
    assert "pycuda" not in sys.modules


def test_a_program_is_replayed_where_its_buffers_stay(driver) -> None:
    """A program with buffers of the CPU's: they are copied to one place, so the graph of the second call serves all; an
    index out of range is told, and the next call is right again."""
    (gpu,) = real.devices()
    table = graphc.arange(12.0).reshape(4, 3)
    f = graphc.compile(lambda x: functional.embedding(x, table).exp().sum(0), backend="c")
    index = graphc.tensor([1, 3])
    expected = f(index).numpy()
    compiled = compile_cuda(lower(f.stages.optimized, LoweringOptions(target=GPU)))
    program = load_cuda(compiled, gpu).program
    arrays = [np.array([1, 3]), np.arange(12, dtype=np.float32), np.zeros(3, np.float32)]
    kinds = [buffer.dtype.name for buffer in compiled.buffers]
    if kinds[0] != "int64":
        arrays[:2] = reversed(arrays[:2])
    driver.log.clear()
    for _ in range(4):
        arrays[-1][:] = 0
        assert program.call(arrays) == 0
        np.testing.assert_allclose(arrays[-1], expected, rtol=1e-6)
    assert sum(entry.startswith("graph") for entry in driver.log) == 3
    assert driver.log.count("send") == 2  # zeros, and the buffers once: what has not changed is there already
    arrays[kinds.index("int64")][1] = 7
    with pytest.raises(IndexError) as caught:
        program.call(arrays)
    assert "test_gpu.py" in caught.value.__notes__[0]
    arrays[kinds.index("int64")][1] = 3
    assert program.call(arrays) == 0
    np.testing.assert_allclose(arrays[-1], expected, rtol=1e-6)


def test_shared_memory_beyond_the_usual_is_asked_for(driver) -> None:
    """Once for a kernel, before its first launch."""
    (gpu,) = real.devices()
    module = gpu.load(kernels.HISTOGRAM, ("histogram", "greatest"), "histogram")
    values, counts, weight = (gpu.empty((64,), np.dtype(np.int32)) for _ in range(3))
    for array in (values, counts, weight):
        array[:] = 0
    words = (address(values), address(counts), address(weight), 64, 16)
    for _ in range(2):
        module.run([PreparedLaunch("histogram", (1, 1, 1), (64, 1, 1), 1 << 16, words)])
    assert driver.log.count("histogram most shared 65536") == 1
    assert counts[0] == 2 * 64
