"""What goes wrong with a file of tensors."""

from __future__ import annotations

import pickle


class CheckpointError(RuntimeError):
    """A file that is no checkpoint, is damaged, or holds what graphc cannot hold. The message names the file."""


class EmptyCheckpoint(CheckpointError, EOFError):
    """A file with nothing in it; PyTorch raises an EOFError."""


class UnknownFormat(CheckpointError, pickle.UnpicklingError):
    """A file that is in no format of checkpoints; PyTorch tries to read it as a pickle."""
