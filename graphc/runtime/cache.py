"""A content-addressed cache on disk for what the compiler made.

An entry is a folder named by its key. It is made under a temporary name beside its final place and then renamed, so
other processes see it whole or not at all; a manifest with the size and the SHA-256 of each file finds what a crash or
a full disk left damaged. Files are private (0700 and 0600), because a library found here is loaded and run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from graphc.fork_safe import recursive_lock

try:
    import fcntl
except ImportError:  # no flock on this platform: equal builds may then run twice, which is only slower
    fcntl = None

MANIFEST = "manifest.json"
TEMPORARY = ".new-"
LOCK = ".lock-"
ENTRIES = "v1"
FAILED = "failed"

# An entry handed out this recently may not have been loaded yet by the process that asked for it.
EVICTION_GRACE_SECONDS = 60.0
# A temporary folder or lock this old was left behind by a process that died.
ABANDONED_SECONDS = 3600.0
LOCK_WAIT_SECONDS = 120.0
KEPT_FAILURES = 16


def cache_folder() -> Path:
    """The folder of the cache: GRAPHC_CACHE_DIR, else ``graphc`` in the user's cache folder. It may not exist yet."""
    chosen = os.environ.get("GRAPHC_CACHE_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute()
    if sys.platform == "darwin":
        return _home() / "Library" / "Caches" / "graphc"
    # The XDG base directory specification: a relative path in XDG_CACHE_HOME is invalid and ignored.
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else _home() / ".cache") / "graphc"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # no HOME, and no entry for this user
        return Path(tempfile.gettempdir()) / f"graphc-{os.getuid() if hasattr(os, 'getuid') else 'user'}"


def cache_limit() -> int:
    """The size in bytes above which the least recently used entries go: GRAPHC_CACHE_LIMIT_MB, default 2048.

    Raises:
        ValueError: the variable does not hold a number of megabytes.
    """
    text = os.environ.get("GRAPHC_CACHE_LIMIT_MB", "2048")
    try:
        limit = int(float(text) * 2**20)
    except (ValueError, OverflowError):
        limit = -1
    if limit < 0:
        raise ValueError(f"GRAPHC_CACHE_LIMIT_MB={text!r}: expected a number of megabytes, 0 or more")
    return limit


def cache_key(*parts: str) -> str:
    """SHA-256, in hexadecimal, of the parts; ("ab", "c") and ("a", "bc") have different keys."""
    digest = hashlib.sha256()
    for part in parts:
        data = encode(part)
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def encode(text: str) -> bytes:
    """UTF-8; a lone surrogate, which a Python file name may hold, becomes its escape instead of an error."""
    return text.encode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class Usage:
    """How full a cache is: the number of whole entries and the bytes that all of its files take."""

    entries: int
    nbytes: int


