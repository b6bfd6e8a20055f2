"""What goes wrong with a file of tensors."""

from __future__ import annotations


class CheckpointError(RuntimeError):
    """A file that is no checkpoint, is damaged, or holds what graphc cannot hold. The message names the file."""
