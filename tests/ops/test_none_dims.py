"""``dim=None`` that is written out: all dims where PyTorch takes it for them, a TypeError where it does not."""

from __future__ import annotations

from typing import Any

import pytest

import graphc as gc

NAMES = (
    *(
        "max",
        "min",
        "prod",
        "median",
        "nanmedian",
        "mode",
        "sum",
        "mean",
        "std",
        "var",
        "any",
        "all",
        "argmax",
        "argmin",
    ),
    *(
        "amax",
        "amin",
        "norm",
        "logsumexp",
        "nansum",
        "nanmean",
        "cumsum",
        "sort",
        "argsort",
        "count_nonzero",
        "squeeze",
    ),
)


def _outcome(t: Any, name: str) -> Any:
    try:
        return getattr(t, name)(t.tensor([[1.0, 5.0, 2.0], [4.0, 0.0, 6.0]]), dim=None).tolist()
    except TypeError:
        return TypeError


@pytest.mark.parametrize("name", NAMES)
def test_none_is_what_it_is_in_pytorch(name: str) -> None:
    """The same number, or the same class of error."""
    torch = pytest.importorskip("torch")
    expected, found = _outcome(torch, name), _outcome(gc, name)
    if expected is TypeError:
        assert found is TypeError
    else:
        assert found == pytest.approx(expected)


@pytest.mark.parametrize("name", ["max", "min", "prod", "median", "nanmedian", "squeeze"])
def test_left_out_it_is_all_dims(name: str) -> None:
    """The default stays what it was, by position too."""
    x = gc.tensor([[1.0], [3.0]])
    getattr(gc, name)(x)
    getattr(x, name)()
    with pytest.raises(TypeError, match="NoneType"):
        getattr(x, name)(None)
