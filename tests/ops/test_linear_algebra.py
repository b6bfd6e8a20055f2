"""Linear algebra beyond the op table: errors in PyTorch's words, complex matrices, singular ones, symmetric ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc
from graphc.autograd.gradients import grad
from graphc.linalg import LinAlgError
from graphc.ops import matrix_numerics
from tests.ops.both import assert_same_error, assert_same_value

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:torch")

_SINGULAR = [[1.0, 2.0], [2.0, 4.0]]
_INDEFINITE = [[1.0, 2.0], [2.0, 1.0]]

ERRORS = {
    "inv of a singular matrix": lambda t: t.linalg.inv(t.tensor(_SINGULAR)),
    "inv of a singular matrix in a batch": lambda t: t.linalg.inv(t.tensor([[[1.0, 0.0], [0.0, 1.0]], _SINGULAR])),
    "inv of a rectangle": lambda t: t.linalg.inv(t.ones(2, 3)),
    "inv of a vector": lambda t: t.linalg.inv(t.ones(3)),
    "inv of integers": lambda t: t.linalg.inv(t.ones(2, 2).long()),
    "inverse": lambda t: t.inverse(t.tensor(_SINGULAR)),
    "inv_ex that checks": lambda t: t.linalg.inv_ex(t.tensor(_SINGULAR), check_errors=True),
    "solve with a singular matrix": lambda t: t.linalg.solve(t.tensor(_SINGULAR), t.ones(2)),
    "solve in a batch": lambda t: t.linalg.solve(t.zeros(2, 2, 2), t.ones(2, 2)),
    "solve with too many rows": lambda t: t.linalg.solve(t.eye(3), t.ones(4)),
    "solve with a batch that does not fit": lambda t: t.linalg.solve(t.ones(2, 3, 3), t.ones(4, 3)),
    "solve with two dtypes": lambda t: t.linalg.solve(t.eye(3), t.ones(3).double()),
    "solve with a rectangle": lambda t: t.linalg.solve(t.ones(2, 3), t.ones(3)),
    "solve a vector from the right": lambda t: t.linalg.solve(t.eye(1), t.ones(1), left=False),
    "solve_triangular with a vector": lambda t: t.linalg.solve_triangular(t.eye(3), t.ones(3), upper=True),
    "solve_triangular with rows": lambda t: t.linalg.solve_triangular(t.eye(3), t.ones(4, 2), upper=True),
    "solve_triangular from the right": lambda t: t.linalg.solve_triangular(
        t.eye(3), t.ones(4, 2), upper=True, left=False
    ),
    "solve_triangular of integers": lambda t: t.linalg.solve_triangular(
        t.ones(2, 2).long(), t.ones(2, 2).long(), upper=True
    ),
    "det of a rectangle": lambda t: t.linalg.det(t.ones(2, 3)),
    "det of a vector": lambda t: t.det(t.ones(3)),
    "det of integers": lambda t: t.det(t.ones(2, 2).long()),
    "logdet of a rectangle": lambda t: t.logdet(t.ones(2, 3)),
    "slogdet of a rectangle": lambda t: t.slogdet(t.ones(2, 3)),
    "cholesky of an indefinite matrix": lambda t: t.linalg.cholesky(t.tensor(_INDEFINITE)),
    "cholesky in a batch": lambda t: t.linalg.cholesky(t.tensor([[[1.0, 0.0], [0.0, 1.0]], _INDEFINITE])),
    "cholesky of a rectangle": lambda t: t.linalg.cholesky(t.ones(2, 3)),
    "old cholesky": lambda t: t.cholesky(t.tensor(_INDEFINITE)),
    "cholesky_ex that checks": lambda t: t.linalg.cholesky_ex(t.tensor(_INDEFINITE), check_errors=True),
    "cholesky_solve of a vector": lambda t: t.cholesky_solve(t.ones(3), t.eye(3)),
    "cholesky_solve of rows": lambda t: t.cholesky_solve(t.ones(4, 2), t.eye(3)),
    "cholesky_inverse of a rectangle": lambda t: t.cholesky_inverse(t.ones(3, 4)),
    "qr mode": lambda t: t.linalg.qr(t.ones(3, 2), mode="bad"),
    "qr of a vector": lambda t: t.linalg.qr(t.ones(3)),
    "qr of integers": lambda t: t.linalg.qr(t.ones(2, 2).long()),
    "svd of a vector": lambda t: t.linalg.svd(t.ones(3)),
    "svd of NaN": lambda t: t.linalg.svd(t.full((2, 2), float("nan"))),
    "svd driver": lambda t: t.linalg.svd(t.ones(3, 2), driver="gesvd"),
    "eigh of a rectangle": lambda t: t.linalg.eigh(t.ones(2, 3)),
    "eigh triangle": lambda t: t.linalg.eigh(t.ones(2, 2), UPLO="X"),
    "eig of a rectangle": lambda t: t.linalg.eig(t.ones(2, 3)),
    "eig of NaN": lambda t: t.linalg.eig(t.full((2, 2), float("nan"))),
    "lstsq rows": lambda t: t.linalg.lstsq(t.ones(3, 2), t.ones(4, 1)),
    "lstsq of a vector": lambda t: t.linalg.lstsq(t.ones(3), t.ones(3)),
    "lstsq driver": lambda t: t.linalg.lstsq(t.ones(3, 2), t.ones(3, 1), driver="foo"),
    "lstsq batch": lambda t: t.linalg.lstsq(t.ones(5, 3, 2), t.ones(3, 3, 1)),
    "matrix_power of a rectangle": lambda t: t.linalg.matrix_power(t.ones(2, 3), 2),
    "matrix_power of integers": lambda t: t.linalg.matrix_power(t.ones(2, 2).long(), -3),
    "matrix_power by a float": lambda t: t.matrix_power(t.ones(2, 2), 2.0),
    "matrix_exp of a rectangle": lambda t: t.linalg.matrix_exp(t.ones(2, 3)),
    "matrix_exp of integers": lambda t: t.linalg.matrix_exp(t.ones(2, 2).long()),
    "matrix_rank of a vector": lambda t: t.linalg.matrix_rank(t.ones(3)),
    "matrix_rank of integers": lambda t: t.linalg.matrix_rank(t.ones(2, 2).long()),
    "matrix_rank of a hermitian rectangle": lambda t: t.linalg.matrix_rank(t.ones(2, 3), hermitian=True),
    "pinv of a vector": lambda t: t.linalg.pinv(t.ones(3)),
    "pinv of integers": lambda t: t.pinverse(t.ones(2, 2).long()),
    "cond of a rectangle": lambda t: t.linalg.cond(t.ones(2, 3), 1),
    "cond by a word": lambda t: t.linalg.cond(t.eye(2), "foo"),
    "cond by 3": lambda t: t.linalg.cond(t.eye(2), 3),
    "cond of a vector": lambda t: t.linalg.cond(t.ones(3)),
    "cond of integers": lambda t: t.linalg.cond(t.ones(2, 2).long()),
    "lu of a vector": lambda t: t.linalg.lu(t.ones(3)),
    "lu without pivots": lambda t: t.linalg.lu(t.eye(3), pivot=False),
    "lu_factor of zeros": lambda t: t.linalg.lu_factor(t.zeros(2, 2)),
    "lu_factor_ex that checks": lambda t: t.linalg.lu_factor_ex(t.zeros(2, 2), check_errors=True),
    "lu_solve dtype of pivots": lambda t: t.linalg.lu_solve(t.eye(3), t.ones(3).long(), t.ones(3, 2)),
    "lu_solve pivots": lambda t: t.linalg.lu_solve(t.eye(3), t.tensor([4, 4, 4]).int(), t.ones(3, 2)),
    "lu_solve rows": lambda t: t.linalg.lu_solve(t.eye(3), t.ones(3).int(), t.ones(4, 2)),
    "tensorinv ind": lambda t: t.linalg.tensorinv(t.ones(4, 6, 8, 3), ind=0),
    "tensorinv shape": lambda t: t.linalg.tensorinv(t.ones(4, 6, 5, 3)),
    "tensorsolve shape": lambda t: t.linalg.tensorsolve(t.ones(2, 3, 5), t.ones(2, 3)),
    "norm fro of a vector": lambda t: t.linalg.norm(t.ones(3), "fro"),
    "norm nuc of three dims": lambda t: t.linalg.norm(t.ones(3, 3, 3), "nuc"),
    "norm over three dims": lambda t: t.linalg.norm(t.ones(3, 3, 3), 2, dim=(0, 1, 2)),
    "norm of integers": lambda t: t.linalg.norm(t.ones(2).long()),
    "norm by a word": lambda t: t.linalg.norm(t.ones(3), "x"),
    "vector_norm inf of nothing": lambda t: t.linalg.vector_norm(t.ones(0), float("inf")),
    "vector_norm -1 of nothing": lambda t: t.linalg.vector_norm(t.ones(0), -1.0),
    "vector_norm inf of an empty dim": lambda t: t.linalg.vector_norm(t.ones(3, 0), float("inf"), dim=1),
    "vector_norm narrower": lambda t: t.linalg.vector_norm(t.ones(3).double(), dtype=t.float),
    "vector_norm as integers": lambda t: t.linalg.vector_norm(t.ones(3), dtype=t.long),
    "vector_norm by a word": lambda t: t.linalg.vector_norm(t.ones(3), "2"),
    "matrix_norm of a vector": lambda t: t.linalg.matrix_norm(t.ones(3)),
    "matrix_norm 3": lambda t: t.linalg.matrix_norm(t.eye(3), 3),
    "matrix_norm by a word": lambda t: t.linalg.matrix_norm(t.eye(3), "foo"),
    "matrix_norm over one dim twice": lambda t: t.linalg.matrix_norm(t.eye(3), 2, dim=(0, 0)),
    "matrix_norm of integers": lambda t: t.linalg.matrix_norm(t.ones(2, 2).long()),
    "vecdot shapes": lambda t: t.linalg.vecdot(t.ones(2, 3), t.ones(2)),
    "vecdot dtypes": lambda t: t.linalg.vecdot(t.ones(2, 3), t.ones(2, 3).long()),
    "cross of length 2": lambda t: t.linalg.cross(t.ones(3, 2), t.ones(3, 2)),
    "cross ranks": lambda t: t.linalg.cross(t.ones(3), t.ones(4, 3)),
    "cross dtypes": lambda t: t.linalg.cross(t.ones(2, 3), t.ones(2, 3).long()),
    "vander N": lambda t: t.linalg.vander(t.ones(4), N=1),
    "vander bool": lambda t: t.linalg.vander(t.tensor([True])),
    "multi_dot of one": lambda t: t.linalg.multi_dot([t.ones(2, 3)]),
    "multi_dot of three dims": lambda t: t.linalg.multi_dot([t.ones(3), t.ones(3, 4, 1), t.ones(4)]),
    "multi_dot shapes": lambda t: t.linalg.multi_dot([t.ones(3), t.ones(2, 4), t.ones(4)]),
    "multi_dot dtypes": lambda t: t.linalg.multi_dot([t.ones(3), t.ones(3, 4), t.ones(4).double()]),
    "multi_dot of a last number": lambda t: t.linalg.multi_dot([t.ones(3, 2), t.ones(())]),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    """What cannot be computed is refused with PyTorch's class and words."""
    assert_same_error(ERRORS[name], torch)


