"""The format of the op sample table.

A sample is one call of one public function (or of one primitive, bound directly), its inputs described as data so that
one table serves every check: values against PyTorch, finite differences in float64, compiled against eager, symbolic
against eager. Families of samples lie in the modules beside this one; ``samples.ALL_SAMPLES`` is all of them.

    sample("add", normal(3, 4), normal(4), label="broadcast")
    sample("sum", normal(3, 4), dim=1, keepdim=True)
    sample("cat", (normal(2, 3), normal(1, 3)), dim=0)
    sample("maximum", literal([0.0, nan, 1.0]), literal([-0.0, 1.0, 1.0]), label="ties", smooth=False)
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

nan, inf = math.nan, math.inf

LAYOUTS = ("contiguous", "transposed", "strided")


@dataclass(frozen=True)
class Array:
    """A description of an array argument; ``make`` gives an array of its shape, dtype, and memory layout."""

    shape: tuple[int, ...]
    dtype: str
    fill: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
    layout: str = "contiguous"

    def make(self, generator: np.random.Generator, floating: str | None = None) -> np.ndarray:
        """The array. ``floating`` replaces a floating dtype, and a complex one by that of its precision: finite
        differences need float64."""
        dtype = self.dtype
        if floating is not None and dtype.startswith("float"):
            dtype = floating
        elif floating is not None and dtype.startswith("complex"):
            dtype = "complex128" if floating == "float64" else "complex64"
        values = np.asarray(self.fill(generator, self.shape)).astype(dtype)
        if self.layout == "transposed":  # the same values, the memory in Fortran order
            return np.asfortranarray(values)
        if self.layout == "strided":  # the same values, every second element of a wider memory
            wide = np.zeros((*values.shape[:-1], values.shape[-1] * 2), values.dtype)
            wide[..., ::2] = values
            return wide[..., ::2]
        return np.ascontiguousarray(values).reshape(self.shape)


def normal(*shape: int, dtype: str = "float32", layout: str = "contiguous") -> Array:
    """Normally distributed floats."""
    return Array(shape, dtype, lambda generator, size: generator.standard_normal(size), layout)


def complex_normal(*shape: int, dtype: str = "complex64", layout: str = "contiguous") -> Array:
    """Complex numbers of normally distributed parts."""

    def fill(generator: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
        return generator.standard_normal(size) + 1j * generator.standard_normal(size)

    return Array(shape, dtype, fill, layout)


def uniform(*shape: int, low: float, high: float, dtype: str = "float32", layout: str = "contiguous") -> Array:
    """Floats in [low, high)."""
    return Array(shape, dtype, lambda generator, size: generator.uniform(low, high, size), layout)


def distinct(*shape: int, dtype: str = "float32", layout: str = "contiguous") -> Array:
    """Floats in random order at least 0.1 apart, none within 0.03 of 0, no two of one magnitude: no ties, no kinks."""

    def fill(generator: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
        count = math.prod(size)
        return (0.1 * (generator.permutation(count) - count // 2) + 0.03).reshape(size)

    return Array(shape, dtype, fill, layout)


def integers(*shape: int, low: int, high: int, dtype: str = "int64", layout: str = "contiguous") -> Array:
    """Integers in [low, high)."""
    return Array(shape, dtype, lambda generator, size: generator.integers(low, high, size), layout)


def booleans(*shape: int, layout: str = "contiguous") -> Array:
    """Random truth values."""
    return Array(shape, "bool", lambda generator, size: generator.integers(0, 2, size), layout)


def literal(values: Any, dtype: str = "float32") -> Array:
    """Exactly these values."""
    array = np.array(values, dtype)
    return Array(array.shape, dtype, lambda generator, size: array)


@dataclass(frozen=True)
class OpSample:
    """One call of one public function.

    ``inputs`` are positional arguments: an Array, a tuple of Arrays (a sequence of tensors, as for cat), or any plain
    value. ``keywords`` are plain values or Arrays. With ``primitive`` the name is a primitive's and the keywords are
    its attributes.
    """

    name: str
    inputs: tuple[Any, ...]
    keywords: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    primitive: bool = False
    # The gradient is checked with respect to these positional arguments; None: every floating Array among them.
    differentiable: tuple[int, ...] | None = None
    # The function is differentiable around these inputs, so that finite differences tell its gradient.
    smooth: bool = True
    # PyTorch's function: its dotted name within torch, or a callable that is given torch and the arguments. None: the
    # same name, looked up in torch.nn.functional and then in torch. "": PyTorch has none.
    oracle: str | Callable[..., Any] | None = None
    # Relative tolerance against PyTorch and between eager and compiled, for float32 and for float64; the absolute one
    # is the same times the largest magnitude of the result.
    tolerance: tuple[float, float] = (1e-5, 1e-11)
    # The result is random: only dtype and shape can be compared where the streams differ.
    random: bool = False

    @property
    def identity(self) -> str:
        """A readable name for the test's id."""
        name = f"primitive-{self.name}" if self.primitive else self.name
        return f"{name}-{self.label}" if self.label else name

    def make(self, floating: str | None = None) -> tuple[list[Any], dict[str, Any]]:
        """Positional and keyword arguments with numpy arrays for Arrays; the same at each call.

        ``floating`` replaces the dtype of all floating arrays, for example "float64".
        """
        generator = np.random.default_rng(zlib.crc32(self.identity.encode()))

        def build(value: Any) -> Any:
            if isinstance(value, Array):
                return value.make(generator, floating)
            if isinstance(value, (tuple, list)) and any(isinstance(item, Array) for item in value):
                return [build(item) for item in value]
            return value

        return [build(value) for value in self.inputs], {name: build(value) for name, value in self.keywords.items()}

    def differentiable_positions(self) -> tuple[int, ...]:
        """Positions among the arrays of ``flat_arrays(make()[0])`` whose gradient is checked."""
        if self.differentiable == ():
            return ()
        positions: list[int] = []
        flat = 0
        for place, value in enumerate(self.inputs):
            for item in value if isinstance(value, (tuple, list)) else (value,):
                if isinstance(item, Array):
                    chosen = self.differentiable is None or place in self.differentiable
                    if chosen and item.dtype.startswith(("float", "complex")):
                        positions.append(flat)
                    flat += 1
        return tuple(positions)


