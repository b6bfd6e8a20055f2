"""Memory that compiled programs work in."""

from __future__ import annotations

import contextlib
import ctypes
import math
import mmap
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.runtime.abi import ffi

ALIGNMENT = 64  # one cache line, one AVX-512 register
HUGE_PAGE = 2**21
# Below this, taking memory that was touched before saves less than keeping it costs the call.
KEPT_FROM_BYTES = 2**20

_from_buffer = ffi.from_buffer
_BYTE = np.dtype(np.uint8)


class Arena:
    """One block of uninitialised memory, aligned to 64 bytes, or to a huge page (2 MiB) from that size on.

    The first touch of fresh memory costs many times a later one, because the system has to find and clear each page;
    so an arena is made once and used by every run. Huge pages make that first touch and every later address
    translation cheaper; where the system has none, the request is harmless. The memory goes back with the arena: the
    pointer alone does not keep it.

    Attributes:
        nbytes: the size asked for, 0 allowed.
        pointer: cffi ``unsigned char *`` to the first byte; never null.
    """

    __slots__ = ("_owner", "nbytes", "pointer")

    def __init__(self, nbytes: int) -> None:
        """Raises ValueError for a negative size, MemoryError when there is not that much memory."""
        if nbytes < 0:
            raise ValueError(f"an arena of {nbytes} bytes was asked for; expected 0 or more")
        self.nbytes = nbytes
        if nbytes >= HUGE_PAGE:
            # Addresses are free, only touched pages count: ask for one huge page more and start at a multiple.
            try:
                self._owner: Any = _private_mapping(nbytes + HUGE_PAGE)
            except (OSError, OverflowError) as error:
                raise MemoryError(f"no memory for an arena of {nbytes} bytes: {error}") from error
            advice = getattr(mmap, "MADV_HUGEPAGE", None)
            if advice is not None:
                with contextlib.suppress(OSError):  # a kernel built without transparent huge pages
                    self._owner.madvise(advice)
            alignment = HUGE_PAGE
        else:
            self._owner = np.empty(nbytes + ALIGNMENT, _BYTE)
            alignment = ALIGNMENT
        start = ffi.cast("unsigned char *", _from_buffer(self._owner))
        self.pointer = start + -int(ffi.cast("intptr_t", start)) % alignment

    def __repr__(self) -> str:
        return f"Arena({self.nbytes} bytes)"


def _private_mapping(nbytes: int) -> mmap.mmap:
    """Anonymous memory that a forked child gets a copy of; Python's default is memory shared with it."""
    if hasattr(mmap, "MAP_PRIVATE"):
        return mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return mmap.mmap(-1, nbytes)


def is_small(shape: tuple[int, ...], dtype: np.dtype) -> bool:
    """Whether such an array has its memory from numpy at every call, as :meth:`ResultMemory.empty` finds for itself."""
    return math.prod(shape) * dtype.itemsize < KEPT_FROM_BYTES


class ResultMemory:
    """Memory for the results of a program, which is used again once nothing shows a result any more.

    The first touch of fresh memory takes longer than many a kernel that fills it. A call takes its results in a round;
    of each size so much is kept idle as the last round took, and it goes back with this object. Arrays may outlive it.
    """

    __slots__ = ("__weakref__", "_idle", "_leases", "_taken", "_wanted")

    def __init__(self) -> None:
        # All that is done with these beside a round is one step of Python's: results end in any thread, at any time.
        self._idle: dict[int, list[np.ndarray]] = {}
        self._leases: dict[int, weakref.ref] = {}
        self._wanted: dict[int, int] = {}  # by size, how many the last round took
        self._taken: dict[int, int] = {}  # and this one, so far

    def begin(self) -> None:
        """Begin a round. Rounds must not overlap."""
        if self._taken or self._wanted:
            self._wanted, self._taken = self._taken, {}
            self._idle = {nbytes: idle for nbytes, idle in self._idle.items() if nbytes in self._wanted}

    def source(self, shape: tuple[int, ...], dtype: np.dtype) -> Callable[..., np.ndarray]:
        """What makes such arrays: numpy's own function where they are small, :meth:`empty` elsewhere."""
        return np.empty if is_small(shape, dtype) else self.empty

    def empty(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """A new uninitialised C-contiguous array, of memory that is idle if there is such of the very size."""
        if is_small(shape, dtype):
            return np.empty(shape, dtype)
        nbytes = math.prod(shape) * dtype.itemsize
        self._taken[nbytes] = self._taken.get(nbytes, 0) + 1
        try:
            block = self._idle[nbytes].pop()
        except LookupError:
            raw = np.empty(nbytes + ALIGNMENT, _BYTE)
            start = -raw.ctypes.data % ALIGNMENT
            block = raw[start : start + nbytes]
        # A buffer of its own is what all arrays that show the result keep alive; the block outlives it.
        lease = ffi.buffer(_from_buffer(block))
        number, owner = id(lease), weakref.ref(self)

        def ended(_: weakref.ref) -> None:
            memory = owner()
            if memory is not None:
                memory._give_back(number, block)

        self._leases[number] = weakref.ref(lease, ended)
        return np.ndarray(shape, dtype, lease)

    def _give_back(self, number: int, block: np.ndarray) -> None:
        self._leases.pop(number, None)
        nbytes = block.nbytes
        most = max(self._wanted.get(nbytes, 0), self._taken.get(nbytes, 0))
        if len(self._idle.get(nbytes, ())) < most:
            self._idle.setdefault(nbytes, []).append(block)


def give_back_free_memory() -> None:
    """Give the system the pages that the C library's allocator holds and nobody uses, where it can (glibc).

    What a large computation leaves behind stays with the process otherwise, while a build needs other memory.
    Source: https://man7.org/linux/man-pages/man3/malloc_trim.3.html
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(ctypes.c_size_t(0))
