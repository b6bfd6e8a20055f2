from __future__ import annotations

import threading

import numpy as np
import pytest

from graphc.runtime import threads
from graphc.runtime.errors import CompilerNotFound
from graphc.runtime.native import build_library
from graphc.runtime.program import NativeProgram
from graphc.runtime.toolchain import find_toolchain
from graphc.thread_count import get_num_threads, set_num_threads, setting
from tests.runtime.conftest import COUNT_TEAM, run_python

# Runs a program with a team, then products big enough for several BLAS threads, here and in a forked child.
FORK = f"""
import os, numpy as np
from graphc.runtime import NativeProgram, build_library, get_num_threads, quiet_numpy_threads, set_num_threads
set_num_threads(2)
program = NativeProgram(build_library({COUNT_TEAM!r}), 0, 0)
a = np.random.default_rng(0).random((300, 300))
expected = np.einsum("ij,jk->ik", a, a)
def check():
    print(program.run(), np.allclose(a @ a, expected), flush=True)
check()
child = os.fork()
if child == 0:
    check()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
check()
"""

PRODUCTS = f"""
import threading, numpy as np
from graphc.runtime import NativeProgram, build_library, quiet_numpy_threads, set_num_threads
set_num_threads(2)
program = NativeProgram(build_library({COUNT_TEAM!r}), 0, 0)
a = np.random.default_rng(0).random((300, 300))
expected = np.einsum("ij,jk->ik", a, a)
right = []
def work():
    for _ in range(10):
        program.run()
        right.append(np.allclose(a @ a, expected) and np.allclose(np.linalg.solve(a, expected), a))
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(right), all(right))
"""


@pytest.fixture(autouse=True)
def restored_setting():
    before = setting.count
    yield
    setting.count = before


def test_setting_reaches_the_next_run() -> None:
    """A program made before the change uses the new number from its next run on."""
    program = NativeProgram(build_library(COUNT_TEAM), 0, 0)
    teams = []
    for number in (1, 2, np.int64(3)):
        set_num_threads(number)
        assert get_num_threads() == number
        teams.append(program.run())
    assert teams == ([1, 2, 3] if find_toolchain().openmp else [1, 1, 1])


def test_team_and_products_survive_a_fork() -> None:
    """A forked child, which has no copy of the team's threads, still runs programs and products; so does its parent."""
    team = 2 if find_toolchain().openmp else 1
    assert run_python(FORK).splitlines() == [f"{team} True", "1 True", f"{team} True"]


@pytest.mark.parametrize("environment", [{}, {"OMP_THREAD_LIMIT": "1"}, {"OMP_DYNAMIC": "true"}])
def test_products_stay_right_beside_programs(environment: dict[str, str]) -> None:
    """numpy's products and solvers are right from three threads at once, also where OpenMP gives no full team."""
    assert run_python(PRODUCTS, **environment) == "30 True"


def test_numpy_is_quieted_once() -> None:
    """The answer is one of three and does not change; threads that ask at once get the same."""
    answers = []
    workers = [threading.Thread(target=lambda: answers.append(threads.quiet_numpy_threads())) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert set(answers) == {threads.quiet_numpy_threads()}
    assert answers[0] in threads.ANSWERS


def test_openblas_of_numpy_is_found_and_shares_threads() -> None:
    """Where numpy brings OpenBLAS and the compiler OpenMP, the two share their threads from the first program on."""
    code = "from graphc.runtime import threads as t; print(len(t.loaded_openblas()), t.quiet_numpy_threads())"
    found, _, answer = run_python(code).partition(" ")
    bundled = "openblas" in str(np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"])
    if bundled and find_toolchain().openmp:
        assert int(found) >= 1
        assert answer == threads.SHARES_THREADS
    else:
        assert answer in threads.ANSWERS


def test_what_every_program_needs_is_there_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the text made, no compiler is left to be asked about itself or to build the bridge to numpy's threads."""
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(threads, "_quiet_answer", None)
    with threads.building_ahead():
        pass

    def forbidden(*arguments: object, **keywords: object) -> str:
        raise AssertionError("a compiler is started")

    monkeypatch.setattr("graphc.runtime.toolchain.run_compiler", forbidden)
    monkeypatch.setattr("graphc.runtime.native.run_compiler", forbidden)
    assert threads.quiet_numpy_threads() in threads.ANSWERS
    assert find_toolchain().openmp


@pytest.mark.usefixtures("no_compiler")
def test_no_compiler_is_told_where_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Building ahead fails without a word."""
    monkeypatch.setattr(threads, "_quiet_answer", None)
    with threads.building_ahead():
        pass
    with pytest.raises(CompilerNotFound):
        find_toolchain()