def test_the_error_class_is_a_runtime_error() -> None:
    """As in PyTorch, LinAlgError is caught as RuntimeError, and stands in ``linalg``."""
    with pytest.raises(RuntimeError) as caught:
        graphc.linalg.cholesky(graphc.tensor(_INDEFINITE))
    assert type(caught.value) is LinAlgError is graphc.linalg.LinAlgError


VALUES = {
    "inv_ex of a singular matrix": lambda t: t.linalg.inv_ex(t.tensor(_SINGULAR)).info,
    "solve_ex of a singular matrix": lambda t: t.linalg.solve_ex(t.tensor(_SINGULAR), t.ones(2)).info,
    "cholesky_ex of an indefinite matrix": lambda t: t.linalg.cholesky_ex(t.tensor(_INDEFINITE)).info,
    "lu_factor_ex of zeros": lambda t: t.linalg.lu_factor_ex(t.zeros(2, 2)),
    "solve_triangular with a zero": lambda t: t.linalg.solve_triangular(t.zeros(2, 2), t.ones(2, 1), upper=True),
    "slogdet of zeros": lambda t: t.slogdet(t.zeros(2, 2)),
    "logdet of a negative determinant": lambda t: t.logdet(t.tensor([[-1.0]])),
    "eigh of NaN": lambda t: t.linalg.eigvalsh(t.full((2, 2), float("nan"))),
    "cond of a singular matrix": lambda t: t.linalg.cond(t.tensor(_SINGULAR), 1),
    "matrix_rank with tensors": lambda t: t.linalg.matrix_rank(t.eye(3) * 2, atol=t.tensor(1.0), rtol=t.tensor(0.0)),
    "pinv with tensors": lambda t: t.linalg.pinv(t.eye(3) * 2, atol=t.tensor(3.0)),
    "qr mode r": lambda t: t.linalg.qr(t.eye(3), mode="r").Q,
    "lstsq gelsd": lambda t: t.linalg.lstsq(t.eye(3, 2), t.ones(3, 1), driver="gelsd"),
    "lstsq gelss of lower rank": lambda t: t.linalg.lstsq(t.ones(3, 2), t.ones(3, 1), driver="gelss"),
    "empty svd": lambda t: t.linalg.svd(t.ones(0, 3), full_matrices=False),
    "empty eigh": lambda t: t.linalg.eigh(t.ones(0, 0)),
    "empty pinv": lambda t: t.linalg.pinv(t.ones(0, 3)),
    "empty det": lambda t: t.linalg.det(t.ones(2, 0, 0)),
    "empty matrix_exp": lambda t: t.linalg.matrix_exp(t.ones(0, 0)),
    "empty solve": lambda t: t.linalg.solve(t.ones(2, 0, 0), t.ones(2, 0, 3)),
    "empty matrix_rank": lambda t: t.linalg.matrix_rank(t.ones(0, 3)),
    "empty lstsq": lambda t: t.linalg.lstsq(t.ones(0, 2), t.ones(0, 1)).solution,
    "empty cond": lambda t: t.linalg.cond(t.ones(0, 0)),
    "norm keeps dims": lambda t: t.linalg.norm(t.ones(2, 3), keepdim=True),
    "norm in double": lambda t: t.linalg.norm(t.ones(2, 3), dtype=t.double),
    "matrix_power of a large exponent": lambda t: t.linalg.matrix_power(t.tensor([[1.0, 1.0], [0.0, 1.0]]), 100),
}


