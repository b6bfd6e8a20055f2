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
import weakref

__all__ = ["is_available", "map_memory", "write_memory"]


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

    The descriptor may be closed then: Python's own ``mmap`` would keep a copy of it. Raises OSError where the process
    can't map more.
    """
    library = _system()
    flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
    address = library.mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, descriptor, 0)
    if address == ctypes.c_void_p(-1).value:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    # Views keep the block alive, and the memory lives as long as the block.
    block = (ctypes.c_ubyte * size).from_address(address)
    weakref.finalize(block, library.munmap, address, size).atexit = False
    return memoryview(block).cast("B")


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
    library.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    return library
