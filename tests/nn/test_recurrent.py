"""Recurrent layers, cells, and packed sequences against PyTorch's."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import graphc as gc
from tests.nn.twins import assert_close, assert_same_error, assert_same_state, compare, given, normal, twins

torch = pytest.importorskip("torch")

KINDS: dict[str, Any] = {
    "rnn": lambda t, *a, **k: t.nn.RNN(*a, **k),
    "relu": lambda t, *a, **k: t.nn.RNN(*a, nonlinearity="relu", **k),
    "lstm": lambda t, *a, **k: t.nn.LSTM(*a, **k),
    "gru": lambda t, *a, **k: t.nn.GRU(*a, **k),
}
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"num_layers": 2, "bidirectional": True},
    {"num_layers": 3, "batch_first": True, "bias": False},
    {"num_layers": 2, "dropout": 0.4, "bidirectional": True},
)
CASES = [(kind, options) for kind, options in itertools.product(KINDS, OPTIONS)]
CASES += [("lstm", {"proj_size": 2}), ("lstm", {"proj_size": 3, "num_layers": 2, "bidirectional": True, "bias": False})]


def states(kind: str, options: dict[str, Any], *sequences: int) -> Any:
    """First states of 4 hidden values that fit the options."""
    count = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    hidden = normal(count, *sequences, options.get("proj_size", 4), seed=5)
    return (hidden, normal(count, *sequences, 4, seed=6)) if kind == "lstm" else hidden


@pytest.mark.parametrize(("kind", "options"), CASES, ids=str)
def test_layers(kind: str, options: dict[str, Any]) -> None:
    """Weights from one seed, text, outputs, last states, gradients, and second gradients are PyTorch's; dropout draws
    what PyTorch's draws."""
    make = lambda t: KINDS[kind](t, 3, 4, **options)  # noqa: E731
    x = normal(2, 5, 3) if options.get("batch_first") else normal(5, 2, 3)
    compare(make, [x], second=True)
    compare(make, [x, states(kind, options, 2)])


@pytest.mark.parametrize(("kind", "options"), CASES, ids=str)
def test_one_sequence_without_a_batch(kind: str, options: dict[str, Any]) -> None:
    """Input of two dimensions is one sequence; the states have two then."""
    make = lambda t: KINDS[kind](t, 3, 4, **options)  # noqa: E731
    compare(make, [normal(5, 3)])
    compare(make, [normal(5, 3), states(kind, options)])


@pytest.mark.parametrize("lengths", [[5, 3, 3, 1], [2, 5, 1, 5], [4]], ids=str)
@pytest.mark.parametrize(("kind", "options"), CASES, ids=str)
def test_packed_sequences(kind: str, options: dict[str, Any], lengths: list[int]) -> None:
    """Packed sequences of all lengths, in any order: every step, the last states in the order given, gradients."""
    first = options.get("batch_first", False)

    def call(t: Any, net: Any, x: Any, hx: Any = None) -> Any:
        packed = t.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=first, enforce_sorted=False)
        output, last = net(packed, hx)
        padded, counts = t.nn.utils.rnn.pad_packed_sequence(output, batch_first=first, padding_value=-1.0)
        assert counts.tolist() == lengths
        return output.data, output.batch_sizes, padded, last

    make = lambda t: KINDS[kind](t, 3, 4, **options)  # noqa: E731
    x = normal(len(lengths), 5, 3) if first else normal(5, len(lengths), 3)
    compare(make, [x], call)
    compare(make, [x, states(kind, options, len(lengths))], call)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
def test_cells(kind: str, bias: bool) -> None:
    """Cells: weights from one seed, text, next states, gradients, batched and not, with first states and without."""
    make = lambda t: getattr(t.nn, kind)(3, 4, bias=bias)  # noqa: E731
    two = (lambda *shape: (normal(*shape, seed=3), normal(*shape, seed=4))) if kind == "LSTMCell" else normal
    for x, hx in ((normal(2, 3), two(2, 4)), (normal(3), two(4))):
        compare(make, [x], second=True)
        compare(make, [x, hx])
    compare(lambda t: t.nn.RNNCell(3, 4, nonlinearity="relu"), [normal(2, 3)])