@pytest.mark.parametrize("name", VALUES)
def test_values(name: str) -> None:
    """Odd arguments give what they give in PyTorch."""
    assert_same_value(VALUES[name], torch, 1e-5)


def test_results_have_the_names_of_pytorch() -> None:
    """Results of several parts are named tuples that print as PyTorch's."""
    text = (
        "torch.return_types.linalg_eigh(\neigenvalues=tensor([1., 2.]),\n"
        "eigenvectors=tensor([[1., 0.],\n        [0., 1.]]))"
    )
    assert repr(graphc.linalg.eigh(graphc.tensor([[1.0, 0.0], [0.0, 2.0]]))) == text
    matrix = np.eye(2, dtype=np.float32)
    for name in ("slogdet", "qr", "svd"):
        ours, theirs = (getattr(library, name)(library.from_numpy(matrix)) for library in (graphc, torch))
        assert type(ours).__name__ == type(theirs).__name__.split(".")[-1]
        for field in ours._fields:
            assert hasattr(theirs, field)


def _second(library: Any, call: Any, array: np.ndarray, cotangents: list[np.ndarray]) -> np.ndarray:
    """The gradient of the gradient of a call."""
    x = library.from_numpy(array.copy()).requires_grad_()
    result = call(library, x)
    gradient = torch.autograd.grad if library is torch else grad
    (first,) = gradient(result, x if library is torch else [x], library.from_numpy(cotangents[0]), create_graph=True)
    (second,) = gradient(first, x if library is torch else [x], library.from_numpy(cotangents[1]))
    return second.detach().resolve_conj().numpy() if library is torch else second.detach().numpy()


