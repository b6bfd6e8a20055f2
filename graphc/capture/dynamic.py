"""Which dimensions of a call's tensors are sizes that the program is given at run time.

What the user says of an argument (``dynamic={"x": {0: "N", 1: ("T", 512)}}``), or, where nothing is said, what two
calls show: the first dimension of those tensors whose calls differ in it alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphc.capture.names import argument_names
from graphc.ir.integers import IntegerExpression, variable
from graphc.tensor import Tensor

Shape = tuple[int, ...]
Symbols = tuple[Mapping[int, IntegerExpression], ...]
# What a user may say of an argument's dimension: its name, and the most that it may be.
Declared = Mapping[str, Mapping[int, str | tuple[str, int]]]


def check_declared(declared: Any) -> None:
    """Raise TypeError or ValueError for what is no value of ``dynamic``."""
    if declared is None or isinstance(declared, bool):
        return
    expected = 'expected True, False, None, or for arguments by name such as {"x": {0: "N", 1: ("T", 512)}}'
    if not isinstance(declared, Mapping):
        raise TypeError(f"dynamic: {expected}; got {declared!r}")
    most: dict[str, int] = {}
    for argument, dims in declared.items():
        if not isinstance(argument, str) or not isinstance(dims, Mapping):
            raise TypeError(f"dynamic: {expected}; got {argument!r}: {dims!r}")
        for dim, size in dims.items():
            name, bound = size if isinstance(size, tuple) and len(size) == 2 else (size, 0)
            if not isinstance(dim, int) or not isinstance(name, str) or not isinstance(bound, int) or bound < 0:
                raise TypeError(f"dynamic: {expected}; got {argument!r}: {dims!r}")
            if not name.isidentifier() or not name[0].isupper():
                raise ValueError(f"dynamic: a size's name is an identifier that begins with a capital, got {name!r}")
            if bound and most.setdefault(name, bound) != bound:
                raise ValueError(f"dynamic: {name} is at most {most[name]} and at most {bound}")


def declared_symbols(
    declared: Declared | bool, function: Callable[..., Any], arguments: Any, keywords: Any, tensors: Sequence[Tensor],
    most: Mapping[str, int],
) -> Symbols:  # fmt: skip
    """The symbols of each tensor as the user declares them; ``True`` is N for the first dimension of every tensor.

    ``most`` says how much a size may be at least, by name: what earlier calls needed. Raises ValueError for an argument
    or a dimension that is not there, and for sizes of one name that differ.
    """
    names = argument_names(function, arguments, keywords)
    wanted: list[Mapping[int, str | tuple[str, int]]] = []
    if declared is True:
        wanted = [{0: "N"} if tensor._array.ndim else {} for tensor in tensors]
        sizes = {tensor._array.shape[0] for tensor, dims in zip(tensors, wanted, strict=True) if dims}
        if len(sizes) > 1:
            raise ValueError(
                f"dynamic=True: the first dimensions of the arguments are {sorted(sizes)}; where they are not one "
                'size, say which dimensions are dynamic: dynamic={"x": {0: "N"}}'
            )
    else:
        unknown = sorted(set(declared) - set(names))
        if unknown:
            raise ValueError(
                f"dynamic names {', '.join(unknown)}; the tensors among the arguments are {', '.join(names)}"
            )
        wanted = [declared.get(name, {}) for name in names]
    values: dict[str, int] = {}
    bounds: dict[str, int] = {}
    places: list[dict[int, str]] = []
    for name, tensor, dims in zip(names, tensors, wanted, strict=True):
        places.append({})
        for dim, size in dims.items():
            symbol, bound = size if isinstance(size, tuple) else (size, 0)
            rank = tensor._array.ndim
            if not -rank <= dim < rank:
                raise ValueError(f"dynamic: {name} has {rank} dimensions, and no dimension {dim}")
            extent = tensor._array.shape[dim]
            if values.setdefault(symbol, extent) != extent:
                raise ValueError(f"dynamic: {symbol} is {values[symbol]} and, as dimension {dim} of {name}, {extent}")
            if bound:
                bounds[symbol] = bound
            places[-1][dim % rank] = symbol
    for symbol, bound in bounds.items():
        if values[symbol] > bound:
            raise ValueError(f"dynamic: {symbol} is at most {bound}, and {values[symbol]} was given")
    symbols = {
        symbol: variable(symbol, 0, bounds.get(symbol) or max(values[symbol], most.get(symbol, 0))) for symbol in values
    }
    return tuple({dim: symbols[symbol] for dim, symbol in dims.items()} for dims in places)


def shown_symbols(before: Sequence[Shape], now: Sequence[Shape], most: int) -> Symbols | None:
    """The symbols that two calls show: N for the first dimension of the tensors that differ in it alone, by one size
    before and one now; it may be ``most`` at least. None where the calls differ in another way."""
    changed = [position for position, (one, other) in enumerate(zip(before, now, strict=True)) if one != other]
    alike = all(before[position][1:] == now[position][1:] for position in changed)
    firsts = {(before[position][0], now[position][0]) for position in changed if before[position] and now[position]}
    if not changed or not alike or len(firsts) != 1:
        return None
    ((earlier, later),) = firsts
    size = variable("N", 0, max(earlier, later, most))
    # A tensor of that first dimension in both calls is of another size: it did not change.
    return tuple({0: size} if position in changed else {} for position in range(len(now)))


def without_few(symbols: Symbols | None, tensors: Sequence[Tensor]) -> tuple[Symbols | None, dict[str, str]]:
    """The symbols but those that are 0 or 1 in this call, and why they are not: a tensor of one row, or none, may be
    stretched, and lies in memory in another way, so that what is recorded with it says little of more."""
    few: dict[str, str] = {}
    kept: list[Mapping[int, IntegerExpression]] = []
    for dims, tensor in zip(symbols or (), tensors, strict=symbols is not None):
        small = {dim: symbol for dim, symbol in dims.items() if tensor._array.shape[dim] <= 1}
        few |= {
            str(symbol): f"it was {tensor._array.shape[dim]} when this was recorded" for dim, symbol in small.items()
        }
        kept.append({dim: symbol for dim, symbol in dims.items() if dim not in small})
    return (tuple(kept) if any(kept) else None), few


def sizes_of(symbols: Symbols, shapes: Sequence[Shape]) -> dict[str, int] | None:
    """What the symbols are for tensors of these shapes; None where one would be two sizes or more than it may be."""
    sizes: dict[str, int] = {}
    for dims, shape in zip(symbols, shapes, strict=True):
        for dim, symbol in dims.items():
            ((monomial, _),) = symbol.terms
            if sizes.setdefault(str(symbol), shape[dim]) != shape[dim] or shape[dim] > monomial[0].upper:
                return None
    return sizes