def test_a_layer_in_double() -> None:
    """Layers made in, or converted to, another dtype compute in it."""
    compare(lambda t: t.nn.LSTM(3, 4, 2, dtype=t.float64), [normal(5, 2, 3, dtype=np.float64)], tolerance=1e-12)
    compare(lambda t: t.nn.GRU(3, 4).double(), [normal(5, 2, 3, dtype=np.float64)], tolerance=1e-12)


def test_weights_are_listed_and_named_as_in_pytorch() -> None:
    """all_weights, _flat_weights, and the names in the state."""
    ours, theirs = twins(lambda t: t.nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2))
    assert_close(ours.all_weights, theirs.all_weights)
    assert_close(ours._flat_weights, theirs._flat_weights)
    assert ours._flat_weights_names == theirs._flat_weights_names
    ours.flatten_parameters()
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]


LAYER_ERRORS = {
    "dropout": lambda t: t.nn.LSTM(3, 4, dropout=1.5),
    "dropout is a bool": lambda t: t.nn.LSTM(3, 4, dropout=True),
    "bias": lambda t: t.nn.GRU(3, 4, bias=1),
    "batch_first": lambda t: t.nn.GRU(3, 4, batch_first=1),
    "input_size": lambda t: t.nn.GRU(3.0, 4),
    "input_size 0": lambda t: t.nn.GRU(0, 4),
    "hidden_size": lambda t: t.nn.GRU(3, "4"),
    "hidden_size 0": lambda t: t.nn.GRU(3, 0),
    "num_layers": lambda t: t.nn.GRU(3, 4, 0),
    "proj_size negative": lambda t: t.nn.LSTM(3, 4, proj_size=-1),
    "proj_size large": lambda t: t.nn.LSTM(3, 4, proj_size=4),
    "proj_size of gru": lambda t: t.nn.GRU(3, 4, proj_size=2),
    "proj_size of rnn": lambda t: t.nn.RNN(3, 4, proj_size=2),
    "nonlinearity": lambda t: t.nn.RNN(3, 4, nonlinearity="sigmoid"),
    "mode": lambda t: t.nn.RNNBase("XYZ", 3, 4),
    "rank of rnn": lambda t: t.nn.RNN(3, 4)(t.zeros(3)),
    "rank of lstm": lambda t: t.nn.LSTM(3, 4)(t.zeros(1, 1, 2, 3)),
    "rank of gru": lambda t: t.nn.GRU(3, 4)(t.zeros(3)),
    "width": lambda t: t.nn.GRU(3, 4)(t.zeros(5, 2, 4)),
    "dtype": lambda t: t.nn.GRU(3, 4)(t.zeros(5, 2, 3, dtype=t.float64)),
    "state": lambda t: t.nn.GRU(3, 4)(t.zeros(5, 2, 3), t.zeros(1, 3, 4)),
    "state rank": lambda t: t.nn.GRU(3, 4)(t.zeros(5, 2, 3), t.zeros(2, 4)),
    "state rank unbatched": lambda t: t.nn.RNN(3, 4)(t.zeros(5, 3), t.zeros(1, 1, 4)),
    "states": lambda t: t.nn.LSTM(3, 4)(t.zeros(5, 2, 3), (t.zeros(1, 2, 4), t.zeros(1, 2, 5))),
    "hidden": lambda t: t.nn.LSTM(3, 4)(t.zeros(5, 2, 3), (t.zeros(1, 2, 5), t.zeros(1, 2, 4))),
    "states rank": lambda t: t.nn.LSTM(3, 4)(t.zeros(5, 2, 3), (t.zeros(1, 2, 4), t.zeros(2, 4))),
    "states rank unbatched": lambda t: t.nn.LSTM(3, 4)(t.zeros(5, 3), (t.zeros(1, 1, 4), t.zeros(1, 4))),
    "no steps": lambda t: t.nn.LSTM(3, 4)(t.zeros(0, 2, 3)),
    "cell rank": lambda t: t.nn.GRUCell(3, 4)(t.zeros(1, 2, 3)),
    "cell hidden rank": lambda t: t.nn.RNNCell(3, 4)(t.zeros(2, 3), t.zeros(1, 2, 4)),
    "cell states rank": lambda t: t.nn.LSTMCell(3, 4)(t.zeros(2, 3), (t.zeros(2, 4), t.zeros(1, 2, 4))),
    "cell width": lambda t: t.nn.GRUCell(3, 4)(t.zeros(2, 4)),
    "cell sequences": lambda t: t.nn.GRUCell(3, 4)(t.zeros(2, 3), t.zeros(3, 4)),
    "cell hidden width": lambda t: t.nn.LSTMCell(3, 4)(t.zeros(2, 3), (t.zeros(2, 4), t.zeros(2, 5))),
    "cell nonlinearity": lambda t: t.nn.RNNCell(3, 4, nonlinearity="sigmoid")(t.zeros(2, 3)),
}


