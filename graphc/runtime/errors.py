"""What can go wrong between C text and a loaded function."""

from __future__ import annotations

from pathlib import Path


class CompilerNotFound(RuntimeError):
    """No C compiler on this machine can build a shared library; the message names the command that installs one."""


class CompileError(RuntimeError):
    """The C compiler did not produce a library that can be loaded, or there was no room for one.

    Attributes:
        command: the argument list that was run.
        status: the exit status; negative for a signal, None when the compiler could not be started or was stopped.
        output: everything that the compiler wrote.
        source_path: where the C text is kept for a look, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        command: tuple[str, ...] = (),
        status: int | None = None,
        output: str = "",
        source_path: Path | None = None,
    ) -> None:
        super().__init__(message)
        self.command = command
        self.status = status
        self.output = output
        self.source_path = source_path


class CompilerTimeout(CompileError):
    """The C compiler did not finish within its time limit (GRAPHC_COMPILE_TIMEOUT, in seconds) and was stopped."""


class LoadError(CompileError):
    """A shared library could not be loaded, or does not export the entry that a program must have."""


class GpuError(RuntimeError):
    """Something went wrong on a GPU, or on an emulated one; the message names the kernel where there is one."""


class GpuOutOfMemory(GpuError):
    """A GPU has less memory than was asked for; the message tells how much of both."""
