"""What a report of a problem should say of the machine: ``python -m graphc.utils.collect_env`` prints it.

Source: https://docs.pytorch.org/docs/stable/utils.html
"""

from __future__ import annotations

import locale
import os
import platform
import sys
from typing import NamedTuple

import numpy as np

import graphc
from graphc.runtime.errors import CompilerNotFound
from graphc.runtime.toolchain import find_toolchain

__all__ = ["SystemEnv", "get_env_info", "get_pretty_env_info", "main"]


class SystemEnv(NamedTuple):
    """Facts on the machine and the libraries, each a line of text."""

    torch_version: str
    is_debug_build: str
    cuda_compiled_version: str
    gcc_version: str
    clang_version: str
    cmake_version: str
    os: str
    libc_version: str
    python_version: str
    python_platform: str
    is_cuda_available: str
    numpy_version: str
    compiler: str
    cpu_info: str


def _compiler() -> str:
    try:
        return " ".join(find_toolchain().command)
    except CompilerNotFound:
        return "Could not collect"


def get_env_info() -> SystemEnv:
    """The facts, as they are now."""
    unknown = "Could not collect"
    return SystemEnv(
        torch_version=f"{graphc.version.torch} as graphc {graphc.__version__}",
        is_debug_build="False",
        cuda_compiled_version="None",
        gcc_version=unknown,
        clang_version=unknown,
        cmake_version=unknown,
        os=f"{platform.system()} {platform.release()} ({platform.machine()})",
        libc_version="-".join(filter(None, platform.libc_ver())) or "N/A",
        python_version=f"{sys.version.splitlines()[0]} ({sys.maxsize.bit_length() + 1}-bit runtime)",
        python_platform=platform.platform(),
        is_cuda_available="False",
        numpy_version=np.__version__,
        compiler=_compiler(),
        cpu_info=f"{os.cpu_count()} processors, {graphc.get_num_threads()} threads, {locale.getpreferredencoding()}",
    )


_LINES = """PyTorch version: {torch_version}
Is debug build: {is_debug_build}
CUDA used to build PyTorch: {cuda_compiled_version}

OS: {os}
GCC version: {gcc_version}
Clang version: {clang_version}
CMake version: {cmake_version}
Libc version: {libc_version}

Python version: {python_version}
Python platform: {python_platform}
Is CUDA available: {is_cuda_available}

CPU:
{cpu_info}
C compiler of compiled programs: {compiler}

Versions of relevant libraries:
numpy=={numpy_version}"""


def get_pretty_env_info() -> str:
    """The facts as text."""
    return _LINES.format(**get_env_info()._asdict())


def main() -> None:
    """Print the facts."""
    print("Collecting environment information...")
    print(get_pretty_env_info())


if __name__ == "__main__":
    main()
