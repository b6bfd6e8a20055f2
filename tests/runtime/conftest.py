"""A cache of its own for every test, small programs, and compilers that log what they are asked."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import graphc
from graphc.runtime import toolchain

ROOT = Path(graphc.__path__[0]).parent

ADD_ONE = r"""
#include <stdint.h>

int64_t graphc_run(void *const *buffers, const int64_t *extents, unsigned char *arena, int64_t threads, int64_t *error);

/* buffers[1][i] = buffers[0][i] + 1 by way of the arena; error code 7 when extents[0] is over 1000. */
int64_t graphc_run(
    void *const *buffers, const int64_t *extents, unsigned char *arena, int64_t threads, int64_t *error) {
    const float *input = buffers[0];
    float *scratch = (float *)arena;
    float *output = buffers[1];
    (void)threads;
    if (extents[0] > 1000) {
        error[0] = 3;
        error[1] = extents[0];
        error[2] = 1000;
        return 7;
    }
    for (int repeat = 0; repeat < 50; repeat++) {
        for (int64_t i = 0; i < extents[0]; i++) {
            scratch[i] = input[i];
        }
    }
    for (int64_t i = 0; i < extents[0]; i++) {
        output[i] = scratch[i] + 1.0f;
    }
    return 0;
}
"""

COUNT_TEAM = r"""
#include <stdint.h>

int64_t graphc_run(void *const *buffers, const int64_t *extents, unsigned char *arena, int64_t threads, int64_t *error);

/* Returns how many threads a parallel region had. */
int64_t graphc_run(
    void *const *buffers, const int64_t *extents, unsigned char *arena, int64_t threads, int64_t *error) {
    int64_t team = 0;
    (void)buffers, (void)extents, (void)arena, (void)threads, (void)error;
#pragma omp parallel num_threads((int)threads) reduction(+ : team)
    team += 1;
    return team;
}
"""


@pytest.fixture(autouse=True)
def cache_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh cache folder, and nothing remembered about compilers beyond it."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(folder))
    monkeypatch.setattr(toolchain, "_found", {})
    return folder


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str, str], Path]:
    """Makes an executable shell script: ``script(name, body)``."""

    def make(name: str, body: str) -> Path:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without any C compiler."""
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "ziglang", None)


def start_python(code: str, **environment: str) -> subprocess.Popen:
    """Starts a Python process that can import graphc; warnings are shown."""
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_python(code: str, **environment: str) -> str:
    """What a Python process prints; fails the test when the process fails."""
    process = start_python(code, **environment)
    try:
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()  # one that hangs must not outlive its test
    assert process.returncode == 0, errors
    return output.strip()
