"""NVIDIA's GPUs: not used. Source: https://docs.pytorch.org/docs/stable/backends.html#torch-backends-cuda"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class _MatrixProducts:
    """Flags of matrix products on a GPU, which programs may set."""

    allow_tf32: bool = False
    allow_fp16_reduced_precision_reduction: bool = True
    allow_bf16_reduced_precision_reduction: bool = True


matmul = _MatrixProducts()


def is_built() -> bool:
    """False."""
    return False
