"""Whether points of one domain are those of another: index expressions held against each other.

An anchor is traced over variables of its own. To join a group, each of them must be an expression of the group's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from graphc.codegen.domains import Axis, Domain, split_divisions
from graphc.codegen.trace import linear_terms
from graphc.ir.integers import Integer, IntegerExpression, product, substitute
from graphc.ir.scalars import Index


def extent_of(axes: Iterable[Axis]) -> Integer:
    """The number of points of a domain."""
    return product(axis.extent for axis in axes)


def _mixed_radix(value: Integer, extents: Mapping[str, Integer]) -> tuple[tuple[str, Integer], ...] | None:
    """The variables (and strides) that an expression is a row-major position of, innermost first, else None."""
    return None if isinstance(value, int) else _chain(value, tuple(extents.items()))


@lru_cache(maxsize=8192)
def _chain(value: IntegerExpression, axes: tuple[tuple[str, Integer], ...]) -> tuple[tuple[str, Integer], ...] | None:
    extents = dict(axes)
    terms = linear_terms(value, extents.keys())
    if len(terms) != len(value.terms):
        return None
    chain: list[tuple[str, Integer]] = []
    stride: Integer = 1
    while terms:
        name = next((name for name, factor in terms.items() if factor == stride), None)
        if name is None:
            return None
        chain.append((name, stride))
        stride = stride * extents[name]
        del terms[name]
    return tuple(chain)


def unify(
    index: Index, target: Index, mapping: dict[str, Integer], extents: Mapping[str, Integer]
) -> dict[str, Integer] | None:
    """``mapping`` extended so that ``index`` becomes ``target``; None where they disagree."""
    extended = dict(mapping)
    for mine, theirs in zip(index, target, strict=True):
        chain = _mixed_radix(mine, extents)
        if chain is None:
            if isinstance(mine, int) and mine != theirs:
                return None
            continue
        for position, (name, stride) in enumerate(chain):
            image = theirs // stride
            if position + 1 < len(chain):
                image = image % extents[name]
            if extended.setdefault(name, image) != image:
                return None
    return extended


def _is_bijective(index: Index, shape: Sequence[Integer], axes: Sequence[Axis]) -> bool:
    """Whether an index takes the points of the axes one to one to those of a shape."""
    extents = {axis.name: axis.extent for axis in axes if axis.extent != 1}
    seen: set[str] = set()
    for value, extent in zip(index, shape, strict=True):
        chain = [] if value == 0 else _mixed_radix(value, extents)
        if chain is None or seen & {name for name, _ in chain}:
            return False
        if product(extents[name] for name, _ in chain) != extent:
            return False  # it leaves the shape, or does not fill it
        seen |= {name for name, _ in chain}
    return len(seen) == len(extents)


def covers(axes: Domain, mapping: dict[str, Integer], domain: Domain) -> bool:
    """Whether the images of the axes run once through all points of a domain and vary with nothing else."""
    if extent_of(axes) != extent_of(domain):
        return False
    index, shape = tuple(mapping[axis.name] for axis in axes), tuple(axis.extent for axis in axes)
    return _runs_through(index, shape, domain)


@lru_cache(maxsize=8192)
def _runs_through(index: Index, shape: tuple[Integer, ...], domain: Domain) -> bool:
    # The row-major position among the axes, in variables of the domain: where divisions remain, splitting undoes them.
    parts, split = split_divisions(domain, index)
    return _is_bijective(tuple(substitute(i, split) for i in index), shape, parts)
