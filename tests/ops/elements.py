"""What primitives mean element by element, computed with Python: the reference for ``evaluate`` and for lowering.

The index expressions are built once from variables with the bounds that a loop has, so that whatever the algebra folds
away for those bounds is checked too, and are then evaluated at every point.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.ir.integers import Integer, Opaque, Quotient, Remainder, Variable, variable
from graphc.ir.primitive import PRIMITIVES, Contraction, Elementwise, Primitive, Reduction, Scan, Scatter
from graphc.ir.scalars import Call, Choose, Constant, FromIndex, Index, Load, Operand, Scalar, Within
from graphc.ir.types import TensorType, dtype_of
from graphc.ops.sources import Literal

Environment = Mapping[str, int]


def integer_value(value: Integer, variables: Environment) -> int:
    """An index expression at a point."""
    if isinstance(value, int):
        return value
    total = 0
    for monomial, coefficient in value.terms:
        term = coefficient
        for atom in monomial:
            if isinstance(atom, Variable):
                term *= variables[atom.name]
            elif isinstance(atom, Quotient):
                term *= integer_value(atom.dividend, variables) // integer_value(atom.divisor, variables)
            elif isinstance(atom, Remainder):
                term *= integer_value(atom.dividend, variables) % integer_value(atom.divisor, variables)
            else:
                assert isinstance(atom, Opaque)
                term *= int(scalar_value(atom.value, variables))
        total += term
    return total


def scalar_value(scalar: Scalar, variables: Environment) -> Any:
    """A scalar expression at a point, as a numpy scalar. Every load must lie within its array."""
    if isinstance(scalar, Constant):
        return scalar.dtype.numpy.type(scalar.value)
    if isinstance(scalar, FromIndex):
        return scalar.dtype.numpy.type(integer_value(scalar.value, variables))
    if isinstance(scalar, Within):
        lower, value, upper = (integer_value(v, variables) for v in (scalar.lower, scalar.value, scalar.upper))
        return lower <= value < upper
    if isinstance(scalar, Choose):
        taken = scalar.chosen if scalar_value(scalar.condition, variables) else scalar.otherwise
        return scalar_value(taken, variables)
    if isinstance(scalar, Load):
        array = scalar.source.array if isinstance(scalar.source, Literal) else scalar.source
        place = tuple(integer_value(position, variables) for position in scalar.index)
        assert len(place) == array.ndim, f"{len(place)} indices into an array of rank {array.ndim}"
        for position, extent in zip(place, array.shape, strict=True):
            assert 0 <= position < extent, f"a load at {place} of an array of shape {array.shape}"
        return array[place]
    assert isinstance(scalar, Call)
    primitive = PRIMITIVES[scalar.function]
    arguments = [np.asarray(scalar_value(argument, variables)) for argument in scalar.arguments]
    attrs = {"dtype": scalar.dtype} if scalar.function == "cast" else {}
    return primitive.evaluate(*arrays_of(scalar, arguments), **attrs)[()]


def arrays_of(call: Call, arguments: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The arguments of a scalar function in the dtypes that its operands say."""
    return [value.astype(a.dtype.numpy) for value, a in zip(arguments, call.arguments, strict=True)]


class _Array:
    """An array as the source of a load; hashable by identity."""

    def __init__(self, array: np.ndarray):
        self.array = array
        self.ndim, self.shape = array.ndim, array.shape

    def __getitem__(self, place: tuple[int, ...]) -> Any:
        return self.array[place]


def _operand(array: np.ndarray) -> Operand:
    source, dtype = _Array(array), dtype_of(array.dtype)
    return lambda *index: Load(source, index, dtype)


def _variables(prefix: str, extents: Sequence[int]) -> Index:
    """Loop variables with their bounds; 0 where there is but one place, as lowering does."""
    return tuple(
        0 if extent == 1 else variable(f"{prefix}{position}", 0, max(extent - 1, 0))
        for position, extent in enumerate(extents)
    )


def _points(prefix: str, extents: Sequence[int]) -> Iterator[tuple[tuple[int, ...], dict[str, int]]]:
    for point in itertools.product(*map(range, extents)):
        yield point, {f"{prefix}{position}": value for position, value in enumerate(point)}


