from __future__ import annotations

import importlib.metadata
import sys

import pytest

from graphc.runtime import doctor
from graphc.runtime.doctor import Finding, diagnose, report
from graphc.runtime.toolchain import compile_flags, find_toolchain

SUBJECTS = {
    "compiler",
    "CPU",
    "cache",
    "threads",
    "Python",
    "numpy",
    "cffi",
    "jinja2",
    "networkx",
    "GPU",
    "nvcc",
    "pycuda",
}


def _by_subject() -> dict[str, Finding]:
    return {finding.subject: finding for finding in diagnose()}


def test_healthy_machine() -> None:
    """Everything is looked at; the compiler, its flags and the cache are named."""
    findings = _by_subject()
    assert set(findings) == SUBJECTS | {"flags", "OpenMP"}
    assert findings["compiler"].status == doctor.OK
    assert findings["flags"].detail.split() == list(compile_flags(find_toolchain()))
    assert "writable" in findings["cache"].detail
    assert {finding.status for finding in findings.values()} <= {doctor.OK, doctor.MISSING, doctor.NOTE}
    assert "pycuda" not in sys.modules


def test_machine_without_anything(no_compiler: None, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """No compiler, no tool, no package, no cache: all of it is reported, with the commands that mend it."""

    def nothing(package: str) -> str:
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(importlib.metadata, "version", nothing)
    monkeypatch.setitem(sys.modules, "pycuda", None)
    (tmp_path / "file").touch()
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path / "file"))
    findings = _by_subject()
    assert set(findings) == SUBJECTS
    assert findings["compiler"].status == doctor.MISSING
    assert findings["compiler"].mend
    assert findings["cache"].status == doctor.MISSING
    assert "GRAPHC_CACHE_DIR" in findings["cache"].mend
    assert findings["jinja2"] == Finding("jinja2", doctor.MISSING, "not installed", "pip install jinja2")
    assert findings["compiler"].mend in report()


def test_broken_part_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """An examination that raises becomes a finding."""
    monkeypatch.setenv("GRAPHC_CACHE_LIMIT_MB", "lots")
    findings = _by_subject()
    assert "GRAPHC_CACHE_LIMIT_MB='lots'" in findings["cache"].detail
    assert findings["numpy"].status == doctor.OK


def test_report_is_aligned() -> None:
    """Every line has its status in the same column, whatever the length of what stands before it."""
    lines = report().splitlines()
    column = max(len(finding.subject) for finding in diagnose()) + 2
    starts = [line for line in lines if not line.startswith(" ")]
    assert len(starts) == len(diagnose())
    assert all(line[column:].startswith((doctor.OK, doctor.MISSING, doctor.NOTE)) for line in starts)
