"""CUDA as a target: loop programs as text and launches. Nothing here needs a GPU, or imports what drives one."""

from graphc.codegen.cuda.launches import (
    Argument,
    BufferArgument,
    CudaLaunch,
    CudaProgram,
    ErrorArgument,
    NumberArgument,
    RandomArgument,
    SizeArgument,
)
from graphc.codegen.cuda.program import compile_cuda

__all__ = [
    "Argument",
    "BufferArgument",
    "CudaLaunch",
    "CudaProgram",
    "ErrorArgument",
    "NumberArgument",
    "RandomArgument",
    "SizeArgument",
    "compile_cuda",
]