class Cache:
    """A cache in one folder, with a private temporary folder to fall back on.

    A folder that can't be written (read-only, full, not ours, or mounted so that nothing in it can be executed) still
    serves what it has; new entries then go to a temporary folder that lives as long as this process, with one warning.
    """

    def __init__(self, folder: Path | None = None, limit: int | None = None) -> None:
        self.folder = cache_folder() if folder is None else Path(folder)
        self.limit = cache_limit() if limit is None else limit
        self._fallback: Path | None = None
        self._verified: dict[Path, dict[str, int]] = {}
        self._guard = recursive_lock()
        self._room = 0

    # -- reading ---------------------------------------------------------------------------------------------------

    def lookup(self, key: str) -> Path | None:
        """The folder of the entry, or None if there is none or it is damaged. Marks the entry as used."""
        for root in self._roots():
            entry = root / ENTRIES / key
            if self._is_whole(entry):
                with contextlib.suppress(OSError):
                    os.utime(entry)
                return entry
        return None

    def lookup_bytes(self, key: str) -> bytes | None:
        """The bytes that `store_bytes` stored under the key, or None."""
        entry = self.lookup(key)
        try:
            return None if entry is None else (entry / "data").read_bytes()
        except OSError:
            return None

    def usage(self) -> Usage:
        """What the cache's folder holds now."""
        entries = list(_scan(self.folder / ENTRIES))
        return Usage(len(entries), sum(size for _, _, size in entries))

    def writable(self) -> str:
        """Empty if new entries can be stored in the folder, else the reason why not. Makes the folder if need be."""
        try:
            _prepare(self.folder)
            _try_writing(self.folder / ENTRIES)
        except OSError as error:
            return str(error)
        return ""

    # -- writing ---------------------------------------------------------------------------------------------------

    def store(self, key: str, produce: Callable[[Path], None]) -> Path:
        """The folder of the entry, made by `produce` unless another process has made it meanwhile.

        Args:
            key: from `cache_key`.
            produce: writes the entry's files into the empty folder that it is given. What it raises is raised here,
                and nothing is stored.
        """
        try:
            _prepare(self.folder)
        except OSError as error:
            return self._store_in_fallback(key, produce, error)
        try:
            return self._store_in(self.folder, key, produce)
        except Exception as error:
            # A full disk shows itself as an OSError of ours or as any failure of the compiler, so look at the disk.
            try:
                _try_writing(self.folder / ENTRIES)
            except OSError as reason:
                return self._store_in_fallback(key, produce, reason)
            if isinstance(error, OSError):
                return self._store_in_fallback(key, produce, error)
            raise

    def store_bytes(self, key: str, data: bytes) -> None:
        """Stores a small artefact for `lookup_bytes`, where there is room: it only saves time."""
        with contextlib.suppress(OSError):
            self.store(key, lambda folder: write_private(folder / "data", data))

    def discard(self, key: str) -> None:
        """Forgets an entry, so that the next `store` makes it anew."""
        for root in self._roots():
            entry = root / ENTRIES / key
            self._verified.pop(entry, None)
            if entry.exists():
                with contextlib.suppress(OSError):
                    _remove_entry(entry)

    def keep_failed(self, file_name: str, text: str) -> Path:
        """Keeps a source that did not compile where a person can look at it; only the last few are kept."""
        try:
            _prepare(self.folder)
            folder = self.folder / FAILED
            _make_private(folder)
            older = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
            for path in older[: max(0, len(older) - KEPT_FAILURES + 1)]:
                path.unlink(missing_ok=True)
            path = folder / file_name
            write_private(path, encode(text))
        except OSError:  # the reason of the failure may be the disk itself; a temporary file outlives this process
            descriptor, name = tempfile.mkstemp(prefix="graphc-", suffix="-" + file_name)
            with os.fdopen(descriptor, "wb") as file:
                file.write(encode(text))
            path = Path(name)
        return path

    # -- parts -----------------------------------------------------------------------------------------------------

    def _roots(self) -> tuple[Path, ...]:
        return (self.folder,) if self._fallback is None else (self.folder, self._fallback)

    def _is_whole(self, entry: Path) -> bool:
        """Hashes the files the first time this process meets the entry; afterwards only their sizes are looked at."""
        try:
            known = self._verified.get(entry)
            if known is not None and known == _sizes(entry, known):
                return True
            if not _is_trusted(entry):
                return False
            files = json.loads((entry / MANIFEST).read_bytes())["files"]
            whole = all(_fingerprint(entry / name) == expected for name, expected in files.items())
            if whole:
                self._verified[entry] = _sizes(entry, [MANIFEST, *files])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return False
        return whole

    def _store_in(self, root: Path, key: str, produce: Callable[[Path], None]) -> Path:
        entries = root / ENTRIES
        entry = entries / key
        with _one_builder(entries / (LOCK + key), lambda: self._is_whole(entry)):
            if self._is_whole(entry):
                return entry
            temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=entries))
            try:
                produce(temporary)
                nbytes = _seal(temporary)
                self._put_in_place(temporary, entry)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        if root == self.folder:
            self._make_room(nbytes, entry)
        return entry

    def _put_in_place(self, temporary: Path, entry: Path) -> None:
        for attempt in range(10):
            try:
                os.rename(temporary, entry)
            except OSError:
                if self._is_whole(entry):  # another process was faster; equal keys have equal entries
                    return
                if attempt == 9 or not entry.exists():
                    raise
                self._verified.pop(entry, None)
                _remove_entry(entry)
            else:
                # Hashed a moment ago while sealing: no need to read it again.
                self._verified[entry] = _sizes(entry, os.listdir(entry))
                return

    def _store_in_fallback(self, key: str, produce: Callable[[Path], None], reason: Exception) -> Path:
        with self._guard:
            if self._fallback is None:
                folder = Path(tempfile.mkdtemp(prefix="graphc-"))
                _prepare(folder)
                weakref.finalize(self, _remove_in_owner, folder, os.getpid())
                self._fallback = folder
                warnings.warn(
                    f"graphc: the cache folder {self.folder} can't be used ({reason}); compiled programs go to a"
                    " temporary folder and are lost when this process ends. Set GRAPHC_CACHE_DIR to a folder that can"
                    " be written.",
                    RuntimeWarning,
                    stacklevel=4,
                )
        return self._store_in(self._fallback, key, produce)

    def _make_room(self, stored: int, newest: Path) -> None:
        """Removes the least recently used entries when the limit may be passed.

        The folder is only scanned once this process has stored a quarter of the room it last saw, so that a cache far
        below its limit costs nothing, also when a few processes fill it together.
        """
        with self._guard:
            self._room -= 4 * stored
            if self._room > 0:
                return
            now = time.time()
            _sweep(self.folder / ENTRIES, now)
            entries = sorted(_scan(self.folder / ENTRIES))
            total = sum(size for _, _, size in entries)
            if total > self.limit:
                # A tenth more than needed goes, so that a full cache does not evict at every store.
                goal = int(self.limit * 0.9)
                for used, entry, size in entries:
                    if total <= goal:
                        break
                    if entry == newest or now - used < EVICTION_GRACE_SECONDS or _modified(entry) != used:
                        continue
                    _remove_entry(entry)
                    self._verified.pop(entry, None)
                    total -= size
            self._room = max(0, self.limit - total)


