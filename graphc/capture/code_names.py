"""What the code of functions names: variables, attributes, and texts, those within inner functions included."""

from __future__ import annotations

import dis
import functools
import itertools
from types import CodeType

_GLOBALS = ("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL")
_LOCAL = ("LOAD_FAST", "LOAD_CONST")


@functools.lru_cache(4096)
def global_names(code: CodeType) -> frozenset[str]:
    """The global variables that code, and code within it, names."""
    names = {step.argval for step in dis.get_instructions(code) if step.opname in _GLOBALS}
    inner = [global_names(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    return frozenset(names.union(*inner))


@functools.lru_cache(4096)
def loaded_names(code: CodeType) -> frozenset[str]:
    """The variables and attributes that code, and code within it, reads; but for variables of its own."""
    steps = [step for step in dis.get_instructions(code) if step.opname.startswith("LOAD_")]
    names = {step.argval for step in steps if isinstance(step.argval, str) and not step.opname.startswith(_LOCAL)}
    inner = [loaded_names(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    return frozenset(names.union(*inner))


@functools.lru_cache(4096)
def only_appends(code: CodeType, name: str) -> bool:
    """Whether code, and code within it, reads a variable or attribute only to call its ``append``."""
    steps = [step for step in dis.get_instructions(code) if step.opname not in ("CACHE", "PUSH_NULL", "EXTENDED_ARG")]
    for step, following in itertools.pairwise(steps):
        reads = step.opname.startswith("LOAD_") and not step.opname.startswith(_LOCAL) and step.argval == name
        if reads and (following.argval != "append" or not following.opname.startswith("LOAD_")):
            return False
    return all(only_appends(constant, name) for constant in code.co_consts if isinstance(constant, CodeType))


@functools.lru_cache(4096)
def texts(code: CodeType) -> frozenset[str]:
    """The texts that stand in code, and in code within it."""
    inner = [texts(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    return frozenset({text for text in code.co_consts if isinstance(text, str)}.union(*inner))
