"""Writing a file so that whoever looks, at whatever moment, finds the old content or the new, and nothing between."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from typing import BinaryIO


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of ``path`` when the block ends well.

    Until its bytes are on the disk it has no name where the file system can do that, and else one in the same folder,
    ``.<name>.<letters>.partial``. Where the block raises it is removed and ``path`` stays as it was. What a process
    that was killed has left of such files goes when the next one is written. A link is followed; what is no regular
    file, such as a pipe, is written to directly.

    Raises:
        RuntimeError: (a FileNotFoundError or IsADirectoryError) where there is no such folder, or a folder is there.
        OSError: where the folder or the disk refuses.
    """
    target = os.path.realpath(os.fspath(path))
    existing = _status(target)
    if existing is not None and stat.S_ISDIR(existing.st_mode):
        raise TargetIsFolder(f"open file failed with strerror: Is a directory: {os.fspath(path)!r}")
    if existing is not None and not stat.S_ISREG(existing.st_mode):
        with open(target, "wb") as file:
            yield file
        return
    folder, name = os.path.split(target)
    if not os.path.isdir(folder):
        raise FolderMissing(f"Parent directory {os.path.dirname(os.fspath(path))} does not exist.")
    prefix = f".{name[:100]}."
    _remove_left_behind(folder, prefix)
    descriptor, temporary = _nameless(folder)
    if descriptor is None:
        descriptor, temporary = _locked(folder, prefix)
    try:
        with open(descriptor, "wb") as file:
            os.fchmod(file.fileno(), _default_mode() if existing is None else stat.S_IMODE(existing.st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
            if temporary is None:
                fcntl.flock(file.fileno(), fcntl.LOCK_EX)
                temporary = os.path.join(folder, f"{prefix}{secrets.token_hex(4)}{_SUFFIX}")
                _link(file.fileno(), temporary)
            os.replace(temporary, target)
    except BaseException:
        if temporary is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
        raise
    _sync_folder(folder)


class FolderMissing(RuntimeError, FileNotFoundError):
    """The folder that a file is to be written to is not there."""


class TargetIsFolder(RuntimeError, IsADirectoryError):
    """The file that is to be written is a folder."""


_SUFFIX = ".partial"


def _nameless(folder: str) -> tuple[int | None, None]:
    """A new file without a name; None where the system or the file system has none."""
    if not (hasattr(os, "O_TMPFILE") and os.path.isdir("/proc/self/fd")):
        return None, None
    try:
        return os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600), None
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT):
            return None, None
        raise


def _link(descriptor: int, path: str) -> None:
    """Give a nameless file a name."""
    # With a folder given the system follows the link under /proc to the file itself.
    root = os.open("/", os.O_RDONLY)
    try:
        os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=root, follow_symlinks=True)
    finally:
        os.close(root)


def _locked(folder: str, prefix: str) -> tuple[int, str]:
    """A new file with a temporary name, locked while its process lives."""
    while True:
        descriptor, temporary = tempfile.mkstemp(prefix=prefix, suffix=_SUFFIX, dir=folder)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor, temporary
        os.close(descriptor)  # someone took it for one that was left behind before it was locked


def _remove_left_behind(folder: str, prefix: str) -> None:
    """Remove temporary files of this target that no living process writes."""
    pattern = os.path.join(glob.escape(folder), f"{glob.escape(prefix)}????????{_SUFFIX}")
    for left in glob.glob(pattern, include_hidden=True):
        with contextlib.suppress(OSError), open(left, "rb") as file:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(left)


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
