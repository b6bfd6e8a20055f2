"""Saving is all or nothing: under kills, full disks, and errors."""

import os
import random
import resource
import subprocess
import sys
import time

import pytest

import graphc
from graphc.serialization import atomic_file
from graphc.serialization.atomic_file import replacing

SAVER = """
import sys
import graphc
from graphc.serialization import atomic_file
path = sys.argv[1]
if sys.argv[2] == "named":
    atomic_file._nameless = lambda folder: (None, None)
states = [{"value": graphc.full((200_000,), float(number)), "number": number} for number in (1, 2)]
print("ready", flush=True)
while True:
    for state in states:
        graphc.save(state, path)
"""

FULL_DISK = """
import resource, sys
import graphc
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    graphc.save(graphc.zeros(200_000), sys.argv[1])
except OSError as error:
    print("refused", error.errno)
"""


@pytest.mark.parametrize("way", ["nameless", "named"])
def test_a_kill_leaves_the_old_file_or_the_new(tmp_path, way):
    """A process that saves without end is killed at random moments, on file systems with and without files that have no
    name: the file is whole each time, and the next save leaves nothing of the killed ones beside it."""
    path = tmp_path / "x.pth"
    chance = random.Random(7)
    seen = set()
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", SAVER, str(path), way], stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"ready\n"
        deadline = time.monotonic() + 20
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(chance.uniform(0.0, 0.08))
        process.kill()
        process.communicate()
        loaded = graphc.load(path)
        assert (loaded["value"].numpy() == loaded["number"]).all()
        seen.add(loaded["number"])
    assert seen <= {1, 2}
    (tmp_path / ".x.pth.12345678.partial").write_bytes(b"left behind")
    graphc.save([], path)
    assert os.listdir(tmp_path) == ["x.pth"]


def test_what_is_being_written_is_not_taken_for_left_behind(tmp_path, monkeypatch):
    """Another save to the same file while one is under way leaves that one's temporary file alone."""
    monkeypatch.setattr(atomic_file, "_nameless", lambda folder: (None, None))
    path = tmp_path / "x"
    with replacing(path) as file:
        file.write(b"first")
        with replacing(path) as other:
            other.write(b"second")
    assert path.read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["x"]


def test_a_disk_that_fails_leaves_the_old_file(tmp_path):
    """A write that the system refuses half way raises OSError, keeps the old content, and leaves nothing beside it."""
    path = tmp_path / "x.pth"
    graphc.save([1, 2], path)
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("refused")
    assert graphc.load(path) == [1, 2]
    assert os.listdir(tmp_path) == ["x.pth"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 100_000


def test_an_error_within_the_block(tmp_path):
    """Whatever the block raises, the old content stays and the temporary file goes."""
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def write():
        with replacing(path) as file:
            file.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x"]


def test_modes_links_and_devices(tmp_path):
    """A new file has the usual mode, an old one keeps its own; a link stays one; a device is written to."""
    with replacing(tmp_path / "new") as file:
        file.write(b"x")
    (tmp_path / "plain").write_bytes(b"x")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode
    os.chmod(tmp_path / "plain", 0o640)
    os.symlink(tmp_path / "plain", tmp_path / "link")
    with replacing(tmp_path / "link") as file:
        file.write(b"y")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "plain").read_bytes() == b"y"
    assert (tmp_path / "plain").stat().st_mode & 0o777 == 0o640
    graphc.save([1], "/dev/null")
    for error in (FileNotFoundError, RuntimeError):
        with pytest.raises(error, match=r"Parent directory .*no folder does not exist"):
            graphc.save([1], tmp_path / "no folder" / "x")
        with pytest.raises(IsADirectoryError if error is FileNotFoundError else error, match="Is a directory"):
            graphc.save([1], tmp_path)
