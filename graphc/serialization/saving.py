"""``save``: objects with tensors in them to a file that PyTorch reads too.

Source: https://docs.pytorch.org/docs/stable/generated/torch.save.html
"""

from __future__ import annotations

import io
import os
import pickle
import sys
from typing import Any

import numpy as np

from graphc.serialization.atomic_file import replacing
from graphc.serialization.checkpoint_pickler import CheckpointPickler
from graphc.serialization.zip_format import ALIGNMENT, Record, write_archive

_ROOT = "archive"


def save(
    obj: Any,
    f: Any,
    pickle_module: Any = None,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Write an object to a file in PyTorch's zip format.

    Tensors, parameters, sizes, dtypes, and devices are written under PyTorch's names, so that ``torch.load`` reads a
    state dict of graphc's. Tensors that share memory share it in the file; views keep offset, shape, and strides.
    Modules and objects of the user's classes are written by the name of their class, and read with
    ``weights_only=False`` where that class is. A file that is there keeps its old content until the new one is
    complete on the disk.

    Args:
        obj: what to save.
        f: a path, or a binary file object to write to from where it stands.
        pickle_module, pickle_protocol, _use_new_zipfile_serialization, _disable_byteorder_record: taken for programs
            written for PyTorch, which reads a file whatever they are: it is the zip format, of protocol 2, with a
            record of the byte order.

    Raises:
        PicklingError: for an object that cannot be saved, such as a function made within another; nothing is written.
        OSError: where the disk refuses; the old file stays.
        TypeError: where ``f`` is neither a path nor a file object.
    """
    if not isinstance(f, str | os.PathLike) and not hasattr(f, "write"):
        raise TypeError(
            f"expected 'f' to be string, path, or a file-like object with a 'write' attribute, got {type(f).__name__}"
        )
    records = _records(obj)
    if isinstance(f, str | os.PathLike):
        with replacing(f) as file:
            write_archive(file.write, _ROOT, records)
    else:
        write_archive(f.write, _ROOT, records)


def _records(obj: Any) -> list[Record]:
    content = io.BytesIO()
    pickler = CheckpointPickler(content)
    try:
        pickler.dump(obj)
    except RecursionError:
        raise pickle.PicklingError("the object is nested too deeply to be saved") from None
    records: list[Record] = [
        ("data.pkl", content.getvalue()),
        (".format_version", b"1"),
        (".storage_alignment", str(ALIGNMENT).encode()),
        ("byteorder", sys.byteorder.encode()),
    ]
    return records + [(f"data/{key}", memory.view(np.uint8).data) for key, memory in pickler.memories()]
