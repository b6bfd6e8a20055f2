"""Windows of signals: values, dtypes, and errors are PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc

torch = pytest.importorskip("torch")

OPTIONS: dict[str, list[dict[str, Any]]] = {
    "exponential": [{}, {"tau": 2.5}, {"center": 3, "sym": False}],
    "gaussian": [{}, {"std": 3.0}],
    "general_cosine": [{"a": [0.4, 0.3, 0.2]}],
    "general_hamming": [{}, {"alpha": 0.6}],
    "kaiser": [{}, {"beta": 3.0}, {"beta": 0.0}],
}


@pytest.mark.parametrize("name", gc.signal.windows.__all__)
def test_windows_are_pytorchs(name: str) -> None:
    """All lengths, symmetric and periodic, in both dtypes."""
    import torch.signal

    for options in OPTIONS.get(name, [{}]):
        for sym in (False,) if "sym" in options else (True, False):
            for length in (0, 1, 2, 7, 10):
                for dtype, tolerance in (("float32", 2e-6), ("float64", 1e-12)):
                    given = {"sym": sym} | options
                    found = getattr(gc.signal.windows, name)(length, dtype=getattr(gc, dtype), **given)
                    expected = getattr(torch.signal.windows, name)(length, dtype=getattr(torch, dtype), **given)
                    assert str(found.dtype) == str(expected.dtype)
                    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=tolerance, err_msg=str(given))


@pytest.mark.parametrize(
    "call",
    [
        lambda T: T.signal.windows.hann(-1),
        lambda T: T.signal.windows.blackman(-1),
        lambda T: T.signal.windows.hann(3, dtype=T.float16),
        lambda T: T.signal.windows.gaussian(3, std=-1),
        lambda T: T.signal.windows.exponential(3, tau=-1),
        lambda T: T.signal.windows.exponential(3, center=3),
        lambda T: T.signal.windows.kaiser(3, beta=-1),
        lambda T: T.signal.windows.general_cosine(3, a=[]),
        lambda T: T.signal.windows.general_cosine(3, a=3),
    ],
)
def test_what_is_no_window_is_refused_as_in_pytorch(call: Any) -> None:
    """The class and the words of the error are PyTorch's."""
    import torch.signal

    with pytest.raises((TypeError, ValueError)) as expected:
        call(torch)
    with pytest.raises(type(expected.value)) as found:
        call(gc)
    assert str(found.value) == str(expected.value)
