"""Programs from a user's notes print with graphc what they print with PyTorch, to the character."""

from __future__ import annotations

import importlib.util

import pytest

from tests.seeds.transcripts import (
    PROGRAMS,
    needs_torchvision,
    path_of,
    printed_by_graphc,
    printed_by_torch,
    transcript_of,
)

# What the notes themselves show of deterministic programs.
SHOWN = {
    "regression": ("tensor([[2.9668]], requires_grad=True)\ntensor([[2.1138]], requires_grad=True)",),
    "losses_and_optimizers": ("tensor(0.8533)\ntensor(0.8533)",),
    "own_layers": ("tensor([-2., -1.,  0.,  1.,  2.])",),
    "pools_and_views": ("torch.Size([20, 7, 24])", "torch.Size([20, 8, 24])", "torch.Size([3])"),
    "small_lenet": ("torch.Size([1, 6, 30, 30])", "torch.Size([1, 16, 6, 6])", "torch.Size([1, 576])", "10"),
    "vgg_models": (
        "Linear(in_features=4096, out_features=1000, bias=True)",
        "<class 'collections.OrderedDict'>",
        "features.28.bias\nclassifier.0.weight\nclassifier.0.bias\nclassifier.3.weight",
    ),
}


@pytest.fixture(scope="module")
def torch_prints() -> dict[str, str]:
    """What PyTorch prints for each program that it can run here; skips without it."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    return printed_by_torch()


@pytest.mark.parametrize("program", PROGRAMS)
def test_graphc_prints_the_transcript(program: str) -> None:
    """`graphc run --as-torch` of the program, every character but addresses."""
    if needs_torchvision(program) and "PIL" in path_of(program).read_text():
        pytest.importorskip("PIL")
    assert printed_by_graphc(program) == transcript_of(program).read_text(encoding="utf-8")


@pytest.mark.parametrize("program", [program for program in PROGRAMS if not needs_torchvision(program)])
def test_the_transcript_is_what_torch_prints(program: str, torch_prints: dict[str, str]) -> None:
    """The transcripts are PyTorch's own words."""
    assert torch_prints[program] == transcript_of(program).read_text(encoding="utf-8")


@pytest.mark.parametrize("program", SHOWN)
def test_what_the_notes_show_is_there(program: str) -> None:
    """Where a note shows the output of something that is not random, the transcript has it."""
    text = transcript_of(program).read_text(encoding="utf-8")
    for words in SHOWN[program]:
        assert words in text, f"{words!r} is not in {transcript_of(program).name}"
