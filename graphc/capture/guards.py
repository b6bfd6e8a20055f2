"""What a recording rests on: each guard holds while something that a graph can't see is as it was."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphc.ir.graph import exact_key
from graphc.ir.integers import IntegerExpression, substitute
from graphc.tensor import Tensor

_PLAIN = frozenset((bool, int, float, str, type(None)))


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
        if current is self.value and type(current) in _PLAIN:
            return True
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
    """The recording holds while a tensor has a ``grad``, or has none, as it was found: any, or the ``same`` one."""

    owner: Owner
    present: bool
    same: Tensor | None = None

    def holds(self, arguments: Sequence[Tensor]) -> bool:
        """Whether ``grad`` is as it was found, for the arguments of one call."""
        return gradients_as_found([self.found], arguments)

    @property
    def found(self) -> GradientFound:
        """For :func:`gradients_as_found`."""
        return self.owner.tensor, self.owner.position, self.present, self.same

    def __str__(self) -> str:
        return f"grad of {'an argument' if self.owner.tensor is None else 'a tensor from outside'} is " + (
            "the same" if self.same is not None else "there" if self.present else "None"
        )


# A tensor, or None and the position of an argument; whether it had a gradient; and which, where it must be that one.
GradientFound = tuple[Tensor | None, int, bool, Tensor | None]


def gradients_as_found(found: Iterable[GradientFound], arguments: Sequence[Tensor]) -> bool:
    """Whether tensors have a ``grad``, or have none, as was found; one that a program can read."""
    for tensor, position, present, same in found:
        if tensor is None:
            tensor = arguments[position]
        gradient = tensor._grad
        if gradient is None:
            if present:
                return False
            continue
        if same is not None and gradient is not same:
            return False
        if not present or gradient._array.shape != tensor._array.shape or gradient.dtype is not tensor.dtype:
            return False
        if gradient._requires_grad or (gradient._base is not None and gradient.requires_grad):
            return False
    return True


@dataclass(frozen=True, slots=True)
class RequiresGradGuard:
    """The recording holds while a tensor from outside keeps its ``requires_grad``, and its hooks, which it ran."""

    tensor: Tensor
    value: bool
    hooks: tuple[Any, ...] = ()

    def holds(self) -> bool:
        """Whether the flag and the hooks are as they were."""
        return self.tensor.requires_grad == self.value and hooks_of(self.tensor) == self.hooks

    def __str__(self) -> str:
        hooks = f", with {len(self.hooks)} hooks" if self.hooks else ""
        return f"requires_grad of a tensor of shape {list(self.tensor.shape)} == {self.value}{hooks}"


def hooks_of(leaf: Tensor) -> tuple[Any, ...]:
    """What runs when a gradient comes to a leaf."""
    hooks = None if leaf._accumulator is None else leaf._accumulator.hooks
    if hooks is None:
        return ()
    return tuple(
        hook for table in (hooks.tensor, hooks.before, hooks.after, hooks.accumulated) for hook in table.values()
    )


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
