"""Samples of linear algebra: inverses, equations, determinants, factorisations, norms.

Where a factorisation leaves a sign free, PyTorch's is turned to that of numpy's LAPACK, which is ours. A function that
reads one triangle of a symmetric matrix is no smooth function of all elements: its second gradients are checked in
``tests/ops/test_linear_algebra.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.ops.samples.table import Array, integers, literal, normal, primitive_sample, sample, uniform

SINGLE = (2e-4, 1e-9)
"""Tolerances of what goes through an inverse or a factorisation."""


def regular(*shape: int, dtype: str = "float32", layout: str = "contiguous") -> Array:
    """Square matrices far from singular."""

    def fill(generator: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
        return generator.uniform(-1, 1, size) + 2 * np.eye(size[-1])

    return Array(shape, dtype, fill, layout)


def positive(*shape: int, dtype: str = "float32") -> Array:
    """Symmetric positive-definite matrices with eigenvalues that are well apart."""

    def fill(generator: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
        turned = np.linalg.qr(generator.standard_normal(size))[0]
        values = np.arange(1, size[-1] + 1) * 0.8
        return (turned * values) @ np.swapaxes(turned, -1, -2)

    return Array(shape, dtype, fill)


def triangular(*shape: int, upper: bool = False) -> Array:
    """Triangular matrices far from singular."""

    def fill(generator: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
        return (np.triu if upper else np.tril)(generator.uniform(-1, 1, size) + 2 * np.eye(size[-1]))

    return Array(shape, "float32", fill)


def spread(*shape: int, dtype: str = "float32") -> Array:
    """Matrices with singular values that are well apart."""

    def fill(generator: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
        u, _, vh = np.linalg.svd(generator.standard_normal(size), full_matrices=False)
        return (u * (np.arange(min(size[-2:]), 0, -1) * 0.7)) @ vh

    return Array(shape, dtype, fill)


def _turn(torch: Any, vectors: Any, like: np.ndarray, dim: int) -> Any:
    """Vectors with the signs of others."""
    return vectors * torch.sign((vectors.detach() * torch.from_numpy(like)).sum(dim, keepdim=True))


def _eigh(torch: Any, x: Any, *arguments: Any, **keywords: Any) -> Any:
    values, vectors = torch.linalg.eigh(x, *arguments, **keywords)
    return values, _turn(torch, vectors, np.linalg.eigh(x.detach().numpy(), *arguments, **keywords)[1], -2)


def _svd(torch: Any, x: Any, full_matrices: bool = True) -> Any:
    u, s, vh = torch.linalg.svd(x, full_matrices=full_matrices)
    ours, _, others = np.linalg.svd(x.detach().numpy(), full_matrices=full_matrices)
    return _turn(torch, u, ours, -2), s, _turn(torch, vh, others, -1)


def _old_svd(torch: Any, x: Any, some: bool = True, compute_uv: bool = True) -> Any:
    if not compute_uv:
        return tuple(torch.svd(x, some, False))
    u, s, vh = _svd(torch, x, not some)
    return u, s, vh.mH


def _qr(torch: Any, x: Any, *arguments: Any) -> Any:
    q, r = torch.linalg.qr(x, *arguments)
    mode = arguments[0] if arguments else "reduced"
    if mode == "r":
        return q, r
    count = min(x.shape[-2:])
    ours = np.linalg.qr(x.detach().numpy(), mode)[1][..., :count, :]
    like = torch.sign((r[..., :count, :].detach() * torch.from_numpy(ours)).sum(-1))
    whole = torch.ones((*q.shape[:-2], q.shape[-1]), dtype=x.dtype)
    whole[..., :count] = like
    return q * whole.unsqueeze(-2), r * whole[..., : r.shape[-2]].unsqueeze(-1)


def _lstsq(torch: Any, a: Any, b: Any) -> Any:
    solution, residuals, rank, values = torch.linalg.lstsq(a, b)
    return solution, residuals, rank, values


def _det_of_two(torch: Any, x: Any) -> Any:
    """PyTorch's own gradient is zero where a pivot is."""
    return x[0, 0] * x[1, 1] - x[0, 1] * x[1, 0]


