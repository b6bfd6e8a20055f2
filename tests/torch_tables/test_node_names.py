"""What the nodes of results are called, over PyTorch's own table of operators."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("torch")
pytest.importorskip("expecttest", reason="PyTorch's tables need it")

from tests.torch_tables.node_names import differences, named_operators
from tests.torch_tables.operators import Missing, identity
from tests.torch_tables.test_operators import reason

SAMPLES = 3
OPERATORS = {identity(operator): operator for operator in named_operators()}

_OTHER_STEPS = "a composite whose last step is another one in PyTorch"
_OTHER_VIEW = "the last view of a composite is of another kind in PyTorch"
_HANDED_ON = "an input that need not change is handed on, with its own node"
_PARTS = "the results of one node in PyTorch; here some are computed apart"
_GENERATED = "PyTorch's node is made from the name of a kernel of its own"

# Operators, as regular expressions, whose nodes are called otherwise, and why that is left so.
DIFFERENCES: dict[str, str] = {
    r"__rsub__": _OTHER_STEPS,
    r"combinations": _OTHER_VIEW,
    r"corrcoef": "PyTorch's bounds are numbers for it alone",
    r"cov": _OTHER_VIEW,
    r"(cumulative_)?trapezoid|trapz": "PyTorch divides by a tensor of one number",
    r"diff": _HANDED_ON,
    r"einsum": _OTHER_STEPS,
    r"fft\.ihfft[2n]": _OTHER_STEPS,
    r"linalg\.(cond|matrix_power|tensorinv|vecdot)": _OTHER_VIEW,
    r"logdet": _OTHER_STEPS,
    r"nanquantile|quantile": _OTHER_VIEW,
    r"native_(batch|group)_norm": _PARTS,
    r"nn\.functional\.(ctc_loss|gaussian_nll_loss|poisson_nll_loss)": "with options that few programs set",
    r"nn\.functional\.dropout3d": _OTHER_VIEW,
    r"nn\.functional\.linear_cross_entropy/chunked.*": _GENERATED,
    r"nn\.functional\.max_unpool1d(/grad)?": _OTHER_VIEW,
    r"nn\.functional\.multi_head_attention_forward": _OTHER_STEPS,
    r"nn\.functional\.pad/circular": "PyTorch writes to parts of a copy",
    r"(pca|svd)_lowrank|svd": _OTHER_VIEW,
    r"special\.ndtr": _OTHER_STEPS,
    r"stft": _OTHER_VIEW,
    r"sum_to_size": _HANDED_ON,
    r"to": "a copy of the same dtype",
}


@pytest.mark.parametrize("name", OPERATORS)
def test_names(name: str) -> None:
    """The nodes of an operator's first samples are called as in PyTorch, or the table of differences says why not."""
    try:
        found = differences(OPERATORS[name], SAMPLES)
    except Missing:
        pytest.skip("not offered")
    known = reason(DIFFERENCES, name)
    if known is not None:
        assert found, f"no longer differs; take it out of the table of differences: {known}"
    else:
        assert found == []


def test_differences_name_operators() -> None:
    """Each entry of the table of differences stands for an operator that is tried."""
    for pattern in DIFFERENCES:
        assert any(re.fullmatch(pattern, name) for name in OPERATORS), pattern
