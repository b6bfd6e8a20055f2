"""The one jinja2 environment: templates are skeletons with named holes, and a hole that nobody fills is an error."""

from __future__ import annotations

import re
import sys
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any

import jinja2
import jinja2.bccache

from graphc.runtime.cache import cache_key, default_cache
from graphc.runtime.templates import template_folder

# What the functions of C's templates begin with.
_FUNCTION = re.compile(r"^(#define gc_outline )?static (?=inline|void|double|float|__attribute__)", re.MULTILINE)
_RESTRICT = re.compile(r"\brestrict\b")


class CompiledTemplates(jinja2.BytecodeCache):
    """Keeps what jinja2 makes of a template beside the compiled programs: making it takes longer than a build may."""

    def load_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        stored = default_cache().lookup_bytes(self._key(bucket))
        if stored is not None:
            bucket.bytecode_from_string(stored)

    def dump_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        default_cache().store_bytes(self._key(bucket), bucket.bytecode_to_string())

    def _key(self, bucket: jinja2.bccache.Bucket) -> str:
        return cache_key("template", bucket.key, bucket.checksum, jinja2.__version__, sys.version)


def on_device(text: str) -> str:
    """C functions as functions of a GPU's threads, in C++."""
    return _RESTRICT.sub("__restrict__", _FUNCTION.sub(r"\1static __device__ ", text))


@lru_cache(maxsize=1)
def environment() -> jinja2.Environment:
    """The environment that all templates are rendered in."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template_folder()),
        bytecode_cache=CompiledTemplates(),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["on_device"] = on_device
    return made


def render(template: str, context: Any) -> str:
    """A template, by its path under ``templates/``, filled in with the fields of a frozen dataclass.

    Raises jinja2.UndefinedError where the template names something that the context does not have.
    """
    if not is_dataclass(context):
        raise TypeError(f"the context of {template} is a {type(context).__name__}; expected a dataclass")
    values = {field.name: getattr(context, field.name) for field in fields(context)}
    return environment().get_template(template).render(values)
