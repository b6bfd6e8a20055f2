"""Finding a C compiler that really works, and the flags that it takes.

A compiler counts only after it has built a shared library that this process could load. What was learned about it is
kept in the cache on disk under the identity of its binary, so that the next process starts no compiler to ask again.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import json
import os
import platform
import select
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from graphc.fork_safe import recursive_lock
from graphc.runtime.abi import ffi, open_library
from graphc.runtime.cache import Cache, cache_key, default_cache, encode
from graphc.runtime.errors import CompileError, CompilerNotFound, CompilerTimeout

# OpenMP may be installed later without a change of the compiler, so an answer without it is asked again after a day.
ASK_AGAIN_SECONDS = 86400.0
SHOWN_LINES = 12
MOST_COLUMNS = 400
# Of what a compiler prints so much is kept; one that prints more than it may is stopped before the disk is full.
KEPT_BYTES = 2**20
MOST_BYTES = 2**26
LOOK_SECONDS = 0.05

BASE_FLAGS = ("-std=gnu11", "-shared", "-fPIC")
# The language of a text as the compiler is told, and the name of its files. C++ is what emulated GPUs are written in.
LANGUAGES = {"c": ((), "c"), "c++": (("-x", "c++", "-std=gnu++17"), "cpp")}
# Never -ffast-math: a library linked with it sets flush-to-zero for the whole process, numpy included. These two only
# drop errno and the promise to raise floating-point exceptions; contraction stays off so that no result depends on
# which multiplications and additions the compiler happens to pair.
NUMERIC_FLAGS = ("-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off")
# gcc 12 vectorises strided loads under a condition wrongly where it has split the loop at the condition first
# (tests/runtime/test_native.py holds a program that shows it); without this pass it does not split there.
SOUND_FLAGS = {"gcc": ("-fno-tree-vrp",)}
WARNING_FLAGS = ("-Wall", "-Wextra")
LIBRARIES = ("-lm",)

PROBE_SOURCE = """\
#ifdef _OPENMP
#include <omp.h>
#endif
#include <math.h>

#if defined(__clang__)
#define FAMILY "clang"
#else
#define FAMILY "gcc"
#endif

double graphc_probe_sum(const double *values, long count);

/* The parallel loop makes the linker bring in the OpenMP library, which loading then proves to be there. */
double graphc_probe_sum(const double *values, long count) {
    double sum = 0.0;
#ifdef _OPENMP
#pragma omp parallel for reduction(+ : sum) num_threads(omp_get_max_threads())
#endif
    for (long i = 0; i < count; i++) {
        sum += sqrt(values[i]);
    }
    return sum;
}

const char *graphc_probe(void);

