"""What recurrent layers compute: the products of all inputs at once, then one step after the other.

Written with public operators, so that the tape differentiates it and a capture records it, its loop unrolled.

Sources: S. Hochreiter, J. Schmidhuber, "Long Short-Term Memory" (1997); K. Cho et al., "Learning Phrase
Representations using RNN Encoder-Decoder" (2014); the variants are those of
https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html and of torch.nn.GRU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphc import functional as F
from graphc.ops.functions.shaping import cat, chunk, narrow, stack
from graphc.recording import state
from graphc.tensor import Tensor

States = tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of one layer in one direction, ``g`` gates of ``h`` values from ``i`` inputs: ``input`` is [g*h, i],
    ``hidden`` [g*h, h], the biases [g*h]; ``projection`` is [p, h], and then ``hidden`` is [g*h, p]."""

    input: Tensor
    hidden: Tensor
    input_bias: Tensor | None = None
    hidden_bias: Tensor | None = None
    projection: Tensor | None = None

    def both_biases(self) -> Tensor | None:
        """The sum of the biases."""
        return None if self.input_bias is None else self.input_bias + self.hidden_bias


def simple_step(weights: Weights, activation: Callable[[Tensor], Tensor]) -> tuple[Tensor | None, Step]:
    """``h' = activation(x_product + h @ hidden.T)``, both biases in ``x_product``."""
    hidden = weights.hidden.t()

    def step(product: Tensor, states: States) -> States:
        return (activation(product + states[0] @ hidden),)

    return weights.both_biases(), step


def lstm_step(weights: Weights) -> tuple[Tensor | None, Step]:
    """``c' = forget * c + input * cell`` and ``h' = output * tanh(c')``, projected where there is a projection."""
    hidden = weights.hidden.t()
    projection = None if weights.projection is None else weights.projection.t()

    def step(product: Tensor, states: States) -> States:
        entry, forget, cell, exit = chunk(product + states[0] @ hidden, 4, 1)
        memory = forget.sigmoid() * states[1] + entry.sigmoid() * cell.tanh()
        shown = exit.sigmoid() * memory.tanh()
        return (shown if projection is None else shown @ projection), memory

    return weights.both_biases(), step


def gru_step(weights: Weights) -> tuple[Tensor | None, Step]:
    """``h' = (h - new) * update + new``, where ``new = tanh(x_new + reset * h_new)``."""

    def step(product: Tensor, states: States) -> States:
        (hidden,) = states
        reset_x, update_x, new_x = chunk(product, 3, 1)
        reset_h, update_h, new_h = chunk(F.linear(hidden, weights.hidden, weights.hidden_bias), 3, 1)
        new = (new_x + (reset_x + reset_h).sigmoid() * new_h).tanh()
        return ((hidden - new) * (update_x + update_h).sigmoid() + new,)

    return weights.input_bias, step


Step = Callable[[Tensor, States], States]
MakeStep = Callable[[Weights], tuple[Tensor | None, Step]]
STEPS: dict[str, MakeStep] = {
    "RNN_TANH": lambda weights: simple_step(weights, F.tanh),
    "RNN_RELU": lambda weights: simple_step(weights, F.relu),
    "LSTM": lstm_step,
    "GRU": gru_step,
}


def scan(
    make_step: MakeStep,
    weights: Weights,
    rows: Tensor,
    initial: States,
    sizes: Sequence[int],
    reverse: bool,
    apart: bool,
) -> tuple[Tensor, States]:
    """One layer in one direction.

    Args:
        make_step: what the bias of the products is, and what one step computes.
        weights: the weights.
        rows: [sum of sizes, inputs], the inputs of all steps under each other.
        initial: states of [sequences, values].
        sizes: how many sequences have each step, in descending order; the longest sequences come first.
        reverse: from the last step to the first.
        apart: every step has all sequences, and gets a place in a dimension of steps.

    Returns:
        the first state after each step, under each other as the rows are or [steps, sequences, values], and each
        sequence's last states.
    """
    bias, step = make_step(weights)
    products = F.linear(rows, weights.input, bias)
    starts = [0]
    for size in sizes:
        starts.append(starts[-1] + size)
    outputs: dict[int, Tensor] = {}
    ended: list[States] = []
    places = range(len(sizes))
    active = sizes[-1] if reverse else sizes[0]
    states = _some(initial, 0, active)
    for place in reversed(places) if reverse else places:
        size = sizes[place]
        if size < active:
            ended.append(_some(states, size, active))
            states = _some(states, 0, size)
        elif size > active:
            beginning = _some(initial, active, size)
            states = tuple(cat(pair, 0) for pair in zip(states, beginning, strict=True))
        active = size
        states = step(_rows(products, starts[place], size), states)
        outputs[place] = states[0]
    if ended:
        states = tuple(cat(parts, 0) for parts in zip(states, *reversed(ended), strict=True))
    in_order = [outputs[place] for place in places]
    return stack(in_order, 0) if apart else cat(in_order, 0), states


def _rows(tensor: Tensor, start: int, count: int) -> Tensor:
    return tensor if count == tensor.shape[0] else narrow(tensor, 0, start, count)


def _some(states: States, start: int, stop: int) -> States:
    return tuple(_rows(state, start, stop - start) for state in states)


def stacked(
    make_step: MakeStep,
    layers: Sequence[Sequence[Weights]],
    rows: Tensor,
    initial: States,
    sizes: Sequence[int],
    dropout: Callable[[Tensor], Tensor] | None,
    apart: bool,
) -> tuple[Tensor, list[States]]:
    """Layers of one or two directions on top of each other.

    Args:
        make_step: as for :func:`scan`.
        layers: for every layer the weights of each direction.
        rows: [sum of sizes, inputs].
        initial: states of [layers * directions, sequences, values].
        sizes: how many sequences have each step.
        dropout: what the rows between two layers go through.
        apart: as for :func:`scan`.

    Returns:
        the rows of the last layer (or [steps, sequences, values]), and the last states of each layer and direction.
    """
    if state.autocast is not None and make_step is STEPS["LSTM"]:
        # The whole layer is one operation in the lower precision.
        rows, initial = rows.to(state.autocast), tuple(each.to(state.autocast) for each in initial)
    last: list[States] = []
    for number, directions in enumerate(layers):
        rows = rows.flatten(0, 1) if rows.dim() == 3 else rows
        outputs = []
        for direction, weights in enumerate(directions):
            own = tuple(state[number * len(directions) + direction] for state in initial)
            output, states = scan(make_step, weights, rows, own, sizes, direction == 1, apart)
            outputs.append(output)
            last.append(states)
        rows = outputs[0] if len(outputs) == 1 else cat(outputs, outputs[0].dim() - 1)
        if dropout is not None and number < len(layers) - 1:
            rows = dropout(rows)
    return rows, last
