"""Warnings are PyTorch's: the class, the first words, once where it says so once, and at the user's line."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import notices

CASES: dict[str, Callable[[Any], Any]] = {
    "mse_loss of two sizes": lambda t: t.nn.functional.mse_loss(t.ones(2, 3), t.ones(3)),
    "l1_loss of two sizes": lambda t: t.nn.functional.l1_loss(t.ones(2, 3), t.ones(3)),
    "grad of no leaf": lambda t: (t.ones(2, requires_grad=True) * 2).grad,
    "grad of a view": lambda t: t.ones(2, requires_grad=True)[0].grad,
    "grad of a leaf": lambda t: t.ones(2, requires_grad=True).grad,
    "tensor(tensor)": lambda t: t.tensor(t.ones(2)),
    "new_tensor(tensor)": lambda t: t.ones(2).new_tensor(t.ones(2)),
    "tensor of arrays": lambda t: t.tensor([np.ones(2), np.ones(2)]),
    "an array that is not writable": lambda t: t.from_numpy(np.frombuffer(b"abcd", dtype=np.uint8)),
    "a buffer that is not writable": lambda t: t.frombuffer(b"abcd", dtype=t.uint8),
    "softmax without dim": lambda t: t.nn.Softmax()(t.ones(2, 2)),
    "log_softmax without dim": lambda t: t.nn.functional.log_softmax(t.ones(2, 2)),
    "cholesky": lambda t: t.cholesky(t.eye(2)),
    "linalg.cholesky": lambda t: t.linalg.cholesky(t.eye(2)),
    "qr": lambda t: t.qr(t.eye(2)),
    "linalg.qr": lambda t: t.linalg.qr(t.eye(2)),
    "lu": lambda t: t.lu(t.eye(2)),
    "lu_factor": lambda t: t.linalg.lu_factor(t.eye(2)),
    "triangular_solve": lambda t: t.triangular_solve(t.ones(2, 1), t.eye(2)),
    "chain_matmul": lambda t: t.chain_matmul(t.eye(2), t.eye(2)),
    "multi_dot": lambda t: t.linalg.multi_dot([t.eye(2), t.eye(2)]),
    "meshgrid": lambda t: t.meshgrid(t.arange(2), t.arange(3)),
    "meshgrid with indexing": lambda t: t.meshgrid(t.arange(2), t.arange(3), indexing="ij"),
    "stft": lambda t: t.stft(t.ones(64), 16, return_complex=True),
    "istft": lambda t: t.istft(t.stft(t.ones(64), 16, return_complex=True), 16),
    "float of what wants a gradient": lambda t: float(t.ones(1, requires_grad=True)),
    "item of what wants a gradient": lambda t: t.ones(1, requires_grad=True).item(),
    "std of one": lambda t: t.ones(1).std(),
    "var of one": lambda t: t.ones(2, 1).var(1),
    "var_mean of one": lambda t: t.var_mean(t.ones(1)),
    "std of two": lambda t: t.ones(2).std(),
    "a volatile variable": lambda t: t.autograd.Variable(t.ones(1), volatile=True),
    "backward that is recorded": lambda t: (t.ones(2, requires_grad=True) ** 2).sum().backward(create_graph=True),
    "a mask of uint8": lambda t: t.ones(3)[t.ones(3, dtype=t.uint8)],
    "resize": lambda t: t.ones(4).resize(2, 2),
    "cuda.amp.autocast": lambda t: t.cuda.amp.autocast(),
    "cuda.amp.GradScaler": lambda t: t.cuda.amp.GradScaler(),
    "autocast('cuda')": lambda t: t.autocast("cuda"),
    "cpu.amp.autocast": lambda t: t.cpu.amp.autocast(),
    "autocast of float32": lambda t: t.autocast("cpu", dtype=t.float32),
    "checkpoint of no gradient": lambda t: t.utils.checkpoint.checkpoint(lambda x: x, t.ones(2), use_reentrant=True),
    "jit.trace": lambda t: t.jit.trace(t.nn.Identity(), t.ones(1)),
    "align_corners": lambda t: t.nn.functional.grid_sample(t.ones(1, 1, 2, 2), t.zeros(1, 2, 2, 2)),
    "upsample": lambda t: t.nn.functional.upsample(t.ones(1, 1, 2, 2), scale_factor=2),
    "a scheduler before its optimizer": lambda t: _schedule(t, 0),
    "a scheduler with an epoch": lambda t: _schedule(t, 3),
    "a dropout of one layer": lambda t: t.nn.LSTM(2, 3, dropout=0.5),
}
WORDS = 9


def _schedule(t: Any, epoch: int) -> None:
    optimizer = t.optim.SGD([t.ones(2, requires_grad=True)], lr=0.1)
    scheduler = t.optim.lr_scheduler.StepLR(optimizer, 1)
    if epoch:
        optimizer.step()
        scheduler.step(epoch)
    else:
        scheduler.step()


def _warned(case: str, t: Any) -> list[tuple[type[Warning], str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        CASES[case](t)
    # PyTorch's trace warns once more of each method that it traces, and some functions warn in each of their parts.
    told = [(each.category, str(each.message)) for each in caught if "trace_method" not in str(each.message)]
    return list(dict.fromkeys((category, " ".join(words.split()[:WORDS])) for category, words in told))


@pytest.mark.parametrize("case", CASES)
def test_pytorch_warns_in_these_words(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each case warns where PyTorch warns, of the same class, beginning with the same words."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    import torch
    import torch.utils.checkpoint

    monkeypatch.setattr(notices.switch, "always", True)
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    try:
        expected = _warned(case, torch)
    finally:
        torch.set_warn_always(before)
    assert _warned(case, gc) == expected


def test_some_warnings_are_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until set_warn_always asks for all of them."""
    monkeypatch.setattr(notices, "_said", set())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gc.cholesky(gc.eye(2))
        gc.cholesky(gc.eye(2))
        assert len(caught) == 1
        gc.set_warn_always(True)
        assert gc.is_warn_always_enabled()
        gc.cholesky(gc.eye(2))
        gc.set_warn_always(False)
    assert len(caught) == 2


def test_the_line_is_the_users() -> None:
    """However deep in the library a warning arises."""
    with pytest.warns(UserWarning, match="degrees of freedom") as caught:
        gc.ones(1).std()
    assert caught[0].filename == __file__


@pytest.mark.parametrize("name", ["solve", "symeig", "eig", "lstsq", "matrix_rank"])
def test_functions_that_pytorch_removed_say_what_is_in_their_place(name: str) -> None:
    """They are there, and raise."""
    with pytest.raises(RuntimeError, match=r"was deprecated since version .* and is now removed"):
        getattr(gc, name)(gc.eye(2))


def test_resize_keeps_the_number_of_elements() -> None:
    """The old method that is not in place."""
    with pytest.warns(UserWarning, match="non-inplace resize"):
        assert gc.arange(4).resize(2, 2).tolist() == [[0, 1], [2, 3]]
    with pytest.warns(UserWarning, match="non-inplace"), pytest.raises(RuntimeError, match="requested resize to 3 "):
        gc.arange(4).resize_as(gc.ones(3))
