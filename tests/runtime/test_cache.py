from __future__ import annotations

import errno
import multiprocessing
import os
import threading
import time
import warnings
from pathlib import Path

import pytest

from graphc.runtime import cache as cache_module
from graphc.runtime.cache import Cache, cache_folder, cache_key, cache_limit
from graphc.runtime.errors import CompileError


def _writer(data: bytes):
    return lambda folder: (folder / "data").write_bytes(data)


def test_folder_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """GRAPHC_CACHE_DIR wins, then XDG_CACHE_HOME where it is absolute, then the home folder."""
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("GRAPHC_CACHE_DIR")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "graphc"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "graphc"
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache_folder() == tmp_path / "Library" / "Caches" / "graphc"


@pytest.mark.parametrize("text", ["-1", "many", "nan", "inf"])
def test_limit_that_is_no_number_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A bad GRAPHC_CACHE_LIMIT_MB says what was given and what was expected."""
    monkeypatch.setenv("GRAPHC_CACHE_LIMIT_MB", text)
    with pytest.raises(ValueError, match=f"GRAPHC_CACHE_LIMIT_MB='{text}': expected a number"):
        cache_limit()


def test_key_keeps_parts_apart() -> None:
    """Moving a character from one part to the next changes the key; a lone surrogate is no error."""
    assert cache_key("ab", "c") != cache_key("a", "bc")
    assert cache_key("ab", "c") == cache_key("ab", "c")
    assert len(cache_key("\udc80")) == 64


def test_stored_entry_is_found_by_another_process_and_is_private(tmp_path: Path) -> None:
    """A second cache object finds the entry; only the owner may read it."""
    folder = tmp_path / "deep" / "cache"
    entry = Cache(folder).store("k", _writer(b"hello"))
    assert (Cache(folder).lookup("k") / "data").read_bytes() == b"hello"
    assert Cache(folder).lookup_bytes("k") == b"hello"
    assert Cache(folder).lookup("other") is None
    for path in (folder, entry.parent, entry):
        assert path.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in entry.iterdir())


@pytest.mark.parametrize("damage", ["truncated", "changed", "removed", "no manifest", "manifest is rubbish"])
def test_damaged_entry_is_a_miss_and_is_rebuilt(tmp_path: Path, damage: str) -> None:
    """Whatever happened to an entry, a later process does not get it, and storing again mends it."""
    entry = Cache(tmp_path).store("k", _writer(b"x" * 1000))
    if damage == "truncated":
        os.truncate(entry / "data", 500)
    elif damage == "changed":
        (entry / "data").write_bytes(b"y" * 1000)
    elif damage == "removed":
        (entry / "data").unlink()
    elif damage == "no manifest":
        (entry / "manifest.json").unlink()
    else:
        (entry / "manifest.json").write_text("[1, 2")
    later = Cache(tmp_path)
    assert later.lookup("k") is None
    later.store("k", _writer(b"z" * 1000))
    assert Cache(tmp_path).lookup_bytes("k") == b"z" * 1000


def test_truncation_is_noticed_by_the_process_that_stored_it(tmp_path: Path) -> None:
    """Also the process that made an entry does not hand out a shortened file."""
    cache = Cache(tmp_path)
    os.truncate(cache.store("k", _writer(b"x" * 1000)) / "data", 500)
    assert cache.lookup("k") is None


def test_failed_production_leaves_nothing(tmp_path: Path) -> None:
    """What the producer raises comes out, and neither an entry, a temporary folder, nor a lock stays."""
    cache = Cache(tmp_path)

    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise CompileError("no")

    with pytest.raises(CompileError, match="no"):
        cache.store("k", fail)
    assert list((tmp_path / "v1").iterdir()) == []


@pytest.mark.parametrize("locks", [True, False])
def test_many_builders_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locks: bool) -> None:
    """With file locks one of many builds and the others wait; without, all build and all end with one whole entry."""
    if not locks:
        monkeypatch.setattr(cache_module, "fcntl", None)
    built, found = [], []

    def produce(folder: Path) -> None:
        built.append(folder)
        time.sleep(0.05)
        (folder / "data").write_bytes(b"same")

    def work() -> None:
        found.append((Cache(tmp_path).store("k", produce) / "data").read_bytes())

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [b"same"] * 8
    assert len(built) == 1 if locks else len(built) > 1
    assert [path.name for path in (tmp_path / "v1").iterdir()] == ["k"]


def test_least_recently_used_go_first(tmp_path: Path) -> None:
    """Over the limit the entries not used for longest go; the one just stored and those just handed out stay."""
    cache = Cache(tmp_path, limit=5000)
    for number in range(4):
        entry = cache.store(f"k{number}", _writer(bytes(1000)))
        os.utime(entry, (1000 + number, 1000 + number))
    assert cache.lookup("k0") is not None
    cache.store("new", _writer(bytes(3000)))
    left = {path.name for path in (tmp_path / "v1").iterdir()}
    assert left == {"k0", "new"}
    assert cache.lookup("k1") is None
    assert cache.usage().entries == 2


def test_what_dead_processes_left_is_swept(tmp_path: Path) -> None:
    """Old temporary folders and locks go with the next scan; young ones belong to someone alive."""
    cache = Cache(tmp_path, limit=0)
    cache.store("k", _writer(b""))
    for name, age in ((".new-old", 7200), (".new-young", 0)):
        folder = tmp_path / "v1" / name
        folder.mkdir()
        os.utime(folder, (time.time() - age,) * 2)
    lock = tmp_path / "v1" / ".lock-old"
    lock.touch()
    os.utime(lock, (0, 0))
    cache.store("other", _writer(b""))
    assert {path.name for path in (tmp_path / "v1").iterdir()} == {"k", "other", ".new-young"}


@pytest.mark.parametrize("obstacle", ["a file in the way", "a folder that can't be made"])
def test_unusable_folder_falls_back_with_one_warning(tmp_path: Path, obstacle: str) -> None:
    """Without a usable folder everything still works in a private temporary one, and one warning says so."""
    (tmp_path / "file").touch()
    cache = Cache(tmp_path / "file" / "cache" if obstacle == "a file in the way" else Path("/proc/graphc/cache"))
    with pytest.warns(RuntimeWarning, match=r"can't be used .*GRAPHC_CACHE_DIR"):
        first = cache.store("a", _writer(b"a"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.store("b", _writer(b"b"))
    assert cache.lookup_bytes("a") == b"a"
    assert cache.lookup_bytes("b") == b"b"
    assert cache.writable() != ""
    temporary = first.parent.parent
    assert temporary.stat().st_mode & 0o777 == 0o700
    del cache
    assert not temporary.exists()


def _use_read_only_cache(folder: Path, answer: multiprocessing.Queue) -> None:
    if os.geteuid() == 0:  # nothing is read-only for the superuser
        os.setuid(65534)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cache = Cache(folder)
        old = cache.lookup_bytes("old")
        cache.store("new", _writer(b"new"))
        answer.put((old, cache.lookup_bytes("new"), len(caught)))


def test_read_only_folder_still_serves_what_it_has(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A folder that only may be read gives its entries; a new one goes to the temporary folder."""
    folder = tmp_path_factory.mktemp("readonly")
    Cache(folder).store("old", _writer(b"old"))
    paths = [folder, *folder.rglob("*")]
    opened = []
    if os.geteuid() == 0:
        for path in paths:
            os.chown(path, 65534, 65534)
        for parent in folder.parents:  # the temporary folders of the superuser are closed to others
            if not parent.stat().st_mode & 0o001:
                opened.append((parent, parent.stat().st_mode))
                parent.chmod(parent.stat().st_mode | 0o011)
    for path in reversed(paths):
        path.chmod(0o500 if path.is_dir() else 0o400)
    context = multiprocessing.get_context("fork")
    answer = context.Queue()
    process = context.Process(target=_use_read_only_cache, args=(folder, answer))
    process.start()
    result = answer.get(timeout=20)
    process.join()
    for path in paths:
        path.chmod(0o700 if path.is_dir() else 0o600)
    for parent, mode in opened:
        parent.chmod(mode)
    assert result == (b"old", b"new", 1)


