"""An operand or a result that PyTorch's backward pass needs was overwritten: graphc says so where PyTorch does.

What differs stands in a table with its reason; an entry that no longer differs fails.
"""

from __future__ import annotations

import re

import pytest

pytest.importorskip("torch")
pytest.importorskip("expecttest", reason="PyTorch's table of operators needs it")

import torch

from tests.torch_tables.differences import NOT_OFFERED
from tests.torch_tables.in_place import check
from tests.torch_tables.operators import identity, operators

_OPERAND = "graphc's rule reads the operand, PyTorch's the result or a copy that it makes on the way"
_RESULT = "graphc's rule reads the result, PyTorch's the operand"
_BETWEEN = "PyTorch's composition saves what graphc's does not need"
_PACKED = "results that graphc packs in one: a write to one is a write to all, or to none that is saved"

# Operators, as regular expressions.
DIFFERENCES: dict[str, str] = {
    r"nn\.functional\.linear_cross_entropy/chunked": _OPERAND,
    r"nn\.functional\.(instance_norm|scaled_dot_product_attention|multi_head_attention_forward)": _OPERAND,
    r"(linalg\.)?qr|linalg\.(cond|eigvalsh|svdvals)|norm/nuc": _OPERAND,
    r"polar|kron|ldexp|frexp": _OPERAND,
    r"erfinv|logit": _RESULT,
    r"combinations|cholesky_solve|stft|nn\.functional\.(bilinear|embedding_bag)": _BETWEEN,
    r"linalg\.vander|special\.log_ndtr": _BETWEEN,
    r"std_mean(/unbiased)?|native_(group|layer)_norm|linalg\.(lstsq(/grad_oriented)?|slogdet|lu)": _PACKED,
    r"triangular_solve": _PACKED,
    r"(native|nn\.functional\.)_?batch_norm": "PyTorch saves the running statistics also where it does not read them",
    r"repeat_interleave": "graphc gives a stretched view where PyTorch copies",
    r"linalg\.eig": "PyTorch's backward refuses this sample for another reason",
}

OPERATORS = [
    pytest.param(operator, id=identity(operator))
    for operator in operators()
    if operator.supports_autograd
    and torch.float64 in operator.supported_backward_dtypes("cpu")
    and not any(re.fullmatch(pattern, operator.name) for pattern in NOT_OFFERED)
]


@pytest.mark.parametrize("operator", OPERATORS)
def test_overwritten_values_are_noticed_as_in_pytorch(operator: object) -> None:
    """Each operand and result of the first sample is written to before the backward pass: it raises where PyTorch's
    does, and nowhere else."""
    problems = check(operator)
    known = next((why for pattern, why in DIFFERENCES.items() if re.fullmatch(pattern, identity(operator))), None)
    if known is not None:
        assert problems, f"no longer differs; take it out of the table: {known}"
    else:
        assert not problems, "\n".join(["", *problems])