const char *graphc_probe(void) { return FAMILY "|" __VERSION__; }
"""


@dataclass(frozen=True)
class Toolchain:
    """A C compiler that built a library which this process could load.

    Attributes:
        command: the argument list that starts it; the first element is an absolute path.
        family: "gcc", "clang" or "zig" (clang brought by the ziglang package).
        version: what the compiler says in ``__VERSION__``.
        openmp: whether a library with OpenMP could be compiled, linked and loaded.
        target_flags: the flags it takes to build for this very CPU.
        parallel_flags: ``-fopenmp``, or what stands in for it.
        identity: paths, sizes and modification times of the files that make up the command.
    """

    command: tuple[str, ...]
    family: str
    version: str
    openmp: bool
    target_flags: tuple[str, ...]
    parallel_flags: tuple[str, ...]
    identity: str


# -- the machine -------------------------------------------------------------------------------------------------------


@functools.cache
def cpu_features() -> tuple[str, ...]:
    """The instruction set extensions that the operating system reports for this CPU, sorted.

    From /proc/cpuinfo (x86 "flags", ARM "Features", RISC-V "isa"); elsewhere the names that `platform` has.
    """
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        text = ""
    for line in text.splitlines():
        field, _, value = line.partition(":")
        if field.strip() in ("flags", "Features", "isa") and value.strip():
            return tuple(sorted(set(value.split())))
    return tuple(sorted({name for name in (platform.machine(), platform.processor()) if name}))


def application_binary_interface() -> str:
    """What must be equal for a library built in one process to be loaded by another."""
    return f"{sys.platform} {platform.machine()} {sys.byteorder} {8 * struct.calcsize('P')}"


def install_command() -> str:
    """The command that installs a C compiler on this platform."""
    if sys.platform == "darwin":
        return "xcode-select --install"
    try:
        system = platform.freedesktop_os_release()
    except OSError:
        system = {}
    kin = {system.get("ID", ""), *system.get("ID_LIKE", "").split()}
    if kin & {"debian", "ubuntu"}:
        return "sudo apt-get install gcc libc6-dev"
    if kin & {"fedora", "rhel", "centos"}:
        return "sudo dnf install gcc glibc-devel"
    if "alpine" in kin:
        return "sudo apk add gcc musl-dev"
    return "pip install ziglang"


# -- running a compiler ------------------------------------------------------------------------------------------------


def compile_timeout() -> float:
    """The seconds that one run of the compiler may take: GRAPHC_COMPILE_TIMEOUT, default 120.

    Raises:
        ValueError: the variable does not hold a positive number.
    """
    text = os.environ.get("GRAPHC_COMPILE_TIMEOUT", "120")
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.0 < seconds < float("inf"):
        raise ValueError(f"GRAPHC_COMPILE_TIMEOUT={text!r}: expected a positive number of seconds")
    return seconds


def run_compiler(
    command: tuple[str, ...], folder: Path, given_up: threading.Event | None = None, title: str = "the C compiler"
) -> str:
    """Runs the compiler in a folder, without a shell, and returns what it wrote (warnings). Another thread stops it by
    setting ``given_up``; messages call it by its ``title``.

    Raises:
        CompilerTimeout: it took longer than `compile_timeout`; it and the processes it started are stopped.
        CompileError: it could not be started, failed, was given up, or printed more than 64 MiB, upon which it is
            stopped.
    """
    limit = compile_timeout()
    # Into a file rather than a pipe: a grandchild that outlives the compiler could hold a pipe open for ever.
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise CompileError(
                _failure(f"{title} could not be started", command, str(error)), command=command
            ) from error
        deadline = time.monotonic() + limit
        printed = 0
        try:
            while process.returncode is None and printed <= MOST_BYTES and time.monotonic() < deadline:
                if given_up is not None and given_up.is_set():
                    break
                _wait_for(process, min(LOOK_SECONDS, max(deadline - time.monotonic(), 0.0)))
                printed = os.fstat(output.fileno()).st_size
        finally:
            stopped = process.returncode is None
            if stopped:  # also when a KeyboardInterrupt comes while waiting
                _stop(process)
        output.seek(0)
        text = output.read(KEPT_BYTES).decode("utf-8", "replace")
    if printed > KEPT_BYTES:
        text += f"\n... ({printed} bytes in all)\n"
    if stopped and given_up is not None and given_up.is_set():
        raise CompileError(f"{title} was stopped: its work is no longer wanted", command=command)
    if stopped and printed > MOST_BYTES:
        reason = f"{title} printed {printed} bytes and was stopped"
        raise CompileError(_failure(reason, command, text), command=command, output=text)
    if stopped:
        reason = f"{title} did not finish within {limit:g} s (GRAPHC_COMPILE_TIMEOUT)"
        raise CompilerTimeout(_failure(reason, command, text), command=command, output=text)
    if process.returncode != 0:
        ending = f"exit status {process.returncode}" if process.returncode > 0 else f"signal {-process.returncode}"
        reason = f"{title} failed with {ending}"
        raise CompileError(_failure(reason, command, text), command=command, status=process.returncode, output=text)
    return text


def _wait_for(process: subprocess.Popen, seconds: float) -> None:
    """Wait until a process ends, or so long. Python's own way looks now and then, up to 50 ms late each time."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except (AttributeError, OSError):  # another system, or an older one
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        return
    try:
        select.select([descriptor], [], [], seconds)
    finally:
        os.close(descriptor)
    process.poll()


def _stop(process: subprocess.Popen) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (OSError, AttributeError):
        process.kill()
    process.wait()


