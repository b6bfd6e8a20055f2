"""PyTorch's own table of modules against graphc's."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("expecttest", reason="PyTorch's table of modules needs it")

import torch

from tests.torch_tables.modules import check, check_errors, modules

MODULES = {info.name: info for info in modules()}


@pytest.mark.parametrize("name", MODULES)
def test_module(name: str) -> None:
    """First values, text, attributes, state, results, buffers, and gradients are PyTorch's in both modes; copies and
    pickles give the same results."""
    assert check(MODULES[name], torch.float64, limit=8) == []


@pytest.mark.parametrize("name", [name for name, info in MODULES.items() if info.module_error_inputs_func])
def test_errors(name: str) -> None:
    """Arguments and inputs that PyTorch refuses are refused with its errors and words."""
    assert check_errors(MODULES[name]) == []
