"""The one jinja2 environment: templates are skeletons with named holes, and a hole that nobody fills is an error."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2

import graphc

_PACKAGE = Path(graphc.__path__[0])


def template_folder() -> Path:
    """Where the templates are: inside an installed package, or beside it in the repository.

    Raises FileNotFoundError where neither holds them.
    """
    for folder in (_PACKAGE / "templates", _PACKAGE.parent / "templates"):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"the templates are neither in {_PACKAGE} nor beside it; reinstall graphc")


@lru_cache(maxsize=1)
def environment() -> jinja2.Environment:
    """The environment that all templates are rendered in."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(template_folder()),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(template: str, context: Any) -> str:
    """A template, by its path under ``templates/``, filled in with the fields of a frozen dataclass.

    Raises jinja2.UndefinedError where the template names something that the context does not have.
    """
    if not is_dataclass(context):
        raise TypeError(f"the context of {template} is a {type(context).__name__}; expected a dataclass")
    values = {field.name: getattr(context, field.name) for field in fields(context)}
    return environment().get_template(template).render(values)
