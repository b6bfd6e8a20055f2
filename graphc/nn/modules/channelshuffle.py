"""Channels of groups mixed.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ChannelShuffle.html
"""

from __future__ import annotations

from graphc import functional as F
from graphc.nn.module import Module
from graphc.tensor import Tensor


class ChannelShuffle(Module):
    """(N, C, ...) with its channels taken from the ``groups`` in turn."""

    def __init__(self, groups: int):
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