def _hermitian(x: Any) -> Any:
    return (x + x.conj().transpose(-1, -2)) / 2


def _product(x: Any) -> Any:
    return x @ x.conj().transpose(-1, -2)


OF_MATRICES = {
    "matmul": lambda t, x: x @ x,
    "inv": lambda t, x: t.linalg.inv(x),
    "solve": lambda t, x: t.linalg.solve(x, x + 1),
    "solve_triangular": lambda t, x: t.linalg.solve_triangular(x, x + 1, upper=True),
    "det": lambda t, x: t.linalg.det(x),
    "slogdet": lambda t, x: t.linalg.slogdet(x).sign + t.linalg.slogdet(x).logabsdet,
    "logdet": lambda t, x: t.logdet(_product(x)),
    "matrix_exp": lambda t, x: t.linalg.matrix_exp(x),
    "matrix_power": lambda t, x: t.linalg.matrix_power(x, -3),
    "pinv": lambda t, x: t.linalg.pinv(x[:, :2]),
    "lstsq": lambda t, x: t.linalg.lstsq(x[:, :2], x).solution,
    "cholesky": lambda t, x: t.linalg.cholesky(_product(x)),
    "cholesky_solve": lambda t, x: t.cholesky_solve(x, t.linalg.cholesky(_product(x))),
    "cholesky_inverse": lambda t, x: t.cholesky_inverse(t.linalg.cholesky(_product(x))),
    "lu_factor": lambda t, x: t.linalg.lu_factor(x).LU,
    "lu": lambda t, x: t.linalg.lu(x[:, :2]).L,
    "qr": lambda t, x: t.linalg.qr(x).R.abs(),
    "qr of a wide matrix": lambda t, x: t.linalg.qr(x[:2]).R.abs(),
    "svd": lambda t, x: t.linalg.svd(x[:, :2], full_matrices=False).U.abs(),
    "svd of a wide matrix": lambda t, x: t.linalg.svd(x[:2], full_matrices=False).Vh.abs(),
    "singular values": lambda t, x: t.linalg.svd(x).S,
    "svdvals": lambda t, x: t.linalg.svdvals(x),
    "eigh": lambda t, x: t.linalg.eigh(_hermitian(x)).eigenvectors.abs(),
    "eigenvalues": lambda t, x: t.linalg.eigh(_hermitian(x)).eigenvalues,
    "eigvalsh": lambda t, x: t.linalg.eigvalsh(_hermitian(x)),
    "eigvals": lambda t, x: t.linalg.eigvals(x).abs().sum(),
    "eig": lambda t, x: t.linalg.eig(x).eigenvectors.abs().sum(),
    "nuclear norm": lambda t, x: t.linalg.matrix_norm(x, "nuc"),
    "vector_norm": lambda t, x: t.linalg.vector_norm(x, 3),
}


