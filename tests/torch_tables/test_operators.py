"""PyTorch's own table of operators: graphc gives its values, dtypes, shapes, gradients, and second gradients.

What is known to differ stands in :mod:`tests.torch_tables.differences` with its reason; an entry that no longer differs
fails too, so that the table stays true. ``python -m tests.torch_tables.report`` prints differences of more samples.
"""

from __future__ import annotations

import re

import pytest

pytest.importorskip("torch")
pytest.importorskip("expecttest", reason="PyTorch's table of operators needs it")

import torch

from tests.torch_tables.differences import ARBITRARY, DIFFERENCES, NOT_OFFERED
from tests.torch_tables.operators import Missing, check, identity, operators, own_function

SAMPLES = 3
WITH_GRADIENTS = "float64"
DTYPES = (WITH_GRADIENTS, "float32", "bfloat16", "int64", "bool", "complex128")

OPERATORS = operators()
CASES = [
    pytest.param(operator, name, id=f"{identity(operator)} {name}")
    for operator in OPERATORS
    for name in DTYPES
    if getattr(torch, name) in operator.supported_dtypes("cpu")
]


def reason(table: dict[str, str], name: str) -> str | None:
    """The reason that a table gives for a name."""
    return next((words for pattern, words in table.items() if re.fullmatch(pattern, name)), None)


@pytest.mark.parametrize(("operator", "dtype"), CASES)
def test_agrees_with_pytorch(operator: object, dtype: str) -> None:
    """The first samples of an operator: all that is compared agrees, or the table of differences says why not."""
    name = f"{identity(operator)} {dtype}"
    if reason(NOT_OFFERED, operator.name) is not None:
        pytest.skip("not offered")
    problems = check(operator, getattr(torch, dtype), SAMPLES, gradients=dtype == WITH_GRADIENTS)
    known = reason(DIFFERENCES, name)
    if known is not None:
        assert problems, f"no longer differs; take it out of the table of differences: {known}"
    elif reason(ARBITRARY, name) is None:
        assert not problems, "\n".join(["", *problems])


@pytest.mark.parametrize("pattern", NOT_OFFERED)
def test_what_is_not_offered_is_not_there(pattern: str) -> None:
    """Each entry names an operator of PyTorch's, and none that graphc has."""
    named = [operator for operator in OPERATORS if re.fullmatch(pattern, operator.name)]
    assert named, "PyTorch has no such operator"
    for operator in named:
        with pytest.raises(Missing):
            own_function(operator)


def test_differences_name_cases() -> None:
    """Each entry of the tables of differences stands for a case that is tried."""
    names = [case.id for case in CASES]
    for pattern in (*DIFFERENCES, *ARBITRARY):
        assert any(re.fullmatch(pattern, name) for name in names), pattern
