"""Iteration domains: loop variables are split where index expressions divide, and merged where memory is contiguous."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from graphc.codegen.trace import index_variable, integers_of, linear_terms, walk_all
from graphc.ir.integers import Integer, Quotient, Remainder, atoms, substitute
from graphc.ir.scalars import Scalar

_MOST_SPLITS = 8


@dataclass(frozen=True, slots=True)
class Axis:
    """A loop variable and its extent. The variable's name is the axis' identity."""

    name: str
    extent: Integer

    @property
    def index(self) -> Integer:
        """The variable as an expression; 0 where the extent is 1."""
        return index_variable(self.name, self.extent)


Domain = tuple[Axis, ...]


def domain_of(prefix: str, extents: Sequence[Integer]) -> Domain:
    """One axis for each extent."""
    return tuple(Axis(f"{prefix}{d}", extent) for d, extent in enumerate(extents))


def integer_expressions(scalars: Iterable[Scalar]) -> list[Integer]:
    """The distinct integer expressions in scalar expressions."""
    found: dict[Integer, None] = {}
    for scalar in walk_all(scalars):
        for value in integers_of(scalar):
            if not isinstance(value, int):
                found[value] = None
    return list(found)


def split_divisions(domain: Domain, expressions: Sequence[Integer]) -> tuple[Domain, dict[str, Integer]]:
    """Split axes so that divisions and remainders by constants vanish from the expressions, where that is possible.

    Returns the new domain and what each old variable that was split is in terms of the new ones.
    """
    substitution: dict[str, Integer] = {}
    current = [value for value in expressions if not isinstance(value, int)]
    for _ in range(_MOST_SPLITS):
        found = _find_split(domain, current)
        if found is None:
            break
        position, factor = found
        axis = domain[position]
        high = Axis(axis.name + "h", axis.extent // factor)
        low = Axis(axis.name + "l", factor)
        replacement = {axis.name: high.index * factor + low.index}
        substitution = {name: substitute(value, replacement) for name, value in substitution.items()}
        substitution.update(replacement)
        domain = (*domain[:position], high, low, *domain[position + 1 :])
        current = [value for value in (substitute(v, replacement) for v in current) if not isinstance(value, int)]
    return domain, substitution


def _find_split(domain: Domain, expressions: Sequence[Integer]) -> tuple[int, int] | None:
    """The position of an axis and the factor to split it by."""
    places = {axis.name: position for position, axis in enumerate(domain)}
    names = frozenset(places)
    best: tuple[int, int] | None = None
    for expression in expressions:
        for atom in atoms(expression):
            if not isinstance(atom, Quotient | Remainder) or not isinstance(atom.divisor, int):
                continue
            for name, coefficient in linear_terms(atom.dividend, names).items():
                if not isinstance(coefficient, int) or coefficient < 1 or atom.divisor % coefficient:
                    continue
                factor = atom.divisor // coefficient
                extent = domain[places[name]].extent
                if factor < 2 or (isinstance(extent, int) and extent <= factor) or extent % factor != 0:
                    continue  # of a size that is known at run time only, whole multiples alone
                # The largest factor first: smaller divisors then split what is left of the low part.
                if best is None or (factor, -places[name]) > (best[1], -best[0]):
                    best = (places[name], factor)
    return best


def merge_axes(
    domain: Domain, expressions: Sequence[Integer], breaks: frozenset[str] | set[str] = frozenset()
) -> tuple[Domain, dict[str, Integer]]:
    """Merge neighbouring axes that every expression walks as one, and drop axes of extent 1.

    An axis named in ``breaks`` does not merge with the axis before it. Returns the new domain and what each old
    variable is in terms of the new ones.
    """
    names = frozenset(axis.name for axis in domain)
    terms = [linear_terms(value, names) for value in expressions]
    substitution: dict[str, Integer] = {}
    result: list[Axis] = []
    for axis in domain:
        if axis.extent == 1:
            continue
        if result and axis.name not in breaks and _mergeable(result[-1], axis, terms):
            before = result[-1]
            merged = Axis(axis.name, before.extent * axis.extent)
            substitution = {
                name: substitute(value, {before.name: 0, axis.name: merged.index})
                for name, value in substitution.items()
            }
            substitution[before.name] = 0
            substitution[axis.name] = merged.index
            result[-1] = merged
        else:
            result.append(axis)
    return tuple(result), substitution


def _mergeable(high: Axis, low: Axis, terms: Sequence[dict[str, Integer | None]]) -> bool:
    for factors in terms:
        of_high, of_low = factors.get(high.name, 0), factors.get(low.name, 0)
        if of_high is None or of_low is None or of_high != of_low * low.extent:
            return False
    return True
