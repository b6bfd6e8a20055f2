"""The modules, by family."""

from graphc.nn.modules import module
from graphc.nn.modules.activation import GELU, LeakyReLU, LogSoftmax, ReLU, Sigmoid, SiLU, Softmax, Softplus, Tanh
from graphc.nn.modules.attention import MultiheadAttention
from graphc.nn.modules.containers import ModuleDict, ModuleList, Sequential
from graphc.nn.modules.convolution import AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool2d, Conv2d, MaxPool2d
from graphc.nn.modules.lazy import LazyLinear
from graphc.nn.modules.lazy_convolution import LazyConv2d
from graphc.nn.modules.lazy_normalization import LazyBatchNorm1d, LazyBatchNorm2d
from graphc.nn.modules.linear import (
    Bilinear,
    Embedding,
    EmbeddingBag,
    Flatten,
    Identity,
    Linear,
    Unflatten,
)
from graphc.nn.modules.loss import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, L1Loss, MSELoss, NLLLoss, SmoothL1Loss
from graphc.nn.modules.module import Module
from graphc.nn.modules.normalization import BatchNorm1d, BatchNorm2d, Dropout, LayerNorm
from graphc.nn.modules.parameter_containers import ParameterDict, ParameterList
from graphc.nn.modules.recurrent import GRU, LSTM, RNN, RNNBase
from graphc.nn.modules.recurrent_cells import GRUCell, LSTMCell, RNNCell, RNNCellBase
from graphc.nn.modules.transformer import (
    Transformer,
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)

__all__ = [
    "GELU",
    "GRU",
    "LSTM",
    "RNN",
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool2d",
    "AvgPool2d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "Bilinear",
    "Conv2d",
    "CrossEntropyLoss",
    "Dropout",
    "Embedding",
    "EmbeddingBag",
    "Flatten",
    "GRUCell",
    "Identity",
    "L1Loss",
    "LSTMCell",
    "LayerNorm",
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyConv2d",
    "LazyLinear",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool2d",
    "Module",
    "ModuleDict",
    "ModuleList",
    "MultiheadAttention",
    "NLLLoss",
    "ParameterDict",
    "ParameterList",
    "RNNBase",
    "RNNCell",
    "RNNCellBase",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SmoothL1Loss",
    "Softmax",
    "Softplus",
    "Tanh",
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
    "Unflatten",
    "module",
]
