from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from ml_dtypes import bfloat16

from graphc.device_memory import gpu_of, use
from graphc.runtime import emulated_gpu, gpus
from graphc.runtime.emulated_gpu import BACKWARDS, FORWARDS, EmulatedGpu, EmulatedModule, emulated_text, kernels_of
from graphc.runtime.errors import CompileError, GpuError, GpuOutOfMemory
from graphc.runtime.gpus import PreparedLaunch
from tests.runtime import cuda_kernels as kernels


@pytest.fixture(autouse=True)
def nothing_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that come later in the process do not look where arrays are."""
    monkeypatch.setattr(use, "active", use.active)


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def run(
    source: str, kernel: str, grid, block, *arguments, shared: int = 0, order: int = FORWARDS, told: str = ""
) -> None:
    """Launch one kernel of a text; arrays are given by their addresses."""
    module = EmulatedModule(source, kernels_of(source))
    module.order = order
    words = tuple(address(each) if isinstance(each, np.ndarray) else each for each in arguments)
    module.run([PreparedLaunch(kernel, grid, block, shared, words, told)])


@pytest.mark.parametrize("order", [FORWARDS, BACKWARDS])
def test_row_sums_by_shuffles(order: int) -> None:
    """A block sums a row: lanes by shuffles, warps by shared memory and a barrier; 64 blocks one after the other."""
    values = np.random.default_rng(0).integers(-9, 9, (64, 1000)).astype(np.float32)
    sums = np.full(64, np.nan, np.float32)
    run(kernels.ROW_SUM, "row_sum", (64, 1, 1), (256, 1, 1), values, sums, 1000, order=order)
    np.testing.assert_array_equal(sums, values.sum(1))


@pytest.mark.parametrize("order", [FORWARDS, BACKWARDS])
def test_transpose_by_tiles(order: int) -> None:
    """Blocks in two dimensions go through a shared tile, also where the matrix ends within one."""
    values = np.arange(50 * 70, dtype=np.float32).reshape(50, 70)
    turned = np.zeros((70, 50), np.float32)
    run(kernels.TRANSPOSE, "transpose", (3, 2, 1), (32, 8, 1), values, turned, 50, 70, order=order)
    np.testing.assert_array_equal(turned, values.T)


def test_histogram_by_atomics() -> None:
    """Dynamic shared memory, and atomic sums of integers and floats in it and beyond."""
    values = np.random.default_rng(1).integers(0, 37, 5000).astype(np.int32)
    counts, weight = np.zeros(37, np.int32), np.zeros(1, np.float32)
    run(kernels.HISTOGRAM, "histogram", (4, 1, 1), (96, 1, 1), values, counts, weight, 5000, 37, shared=37 * 4)
    np.testing.assert_array_equal(counts, np.bincount(values, minlength=37))
    assert weight[0] == 2500
    numbers, most = np.random.default_rng(2).random(1000, np.float32), np.zeros(1, np.uint32)
    run(kernels.HISTOGRAM, "greatest", (8, 1, 1), (128, 1, 1), numbers, most, 1000)
    assert most.view(np.float32)[0] == numbers.max()


@pytest.mark.parametrize("order", [FORWARDS, BACKWARDS])
def test_scan_of_a_block(order: int) -> None:
    """Shuffles upwards, a barrier that counts, and results that follow barriers in a loop."""
    values = np.random.default_rng(3).integers(0, 100, (3, 256)).astype(np.int32)
    sums, evens = np.zeros((3, 256), np.int32), np.zeros(3, np.int32)
    run(kernels.SCAN, "scan", (3, 1, 1), (256, 1, 1), values, sums, evens, order=order)
    np.testing.assert_array_equal(sums, np.cumsum(values, 1))
    np.testing.assert_array_equal(evens, (values % 2 == 0).sum(1))


def test_halves_are_rounded_once() -> None:
    """Sums and products of every kind of half: numpy's, which are float's rounded once; bfloat16 likewise."""
    bits = np.arange(1 << 16, dtype=np.uint16)
    a, b = bits.view(np.float16), np.random.default_rng(4).permutation(bits).view(np.float16)
    sums, products, wide = np.empty_like(a), np.empty_like(a), np.empty(1 << 16, bfloat16)
    run(kernels.HALVES, "halves", (256, 1, 1), (256, 1, 1), a, b, sums, products, wide)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(sums, a + b)
        np.testing.assert_array_equal(products, a * b)
        expected = (a.astype(np.float32) * np.float32(3)).astype(bfloat16)
    np.testing.assert_array_equal(wide.astype(np.float32), expected.astype(np.float32))


def test_votes_and_shuffles_of_parts_of_a_warp() -> None:
    """Ballots, shuffles among 16 lanes under masks of their own, and vectors of four."""
    values = np.arange(32, dtype=np.int32) * 7 - 100
    out, quads = np.zeros((4, 32), np.uint32), np.zeros((32, 4), np.float32)
    run(kernels.VOTES, "votes", (1, 1, 1), (32, 1, 1), values, out, quads)
    assert set(out[0]) == {sum(1 << lane for lane in range(32) if values[lane] > 0)}
    assert set(out[1]) == {2}
    np.testing.assert_array_equal(out[2].astype(np.int32), np.repeat(values[[3, 19]], 16))
    lanes = np.arange(32)
    np.testing.assert_array_equal(out[3].astype(np.int32), values[np.where(lanes % 16 < 8, lanes + 8, lanes)])
    np.testing.assert_array_equal(quads, values[:, None] + np.arange(4))


def test_fragments_multiply() -> None:
    """A warp multiplies 16 x 32 by 32 x 16 through matrix fragments of both layouts."""
    random = np.random.default_rng(5)
    a, b = (random.integers(-8, 8, (16, 32)).astype(np.float16) for _ in range(2))
    c = np.zeros((16, 16), np.float32)
    run(kernels.WMMA, "multiply", (1, 1, 1), (32, 1, 1), a, b, c)
    np.testing.assert_array_equal(c, a.astype(np.float32) @ b.astype(np.float32).T)


WRONG = [
    (
        kernels.ENDED_BEFORE_BARRIER,
        "divergent barrier in kernel ended, block (0, 0, 0): thread (0, 0, 0) waits at __syncthreads of line 6, "
        "thread (40, 0, 0) has ended",
    ),
    (
        kernels.TWO_BARRIERS,
        "divergent barrier in kernel two, block (0, 0, 0): thread (0, 0, 0) waits at __syncthreads of line 5, "
        "thread (0, 1, 0) waits at __syncthreads of line 7",
    ),
    (
        kernels.INACTIVE_LANE,
        "shuffle from an inactive lane in kernel inactive, block (2, 0, 0): thread (8, 0, 0) reads lane 24, "
        "which takes no part in __shfl_xor_sync of line 6",
    ),
    (
        kernels.NOT_IN_MASK,
        "a lane that is not in its mask in kernel masked, block (0, 0, 0): thread (16, 0, 0) __shfl_sync",
    ),
    (
        kernels.LANES_APART,
        "divergent warp in kernel apart, block (0, 0, 0): thread (31, 0, 0) waits at __shfl_sync of line 5, "
        "thread (0, 0, 0) waits at __ballot_sync of line 7",
    ),
    (
        kernels.LANE_AT_BARRIER,
        "divergent barrier in kernel mixed, block (0, 0, 0): thread (0, 0, 0) waits at __shfl_sync of line 6, "
        "thread (5, 0, 0) waits at __syncthreads of line 5",
    ),
]


@pytest.mark.parametrize(("source", "message"), WRONG, ids=[kernels_of(source)[0] for source, _ in WRONG])
def test_what_cuda_leaves_undefined_is_reported(source: str, message: str) -> None:
    """With kernel, block, thread, and the text's line; afterwards the next launch runs as if nothing had been."""
    (kernel,) = kernels_of(source)
    out = np.zeros(64, np.float32)
    block = (32, 2, 1) if kernel == "two" else (32, 1, 1) if "lane" in message or kernel == "mixed" else (64, 1, 1)
    with pytest.raises(GpuError) as caught:
        run(source, kernel, (3, 1, 1), block, out, told="exp, at model.py:7")
    assert str(caught.value) == message
    assert caught.value.__notes__ == ["in exp, at model.py:7"]
    values, sums = np.ones((1, 300), np.float32), np.zeros(1, np.float32)
    run(kernels.ROW_SUM, "row_sum", (1, 1, 1), (256, 1, 1), values, sums, 300)
    assert sums[0] == 300


