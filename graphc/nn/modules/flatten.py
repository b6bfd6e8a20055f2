"""Changes of shape, at PyTorch's place for them."""

from graphc.nn.modules.linear import Flatten, Unflatten

__all__ = ["Flatten", "Unflatten"]
