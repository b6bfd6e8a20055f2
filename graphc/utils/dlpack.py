"""Sharing memory with other libraries by DLPack, under PyTorch's names.

Source: https://docs.pytorch.org/docs/stable/dlpack.html
"""

from graphc.interchange import from_dlpack, to_dlpack

__all__ = ["from_dlpack", "to_dlpack"]
