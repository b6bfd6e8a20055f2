"""Recurrent layers: RNN, LSTM, and GRU over sequences, batched, unbatched, or packed.

Source: https://docs.pytorch.org/docs/stable/nn.html#recurrent-layers
"""

from __future__ import annotations

import math
import numbers
from typing import Any

from graphc import functional as F
from graphc.creation import empty, zeros
from graphc.ir.types import DType, bfloat16, float32
from graphc.nn import init
from graphc.nn.module import Module
from graphc.nn.modules.recurrent_steps import STEPS, States, Weights, stacked
from graphc.nn.parameter import Parameter
from graphc.nn.utils.rnn import PackedSequence, sizes_of
from graphc.notices import warn
from graphc.ops.describing import described
from graphc.ops.functions.shaping import stack
from graphc.tensor import Tensor

_GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "GRU": 3, "LSTM": 4}


class RNNBase(Module):
    """The base of the recurrent layers.

    Input is (steps, sequences, input_size), with ``batch_first`` (sequences, steps, input_size), (steps, input_size)
    for one sequence, or a PackedSequence. Output has ``hidden_size`` (``proj_size`` where given) values for each
    direction in place of ``input_size``; states are (num_layers * directions, sequences, values). ``dropout`` is
    applied to what passes from layer to layer while training.

    Raises:
        TypeError, ValueError: in PyTorch's words, for arguments of another type or out of range.
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: DType | None = None,
    ):
        super().__init__()
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._require_arguments(dropout)
        self._all_weights: list[list[str]] = []
        rows = _GATES[mode] * hidden_size
        shown = proj_size or hidden_size
        directions = 2 if bidirectional else 1
        for layer in range(num_layers):
            inputs = input_size if layer == 0 else shown * directions
            shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, inputs), "weight_hh": (rows, shown)}
            if bias:
                shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
            if proj_size:
                shapes["weight_hr"] = (proj_size, hidden_size)
            for direction in range(directions):
                suffix = f"_l{layer}" + ("_reverse" if direction else "")
                for name, shape in shapes.items():
                    setattr(self, name + suffix, Parameter(empty(shape, dtype=dtype, device=device)))
                self._all_weights.append([name + suffix for name in shapes])
        self.reset_parameters()

    def _require_arguments(self, dropout: Any) -> None:
        if not isinstance(dropout, numbers.Number) or isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an element being zeroed"
            )
        if dropout > 0 and self.num_layers == 1:
            warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
                f"num_layers greater than 1, but got dropout={dropout} and num_layers={self.num_layers}",
            )
        for name, kind in (("bias", bool), ("batch_first", bool), ("input_size", int), ("hidden_size", int)):
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")
            if kind is int and value <= 0:
                raise ValueError(f"{name} must be greater than zero")
        if self.num_layers <= 0:
            raise ValueError("num_layers must be greater than zero")
        if self.proj_size < 0:
            raise ValueError("proj_size should be a positive integer or zero to disable projections")
        if self.proj_size >= self.hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")
        if self.mode not in _GATES:
            raise ValueError("Unrecognized RNN mode: " + self.mode)

    # -- weights -------------------------------------------------------------------------------------------------

    def reset_parameters(self) -> None:
        """Draw new first values."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The weights of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights_names(self) -> list[str]:
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self) -> list[Tensor]:
        return [getattr(self, name) for name in self._flat_weights_names]

    def flatten_parameters(self) -> None:
        """Does nothing: the weights need no particular place in memory."""

    def _layers(self) -> list[list[Weights]]:
        directions = 2 if self.bidirectional else 1
        made = []
        for weights in self.all_weights:
            biases = weights[2:4] if self.bias else (None, None)
            made.append(Weights(*weights[:2], *biases, weights[-1] if self.proj_size else None))
        return [made[first : first + directions] for first in range(0, len(made), directions)]

    # -- what fits -----------------------------------------------------------------------------------------------

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        """Raise ValueError or RuntimeError, in PyTorch's words, for rows that don't fit the weights."""
        weight = self._flat_weights[0]
        if input.dtype != weight.dtype:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({weight.dtype}). Convert input: "
                f"input.to({weight.dtype}), or convert model: model.to({input.dtype})"
            )
        expected = 3 if batch_sizes is None else 2
        if input.dim() != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {input.dim()}")
        if self.input_size != input.shape[-1]:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.shape[-1]}"
            )

    def get_expected_hidden_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """The shape of the hidden state."""
        return self._state_shape(input, batch_sizes, self.proj_size or self.hidden_size)

    def _state_shape(self, input: Tensor, batch_sizes: Tensor | None, values: int) -> tuple[int, int, int]:
        sequences = sizes_of(batch_sizes)[0] if batch_sizes is not None else input.shape[0 if self.batch_first else 1]
        return self.num_layers * (2 if self.bidirectional else 1), sequences, values

    def check_hidden_size(
        self, hx: Tensor, expected_hidden_size: tuple[int, int, int], msg: str = "Expected hidden size {}, got {}"
    ) -> None:
        """Raise RuntimeError for a state of another shape."""
        if tuple(hx.shape) != expected_hidden_size:
            raise RuntimeError(msg.format(expected_hidden_size, list(hx.shape)))

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        """Raise an error, in PyTorch's words, for inputs that don't fit."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        """The states of the sequences in another order."""
        return hx if permutation is None else hx.index_select(1, permutation)

    # -- computing -----------------------------------------------------------------------------------------------

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """The outputs of all steps, and the last states."""
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        if input.dim() not in (2, 3):
            raise ValueError(f"{self._what()}: Expected input to be 2D or 3D, got {input.dim()}D {self._rest()}instead")
        batched = input.dim() == 3
        if not batched:
            input = input.unsqueeze(0 if self.batch_first else 1)
        hx = self._zero_states(input, None) if hx is None else self._with_sequences(hx, batched)
        self.check_forward_args(input, hx, None)
        steps_first = input.transpose(0, 1) if self.batch_first else input
        steps, sequences = steps_first.shape[:2]
        if not steps:
            raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
        output, states = self._run(steps_first, hx, [sequences] * steps)
        fused = self.mode == "LSTM" and not self.proj_size and output.dtype in (float32, bfloat16)
        if fused and not self.bidirectional:
            output = described(output, "MkldnnRnnLayerBackward0(input)", input)
        if self.batch_first:
            turned = output.transpose(0, 1)
            output = turned if fused else described(turned, "TransposeBackward1(input)", output)
        if not batched:
            output = output.squeeze(0 if self.batch_first else 1)
            states = tuple(state.squeeze(1) for state in states)
        return output, self._shown(states)

    def _forward_packed(self, input: PackedSequence, hx: Any) -> tuple[Any, Any]:
        rows, batch_sizes, sorted_indices, unsorted_indices = input
        hx = self._zero_states(rows, batch_sizes) if hx is None else self.permute_hidden(hx, sorted_indices)
        self.check_forward_args(rows, hx, batch_sizes)
        rows, states = self._run(rows, hx, sizes_of(batch_sizes))
        output = PackedSequence(rows, batch_sizes, sorted_indices, unsorted_indices)
        return output, self.permute_hidden(self._shown(states), unsorted_indices)

    def _run(self, rows: Tensor, hx: Any, sizes: list[int]) -> tuple[Tensor, States]:
        dropout = None
        if self.dropout and self.training:
            dropout = lambda values: F.dropout(values, self.dropout, True)  # noqa: E731
        initial = hx if isinstance(hx, tuple | list) else (hx,)
        apart = rows.dim() == 3
        rows, last = stacked(STEPS[self.mode], self._layers(), rows, tuple(initial), sizes, dropout, apart)
        return rows, tuple(stack(states, 0) for states in zip(*last, strict=True))

    def _zero_states(self, input: Tensor, batch_sizes: Tensor | None) -> Any:
        shape = self.get_expected_hidden_size(input, batch_sizes)
        return zeros(shape, dtype=input.dtype, device=input.device)

    def _with_sequences(self, hx: Any, batched: bool) -> Any:
        """States with a dimension for the sequences. Raises RuntimeError where they don't have the input's rank."""
        if batched and hx.dim() != 3:
            raise RuntimeError(f"For batched 3-D input, hx should also be 3-D but got {hx.dim()}-D tensor")
        if not batched and hx.dim() != 2:
            raise RuntimeError(f"For unbatched 2-D input, hx should also be 2-D but got {hx.dim()}-D tensor")
        return hx if batched else hx.unsqueeze(1)

    def _shown(self, states: States) -> Any:
        """States as the user sees them."""
        return states[0]

    def _what(self) -> str:
        return self.mode

    def _rest(self) -> str:
        return ""

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        for name, usual in (
            ("proj_size", 0), ("num_layers", 1), ("bias", True), ("batch_first", False), ("dropout", 0),
            ("bidirectional", False),
        ):  # fmt: skip
            value = getattr(self, name)
            if value is not usual and value != usual:
                text += f", {name}={value}"
        return text


class RNN(RNNBase):
    """``h' = tanh(x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh)``, or relu with ``nonlinearity="relu"``.

    Arguments as for :class:`RNNBase`, ``nonlinearity`` the fourth.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        _refuse_projection(kwargs)
        if len(args) > 3:
            self.nonlinearity = args[3]
            args = args[:3] + args[4:]
        else:
            self.nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if self.nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{self.nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__("RNN_TANH" if self.nonlinearity == "tanh" else "RNN_RELU", *args, **kwargs)

    def _what(self) -> str:
        return "RNN"

    def _rest(self) -> str:
        return "tensor "


class LSTM(RNNBase):
    """Long short-term memory. States are a pair: hidden (num_layers * directions, sequences, proj_size or hidden_size)
    and cell (num_layers * directions, sequences, hidden_size). Gates lie in the weights in the order input, forget,
    cell, output. Arguments as for :class:`RNNBase`."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__("LSTM", *args, **kwargs)

    def get_expected_cell_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """The shape of the cell state."""
        return self._state_shape(input, batch_sizes, self.hidden_size)

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        self.check_input(input, batch_sizes)
        for position, expected in enumerate(
            (self.get_expected_hidden_size(input, batch_sizes), self.get_expected_cell_size(input, batch_sizes))
        ):
            self.check_hidden_size(hidden[position], expected, f"Expected hidden[{position}] size {{}}, got {{}}")

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        return hx if permutation is None else tuple(state.index_select(1, permutation) for state in hx)

    def _zero_states(self, input: Tensor, batch_sizes: Tensor | None) -> Any:
        shapes = (self.get_expected_hidden_size(input, batch_sizes), self.get_expected_cell_size(input, batch_sizes))
        return tuple(zeros(shape, dtype=input.dtype, device=input.device) for shape in shapes)

    def _with_sequences(self, hx: Any, batched: bool) -> Any:
        rank = 3 if batched else 2
        if any(state.dim() != rank for state in hx):
            raise RuntimeError(
                f"For {'batched' if batched else 'unbatched'} {rank}-D input, hx and cx should also be {rank}-D but "
                f"got ({hx[0].dim()}-D, {hx[1].dim()}-D) tensors"
            )
        return tuple(hx) if batched else tuple(state.unsqueeze(1) for state in hx)

    def _shown(self, states: States) -> Any:
        return states


class GRU(RNNBase):
    """Gated recurrent units. Gates lie in the weights in the order reset, update, new. Arguments as for
    :class:`RNNBase`."""

    def __init__(self, *args: Any, **kwargs: Any):
        _refuse_projection(kwargs)
        super().__init__("GRU", *args, **kwargs)


def _refuse_projection(keywords: dict[str, Any]) -> None:
    if "proj_size" in keywords:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
