"""The zip archive of a checkpoint: records that are stored as they are, each beginning at a multiple of 64 bytes.

Written byte for byte as PyTorch 2.13 lays it out: every local header carries an ``FB`` extra field of padding, sizes
and checksum follow the record, and both kinds of end-of-directory record close the file.
Source: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

from __future__ import annotations

import hashlib
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from graphc.serialization.errors import CheckpointError

ALIGNMENT = 64
# From this size or place on a number needs the 64-bit form.
ZIP32_LIMIT = 0xFFFFFFFF
_LOCAL_SIGNATURE, _CENTRAL_SIGNATURE = b"PK\x03\x04", b"PK\x01\x02"
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_CENTRAL_HEADER = struct.Struct("<4s6H3L5H2L")
_UTF8_NAMES, _SIZES_FOLLOW = 0x0800, 0x0008
_LONGEST_NAME = 4096
_CHUNK = 1 << 24

Record = tuple[str, bytes | memoryview]


@dataclass(frozen=True, slots=True)
class _Entry:
    name: bytes
    size: int
    checksum: int
    offset: int
    flags: int


def write_archive(write: Callable[[bytes | memoryview], object], root: str, records: Iterable[Record]) -> None:
    """Write records, in order, and what PyTorch adds: the format version and an id of the content.

    Args:
        write: takes the next bytes of the file.
        root: the folder within the archive that all records lie in.
        records: name below the root and content.
    """
    archive = _Writer(write, root)
    for name, content in records:
        archive.add(name, content)
    archive.add("version", b"3\n")
    archive.add(".data/serialization_id", archive.content_id())
    archive.close()


class _Writer:
    def __init__(self, write: Callable[[bytes | memoryview], object], root: str):
        self._write, self._root = write, root
        self._position = 0
        self._entries: list[_Entry] = []

    def _put(self, content: bytes | memoryview) -> None:
        self._write(content)
        self._position += len(content)

    def add(self, name: str, content: bytes | memoryview) -> None:
        path = f"{self._root}/{name}".encode()
        size, start = len(content), self._position
        flags = _UTF8_NAMES | (_SIZES_FOLLOW if size else 0)
        extra = _zip64_field(size, start)
        extra += _padding(start + _LOCAL_HEADER.size + len(path) + len(extra))
        self._put(_LOCAL_HEADER.pack(_LOCAL_SIGNATURE, 0, flags, 0, 0, 0, 0, 0, 0, len(path), len(extra)))
        self._put(path + extra)
        checksum = 0
        for begin in range(0, size, _CHUNK):
            piece = content[begin : begin + _CHUNK]
            checksum = zlib.crc32(piece, checksum)
            self._put(piece)
        if size:
            form = "<4sLQQ" if size >= ZIP32_LIMIT or start >= ZIP32_LIMIT else "<4sLLL"
            self._put(struct.pack(form, b"PK\x07\x08", checksum, size, size))
        self._entries.append(_Entry(path, size, checksum, start, flags))

    def content_id(self) -> bytes:
        """40 digits that are the same for the same records: of their names, then of their content."""
        names = b"\n".join(entry.name for entry in self._entries)
        sums = b"".join(struct.pack("<L", entry.checksum) for entry in self._entries)
        return b"".join(b"%020d" % _number_of(part) for part in (names, sums))

    def close(self) -> None:
        start = self._position
        for entry in self._entries:
            extra = _zip64_field(entry.size, entry.offset)
            size, offset = min(entry.size, ZIP32_LIMIT), min(entry.offset, ZIP32_LIMIT)
            self._put(
                _CENTRAL_HEADER.pack(
                    *(_CENTRAL_SIGNATURE, 0, 0, entry.flags, 0, 0, 0, entry.checksum, _marked(size), _marked(size)),
                    *(len(entry.name), len(extra), 0, 0, 0, 0, _marked(offset)),
                )
                + entry.name
                + extra
            )
        length, count = self._position - start, len(self._entries)
        end = self._position
        self._put(struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 0x031E, 45, 0, 0, count, count, length, start))
        self._put(struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1))
        few = min(count, 0xFFFF)
        self._put(
            struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, few, few, min(length, 0xFFFFFFFF), min(start, 0xFFFFFFFF), 0)
        )


def _marked(number: int) -> int:
    return 0xFFFFFFFF if number >= ZIP32_LIMIT else number


def _number_of(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


def _zip64_field(size: int, offset: int) -> bytes:
    numbers = [size, size] if size >= ZIP32_LIMIT else []
    numbers += [offset] if offset >= ZIP32_LIMIT else []
    return struct.pack(f"<2H{len(numbers)}Q", 1, 8 * len(numbers), *numbers) if numbers else b""


def _padding(position: int) -> bytes:
    length = -(position + 4) % ALIGNMENT
    return struct.pack("<2sH", b"FB", length) + b"Z" * length


class ArchiveReader:
    """The records of a checkpoint's archive, each checked against its sum when it is read. Nothing goes to disk.

    Raises CheckpointError for a file that is cut off or damaged, and for one that no program of PyTorch's writes: with
    compressed, encrypted, overlapping, or twice-named records, or names that lead out of the one folder.

    Args:
        stream: the archive, at its beginning.
        length: its bytes.
        name: what to call it in messages.
    """

    def __init__(self, stream: BinaryIO, length: int, name: str):
        self._stream, self._length, self._name = stream, length, name
        try:
            with zipfile.ZipFile(stream) as archive:
                infos = archive.infolist()
        except (zipfile.BadZipFile, ValueError, struct.error, NotImplementedError, EOFError, IndexError) as error:
            raise self._damaged(f"its zip directory cannot be read ({error})") from None
        self._infos: dict[str, zipfile.ZipInfo] = {}
        self.root = infos[0].filename.split("/")[0] if infos else ""
        for info in infos:
            self._enter(info)
        end = 0
        for info in sorted(infos, key=lambda info: info.header_offset):
            if info.header_offset < end:
                raise self._damaged(f"record {info.filename!r:.200} overlaps another")
            end = info.header_offset + _LOCAL_HEADER.size + info.file_size
            if end > length:
                raise self._damaged(f"record {info.filename!r:.200} of {info.file_size} bytes reaches beyond its end")

    def _damaged(self, reason: str) -> CheckpointError:
        return CheckpointError(
            f"PytorchStreamReader failed reading zip archive: {self._name} is damaged or cut off: {reason}"
        )

    def _refused(self, reason: str) -> CheckpointError:
        return CheckpointError(f"{self._name} is not a checkpoint that PyTorch or graphc writes: {reason}")

    def _enter(self, info: zipfile.ZipInfo) -> None:
        name = info.filename
        if name != info.orig_filename or len(name) > _LONGEST_NAME:
            raise self._refused(f"record name {info.orig_filename!r:.200}")
        parts = name.split("/")
        if "\\" in name or len(parts) < 2 or parts[0] != self.root or any(part in ("", ".", "..") for part in parts):
            raise self._refused(f"record name {name!r:.200} is not a path within the folder {self.root!r:.200}")
        below = name[len(self.root) + 1 :]
        if below in self._infos:
            raise self._refused(f"record {name!r:.200} is there twice")
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            how = "encrypted" if info.flag_bits & 1 else "compressed"
            raise self._refused(f"record {name!r:.200} is {how}; expected records stored as they are")
        if info.compress_size != info.file_size:
            raise self._damaged(f"record {name!r:.200} has two sizes, {info.compress_size} and {info.file_size}")
        self._infos[below] = info

    def __contains__(self, name: str) -> bool:
        return name in self._infos

    def size(self, name: str) -> int:
        """Bytes of a record. Raises CheckpointError where there is none of the name."""
        if name not in self._infos:
            raise self._damaged(f"record '{self.root}/{name}' is missing")
        return self._infos[name].file_size

    def offset(self, name: str) -> int:
        """Where the content of a record begins in the file."""
        size = self.size(name)
        info = self._infos[name]
        self._stream.seek(info.header_offset)
        header = self._stream.read(_LOCAL_HEADER.size)
        if len(header) < _LOCAL_HEADER.size or not header.startswith(_LOCAL_SIGNATURE):
            raise self._damaged(f"record {info.filename!r:.200} has no header")
        *_, name_length, extra_length = _LOCAL_HEADER.unpack(header)
        if self._stream.read(name_length) != info.filename.encode():
            raise self._damaged(f"record {info.filename!r:.200} has another name in its header")
        start = info.header_offset + _LOCAL_HEADER.size + name_length + extra_length
        if start + size > self._length:
            raise self._damaged(f"record {info.filename!r:.200} reaches beyond its end")
        return start

    def read(self, name: str) -> np.ndarray:
        """The content of a record: a 1-d uint8 array of its own memory."""
        self._stream.seek(self.offset(name))
        size, content, filled = self.size(name), np.empty(self.size(name), np.uint8), 0
        view, checksum = memoryview(content), 0
        while filled < size:
            count = self._stream.readinto(view[filled : filled + _CHUNK])
            if not count:
                raise self._damaged(f"record {self.root}/{name} ends after {filled} of {size} bytes")
            checksum = zlib.crc32(view[filled : filled + count], checksum)
            filled += count
        if checksum != self._infos[name].CRC:
            raise self._damaged(f"record {self.root}/{name} does not have the checksum that was written with it")
        return content
