"""Files of tensors: PyTorch's checkpoints and safetensors."""

from graphc.serialization import safetensors
from graphc.serialization.errors import CheckpointError
from graphc.serialization.loading import load
from graphc.serialization.safe_globals import (
    add_safe_globals,
    clear_safe_globals,
    get_safe_globals,
    safe_globals,
)
from graphc.serialization.saving import save

__all__ = [
    "CheckpointError",
    "add_safe_globals",
    "clear_safe_globals",
    "get_safe_globals",
    "load",
    "safe_globals",
    "safetensors",
    "save",
]
