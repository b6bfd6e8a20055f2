"""A C library made of one template, for eager mode: what it does much of at once, outside of compiled programs."""

from __future__ import annotations

from typing import Any

from graphc.codegen.render import render
from graphc.runtime import CompileError, CompilerNotFound, build_library
from graphc.runtime.abi import open_library


def load_library(template: str, context: Any, name: str) -> Any | None:
    """The functions of a template filled in with a context, built or found in the cache; None where there is no
    compiler, or none that makes it."""
    try:
        return open_library(build_library(render(template, context), name=name).path)
    except (CompileError, CompilerNotFound, OSError):
        return None
