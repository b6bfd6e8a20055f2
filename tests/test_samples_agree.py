"""Every sample program trains alike run eagerly and compiled: its losses agree step by step."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc as gc

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
# Single steps are computed in another order of summation, and training multiplies the difference: by how much a step.
AT_FIRST, GROWTH = 1e-4, 1.05
# At its learning rate the steps of a ResNet-20 multiply a difference a thousandfold: a rounding of its initial weights
# in float32 changes the fourth loss of an eager run in the third digit. It is trained in float64, and held to that.
RESNET_AT_FIRST, RESNET_GROWTH = 1e-13, 8.0

# How much of each sample runs: its own options, and the data cut where an epoch would take too long.
RUNS: dict[str, list[str]] = {
    "linear_regression": ["--steps", "60"],
    "mlp": ["--epochs", "1"],
    "lenet": ["--epochs", "1"],
    "resnet20": ["--epochs", "1"],
    "row_reader": ["--epochs", "1"],
    "char_gpt": ["--steps", "6"],
}
PICTURES = {"mlp": 1280, "lenet": 500, "resnet20": 80, "row_reader": 320}


def test_every_sample_is_run() -> None:
    """A new sample must be entered here."""
    programs = {path.stem for path in SAMPLES.glob("*.py")} - {"sample_tools"}
    assert programs == set(RUNS)


@pytest.mark.parametrize("name", RUNS)
def test_losses_agree(name: str, monkeypatch: pytest.MonkeyPatch, capsys: Any, request: pytest.FixtureRequest) -> None:
    """The loss curve of the compiled run is the eager run's, and so are the figures that it prints at its end."""
    monkeypatch.syspath_prepend(str(SAMPLES))
    program = importlib.import_module(name)
    if name == "resnet20":
        default = gc.get_default_dtype()
        gc.set_default_dtype(gc.float64)
        request.addfinalizer(lambda: gc.set_default_dtype(default))
        loader = program.DataLoader
        monkeypatch.setattr(
            program, "DataLoader", lambda dataset, batch_size, **options: loader(dataset, batch_size // 2, **options)
        )
    if name in PICTURES:
        whole = program.digits

        def in_default(tensor: gc.Tensor) -> gc.Tensor:
            return tensor.to(gc.get_default_dtype()) if tensor.is_floating_point() else tensor

        def part() -> tuple[Any, Any]:
            from graphc.utils.data import TensorDataset

            return tuple(
                TensorDataset(*[in_default(tensor[:count]) for tensor in dataset.tensors])
                for dataset, count in zip(whole(), (PICTURES[name], 40), strict=True)
            )

        monkeypatch.setattr(program, "digits", part)
    if name == "char_gpt":
        manual = program.python_manual
        monkeypatch.setattr(
            program, "python_manual", lambda: (lambda a, train, validation: (a, train, validation[:2100]))(*manual())
        )
    eager = program.main([*RUNS[name], "--eager"])
    said = capsys.readouterr().out.splitlines()
    compiled = program.main(RUNS[name])
    repeated = capsys.readouterr().out.splitlines()
    assert len(compiled) == len(eager) >= 5
    at_first, growth = (RESNET_AT_FIRST, RESNET_GROWTH) if name == "resnet20" else (AT_FIRST, GROWTH)
    allowed = at_first * growth ** np.arange(len(eager))
    error = np.abs(np.array(compiled) - eager) / np.maximum(np.abs(eager), 1e-3)
    worst = int(np.argmax(error / allowed))
    assert (error <= allowed).all(), f"step {worst}: {compiled[worst]} instead of {eager[worst]}"
    assert compiled[0] != compiled[-1]
    numbers = [[word for word in line.split() if any(c.isdigit() for c in word)] for line in (said[-1], repeated[-1])]
    assert len(numbers[0]) == len(numbers[1]) > 0
    sys.modules.pop(name)
