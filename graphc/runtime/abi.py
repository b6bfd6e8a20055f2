"""The one place that knows how Python and compiled libraries talk.

`DECLARATIONS` is the whole interface. cffi needs 30 ms to parse it, in every process, so what cffi makes of it stands
here ready made (its "out-of-line ABI mode", https://cffi.readthedocs.io/en/stable/overview.html); a test lets cffi make
it again and compares.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import _cffi_backend

from graphc.fork_safe import recursive_lock

DECLARATIONS = """
int64_t graphc_run(void *const *buffers, const int64_t *extents, unsigned char *arena, int64_t threads, int64_t *error);
int64_t graphc_run_many(void **buffers, const int64_t *strides, int64_t buffer_count, int64_t steps,
    const int64_t *extents, unsigned char *arena, int64_t threads, int64_t *error);
int64_t graphc_emulate(int64_t kernel, const int64_t *shape, void *const *arguments, unsigned char *message);
const char *graphc_probe(void);
int graphc_adopt_blas(const char *path);
void graphc_random_uniform_f32(void *state, float *out, int64_t count, double low, double high);
void graphc_random_uniform_f64(void *state, double *out, int64_t count, double low, double high);
void graphc_random_normal_f32(void *state, float *out, int64_t count, double mean, double std);
void graphc_random_normal_f64(void *state, double *out, int64_t count, double mean, double std);
void graphc_random_exponential_f32(void *state, float *out, int64_t count, double rate);
void graphc_random_exponential_f64(void *state, double *out, int64_t count, double rate);
void graphc_random_bernoulli(void *state, _Bool *out, int64_t count, double probability);
void graphc_random_integers(void *state, int64_t *out, int64_t count, int64_t low, int64_t high);
void graphc_random_permutation(void *state, int64_t *out, int64_t count);
void graphc_convolve_f32(const void *sizes, const float *matrix, int64_t group_stride, const float *picture,
    float *result, const int32_t *a_at, const int32_t *b_at, float *scratch, int64_t first, int64_t last);
void graphc_convolve_weight_f32(const void *sizes, const float *cotangent, const float *picture, float *result,
    const int32_t *b_at, float *scratch, int64_t parts, int64_t first, int64_t last);
void graphc_convolve_f64(const void *sizes, const double *matrix, int64_t group_stride, const double *picture,
    double *result, const int32_t *a_at, const int32_t *b_at, double *scratch, int64_t first, int64_t last);
void graphc_convolve_weight_f64(const void *sizes, const double *cotangent, const double *picture, double
    *result, const int32_t *b_at, double *scratch, int64_t parts, int64_t first, int64_t last);