def test_a_module_goes_on_after_an_error() -> None:
    """Fibers that were left where they stood do not disturb the next launch of the same module."""
    source = kernels.ENDED_BEFORE_BARRIER + kernels.ROW_SUM
    values, sums = np.ones((5, 300), np.float32), np.zeros(5, np.float32)
    for _ in range(3):
        with pytest.raises(GpuError, match="divergent barrier"):
            run(source, "ended", (1, 1, 1), (64, 1, 1), sums)
        sums[:] = 0
        run(source, "row_sum", (5, 1, 1), (256, 1, 1), values, sums, 300)
        assert (sums == 300).all()


def test_a_missing_barrier_shows_in_one_of_two_orders() -> None:
    """Threads run in one order and in the other: who reads before its neighbour has written is found out."""
    values = np.arange(64, dtype=np.int32) + 1
    found = []
    for order in (FORWARDS, BACKWARDS):
        out = np.zeros(64, np.int32)
        run(kernels.RACE, "race", (1, 1, 1), (64, 1, 1), values, out, order=order)
        found.append(bool((out == np.roll(values, 1)).all()))
    assert not all(found)


@pytest.mark.parametrize(
    ("grid", "block", "shared", "message"),
    [
        ((1, 1, 1), (2048, 1, 1), 0, "in blocks of 2048 x 1 x 1 threads"),
        ((0, 1, 1), (32, 1, 1), 0, "with 0 in dimension 0 of its grid"),
        ((1, 70000, 1), (32, 1, 1), 0, "with 70000 in dimension 1 of its grid"),
        ((1, 1, 1), (32, 1, 1), 1 << 20, "with 1048576 bytes of shared memory"),
    ],
)
def test_launches_that_no_gpu_takes(grid, block, shared: int, message: str) -> None:
    """Are refused, as the driver refuses them."""
    with pytest.raises(GpuError, match=f"kernel race is launched {message}"):
        run(kernels.RACE, "race", grid, block, 0, 0, shared=shared)


