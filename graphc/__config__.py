"""With what graphc works. Source: https://docs.pytorch.org/docs/stable/config_mod.html"""

from __future__ import annotations

import platform

import numpy as np

import graphc
from graphc.missing_names import lazy_names
from graphc.thread_count import get_num_threads

__all__ = ["parallel_info", "show"]
__getattr__ = lazy_names(__name__)


def show() -> str:
    """The versions of graphc and of what it stands on, a line each."""
    return (
        f"graphc {graphc.__version__} built with:\n  - Python {platform.python_version()}\n  - numpy {np.__version__}\n"
        f"  - {platform.machine()}, {platform.system()}\n"
    )


def parallel_info() -> str:
    """With how many threads."""
    return f"Threads:\n\tgraphc.get_num_threads() : {get_num_threads()}\n"