@pytest.mark.parametrize("name", LAYER_ERRORS)
def test_errors_of_layers(name: str) -> None:
    """Arguments, inputs, and states that don't fit raise PyTorch's errors, word for word."""
    assert_same_error(LAYER_ERRORS[name])


def test_dropout_of_one_layer_warns() -> None:
    """Dropout between layers where there is one layer is PyTorch's warning."""
    for t in (gc, torch):
        with pytest.warns(UserWarning, match="dropout option adds dropout after all but last recurrent layer"):
            t.nn.LSTM(3, 4, dropout=0.5)


# -- packing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [False, True])
def test_packing_and_padding(first: bool) -> None:
    """Packed data, batch sizes, orders; padded again with another value, length, and layout; unpadded."""
    lengths, x = [2, 4, 3, 4], normal(4, 6, 2, 3) if first else normal(6, 4, 2, 3)
    seen = []
    for t in (gc, torch):
        rnn = t.nn.utils.rnn
        packed = rnn.pack_padded_sequence(given(t, x), t.tensor(lengths), first, enforce_sorted=False)
        assert isinstance(packed, rnn.PackedSequence)
        padded = [rnn.pad_packed_sequence(packed, not first), rnn.pad_packed_sequence(packed, first, 7.0, 5)]
        parts = rnn.unpack_sequence(packed)
        parts += rnn.unpad_sequence(t.from_numpy(x), t.tensor(lengths), batch_first=True) if first else []
        seen.append((tuple(packed), padded, parts, packed.double().data))
    assert_close(*seen)


@pytest.mark.parametrize(
    "options", [{}, {"batch_first": True, "padding_value": 2.5}, {"padding_side": "left"}], ids=str
)
def test_pad_sequence(options: dict[str, Any]) -> None:
    """Sequences of different lengths become one tensor; gradients come back to each."""
    arrays = [normal(3, 2), normal(5, 2), normal(1, 2)]
    seen = []
    for t in (gc, torch):
        parts = [given(t, array) for array in arrays]
        padded = t.nn.utils.rnn.pad_sequence(parts, **options)
        (padded * padded).sum().backward()
        packed = t.nn.utils.rnn.pack_sequence(parts, enforce_sorted=False)
        seen.append((padded, [part.grad for part in parts], tuple(packed)))
    assert_close(*seen)


PACKING_ERRORS = {
    "order": lambda t: t.nn.utils.rnn.pack_padded_sequence(t.zeros(4, 2, 3), [2, 4]),
    "count": lambda t: t.nn.utils.rnn.pack_padded_sequence(t.zeros(4, 2, 3), [4, 3, 2]),
    "nothing": lambda t: t.nn.utils.rnn.pack_padded_sequence(t.zeros(4, 2, 3), [4, 0]),
    "empty": lambda t: t.nn.utils.rnn.pack_padded_sequence(t.zeros(0, 2, 3), [1, 1]),
    "no sequences": lambda t: t.nn.utils.rnn.pad_sequence([]),
    "no iterable": lambda t: t.nn.utils.rnn.pad_sequence(3),
    "side": lambda t: t.nn.utils.rnn.pad_sequence([t.zeros(1)], padding_side="top"),
    "total": lambda t: t.nn.utils.rnn.pad_packed_sequence(t.nn.utils.rnn.pack_sequence([t.zeros(3)]), total_length=2),
}