@pytest.mark.parametrize("kind", ["real", "complex"])
@pytest.mark.parametrize("name", OF_MATRICES)
def test_second_gradients(name: str, kind: str) -> None:
    """Of real and of complex matrices, values and gradients of gradients are PyTorch's."""
    generator = np.random.default_rng(7)

    def random(shape: tuple[int, ...], is_complex: bool) -> np.ndarray:
        values = generator.standard_normal(shape)
        return np.asarray(values + 1j * generator.standard_normal(shape) if is_complex else values)

    array = random((3, 3), kind == "complex")
    call = OF_MATRICES[name]
    expected = call(torch, torch.from_numpy(array)).resolve_conj().numpy()
    found = call(graphc, graphc.from_numpy(array)).numpy()
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)
    cotangents = [random(expected.shape, expected.dtype.kind == "c"), random(array.shape, kind == "complex")]
    ours, theirs = (_second(library, call, array, cotangents) for library in (graphc, torch))
    np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-8 * np.abs(theirs).max())


def test_determinant_of_singular_matrices() -> None:
    """The determinant is a polynomial: where it is zero, its gradients are those of the polynomial."""
    array = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [5.0, 7.0, 9.0]])

    def polynomial(t: Any, x: Any) -> Any:
        first = x[0, 0] * (x[1, 1] * x[2, 2] - x[1, 2] * x[2, 1])
        second = x[0, 1] * (x[1, 0] * x[2, 2] - x[1, 2] * x[2, 0])
        return first - second + x[0, 2] * (x[1, 0] * x[2, 1] - x[1, 1] * x[2, 0])

    for matrix in (array, np.outer(array[0], array[1]), np.zeros((3, 3))):
        x = graphc.from_numpy(matrix.copy()).requires_grad_()
        ours, theirs = (grad(call(graphc, x), [x])[0] for call in (lambda t, x: t.linalg.det(x), polynomial))
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-12)
        cotangents = [np.array(1.0), np.random.default_rng(3).standard_normal((3, 3))]
        ours, theirs = (
            _second(graphc, call, matrix, cotangents) for call in (lambda t, x: t.linalg.det(x), polynomial)
        )
        np.testing.assert_allclose(ours, theirs, atol=1e-11)


