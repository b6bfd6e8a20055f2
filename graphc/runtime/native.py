"""C text to a loaded function."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphc.runtime.abi import ffi, open_library
from graphc.runtime.builds import Build, file_stem, kept_build
from graphc.runtime.cache import cache_key, default_cache, encode, write_private
from graphc.runtime.errors import CompileError, CompilerTimeout, LoadError
from graphc.runtime.toolchain import (
    LANGUAGES,
    Toolchain,
    application_binary_interface,
    compile_flags,
    cpu_features,
    find_toolchain,
    run_compiler,
)

# What a compiler says of a fault of its own, and flags that keep it away from where that lies most often.
INTERNAL_ERROR = "internal compiler error"
WITHOUT_VECTORIZER = ("-fno-tree-loop-vectorize",)


@dataclass(frozen=True)
class NativeLibrary:
    """A loaded program.

    Attributes:
        path: the file it was loaded from.
        run: the entry ``graphc_run(buffers, extents, arena, threads, error) -> int`` as a cffi function. It releases
            the interpreter lock while it runs.
        handle: the open library; `run` is valid as long as it lives.
    """

    path: Path
    run: Any
    handle: Any


def build_library(
    source: str,
    *,
    name: str = "program",
    toolchain: Toolchain | None = None,
    extra_flags: tuple[str, ...] = (),
    optimization: str = "-O3",
    parts: Sequence[str] = (),
    language: str = "c",
) -> Build:
    """Compiles C text into a shared library, or finds it in the cache.

    Args:
        source: the text of one translation unit.
        name: what to call the files; anything outside letters, digits and the underscore is replaced.
        toolchain: the compiler; by default the one that `find_toolchain` finds.
        extra_flags: put behind all other flags, so that they win.
        optimization: the optimization level flag.
        parts: the same program as several translation units, each to be compiled with GC_APART defined. Compilers
            work on them side by side, and each is kept in the cache by its content.
        language: "c", or "c++" by the same compiler.

    Raises:
        CompilerNotFound: there is no compiler that works.
        CompileError: the compiler refused the text; the message shows its first lines and where the text is kept.
        CompilerTimeout: the compiler took longer than GRAPHC_COMPILE_TIMEOUT seconds (120 by default).
    """
    start = time.perf_counter()
    if toolchain is None:
        toolchain = find_toolchain()
    stem = file_stem(name)
    told, suffix = LANGUAGES[language]
    flags = (*compile_flags(toolchain, optimization, language), *extra_flags)
    command = (*toolchain.command, *told, "-o", f"{stem}.so", f"{stem}.{suffix}", *flags)
    key = cache_key(
        "library",
        source,
        *parts,
        toolchain.identity,
        toolchain.version,
        *command,
        *cpu_features(),
        application_binary_interface(),
    )

    def compiled(folder: Path) -> str:
        if parts and _link_parts(parts, toolchain, flags, folder, f"{stem}.so"):
            return ""
        try:
            return run_compiler(command, folder)
        except CompileError as error:
            if INTERNAL_ERROR not in error.output:
                raise
            # gcc 12's vectorizer gives up on some loops that look up several places and keep those too.
            return run_compiler((*command, *WITHOUT_VECTORIZER), folder)

    files = {"text": f"{stem}.{suffix}", "made": f"{stem}.so"}
    return kept_build(key, source, command, compiled, **files, kind=language.upper(), began=start)


def _link_parts(parts: Sequence[str], toolchain: Toolchain, flags: Sequence[str], folder: Path, library: str) -> bool:
    """Compile translation units at once and link them in a folder. Whether that went without a word: of what is wrong
    with a program the compiler is asked by its whole text."""
    # Without what only the linker takes, and without warnings of tables and helpers, which stand in every part.
    alone = [flag for flag in flags if flag != "-shared" and not flag.startswith("-l")]
    alone += ["-DGC_APART", "-Wno-unused-const-variable", "-Wno-unused-function"]
    command = (*toolchain.command, "-c", "-o", "part.o", "part.c", *alone)
    made_for = (toolchain.identity, toolchain.version, *cpu_features(), application_binary_interface())
    cache = default_cache()

    def compiled(part: str) -> Path:
        def produce(place: Path) -> None:
            write_private(place / "part.c", encode(part))
            if messages := run_compiler(command, place, given_up):
                raise CompileError(messages, command=command)

        key = cache_key("part", part, *made_for, *command)
        return (cache.lookup(key) or cache.store(key, produce)) / "part.o"

    # Where one fails, and at an interrupt, nobody waits for the compilers that are still at work.
    given_up = threading.Event()
    with ThreadPoolExecutor(len(parts)) as pool:
        try:
            units = [pool.submit(compiled, part) for part in parts]
            wait(units, return_when=FIRST_EXCEPTION)
        finally:
            given_up.set()
    failures = [failure for unit in units if (failure := unit.exception()) is not None]
    for failure in failures:
        if isinstance(failure, CompilerTimeout) or not isinstance(failure, CompileError | OSError):
            raise failure
    if failures:
        return False
    try:
        objects = [str(unit.result()) for unit in units]
        return not run_compiler((*toolchain.command, "-o", library, *objects, *flags), folder)
    except CompilerTimeout:
        raise
    except CompileError:
        return False


def load_library(path: str | os.PathLike[str]) -> NativeLibrary:
    """Loads a program with all symbols bound now and kept to itself.

    Raises:
        LoadError: the file can't be loaded, or does not export ``graphc_run``.
    """
    path = Path(path)
    try:
        handle = open_library(path)
    except OSError as error:
        raise LoadError(f"the compiled program {path} can't be loaded: {error}") from error
    try:
        run = handle.graphc_run
    except (AttributeError, ffi.error) as error:
        ffi.dlclose(handle)  # else the loader would give it again for a mended file of the same path
        raise LoadError(f"{path} is no program: it does not export graphc_run") from error
    return NativeLibrary(path, run, handle)