def _failure(reason: str, command: tuple[str, ...], output: str) -> str:
    lines = [line[:MOST_COLUMNS] for line in output.splitlines() if line.strip()]
    shown = lines[:SHOWN_LINES]
    if len(lines) > len(shown):
        shown.append(f"... and {len(lines) - len(shown)} lines more")
    return "\n".join([reason, f"  command: {shlex.join(command)}", *(f"  {line}" for line in shown)])


# -- finding one -------------------------------------------------------------------------------------------------------

_found: dict[tuple[str | None, ...], Toolchain] = {}
_finding = recursive_lock()


def find_toolchain(*, refresh: bool = False) -> Toolchain:
    """The first of $CC, cc, gcc, clang and a pip-installed ziglang that works on this machine.

    Args:
        refresh: ask the compilers again, whatever is known about them from before.

    Raises:
        CompilerNotFound: none works. The message says what was tried and names the command that installs one.
    """
    surroundings = (os.environ.get("CC"), os.environ.get("PATH"), str(default_cache().folder))
    if not refresh and surroundings in _found:
        return _found[surroundings]
    with _finding:
        return _search(surroundings, refresh)


def _search(surroundings: tuple[str | None, ...], refresh: bool) -> Toolchain:
    if not refresh and surroundings in _found:
        return _found[surroundings]
    tried = []
    for name, command in _candidates():
        if not command:
            tried.append(f"{name}: not found")
            continue
        try:
            toolchain = _known(command, default_cache(), refresh)
        except (CompileError, OSError) as error:  # the latter where no temporary folder takes a file
            tried.append(f"{name}: {error}")
            if name.startswith("CC="):
                warnings.warn(
                    f"graphc: {name} can't be used, looking for another: {error}", RuntimeWarning, stacklevel=3
                )
            continue
        _found[surroundings] = toolchain
        return toolchain
    raise CompilerNotFound(
        "no C compiler that works was found, so nothing can be compiled (eager execution needs none).\n"
        f"To install one: {install_command()}\n"
        + ("" if install_command().startswith("pip") else "or, without administrator rights: pip install ziglang\n")
        + "Tried:\n"
        + "\n".join(f"  {line}" for entry in tried for line in entry.splitlines())
    )


def _candidates() -> Iterator[tuple[str, tuple[str, ...]]]:
    """(name to show, command); an empty command where there is nothing of that name."""
    chosen = os.environ.get("CC", "").strip()
    if chosen:
        try:
            words = shlex.split(chosen)
        except ValueError:  # an open quotation: take it as it stands, so that the message shows it
            words = [chosen]
        yield f"CC={chosen}", _absolute(words)
    for name in ("cc", "gcc", "clang"):
        yield name, _absolute([name])
    ziglang = importlib.util.find_spec("ziglang")
    yield "ziglang", (sys.executable, "-m", "ziglang", "cc") if ziglang is not None else ()


def _absolute(words: list[str]) -> tuple[str, ...]:
    path = shutil.which(words[0]) if words else None
    return () if path is None else (os.path.abspath(path), *words[1:])


def _identity(command: tuple[str, ...]) -> str:
    """Path, size and modification time of each file that the command names, so that an update is noticed."""
    paths = [path for path in map(shutil.which, command) if path is not None]
    if "ziglang" in command:
        package = importlib.util.find_spec("ziglang")
        paths += [] if package is None or package.origin is None else [package.origin]
    described = []
    for path in paths:
        real = os.path.realpath(path)
        stat = os.stat(real)
        described.append(f"{real} {stat.st_size} {stat.st_mtime_ns}")
    return "\n".join([shlex.join(command), *described])


def _known(command: tuple[str, ...], cache: Cache, refresh: bool) -> Toolchain:
    """What the cache knows about a command, else what a probe finds out, which the cache then knows.

    Raises:
        CompileError: the command builds nothing that can be loaded. That is not remembered: it may be mended.
    """
    identity = _identity(command)
    parts = ("toolchain", identity, application_binary_interface(), *cpu_features(), PROBE_SOURCE)
    today = int(time.time() / ASK_AGAIN_SECONDS)
    with_openmp, without = cache_key(*parts, "openmp"), cache_key(*parts, f"serial on day {today}")
    for key in (with_openmp, without):
        if refresh:
            cache.discard(key)
        toolchain = _parse(cache.lookup_bytes(key))
        if toolchain is not None:
            return toolchain
    toolchain = _probe(command, identity)
    cache.store_bytes(with_openmp if toolchain.openmp else without, json.dumps(asdict(toolchain)).encode())
    return toolchain


