"""Export to ONNX, which graphc does not do: its programs are C.

Source: https://docs.pytorch.org/docs/stable/onnx.html
"""

from __future__ import annotations

from typing import Any, NoReturn

from graphc.missing_names import lazy_names

__all__ = ["export", "is_in_onnx_export"]
__getattr__ = lazy_names(__name__)


def export(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises NotImplementedError."""
    raise NotImplementedError(
        "torch.onnx.export: graphc writes no ONNX files; load the state_dict in PyTorch and export the model there"
    )


def is_in_onnx_export() -> bool:
    """False."""
    return False
