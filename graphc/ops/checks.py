"""Checks of values that name a class or a place: what is given passes through, unless one of them lies outside."""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from graphc.ir.integers import Dimension, product
from graphc.ir.primitive import register
from graphc.ir.types import TensorType
from graphc.ops.gathers import Check, require_inside


@register
class CheckTarget(Check):
    """Class indices as they are. Raises IndexError, with the words of PyTorch's losses, unless ``0 <= i < extent``."""

    name = "check_target"

    def infer(self, target: TensorType, *, extent: Dimension) -> TensorType:
        if target.dtype.category != "int":
            raise TypeError(f"class indices are integers, got {target}")
        return target

    def evaluate(self, target: np.ndarray, *, extent: int) -> np.ndarray:
        require_inside(self, target, extent)
        return target

    def index_error(self, index: int, bound: int, **attrs: Any) -> Exception:
        return IndexError(f"Target {index} is out of bounds.")


class GuardMissed(Exception):
    """A program took another way than the one it was recorded on. ``number`` counts the guards of its recording."""

    def __init__(self, number: int):
        super().__init__(f"guard {number} does not hold")
        self.number = number


@register
class Guard(Check):
    """The operand, which is 0 where a value that the user's code read is still what it was: a 0-d integer.

    ``expected`` is that value, for people; ``number`` counts the guards of a recording in the order in which the code
    read. Raises GuardMissed where the operand is not 0. A guard is an effect: what comes after it in the user's code is
    right only while it holds.
    """

    name, effect = "guard", "guard"

    def infer(self, missed: TensorType, *, expected: Any, number: int) -> TensorType:
        if missed.dtype.category != "int" or missed.shape != ():
            raise TypeError(f"guard expects a 0-d integer, got {missed}")
        return missed

    def evaluate(self, missed: np.ndarray, *, expected: Any, number: int) -> np.ndarray:
        if missed:
            raise GuardMissed(number)
        return missed

    def bound(self, **attrs: Any) -> Dimension:
        return 1

    def index_error(self, index: int, bound: int, *, number: int, **attrs: Any) -> Exception:
        return GuardMissed(number)


@register
class CheckHolds(Check):
    """The operand, which is 0 where something holds that the program rests on: a 0-d integer. Raises where it is 1:
    ``error`` is the name of a built-in exception, ``message`` its words. It is an effect: no result need be read."""

    name, effect = "check_holds", "check"

    def infer(self, missed: TensorType, *, error: str, message: str) -> TensorType:
        if missed.dtype.category != "int" or missed.shape != ():
            raise TypeError(f"check_holds expects a 0-d integer, got {missed}")
        return missed

    def evaluate(self, missed: np.ndarray, *, error: str, message: str) -> np.ndarray:
        if missed:
            raise self.index_error(1, 1, error=error, message=message)
        return missed

    def bound(self, **attrs: Any) -> Dimension:
        return 1

    def index_error(self, index: int, bound: int, *, error: str, message: str, **attrs: Any) -> Exception:
        return getattr(builtins, error)(message)


@register
class CheckPoolIndex(Check):
    """Indices into a flattened volume as they are. Raises RuntimeError, with the words of PyTorch's unpooling, unless
    they lie within the volume, whose extents are ``volume``."""

    name = "check_pool_index"

    def infer(self, index: TensorType, *, volume: tuple[Dimension, ...]) -> TensorType:
        if index.dtype.category != "int":
            raise TypeError(f"indices are integers, got {index}")
        return index

    def evaluate(self, index: np.ndarray, *, volume: tuple[int, ...]) -> np.ndarray:
        require_inside(self, index, math.prod(volume), volume=volume)
        return index

    def index_error(self, index: int, bound: int, *, volume: tuple[Dimension, ...], **attrs: Any) -> Exception:
        shown = "x".join(map(str, volume))
        return RuntimeError(f"Found an invalid max index: {index} (output volumes are of size {shown})")

    def bound(self, *, volume: tuple[Dimension, ...], **attrs: Any) -> Dimension:
        return product(volume)
