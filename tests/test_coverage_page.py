"""The page on what of PyTorch is here is in step with the registry, the samples, and the known differences."""

from __future__ import annotations

import warnings

import pytest


def test_the_page_is_as_it_would_be_made_now() -> None:
    """Whoever adds a function makes the page anew: ``python -m docs.coverage.refresh``."""
    refresh = pytest.importorskip("docs.coverage.refresh", reason="the documents are not beside the tests")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = refresh.page()
    assert made == refresh.PAGE.read_text(), "run python -m docs.coverage.refresh"


# Beside linear algebra, Fourier transforms, and what reads memory as another dtype: a recurrence over labels, and draws
# that take as many numbers of the stream as they need. Whoever moves one into the program takes it off the list.
BY_HOST = """
    bit_view cholesky cholesky_failure cholesky_solve cofactors ctc_gradient ctc_loss det eig eigh eigvalsh
    fourier_transform geqrf inverse ldl_factor ldl_solve least_squares lu_factor matrix_exp pinv pivot_rows qr
    random_binomial random_exchange random_log_normal random_poisson random_serial_normal random_slopes
    real_fourier_transform real_inverse_fourier_transform reinterpret second_cofactors slogdet solve
    solve_triangular svd svdvals view_as_complex view_as_real zero_pivot
"""


def test_nothing_falls_out_of_the_program() -> None:
    """The primitives that the host carries out are these and no others, and no function is refused: an operator that
    was C and is no more is seen, whoever makes the page anew."""
    census = pytest.importorskip("docs.coverage.census", reason="the documents are not beside the tests")
    refresh = pytest.importorskip("docs.coverage.refresh", reason="the documents are not beside the tests")
    assert sorted(refresh.host_primitives()) == BY_HOST.split()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ways = census.ways_of_compiling()
    assert [name for name, way in ways.items() if way.refused] == []
    assert set().union(*(way.host for way in ways.values())) <= set(BY_HOST.split())
    silent = [name for name, way in ways.items() if not (way.native or way.host or way.complex or way.refused)]
    assert silent == []
