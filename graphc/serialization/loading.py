"""``load``: files that graphc or PyTorch saved.

Source: https://docs.pytorch.org/docs/stable/generated/torch.load.html
"""

from __future__ import annotations

import io
import os
import pickle
import struct
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from graphc.device_memory import copied_to
from graphc.ir.types import DTYPES
from graphc.serialization.element_types import ElementType
from graphc.serialization.errors import CheckpointError, EmptyCheckpoint
from graphc.serialization.legacy_format import read_legacy
from graphc.serialization.locations import MapLocation, require_location
from graphc.serialization.ordinary_unpickler import OrdinaryUnpickler
from graphc.serialization.persistent_ids import read_persistent_id
from graphc.serialization.restricted_unpickler import RestrictedUnpickler
from graphc.serialization.stored_memory import StoredMemory, UnsupportedTensor, swapped_bytes
from graphc.serialization.zip_format import ArchiveReader
from graphc.tensor import Tensor

_ZIP_BEGINNING = b"PK\x03\x04"
# What reading a pickle that is no pickle may raise.
_DAMAGE = (
    EOFError, IndexError, KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, MemoryError,
    AssertionError, struct.error,
)  # fmt: skip


def load(
    f: Any,
    map_location: MapLocation = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = True,
    mmap: bool | None = False,
    **pickle_load_args: Any,
) -> Any:
    """Read what :func:`graphc.save` or ``torch.save`` wrote: PyTorch's zip format, or its older one.

    Args:
        f: a path, or a binary file object that stands where the content begins.
        map_location: where memory goes that was saved on another device: "cpu", a device, a dict of names, or a
            function of memory and name as PyTorch takes it. graphc holds tensors on the CPU alone.
        pickle_module, pickle_load_args: taken for programs written for PyTorch; files are read as they would be
            without.
        weights_only: make nothing but tensors, numbers, strings, and the containers of a checkpoint, and refuse a file
            that names anything else. With False a file may run any code: only for files you trust.
        mmap: leave the tensors' bytes in the file, which must be a path, until they are read. Writes to them do not
            reach the file. Checksums of these bytes are not looked at then.

    Raises:
        UnpicklingError: for a file that names what is not allowed; none of it has run.
        CheckpointError: (a RuntimeError) for a file that is no checkpoint, is damaged, or holds tensors of a dtype that
            graphc does not have.
        RuntimeError: for memory of another device that ``map_location`` does not send to the CPU.
        OSError: where the file cannot be read.
    """
    restricted = weights_only is None or weights_only
    if isinstance(f, str | os.PathLike):
        with open(f, "rb") as file:
            return _load(file, os.fsdecode(f), os.fstat(file.fileno()).st_size, map_location, restricted, bool(mmap))
    if mmap:
        raise ValueError("f must be a string filename or path in order to use mmap=True")
    if not hasattr(f, "read"):
        raise AttributeError(
            f"{type(f).__name__!r} object has no attribute 'read': expected 'f' to be a path or a binary file object. "
            "You can only torch.load from a file that is seekable. Please pre-load the data into a buffer like "
            "io.BytesIO and try to load from it instead."
        )
    start = f.tell() if hasattr(f, "tell") and hasattr(f, "seek") else None
    content = f.read()
    if not isinstance(content, bytes):
        raise TypeError(f"expected 'f' to be open for bytes, got {type(content).__name__} from it")
    stream = io.BytesIO(content)
    result = _load(stream, _name_of(f), len(content), map_location, restricted, False)
    if start is not None and not content.startswith(_ZIP_BEGINNING):
        f.seek(start + stream.tell())  # several objects of the older format may follow each other
    return result


def _name_of(file: Any) -> str:
    name = getattr(file, "name", None)
    return name if isinstance(name, str) else "the given file object"


def _load(stream: BinaryIO, name: str, length: int, map_location: MapLocation, restricted: bool, mapped: bool) -> Any:
    beginning = stream.read(len(_ZIP_BEGINNING))
    stream.seek(0)
    if not beginning:
        raise EmptyCheckpoint(f"Ran out of input: {name} is empty, expected a checkpoint")
    unpickler = RestrictedUnpickler if restricted else OrdinaryUnpickler
    damage = _DAMAGE if restricted else (EOFError,)
    try:
        if beginning == _ZIP_BEGINNING:
            result = _ZipCheckpoint(stream, name, length, map_location, mapped).load(unpickler)
        elif mapped:
            raise CheckpointError(f"{name} is not in PyTorch's zip format, which mmap=True needs")
        else:
            result = read_legacy(stream, name, length, map_location, unpickler)
    except pickle.UnpicklingError as error:
        if isinstance(error, CheckpointError):
            raise
        failed = "Weights only load failed. " if restricted else ""
        raise pickle.UnpicklingError(f"{failed}{name} cannot be loaded: {error}") from None
    except damage as error:
        raise CheckpointError(
            f"{name} is damaged: its pickle cannot be read ({type(error).__name__}: {error})"
        ) from error
    _require_supported(name, result)
    return result


