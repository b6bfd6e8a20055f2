"""What a recording rests on: each guard holds while something that a graph can't see is as it was."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphc.ir.graph import exact_key
from graphc.ir.integers import IntegerExpression, substitute
from graphc.tensor import Tensor


@dataclass(frozen=True, slots=True)
class Guard:
    """The recording holds while an item (or attribute) of an object of the user's keeps its value, or its truth."""

    holder: Any
    key: Any
    value: Any
    truth: bool = False

    def holds(self) -> bool:
        """Whether the value is still the same."""
        current = bool(self.current()) if self.truth else self.current()
        return exact_key(current) == exact_key(self.value)

    def current(self) -> Any:
        """The value now."""
        if isinstance(self.holder, dict):
            return self.holder.get(self.key)
        return self.holder[self.key] if isinstance(self.key, int) else getattr(self.holder, self.key, None)

    def __str__(self) -> str:
        holder = "" if isinstance(self.holder, dict) else f"{type(self.holder).__name__}."
        return f"bool({holder}{self.key}) == {self.value}" if self.truth else f"{holder}{self.key} == {self.value!r}"


@dataclass(frozen=True, slots=True)
class Owner:
    """A tensor whose ``grad`` a program reads or writes: one from outside, or the argument at a position."""

    tensor: Tensor | None
    position: int = 0

    def of(self, arguments: Sequence[Tensor]) -> Tensor:
        """The tensor, for the arguments of one call."""
        return arguments[self.position] if self.tensor is None else self.tensor


@dataclass(frozen=True, slots=True)
class GradientGuard:
    """The recording holds while a tensor has a ``grad``, or has none, as it was found."""

    owner: Owner
    present: bool

    def holds(self, arguments: Sequence[Tensor]) -> bool:
        """Whether ``grad`` is as it was found, for the arguments of one call."""
        tensor = self.owner.of(arguments)
        gradient = tensor._grad
        if gradient is None:
            return not self.present
        fits = gradient.dtype == tensor.dtype and gradient._array.shape == tensor._array.shape
        return self.present and fits and not gradient.requires_grad

    def __str__(self) -> str:
        return f"grad of {'an argument' if self.owner.tensor is None else 'a tensor from outside'} is " + (
            "there" if self.present else "None"
        )


@dataclass(frozen=True, slots=True)
class RequiresGradGuard:
    """The recording holds while a tensor from outside keeps its ``requires_grad``."""

    tensor: Tensor
    value: bool

    def holds(self) -> bool:
        """Whether the flag is as it was."""
        return self.tensor.requires_grad == self.value

    def __str__(self) -> str:
        return f"requires_grad of a tensor of shape {list(self.tensor.shape)} == {self.value}"


@dataclass(frozen=True, slots=True)
class SizeGuard:
    """The recording holds while a size compares with a number as it did."""

    sign: str
    expression: IntegerExpression
    value: int
    outcome: bool

    def holds(self, sizes: Mapping[str, int]) -> bool:
        """Whether it compares so for the sizes of one call."""
        return SIGNS[self.sign](substitute(self.expression, sizes), self.value) == self.outcome

    def __str__(self) -> str:
        sign = self.sign if self.outcome else OPPOSITES[self.sign]
        return f"{self.expression} {sign} {self.value}"


SIGNS = {"==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
OPPOSITES = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
