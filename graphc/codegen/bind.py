"""Naming of common and loop-invariant expressions."""

from __future__ import annotations

from collections.abc import Mapping

from graphc.codegen.loops import Contract, Statement


def bind(body: tuple[Statement, ...] | Contract, overwritten: Mapping[str, str]) -> tuple[Statement, ...] | Contract:
    """The body as it is."""
    return body
