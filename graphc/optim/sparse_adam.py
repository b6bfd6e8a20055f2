"""SparseAdam, which there is none of.

Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.SparseAdam.html
"""

from __future__ import annotations

from typing import Any

from graphc.optim.optimizer import Optimizer


class SparseAdam(Optimizer):
    """Stands for PyTorch's optimizer of sparse gradients. Raises NotImplementedError: every gradient is dense here."""

    def __init__(self, params: Any, *arguments: Any, **keywords: Any):
        raise NotImplementedError(
            "graphc has no sparse tensors, so every gradient is dense, and SparseAdam takes none of those: use "
            "optim.Adam, and embeddings without sparse=True"
        )
