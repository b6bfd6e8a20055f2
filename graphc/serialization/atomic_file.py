"""Writing a file so that whoever looks, at whatever moment, finds the old content or the new, and nothing between."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from typing import BinaryIO


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of ``path`` when the block ends well.

    It has a temporary name, ``.<name>.<letters>.partial``, in the same folder until its bytes are on the disk. Where
    the block raises it is removed and ``path`` stays as it was; a process that is killed leaves it behind. A link is
    followed; what is no regular file, such as a pipe, is written to directly.

    Raises OSError where the folder or the disk refuses.
    """
    target = os.path.realpath(os.fspath(path))
    existing = _status(target)
    if existing is not None and not stat.S_ISREG(existing.st_mode):
        with open(target, "wb") as file:
            yield file
        return
    folder, name = os.path.split(target)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{name[:100]}.", suffix=".partial", dir=folder)
    try:
        with open(descriptor, "wb") as file:
            os.fchmod(file.fileno(), _default_mode() if existing is None else stat.S_IMODE(existing.st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _default_mode() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _sync_folder(folder: str) -> None:
    # The new name itself reaches the disk with the folder; some file systems cannot do this, and then need not.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