def _parse(data: bytes | None) -> Toolchain | None:
    if data is None:
        return None
    try:
        fields = json.loads(data)
        return Toolchain(**{name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()})
    except (ValueError, TypeError):
        return None


def _probe(command: tuple[str, ...], identity: str) -> Toolchain:
    """Asks the compiler itself: one run when it takes every flag, a handful when it does not.

    Raises:
        CompileError: it can't build a library that loads, whatever the flags.
    """
    with tempfile.TemporaryDirectory(prefix="graphc-") as name:
        folder = Path(name)
        (folder / "probe.c").write_bytes(encode(PROBE_SOURCE))
        architecture = ("-march=native",)
        # gcc keeps to 256 bits on most CPUs that have 512 unless told; the flag is for gcc alone (see below).
        wide = ("-mprefer-vector-width=512",) if "avx512f" in cpu_features() else ()
        target, parallel = architecture + wide, ("-fopenmp",)
        try:
            description = _build_probe(command, folder, (*target, *parallel, "-Werror"))
        except CompileError:
            description = _build_probe(command, folder, ())
            accepts = functools.partial(_accepts, command, folder)
            target = next((flags for flags in (architecture, ("-mcpu=native",)) if accepts(flags)), ())
            target += wide if wide and accepts(wide) else ()
            choices = (parallel, ("-fopenmp-simd",), ("-Wno-unknown-pragmas",))
            parallel = next((flags for flags in choices if accepts(flags)), ())
    family, _, version = description.partition("|")
    if "zig" in Path(command[0]).name or "ziglang" in command:
        family = "zig"
    if family != "gcc":
        target = tuple(flag for flag in target if flag not in wide)
    return Toolchain(command, family, version, "-fopenmp" in parallel, target, parallel, identity)


def _accepts(command: tuple[str, ...], folder: Path, flags: tuple[str, ...]) -> bool:
    try:
        _build_probe(command, folder, (*flags, "-Werror"))
    except CompileError:
        return False
    return True


def _build_probe(command: tuple[str, ...], folder: Path, flags: tuple[str, ...]) -> str:
    """Builds and loads the probe; returns its description of the compiler, "family|version"."""
    # A name of its own for each build: the loader takes a path that it has seen for the library that it has loaded.
    name = f"probe{len(list(folder.iterdir()))}.so"
    arguments = (
        *command,
        "-o",
        name,
        "probe.c",
        *BASE_FLAGS,
        "-O1",
        *NUMERIC_FLAGS,
        *WARNING_FLAGS,
        *flags,
        *LIBRARIES,
    )
    run_compiler(arguments, folder)
    try:
        library = open_library(folder / name)  # held while its function runs: it is unloaded with the last reference
        return ffi.string(library.graphc_probe()).decode("utf-8", "replace")
    except (OSError, AttributeError, ffi.error) as error:
        reason = _failure("the library that the C compiler built can't be loaded", arguments, str(error))
        raise CompileError(reason, command=arguments, status=0) from error


# -- flags -------------------------------------------------------------------------------------------------------------


def compile_flags(toolchain: Toolchain, optimization: str = "-O3", language: str = "c") -> tuple[str, ...]:
    """The flags for a program, libraries last. The source must stand before them on the command line, because a
    linker that is told ``--as-needed`` drops a library that nothing before it has asked for."""
    return (
        *(flag for flag in BASE_FLAGS if language == "c" or not flag.startswith("-std")),
        optimization,
        *NUMERIC_FLAGS,
        *SOUND_FLAGS.get(toolchain.family, ()),
        *toolchain.target_flags,
        *toolchain.parallel_flags,
        *WARNING_FLAGS,
        *LIBRARIES,
    )
