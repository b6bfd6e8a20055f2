"""One expression evaluated with PyTorch and with graphc: the same values, or the same error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import graphc

Call = Callable[[Any], Any]


def outcome(call: Call, library: Any) -> tuple[str, Any]:
    """("error", (class name, message)) or ("value", what the call gives)."""
    try:
        return "value", call(library)
    except Exception as error:
        return "error", (type(error).__name__.lstrip("_"), str(error))


def assert_same_error(call: Call, torch: Any, words: int | None = None) -> None:
    """Both raise an error of one class, with one message (or its first ``words`` words)."""
    kind, expected = outcome(call, torch)
    assert kind == "error", f"PyTorch raises nothing and gives {expected}"
    kind, found = outcome(call, graphc)
    assert kind == "error", f"graphc raises nothing and gives {found}; PyTorch raises {expected}"
    assert found[0] == expected[0], f"graphc raises {found}, PyTorch {expected}"
    if words is None:
        assert found[1] == expected[1]
    else:
        assert found[1].split()[:words] == expected[1].split()[:words]


def assert_same_value(call: Call, torch: Any, tolerance: float = 0.0) -> None:
    """Both give equal values: tensors of equal dtype, shape, and elements, or equal Python objects."""
    kind, expected = outcome(call, torch)
    assert kind == "value", f"PyTorch raises {expected}"
    kind, found = outcome(call, graphc)
    assert kind == "value", f"graphc raises {found}; PyTorch gives {expected}"
    _compare(found, expected, tolerance)


def _compare(found: Any, expected: Any, tolerance: float) -> None:
    if hasattr(expected, "detach"):
        theirs = expected.detach().resolve_conj().numpy()
        ours = found.detach().numpy()
        assert ours.dtype == theirs.dtype, f"dtype {ours.dtype}, PyTorch's is {theirs.dtype}"
        assert ours.shape == theirs.shape, f"shape {ours.shape}, PyTorch's is {theirs.shape}"
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
    elif isinstance(expected, (tuple, list)) and not isinstance(expected, str):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            _compare(one, other, tolerance)
    else:
        assert found == expected