def test_errors_of_the_compiler_name_the_line_of_the_text() -> None:
    """Lines are counted as in the text, the header before it aside."""
    with pytest.raises(CompileError, match=r"broken\.cu:3:"):
        EmulatedModule('\nextern "C" __global__ void f(float *out) {\n  out[0] = nothing;\n}\n', ["f"], "broken")


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++ and its sanitizers")
@pytest.mark.parametrize("size", [64, 65])
def test_shared_memory_has_bounds_under_a_sanitizer(tmp_path: Path, size: int) -> None:
    """A write one element past dynamic or static shared memory stops the program; one within does not."""
    source = r"""
extern "C" __global__ void f(int *out, int count)
{
    extern __shared__ int dynamic[];
    __shared__ int fixed[64];
    for (int i = 0; i < count; ++i)
        (out[0] ? dynamic : fixed)[i] = i;
    __syncthreads();
    out[1] = dynamic[3] + fixed[3];
}
"""
    main = r"""
int main(int count, char **)
{
    for (int which = 0; which < 2; ++which) {
        int out[2] = {which, 0};
        int64_t size = SIZE, shape[8] = {1, 1, 1, 64, 1, 1, 256, 0};
        void *address = out, *arguments[2] = {&address, &size};
        unsigned char message[EM_MESSAGE_BYTES];
        if (which == WHICH && graphc_emulate(0, shape, arguments, message))
            return 1;
    }
    return 0;
}
"""
    for which in (0, 1):
        text = emulated_text(source, ["f"]) + main.replace("SIZE", str(size)).replace("WHICH", str(which))
        (tmp_path / "main.cpp").write_text(text)
        command = ["g++", "-std=gnu++17", "-g", "-O1", "-fsanitize=address", "-w", "-o", "main", "main.cpp", "-lm"]
        subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
        environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
        done = subprocess.run([tmp_path / "main"], capture_output=True, text=True, timeout=60, env=environment)
        assert (done.returncode == 0) == (size == 64), done.stderr
        if size > 64:
            assert "AddressSanitizer" in done.stderr


def test_memory_is_counted_against_a_limit() -> None:
    """What arrays hold, the most they held, and the error when there is no more; views keep the memory."""
    gpu = EmulatedGpu(0, 0, 4096)
    array = gpu.empty((3, 5), np.dtype(np.float64))
    assert address(array) % gpus.ALIGNMENT == 0
    assert gpu_of(array) is gpu
    assert gpu_of(array[1:].T) is gpu
    assert gpu_of(np.zeros(3)) is None
    assert gpu.allocated() == (256, 256)
    part = array[2]
    del array
    assert gpu.memory() == (4096 - 256, 4096)
    with pytest.raises(GpuOutOfMemory, match=r"GPU 0 is out of memory: 8,192 bytes .* 3,840 of 4,096 are free"):
        gpu.empty((1024,), np.dtype(np.float64))
    del part
    assert gpu.allocated() == (0, 256)


@pytest.mark.parametrize(
    ("devices", "shown", "names"),
    [
        ("", None, ["emulated GPU 0"]),
        ("3", None, ["emulated GPU 0", "emulated GPU 1", "emulated GPU 2"]),
        ("3", "2,0", ["emulated GPU 2", "emulated GPU 0"]),
        ("3", "1,7,0", ["emulated GPU 1"]),
        ("2", "", []),
        ("2", "-1", []),
    ],
)
def test_the_environment_chooses_the_devices(monkeypatch, devices: str, shown: str | None, names: list[str]) -> None:
    """So many emulated GPUs, of which CUDA_VISIBLE_DEVICES shows some in its order."""
    monkeypatch.setenv("GRAPHC_CUDA", "emulate")
    monkeypatch.setenv("GRAPHC_CUDA_DEVICES", devices)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if shown is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    assert [each.name for each in gpus.gpus()] == names
    with pytest.raises(GpuError, match="there is no GPU of number 5"):
        gpus.gpu(5)


def test_no_gpu_where_none_is_wanted(monkeypatch) -> None:
    """GRAPHC_CUDA=off hides all; other words are refused."""
    monkeypatch.setenv("GRAPHC_CUDA", "off")
    assert gpus.gpus() == ()
    monkeypatch.setenv("GRAPHC_CUDA", "please")
    with pytest.raises(ValueError, match="GRAPHC_CUDA='please'"):
        gpus.gpus()


def test_texts_are_compiled_once() -> None:
    """A GPU gives the module that it has; another process finds the library in the cache."""
    gpu = EmulatedGpu(0, 0, 4096)
    first = gpu.load(kernels.SCAN, ("scan",), "scan")
    assert gpu.load(kernels.SCAN, ("scan",), "scan") is first
    assert emulated_gpu.EmulatedModule(kernels.SCAN, ("scan",), "scan").path == first.path
