"""The tensor's class at PyTorch's place for it."""

from graphc.tensor import Tensor

__all__ = ["Tensor"]
