"""Orthogonal matrices as functions of matrices without a constraint.

Sources: M. Lezcano-Casado, D. Martínez-Rubio, "Cheap Orthogonal Constraints in Neural Networks" (2019) for the maps;
M. Lezcano-Casado, "Trivializations for Gradient-Based Optimization on Manifolds" (2019) for their base; and
https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.parametrizations.orthogonal.html
"""

from __future__ import annotations

import numpy as np

from graphc import linalg
from graphc.autograd.modes import no_grad
from graphc.creation import eye, from_numpy, randn, zeros
from graphc.nn.module import Module
from graphc.ops.functions.shaping import cat
from graphc.tensor import Tensor

MAPS = ("matrix_exp", "cayley", "householder")


class _Orthogonal(Module):
    """From a matrix [..., n, k] to one with orthonormal columns (rows, where n < k).

    The exponential and the Cayley map take what is skew-symmetric of it, the Householder map reflections. With
    ``use_trivialization`` the result is multiplied by ``base``, so that any orthogonal matrix can be assigned.
    """

    base: Tensor

    def __init__(self, weight: Tensor, orthogonal_map: str, *, use_trivialization: bool = True):
        super().__init__()
        if weight.dtype.category == "complex" and orthogonal_map == "householder":
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        wide = X.shape[-2] < X.shape[-1]
        result = self._tall(X.mT if wide else X)
        return result.mT if wide else result

    def _tall(self, X: Tensor) -> Tensor:
        *batch, rows, columns = X.shape
        if self.orthogonal_map == "householder":
            reflections = X.tril(-1)
            lengths = 2.0 / (1.0 + (reflections * reflections).sum(-2))
            result = linalg.householder_product(reflections, lengths)
            result = result * _diagonal(X.detach()).trunc().unsqueeze(-2)
        else:
            lower = X.tril()
            if rows != columns:
                rest = zeros(*batch, rows, rows - columns, dtype=X.dtype, device=X.device)
                lower = cat([lower, rest], -1)
            skew = lower - _adjoint(lower)
            if self.orthogonal_map == "matrix_exp":
                result = linalg.matrix_exp(skew)
            else:
                unit = eye(rows, dtype=X.dtype, device=X.device)
                result = linalg.solve(unit - 0.5 * skew, unit + 0.5 * skew)
            result = result[..., :columns]
        return self.base @ result if hasattr(self, "base") else result

    @no_grad()
    def right_inverse(self, Q: Tensor) -> Tensor:
        """What gives a matrix, made orthogonal. Draws what PyTorch draws to complete one that is not square.

        Raises ValueError for another shape, NotImplementedError for the exponential and the Cayley map without a base.
        """
        if Q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape {Q.shape}."
            )
        wide = Q.shape[-2] < Q.shape[-1]
        tall = Q.mT if wide else Q
        *batch, rows, columns = tall.shape
        if not hasattr(self, "base"):
            if self.orthogonal_map != "householder":
                raise NotImplementedError(
                    "It is not possible to assign to the matrix exponential or the Cayley parametrizations when "
                    "use_trivialization=False."
                )
            reflections = _reflections_of(tall)
            return reflections.mT if wide else reflections
        if rows != columns:
            more = randn(*batch, rows, rows - columns, dtype=Q.dtype, device=Q.device)
            self.base = _made_orthogonal(cat([tall, more], -1))
        else:
            self.base = tall.clone() if _is_orthogonal(tall) else _made_orthogonal(tall)
        # The map's unit: the base times minus the identity, and the map of that is the base.
        return -eye(*Q.shape[-2:], dtype=Q.dtype, device=Q.device).expand(Q.shape).clone()


def _adjoint(X: Tensor) -> Tensor:
    return X.mT.conj() if X.dtype.category == "complex" else X.mT


def _diagonal(X: Tensor) -> Tensor:
    """The elements of the diagonals of matrices with no fewer rows than columns."""
    return (X[..., : X.shape[-1], :] * eye(X.shape[-1], dtype=X.dtype, device=X.device)).sum(-2)


def _is_orthogonal(Q: Tensor) -> bool:
    """Whether a matrix is orthogonal, to ten times the precision of its dtype for each row."""
    bound = 10.0 * Q.shape[-2] * float(np.finfo(Q.dtype.numpy).eps)
    return _are_close(_adjoint(Q) @ Q, eye(Q.shape[-1], dtype=Q.dtype, device=Q.device), bound)


def _are_close(found: Tensor, expected: Tensor, bound: float) -> bool:
    """Whether all elements are equal to a bound, and to five digits."""
    return bool(((found - expected).abs() <= bound + 1e-5 * expected.abs()).all())


def _made_orthogonal(A: Tensor) -> Tensor:
    """The orthogonal factor of a matrix, with the signs for which its triangular one has a positive diagonal."""
    factors = linalg.qr(A)
    return factors.Q * _diagonal(factors.R).sign().unsqueeze(-2)


def _reflections_of(Q: Tensor) -> Tensor:
    """The reflections whose product is an orthogonal matrix, below a diagonal of their signs."""
    packed, lengths = np.linalg.qr(Q._value("right_inverse()"), mode="raw")
    reflections = np.array(np.swapaxes(packed, -1, -2))
    places = np.arange(Q.shape[-1])
    signs = np.sign(reflections[..., places, places])
    reflections[..., places, places] = np.where(lengths == 0.0, -signs, signs)
    return from_numpy(reflections)