def _cond(torch: Any, x: Any, p: Any) -> Any:
    """What PyTorch computes, without the write in place that stops its gradient."""
    return torch.linalg.matrix_norm(x, p) * torch.linalg.matrix_norm(torch.linalg.inv(x), p)


def _reflections(torch: Any, a: Any, tau: Any) -> Any:
    """The product of reflections, differentiable to any order."""
    rows, columns = a.shape[-2:]
    vectors = a.tril(-1) + torch.eye(rows, columns, dtype=a.dtype)
    result = torch.eye(rows, columns, dtype=a.dtype).expand(a.shape)
    for place in reversed(range(columns)):
        vector = vectors[..., place : place + 1]
        result = result - tau[..., place, None, None] * vector @ (vector.mT @ result)
    return result


_SINGULAR = [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.5, -1.0, 2.0]]
_LU = ([[4.0, 2.0, -1.0], [0.5, 3.0, 1.0], [-0.25, 0.5, 2.0]], [2, 3, 3])

EQUATIONS = (
    sample("linalg.inv", regular(3, 3), tolerance=SINGLE),
    sample("linalg.inv", regular(2, 1, 4, 4), tolerance=SINGLE, label="batch"),
    sample("linalg.inv", regular(3, 3, layout="transposed"), tolerance=SINGLE, label="transposed"),
    sample("linalg.inv", normal(2, 0, 0), label="empty"),
    sample("inverse", regular(2, 3, 3), tolerance=SINGLE),
    sample("linalg.inv_ex", regular(2, 3, 3), tolerance=SINGLE),
    sample("linalg.solve", regular(3, 3), normal(3, 2), tolerance=SINGLE),
    sample("linalg.solve", regular(3, 3), normal(3), tolerance=SINGLE, label="vector"),
    sample("linalg.solve", regular(2, 3, 3), normal(2, 3), tolerance=SINGLE, label="vectors"),
    sample("linalg.solve", regular(2, 1, 3, 3), normal(4, 3, 2), tolerance=SINGLE, label="broadcast"),
    sample("linalg.solve", regular(2, 3, 3), normal(2, 4, 3), left=False, tolerance=SINGLE, label="right"),
    sample("linalg.solve_ex", regular(2, 3, 3), normal(2, 3, 2), tolerance=SINGLE),
    sample("linalg.solve_triangular", regular(3, 3), normal(3, 2), upper=True, tolerance=SINGLE),
    sample("linalg.solve_triangular", regular(3, 3), normal(3, 2), upper=False, tolerance=SINGLE, label="lower"),
    sample(
        "linalg.solve_triangular",
        regular(2, 3, 3),
        normal(4, 3),
        upper=True,
        left=False,
        unitriangular=True,
        tolerance=SINGLE,
        label="right unit",
    ),
    sample("linalg.solve_triangular", regular(40, 40), normal(40, 3), upper=False, tolerance=SINGLE, label="blocks"),
    sample("triangular_solve", normal(3, 2), regular(3, 3), transpose=True, tolerance=SINGLE),
    sample("linalg.tensorinv", regular(6, 6), 1, tolerance=SINGLE),
    sample("linalg.tensorsolve", regular(6, 6), normal(6), tolerance=SINGLE),
    sample("linalg.tensorsolve", normal(2, 6, 3), normal(2, 3), dims=(1,), tolerance=SINGLE, label="dims"),
    sample("linalg.lstsq", spread(4, 2), normal(4, 3), oracle=_lstsq, tolerance=SINGLE),
    sample("linalg.lstsq", spread(2, 4, 2), normal(2, 4), oracle=_lstsq, tolerance=SINGLE, label="vectors"),
    sample("linalg.lstsq", spread(2, 4), normal(2, 3), oracle=_lstsq, tolerance=SINGLE, label="wide"),
    sample("linalg.lstsq", spread(4, 2), normal(4, 3), driver="gels", tolerance=SINGLE, label="gels"),
    sample("linalg.pinv", spread(4, 3), tolerance=SINGLE),
    sample("linalg.pinv", spread(2, 3, 4), tolerance=SINGLE, label="wide"),
    sample(
        "linalg.pinv", literal([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]), smooth=False, tolerance=SINGLE, label="rank 1"
    ),
    sample("linalg.pinv", spread(3, 3), rtol=0.5, smooth=False, tolerance=SINGLE, label="rtol"),
    sample("linalg.pinv", positive(3, 3), hermitian=True, smooth=False, tolerance=SINGLE, label="hermitian"),
    sample("pinverse", spread(3, 2), tolerance=SINGLE),
    sample("linalg.matrix_rank", literal(_SINGULAR), differentiable=()),
    sample("linalg.matrix_rank", literal(_SINGULAR), differentiable=(), atol=3.0, label="atol"),
    sample("linalg.matrix_rank", positive(2, 3, 3), differentiable=(), hermitian=True, label="hermitian"),
)

