"""Functions of nn.functional beyond their samples: messages, tables changed in place, and PyTorch's gradients."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import notices

torch = pytest.importorskip("torch")

IMAGE, INDEX, TABLE = (2, 3, 4, 5), [1, 4, 1], (6, 3)


def _ctc(t: Any, inputs: Any = (6, 5), targets: Any = (2, 2), labels: Any = ((1, 2), (3, 3)), blank: int = 0) -> Any:
    scores = t.zeros(6, 2, 4)
    return t.nn.functional.ctc_loss(scores, t.tensor(labels), t.tensor(inputs), t.tensor(targets), blank)


def _bag(t: Any, offsets: Any = (0, 2), **options: Any) -> Any:
    given = None if offsets is None else t.tensor(offsets)
    return t.nn.functional.embedding_bag(t.tensor(INDEX), t.zeros(TABLE), given, **options)


# What is called, with PyTorch or graphc as the argument.
ERRORS: dict[str, Any] = {
    "no size": lambda t: t.nn.functional.interpolate(t.zeros(IMAGE)),
    "two sizes": lambda t: t.nn.functional.interpolate(t.zeros(IMAGE), 3, 2.0),
    "sizes": lambda t: t.nn.functional.interpolate(t.zeros(IMAGE), (1, 2, 3)),
    "scales": lambda t: t.nn.functional.interpolate(t.zeros(IMAGE), scale_factor=(1.0,)),
    "float size": lambda t: t.nn.functional.interpolate(t.zeros(IMAGE), (1.5, 2)),
    "corners of nearest": lambda t: t.nn.functional.interpolate(t.zeros(IMAGE), 3, align_corners=True),
    "smooth nearest": lambda t: t.nn.functional.interpolate(t.zeros(IMAGE), 3, antialias=True),
    "mode": lambda t: t.nn.functional.interpolate(t.zeros(IMAGE), 3, mode="cubic"),
    "rank of mode": lambda t: t.nn.functional.interpolate(t.zeros(IMAGE), 3, mode="trilinear"),
    "lanczos": lambda t: t.nn.functional.interpolate(t.zeros(IMAGE), 3, mode="lanczos"),
    "empty": lambda t: t.nn.functional.interpolate(t.zeros(IMAGE), 0),
    "integers": lambda t: t.nn.functional.interpolate(t.ones(IMAGE).long(), 3, mode="bilinear"),
    "channels": lambda t: t.nn.functional.pixel_shuffle(t.zeros(IMAGE), 2),
    "height": lambda t: t.nn.functional.pixel_unshuffle(t.zeros(IMAGE), 3),
    "factor": lambda t: t.nn.functional.pixel_shuffle(t.zeros(IMAGE), -1),
    "groups": lambda t: t.nn.functional.channel_shuffle(t.zeros(IMAGE), 2),
    "block": lambda t: t.nn.functional.unfold(t.zeros(IMAGE), 6),
    "block of three": lambda t: t.nn.functional.unfold(t.zeros(IMAGE), (2, 2, 2)),
    "stride of blocks": lambda t: t.nn.functional.unfold(t.zeros(IMAGE), 2, stride=0),
    "rows of blocks": lambda t: t.nn.functional.fold(t.zeros(1, 5, 9), (4, 4), 2),
    "number of blocks": lambda t: t.nn.functional.fold(t.zeros(1, 4, 8), (4, 4), 2),
    "odd pad": lambda t: t.nn.functional.pad(t.zeros(IMAGE), (1,)),
    "pad mode": lambda t: t.nn.functional.pad(t.zeros(IMAGE), (1, 1), "mirror"),
    "wide reflection": lambda t: t.nn.functional.pad(t.zeros(IMAGE), (5, 1, 0, 0), "reflect"),
    "wide circle": lambda t: t.nn.functional.pad(t.zeros(IMAGE), (6, 1, 0, 0), "circular"),
    "value of reflection": lambda t: t.nn.functional.pad(t.zeros(IMAGE), (1, 1, 1, 1), "reflect", 1.0),
    "pads of rank": lambda t: t.nn.functional.pad(t.zeros(IMAGE), (1, 1), "replicate"),
    "constant pad": lambda t: t.constant_pad_nd(t.zeros(IMAGE), (1,)),
    "grid mode": lambda t: t.nn.functional.grid_sample(t.zeros(IMAGE), t.zeros(2, 1, 1, 2), "cubic"),
    "grid border": lambda t: t.nn.functional.grid_sample(t.zeros(IMAGE), t.zeros(2, 1, 1, 2), "nearest", "edge"),
    "grid batch": lambda t: t.nn.functional.grid_sample(t.zeros(IMAGE), t.zeros(1, 1, 1, 2), align_corners=True),
    "grid width": lambda t: t.nn.functional.grid_sample(t.zeros(IMAGE), t.zeros(2, 1, 1, 3), align_corners=True),
    "affine size": lambda t: t.nn.functional.affine_grid(t.zeros(2, 2, 3), (2, 1, 3), True),
    "affine maps": lambda t: t.nn.functional.affine_grid(t.zeros(2, 3, 3), (2, 1, 3, 3), True),
    "bag without offsets": lambda t: _bag(t, None),
    "first offset": lambda t: _bag(t, (1, 2)),
    "last offset": lambda t: _bag(t, (0, 5)),
    "bag mode": lambda t: _bag(t, mode="min"),
    "bag weights": lambda t: _bag(t, per_sample_weights=t.zeros(3)),
    "bag weights' size": lambda t: _bag(t, mode="sum", per_sample_weights=t.zeros(2)),
    "bag padding": lambda t: _bag(t, padding_idx=6),
    "bag frequency": lambda t: _bag(t, mode="max", scale_grad_by_freq=True),
    "embedding of floats": lambda t: t.nn.functional.embedding(t.zeros(2), t.zeros(TABLE)),
    "embedding padding": lambda t: t.nn.functional.embedding(t.tensor(INDEX), t.zeros(TABLE), 6),
    "long input": lambda t: _ctc(t, inputs=(7, 5)),
    "long target": lambda t: _ctc(t, targets=(3, 2)),
    "negative length": lambda t: _ctc(t, targets=(2, -1)),
    "joined targets": lambda t: _ctc(t, labels=(1, 2, 3)),
    "blank": lambda t: _ctc(t, blank=4),
    "lengths": lambda t: _ctc(t, inputs=(6,)),
    "features": lambda t: t.nn.functional.linear_cross_entropy(t.zeros(2, 3), t.zeros(4, 5), t.tensor([0, 1])),
}


def _raised(call: Any, t: Any) -> tuple[str, str] | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            call(t)
        except Exception as error:
            return type(error).__name__, " ".join(str(error).split()[:6])
    return None


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    """What does not fit raises PyTorch's class of error, and begins with its words."""
    expected = _raised(ERRORS[name], torch)
    assert expected is not None
    assert _raised(ERRORS[name], gc) == expected


