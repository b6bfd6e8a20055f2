"""What this machine has for compiled programs, what it lacks, and the command that mends it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from graphc.runtime.abi import ffi
from graphc.runtime.cache import default_cache
from graphc.runtime.errors import CompilerNotFound
from graphc.runtime.threads import quiet_numpy_threads
from graphc.runtime.toolchain import compile_flags, cpu_features, find_toolchain, install_command
from graphc.thread_count import get_num_threads

OK, MISSING, NOTE = "ok", "missing", "note"
PACKAGES = ("numpy", "cffi", "jinja2", "networkx")
# Extensions worth a word, by the names that the kernel gives them on x86 and on ARM.
NOTABLE_FEATURES = {
    "avx2": "AVX2",
    "fma": "FMA",
    "avx512f": "AVX-512",
    "avx512_bf16": "AVX-512 bfloat16",
    "asimd": "Advanced SIMD",
    "sve": "SVE",
}
TOOL_SECONDS = 10.0


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        subject: what was looked at.
        status: "ok"; "missing", something that can be mended; or "note", nothing wrong and worth knowing.
        detail: what was found.
        mend: the command that mends it, or empty.
    """

    subject: str
    status: str
    detail: str
    mend: str = ""


def diagnose() -> list[Finding]:
    """Looks at everything that compiled programs need. Never raises: what can't be looked at is a finding too."""
    findings: list[Finding] = []
    for subject, look in _EXAMINATIONS:
        try:
            findings += look()
        except Exception as error:  # one broken part must not hide the others
            findings.append(Finding(subject, MISSING, f"{type(error).__name__}: {error}"))
    return findings


def report() -> str:
    """The findings of `diagnose` as aligned text, one line each, the mending command under what is missing."""
    findings = diagnose()
    width = max(len(finding.subject) for finding in findings)
    lines = []
    for finding in findings:
        first, *more = finding.detail.splitlines() or [""]
        indent = " " * (width + 11)
        lines.append(f"{finding.subject:<{width}}  {finding.status:<7}  {first}")
        lines += [indent + line for line in more]
        if finding.mend:
            lines.append(f"{indent}to mend it: {finding.mend}")
    return "\n".join(lines)


def _compiler() -> Iterable[Finding]:
    try:
        toolchain = find_toolchain(refresh=True)
    except CompilerNotFound as error:
        yield Finding("compiler", MISSING, str(error), install_command())
        return
    yield Finding("compiler", OK, f"{shlex.join(toolchain.command)} ({toolchain.family} {toolchain.version})")
    yield Finding("flags", OK, " ".join(compile_flags(toolchain)))
    if toolchain.openmp:
        yield Finding("OpenMP", OK, "libraries with OpenMP compile, link and load")
    else:
        yield Finding(
            "OpenMP", NOTE, "not with this compiler: programs run on one thread", _openmp_command(toolchain.family)
        )


def _openmp_command(family: str) -> str:
    if sys.platform == "darwin":
        return "brew install gcc && export CC=$(ls $(brew --prefix)/bin/gcc-[0-9]* | tail -1)"
    installer = install_command()
    if installer.startswith("pip"):
        return ""
    if family == "clang":
        tool, _, _ = installer.partition(" gcc")
        package = {"apt-get": "libomp-dev", "dnf": "libomp-devel"}.get(installer.split()[1], "openmp-dev")
        return f"{tool} {package}"
    return installer


def _cpu() -> Iterable[Finding]:
    features = cpu_features()
    notable = [name for feature, name in NOTABLE_FEATURES.items() if feature in features]
    yield Finding(
        "CPU", OK if notable else NOTE, ", ".join(notable) or f"no vector extension known ({len(features)} features)"
    )


def _cache() -> Iterable[Finding]:
    cache = default_cache()
    usage = cache.usage()
    held = f"{usage.entries} entries, {usage.nbytes / 2**20:.1f} of {cache.limit / 2**20:.0f} MiB"
    reason = cache.writable()
    if reason:
        detail = f"{cache.folder}: {reason}; {held}; programs are compiled again in every process"
        yield Finding("cache", MISSING, detail, "export GRAPHC_CACHE_DIR=<a folder of yours that can be written>")
    else:
        yield Finding("cache", OK, f"{cache.folder}: writable, {held}")


def _threads() -> Iterable[Finding]:
    number = get_num_threads()
    numpy_threads = quiet_numpy_threads()
    asked = os.environ.get("OMP_NUM_THREADS")
    origin = f", OMP_NUM_THREADS={asked}" if asked else ""
    yield Finding("threads", OK, f"{number} of {os.cpu_count()} processors{origin}; numpy's OpenBLAS: {numpy_threads}")


def _packages() -> Iterable[Finding]:
    yield Finding("Python", OK, f"{sys.version.split()[0]} ({sys.executable})")
    for package in PACKAGES:
        try:
            yield Finding(package, OK, importlib.metadata.version(package))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(package, MISSING, "not installed", f"pip install {package}")


def _gpu() -> Iterable[Finding]:
    try:
        ffi.dlopen("libcuda.so.1" if sys.platform != "win32" else "nvcuda.dll")
        driver = True
    except OSError:
        driver = False
    cards = _output_of("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader")
    if cards:
        yield Finding("GPU", OK, cards)
    elif driver:
        yield Finding("GPU", NOTE, "the CUDA driver can be loaded; nvidia-smi names no card")
    else:
        yield Finding("GPU", NOTE, "no NVIDIA driver: programs run on the CPU")
    nvcc = shutil.which("nvcc")
    present = driver or bool(cards)
    if nvcc:
        yield Finding("nvcc", OK, nvcc)
    else:
        yield Finding("nvcc", MISSING if present else NOTE, "not found", _cuda_command() if present else "")
    if importlib.util.find_spec("pycuda") is not None:
        yield Finding("pycuda", OK, importlib.metadata.version("pycuda"))
    else:
        yield Finding("pycuda", MISSING if present else NOTE, "not installed", "pip install pycuda" if present else "")


def _cuda_command() -> str:
    installer = install_command()
    if "apt-get" in installer:
        return "sudo apt-get install nvidia-cuda-toolkit"
    return "https://developer.nvidia.com/cuda-downloads"


def _output_of(*command: str) -> str:
    """What a tool prints, or empty when it is not there, fails or hangs."""
    path = shutil.which(command[0])
    if path is None:
        return ""
    try:
        done = subprocess.run(
            (path, *command[1:]), capture_output=True, text=True, errors="replace", timeout=TOOL_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


_EXAMINATIONS: tuple[tuple[str, Callable[[], Iterable[Finding]]], ...] = (
    ("compiler", _compiler),
    ("CPU", _cpu),
    ("cache", _cache),
    ("threads", _threads),
    ("packages", _packages),
    ("GPU", _gpu),
)
