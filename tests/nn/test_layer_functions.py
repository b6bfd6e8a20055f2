"""Layers as functions of the top namespace, with the arguments of PyTorch's kernels, against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc

torch = pytest.importorskip("torch")


def leaves(value: Any) -> list[Any]:
    return [leaf for part in value for leaf in leaves(part)] if isinstance(value, (tuple, list)) else [value]


def outcome(library: Any, run: Callable[[Any], Any]) -> list[Any]:
    """The tensors that a call gives from one seed, or the class and first line of its error."""
    library.manual_seed(0)
    try:
        return leaves(run(library))
    except (RuntimeError, IndexError) as error:
        return [type(error).__name__, str(error).splitlines()[0]]


def assert_same(run: Callable[[Any], Any]) -> None:
    found, wanted = outcome(gc, run), outcome(torch, run)
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        if isinstance(theirs, str):
            assert ours == theirs
        else:
            assert str(ours.dtype) == str(theirs.dtype)
            np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-5, atol=1e-6)


LAYERS = {"lstm": ("LSTM", 2), "gru": ("GRU", 1), "rnn_tanh": ("RNN", 1)}


def first_states(t: Any, name: str, count: int) -> Any:
    states = tuple(t.randn(count, 3, 6) for _ in range(LAYERS[name][1]))
    return states if name == "lstm" else states[0]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("bidirectional", "batch_first", "bias"), [(0, 0, 1), (1, 1, 1), (0, 1, 0), (1, 0, 0)])
@pytest.mark.parametrize("name", LAYERS)
def test_recurrent_layers(name: str, bidirectional: int, batch_first: int, bias: int, packed: bool) -> None:
    """Two layers over padded and over packed sequences: outputs and last states from the weights of a module."""

    def run(t: Any) -> Any:
        layer = getattr(t.nn, LAYERS[name][0])(4, 6, 2, bidirectional=bool(bidirectional), bias=bool(bias))
        states = first_states(t, name, 4 if bidirectional else 2)
        last = (bool(bias), 2, 0.0, False, bool(bidirectional))
        if packed:
            rows = t.nn.utils.rnn.pack_padded_sequence(t.randn(5, 3, 4), [5, 3, 2])
            return getattr(t, name)(rows.data, rows.batch_sizes, states, layer._flat_weights, *last)
        x = t.randn(3, 5, 4) if batch_first else t.randn(5, 3, 4)
        return getattr(t, name)(x, states, layer._flat_weights, *last, bool(batch_first))

    assert_same(run)


def test_recurrent_layers_with_a_projection_and_without_a_state() -> None:
    """A fifth tensor of each layer projects its output; an LSTM has two states."""
    last = (True, 1, 0.0, False, False, False)
    assert_same(
        lambda t: t.lstm(
            t.randn(5, 3, 4),
            (t.zeros(1, 3, 5), t.zeros(1, 3, 6)),
            t.nn.LSTM(4, 6, proj_size=5)._flat_weights,
            *last,
        )
    )
    assert_same(lambda t: t.lstm(t.randn(5, 3, 4), (t.zeros(1, 3, 6),), t.nn.LSTM(4, 6)._flat_weights, *last))
    with pytest.raises(RuntimeError, match="1 layers of 1 directions take 4"):
        gc.gru(gc.randn(5, 3, 4), gc.zeros(1, 3, 6), gc.nn.GRU(4, 6)._flat_weights[:3], *last)


@pytest.mark.parametrize("name", ["gru_cell", "rnn_tanh_cell", "rnn_relu_cell", "lstm_cell"])
def test_recurrent_cells(name: str) -> None:
    """One step with biases and without; rows and states that don't fit are refused with PyTorch's words."""
    rows = {"gru_cell": 18, "lstm_cell": 24}.get(name, 6)

    def run(t: Any, inputs: int = 4, hidden: int = 6, sequences: int = 3, biases: bool = False) -> Any:
        state = t.randn(sequences, hidden)
        given = (state, t.randn(sequences, hidden)) if name == "lstm_cell" else state
        more = (t.randn(rows), t.randn(rows)) if biases else ()
        return getattr(t, name)(t.randn(3, inputs), given, t.randn(rows, 4), t.randn(rows, 6), *more)

    assert_same(run)
    assert_same(lambda t: run(t, biases=True))
    for wrong in ({"inputs": 5}, {"hidden": 5}, {"sequences": 2}):
        assert_same(lambda t, wrong=wrong: run(t, **wrong))


@pytest.mark.parametrize("padding", [None, 1])
@pytest.mark.parametrize("mode", [0, 1, 2])
def test_bags_of_embeddings(mode: int, padding: int | None) -> None:
    """The bags, and what PyTorch's backward pass reads, in all modes, with an empty bag."""

    def run(t: Any) -> Any:
        weight, offsets = t.arange(8.0).reshape(4, 2), t.tensor([0, 3, 3])
        more = () if padding is None else (None, False, padding)
        return t.embedding_bag(weight, t.tensor([0, 1, 3, 3]), offsets, False, mode, False, *more)

    assert_same(run)


def test_bags_of_embeddings_otherwise() -> None:
    """Where the last bag ends, weights of samples, and what is refused."""

    def run(t: Any, offsets: list[int], *arguments: Any) -> Any:
        return t.embedding_bag(t.arange(8.0).reshape(4, 2), t.tensor([0, 1, 3, 3]), t.tensor(offsets), *arguments)

    weights = [1.0, 2.0, 3.0, 4.0]
    assert_same(lambda t: run(t, [0, 3, 4], False, 0, False, None, True))
    assert_same(lambda t: run(t, [0, 3, 3], False, 0, False, t.tensor(weights)))
    assert_same(lambda t: run(t, [0, 3, 3], False, 1, False, t.tensor(weights)))
    assert_same(lambda t: run(t, [0, 3, 3], False, 5))


CONVOLUTIONS = (
    lambda t: t.convolution(t.randn(1, 2, 4), t.randn(3, 2, 2), None, [1], [0], [1], False, [0], 1),
    lambda t: t.convolution(t.randn(1, 2, 4, 4), t.randn(3, 2, 2, 2), t.randn(3), [2], [1], [1], False, [0], 1),
    lambda t: t.convolution(t.randn(1, 3, 4, 4), t.randn(3, 2, 2, 2), t.randn(2), [2, 2], [0, 0], [1], True, [1], 1),
    lambda t: t.convolution(t.randn(1, 4, 3, 3, 3), t.randn(4, 2, 2, 2, 2), None, [1], [0], [1], False, [0], 2),
    lambda t: t.convolution(t.randn(2, 4), t.randn(3, 2, 2), None, [1], [0], [1], False, [0], 1),
)


@pytest.mark.parametrize("number", range(len(CONVOLUTIONS)))
def test_convolutions_of_any_rank(number: int) -> None:
    """One function for all ranks, straight and transposed; an input of another rank is refused."""
    assert_same(CONVOLUTIONS[number])
