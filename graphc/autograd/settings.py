"""Switches of PyTorch's backward pass that change nothing here: a sweep runs in the thread that asks for it.

Source: https://docs.pytorch.org/docs/stable/autograd.html
"""

from __future__ import annotations

import contextlib

__all__ = ["is_multithreading_enabled", "is_view_replay_enabled", "kineto_available", "set_multithreading_enabled"]


class _Switch:
    threads = True


def is_multithreading_enabled() -> bool:
    """What :class:`set_multithreading_enabled` was given last."""
    return _Switch.threads


def is_view_replay_enabled() -> bool:
    """False: a view's history after a write is made anew."""
    return False


def kineto_available() -> bool:
    """False: the profiler is graphc's own."""
    return False


class set_multithreading_enabled(contextlib.ContextDecorator):
    """Set the switch, at once or for a block."""

    def __init__(self, mode: bool):
        self._before, _Switch.threads = _Switch.threads, mode

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        _Switch.threads = self._before
