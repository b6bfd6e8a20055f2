"""The classes of results of several parts, as in ``torch.return_types``."""

from __future__ import annotations

from typing import Any

from graphc import linalg as _linalg  # noqa: F401  the classes are made as the functions are loaded
from graphc.missing_names import lazy_names
from graphc.ops.functions import return_types as _made

_absent = lazy_names(__name__)
__all__ = sorted(
    name for name, kind in vars(_made).items() if isinstance(kind, type) and kind.__module__ == _made.__name__
)
globals().update({name: getattr(_made, name) for name in __all__})


def __getattr__(name: str) -> Any:
    # The classes of what is written to ``out=`` are made when they are asked for.
    return getattr(_made, name) if name.endswith("_out") and hasattr(_made, name) else _absent(name)
