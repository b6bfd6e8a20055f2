"""Recurrent modules, at PyTorch's place for them."""

from graphc.nn.modules.recurrent import GRU, LSTM, RNN, RNNBase
from graphc.nn.modules.recurrent_cells import GRUCell, LSTMCell, RNNCell, RNNCellBase

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]
