"""What goes wrong while a compiled function is built: a clear error or eager mode, as chosen, and nothing is lost."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from graphc.codegen.rematerialize import MemoryLimitError
from graphc.randomness.generator import default_generator
from graphc.runtime import CompileError, CompilerTimeout, LoadError, cache, native, toolchain
from tests.runtime.conftest import run_python, start_python

REAL = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")

# What a compiler may do to the program of a function called `step`, as shell text, the error, and what it says.
FAULTS = {
    "crashes": ("kill -SEGV $$", CompileError, "failed with signal 11"),
    "hangs": ("sleep 60", CompilerTimeout, "did not finish within 0.7 s"),
    "prints without end": ("exec yes 'step.c:1:1: warning: too long'", CompileError, "bytes and was stopped"),
    "prints one line without end": ("exec tr '\\0' x < /dev/zero", CompileError, "bytes and was stopped"),
    "makes garbage": ("echo no library > step.so", LoadError, "can't be loaded"),
    "makes nothing": ("exit 0", LoadError, "can't be loaded"),
    "makes another library": (
        f"echo 'int other;' > other.c; {REAL} -shared -fPIC -o step.so other.c",
        LoadError,
        "does not export graphc_run",
    ),
}


@pytest.fixture
def faulty(
    script: Callable[[str, str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """Sets what the compiler does to the program of `step`; an empty text mends it."""
    fault = tmp_path / "fault"
    fault.write_text("")
    compiler = script("cc", f'case "$*" in *step*.c*) . {fault};; esac\nexec {REAL} "$@"')
    monkeypatch.setenv("CC", str(compiler))
    # Not exec but an exit follows what is not the real compiler.
    return lambda text: fault.write_text(f"{text}\nexit 0\n" if text else "") and None


class Training:
    """A step with state of every kind: parameters, gradients, momentum, statistics, random numbers, its argument."""

    def __init__(self, **options: object) -> None:
        gc.manual_seed(5)
        self.net = gc.nn.Sequential(gc.nn.Linear(3, 4), gc.nn.BatchNorm1d(4), gc.nn.Dropout(0.4), gc.nn.Linear(4, 2))
        self.optimizer = gc.optim.SGD(self.net.parameters(), lr=0.01, momentum=0.9)
        self.x = gc.arange(15.0).reshape(5, 3).sin()

        def step(x: gc.Tensor) -> gc.Tensor:
            self.optimizer.zero_grad()
            loss = self.net(x).square().sum()
            loss.backward()
            self.optimizer.step()
            x.mul_(0.5)
            return loss

        self.step = gc.compile(step, **options) if options.pop("compiled", True) else step

    def state(self) -> list[np.ndarray]:
        gradients = [p.grad for p in self.net.parameters() if p.grad is not None]
        tensors = [*self.net.state_dict().values(), *gradients, self.x]
        return [t.detach().numpy().copy() for t in tensors] + [default_generator.buffer.copy()]


def same(found: list[np.ndarray], expected: list[np.ndarray], rtol: float = 0.0) -> bool:
    assert len(found) == len(expected)
    return all(np.allclose(a, b, rtol=rtol, atol=rtol) for a, b in zip(found, expected, strict=True))


def after(calls: int) -> tuple[list[float], list[np.ndarray]]:
    """The losses and the state of so many calls in eager mode."""
    training = Training(compiled=False)
    return [training.step(training.x).item() for _ in range(calls)], training.state()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_compiler_that_fails_is_told_and_changes_nothing(
    fault: str, faulty: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says what happened; parameters, gradients, arguments, and the generator are as before the call, which
    may be made again once the compiler is mended."""
    text, error, words = FAULTS[fault]
    training = Training()
    toolchain.find_toolchain()
    before = training.state()
    faulty(text)
    monkeypatch.setenv("GRAPHC_COMPILE_TIMEOUT", "0.7" if fault == "hangs" else "60")
    began = time.monotonic()
    with pytest.raises(error, match=words) as caught:
        training.step(training.x)
    assert time.monotonic() - began < 20
    assert len(str(caught.value)) < 10_000
    assert same(training.state(), before)
    faulty("")
    monkeypatch.setenv("GRAPHC_COMPILE_TIMEOUT", "60")
    losses = [training.step(training.x).item() for _ in range(3)]
    expected, state = after(3)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    assert same(training.state(), state, 1e-4)