class _ZipCheckpoint:
    def __init__(self, stream: BinaryIO, name: str, length: int, map_location: MapLocation, mapped: bool):
        self._name, self._map_location = name, map_location
        self._archive = ArchiveReader(stream, length, name)
        self._memories: dict[tuple[str, str], StoredMemory] = {}
        self._raw: dict[str, np.ndarray] = {}
        self._mapped = np.memmap(stream, np.uint8, mode="c") if mapped else None
        # Files from before the record was introduced are of little-endian machines.
        order = self._text("byteorder") if "byteorder" in self._archive else "little"
        if order not in ("little", "big"):
            raise CheckpointError(f"{name} has byte order {order!r:.40}, expected 'little' or 'big'")
        self._swapped = order != sys.byteorder

    def _text(self, record: str) -> str:
        return self._archive.read(record).tobytes().decode("ascii", "replace")

    def load(self, unpickler: Any) -> Any:
        """The object in the file."""
        if "constants.pkl" in self._archive:
            raise CheckpointError(
                f"{self._name} is a TorchScript program, not a checkpoint; save its state_dict instead"
            )
        content = io.BytesIO(self._archive.read("data.pkl"))
        return unpickler(content, self._find_memory).load()

    def _find_memory(self, persistent_id: Any) -> StoredMemory:
        element, key, location, count = read_persistent_id(persistent_id, 5)
        identity = (key, element.name)
        if identity not in self._memories:
            memory = self._memories[identity] = self._read(element, key, count)
            gpu = require_location(self._map_location, location, memory)
            if gpu is not None and memory.raw is not None:
                memory.raw = copied_to(memory.raw, gpu)
        return self._memories[identity]

    def _read(self, element: ElementType, key: str, count: int) -> StoredMemory:
        record = f"data/{key}"
        size = self._archive.size(record)
        if size // element.itemsize != count:
            raise pickle.UnpicklingError(
                f"record {record!r:.80} has {size} bytes, expected {count} elements of {element.name}"
            )
        if element.dtype is None:
            return StoredMemory(None, element, count, record)
        if key not in self._raw:
            self._raw[key] = self._content(record, element)
        return StoredMemory(self._raw[key], element, count, record)

    def _content(self, record: str, element: ElementType) -> np.ndarray:
        if self._mapped is None:
            raw = self._archive.read(record)
        else:
            start = self._archive.offset(record)
            raw = self._mapped[start : start + self._archive.size(record)].view(np.ndarray)
            if start % element.itemsize:
                raw = raw.copy()  # compiled programs read aligned numbers alone
        return swapped_bytes(raw, element) if self._swapped else raw


def _require_supported(name: str, result: Any) -> None:
    unsupported = list(_find_unsupported(result))
    if unsupported:
        shown = "; ".join(f"{path or 'the object itself'} is {what}" for path, what in unsupported[:5])
        more = f"; and {len(unsupported) - 5} more" if len(unsupported) > 5 else ""
        known = ", ".join(dtype.name for dtype in DTYPES)
        raise CheckpointError(f"{name} holds what graphc has no dtype for: {shown}{more}. graphc has {known}")


def _find_unsupported(whole: Any) -> Iterator[tuple[str, str]]:
    """Where tensors and dtypes lie that graphc cannot hold: path, and what is there."""
    seen: set[int] = set()
    pending = [("", whole)]
    while pending:
        path, value = pending.pop()
        if isinstance(value, UnsupportedTensor):
            yield path, str(value)
        elif isinstance(value, ElementType):
            yield path, f"the dtype torch.{value.name}"
        if id(value) in seen or isinstance(value, str | bytes | int | float | Tensor):
            continue
        seen.add(id(value))
        parts: list[tuple[str, Any]] = []
        if isinstance(value, dict):
            parts = [(str(key) if not path else f"{path}.{key}", part) for key, part in value.items()]
        elif isinstance(value, list | tuple | set | frozenset):
            parts = [(f"{path}[{position}]", part) for position, part in enumerate(value)]
        members = getattr(value, "__dict__", None)
        if type(members) is dict:
            parts += [(f"{path}.{name}" if path else name, part) for name, part in members.items()]
        pending += reversed(parts)