"""

# fmt: off
ffi = _cffi_backend.FFI("graphc.runtime.abi",
    _version=0x2601,
    _types=b"\x00\x00\x03\x0D\x00\x00\x00\x0F\x00\x00\x7A\x0D\x00\x00\x77\x03\x00\x00\x00\x0F\x00\x00\x06\x0D\x00"
           b"\x00\x17\x01\x00\x00\x06\x03\x00\x00\x1D\x03\x00\x00\x7B\x03\x00\x00\x00\x0F\x00\x00\x06\x0D\x00\x00"
           b"\x1D\x03\x00\x00\x07\x11\x00\x00\x17\x01\x00\x00\x17\x01\x00\x00\x07\x11\x00\x00\x09\x11\x00\x00\x17"
           b"\x01\x00\x00\x06\x03\x00\x00\x00\x0F\x00\x00\x06\x0D\x00\x00\x08\x11\x00\x00\x07\x11\x00\x00\x09\x11"
           b"\x00\x00\x17\x01\x00\x00\x13\x11\x00\x00\x00\x0F\x00\x00\x7C\x0D\x00\x00\x7C\x03\x00\x00\x76\x03\x00"
           b"\x00\x17\x01\x00\x00\x0E\x01\x00\x00\x00\x0F\x00\x00\x7C\x0D\x00\x00\x1D\x11\x00\x00\x20\x03\x00\x00"
           b"\x17\x01\x00\x00\x0E\x01\x00\x00\x00\x0F\x00\x00\x7C\x0D\x00\x00\x1D\x11\x00\x00\x24\x11\x00\x00\x17"
           b"\x01\x00\x00\x0E\x01\x00\x00\x0E\x01\x00\x00\x00\x0F\x00\x00\x7C\x0D\x00\x00\x1D\x11\x00\x00\x78\x03"
           b"\x00\x00\x17\x01\x00\x00\x0E\x01\x00\x00\x00\x0F\x00\x00\x7C\x0D\x00\x00\x1D\x11\x00\x00\x31\x11\x00"
           b"\x00\x17\x01\x00\x00\x0E\x01\x00\x00\x0E\x01\x00\x00\x00\x0F\x00\x00\x7C\x0D\x00\x00\x1D\x11\x00\x00"
           b"\x13\x11\x00\x00\x17\x01\x00\x00\x00\x0F\x00\x00\x7C\x0D\x00\x00\x1D\x11\x00\x00\x13\x11\x00\x00\x17"
           b"\x01\x00\x00\x17\x01\x00\x00\x17\x01\x00\x00\x00\x0F\x00\x00\x7C\x0D\x00\x00\x7C\x03\x00\x00\x20\x03"
           b"\x00\x00\x4A\x11\x00\x00\x24\x11\x00\x00\x79\x03\x00\x00\x24\x11\x00\x00\x17\x01\x00\x00\x17\x01\x00"
           b"\x00\x17\x01\x00\x00\x00\x0F\x00\x00\x7C\x0D\x00\x00\x49\x11\x00\x00\x4A\x11\x00\x00\x17\x01\x00\x00"
           b"\x4A\x11\x00\x00\x24\x11\x00\x00\x4D\x11\x00\x00\x4D\x11\x00\x00\x24\x11\x00\x00\x17\x01\x00\x00\x17"
           b"\x01\x00\x00\x00\x0F\x00\x00\x7C\x0D\x00\x00\x49\x11\x00\x00\x78\x03\x00\x00\x61\x11\x00\x00\x31\x11"
           b"\x00\x00\x4D\x11\x00\x00\x31\x11\x00\x00\x17\x01\x00\x00\x17\x01\x00\x00\x17\x01\x00\x00\x00\x0F\x00"
           b"\x00\x7C\x0D\x00\x00\x49\x11\x00\x00\x61\x11\x00\x00\x17\x01\x00\x00\x61\x11\x00\x00\x31\x11\x00\x00"
           b"\x4D\x11\x00\x00\x4D\x11\x00\x00\x31\x11\x00\x00\x17\x01\x00\x00\x17\x01\x00\x00\x00\x0F\x00\x00\x01"
           b"\x01\x00\x00\x02\x01\x00\x00\x0D\x01\x00\x00\x15\x01\x00\x00\x07\x01\x00\x00\x04\x01\x00\x00\x00\x01",
    _globals=(b"\x00\x00\x02\x23graphc_adopt_blas", 0,
              b"\x00\x00\x6A\x23graphc_convolve_f32", 0,
              b"\x00\x00\x53\x23graphc_convolve_f64", 0,
              b"\x00\x00\x5F\x23graphc_convolve_weight_f32", 0,
              b"\x00\x00\x48\x23graphc_convolve_weight_f64", 0,
              b"\x00\x00\x05\x23graphc_emulate", 0,
              b"\x00\x00\x00\x23graphc_probe", 0,
              b"\x00\x00\x1C\x23graphc_random_bernoulli", 0,
              b"\x00\x00\x2F\x23graphc_random_exponential_f32", 0,
              b"\x00\x00\x22\x23graphc_random_exponential_f64", 0,
              b"\x00\x00\x41\x23graphc_random_integers", 0,
              b"\x00\x00\x35\x23graphc_random_normal_f32", 0,
              b"\x00\x00\x28\x23graphc_random_normal_f64", 0,
              b"\x00\x00\x3C\x23graphc_random_permutation", 0,
              b"\x00\x00\x35\x23graphc_random_uniform_f32", 0,
              b"\x00\x00\x28\x23graphc_random_uniform_f64", 0,
              b"\x00\x00\x15\x23graphc_run", 0,
              b"\x00\x00\x0B\x23graphc_run_many", 0),
)
# fmt: on

# How long a thread that waits at a barrier or between two runs keeps its core before it sleeps. Too short, and every
# wait pays for a wake-up; too long, and a thread that shares its core with another job burns the time that the thread
# it waits for needs. Measured on two cores of a Zen 4 with libgomp 12, mean time of a parallel region in which two
# threads meet at 20 barriers with 4 us of work before each, with 50 us of serial Python-like work between two regions
# on a quiet machine, and with 5 us / 500 us between them while another process keeps one core busy:
#     spins         0     300    1000    3000   10000   300000 (libgomp's own)
#     quiet        539     176     109      87      90       93  us
#     busy, 5     244     348     464     305     248      351  us
#     busy, 500   260     418     215     297    2055     1525  us (default: single regions of 90 ms)
# An empty region costs 0.8 us when quiet; when busy 0.23 ms with 3000 spins, 0.75 ms with 10000, 12 ms with 300000.
SPINS = "3000"
# LLVM's and Intel's library counts milliseconds, 200 by default; its shortest wait that is not zero.
BLOCK_MILLISECONDS = "1"

_environment_guard = recursive_lock()


@contextlib.contextmanager
def _bounded_spinning() -> Iterator[None]:
    """Tells an OpenMP library that is loaded meanwhile how long to spin, unless the user has said it.

    The libraries read their environment once, when they are loaded; afterwards it is as it was, so that processes
    started later inherit nothing.
    """
    with _environment_guard:
        defaults = {"GOMP_SPINCOUNT": SPINS, "KMP_BLOCKTIME": BLOCK_MILLISECONDS}
        if "OMP_WAIT_POLICY" in os.environ:
            defaults = {}
        defaults = {name: value for name, value in defaults.items() if name not in os.environ}
        os.environ.update(defaults)
        try:
            yield
        finally:
            for name in defaults:
                os.environ.pop(name, None)


def open_library(path: Path, *, for_ever: bool = False) -> Any:
    """Loads a shared library with all its symbols bound now and none of them given to other libraries.

    Args:
        path: the file.
        for_ever: never unload it, not even when the interpreter ends.

    Raises:
        OSError: the loader's own words: a library that it needs is missing, the file is damaged, ...
    """
    flags = ffi.RTLD_NOW | ffi.RTLD_LOCAL
    if for_ever:
        flags |= getattr(ffi, "RTLD_NODELETE", 0)
    with _bounded_spinning():
        return ffi.dlopen(os.fspath(path), flags)