_default_caches: dict[tuple[Path, int], Cache] = {}


def default_cache() -> Cache:
    """The cache that the environment asks for now, one object per process, folder and limit."""
    identity = (cache_folder(), cache_limit())
    cache = _default_caches.get(identity)
    if cache is None:
        cache = _default_caches.setdefault(identity, Cache(*identity))
    return cache


def write_private(path: Path, data: bytes) -> None:
    """Writes a file that only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)


def _prepare(root: Path) -> None:
    """Makes the folders of a cache.

    Raises:
        OSError: they can't be made, belong to someone else, or nothing in them may be executed.
    """
    root.parent.mkdir(parents=True, exist_ok=True)
    _make_private(root)
    if not _is_trusted(root):
        raise PermissionError(f"{root} belongs to another user, or everyone may write to it")
    _make_private(root / ENTRIES)
    if hasattr(os, "ST_NOEXEC") and os.statvfs(root).f_flag & os.ST_NOEXEC:
        raise PermissionError(f"{root} is mounted noexec, so that no library in it can be loaded")


def _is_trusted(path: Path) -> bool:
    """A library is code that will run as this user: only this user or root may have written it."""
    if not hasattr(os, "getuid"):
        return True
    stat = os.stat(path)
    return stat.st_uid in (os.getuid(), 0) and not stat.st_mode & 0o002


def _try_writing(folder: Path) -> None:
    """Raises the OSError that says why no file of some size can be written here."""
    descriptor, name = tempfile.mkstemp(prefix=TEMPORARY, dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(bytes(2**18))
    finally:
        with contextlib.suppress(OSError):
            os.unlink(name)


def _fingerprint(path: Path) -> list[int | str]:
    data = path.read_bytes()
    return [len(data), hashlib.sha256(data).hexdigest()]


def _sizes(entry: Path, names: Iterable[str]) -> dict[str, int]:
    return {name: os.stat(entry / name).st_size for name in names}


def _seal(folder: Path) -> int:
    """Makes the files of a new entry private and writes its manifest; returns its size in bytes."""
    files = {}
    for path in sorted(folder.iterdir()):
        os.chmod(path, 0o600)
        files[path.name] = _fingerprint(path)
    write_private(folder / MANIFEST, json.dumps({"files": files}, indent=1).encode())
    return sum(size for size, _ in files.values())


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _scan(entries: Path) -> Iterator[tuple[float, Path, int]]:
    """(last use in seconds since the epoch, folder, bytes) of each entry."""
    try:
        found = list(os.scandir(entries))
    except OSError:
        return
    for item in found:
        if item.name.startswith((TEMPORARY, LOCK)):
            continue
        with contextlib.suppress(OSError):  # another process may remove it at any moment
            size = sum(file.stat().st_size for file in os.scandir(item.path))
            yield item.stat().st_mtime, Path(item.path), size


def _sweep(entries: Path, now: float) -> None:
    """Removes what processes that died in the middle left behind."""
    for item in os.scandir(entries):
        with contextlib.suppress(OSError):
            if item.name.startswith((TEMPORARY, LOCK)) and now - item.stat().st_mtime > ABANDONED_SECONDS:
                if item.is_dir(follow_symlinks=False):
                    shutil.rmtree(item.path, ignore_errors=True)
                else:
                    os.unlink(item.path)


def _remove_entry(entry: Path) -> None:
    """Renames first: nobody sees half an entry, and a library already loaded from it stays mapped."""
    trash = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=entry.parent))
    with contextlib.suppress(OSError):
        os.rename(entry, trash / "entry")
    shutil.rmtree(trash, ignore_errors=True)


def _remove_in_owner(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # a forked child shares the folder and must leave it to its parent
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _one_builder(path: Path, done: Callable[[], bool]) -> Iterator[None]:
    """Lets one process build an entry while the others wait for it; nothing but time depends on it.

    The wait is bounded, and a file system without locks just lets everyone build.
    """
    if fcntl is None:
        yield
        return
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        yield
        return
    acquired = _acquire(descriptor, done)
    try:
        yield
    finally:
        if acquired:
            # Whoever waits on the removed file finds the entry made; whoever comes later makes a new lock.
            with contextlib.suppress(OSError):
                os.unlink(path)
        os.close(descriptor)


def _acquire(descriptor: int, done: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + LOCK_WAIT_SECONDS
    while time.monotonic() < deadline:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if done():
                return False
            time.sleep(0.01)
        except OSError:
            return False
        else:
            return True
    return False
