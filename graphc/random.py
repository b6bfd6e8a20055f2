"""The generator that everyone draws from: its seed and its state.

Source: https://docs.pytorch.org/docs/stable/random.html
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from graphc.creation import manual_seed
from graphc.randomness.generator import Generator, default_generator
from graphc.recording import refuse_in_capture

__all__ = [
    "Generator",
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
]


def seed() -> int:
    """Seed the generator from the operating system's entropy, and give that seed. Outside compiled functions."""
    refuse_in_capture("seed")
    return default_generator.seed()


def initial_seed() -> int:
    """The seed that the generator's stream started from."""
    return default_generator.initial_seed()


def get_rng_state() -> Any:
    """The generator's state: a tensor of uint8, which ``set_rng_state`` here or in PyTorch takes."""
    refuse_in_capture("get_rng_state")
    return default_generator.get_state()


def set_rng_state(new_state: Any) -> None:
    """Let the generator go on from a state. Raises TypeError or RuntimeError for what is none."""
    refuse_in_capture("set_rng_state")
    default_generator.set_state(new_state)


@contextlib.contextmanager
def fork_rng(
    devices: Any = None,
    enabled: bool = True,
    _caller: str = "fork_rng",
    _devices_kw: str = "devices",
    device_type: str = "cuda",
) -> Iterator[None]:
    """Context manager (and decorator): what is drawn within does not move the stream outside."""
    if not enabled:
        yield
        return
    before = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(before)