DETERMINANTS = (
    sample("linalg.det", regular(3, 3), tolerance=SINGLE),
    sample("linalg.det", regular(2, 2, 4, 4), tolerance=SINGLE, label="batch"),
    sample("linalg.det", literal([[1.0, 2.0], [2.0, 4.0]]), oracle=_det_of_two, tolerance=SINGLE, label="singular"),
    sample("linalg.det", normal(0, 0), label="empty"),
    sample("det", regular(3, 3), tolerance=SINGLE),
    sample("linalg.slogdet", regular(2, 3, 3), tolerance=SINGLE),
    sample("slogdet", regular(3, 3), tolerance=SINGLE),
    sample("logdet", positive(2, 3, 3), tolerance=SINGLE),
    sample("logdet", literal([[0.0, 1.0], [1.0, 0.0]]), differentiable=(), label="negative"),
)

POWERS = (
    sample("linalg.matrix_power", normal(2, 3, 3), 5, tolerance=SINGLE),
    sample("linalg.matrix_power", normal(3, 3), 0, differentiable=(), label="zero"),
    sample("linalg.matrix_power", normal(3, 3), 3, tolerance=SINGLE, label="three"),
    sample("linalg.matrix_power", regular(3, 3), -2, tolerance=SINGLE, label="negative"),
    sample("linalg.matrix_power", integers(2, 2, low=0, high=4), 3, label="int"),
    sample("matrix_power", normal(2, 2), 2),
    sample("linalg.matrix_exp", normal(3, 3), tolerance=SINGLE),
    sample("linalg.matrix_exp", uniform(2, 3, 3, low=-8, high=8), tolerance=(1e-3, 1e-8), label="large"),
    sample("matrix_exp", literal([[0.0, 0.0], [0.0, 0.0]]), label="zero"),
)