def by_elements(primitive: Primitive, arrays: Sequence[np.ndarray], attrs: Mapping[str, Any]) -> np.ndarray:
    """The result of a primitive computed element by element from its meaning."""
    types = [TensorType(dtype_of(array.dtype), array.shape) for array in arrays]
    output = primitive.infer(*types, **attrs)
    operands = [_operand(array) for array in arrays]
    if isinstance(primitive, Scatter):
        return _scattered(primitive, arrays, operands, types, output, attrs)
    if isinstance(primitive, Scan):
        return _scanned(primitive, operands, types, output, attrs)
    result = np.zeros(output.shape, output.dtype.numpy)
    index = _variables("i", output.shape)
    if isinstance(primitive, Elementwise):
        element = primitive.element(index, operands, types, output, **attrs)
        for point, variables in _points("i", output.shape):
            result[point] = scalar_value(element, variables)
        return result
    assert isinstance(primitive, Reduction), f"{primitive.name} has no meaning by elements"
    extents = primitive.reduced_extents(types, **attrs)
    reduced = _variables("r", extents)
    element = primitive.element(index, reduced, operands, types, output, **attrs)
    for point, variables in _points("i", output.shape):
        values = [scalar_value(element, {**variables, **inner}) for _, inner in _points("r", extents)]
        result[point] = combined(primitive.combiner, values)
    return result


def combined(combiner: str, values: Sequence[Any]) -> Any:
    """What a reduction makes of the values at the points of its domain."""
    if combiner in ("argmax", "argmin"):
        better = (lambda a, b: a > b) if combiner == "argmax" else (lambda a, b: a < b)
        best = 0
        for position, value in enumerate(values):
            if values[best] == values[best] and (value != value or better(value, values[best])):
                best = position
        return best
    functions = {"sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min, "any": np.any, "all": np.all}
    with np.errstate(all="ignore"):
        return functions[combiner](np.array(values))


def _scattered(
    primitive: Scatter,
    arrays: Sequence[np.ndarray],
    operands: Sequence[Operand],
    types: Sequence[TensorType],
    output: TensorType,
    attrs: Mapping[str, Any],
) -> np.ndarray:
    result = arrays[0].copy()
    target = primitive.target(_variables("i", types[2].shape), operands, types, output, **attrs)
    for point, variables in _points("i", types[2].shape):
        place = tuple(integer_value(position, variables) for position in target)
        value = arrays[2][point]
        combine = _COMBINE.get(primitive.combiner)
        result[place] = value if combine is None else combine(result[place], value)
    return result


_COMBINE = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}


def _scanned(
    primitive: Scan,
    operands: Sequence[Operand],
    types: Sequence[TensorType],
    output: TensorType,
    attrs: Mapping[str, Any],
) -> np.ndarray:
    result = np.zeros(output.shape, output.dtype.numpy)
    dim, index = attrs["dim"], _variables("i", output.shape)
    starts = primitive.carried(types, output, **attrs)
    sources = [_Array(np.array(start.value, start.dtype.numpy)) for start in starts]
    carried = [Load(source, (), start.dtype) for source, start in zip(sources, starts, strict=True)]
    step = primitive.step(carried, index, operands, types, output, **attrs)
    rows = output.shape[:dim] + output.shape[dim + 1 :]
    for row in itertools.product(*map(range, rows)):
        for source, start in zip(sources, starts, strict=True):
            source.array[()] = start.value
        order = range(output.shape[dim])
        for place in reversed(order) if attrs["reverse"] else order:
            point = (*row[:dim], place, *row[dim:])
            variables = {f"i{position}": value for position, value in enumerate(point)}
            values = [scalar_value(scalar, variables) for scalar in step]
            for source, value in zip(sources, values, strict=True):
                source.array[()] = value
            result[point] = values[0]
    return result


def check_roles(primitive: Contraction, arrays: Sequence[np.ndarray], attrs: Mapping[str, Any]) -> None:
    """Assert that no factor reads at an index that its role says it does not depend on."""
    types = [TensorType(dtype_of(array.dtype), array.shape) for array in arrays]
    output = primitive.infer(*types, **attrs)
    roles = primitive.roles(types, **attrs)
    assert len(roles) == output.rank
    extents = primitive.reduced_extents(types, **attrs)
    for side, foreign in ((0, "column"), (1, "row")):
        for place, role in enumerate(roles):
            if role != foreign or output.shape[place] < 2:
                continue
            index, reduced = _variables("i", output.shape), _variables("r", extents)
            factor = primitive.factor(side, index, reduced, _operand(arrays[side]), types, output, **attrs)
            assert f"i{place}" not in _names(factor), f"factor {side} of {primitive.name} depends on a {role}"


def _names(scalar: Scalar) -> set[str]:
    from graphc.ir.integers import variables
    from graphc.ir.scalars import walk

    found: set[str] = set()
    for part in walk(scalar):
        if isinstance(part, Load):
            found.update(name for position in part.index for name in variables(position))
        elif isinstance(part, Within):
            found |= variables(part.value)
    return found
