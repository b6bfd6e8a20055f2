"""Types for annotations. Source: torch.types"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import IO, Union

from graphc.device import Device as _Device
from graphc.missing_names import lazy_names
from graphc.storage import Size
from graphc.storage_types import UntypedStorage as Storage
from graphc.tensor import Tensor

__all__ = ["Device", "FileLike", "Number", "Size", "Storage", "Tensor"]
__getattr__ = lazy_names(__name__)
Number = int | float | bool
Device = _Device | str | int | None
FileLike = Union[str, os.PathLike[str], IO[bytes]]  # noqa: UP007
_int, _float, _bool = int, float, bool
_size = Size | Sequence[int]
_device = _Device
