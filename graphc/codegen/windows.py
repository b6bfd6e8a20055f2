"""The window of each buffer that a kernel touches.

A kernel that works on a part of a buffer, such as one step of a sequence, is given the address of that part, and its
offsets count from there: what it does to another part is then the same kernel.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from graphc.codegen.loops import CallOut, Contract, If, Kernel, Loop, Random, Statement, Store
from graphc.codegen.statements import rewrite_statements, scalars_of
from graphc.codegen.trace import Rewriter, walk_all
from graphc.ir.integers import Integer, bounds
from graphc.ir.scalars import Load, Scalar


def with_windows(kernel: Kernel) -> tuple[Kernel, tuple[int, ...]]:
    """The kernel with parameters that begin at the first element that it may touch, and for each parameter the number
    of elements that were left out before it. A parameter's size is then what may be touched from there on.

    A parameter stays whole where its size or what is touched of it is not known.
    """
    statements = _statements(kernel.body)
    if any(isinstance(statement, CallOut | Random | If) for statement in statements):
        return kernel, (0,) * len(kernel.parameters)
    reached: dict[str, tuple[int, int] | None] = {}
    for name, offset in _accesses(kernel.body, statements):
        low, high = bounds(offset)
        known = reached.get(name, (low, high))
        if low is None or high is None or known is None:
            reached[name] = None
        else:
            reached[name] = (min(low, known[0]), max(high, known[1]))  # type: ignore[type-var]
    windows: dict[str, tuple[int, int]] = {}  # start and size
    for parameter in kernel.parameters:
        found = reached.get(parameter.name)
        if found is not None and isinstance(parameter.size, int) and 0 <= found[0] <= found[1] < parameter.size:
            windows[parameter.name] = (found[0], found[1] + 1 - found[0])
    parameters = tuple(
        replace(parameter, size=windows.get(parameter.name, (0, parameter.size))[1]) for parameter in kernel.parameters
    )
    starts = {name: start for name, (start, _) in windows.items() if start}
    body = _moved(kernel.body, starts) if starts else kernel.body
    return replace(kernel, parameters=parameters, body=body), tuple(
        starts.get(parameter.name, 0) for parameter in kernel.parameters
    )


def _statements(body: tuple[Statement, ...] | Contract) -> list[Statement]:
    """All statements of a body, also those within others."""
    found: list[Statement] = []
    pending = list(body.epilogue if isinstance(body, Contract) else body)
    while pending:
        statement = pending.pop()
        found.append(statement)
        if isinstance(statement, Loop | If):
            pending.extend(statement.body)
    return found


def _accesses(body: tuple[Statement, ...] | Contract, statements: Iterable[Statement]) -> Iterator[tuple[str, Integer]]:
    """The names that are loaded from or stored to, and where."""
    roots: list[Scalar] = [*body.factors] if isinstance(body, Contract) else []
    for statement in statements:
        if isinstance(statement, Store):
            yield statement.target, statement.offset
        if not isinstance(statement, Loop):
            roots += scalars_of((statement,))
    for scalar in walk_all(roots):
        if isinstance(scalar, Load) and isinstance(scalar.source, str):
            yield scalar.source, scalar.index[0]


def _moved(body: tuple[Statement, ...] | Contract, starts: dict[str, int]) -> tuple[Statement, ...] | Contract:
    """The body with offsets that count from the starts of parameters."""

    def change(scalar: Scalar) -> Scalar:
        if isinstance(scalar, Load) and scalar.source in starts:
            return Load(scalar.source, (scalar.index[0] - starts[str(scalar.source)],), scalar.dtype)
        return scalar

    def moved(statements: Sequence[Statement]) -> tuple[Statement, ...]:
        found: list[Statement] = []
        for statement in statements:
            if isinstance(statement, Store) and statement.target in starts:
                statement = replace(statement, offset=statement.offset - starts[statement.target])
            elif isinstance(statement, Loop | If):
                statement = replace(statement, body=moved(statement.body))
            found.append(statement)
        return tuple(found)

    rewriter = Rewriter({}, change)
    if isinstance(body, Contract):
        return body.changed(rewriter.scalar, lambda epilogue: moved(rewrite_statements(epilogue, rewriter)))
    return moved(rewrite_statements(body, rewriter))
