"""Compiled functions under threads, forks, and signals."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import graphc as gc

ROOT = Path(gc.__path__[0]).parent


def run_python(code: str, timeout: float = 60) -> str:
    """What a Python process prints; one that hangs, or ends with a failure, fails the test."""
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_threads_make_their_first_calls_at_once() -> None:
    """Several kinds of arguments, each built once; values and gradients are those of eager mode for every thread."""
    calls = 6

    def plain(x: gc.Tensor, w: gc.Tensor) -> gc.Tensor:
        return (x @ w).tanh().sum()

    compiled = gc.compile(plain, dynamic=False)
    inputs = [(gc.randn(rows, 5), gc.randn(5, 4)) for rows in (1, 2, 3)]
    expected = []
    for x, w in inputs:
        w = w.clone().requires_grad_()
        plain(x, w).backward()
        expected.append((plain(x, w).item(), w.grad.numpy()))
    barrier = threading.Barrier(6)
    wrong: list[str] = []

    def work(number: int) -> None:
        try:
            barrier.wait()
            for call in range(calls):
                place = (number + call) % len(inputs)
                x, w = inputs[place][0], inputs[place][1].clone().requires_grad_()
                loss = compiled(x, w)
                loss.backward()
                np.testing.assert_allclose(loss.item(), expected[place][0], rtol=1e-5)
                np.testing.assert_allclose(w.grad.numpy(), expected[place][1], rtol=1e-4, atol=1e-5)
        except Exception as error:
            wrong.append(repr(error))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(compiled.report().builds) == len(inputs)


FORK_BESIDE_A_THREAD = """
import os, signal, threading, time
import graphc as gc
gc.manual_seed(0)
big, w = gc.randn(600, 600), gc.randn(600, 600).requires_grad_()

@gc.compile
def busy(x):
    return (x @ w @ w).dropout(0.5, True).sum() if hasattr(x, "dropout") else gc.nn.functional.dropout(x @ w @ w).sum()

@gc.compile
def small(x):
    return (x * 2 + gc.rand(3)).sum()

small(gc.ones(3)), busy(big)
stop = False

def train():
    while not stop:
        busy(big).backward()

thread = threading.Thread(target=train)
thread.start()
for number in range(6):
    time.sleep(0.02)
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        small(gc.ones(3))
        gc.randn(3)
        fresh = gc.compile(lambda x: x * (number + 3))
        ok = fresh(gc.ones(2)).tolist() == fresh(gc.ones(2)).tolist() == [number + 3.0] * 2
        busy(big[:, :]).backward()
        os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0, number
stop = True
thread.join()
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_beside_a_training_thread_can_compute() -> None:
    """Children forked while another thread is within a compiled call, its sweep, and its random numbers find every lock
    free: they call what was compiled, draw, and compile anew."""
    assert run_python(FORK_BESIDE_A_THREAD, timeout=150) == "done\n"


WORKERS = """
import graphc as gc
from graphc.utils.data import DataLoader, Dataset

@gc.compile
def prepare(x):
    return (x * 2).tanh()

class Rows(Dataset):
    def __len__(self):
        return 12
    def __getitem__(self, index):
        return prepare(gc.full((4,), float(index)))

w = gc.zeros(4).requires_grad_()
optimizer = gc.optim.SGD([w], lr=0.1)

@gc.compile
def step(x):
    optimizer.zero_grad()
    loss = (x - w).square().mean()
    loss.backward()
    optimizer.step()
    return loss

prepare(gc.zeros(4))
seen = []
for workers in (0, 2):
    for epoch in range(2):
        for batch in DataLoader(Rows(), batch_size=4, num_workers=workers):
            step(batch)
            seen.append(batch[:, 0].tolist())
print(seen[:3] == seen[3:6] == seen[6:9] == seen[9:12], w.detach().sum().item() > 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_worker_processes_call_compiled_functions() -> None:
    """A dataset whose items a compiled function makes, read by workers that were forked between compiled steps."""
    assert run_python(WORKERS) == "True True\n"


INTERRUPTED_CALLS = """
import signal, threading, os
import graphc as gc
gc.manual_seed(0)
w = gc.randn(300, 300).requires_grad_()
optimizer = gc.optim.SGD([w], lr=1e-4, momentum=0.9)

@gc.compile
def step(x):
    optimizer.zero_grad()
    loss = (x @ w @ w).square().mean()
    loss.backward()
    optimizer.step()
    return loss

x = gc.randn(300, 300)
step(x), step(x)
interrupts = 0
for _ in range(25):
    timer = threading.Timer(0.004, os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()  # on a loaded machine the signal may come before this returns
        while True:
            step(x)
    except KeyboardInterrupt:
        interrupts += 1
    timer.join()
results = []
other = threading.Thread(target=lambda: results.append(step(x).item()))  # every lock was given back
other.start()
other.join(20)
print(interrupts, len(results), bool(gc.isfinite(w).all()), len(step.report().builds))
"""


def test_interrupted_calls_leave_a_usable_function() -> None:
    """Ctrl-C at any moment of a step: later calls, in other threads too, go on with the same build."""
    assert run_python(INTERRUPTED_CALLS) == "25 1 True 1\n"
