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
