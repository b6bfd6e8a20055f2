"""Names of the top namespace that are loaded when they are first asked for, so that the import stays quick."""

from __future__ import annotations

# What each name stands for: a module, or a name within one.
LAZY_NAMES: dict[str, str] = {
    "Generator": "graphc.generator:Generator",
    "amp": "graphc.amp",
    "autocast": "graphc.amp:autocast",
    "backends": "graphc.backends",
    "cuda": "graphc.cuda",
    "default_generator": "graphc.generator:default_generator",
    "func": "graphc.func",
    "get_rng_state": "graphc.random:get_rng_state",
    "inference_mode": "graphc.autograd.modes:inference_mode",
    "initial_seed": "graphc.random:initial_seed",
    "install_as_torch": "graphc.as_torch:install_as_torch",
    "is_anomaly_check_nan_enabled": "graphc.autograd.anomaly_mode:is_anomaly_check_nan_enabled",
    "is_anomaly_enabled": "graphc.autograd.anomaly_mode:is_anomaly_enabled",
    "is_inference": "graphc.autograd.modes:is_inference",
    "is_inference_mode_enabled": "graphc.autograd.modes:is_inference_mode_enabled",
    "random": "graphc.random",
    "seed": "graphc.random:seed",
    "set_printoptions": "graphc.tensor_printing:set_printoptions",
    "set_rng_state": "graphc.random:set_rng_state",
    "version": "graphc.version",
    "vision": "graphc.vision",
    "vmap": "graphc.func:vmap",
}
