"""Weight normalisation by a hook, the older form of ``parametrizations.weight_norm``.

Source: Salimans & Kingma (2016), https://arxiv.org/abs/1602.07868
"""

from __future__ import annotations

from typing import Any

from graphc.nn.module import Module
from graphc.nn.parameter import Parameter, is_lazy
from graphc.notices import warn
from graphc.ops.functions.reduction import norm
from graphc.tensor import Tensor


def norm_except_dim(v: Tensor, pow: float = 2, dim: int = 0) -> Tensor:
    """The norms of the slices at each place of a dimension, with the tensor's rank; of all of it, 0-d, for -1."""
    if dim == -1:
        return norm(v, pow)
    kept = dim % v.dim()
    others = tuple(other for other in range(v.dim()) if other != kept)
    return norm(v, pow, others, keepdim=True) if others else v.abs()


def normed_weight(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    """The direction of ``v`` with the length ``g``, for the slices at each place of a dimension."""
    return v * (g / norm_except_dim(v, 2, dim))


class WeightNorm:
    """The hook that computes a weight from its length and direction before each forward."""

    def __init__(self, name: str, dim: int | None):
        self.name = name
        self.dim = -1 if dim is None else dim

    def compute_weight(self, module: Module) -> Tensor:
        """The weight."""
        return normed_weight(getattr(module, self.name + "_v"), getattr(module, self.name + "_g"), self.dim)

    def __call__(self, module: Module, inputs: Any) -> None:
        # Not a change of the module that a compiled step could miss: every forward computes it anew.
        module.__dict__[self.name] = self.compute_weight(module)


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Let a parameter be ``g * v / norm(v)``, with parameters ``<name>_g`` and ``<name>_v`` in its place.

    Raises RuntimeError where that is so already, ValueError for a parameter without a shape yet.
    """
    warn(
        "`torch.nn.utils.weight_norm` is deprecated in favor of `torch.nn.utils.parametrizations.weight_norm`.",
        FutureWarning,
    )
    if any(isinstance(hook, WeightNorm) and hook.name == name for hook in module._forward_pre_hooks.values()):
        raise RuntimeError(f"Cannot register two weight_norm hooks on the same parameter {name}")
    hook = WeightNorm(name, dim)
    weight = getattr(module, name)
    if is_lazy(weight):
        raise ValueError(
            "The module passed to `WeightNorm` can't have uninitialized parameters. Make sure to run the dummy forward "
            "before applying weight normalization"
        )
    delattr(module, name)
    module.register_parameter(name + "_g", Parameter(norm_except_dim(weight, 2, hook.dim).data))
    module.register_parameter(name + "_v", Parameter(weight.data))
    hook(module, None)
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Let a parameter with weight normalisation be a parameter again. Raises ValueError where there is none."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, WeightNorm) and hook.name == name:
            weight = hook.compute_weight(module)
            for member in (name, name + "_g", name + "_v"):
                delattr(module, member)
            setattr(module, name, Parameter(weight.data))
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"weight_norm of '{name}' not found in {module}")
