"""Spectral normalisation by a hook, the older form of ``parametrizations.spectral_norm``.

Source: Miyato et al. (2018), https://arxiv.org/abs/1802.05957
"""

from __future__ import annotations

from typing import Any

from graphc import functional as F
from graphc.autograd.modes import no_grad
from graphc.creation import empty
from graphc.linalg import pinv
from graphc.nn import init, modules
from graphc.nn.module import Module
from graphc.nn.parameter import Parameter, is_lazy
from graphc.ops.functions.linear import dot, mv
from graphc.tensor import Tensor


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """A weight as a matrix whose rows are the slices at each place of a dimension."""
    if dim:
        weight = weight.permute(dim, *(other for other in range(weight.dim()) if other != dim))
    return weight.reshape(weight.shape[0], -1)


def random_direction(size: int, like: Tensor, eps: float) -> Tensor:
    """A vector of length one in a random direction, which draws what PyTorch draws."""
    return F.normalize(init.normal_(empty(size, dtype=like.dtype, device=like.device)), dim=0, eps=eps)


def usual_dim(module: Module) -> int:
    """The dimension of a module's weight that the outputs lie along."""
    transposed = tuple(getattr(modules, f"ConvTranspose{rank}d", ()) for rank in (1, 2, 3))
    return int(isinstance(module, transposed))


class SpectralNorm:
    """The hook that divides a weight by an estimate of its greatest singular value before each forward.

    In training, ``n_power_iterations`` steps improve the estimate each time.
    """

    _version: int = 1

    def __init__(self, name: str = "weight", n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12):
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.name, self.dim, self.n_power_iterations, self.eps = name, dim, n_power_iterations, eps

    def compute_weight(self, module: Module, do_power_iteration: bool) -> Tensor:
        """The weight."""
        weight, u, v = (getattr(module, self.name + suffix) for suffix in ("_orig", "_u", "_v"))
        matrix = as_matrix(weight, self.dim)
        if do_power_iteration:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(F.normalize(mv(matrix.t(), u), dim=0, eps=self.eps))
                    u.copy_(F.normalize(mv(matrix, v), dim=0, eps=self.eps))
            # The graph keeps these values, whatever the next forward writes to the buffers.
            u, v = u.clone(), v.clone()
        return weight / dot(u, mv(matrix, v))

    def __call__(self, module: Module, inputs: Any) -> None:
        # Not a change of the module that a compiled step could miss: every forward computes it anew.
        module.__dict__[self.name] = self.compute_weight(module, do_power_iteration=module.training)


class SpectralNormStateDictHook:
    """Notes in the state that a weight has spectral normalisation."""

    def __init__(self, fn: SpectralNorm):
        self.fn = fn

    def __call__(self, module: Module, state_dict: Any, prefix: str, local_metadata: dict[str, Any]) -> None:
        local_metadata.setdefault("spectral_norm", {})[self.fn.name + ".version"] = self.fn._version


class SpectralNormLoadStateDictPreHook:
    """Lets a state from before the vector ``v`` was kept be taken over."""

    def __init__(self, fn: SpectralNorm):
        self.fn = fn

    def __call__(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        fn, key = self.fn, prefix + self.fn.name
        version = local_metadata.get("spectral_norm", {}).get(fn.name + ".version")
        if version is not None and version >= 1:
            return
        complete = all(key + suffix in state_dict for suffix in ("_orig", "_u", "_v"))
        if version is None and complete and key not in state_dict:
            return
        missing = [key + suffix for suffix in ("_orig", "", "_u") if key + suffix not in state_dict]
        if missing:
            missing_keys.extend(missing if strict else ())
            return
        with no_grad():
            original, u = state_dict[key + "_orig"], state_dict[key + "_u"]
            sigma = (original / state_dict.pop(key)).mean()
            state_dict[key + "_v"] = self._solved(as_matrix(original, fn.dim), u, sigma)

    @staticmethod
    def _solved(matrix: Tensor, u: Tensor, sigma: Tensor) -> Tensor:
        """The vector for which ``u @ matrix @ v`` is sigma."""
        v = pinv(matrix.t() @ matrix) @ (matrix.t() @ u)
        return v * (sigma / dot(u, mv(matrix, v)))


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Let a parameter be divided by its greatest singular value, with ``<name>_orig`` in its place and buffers
    ``<name>_u`` and ``<name>_v``.

    Raises RuntimeError where that is so already, ValueError for a parameter that is None or without a shape yet.
    """
    if any(isinstance(hook, SpectralNorm) and hook.name == name for hook in module._forward_pre_hooks.values()):
        raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
    hook = SpectralNorm(name, n_power_iterations, usual_dim(module) if dim is None else dim, eps)
    weight = module._parameters[name]
    if weight is None:
        raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
    if is_lazy(weight):
        raise ValueError(
            "The module passed to `SpectralNorm` can't have uninitialized parameters. Make sure to run the dummy "
            "forward before applying spectral normalization"
        )
    with no_grad():
        rows, columns = as_matrix(weight, hook.dim).shape
        u, v = (random_direction(size, weight, eps) for size in (rows, columns))
    delattr(module, name)
    module.register_parameter(name + "_orig", weight)
    module.__dict__[name] = weight.data
    module.register_buffer(name + "_u", u)
    module.register_buffer(name + "_v", v)
    module.register_forward_pre_hook(hook)
    module._register_state_dict_hook(SpectralNormStateDictHook(hook))
    module._register_load_state_dict_pre_hook(SpectralNormLoadStateDictPreHook(hook))
    return module


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Let a parameter with spectral normalisation be a parameter again. Raises ValueError where there is none."""
    hook = _take(module._forward_pre_hooks, lambda hook: isinstance(hook, SpectralNorm) and hook.name == name)
    if hook is None:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    with no_grad():
        weight = hook.compute_weight(module, do_power_iteration=False)
    for suffix in ("", "_u", "_v", "_orig"):
        delattr(module, name + suffix)
    module.register_parameter(name, Parameter(weight.detach()))
    _take(module._state_dict_hooks, lambda each: getattr(each, "fn", None) is hook)
    _take(module._load_state_dict_pre_hooks, lambda each: getattr(each[0], "fn", None) is hook)
    return module


def _take(table: dict[int, Any], wanted: Any) -> Any:
    """Take the first hook that is wanted out of a table; None where there is none."""
    for key, hook in table.items():
        if wanted(hook):
            return table.pop(key)
    return None
