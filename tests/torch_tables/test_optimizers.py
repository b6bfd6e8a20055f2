"""PyTorch's own table of optimizers against graphc's."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("expecttest", reason="PyTorch's tables need it")

import torch

from tests.torch_tables.optimizers import check, check_errors, optimizers

OPTIMIZERS = {info.optim_cls.__name__: info for info in optimizers()}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_agrees_with_pytorch(name: str, dtype: str) -> None:
    """For every row of an optimizer's inputs: text, losses and parameters after some steps, state, and a state that
    another optimizer of graphc's goes on from."""
    assert check(OPTIMIZERS[name], getattr(torch, dtype)) == []


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_errors(name: str) -> None:
    """What PyTorch refuses to make an optimizer of is refused with its errors and words."""
    assert check_errors(OPTIMIZERS[name]) == []
