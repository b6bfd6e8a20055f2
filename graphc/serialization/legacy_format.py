"""PyTorch's format from before 1.6: pickles one after another, then the bytes of every storage. Read, never written.

Source: https://docs.pytorch.org/docs/stable/notes/serialization.html
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pickle import UnpicklingError
from typing import Any, BinaryIO

import numpy as np

from graphc.serialization.element_types import ElementType
from graphc.serialization.errors import CheckpointError, UnknownFormat
from graphc.serialization.locations import MapLocation, require_location
from graphc.serialization.persistent_ids import read_persistent_id
from graphc.serialization.restricted_unpickler import RestrictedUnpickler
from graphc.serialization.stored_memory import StoredMemory, swapped_bytes

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001
# The pickle of the magic number: every protocol that PyTorch was given writes it so.
_BEGINNINGS = tuple(bytes([0x80, protocol, 0x8A, 10]) for protocol in (2, 3))
_TAR_MAGIC, _TAR_MAGIC_AT = b"ustar", 257
_COUNT_BYTES = 8


def read_legacy(stream: BinaryIO, name: str, length: int, map_location: MapLocation, unpickler: type[Any]) -> Any:
    """The object in a file of the older format; the stream then stands behind it.

    Args:
        stream: the file at its beginning.
        name: what to call the file in messages.
        length: bytes of the file.
        map_location: see :func:`graphc.load`.
        unpickler: makes the object; the rest of the file is read by the restricted one.

    Raises:
        CheckpointError: for a file that is of neither format, or is cut off or damaged.
        UnpicklingError: for what the unpickler refuses.
    """
    _require_beginning(stream, name)
    RestrictedUnpickler(stream).load()
    version = RestrictedUnpickler(stream).load()
    if version != PROTOCOL_VERSION:
        raise CheckpointError(f"{name} has version {version!r:.40} of the older format, expected {PROTOCOL_VERSION}")
    system = RestrictedUnpickler(stream).load()
    if type(system) is not dict or type(system.get("little_endian")) is not bool:
        raise CheckpointError(f"{name} is damaged: it does not say its byte order")
    storages = _Storages(name, length, map_location)
    result = unpickler(stream, storages.find).load()
    keys = RestrictedUnpickler(stream).load()
    if type(keys) is not list or sorted(map(str, keys)) != sorted(storages.roots):
        raise CheckpointError(f"{name} is damaged: its list of storages is not of those that its tensors lie in")
    storages.fill(stream, map(str, keys), swapped=system["little_endian"] != (sys.byteorder == "little"))
    return result


def _require_beginning(stream: BinaryIO, name: str) -> None:
    beginning = stream.read(_TAR_MAGIC_AT + len(_TAR_MAGIC))
    stream.seek(0)
    if beginning[_TAR_MAGIC_AT:] == _TAR_MAGIC:
        raise CheckpointError(f"{name} is a tar archive as PyTorch wrote before 0.1.10; load and save it with PyTorch")
    magic = MAGIC_NUMBER.to_bytes(10, "little")
    if not beginning.startswith(_BEGINNINGS) or beginning[4:15] != magic + b".":
        raise UnknownFormat(f"{name} is in neither of the formats that PyTorch writes, or its beginning is damaged")


class _Storages:
    """The storages that a file of the older format names; their bytes come after all of their tensors."""

    def __init__(self, name: str, length: int, map_location: MapLocation):
        self._name, self._room, self._map_location = name, length, map_location
        # Key to its bytes, or None where graphc has no such dtype; and what its elements are.
        self.roots: dict[str, tuple[np.ndarray | None, ElementType, int]] = {}
        self._memories: dict[tuple[str, str, int, int], StoredMemory] = {}

    def find(self, persistent_id: Any) -> Any:
        """The storage of a persistent id. A module's class comes with its source, which is not looked at."""
        if type(persistent_id) is tuple and len(persistent_id) == 4 and persistent_id[0] == "module":
            return persistent_id[1]
        element, key, location, count = read_persistent_id(persistent_id, 6)
        if key not in self.roots:
            self._room -= count * element.itemsize
            if self._room < 0:
                raise CheckpointError(f"{self._name} is damaged or cut off: its storages are larger than the file")
            raw = None if element.dtype is None else np.zeros(count * element.itemsize, np.uint8)
            self.roots[key] = raw, element, count
        return self._window(key, element, location, persistent_id[5])

    def _window(self, key: str, element: ElementType, location: str, view: Any) -> StoredMemory:
        raw, _, count = self.roots[key]
        start, size = 0, count
        if view is not None:
            numbers = view[1:] if type(view) is tuple and len(view) == 3 else ()
            if len(numbers) != 2 or not all(type(number) is int and number >= 0 for number in numbers):
                raise UnpicklingError(f"part {view!r:.80} of storage {key!r:.40} is not (key, offset, size)")
            start, size = numbers
            if start + size > count:
                raise UnpicklingError(f"part {view!r:.80} of storage {key!r:.40} reaches beyond its {count} elements")
        identity = (key, element.name, start, size)
        if identity not in self._memories:
            part = None if raw is None else raw[start * element.itemsize : (start + size) * element.itemsize]
            memory = self._memories[identity] = StoredMemory(part, element, size, f"storage {key}")
            require_location(self._map_location, location, memory)
        return self._memories[identity]

    def fill(self, stream: BinaryIO, keys: Iterable[str], swapped: bool) -> None:
        """Read the bytes of all storages, each after its number of elements."""
        for key in keys:
            raw, element, count = self.roots[key]
            head = stream.read(_COUNT_BYTES)
            if len(head) < _COUNT_BYTES:
                raise self._cut_off(key)
            if int.from_bytes(head, "little", signed=True) != count:
                raise CheckpointError(f"{self._name} is damaged: storage {key} has another size than its tensors say")
            content = stream.read(count * element.itemsize)
            if len(content) < count * element.itemsize:
                raise self._cut_off(key)
            if raw is not None:
                bytes_read = np.frombuffer(content, np.uint8)
                raw[:] = swapped_bytes(bytes_read, element) if swapped else bytes_read

    def _cut_off(self, key: str) -> CheckpointError:
        return CheckpointError(f"{self._name} is damaged or cut off: it ends before the bytes of storage {key}")