@pytest.mark.parametrize("fault", ["crashes", "hangs", "makes garbage"])
def test_a_compiler_that_fails_leaves_eager_mode(
    fault: str, faulty: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ``fallback`` every call runs eagerly, with one warning at the user's line."""
    text, _, words = FAULTS[fault]
    training = Training(fallback=True)
    toolchain.find_toolchain()
    faulty(text)
    monkeypatch.setenv("GRAPHC_COMPILE_TIMEOUT", "0.7" if fault == "hangs" else "60")
    with pytest.warns(RuntimeWarning, match=words) as caught:
        losses = [training.step(training.x).item()]
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        losses += [training.step(training.x).item() for _ in range(2)]
    expected, state = after(3)
    assert losses == expected
    assert same(training.state(), state)


def test_a_backward_part_that_can_not_be_built_is_interpreted(faulty: Callable[[str], None]) -> None:
    """The forward program was built; its backward part, built at the first sweep, is carried out by numpy instead.
    Without ``fallback`` the sweep fails before anything is let go or added to a gradient: it may be made again."""

    def step(x: gc.Tensor) -> gc.Tensor:
        return (x.sin() * x).sum()

    x, w = gc.arange(6.0).requires_grad_(), gc.ones(2).requires_grad_()
    compiled = gc.compile(step, fallback=True)
    refusing = gc.compile(step)
    compiled(x), refusing(x)
    loss, other = compiled(x), refusing(x)
    faulty("exit 3")
    with pytest.warns(RuntimeWarning, match="exit status 3") as caught:
        loss.backward()
    assert caught[0].filename.endswith("test_builds.py")
    np.testing.assert_allclose(x.grad.numpy(), (x.cos() * x + x.sin()).detach().numpy(), rtol=1e-6)
    x.grad = None
    other = other * 1 + (w * 3).sum()
    for _ in range(2):
        with pytest.raises(CompileError, match="exit status 3"):
            other.backward()
        assert x.grad is None
        assert w.grad is None
    faulty("")
    other.backward()
    assert w.grad.tolist() == [3.0, 3.0]
    np.testing.assert_allclose(x.grad.numpy(), (x.cos() * x + x.sin()).detach().numpy(), rtol=1e-6)


def test_without_a_compiler_everything_runs_eagerly(no_compiler: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """One warning for all functions, at the user's line, names the command that installs one; nothing else differs."""
    monkeypatch.setattr("graphc.compiler._warned", set())
    training = Training()
    with pytest.warns(RuntimeWarning, match="run eagerly: no C compiler that works was found") as caught:
        losses = [training.step(training.x).item()]
    assert caught[0].filename == __file__
    assert toolchain.install_command() in str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        losses += [training.step(training.x).item() for _ in range(2)]
        assert gc.compile(lambda x: x + 1)(gc.zeros(2)).tolist() == [1.0, 1.0]
    expected, state = after(3)
    assert losses == expected
    assert same(training.state(), state)


def test_a_compiler_that_vanishes_after_the_forward_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """The backward part is carried out by numpy, with a warning; the forward program goes on."""
    x = gc.arange(4.0).requires_grad_()
    compiled = gc.compile(lambda x: (x.sin() * x).sum())
    compiled(x)
    loss = compiled(x)
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "ziglang", None)
    with pytest.warns(RuntimeWarning, match="no C compiler"):
        loss.backward()
    np.testing.assert_allclose(x.grad.numpy(), (x.cos() * x + x.sin()).detach().numpy(), rtol=1e-6)
    assert compiled(x).item() == loss.item()


def test_what_is_refused_after_the_recording_changes_nothing() -> None:
    """Call-outs under ``fullgraph``, and a limit of memory that can't be kept."""
    for options in ({"memory_limit": 1},):
        training = Training(**options)
        before = training.state()
        with pytest.raises(MemoryLimitError):
            training.step(training.x)
        assert same(training.state(), before)
    x = gc.arange(4.0).reshape(2, 2)

    @gc.compile(fullgraph=True)
    def step(x: gc.Tensor) -> gc.Tensor:
        return gc.linalg.inv(x.add_(1))

    with pytest.raises(gc.CaptureError, match="inv"):
        step(x)
    assert x.tolist() == [[0.0, 1.0], [2.0, 3.0]]


def library_of(compiled: object) -> Path:
    return compiled._newest.bound.executable.build.path


DAMAGES: dict[str, Callable[[Path], object]] = {
    "truncated": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: os.truncate(path, 0),
    "a bit flipped": lambda path: path.write_bytes(flipped(path.read_bytes())),
    "lost": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "without its manifest": lambda path: (path.parent / cache.MANIFEST).unlink(),
    "a manifest of nonsense": lambda path: (path.parent / cache.MANIFEST).write_text("{"),
    "writable by all": lambda path: path.parent.chmod(0o777),
}


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 16]) + data[middle + 1 :]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_program_is_built_again(
    damage: str, cache_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happened to its entry, the next process computes what eager mode computes."""

    def step(x: gc.Tensor) -> gc.Tensor:
        return (x * 3).sum()

    x = gc.arange(4.0)
    first = gc.compile(step)
    first(x)
    # A copy, as a file must not change that this process has loaded.
    copy = tmp_path / "copy"
    shutil.copytree(cache_directory, copy)
    DAMAGES[damage](copy / library_of(first).relative_to(cache_directory))
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(copy))
    second = gc.compile(step)
    assert [second(x).item(), second(x).item(), first(x).item()] == [18.0, 18.0, 18.0]
    assert library_of(second).is_relative_to(copy)
    assert not library_of(second).parent.stat().st_mode & 0o002


def test_a_library_lost_between_building_and_loading_is_built_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process may clear the cache at any moment."""
    right = native.build_library
    builds = []

    def build_and_lose(*arguments: object, **options: object) -> native.Build:
        build = right(*arguments, **options)
        if build.path.name == "step.so":
            builds.append(build)
            if len(builds) == 1:
                shutil.rmtree(build.path.parent)
        return build

    monkeypatch.setattr("graphc.codegen.executable.build_library", build_and_lose)

    @gc.compile
    def step(x: gc.Tensor) -> gc.Tensor:
        return x + 1

    assert step(gc.zeros(2)).tolist() == step(gc.zeros(2)).tolist() == [1.0, 1.0]
    assert len(builds) == 2


def test_a_cache_removed_while_running_is_made_again(cache_directory: Path) -> None:
    """Programs that are loaded go on; new ones are built."""
    programs = [gc.compile(lambda x, n=n: x * n) for n in (2, 3)]
    x = gc.arange(3.0)
    programs[0](x)
    shutil.rmtree(cache_directory)
    for program, n in zip(programs, (2, 3), strict=True):
        assert program(x).tolist() == program(x).tolist() == [0.0, n, 2.0 * n]
    assert (cache_directory / cache.ENTRIES).is_dir()


def test_no_room_anywhere_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither the cache nor a temporary folder takes a file, the error says so and nothing is lost."""
    training = Training()
    toolchain.find_toolchain()
    before = training.state()

    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with monkeypatch.context() as patches, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that of the temporary folder
        patches.setattr(cache, "write_private", full)
        patches.setattr(native, "write_private", full)
        with pytest.raises(
            CompileError, match=r"neither the cache nor a temporary folder takes a program.*No space left"
        ):
            training.step(training.x)
    assert same(training.state(), before)
    losses = [training.step(training.x).item() for _ in range(2)]
    np.testing.assert_allclose(losses, after(2)[0], rtol=1e-5)


STEP = """
import os, sys
import graphc as gc
gc.manual_seed(0)
w = gc.randn(4, 4).requires_grad_()
@gc.compile
def step(x):
    loss = (x @ w).tanh().square().sum()
    loss.backward()
    with gc.no_grad():
        w.sub_(w.grad, alpha=0.01)
        w.grad = None
    return loss
x = gc.ones(3, 4)
"""


def test_eight_processes_compile_one_function(
    script: Callable[[str, str], Path], tmp_path: Path, cache_directory: Path
) -> None:
    """All compute the same at the same time, the program is compiled once, and nothing unfinished stays."""
    log = tmp_path / "log"
    compiler = script("cc", f'echo "$*" >> {log}\nexec {REAL} "$@"')
    code = STEP + "print(*(step(x).item().hex() for _ in range(3)))"
    processes = [start_python(code, CC=str(compiler)) for _ in range(8)]
    results = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, results
    assert len({output for output, _ in results}) == 1
    assert all(not errors for _, errors in results)
    assert sum("step.c" in line for line in log.read_text().splitlines()) == 1
    left = [path.name for path in (cache_directory / cache.ENTRIES).iterdir()]
    assert not [name for name in left if name.startswith((cache.TEMPORARY, cache.LOCK))]


@pytest.fixture
def slow(script: Callable[[str, str], Path], tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A compiler that first says that it has begun, and waits as long as a file is there; and what says so."""
    begun, waits = tmp_path / "begun", tmp_path / "waits"
    body = (
        f'case "$*" in *step.c*) echo $$ > {begun}; while [ -e {waits} ]; do sleep 0.05; done;; esac\nexec {REAL} "$@"'
    )
    waits.touch()
    yield str(script("cc", body)), begun
    waits.unlink(missing_ok=True)


def wait_for(path: Path) -> None:
    until = time.monotonic() + 60
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_process_killed_while_building_is_in_nobodys_way(slow: tuple[str, Path], cache_directory: Path) -> None:
    """The next process neither waits for the dead one nor finds half a program."""
    compiler, begun = slow
    victim = start_python(STEP + "step(x)", CC=compiler)
    wait_for(begun)
    victim.kill()
    victim.communicate()
    (begun.parent / "waits").unlink()
    assert victim.returncode == -signal.SIGKILL
    began = time.monotonic()
    found = run_python(STEP + "print(step(x).item() > 0, step(x).item() > 0)", CC=compiler)
    assert found == "True True"
    assert time.monotonic() - began < 30
    kept = [path.name for path in (cache_directory / cache.ENTRIES).iterdir() if path.name.startswith(cache.TEMPORARY)]
    assert len(kept) <= 1  # what the dead process left; it is swept after an hour


INTERRUPTED = """
before = w.detach().clone()
try:
    step(x)
    print("not interrupted")
except KeyboardInterrupt:
    print("interrupted")
print((w == before).all().item(), w.grad is None)
os.unlink(sys.argv[1])
losses = [step(x).item() for _ in range(3)]
print(losses == sorted(losses, reverse=True), len(step.report().builds))
"""


@pytest.mark.parametrize("ending", ["interrupt", "failure"])
def test_compilers_side_by_side_end_together(ending: str, script: Callable[[str, str], Path], tmp_path: Path) -> None:
    """Of a program in several units: an interrupt, or one unit that fails, stops the compilers of all."""
    log = tmp_path / "log"
    fails = "exit 3" if ending == "failure" else "exec sleep 60"
    unit = f"echo $$ >> {log}; grep -q bad part.c && {{ sleep 0.3; {fails}; }}; exec sleep 60"
    compiler = script("cc", f'case "$*" in *part.c*) {unit};; esac\nexec {REAL} "$@"')
    found = toolchain.find_toolchain()
    slow = replace(found, command=(str(compiler), *found.command[1:]))
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    began = time.monotonic()
    parts = ("int one(void);", "int two(void);", "int bad(void);")
    if ending == "interrupt":
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            native.build_library("int whole;", name="step", toolchain=slow, parts=parts)
    else:
        native.build_library("int whole;", name="step", toolchain=slow, parts=parts)
    assert time.monotonic() - began < 30
    processes = log.read_text().split()
    assert len(processes) == 3
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(int(process), 0)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_an_interrupted_build_leaves_everything_as_it_was(slow: tuple[str, Path]) -> None:
    """Ctrl-C while the compiler runs: the compiler is gone, the step has not been taken, and can be."""
    compiler, begun = slow
    code = STEP + INTERRUPTED.replace("sys.argv[1]", repr(str(begun.parent / "waits")))
    process = start_python(code, CC=compiler)
    wait_for(begun)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert output.split("\n")[:3] == ["interrupted", "True True", "True 1"], errors
    with pytest.raises(ProcessLookupError):
        os.kill(int(begun.read_text()), 0)
    assert sys.platform == "win32" or process.returncode == 0
