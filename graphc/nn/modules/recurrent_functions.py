"""Recurrent layers as functions of their weights, as PyTorch's top namespace has them.

The names are those of ``torch.lstm`` and its like, which the modules of PyTorch call and which have no page of their
own; what they compute is that of https://docs.pytorch.org/docs/stable/nn.html#recurrent-layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphc import functional as F
from graphc.nn.modules.recurrent_steps import STEPS, States, Weights, stacked
from graphc.nn.utils.rnn import sizes_of
from graphc.ops.functions.shaping import stack
from graphc.tensor import Tensor

__all__ = ["gru", "gru_cell", "lstm", "lstm_cell", "rnn_relu", "rnn_relu_cell", "rnn_tanh", "rnn_tanh_cell"]


def lstm(input: Tensor, *arguments: Any, **keywords: Any) -> tuple[Tensor, Tensor, Tensor]:
    """A long short-term memory of several layers: all outputs, the last hidden states, and the last cell states.

    ``lstm(input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first)``, or with packed rows
    ``lstm(data, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional)``. The states ``hx``
    are two tensors; ``params`` are the weights of each layer and direction: from the input, from the hidden state, the
    two biases where there are any, and a projection where each has one tensor more.

    Raises RuntimeError for another number of states or weights.
    """
    output, states = _run("LSTM", input, arguments, keywords)
    return output, *states


def gru(input: Tensor, *arguments: Any, **keywords: Any) -> tuple[Tensor, Tensor]:
    """Gated recurrent units: all outputs, and the last states. Arguments as for :func:`lstm`, ``hx`` one tensor."""
    output, (state,) = _run("GRU", input, arguments, keywords)
    return output, state


def rnn_tanh(input: Tensor, *arguments: Any, **keywords: Any) -> tuple[Tensor, Tensor]:
    """A simple recurrent network with tanh: all outputs, and the last states. Arguments as for :func:`gru`."""
    output, (state,) = _run("RNN_TANH", input, arguments, keywords)
    return output, state


def rnn_relu(input: Tensor, *arguments: Any, **keywords: Any) -> tuple[Tensor, Tensor]:
    """As :func:`rnn_tanh`, with relu."""
    output, (state,) = _run("RNN_RELU", input, arguments, keywords)
    return output, state


def _run(mode: str, input: Tensor, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Tensor, States]:
    # With packed rows the weights are the fourth argument rather than the third.
    packed = "batch_sizes" in keywords or (len(arguments) > 2 and not isinstance(arguments[2], bool))
    return (_packed if packed else _padded)(mode, input, *arguments, **keywords)


def _padded(
    mode: str,
    input: Tensor,
    hx: Any,
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Tensor, States]:
    rows = input.transpose(0, 1) if batch_first else input
    steps, sequences = rows.shape[:2]
    layers = _layers(params, has_biases, num_layers, bidirectional)
    output, states = _stacked(mode, layers, rows, _states(mode, hx), [sequences] * steps, dropout if train else 0.0)
    return (output.transpose(0, 1) if batch_first else output), states


def _packed(
    mode: str,
    data: Tensor,
    batch_sizes: Tensor,
    hx: Any,
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
) -> tuple[Tensor, States]:
    layers = _layers(params, has_biases, num_layers, bidirectional)
    return _stacked(mode, layers, data, _states(mode, hx), sizes_of(batch_sizes), dropout if train else 0.0)


def _stacked(
    mode: str, layers: list[list[Weights]], rows: Tensor, initial: States, sizes: list[int], dropout: float
) -> tuple[Tensor, States]:
    between: Callable[[Tensor], Tensor] | None = None
    if dropout:
        between = lambda values: F.dropout(values, dropout, True)  # noqa: E731
    output, last = stacked(STEPS[mode], layers, rows, initial, sizes, between, rows.dim() == 3)
    return output, tuple(stack(states, 0) for states in zip(*last, strict=True))


def _states(mode: str, hx: Any) -> States:
    return _pair("lstm", hx) if mode == "LSTM" else (hx,)


def _pair(name: str, hx: Any) -> States:
    if isinstance(hx, Tensor) or len(hx) != 2:
        raise RuntimeError(f"{name} expects two hidden states")
    return tuple(hx)


def _layers(params: Sequence[Tensor], has_biases: bool, num_layers: int, bidirectional: bool) -> list[list[Weights]]:
    """The weights of each layer and direction. Raises RuntimeError where their number does not fit."""
    directions = 2 if bidirectional else 1
    plain = 4 if has_biases else 2
    each, rest = divmod(len(params), num_layers * directions)
    if rest or each not in (plain, plain + 1):
        raise RuntimeError(
            f"{num_layers} layers of {directions} directions take {plain} (with a projection {plain + 1}) weights each,"
            f" but got {len(params)} weights"
        )
    made = []
    for start in range(0, len(params), each):
        own = list(params[start : start + each])
        biases = own[2:4] if has_biases else [None, None]
        made.append(Weights(own[0], own[1], *biases, own[-1] if each > plain else None))
    return [made[first : first + directions] for first in range(0, len(made), directions)]


# -- one step ------------------------------------------------------------------------------------------------------


def lstm_cell(
    input: Tensor,
    hx: Sequence[Tensor],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """One step of an LSTM for rows of inputs: the next hidden state and the next cell state.

    Raises RuntimeError, with PyTorch's words, for rows or states that don't fit the weights.
    """
    hidden, cell = _cell("LSTM", input, _pair("lstm_cell", hx), Weights(w_ih, w_hh, b_ih, b_hh))
    return hidden, cell


def gru_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """One step of a GRU: the next state. Raises RuntimeError as :func:`lstm_cell`."""
    return _cell("GRU", input, (hx,), Weights(w_ih, w_hh, b_ih, b_hh))[0]


def rnn_tanh_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """One step of a simple recurrent network with tanh. Raises RuntimeError as :func:`lstm_cell`."""
    return _cell("RNN_TANH", input, (hx,), Weights(w_ih, w_hh, b_ih, b_hh))[0]


def rnn_relu_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """As :func:`rnn_tanh_cell`, with relu."""
    return _cell("RNN_RELU", input, (hx,), Weights(w_ih, w_hh, b_ih, b_hh))[0]


def _cell(mode: str, input: Tensor, states: States, weights: Weights) -> States:
    if input.size(1) != weights.input.shape[1]:
        raise RuntimeError(f"input has inconsistent input_size: got {input.shape[1]} expected {weights.input.shape[1]}")
    for position, state in enumerate(states):
        if state.shape[0] != input.shape[0]:
            raise RuntimeError(
                f"Input batch size {input.shape[0]} doesn't match hidden{position} batch size {state.shape[0]}"
            )
        if state.shape[1] != weights.hidden.shape[1]:
            raise RuntimeError(
                f"hidden{position} has inconsistent hidden_size: got {state.shape[1]}, expected "
                f"{weights.hidden.shape[1]}"
            )
    bias, step = STEPS[mode](weights)
    return step(F.linear(input, weights.input, bias), states)
