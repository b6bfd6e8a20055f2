"""``testing.assert_close`` accepts and refuses what PyTorch's does, in its words."""

from __future__ import annotations

from typing import Any

import pytest

import graphc as gc

torch = pytest.importorskip("torch")

NAN = float("nan")
# Each: what makes the two values with a library, and options.
CASES: list[tuple[Any, dict[str, Any]]] = [
    (lambda t: (t.tensor([1.0, 2, 3]), t.tensor([1.0, 2.1, 3])), {}),
    (lambda t: (t.tensor([1.0, 2, 3]), t.tensor([1.0, 2.1, 3])), {"rtol": 0.1, "atol": 0.0}),
    (lambda t: (t.tensor([1, 2]), t.tensor([1, 3])), {}),
    (lambda t: (t.ones(2), t.ones(3)), {}),
    (lambda t: (t.ones(2), t.ones(2, dtype=t.float64)), {}),
    (lambda t: (t.ones(2), t.ones(2, dtype=t.float64)), {"check_dtype": False}),
    (lambda t: (1.0, 1.1), {}),
    (lambda t: (1, 2), {}),
    (lambda t: ([t.ones(1)], [t.zeros(1)]), {}),
    (lambda t: ({"a": t.ones(1)}, {"a": t.zeros(1)}), {}),
    (lambda t: (t.tensor(1.0), t.tensor(2.0)), {}),
    (lambda t: (t.tensor([NAN]), t.tensor([NAN])), {}),
    (lambda t: (t.tensor([NAN]), t.tensor([NAN])), {"equal_nan": True}),
    (lambda t: ([1, 2], [1]), {}),
    (lambda t: (t.ones(2), t.ones(2) * 1.5), {"rtol": 0, "atol": 0.1}),
    (lambda t: (t.tensor([1.0, 2]).half(), t.tensor([1.0, 2.5]).half()), {}),
    (lambda t: (t.ones(1), t.zeros(1)), {"msg": "no"}),
    (lambda t: (t.tensor([1 + 1j]), t.tensor([1 + 2j])), {}),
    (lambda t: (t.tensor([True]), t.tensor([False])), {}),
    (lambda t: ("a", "b"), {}),
    (lambda t: (t.ones(1), t.ones(1)), {"rtol": 1.0}),
]


def outcome(library: Any, make: Any, options: dict[str, Any]) -> tuple[str, str]:
    """The class and the words of what a library's function raises."""
    try:
        library.testing.assert_close(*make(library), **options)
    except Exception as error:
        return type(error).__name__, str(error)
    return "", ""


@pytest.mark.parametrize("case", range(len(CASES)))
def test_the_outcome_is_pytorchs(case: int) -> None:
    """Accepted, or refused with the same class and message."""
    assert outcome(gc, *CASES[case]) == outcome(torch, *CASES[case])