FACTORIZATIONS = (
    sample("linalg.cholesky", positive(3, 3), smooth=False, tolerance=SINGLE),
    sample("linalg.cholesky", positive(2, 4, 4), upper=True, smooth=False, tolerance=SINGLE, label="upper"),
    sample("linalg.cholesky_ex", positive(2, 3, 3), smooth=False, tolerance=SINGLE),
    sample("cholesky", positive(3, 3), upper=True, smooth=False, tolerance=SINGLE),
    # As PyTorch's, their gradients are of all elements of the factor.
    sample("cholesky_solve", normal(3, 2), triangular(3, 3), smooth=False, tolerance=SINGLE),
    sample("cholesky_solve", normal(3, 2), triangular(3, 3), differentiable=(0,), tolerance=SINGLE, label="right side"),
    sample(
        "cholesky_solve",
        normal(2, 3, 2),
        triangular(2, 3, 3, upper=True),
        upper=True,
        smooth=False,
        tolerance=SINGLE,
        label="upper",
    ),
    sample("cholesky_inverse", triangular(3, 3), smooth=False, tolerance=SINGLE),
    sample(
        "cholesky_inverse", triangular(2, 3, 3, upper=True), upper=True, smooth=False, tolerance=SINGLE, label="upper"
    ),
    sample("linalg.lu_factor", regular(3, 3), tolerance=SINGLE),
    sample("linalg.lu_factor", normal(2, 4, 3), tolerance=SINGLE, label="tall"),
    sample("linalg.lu_factor", normal(3, 5), tolerance=SINGLE, label="wide"),
    sample("linalg.lu_factor", regular(40, 40), smooth=False, tolerance=(2e-3, 1e-9), label="blocks"),
    sample("linalg.lu_factor_ex", literal(_SINGULAR), differentiable=()),
    sample("linalg.lu", normal(2, 3, 3), tolerance=SINGLE),
    sample("linalg.lu", normal(4, 3), tolerance=SINGLE, label="tall"),
    sample("linalg.lu", normal(3, 4), tolerance=SINGLE, label="wide"),
    sample("lu", regular(3, 3), tolerance=SINGLE),
    sample("lu", regular(3, 3), get_infos=True, tolerance=SINGLE, label="infos"),
    sample("lu_unpack", literal(_LU[0]), literal(_LU[1], "int32")),
    sample("linalg.lu_solve", literal(_LU[0]), literal(_LU[1], "int32"), normal(3, 2), tolerance=SINGLE),
    sample(
        "linalg.lu_solve",
        literal(_LU[0]),
        literal(_LU[1], "int32"),
        normal(2, 3),
        left=False,
        tolerance=SINGLE,
        label="right",
    ),
    sample(
        "linalg.lu_solve",
        literal(_LU[0]),
        literal(_LU[1], "int32"),
        normal(3, 2),
        adjoint=True,
        tolerance=SINGLE,
        label="adjoint",
    ),
    sample("lu_solve", normal(3, 2), literal(_LU[0]), literal(_LU[1], "int32"), tolerance=SINGLE),
    sample("linalg.qr", spread(4, 3), oracle=_qr, tolerance=SINGLE),
    sample("linalg.qr", spread(2, 3, 3), oracle=_qr, tolerance=SINGLE, label="batch"),
    sample("linalg.qr", spread(2, 4), oracle=_qr, tolerance=SINGLE, label="wide"),
    sample("linalg.qr", spread(3, 3), "complete", oracle=_qr, tolerance=SINGLE, label="complete"),
    sample("linalg.qr", spread(4, 2), "complete", oracle=_qr, differentiable=(), tolerance=SINGLE, label="whole"),
    sample("linalg.qr", spread(4, 2), "r", differentiable=(), tolerance=SINGLE, label="r"),
    sample("qr", spread(3, 2), oracle=lambda torch, x: _qr(torch, x), tolerance=SINGLE),
    sample("linalg.householder_product", normal(4, 2), normal(2), oracle=_reflections, tolerance=SINGLE),
    sample("orgqr", normal(2, 3, 3), normal(2, 3), oracle=_reflections, tolerance=SINGLE),
    sample("linalg.svd", spread(3, 3), oracle=_svd, tolerance=SINGLE),
    sample("linalg.svd", spread(2, 4, 3), full_matrices=False, oracle=_svd, tolerance=SINGLE, label="tall"),
    sample("linalg.svd", spread(2, 4), full_matrices=False, oracle=_svd, tolerance=SINGLE, label="wide"),
    sample("svd", spread(4, 3), oracle=_old_svd, tolerance=SINGLE),
    sample("svd", spread(3, 2), compute_uv=False, oracle=_old_svd, tolerance=SINGLE, label="values"),
    sample("linalg.svdvals", spread(2, 4, 3), tolerance=SINGLE),
    sample("linalg.eigh", positive(3, 3), oracle=_eigh, smooth=False, tolerance=SINGLE),
    sample("linalg.eigh", positive(2, 4, 4), "U", oracle=_eigh, smooth=False, tolerance=SINGLE, label="upper"),
    sample("linalg.eigvalsh", positive(2, 3, 3), smooth=False, tolerance=SINGLE),
)

