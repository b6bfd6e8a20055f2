"""What a compiler makes of a text, kept in the cache by its content: libraries of C, cubins of CUDA."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from graphc.runtime.cache import default_cache, encode, write_private
from graphc.runtime.errors import CompileError

_MESSAGES = "messages.txt"


@dataclass(frozen=True)
class Build:
    """A file that a compiler made, and how it came to be.

    Attributes:
        path: the file: a shared library, or a cubin.
        source_path: the text, beside it.
        cached: whether it was there already, made by this process or another.
        seconds: wall time that the build took.
        command: the argument list that builds it when run in the folder of `source_path`.
        messages: what the compiler wrote while building it: its warnings, or empty.
    """

    path: Path
    source_path: Path
    cached: bool
    seconds: float
    command: tuple[str, ...]
    messages: str = ""


def kept_build(
    key: str,
    source: str,
    command: tuple[str, ...],
    compile: Callable[[Path], str],
    *,
    text: str,
    made: str,
    kind: str,
    began: float,
) -> Build:
    """The build under a key, found in the cache or made now.

    Args:
        key: tells texts, compilers, and flags apart.
        source: the text, which is written to the file ``text``.
        command: what makes the file ``made`` of it.
        compile: makes that file in a folder in which the text lies, and gives the compiler's messages.
        kind: what the text is, for errors.
        began: when the build began, by ``time.perf_counter``.

    Raises CompileError, with the place where the text is kept, where ``compile`` does or no folder takes a program.
    """
    cache = default_cache()
    entry = cache.lookup(key)
    made_here = False
    if entry is None:

        def produce(folder: Path) -> None:
            nonlocal made_here
            made_here = True
            write_private(folder / text, encode(source))
            if messages := compile(folder):
                write_private(folder / _MESSAGES, encode(messages))

        try:
            entry = cache.store(key, produce)
        except CompileError as error:
            with contextlib.suppress(OSError):  # where there is room for it
                stem, _, suffix = text.rpartition(".")
                error.source_path = cache.keep_failed(f"{stem}-{key[:12]}.{suffix}", source)
                error.args = (f"{error}\n  the {kind} text is kept in {error.source_path}",)
            raise
        except OSError as error:
            raise CompileError(f"neither the cache nor a temporary folder takes a program: {error}") from error
    messages_path = entry / _MESSAGES
    return Build(
        path=entry / made,
        source_path=entry / text,
        cached=not made_here,
        seconds=time.perf_counter() - began,
        command=command,
        messages=messages_path.read_text(errors="replace") if messages_path.exists() else "",
    )


def forget_build(build: Build) -> None:
    """Takes what was built out of the cache, so that the next build of the same text makes it anew."""
    default_cache().discard(build.path.parent.name)


def file_stem(name: str) -> str:
    """A name for files and identifiers, of letters, digits and underscores, made from any text; at most 64 long."""
    stem = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")[:64]
    return stem if stem[:1].isalpha() else f"program_{stem}".rstrip("_")