@pytest.mark.parametrize("name", PACKING_ERRORS)
def test_errors_of_packing(name: str) -> None:
    """Lengths that can't be are refused in PyTorch's words."""
    assert_same_error(PACKING_ERRORS[name])


# -- compiled --------------------------------------------------------------------------------------------------------


class Tagger(gc.nn.Module):
    """A recurrent layer and a linear one."""

    def __init__(self, kind: str, **options: Any):
        super().__init__()
        self.layer = KINDS[kind](gc, 3, 4, **options)
        self.head = gc.nn.Linear(4 * (2 if options.get("bidirectional") else 1), 2)

    def forward(self, x: Any) -> Any:
        return self.head(self.layer(x)[0])


@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "dropout": 0.3, "bidirectional": True}], ids=str)
@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_a_compiled_step_follows_the_eager_one(kind: str, options: dict[str, Any]) -> None:
    """Losses, weights, and gradients of a compiled training step are those of the eager one, dropout included."""
    results = []
    for compiled in (False, True):
        gc.manual_seed(0)
        net = Tagger(kind, **options)
        optimizer = gc.optim.Adam(net.parameters(), lr=0.05)

        def step(x: Any, y: Any, net: Any = net, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = gc.nn.functional.mse_loss(net(x), y)
            loss.backward()
            gc.nn.utils.clip_grad_norm_(net.parameters(), 0.5)
            optimizer.step()
            return loss.detach()

        step = gc.compile(step) if compiled else step
        losses = [step(gc.tensor(normal(5, 2, 3)), gc.tensor(normal(5, 2, 2, seed=9))).item() for _ in range(4)]
        results.append(
            (losses, [p.detach().numpy() for p in net.parameters()], [p.grad.numpy() for p in net.parameters()])
        )
    for mine, other in zip(*results, strict=True):
        for a, b in zip(mine, other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_packing_within_a_compiled_function() -> None:
    """With lengths as Python numbers, packed sequences compile; lengths among the inputs are refused with the line."""
    gc.manual_seed(0)
    net = gc.nn.GRU(3, 4, bidirectional=True)

    def last(x: Any, lengths: Any) -> Any:
        packed = gc.nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
        output, hidden = net(packed)
        return gc.nn.utils.rnn.pad_packed_sequence(output)[0].detach(), hidden.detach()

    compiled = gc.compile(last)
    x = gc.tensor(normal(5, 3, 3))
    for lengths in ((2, 5, 3), (5, 1, 1), (2, 5, 3)):
        for _ in range(2):
            for found, expected in zip(compiled(x, lengths), last(x, lengths), strict=True):
                np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)
    with pytest.raises(gc.CaptureError, match="pack_padded_sequence"):
        compiled(x, gc.tensor([2, 5, 3]))


def test_state_of_a_layer_goes_to_pytorch_and_back() -> None:
    """A state dict of PyTorch's LSTM, as arrays, is taken over."""
    ours, theirs = gc.nn.LSTM(3, 4, 2), torch.nn.LSTM(3, 4, 2)
    ours.load_state_dict({name: gc.from_numpy(value.numpy()) for name, value in theirs.state_dict().items()})
    assert_same_state(ours, theirs, ulps=0)


@pytest.mark.parametrize("options", [{}, {"bidirectional": True}, {"batch_first": True}, {"num_layers": 2}], ids=str)
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_names_of_nodes(kind: str, options: dict[str, Any]) -> None:
    """Outputs and states print with the nodes that they have in PyTorch, batched or not."""
    found = []
    for t in (gc, torch):
        layer = getattr(t.nn, kind)(3, 4, **options)
        names = []
        for shape in ((5, 2, 3), (5, 3)):
            output, states = layer(t.ones(shape))
            states = states if isinstance(states, tuple) else (states,)
            names.append([part.grad_fn.name() for part in (output, *states)])
        found.append(names)
    assert found[0] == found[1]
