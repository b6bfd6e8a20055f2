"""Calls that PyTorch still takes in the forms of its early versions: numbers before the tensors that they scale, as in
``x.add_(-0.1, gradient)``, and numbers alone, as in ``torch.add(1, 2)``.

Source: PyTorch's ``tools/autograd/deprecated.yaml`` and ``should_allow_numbers_as_tensors``
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from graphc.ops.operands import is_value
from graphc.source_lines import user_location

_NUMBERS = frozenset(["alpha", "beta", "value"])
# What was said of older forms in this process.
_warned: set[str] = set()


class OlderForm(NamedTuple):
    """An older form of a function's arguments.

    Attributes:
        older: the names of all its arguments, in their order; as a method's the first one is the tensor itself.
        now: those that are positional now; the others are keywords.
    """

    older: tuple[str, ...]
    now: tuple[str, ...]

    def bound(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> dict[str, Any] | None:
        """The arguments by name where a call has this form, else None."""
        given, named = self.older[: len(arguments)], self.older[len(arguments) :]
        if len(arguments) > len(self.older) or keywords.keys() - {"out"} != set(named):
            return None
        if _NUMBERS.isdisjoint(given):
            return None
        bound = dict(zip(given, arguments, strict=True)) | {name: keywords[name] for name in named}
        fits = all(_is_number(value) if name in _NUMBERS else _is_operand(name, value) for name, value in bound.items())
        return bound if fits else None

    def describe(self, name: str) -> str:
        """PyTorch's words for both forms."""
        older = ", ".join(f"{'Number' if each in _NUMBERS else 'Tensor'} {each}" for each in self.older)
        now = ", ".join(f"Tensor {each}" for each in self.now)
        numbers = ", ".join(f"Number {each} = 1" for each in self.older if each in _NUMBERS)
        return (
            f"This overload of {name} is deprecated:\n\t{name}({older})\n"
            f"Consider using one of the following signatures instead:\n\t{name}({now}, *, {numbers})"
        )


def _of_a_product(*factors: str) -> tuple[OlderForm, ...]:
    now = ("input", *factors)
    return tuple(
        OlderForm((*numbers, *factors), now)
        for numbers in (
            ("beta", "input", "alpha"),
            ("beta", "input"),
            ("input", "beta", "alpha"),
            ("input", "beta"),
        )
    )


def _scaled(number: str, *operands: str) -> tuple[OlderForm, ...]:
    return (OlderForm(("input", number, *operands), ("input", *operands)),)


_FORMS: dict[str, tuple[OlderForm, ...]] = {
    "add": _scaled("alpha", "other"),
    "sub": _scaled("alpha", "other"),
    "addcmul": _scaled("value", "tensor1", "tensor2"),
    "addcdiv": _scaled("value", "tensor1", "tensor2"),
    "addmm": _of_a_product("mat1", "mat2"),
    "addmv": _of_a_product("mat", "vec"),
    "addr": _of_a_product("vec1", "vec2"),
    "addbmm": _of_a_product("batch1", "batch2"),
    "baddbmm": _of_a_product("batch1", "batch2"),
}
# They take a number for their first tensor too.
_OF_NUMBERS = frozenset(["add", "div", "divide", "floor_divide", "mul", "multiply", "sub", "subtract", "true_divide"])


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, complex, np.number)) or (is_value(value) and not value.ndim)


def _is_operand(name: str, value: Any) -> bool:
    return is_value(value) or (name == "other" and _is_number(value))


def _warn_once(message: str) -> None:
    """Once for all functions in a process, as PyTorch does."""
    if not _warned:
        _warned.add(message)
        location = user_location()
        warnings.warn_explicit(message, UserWarning, location.file, location.line)


def in_newer_form(
    name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """The arguments of a call that a function refused as it takes them now; None where no older form has them."""
    if name in _OF_NUMBERS and len(arguments) == 2 and not any(map(is_value, arguments)):
        if not all(map(_is_number, arguments)):
            return None
        from graphc.creation import tensor

        return (tensor(arguments[0]), arguments[1]), keywords
    for form in _FORMS.get(name, ()):
        bound = form.bound(arguments, keywords)
        if bound is not None:
            _warn_once(form.describe(name))
            operands = tuple(bound.pop(operand) for operand in form.now)
            return operands, bound | ({"out": keywords["out"]} if "out" in keywords else {})
    return None
