"""Results of linear algebra lie in memory as PyTorch's do: most of them column by column, as LAPACK writes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc

SQUARE = np.random.default_rng(0).standard_normal((3, 3)).astype(np.float32)
POSITIVE = SQUARE @ SQUARE.T + 3 * np.eye(3, dtype=np.float32)
TALL = np.random.default_rng(1).standard_normal((4, 3)).astype(np.float32)
RIGHT = np.random.default_rng(2).standard_normal((3, 2)).astype(np.float32)
BATCH = np.stack([SQUARE, POSITIVE])

CASES: dict[str, Callable[[Any, Callable[[np.ndarray], Any]], Any]] = {
    "inv": lambda t, of: t.linalg.inv(of(SQUARE)),
    "inv of a batch": lambda t, of: t.linalg.inv(of(BATCH)),
    "inv of a transpose": lambda t, of: t.linalg.inv(of(SQUARE).T),
    "inv, then pointwise": lambda t, of: t.linalg.inv(of(SQUARE)) * 2,
    "inv_ex": lambda t, of: t.linalg.inv_ex(of(SQUARE)),
    "solve": lambda t, of: t.linalg.solve(of(SQUARE), of(RIGHT)),
    "solve from the right": lambda t, of: t.linalg.solve(of(SQUARE), of(RIGHT).T, left=False),
    "solve of a vector": lambda t, of: t.linalg.solve(of(SQUARE), of(RIGHT)[:, 0]),
    "solve of a batch": lambda t, of: t.linalg.solve(of(BATCH), t.stack([of(RIGHT)] * 2)),
    "solve_triangular": lambda t, of: t.linalg.solve_triangular(of(POSITIVE).triu(), of(RIGHT), upper=True),
    "cholesky": lambda t, of: t.linalg.cholesky(of(POSITIVE)),
    "cholesky, upper": lambda t, of: t.linalg.cholesky(of(POSITIVE), upper=True),
    "cholesky_ex": lambda t, of: t.linalg.cholesky_ex(of(POSITIVE)),
    "cholesky_solve": lambda t, of: t.cholesky_solve(of(RIGHT), t.linalg.cholesky(of(POSITIVE))),
    "cholesky_inverse": lambda t, of: t.cholesky_inverse(t.linalg.cholesky(of(POSITIVE))),
    "qr": lambda t, of: t.linalg.qr(of(TALL)),
    "qr, complete": lambda t, of: t.linalg.qr(of(TALL), mode="complete"),
    "qr, r": lambda t, of: t.linalg.qr(of(TALL), mode="r"),
    "qr of a wide matrix": lambda t, of: t.linalg.qr(of(TALL).T),
    "svd": lambda t, of: t.linalg.svd(of(TALL)),
    "svd, reduced": lambda t, of: t.linalg.svd(of(TALL), full_matrices=False),
    "svd of a wide matrix": lambda t, of: t.linalg.svd(of(TALL).T, full_matrices=False),
    "the older svd": lambda t, of: t.svd(of(TALL)),
    "svdvals": lambda t, of: t.linalg.svdvals(of(TALL)),
    "eigh": lambda t, of: t.linalg.eigh(of(POSITIVE)),
    "eig": lambda t, of: t.linalg.eig(of(SQUARE)),
    "lu": lambda t, of: t.linalg.lu(of(SQUARE)),
    "lu_factor": lambda t, of: t.linalg.lu_factor(of(SQUARE)),
    "lu_factor_ex": lambda t, of: t.linalg.lu_factor_ex(of(TALL)),
    "lu_solve": lambda t, of: t.linalg.lu_solve(*t.linalg.lu_factor(of(SQUARE)), of(RIGHT)),
    "ldl_factor": lambda t, of: t.linalg.ldl_factor(of(POSITIVE)),
    "ldl_solve": lambda t, of: t.linalg.ldl_solve(*t.linalg.ldl_factor(of(POSITIVE)), of(RIGHT)),
    "geqrf": lambda t, of: t.geqrf(of(TALL)),
    "pinv": lambda t, of: t.linalg.pinv(of(TALL)),
    "matrix_power": lambda t, of: t.linalg.matrix_power(of(SQUARE), 3),
    "matrix_power of a negative number": lambda t, of: t.linalg.matrix_power(of(SQUARE), -1),
    "matrix_exp": lambda t, of: t.linalg.matrix_exp(of(SQUARE)),
    "multi_dot": lambda t, of: t.linalg.multi_dot([of(SQUARE), of(RIGHT)]),
}


def _strides(results: Any) -> list[tuple[int, ...]]:
    if hasattr(results, "stride"):
        return [tuple(results.stride())]
    return [tuple(each.stride()) for each in results]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES)
def test_strides_are_pytorchs(case: str) -> None:
    """The strides of every result."""
    torch = pytest.importorskip("torch")
    expected = _strides(CASES[case](torch, lambda array: torch.from_numpy(array.copy())))
    assert _strides(CASES[case](gc, lambda array: gc.from_numpy(array.copy()))) == expected


@pytest.mark.parametrize("case", ["inv", "solve of a batch", "qr", "eigh", "lu_factor"])
def test_compiled_results_lie_as_eager_ones(case: str) -> None:
    """At the first call and at later ones, with the same values."""
    square, right = gc.from_numpy(BATCH.copy()), gc.from_numpy(np.stack([RIGHT] * 2))
    functions = {
        "inv": lambda a, b: gc.linalg.inv(a),
        "solve of a batch": gc.linalg.solve,
        "qr": lambda a, b: gc.linalg.qr(a)[0].clone(),
        "eigh": lambda a, b: gc.linalg.eigh(a)[1].clone(),
        "lu_factor": lambda a, b: gc.linalg.lu_factor(a)[0].clone(),
    }
    expected = functions[case](square, right)
    compiled = gc.compile(functions[case])
    for _ in range(2):
        found = compiled(square, right)
        assert found.stride() == expected.stride()
        assert gc.equal(found, expected)
