"""Generated C under AddressSanitizer and UndefinedBehaviorSanitizer.

The program is built together with a small generated ``main`` that hands it arrays from files, each in heap memory of
exactly its size, and runs as a process of its own.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from graphc.codegen.executable import CompiledProgram

_FLAGS_TEXT = """
    -std=gnu11 -O1 -g -march=native -ffp-contract=off -fno-math-errno -fno-trapping-math -Wall -Wextra -Werror
    -fsanitize=address,undefined -fno-sanitize-recover=all
"""
FLAGS = tuple(_FLAGS_TEXT.split())

MAIN = """
#include <stdio.h>
#include <stdlib.h>

static void *filled(const char *path, size_t size, size_t alignment)
{
    void *memory = aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    FILE *file = path ? fopen(path, "rb") : NULL;
    if (!memory || (path && (!file || fread(memory, 1, size, file) != size)))
        exit(99);
    if (file)
        fclose(file);
    return memory;
}

int main(int argc, char **argv)
{
    /* arguments: threads, arena bytes, how many extents, each of them, then for each buffer a file and its bytes */
    int64_t error[4] = {0, 0, 0, 0}, extents[16] = {0};
    const int threads = atoi(argv[1]);
    const size_t arena_bytes = strtoull(argv[2], NULL, 10);
    const int sizes = atoi(argv[3]), count = (argc - 4 - sizes) / 2;
    for (int i = 0; i < sizes; ++i)
        extents[i] = atoll(argv[4 + i]);
    argv += 1 + sizes;
    void **buffers = calloc((size_t)count + 1, sizeof *buffers);
    for (int i = 0; i < count; ++i) {
        /* malloc of the very size, so that one byte too far is seen */
        const size_t size = strtoull(argv[4 + 2 * i], NULL, 10);
        void *from = filled(argv[3 + 2 * i], size, 8);
        buffers[i] = malloc(size ? size : 1);
        memcpy(buffers[i], from, size);
        free(from);
    }
    unsigned char *arena = filled(NULL, arena_bytes, 64);
    const int64_t code = graphc_run(buffers, extents, arena, threads, error);
    for (int i = 0; i < count; ++i) {
        const size_t size = strtoull(argv[4 + 2 * i], NULL, 10);
        FILE *file = fopen(argv[3 + 2 * i], "wb");
        if (!file || fwrite(buffers[i], 1, size, file) != size)
            exit(98);
        fclose(file);
        free(buffers[i]);
    }
    free(buffers);
    free(arena);
    printf("%lld %lld %lld %lld\\n", (long long)code, (long long)error[0], (long long)error[1], (long long)error[2]);
    return 0;
}
"""


def run_sanitized(
    compiled: CompiledProgram,
    arrays: Sequence[np.ndarray],
    folder: Path,
    *,
    threads: int = 1,
    openmp: bool = True,
    compiler: str = "gcc",
    extents: Sequence[int] = (),
    rebuild: bool = True,
) -> tuple[int, ...]:
    """Run a program once under the sanitizers; ``arrays`` (in the order of the entry) are updated in place. ``extents``
    are the sizes that are known at run time only; without ``rebuild`` the program that was last built there runs.

    Gives the entry's code and the first three error words. Raises AssertionError with the report where a sanitizer, or
    the compiler's warnings, found something.
    """
    source, binary = folder / "program.c", folder / "program"
    if rebuild:
        source.write_text(compiled.source + MAIN)
        flags = [*FLAGS, "-fopenmp"] if openmp else FLAGS
        built = subprocess.run([compiler, *flags, "-o", binary, source, "-lm"], capture_output=True, text=True)
        assert built.returncode == 0, built.stderr
    command = [str(binary), str(threads), str(compiled.plan.arena_bytes), str(len(extents)), *map(str, extents)]
    paths = []
    for position, array in enumerate(arrays):
        path = folder / f"buffer{position}"
        path.write_bytes(array.tobytes())
        paths.append(path)
        command += [str(path), str(array.nbytes)]
    # libgomp keeps its threads, so that a leak check would report them.
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=1"}
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr or f"the program ended with {run.returncode}"
    assert not run.stderr, run.stderr
    for path, array in zip(paths, arrays, strict=True):
        array.reshape(-1)[:] = np.frombuffer(path.read_bytes(), array.dtype)
    return tuple(int(word) for word in run.stdout.split())
