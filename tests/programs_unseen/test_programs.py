"""Programs that were written for PyTorch print with graphc what they print with it, to the character."""

from __future__ import annotations

import importlib.util

import pytest

from tests.programs_unseen.transcripts import PROGRAMS, printed_by_graphc, printed_by_torch, transcript_of


@pytest.mark.parametrize("program", PROGRAMS)
def test_graphc_prints_the_transcript(program: str) -> None:
    """`graphc run --as-torch` of the program, every character but addresses."""
    assert printed_by_graphc(program) == transcript_of(program).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def torch_prints() -> dict[str, str]:
    """What PyTorch prints for each program; skips without it."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    return printed_by_torch()


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_transcript_is_what_torch_prints(program: str, torch_prints: dict[str, str]) -> None:
    """The transcripts are PyTorch's own words."""
    assert torch_prints[program] == transcript_of(program).read_text(encoding="utf-8")
