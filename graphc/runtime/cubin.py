"""Kernels' text to a cubin, by nvcc; a GPU is not needed for it, nor pycuda.

Source: https://docs.nvidia.com/cuda/cuda-compiler-driver-nvcc/
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from graphc.runtime.builds import Build, file_stem, kept_build
from graphc.runtime.cache import cache_key
from graphc.runtime.errors import CompileError, CompilerNotFound
from graphc.runtime.toolchain import run_compiler

DEFAULT_ARCHITECTURE = "sm_90"
FLAGS = ("-cubin", "-O3", "--std=c++17")
_ERROR_LINE = re.compile(r"\.cu\((\d+)\):")
_KERNEL_LINE = re.compile(r"__global__\s+void\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?(\w+)\s*\(")


@dataclass(frozen=True)
class CudaCompiler:
    """An nvcc: the argument list that starts it, and paths, sizes, and modification times of the programs that it is
    made of."""

    command: tuple[str, ...]
    identity: str


def find_nvcc() -> CudaCompiler:
    """The first of $NVCC, nvcc on the PATH, and nvcc under $CUDA_HOME, $CUDA_PATH, and /usr/local/cuda.

    Raises CompilerNotFound where there is none, saying how to get one.
    """
    chosen = os.environ.get("NVCC", "").strip()
    folders = (os.environ.get("CUDA_HOME", ""), os.environ.get("CUDA_PATH", ""), "/usr/local/cuda")
    candidates = [shlex.split(chosen)] if chosen else []
    candidates += [["nvcc"], *([str(Path(folder) / "bin" / "nvcc")] for folder in folders if folder)]
    for first, *rest in candidates:
        path = shutil.which(first)
        if path is not None:
            return CudaCompiler((os.path.abspath(path), *rest), _identity(path))
    tried = ", ".join(shlex.join(candidate) for candidate in candidates)
    raise CompilerNotFound(
        f"no CUDA compiler was found (tried: {tried}). Kernels for a GPU need nvcc: install the CUDA toolkit "
        "(https://developer.nvidia.com/cuda-downloads), or set NVCC to the compiler"
    )


def _identity(path: str) -> str:
    """What tells one installation from another: nvcc calls the programs beside it."""
    real = Path(os.path.realpath(path))
    programs = [real, real.parent / "ptxas", real.parent.parent / "nvvm" / "bin" / "cicc"]
    described = []
    for program in programs:
        with contextlib.suppress(OSError):
            stat = os.stat(program)
            described.append(f"{program} {stat.st_size} {stat.st_mtime_ns}")
    return "\n".join(described)


def build_cubin(
    source: str,
    *,
    name: str = "program",
    architecture: str = DEFAULT_ARCHITECTURE,
    compiler: CudaCompiler | None = None,
    extra_flags: tuple[str, ...] = (),
) -> Build:
    """Compiles a text of kernels for one kind of GPU, or finds the cubin in the cache.

    Args:
        source: the text.
        name: what to call the files; anything outside letters, digits and the underscore is replaced.
        architecture: such as "sm_90".
        compiler: by default the one that `find_nvcc` finds.
        extra_flags: put behind all other flags.

    Raises:
        CompilerNotFound: there is no nvcc.
        CompileError: nvcc refused the text; the message names the kernel, and where the text is kept.
        CompilerTimeout: it took longer than GRAPHC_COMPILE_TIMEOUT seconds.
    """
    start = time.perf_counter()
    compiler = compiler or find_nvcc()
    stem = file_stem(name)
    flags = (*FLAGS, f"-arch={architecture}", *extra_flags)
    command = (*compiler.command, *flags, "-o", f"{stem}.cubin", f"{stem}.cu")
    key = cache_key("cubin", source, compiler.identity, *command)
    files = {"text": f"{stem}.cu", "made": f"{stem}.cubin"}

    def compiled(folder: Path) -> str:
        return run_compiler(command, folder, title="nvcc")

    try:
        return kept_build(key, source, command, compiled, **files, kind="CUDA", began=start)
    except CompileError as error:
        for note in guilty_kernels(source, error.output):
            error.add_note(note)
        raise


def guilty_kernels(source: str, output: str) -> list[str]:
    """The kernels in which the lines lie that a compiler complains of, each with the comment that stands above it: the
    Python lines that it came from."""
    lines = source.splitlines()
    starts = [(number, found[1]) for number, line in enumerate(lines, 1) if (found := _KERNEL_LINE.search(line))]
    guilty: dict[str, int] = {}
    for number in map(int, _ERROR_LINE.findall(output)):
        around = [(start, kernel) for start, kernel in starts if start <= number]
        if around:
            start, kernel = around[-1]
            guilty[kernel] = start
    return [f"in kernel {kernel}{_comment_above(lines, start)}" for kernel, start in guilty.items()]


def _comment_above(lines: list[str], start: int) -> str:
    """What the comment says that ends right above a line, as one line; empty where there is none."""
    end = start - 1
    if not end or not lines[end - 1].rstrip().endswith("*/"):
        return ""
    first = end - 1
    while first and "/*" not in lines[first]:
        first -= 1
    text = " ".join(line.strip() for line in lines[first:end])
    return f": {text.removeprefix('/*').removesuffix('*/').strip()}"
