"""The generators of GPUs, at PyTorch's place for them: all devices draw from one stream."""

from graphc.cuda.absent import (
    get_rng_state_all,
    seed,
    seed_all,
    set_rng_state_all,
)
from graphc.cuda.devices import (
    get_rng_state,
    initial_seed,
    manual_seed,
    manual_seed_all,
    set_rng_state,
)

__all__ = [
    "get_rng_state",
    "get_rng_state_all",
    "initial_seed",
    "manual_seed",
    "manual_seed_all",
    "seed",
    "seed_all",
    "set_rng_state",
    "set_rng_state_all",
]
