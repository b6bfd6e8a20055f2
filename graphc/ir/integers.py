"""Integer polynomials: symbolic dimensions of types and index expressions of loops are one algebra.

An expression is a sum of ``coefficient * atom * atom ...`` in a normal form, so that equal expressions compare equal.
An atom is a variable (a symbolic size or a loop index, with bounds), a floor division, a modulo, or an opaque integer
(one loaded from memory). A constant is always a plain ``int``, never an expression.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

Bounds = tuple[int | None, int | None]  # least and greatest value, both inclusive; None where unknown


@dataclass(frozen=True, slots=True)
class Variable:
    """A named integer in ``lower <= value <= upper``."""

    name: str
    lower: int | None = 0
    upper: int | None = None

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Quotient:
    """Floor division of an expression by a positive integer expression."""

    dividend: IntegerExpression
    divisor: Integer

    def __str__(self) -> str:
        return f"({self.dividend})//{_factor(self.divisor)}"


@dataclass(frozen=True, slots=True)
class Remainder:
    """What floor division leaves: ``0 <= value < divisor``."""

    dividend: IntegerExpression
    divisor: Integer

    def __str__(self) -> str:
        return f"({self.dividend})%{_factor(self.divisor)}"


@dataclass(frozen=True, slots=True)
class Opaque:
    """An integer that is computed at run time; ``value`` is a scalar expression."""

    value: object
    lower: int | None = None
    upper: int | None = None

    def __str__(self) -> str:
        return f"[{self.value}]"


Atom = Variable | Quotient | Remainder | Opaque
Monomial = tuple[Atom, ...]
_RANK = {Variable: 0, Quotient: 1, Remainder: 2, Opaque: 3}


def _order(atom: Atom) -> tuple[int, str]:
    return (_RANK[type(atom)], str(atom))


def _factor(value: Integer) -> str:
    return str(value) if isinstance(value, int) or len(value.terms) == 1 else f"({value})"


class IntegerExpression:
    """A polynomial with integer coefficients in normal form. Build with operators on :func:`variable`."""

    __slots__ = ("_hash", "terms")

    def __init__(self, terms: tuple[tuple[Monomial, int], ...]):
        self.terms = terms
        self._hash = hash(terms)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IntegerExpression) and self._hash == other._hash and self.terms == other.terms

    def __add__(self, other: Integer) -> Integer:
        return _from_terms([*self.terms, *_terms(other)])

    __radd__ = __add__

    def __neg__(self) -> Integer:
        return self * -1

    def __sub__(self, other: Integer) -> Integer:
        return self + other * -1

    def __rsub__(self, other: Integer) -> Integer:
        return self * -1 + other

    def __mul__(self, other: Integer) -> Integer:
        if type(other) is int:
            if other == 0:
                return 0
            return IntegerExpression(tuple((monomial, a * other) for monomial, a in self.terms))
        return _from_terms(
            [
                (tuple(sorted((*left, *right), key=_order)), a * b)
                for left, a in self.terms
                for right, b in _terms(other)
            ]
        )

    __rmul__ = __mul__

    def __floordiv__(self, divisor: Integer) -> Integer:
        return floor_divide(self, divisor)

    def __rfloordiv__(self, dividend: int) -> Integer:
        return floor_divide(dividend, self)

    def __mod__(self, divisor: Integer) -> Integer:
        return modulo(self, divisor)

    def __rmod__(self, dividend: int) -> Integer:
        return modulo(dividend, self)

    def __str__(self) -> str:
        text = ""
        for monomial, coefficient in self.terms:
            factors = [str(atom) for atom in monomial]
            if abs(coefficient) != 1 or not factors:
                factors.insert(0, str(abs(coefficient)))
            sign = "-" if coefficient < 0 else "+" if text else ""
            text += sign + "*".join(factors)
        return text

    __repr__ = __str__


Integer = int | IntegerExpression
Dimension = Integer


def variable(name: str, lower: int | None = 0, upper: int | None = None) -> IntegerExpression:
    """The expression that is one variable, with inclusive bounds."""
    return IntegerExpression((((Variable(name, lower, upper),), 1),))


def opaque(value: object, lower: int | None = None, upper: int | None = None) -> IntegerExpression:
    """The expression that is one run-time integer."""
    return IntegerExpression((((Opaque(value, lower, upper),), 1),))


def _terms(value: Integer) -> tuple[tuple[Monomial, int], ...]:
    if isinstance(value, IntegerExpression):
        return value.terms
    return (((), int(value)),) if value else ()


def _atom(atom: Atom) -> IntegerExpression:
    return IntegerExpression((((atom,), 1),))


def _from_terms(terms: Iterable[tuple[Monomial, int]]) -> Integer:
    total: dict[Monomial, int] = {}
    for monomial, coefficient in terms:
        total[monomial] = total.get(monomial, 0) + coefficient
    found = [item for item in total.items() if item[1]]
    if not found:
        return 0
    if len(found) == 1:
        monomial, coefficient = found[0]
        return IntegerExpression((found[0],)) if monomial else coefficient
    found.sort(key=_place)
    expression = IntegerExpression(tuple(found))
    if any(type(atom) is Remainder for monomial, _ in found for atom in monomial):
        return _recombine(expression)
    return expression


def _place(term: tuple[Monomial, int]) -> tuple[int, tuple[tuple[int, str], ...]]:
    """What terms are ordered by: long products first, then by their atoms."""
    return _rank_of(term[0])


@lru_cache(maxsize=65536)
def _rank_of(monomial: Monomial) -> tuple[int, tuple[tuple[int, str], ...]]:
    return -len(monomial), tuple(map(_order, monomial))


def _recombine(expression: IntegerExpression) -> Integer:
    """Undo a division: ``k*c*(x//c) + k*(x%c) -> k*x``, and ``k*a*((x//a)%b) + k*(x%a) -> k*(x%(a*b))``."""
    for monomial, coefficient in expression.terms:
        for position, atom in enumerate(monomial):
            if not isinstance(atom, Remainder) or not isinstance(atom.divisor, int):
                continue
            rest = (*monomial[:position], *monomial[position + 1 :])
            for partner, factor in expression.terms:
                joined = _join(partner, rest, atom) if factor == coefficient * atom.divisor else None
                if joined is not None:
                    others = [(m, c) for m, c in expression.terms if m not in (partner, monomial)]
                    return _from_terms([*others, *_terms(joined * _from_terms([(rest, coefficient)]))])
    return expression


def _join(partner: Monomial, rest: Monomial, low: Remainder) -> Integer | None:
    """What ``low`` and the high part that stands in ``partner`` (beside ``rest``) make together, else None."""
    candidates = list(partner)
    for atom in rest:
        if atom not in candidates:
            return None
        candidates.remove(atom)
    high = floor_divide(low.dividend, low.divisor)
    if len(candidates) == 1 and _single_atom(high) == candidates[0]:
        return low.dividend
    if len(candidates) == 1 and isinstance(candidates[0], Remainder) and candidates[0].dividend == high:
        return modulo(low.dividend, candidates[0].divisor * low.divisor)
    return None


def _split(value: IntegerExpression, divisor: int) -> tuple[Integer, Integer]:
    """``value == quotient * divisor + rest`` with every coefficient of ``rest`` below the divisor."""
    quotient = _from_terms((monomial, coefficient // divisor) for monomial, coefficient in value.terms)
    rest = _from_terms((monomial, coefficient % divisor) for monomial, coefficient in value.terms)
    return quotient, rest


@lru_cache(maxsize=65536)
def floor_divide(value: Integer, divisor: Integer) -> Integer:
    """``value // divisor``, rounding down. Raises ZeroDivisionError for a divisor that is 0."""
    if isinstance(divisor, int):
        if divisor == 0:
            raise ZeroDivisionError(f"{value} // 0")
        if isinstance(value, int):
            return value // divisor
        if divisor == 1:
            return value
        if divisor < 1:
            return floor_divide(-value, -divisor)
        quotient, rest = _split(value, divisor)
        lower, upper = bounds(rest)
        if lower is not None and upper is not None and lower // divisor == upper // divisor:
            return quotient + lower // divisor
        lower, upper = bounds(value)
        if lower is not None and upper is not None and lower // divisor == upper // divisor:
            return lower // divisor
        atom = _single_atom(rest)
        if isinstance(atom, Quotient) and isinstance(atom.divisor, int):
            return quotient + floor_divide(atom.dividend, atom.divisor * divisor)
        if isinstance(atom, Remainder) and isinstance(atom.divisor, int) and atom.divisor % divisor == 0:
            return quotient + modulo(floor_divide(atom.dividend, divisor), atom.divisor // divisor)
        return quotient + _atom(Quotient(rest, divisor))
    exact = _divide_exactly(value, divisor)
    if exact is not None:
        return exact
    return _atom(Quotient(value if isinstance(value, IntegerExpression) else _constant(value), divisor))


@lru_cache(maxsize=65536)
def modulo(value: Integer, divisor: Integer) -> Integer:
    """``value % divisor`` with the divisor's sign, as Python does."""
    if isinstance(divisor, int):
        if divisor == 0:
            raise ZeroDivisionError(f"{value} % 0")
        if isinstance(value, int):
            return value % divisor
        if divisor == 1:
            return 0
        lower, upper = bounds(value)
        if lower is not None and upper is not None and lower // divisor == upper // divisor:
            return value - lower // divisor * divisor
        _, rest = _split(value, divisor)
        if isinstance(rest, int):
            return rest % divisor
        lower, upper = bounds(rest)
        if lower is not None and upper is not None and lower // divisor == upper // divisor:
            return rest - lower // divisor * divisor
        atom = _single_atom(rest)
        if isinstance(atom, Remainder) and isinstance(atom.divisor, int) and atom.divisor % divisor == 0:
            return modulo(atom.dividend, divisor)
        return _atom(Remainder(rest, divisor))
    if _divide_exactly(value, divisor) is not None:
        return 0
    return _atom(Remainder(value if isinstance(value, IntegerExpression) else _constant(value), divisor))


def _constant(value: int) -> IntegerExpression:
    return IntegerExpression((((), value),))


def _single_atom(value: Integer) -> Atom | None:
    if isinstance(value, IntegerExpression) and len(value.terms) == 1:
        monomial, coefficient = value.terms[0]
        if coefficient == 1 and len(monomial) == 1:
            return monomial[0]
    return None


def _divide_exactly(value: Integer, divisor: IntegerExpression) -> Integer | None:
    """The quotient where the divisor is one monomial that divides every term, else None."""
    if len(divisor.terms) != 1:
        return 1 if value == divisor else None
    monomial, coefficient = divisor.terms[0]
    quotient: list[tuple[Monomial, int]] = []
    for term, factor in _terms(value):
        remaining = list(term)
        for atom in monomial:
            if atom not in remaining:
                return None
            remaining.remove(atom)
        if factor % coefficient:
            return None
        quotient.append((tuple(remaining), factor // coefficient))
    return _from_terms(quotient)


@lru_cache(maxsize=65536)
def bounds(value: Integer) -> Bounds:
    """The least and greatest value that the bounds of the variables allow; None where there is no bound."""
    if isinstance(value, int):
        return value, value
    lower: int | None = 0
    upper: int | None = 0
    for monomial, coefficient in value.terms:
        low, high = 1, 1
        for atom in monomial:
            low, high = _multiply_bounds((low, high), _atom_bounds(atom))
        low, high = _multiply_bounds((low, high), (coefficient, coefficient))
        lower = None if lower is None or low is None else lower + low
        upper = None if upper is None or high is None else upper + high
    return lower, upper


def _multiply_bounds(left: Bounds, right: Bounds) -> Bounds:
    if None not in left and None not in right:
        corners = [a * b for a in left for b in right]
        return min(corners), max(corners)
    if left[0] is not None and left[0] >= 0 and right[0] is not None and right[0] >= 0:
        return left[0] * right[0], None
    if right[0] is not None and right[0] == right[1] and right[0] < 0 and left[0] is not None:
        return None, left[0] * right[0]
    if (0, 0) in (left, right):
        return 0, 0
    return None, None


def _atom_bounds(atom: Atom) -> Bounds:
    if isinstance(atom, Variable | Opaque):
        return atom.lower, atom.upper
    if isinstance(atom, Remainder):
        greatest = bounds(atom.divisor)[1]
        return 0, None if greatest is None else greatest - 1
    lower, upper = bounds(atom.dividend)
    if not isinstance(atom.divisor, int):
        return (0 if lower is not None and lower >= 0 else None), upper
    return (
        None if lower is None else lower // atom.divisor,
        None if upper is None else upper // atom.divisor,
    )


def ceiling(value: int, divisor: int) -> int:
    """Division rounded up."""
    return -(-value // divisor)


def round_up(value: int, multiple: int) -> int:
    """The least multiple that is not less."""
    return ceiling(value, multiple) * multiple


def product(extents: Iterable[Dimension]) -> Dimension:
    """The product of dimensions; 1 for none."""
    result: Dimension = 1
    for extent in extents:
        result = result * extent
    return result


def atoms(value: Integer) -> set[Atom]:
    """The atoms of an expression, those within divisions too."""
    found: set[Atom] = set()
    for monomial, _ in _terms(value):
        for atom in monomial:
            found.add(atom)
            if isinstance(atom, Quotient | Remainder):
                found |= atoms(atom.dividend) | atoms(atom.divisor)
    return found


def variables(value: Integer) -> set[str]:
    """The names of the variables in an expression, those within divisions too."""
    return {atom.name for atom in atoms(value) if isinstance(atom, Variable)}


def rewrite_atoms(value: Integer, replace: Callable[[Atom], Integer | None]) -> Integer:
    """The expression with each atom replaced by what ``replace`` gives, or kept (its parts rewritten) for None."""
    if isinstance(value, int):
        return value
    result: Integer = 0
    for monomial, coefficient in value.terms:
        term: Integer = coefficient
        for atom in monomial:
            new = replace(atom)
            if new is None:
                if isinstance(atom, Quotient):
                    new = floor_divide(rewrite_atoms(atom.dividend, replace), rewrite_atoms(atom.divisor, replace))
                elif isinstance(atom, Remainder):
                    new = modulo(rewrite_atoms(atom.dividend, replace), rewrite_atoms(atom.divisor, replace))
                else:
                    new = _atom(atom)
            term = term * new
        result = result + term
    return result


def substitute(value: Integer, values: Mapping[str, Integer]) -> Integer:
    """The expression with variables replaced by name; names that are not given stay."""
    if isinstance(value, int) or not values:
        return value
    return rewrite_atoms(value, lambda atom: values.get(atom.name) if isinstance(atom, Variable) else None)


def bind_attribute(value: object, values: Mapping[str, Integer]) -> object:
    """An attribute of a node with variables replaced by name: in an expression, in those of a tuple, or in all of a
    region, which knows how to itself."""
    if isinstance(value, tuple):
        return tuple(bind_attribute(item, values) for item in value)
    if not values:
        return value
    if isinstance(value, IntegerExpression):
        return substitute(value, values)
    return value.bind(values) if hasattr(value, "bind") else value


def coefficient_of(value: Integer, name: str) -> Integer | None:
    """The factor of a variable where the expression is linear in it; None where it is not (a division, a square)."""
    factor: Integer = 0
    for monomial, coefficient in _terms(value):
        mine = [atom for atom in monomial if isinstance(atom, Variable) and atom.name == name]
        others = tuple(atom for atom in monomial if atom not in mine)
        if any(name in variables(_atom(atom)) for atom in others) or len(mine) > 1:
            return None
        if mine:
            factor = factor + _from_terms([(others, coefficient)])
    return factor