def sample(name: str, *inputs: Any, label: str = "", **options: Any) -> OpSample:
    """A sample of a public function; options that are fields of OpSample are taken, the rest are its keywords."""
    return _sample(name, inputs, label, False, options)


def primitive_sample(name: str, *inputs: Any, label: str = "", **options: Any) -> OpSample:
    """A sample of a primitive, bound with the keywords as attributes."""
    return _sample(name, inputs, label, True, options)


# Functions whose results are no floats.
_WITHOUT_GRADIENT = frozenset(
    {
        "all",
        "any",
        "argmax",
        "argmin",
        "count_nonzero",
        "eq",
        "ge",
        "gt",
        "isfinite",
        "isinf",
        "isnan",
        "le",
        "logical_and",
        "logical_not",
        "logical_or",
        "logical_xor",
        "lt",
        "ne",
    }
)
_OPTIONS = ("differentiable", "smooth", "oracle", "tolerance", "random")


def _sample(name: str, inputs: tuple[Any, ...], label: str, primitive: bool, options: dict[str, Any]) -> OpSample:
    chosen = {option: options.pop(option) for option in _OPTIONS if option in options}
    if name in _WITHOUT_GRADIENT:
        chosen["differentiable"] = ()
    return OpSample(name, inputs, options, label, primitive, **chosen)


def flat_arrays(arguments: Any) -> list[np.ndarray]:
    """The arrays among positional arguments, those within lists included, in order."""
    found: list[np.ndarray] = []
    for value in arguments:
        if isinstance(value, np.ndarray):
            found.append(value)
        elif isinstance(value, (tuple, list)):
            found.extend(item for item in value if isinstance(item, np.ndarray))
    return found


def map_arrays(arguments: Any, change: Callable[[np.ndarray], Any]) -> list[Any]:
    """Positional arguments with every array replaced by ``change`` of it, in the order of ``flat_arrays``."""

    def convert(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return change(value)
        if isinstance(value, (tuple, list)) and any(isinstance(item, np.ndarray) for item in value):
            return [convert(item) for item in value]
        return value

    return [convert(value) for value in arguments]