def test_third_gradients_of_determinants() -> None:
    """The gradient of the gradient of the gradient agrees with PyTorch's."""
    array, direction, other = (np.random.default_rng(4).standard_normal((3, 3, 3))[k] for k in range(3))
    found = []
    for library, gradient in ((graphc, grad), (torch, torch.autograd.grad)):
        x = library.from_numpy(array.copy()).requires_grad_()
        (first,) = gradient(library.linalg.det(x), [x], create_graph=True)
        (second,) = gradient(first, [x], library.from_numpy(direction.copy()), create_graph=True)
        (third,) = gradient(second, [x], library.from_numpy(other.copy()))
        found.append(third.detach().numpy())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9, atol=1e-9)


def test_equal_eigenvalues_have_gradients() -> None:
    """Where only the values are used, matrices whose eigenvalues or singular values coincide have gradients."""
    for call in (
        lambda t, x: t.linalg.eigh(x).eigenvalues.sum(),
        lambda t, x: t.linalg.svd(x).S.sum(),
        lambda t, x: t.linalg.eigvalsh(x).sum(),
        lambda t, x: t.linalg.matrix_norm(x, "nuc"),
    ):
        gradients = []
        for library in (graphc, torch):
            x = library.eye(3).requires_grad_()
            call(library, x).backward()
            gradients.append(x.grad.numpy())
        np.testing.assert_allclose(gradients[0], gradients[1], atol=1e-6)


@pytest.mark.parametrize("size", [1, 7, 32, 33, 100])
def test_own_algorithms(size: int) -> None:
    """LU, substitution, and the exponential, which numpy lacks, in blocks and beyond one block."""
    generator = np.random.default_rng(size)
    matrices = generator.standard_normal((2, size, size + 3)) + 1j * generator.standard_normal((2, size, size + 3))
    for given in (matrices.real, matrices.real.swapaxes(-1, -2), matrices):
        lu, pivots = matrix_numerics.factor_lu(given)
        reference = torch.linalg.lu_factor(torch.from_numpy(np.ascontiguousarray(given)))
        np.testing.assert_allclose(lu, reference.LU.numpy(), atol=1e-10)
        np.testing.assert_array_equal(pivots, reference.pivots.numpy())
        rows = matrix_numerics.rows_of_pivots(pivots, given.shape[-2])
        permutation = torch.lu_unpack(*reference).P.numpy().real
        np.testing.assert_array_equal(np.eye(given.shape[-2])[rows].swapaxes(-1, -2), permutation)
    triangle = np.tril(matrices.real[..., :size]) + size * np.eye(size)
    right = generator.standard_normal((2, size, 2))
    for upper in (False, True):
        turned = triangle.swapaxes(-1, -2) if upper else triangle
        found = matrix_numerics.substitute(turned, right, upper=upper, unit=False)
        np.testing.assert_allclose(turned @ found, right, atol=1e-10)
    whole = matrices.real[..., :size] / size
    np.testing.assert_allclose(
        matrix_numerics.exponential(whole), torch.matrix_exp(torch.from_numpy(np.ascontiguousarray(whole))).numpy()
    )


def test_methods() -> None:
    """The methods that PyTorch's tensors have."""
    x = np.array([[4.0, 1.0], [1.0, 3.0]])
    ours, theirs = graphc.from_numpy(x), torch.from_numpy(x)
    for name in ("det", "logdet", "inverse", "pinverse", "cholesky", "matrix_exp", "trace", "cholesky_inverse"):
        np.testing.assert_allclose(getattr(ours, name)().numpy(), getattr(theirs, name)().numpy(), atol=1e-12)
    for name in ("slogdet", "lu"):
        for one, other in zip(getattr(ours, name)(), getattr(theirs, name)(), strict=True):
            np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-12)
    np.testing.assert_allclose(ours.matrix_power(3).numpy(), theirs.matrix_power(3).numpy())
    np.testing.assert_allclose(ours.diagonal().numpy(), theirs.diagonal().numpy())