NORMS = (
    sample("linalg.norm", normal(3, 4)),
    sample("linalg.norm", normal(2, 3, 4), dim=(0, 2), label="dims"),
    sample("linalg.norm", normal(3, 4), "fro", label="fro"),
    sample("linalg.norm", spread(3, 4), 2, tolerance=SINGLE, label="spectral"),
    sample("linalg.norm", normal(2, 3), 3, dim=1, keepdim=True, tolerance=SINGLE, label="vectors"),
    sample("linalg.vector_norm", normal(3, 4)),
    sample("linalg.vector_norm", normal(3, 4), 0, dim=1, label="0"),
    sample("linalg.vector_norm", normal(3, 4), 1, dim=-1, keepdim=True, label="1"),
    sample("linalg.vector_norm", normal(3, 4), 3.5, dim=(0, 1), tolerance=SINGLE, label="3.5"),
    sample("linalg.vector_norm", normal(3, 4), 0.5, tolerance=SINGLE, label="0.5"),
    sample("linalg.vector_norm", normal(3, 4), -1.5, dim=0, tolerance=SINGLE, label="-1.5"),
    sample("linalg.vector_norm", normal(3, 4), float("inf"), dim=0, label="inf"),
    sample("linalg.vector_norm", normal(3, 4), float("-inf"), label="-inf"),
    sample("linalg.vector_norm", literal([0.0, 0.0]), smooth=False, label="zero"),
    sample("linalg.vector_norm", literal([0.0, 2.0, -3.0]), 3, smooth=False, tolerance=SINGLE, label="zero of 3"),
    sample("linalg.vector_norm", literal([0.0, 2.0, -3.0]), 0.5, smooth=False, tolerance=SINGLE, label="zero of 0.5"),
    sample("linalg.vector_norm", literal([0.0, 2.0, -3.0]), -2, smooth=False, label="zero of -2"),
    sample("linalg.vector_norm", normal(), label="scalar"),
    sample("linalg.matrix_norm", normal(2, 3, 4)),
    sample("linalg.matrix_norm", spread(2, 4, 3), "nuc", dim=(1, 2), keepdim=True, tolerance=SINGLE, label="nuc"),
    sample("linalg.matrix_norm", spread(2, 3, 4), 2, tolerance=SINGLE, label="2"),
    sample("linalg.matrix_norm", spread(3, 4), -2, tolerance=SINGLE, label="-2"),
    sample("linalg.matrix_norm", normal(2, 3, 4), 1, dim=(0, 1), label="1"),
    sample("linalg.matrix_norm", normal(2, 3, 4), -1, dim=(2, 0), keepdim=True, label="-1"),
    sample("linalg.matrix_norm", normal(2, 3, 4), float("inf"), label="inf"),
    sample("linalg.matrix_norm", normal(2, 3, 4), float("-inf"), dim=(0, 2), label="-inf"),
    sample("linalg.cond", spread(2, 3, 4), tolerance=SINGLE),
    sample("linalg.cond", regular(3, 3), 1, oracle=_cond, tolerance=SINGLE, label="1"),
    sample("linalg.cond", regular(2, 3, 3), "fro", oracle=_cond, tolerance=SINGLE, label="fro"),
    sample("linalg.cond", spread(3, 3), -2, tolerance=SINGLE, label="-2"),
    sample("linalg.cond", literal([[1.0, 2.0], [2.0, 4.0]]), 1, differentiable=(), label="singular"),
)


def _cofactors(torch: Any, x: Any) -> Any:
    return torch.linalg.det(x)[..., None, None] * torch.linalg.inv(x).mT


