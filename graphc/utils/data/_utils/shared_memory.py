"""Memory without a name that goes from one process to another as a descriptor.

A worker writes an array into it, sends the descriptor, and closes it; the receiver maps it and closes it. No name
stands in a file system, so nothing is left behind however the processes end, and no limit of /dev/shm applies. Once
mapped it takes no descriptor either, so that any number of batches can be kept.

Where the system has no such memory (Linux has), batches go through the socket itself.
Source: memfd_create(2), mmap(2).
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import os

__all__ = ["is_available", "map_memory", "write_memory"]

_MAP_FIXED = 0x10  # of Linux


def is_available() -> bool:
    """Whether this system has memory without a name."""
    return hasattr(os, "memfd_create")


def write_memory(content: memoryview) -> int:
    """A descriptor of new memory with the content of a contiguous buffer. Raises OSError where there is none left."""
    descriptor = os.memfd_create("graphc batch", os.MFD_CLOEXEC)
    try:
        rest = content.cast("B")
        while rest.nbytes:
            rest = rest[os.write(descriptor, rest) :]
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def map_memory(descriptor: int, size: int) -> memoryview:
    """The memory behind a descriptor, writable; it is unmapped when nothing refers to it any more.

    The descriptor may be closed then. Raises OSError where the process can't map more.
    """
    # An object of Python's `mmap` unmaps what it owns without running Python code, in which an interrupt from the
    # keyboard would be lost; but of a descriptor it keeps a copy. So it owns a place, and the memory is put there.
    place = mmap.mmap(-1, size)
    library = _system()
    flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0) | _MAP_FIXED
    address = ctypes.addressof(ctypes.c_ubyte.from_buffer(place))
    mapped = library.mmap(address, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, descriptor, 0)
    if mapped != address:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return memoryview(place)


@functools.cache
def _system() -> ctypes.CDLL:
    library = ctypes.CDLL(None, use_errno=True)
    library.mmap.restype = ctypes.c_void_p
    library.mmap.argtypes = (
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_ssize_t,
    )
    return library
