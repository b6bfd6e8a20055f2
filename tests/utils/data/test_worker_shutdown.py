"""However a program with workers ends, none of them outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="workers are tested where processes can be forked")

PRELUDE = """
import os, sys, time
import graphc as gc
from graphc.utils.data import DataLoader, Dataset

class Rows(Dataset):
    def __len__(self):
        return 1000
    def __getitem__(self, index):
        return gc.full((20_000,), float(index))

def note(worker):
    open(os.path.join(sys.argv[1], str(os.getpid())), "w").close()

def loader(**options):
    return DataLoader(Rows(), batch_size=2, num_workers=2, worker_init_fn=note, **options)

if __name__ == "__main__":
"""


def program(folder: Path, body: str) -> list[str]:
    """The command for a script that notes its workers in a folder."""
    path = folder / "script.py"
    path.write_text(PRELUDE + textwrap.indent(textwrap.dedent(body), "    "))
    (folder / "workers").mkdir()
    return [sys.executable, str(path), str(folder / "workers")]


def workers(folder: Path) -> list[int]:
    return [int(path.name) for path in (folder / "workers").iterdir()]


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def require_gone(folder: Path, count: int = 2) -> None:
    processes = workers(folder)
    # One that was told to end as soon as it was started has noted nothing.
    assert 1 <= len(processes) <= count
    latest = time.monotonic() + 30
    while any(map(alive, processes)) and time.monotonic() < latest:
        time.sleep(0.02)
    assert not [process for process in processes if alive(process)]


def wait_for_line(process: subprocess.Popen) -> None:
    assert process.stdout.readline().strip() == "ready"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("batches = iter(loader()); next(batches)", 0),
        ("kept = loader(persistent_workers=True); next(iter(kept))", 0),
        ("for batch in loader(): sys.exit(3)", 3),
        ("for batch in loader(): break", 0),
        ("me = iter(loader()); cycle = [me]; cycle.append(cycle); next(me); del me, cycle", 0),
        ("import threading; threading.Thread(target=lambda: next(iter(loader()))).start()", 0),
        ("next(iter(loader(multiprocessing_context='spawn')))", 0),
        ("next(iter(loader(multiprocessing_context='forkserver')))", 0),
    ],
)
def test_exit_leaves_no_worker(body: str, code: int, tmp_path: Path) -> None:
    """The interpreter ends, with its status and not a word, and its workers are gone."""
    done = subprocess.run(program(tmp_path, body), capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (code, "")
    require_gone(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_program_takes_its_workers_along(number: int, tmp_path: Path) -> None:
    """Whatever ends the program without a chance to clean up, its workers notice."""
    command = program(
        tmp_path,
        """
        one, other = iter(loader()), iter(loader())
        next(one), next(other)
        print("ready", flush=True)
        time.sleep(600)
        """,
    )
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        wait_for_line(process)
        process.send_signal(number)
        assert process.wait(60) == -number
    require_gone(tmp_path, count=4)


def test_an_interrupt_from_the_keyboard_is_one_traceback(tmp_path: Path) -> None:
    """The whole process group is interrupted, as a terminal does it: the program ends with one KeyboardInterrupt, that
    of the loop, and its workers end quietly."""
    command = program(
        tmp_path,
        """
        print("ready", flush=True)
        while True:
            for batch in loader():
                pass
        """,
    )
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        wait_for_line(process)
        while len(workers(tmp_path)) < 2:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        try:
            errors = process.communicate(timeout=60)[1]
        finally:
            process.kill()  # one that ends by itself has ended
    assert process.returncode == -signal.SIGINT
    assert errors.count("KeyboardInterrupt") == 1
    assert errors.count("Traceback") == 1
    processes = workers(tmp_path)
    require_gone(tmp_path, count=len(processes))


def test_an_interrupt_that_is_handled_leaves_the_workers_at_work(tmp_path: Path) -> None:
    """A program with a handler of its own finishes its pass."""
    command = program(
        tmp_path,
        """
        import signal
        asked = []
        signal.signal(signal.SIGINT, lambda *_: asked.append(1))
        batches = iter(loader())
        count = 1 + bool(next(batches) is None)
        print("ready", flush=True)
        while not asked:
            time.sleep(0.01)
        print(count + sum(1 for _ in batches))
        """,
    )
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        wait_for_line(process)
        os.killpg(process.pid, signal.SIGINT)
        assert process.communicate(timeout=60)[0].strip() == "500"
    require_gone(tmp_path)


def test_a_worker_that_will_not_end_is_ended(tmp_path: Path) -> None:
    """A worker that sleeps in the data set, with the termination signal blocked, is killed after a while."""
    done = subprocess.run(
        program(
            tmp_path,
            """
            import signal
            from graphc.utils.data._utils import pool
            pool._PATIENCE = 0.3
            class Stuck(Rows):
                def __getitem__(self, index):
                    if index:
                        signal.signal(signal.SIGTERM, signal.SIG_IGN)
                        time.sleep(600)
                    return index
            next(iter(DataLoader(Stuck(), batch_size=None, num_workers=1, worker_init_fn=note)))
            import multiprocessing
            print(len(multiprocessing.active_children()))
            """,
        ),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "0", "")
    require_gone(tmp_path, count=1)