def test_disk_that_fills_up_while_producing_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space while writing, be it our write or the compiler's, and the entry is produced in the temporary folder."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    tries = []

    def produce(folder: Path) -> None:
        tries.append(folder)
        if len(tries) == 1:
            raise CompileError("the compiler failed: no space left on device")
        (folder / "data").write_bytes(b"made")

    monkeypatch.setattr(cache_module, "_try_writing", full)
    cache = Cache(tmp_path)
    with pytest.warns(RuntimeWarning, match="No space left"):
        cache.store("k", produce)
    assert cache.lookup_bytes("k") == b"made"
    assert len(tries) == 2


def test_folder_that_others_may_write_is_not_trusted(tmp_path: Path) -> None:
    """A library is code: a cache that anybody may write to is neither read nor written."""
    Cache(tmp_path).store("k", _writer(b"k"))
    (tmp_path / "v1" / "k").chmod(0o777)
    assert Cache(tmp_path).lookup("k") is None
    tmp_path.chmod(0o777)
    with pytest.warns(RuntimeWarning, match="everyone may write"):
        Cache(tmp_path).store("other", _writer(b""))


def test_failed_sources_are_kept_but_not_for_ever(tmp_path: Path) -> None:
    """A source that did not compile can be looked at; only the last few stay."""
    cache = Cache(tmp_path)
    paths = [cache.keep_failed(f"p{number}.c", "text") for number in range(20)]
    assert paths[-1].read_text() == "text"
    assert len(list((tmp_path / "failed").iterdir())) == cache_module.KEPT_FAILURES


def test_failed_source_is_kept_also_without_a_cache(tmp_path: Path) -> None:
    """With no folder for the cache the text goes to a temporary file that stays."""
    (tmp_path / "file").touch()
    path = Cache(tmp_path / "file" / "cache").keep_failed("p.c", "text \udc80")
    assert path.read_bytes() == rb"text \udc80"
    path.unlink()
