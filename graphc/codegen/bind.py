"""Naming of expressions: common subexpressions and loop invariants become ``Let`` statements.

Every expression has a home: the innermost of the blocks that define what it depends on. One that is used twice, that is
used deeper than its home, or that would make a line too long to read is defined at home, just before the statement that
needs it first. What stands only on a side of a choice that guards its loads (padding), or is loaded only where a
statement's condition holds, is never moved out of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from graphc.codegen.loops import (
    Accumulate,
    Accumulator,
    Advance,
    Carried,
    CheckIndex,
    Contract,
    If,
    Let,
    Local,
    LocalArray,
    Loop,
    Statement,
    Store,
)
from graphc.codegen.trace import integer_variables, integers_of, is_guard, opaque_values, parts
from graphc.ir.integers import Integer, Opaque, opaque, rewrite_atoms
from graphc.ir.scalars import Call, Choose, FromIndex, Load, Scalar, Within

LONGEST_EXPRESSION = 12  # parts of an expression on one line


def bind(body: tuple[Statement, ...] | Contract, overwritten: Mapping[str, str]) -> tuple[Statement, ...] | Contract:
    """The body with names for its expressions.

    ``overwritten`` maps the key of each value whose buffer the body overwrites to the key of the place that does so:
    its loads are made before the store. Where the epilogue of a contraction is concerned, the factors stay as they are.
    """
    if isinstance(body, Contract):
        return replace(body, epilogue=_Binder(overwritten).run(body.epilogue))
    return _Binder(overwritten).run(body)


@dataclass(eq=False)
class _Block:
    """The statements of one loop, or of the kernel. ``position`` is where the walk is."""

    depth: int
    position: int = 0
    known: dict[int, tuple[Scalar, _Expression]] = field(default_factory=dict)
    stored: dict[str, int] = field(default_factory=dict)  # place -> position of its first store
    definitions: dict[int, list[_Expression]] = field(default_factory=dict)  # by position


@dataclass(eq=False)
class _Expression:
    """A distinct expression: the scalar whose parts are other expressions."""

    number: int
    scalar: Scalar
    parts: tuple[_Expression, ...]
    home: _Block
    position: int
    loads: bool
    varies: bool  # depends on a variable, a local, or memory
    uses: int = 0
    deeper: bool = False  # used in a block below its home
    free: bool = False  # used where no choice guards it
    forced: bool = False
    here: bool = False  # what it reads changes before it is used
    named: bool = False
    size: int = 1
    name: str = ""


class _Binder:
    def __init__(self, overwritten: Mapping[str, str]):
        self.overwritten = overwritten
        self.root = _Block(0)
        self.path = [self.root]
        self.conditional = False  # within a condition: what is loaded there stays there
        self.scope: dict[str, _Block] = {}
        self.aliases: dict[str, _Expression] = {}
        self.mutable: set[str] = set(overwritten.values())
        self.expressions: list[_Expression] = []
        self.table: dict[object, _Expression] = {}
        self.blocks: dict[int, _Block] = {}
        self.names = 0
        self.built: dict[int, Scalar] = {}

    def run(self, statements: Sequence[Statement]) -> tuple[Statement, ...]:
        self._collect_mutable(statements)
        self._visit(statements, self.root)
        self._decide()
        return self._emit(statements, self.root)

    def _collect_mutable(self, statements: Sequence[Statement]) -> None:
        for statement in statements:
            if isinstance(statement, LocalArray):
                self.mutable.add(statement.name)
            elif isinstance(statement, Store):
                self.mutable.add(statement.target)
            elif isinstance(statement, Loop | If):
                self._collect_mutable(statement.body)

    # First walk: which expressions there are, and where they are used.

    def _visit(self, statements: Sequence[Statement], block: _Block) -> None:
        defined: list[str] = []
        for position, statement in enumerate(statements):
            block.position = position
            if isinstance(statement, Loop):
                self._use_integer(statement.start)
                self._use_integer(statement.stop)
                inner = _Block(block.depth + 1)
                self.blocks[id(statement)] = inner
                before = dict(self.scope)
                self.scope[statement.variable] = inner
                # What is carried differs from one iteration to the next.
                self.scope.update(dict.fromkeys(_advanced(statement.body), inner))
                self.path.append(inner)
                self._visit(statement.body, inner)
                self.path.pop()
                self.scope = before
            elif isinstance(statement, If):
                self._use(statement.condition)
                inner = _Block(block.depth + 1)
                self.blocks[id(statement)] = inner
                self.path.append(inner)
                around, self.conditional = self.conditional, True
                self._visit(statement.body, inner)
                self.conditional = around
                self.path.pop()
            elif isinstance(statement, Let):
                value = self.aliases[statement.name] = self._intern(statement.value, False)
                value.here |= statement.here
                defined.append(statement.name)
            elif isinstance(statement, Carried):
                self._use(statement.start)
                self.scope[statement.name] = block
                defined.append(statement.name)
            elif isinstance(statement, Accumulator):
                self.scope[statement.name] = self.scope[f"{statement.name}_position"] = block
                defined += [statement.name, f"{statement.name}_position"]
            else:
                self._visit_simple(statement, block)
        for name in defined:
            self.scope.pop(name, None)

    def _visit_simple(self, statement: Statement, block: _Block) -> None:
        if isinstance(statement, Store):
            self._use(statement.value)
            self._use_integer(statement.offset)
            block.stored.setdefault(statement.target, block.position)
        elif isinstance(statement, Accumulate):
            self._use(statement.value)
            if statement.position is not None:
                self._use_integer(statement.position)
        elif isinstance(statement, CheckIndex | Advance):
            self._use(statement.value)

    def _use(self, scalar: Scalar) -> None:
        self._count(self._intern(scalar, self.conditional), self.conditional)

    def _use_integer(self, value: Integer) -> None:
        for scalar in opaque_values(value):
            self._use(scalar)

    def _count(self, expression: _Expression, guarded: bool) -> None:
        expression.uses += 1
        expression.deeper |= self.path[-1] is not expression.home
        if not guarded:
            self._free(expression)

    def _free(self, expression: _Expression) -> None:
        if expression.free:
            return
        expression.free = True
        guard = is_guard(expression.scalar)
        for position, part in enumerate(expression.parts):
            if not (guard and position > 0):
                self._free(part)

    def _intern(self, scalar: Scalar, guarded: bool) -> _Expression:
        if isinstance(scalar, Local) and scalar.name in self.aliases:
            return self.aliases[scalar.name]
        block = self.path[-1]
        known = block.known.get(id(scalar))
        if known is not None:
            return known[1]
        guard = is_guard(scalar)
        inner = tuple(
            self._intern(part, guarded or (guard and position > 0)) for position, part in enumerate(parts(scalar))
        )
        names = _names(scalar)
        instances = tuple(id(self.scope[name]) for name in names if name in self.scope)
        key = (type(scalar), _payload(scalar), tuple(part.number for part in inner), instances)
        home = self._home(scalar, names, inner)
        if isinstance(scalar, Load) and scalar.source in self.mutable:
            key = (*key, id(block))
        expression = self.table.get(key)
        if expression is None:
            expression = self._new(scalar, inner, home, names)
            self.table[key] = expression
            for position, part in enumerate(inner):
                self._count(part, guarded or (guard and position > 0))
        block.known[id(scalar)] = (scalar, expression)
        return expression

    def _new(self, scalar: Scalar, inner: tuple[_Expression, ...], home: _Block, names: Sequence[str]) -> _Expression:
        is_load = isinstance(scalar, Load)
        expression = _Expression(
            len(self.expressions),
            scalar,
            inner,
            home,
            home.position,
            is_load or any(part.loads for part in inner),
            is_load or isinstance(scalar, Local) or bool(names) or any(part.varies for part in inner),
        )
        expression.forced = is_load and scalar.source in self.overwritten  # type: ignore[union-attr]
        self.expressions.append(expression)
        return expression

    def _home(self, scalar: Scalar, names: Sequence[str], inner: tuple[_Expression, ...]) -> _Block:
        if isinstance(scalar, Load) and scalar.source in self.mutable:
            return self.path[-1]
        home = self.root
        for name in names:
            block = self.scope.get(name, self.root)
            if block.depth > home.depth:
                home = block
        for part in inner:
            if part.home.depth > home.depth:
                home = part.home
        return home

    # Then: which get a name.

    def _decide(self) -> None:
        for expression in self.expressions:
            expression.size = 1 + sum(1 if part.named else part.size for part in expression.parts)
            expression.named = self._deserves_name(expression)
            if expression.named:
                position = expression.position
                if expression.forced:
                    place = self.overwritten[expression.scalar.source]  # type: ignore[union-attr]
                    position = min(position, expression.home.stored.get(place, position))
                expression.home.definitions.setdefault(position, []).append(expression)

    def _deserves_name(self, expression: _Expression) -> bool:
        if not isinstance(expression.scalar, Call | Choose | Load) or not expression.uses or not expression.varies:
            return False
        if not expression.free and expression.loads:
            return False
        return (
            expression.forced
            or expression.here
            or expression.uses > 1
            or expression.deeper
            or expression.size > LONGEST_EXPRESSION
        )

    # And last: writing.

    def _emit(self, statements: Sequence[Statement], block: _Block) -> tuple[Statement, ...]:
        result: list[Statement] = []
        for position, statement in enumerate(statements):
            for expression in sorted(block.definitions.get(position, ()), key=lambda e: e.number):
                value = self._rebuild(expression)
                expression.name = f"t{self.names}"
                self.names += 1
                result.append(Let(expression.name, expression.scalar.dtype, value))
            if not isinstance(statement, Let):
                result.append(self._emit_one(statement, block))
        return tuple(result)

    def _emit_one(self, statement: Statement, block: _Block) -> Statement:
        # The walk is repeated in the same order with the same scopes, so that each scalar finds its expression again.
        if isinstance(statement, Loop | If):
            inner = self.blocks[id(statement)]
            body = self._emit(statement.body, inner)
            if isinstance(statement, If):
                return If(self._scalar(statement.condition, block), body)
            start, stop = self._integer(statement.start, block), self._integer(statement.stop, block)
            return replace(statement, start=start, stop=stop, body=body)
        if isinstance(statement, Store):
            value = self._scalar(statement.value, block)
            return replace(statement, offset=self._integer(statement.offset, block), value=value)
        if isinstance(statement, Accumulate):
            at = None if statement.position is None else self._integer(statement.position, block)
            return replace(statement, value=self._scalar(statement.value, block), position=at)
        if isinstance(statement, CheckIndex | Advance):
            return replace(statement, value=self._scalar(statement.value, block))
        if isinstance(statement, Carried):
            return replace(statement, start=self._scalar(statement.start, block))
        return statement

    def _scalar(self, scalar: Scalar, block: _Block) -> Scalar:
        if isinstance(scalar, Local) and scalar.name in self.aliases:
            return self._build(self.aliases[scalar.name])
        return self._build(block.known[id(scalar)][1])

    def _integer(self, value: Integer, block: _Block) -> Integer:
        return _with_scalars(value, lambda scalar: self._scalar(scalar, block))

    def _build(self, expression: _Expression) -> Scalar:
        if expression.named:
            return Local(expression.name, expression.scalar.dtype)
        found = self.built.get(expression.number)
        if found is None:
            found = self.built[expression.number] = self._rebuild(expression)
        return found

    def _rebuild(self, expression: _Expression) -> Scalar:
        scalar = expression.scalar
        built = tuple(self._build(part) for part in expression.parts)
        if isinstance(scalar, Call):
            return Call(scalar.function, built, scalar.dtype)
        if isinstance(scalar, Choose):
            return Choose(*built, scalar.dtype)
        if not built:
            return scalar
        new = {id(old): part for old, part in zip(parts(scalar), built, strict=True)}

        def integer(value: Integer) -> Integer:
            return _with_scalars(value, lambda part: new[id(part)])

        if isinstance(scalar, Load):
            return Load(scalar.source, tuple(integer(i) for i in scalar.index), scalar.dtype)
        if isinstance(scalar, Within):
            return Within(integer(scalar.value), integer(scalar.lower), integer(scalar.upper))
        if isinstance(scalar, FromIndex):
            return FromIndex(integer(scalar.value), scalar.dtype)
        raise TypeError(f"no way to rebuild {scalar}")


def _with_scalars(value: Integer, change: object) -> Integer:
    """An integer expression with its run-time scalars replaced."""
    if isinstance(value, int) or not any(True for _ in opaque_values(value)):
        return value
    return rewrite_atoms(
        value,
        lambda atom: opaque(change(atom.value), atom.lower, atom.upper) if isinstance(atom, Opaque) else None,  # type: ignore[operator]
    )


def _advanced(statements: Sequence[Statement]) -> set[str]:
    """The names of scalars that statements, or those nested in them, carry on."""
    found: set[str] = set()
    for statement in statements:
        if isinstance(statement, Advance):
            found.add(statement.name)
        elif isinstance(statement, Loop | If):
            found |= _advanced(statement.body)
    return found


def _names(scalar: Scalar) -> list[str]:
    """The variables and locals that the scalar itself names."""
    if isinstance(scalar, Local):
        return [scalar.name]
    found: set[str] = set()
    for value in integers_of(scalar):
        found |= integer_variables(value)
    return sorted(found)


def _payload(scalar: Scalar) -> object:
    """What tells a scalar from others of its kind, beside its parts."""
    if isinstance(scalar, Call):
        return (scalar.function, scalar.dtype)
    if isinstance(scalar, Choose):
        return scalar.dtype
    if isinstance(scalar, Load):
        return (scalar.source, scalar.index)
    if isinstance(scalar, Local):
        return scalar.name
    return (str(type(getattr(scalar, "value", None))), repr(scalar))
