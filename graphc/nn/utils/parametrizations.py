"""Parametrizations of weights: by length and direction, by spectral norm, and orthogonal.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.parametrizations.weight_norm.html
"""

from __future__ import annotations

from typing import Any

from graphc import functional as F
from graphc.autograd.modes import no_grad
from graphc.nn.module import Module
from graphc.nn.utils.orthogonal_maps import MAPS, _Orthogonal
from graphc.nn.utils.parametrize import register_parametrization
from graphc.nn.utils.spectral_norm import as_matrix, random_direction, usual_dim
from graphc.nn.utils.weight_norm import norm_except_dim, normed_weight
from graphc.ops.functions.linear import dot, mv
from graphc.tensor import Tensor

# Steps by which the estimate of the greatest singular value is improved before it is first used.
_FIRST_ITERATIONS = 15


class _WeightNorm(Module):
    """From length ``g`` and direction ``v`` to a weight."""

    def __init__(self, dim: int | None = 0):
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return normed_weight(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Length and direction of a weight."""
        return norm_except_dim(weight, 2, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Let a parameter be learned as lengths (``original0``) and directions (``original1``) of its slices at each place
    of a dimension; as one length with ``dim=None``. Salimans & Kingma (2016), https://arxiv.org/abs/1602.07868

    States of the older :func:`graphc.nn.utils.weight_norm` are taken over too.
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def take_old_names(state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        old = (f"{prefix}{name}_g", f"{prefix}{name}_v")
        if all(key in state_dict for key in old):
            for position, key in enumerate(old):
                state_dict[f"{prefix}parametrizations.{name}.original{position}"] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(take_old_names)
    return module


class _SpectralNorm(Module):
    """A weight divided by an estimate of its greatest singular value; in training the estimate improves at each use."""

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12):
        super().__init__()
        rank = weight.ndim
        if not -rank <= dim < rank:
            raise IndexError(f"Dimension out of range (expected to be in range of [-{rank}, {rank - 1}] but got {dim})")
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.dim = dim % rank
        self.eps = eps
        if rank > 1:
            self.n_power_iterations = n_power_iterations
            matrix = as_matrix(weight, self.dim)
            rows, columns = matrix.shape
            self.register_buffer("_u", random_direction(rows, weight, eps))
            self.register_buffer("_v", random_direction(columns, weight, eps))
            self._improve(matrix, _FIRST_ITERATIONS)

    @no_grad()
    def _improve(self, matrix: Tensor, iterations: int) -> None:
        for _ in range(iterations):
            self._u.copy_(F.normalize(mv(matrix, self._v), dim=0, eps=self.eps))
            self._v.copy_(F.normalize(mv(matrix.t(), self._u), dim=0, eps=self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._improve(matrix, self.n_power_iterations)
        # The graph keeps these values, whatever the next use writes to the buffers.
        u, v = self._u.clone(), self._v.clone()
        return weight / dot(u, mv(matrix, v))

    def right_inverse(self, value: Tensor) -> Tensor:
        """The value itself: it is divided when it is read."""
        return value


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Let a parameter be divided by its greatest singular value, the rows of the matrix being its slices at each place
    of a dimension (of outputs, by default). Miyato et al. (2018), https://arxiv.org/abs/1802.05957

    Raises ValueError for a name that is no tensor's, IndexError for a dimension that is not there.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    dim = usual_dim(module) if dim is None else dim
    return register_parametrization(module, name, _SpectralNorm(weight.detach(), n_power_iterations, dim, eps))


def orthogonal(
    module: Module, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> Module:
    """Let a parameter be an orthogonal matrix (or a batch of such), seen as its last two dimensions.

    Args:
        module: has the parameter ``name``.
        orthogonal_map: "matrix_exp", "cayley", or "householder"; by default the first for square matrices, else the
            last.
        use_trivialization: keep a base beside the parameter, so that any orthogonal matrix can be assigned.

    Raises ValueError for a name that is no tensor's, a tensor that is no matrix, and a map that is none.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1]
        orthogonal_map = "matrix_exp" if square or weight.dtype.category == "complex" else "householder"
    if orthogonal_map not in MAPS:
        raise ValueError(
            f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}'
        )
    parametrization = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return register_parametrization(module, name, parametrization, unsafe=True)