def test_sparse_gradients_are_dense(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that asks for sparse ones gets the same numbers, and is told."""
    table = gc.ones(TABLE, requires_grad=True)
    monkeypatch.setattr(notices.switch, "always", True)
    with pytest.warns(UserWarning, match="the gradient is dense"):
        found = gc.nn.functional.embedding(gc.tensor(INDEX), table, sparse=True)
    found.sum().backward()
    plain = gc.ones(TABLE, requires_grad=True)
    gc.nn.functional.embedding(gc.tensor(INDEX), plain).sum().backward()
    assert gc.equal(table.grad, plain.grad)


@pytest.mark.parametrize("compiled", [False, True])
def test_long_rows_are_shortened_in_the_table(compiled: bool) -> None:
    """max_norm changes the rows that are named, without a gradient, and leaves the others: eagerly and compiled."""
    rows = np.random.default_rng(0).standard_normal(TABLE).astype(np.float32) * 3
    found = []
    for t in (torch, gc):
        table = t.from_numpy(rows.copy()).requires_grad_()

        def lookup(index: Any, t: Any = t, table: Any = table) -> Any:
            return t.nn.functional.embedding(index, table, max_norm=1.0, norm_type=1.5)

        run = gc.compile(lookup) if compiled and t is gc else lookup
        result = run(t.tensor(INDEX))
        result.sum().backward() if not (compiled and t is gc) else None
        found.append((result.detach().numpy(), table.detach().numpy()))
    for own, expected in zip(found[1], found[0], strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-6)
    assert (found[1][1][[0, 2, 3, 5]] == rows[[0, 2, 3, 5]]).all()
    assert not (found[1][1][[1, 4]] == rows[[1, 4]]).any()


def test_frequent_rows_share_their_gradient() -> None:
    """With scale_grad_by_freq a row named twice gets the mean of its cotangents."""
    gradients = []
    for t in (torch, gc):
        table = t.zeros(TABLE).requires_grad_()
        weights = t.arange(9.0).reshape(3, 3)
        (t.nn.functional.embedding(t.tensor(INDEX), table, scale_grad_by_freq=True) * weights).sum().backward()
        gradients.append(table.grad.numpy())
    np.testing.assert_array_equal(gradients[1], gradients[0])


def test_gradient_of_alignments() -> None:
    """The gradient of ctc_loss is PyTorch's, also where nothing can be aligned, and has itself no derivative."""
    scores = np.random.default_rng(0).standard_normal((8, 3, 5))
    for zero_infinity in (False, True):
        gradients = []
        for t in (torch, gc):
            given = t.from_numpy(scores.copy()).requires_grad_()
            labels = t.tensor([[1, 2, 2], [3, 1, 0], [4, 4, 4]])
            lengths = (t.tensor([8, 7, 4]), t.tensor([3, 0, 3]))
            loss = t.nn.functional.ctc_loss(
                given.log_softmax(-1), labels, *lengths, reduction="sum", zero_infinity=zero_infinity
            )
            loss.backward()
            gradients.append(given.grad.numpy())
        np.testing.assert_allclose(gradients[1], gradients[0], rtol=1e-9, atol=1e-12)
    given = gc.from_numpy(scores.copy()).requires_grad_()
    loss = gc.nn.functional.ctc_loss(given, gc.tensor([[1], [2], [3]]), (8, 8, 8), (1, 1, 1))
    (gradient,) = gc.autograd.grad(loss, given, create_graph=True)
    with pytest.raises(RuntimeError, match="derivative for aten::_ctc_loss_backward is not implemented"):
        gradient.sum().backward()


def test_random_slopes_are_those_of_pytorch() -> None:
    """rrelu in training draws PyTorch's slopes for one seed and as many numbers, compiled too."""
    x = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32)
    torch.manual_seed(3)
    expected = torch.nn.functional.rrelu(torch.from_numpy(x), 0.1, 0.4, True).numpy()
    gc.manual_seed(3)
    found = gc.nn.functional.rrelu(gc.from_numpy(x), 0.1, 0.4, True).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert gc.rand(1).item() == torch.rand(1).item()
    compiled = gc.compile(lambda value: gc.nn.functional.rrelu(value, 0.1, 0.4, True))
    for _ in range(2):
        gc.manual_seed(3)
        np.testing.assert_array_equal(compiled(gc.from_numpy(x)).numpy(), found)