def _second_cofactors(torch: Any, x: Any, along: Any) -> Any:
    across = torch.linalg.inv(x).mT @ along.mT
    trace = across.diagonal(0, -2, -1).sum(-1)[..., None, None]
    return trace * _cofactors(torch, x) - across @ _cofactors(torch, x)


def _symmetric(*shape: int) -> Array:
    """Symmetric matrices of both signs, with a diagonal so small that blocks of two are taken."""

    def fill(generator: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
        values = generator.standard_normal(size)
        values = values + np.swapaxes(values, -1, -2)
        return values - 0.9 * np.eye(size[-1]) * values

    return Array(shape, "float32", fill)


def _eig(torch: Any, x: Any) -> Any:
    """Numpy's LAPACK leaves the eigenvalues in another order and the eigenvectors in other phases."""
    values, vectors = torch.linalg.eig(x)
    wanted, directions = np.linalg.eig(x.detach().numpy())
    order = [int(np.argmin(np.abs(values.detach().numpy() - value))) for value in wanted]
    values, vectors = values[order], vectors[:, order]
    phases = (vectors.conj() * torch.from_numpy(directions).to(vectors.dtype)).sum(0)
    return values, vectors * (phases / phases.abs()).detach()


def _eigvals(torch: Any, x: Any) -> Any:
    return _eig(torch, x)[0]


OLDER_AND_RANDOM = (
    primitive_sample("cofactors", regular(3, 3), oracle=_cofactors, tolerance=SINGLE),
    primitive_sample("second_cofactors", regular(2, 3, 3), normal(2, 3, 3), oracle=_second_cofactors, tolerance=SINGLE),
    sample("linalg.eig", regular(3, 3), oracle=_eig, differentiable=(), tolerance=SINGLE),
    sample("linalg.eigvals", regular(3, 3), oracle=_eigvals, smooth=False, tolerance=SINGLE),
    sample("linalg.ldl_factor", _symmetric(4, 4), differentiable=(), tolerance=SINGLE),
    sample("linalg.ldl_factor", _symmetric(2, 5, 5), differentiable=(), tolerance=SINGLE, label="batch"),
    sample("linalg.ldl_factor_ex", _symmetric(3, 3), differentiable=(), tolerance=SINGLE),
    sample("linalg.ldl_factor_ex", literal(np.zeros((2, 2))), differentiable=(), label="zero"),
    sample(
        "linalg.ldl_solve",
        literal([[2.0, 0.0, 0.0], [0.5, 0.1, 0.0], [0.25, 3.0, 0.2]]),
        literal([1, -3, -3], "int32"),
        normal(3, 2),
        differentiable=(),
        tolerance=SINGLE,
    ),
    sample("geqrf", spread(4, 3), differentiable=(), tolerance=SINGLE),
    sample("geqrf", spread(2, 2, 3), differentiable=(), tolerance=SINGLE, label="wide"),
    sample("ormqr", normal(4, 2), normal(2), normal(4, 3), tolerance=SINGLE),
    sample("ormqr", normal(2, 3, 3), normal(2, 3), normal(2, 1, 3), False, True, tolerance=SINGLE, label="right"),
    sample("svd_lowrank", spread(5, 4), 2, random=True, differentiable=()),
    sample("pca_lowrank", spread(4, 5), 2, random=True, differentiable=()),
    sample("frobenius_norm", normal(3, 4), (0, 1)),
    sample("frobenius_norm", normal(2, 3, 4), -1, True, label="dim"),
    sample("nuclear_norm", spread(3, 4), tolerance=SINGLE),
    sample("nuclear_norm", spread(2, 3, 3), (1, 2), True, tolerance=SINGLE, label="batch"),
    sample("norm_except_dim", normal(3, 4, 2), 2, 0),
    sample("norm_except_dim", normal(3, 4, 2), 3, 1, label="inner"),
    sample("norm_except_dim", normal(3, 4), 2, -1, label="all"),
)
SAMPLES = (*EQUATIONS, *DETERMINANTS, *POWERS, *FACTORIZATIONS, *NORMS, *OLDER_AND_RANDOM)
