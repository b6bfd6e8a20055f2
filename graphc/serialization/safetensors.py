"""Files in the safetensors format: named tensors behind a JSON header, and no code at all.

A file is the header's length (8 bytes, little-endian), the header, and the tensors' bytes, row-major, without gaps.
Source: https://huggingface.co/docs/safetensors/index#format
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from graphc.serialization.atomic_file import replacing
from graphc.serialization.element_types import ELEMENT_TYPE_OF_NAME, ElementType, element_type_of
from graphc.serialization.errors import CheckpointError
from graphc.serialization.stored_memory import swapped_bytes
from graphc.tensor import Tensor

LARGEST_HEADER = 100_000_000
_LENGTH_BYTES = 8
_METADATA = "__metadata__"
# In the order of the format's own library, smaller elements before larger ones.
_NAME_OF_CODE = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "F8_E5M2": "float8_e5m2", "F8_E4M3": "float8_e4m3fn",
    "F8_E8M0": "float8_e8m0fnu", "I16": "int16", "U16": "uint16", "F16": "float16", "BF16": "bfloat16", "I32": "int32",
    "U32": "uint32", "F32": "float32", "C64": "complex64", "F64": "float64", "I64": "int64", "U64": "uint64",
}  # fmt: skip
_CODE_OF_NAME = {name: code for code, name in _NAME_OF_CODE.items()}
_RANK_OF_NAME = {name: rank for rank, name in enumerate(_NAME_OF_CODE.values())}


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    element: ElementType
    shape: tuple[int, ...]
    begin: int
    end: int


def save_file(
    tensors: Mapping[str, Tensor], path: str | os.PathLike[str], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named tensors, and strings about them. The old file stays until the new one is complete on the disk.

    Values are written in row-major order, whatever the strides. Raises TypeError for names that are no strings or
    values that are no tensors; ValueError for tensors that share memory, which the format cannot say (give one of them
    ``clone()``), or a dtype that it lacks; OSError where the disk refuses.
    """
    _require_savable(tensors, metadata)
    # Larger elements first, so that every tensor begins at a multiple of its element's size.
    names = sorted(tensors, key=lambda name: (-_RANK_OF_NAME[tensors[name].dtype.name], name))
    header: dict[str, Any] = {} if metadata is None else {_METADATA: dict(metadata)}
    position = 0
    for name in names:
        tensor = tensors[name]
        header[name] = {
            "dtype": _CODE_OF_NAME[element_type_of(tensor.dtype).name],
            "shape": list(tensor.shape),
            "data_offsets": [position, position + tensor.nbytes],
        }
        position += tensor.nbytes
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _LENGTH_BYTES)
    if len(text) > LARGEST_HEADER:
        raise ValueError(f"the header of {len(text)} bytes is larger than the format's {LARGEST_HEADER}")
    with replacing(path) as file:
        file.write(len(text).to_bytes(_LENGTH_BYTES, "little") + text)
        for name in names:
            file.write(_little_endian(tensors[name]))


def load_file(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The tensors in a file by name, each in memory of its own, in the order in which they lie in the file.

    Raises CheckpointError for a file that is damaged or cut off, or not made as the format asks: a header of more than
    100 MB, offsets that overlap, leave gaps, or do not fit shape and dtype, and dtypes that graphc does not have.
    """
    name = os.fsdecode(path)
    with open(path, "rb") as file:
        entries, _ = _read_header(file, name)
        missing = [entry for entry in entries if entry.element.dtype is None]
        if missing:
            what = f"tensor {missing[0].name!r:.200} of dtype torch.{missing[0].element.name}"
            raise CheckpointError(f"{name} holds {what}, which graphc does not have")
        return {entry.name: _read_tensor(file, name, entry) for entry in entries}


def load_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The strings that were saved with the tensors of a file. Raises CheckpointError as :func:`load_file` does."""
    with open(path, "rb") as file:
        return _read_header(file, os.fsdecode(path))[1]


def _require_savable(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None) -> None:
    for name, tensor in tensors.items():
        if not isinstance(name, str) or name == _METADATA:
            raise TypeError(f"save_file expects names that are strings other than {_METADATA!r}, got {name!r}")
        if not isinstance(tensor, Tensor):
            raise TypeError(f"save_file expects tensors, but {name!r} is {type(tensor).__name__}")
        if element_type_of(tensor.dtype).name not in _CODE_OF_NAME:
            raise ValueError(f"{name!r} has dtype {tensor.dtype}, which safetensors does not have")
        tensor._value("save_file()")
    _require_apart(tensors)
    for key, value in (metadata or {}).items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"save_file expects metadata of strings, got {key!r}: {value!r}")


def _require_apart(tensors: Mapping[str, Tensor]) -> None:
    """Raise ValueError where two tensors have an element in common."""
    spans = sorted((*_span(tensor._array), name) for name, tensor in tensors.items() if tensor.numel())
    reaching: list[tuple[int, str]] = []
    for start, end, name in spans:
        reaching = [(other_end, other) for other_end, other in reaching if other_end > start]
        for _, other in reaching:
            if _share_elements(tensors[other]._array, tensors[name]._array):
                raise ValueError(
                    f"{other!r} and {name!r} share memory, which a file of safetensors cannot say; leave one of them "
                    "out, or give it memory of its own with clone()"
                )
        reaching.append((end, name))


def _span(array: np.ndarray) -> tuple[int, int]:
    """The addresses of an array's first byte and of the one behind its last."""
    start = end = array.__array_interface__["data"][0]
    for extent, step in zip(array.shape, array.strides, strict=True):
        start += min(0, (extent - 1) * step)
        end += max(0, (extent - 1) * step)
    return start, end + array.itemsize


def _share_elements(first: np.ndarray, second: np.ndarray) -> bool:
    try:
        return np.shares_memory(first, second, max_work=10_000)
    except (np.exceptions.TooHardError, OverflowError):
        return True


def _little_endian(tensor: Tensor) -> Any:
    raw = np.array(tensor._array, order="C", copy=None).reshape(-1).view(np.uint8)
    return (raw if sys.byteorder == "little" else swapped_bytes(raw, element_type_of(tensor.dtype))).data


def _read_header(file: BinaryIO, name: str) -> tuple[list[_Entry], dict[str, str]]:
    total = os.fstat(file.fileno()).st_size
    start = file.read(_LENGTH_BYTES)
    if len(start) < _LENGTH_BYTES:
        raise CheckpointError(f"{name} is cut off: {total} bytes are too few for a file of safetensors")
    length = int.from_bytes(start, "little")
    if length > LARGEST_HEADER:
        raise CheckpointError(f"{name}: its header of {length} bytes is larger than the {LARGEST_HEADER} allowed")
    if _LENGTH_BYTES + length > total:
        raise CheckpointError(f"{name} is cut off: its header of {length} bytes does not fit in {total}")
    text = file.read(length)
    if not text.startswith(b"{"):
        raise CheckpointError(f"{name} is not a file of safetensors: its header does not begin with '{{'")
    try:
        header = json.loads(text.decode(), object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{name} is damaged: its header is not JSON as the format asks ({error})") from None
    metadata = header.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise CheckpointError(f"{name}: its metadata is not an object of strings")
    entries = sorted((_entry(name, *item) for item in header.items()), key=lambda entry: (entry.begin, entry.end))
    _require_no_gaps(name, entries, total - _LENGTH_BYTES - length)
    return entries, metadata


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


def _entry(file: str, name: str, given: Any) -> _Entry:
    what = f"{file}: tensor {name!r:.200}"
    if not isinstance(given, dict) or set(given) != {"dtype", "shape", "data_offsets"}:
        raise CheckpointError(f"{what} is described by {given!r:.200}, expected dtype, shape, and data_offsets")
    code, shape, offsets = given["dtype"], given["shape"], given["data_offsets"]
    if not isinstance(code, str) or code not in _NAME_OF_CODE:
        raise CheckpointError(f"{what} has dtype {code!r:.40}, expected one of {', '.join(_NAME_OF_CODE)}")
    if not _are_sizes(shape):
        raise CheckpointError(f"{what} has shape {shape!r:.200}, expected a list of whole numbers of at least 0")
    if not _are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise CheckpointError(f"{what} has data_offsets {offsets!r:.200}, expected [begin, end]")
    element = ELEMENT_TYPE_OF_NAME[_NAME_OF_CODE[code]]
    needed = math.prod(shape) * element.itemsize
    if offsets[1] - offsets[0] != needed:
        raise CheckpointError(
            f"{what} of shape {shape!r:.200} and dtype {code} has data_offsets {offsets}, {offsets[1] - offsets[0]} "
            f"bytes; expected {needed}"
        )
    return _Entry(name, element, tuple(shape), *offsets)


def _are_sizes(given: Any) -> bool:
    return isinstance(given, list) and all(type(number) is int and number >= 0 for number in given)


def _require_no_gaps(name: str, entries: list[_Entry], available: int) -> None:
    position = 0
    for entry in entries:
        if entry.begin != position:
            what = "overlaps the one before it" if entry.begin < position else "leaves a gap before it"
            raise CheckpointError(
                f"{name}: tensor {entry.name!r:.200} at data_offsets [{entry.begin}, {entry.end}] {what}; expected it "
                f"at {position}"
            )
        position = entry.end
    if position != available:
        how = "cut off" if position > available else "longer than its header says"
        raise CheckpointError(f"{name} is {how}: its tensors take {position} bytes, and {available} are there")


def _read_tensor(file: BinaryIO, name: str, entry: _Entry) -> Tensor:
    raw = np.empty(entry.end - entry.begin, np.uint8)
    if file.readinto(raw.data) != raw.size:
        raise CheckpointError(f"{name} is cut off within tensor {entry.name!r:.200}")
    if sys.byteorder != "little":
        raw = swapped_bytes(raw, entry.element)
    dtype = entry.element.dtype
    try:
        return Tensor._wrap(raw.view(dtype.numpy).reshape(entry.shape), dtype)
    except ValueError as error:
        raise CheckpointError(f"{name}: tensor {entry.name!r:.200}: {error}") from None
