"""Loop programs as text: what ``graphc dump`` writes as ``loops.ir``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from graphc.codegen.blocks import Item, arranged
from graphc.codegen.loops import (
    Accumulate,
    Accumulator,
    Advance,
    Block,
    Branch,
    CallOut,
    CallRow,
    Carried,
    CheckIndex,
    Contract,
    Element,
    If,
    Kernel,
    Let,
    LocalArray,
    Loop,
    LoopProgram,
    Random,
    Span,
    Statement,
    Store,
)
from graphc.ir.integers import Integer
from graphc.ir.scalars import Call, Choose, FromIndex, Load, Scalar, Within

_INDENT = "    "
_COMBINED = {"sum": "+=", "prod": "*=", "any": "|=", "all": "&="}


def print_program(program: LoopProgram) -> str:
    """The whole program: buffers, each kernel once, and the launches in order."""
    lines = [f"program {program.name}", "", "buffers"]
    width = max((len(buffer.name) for buffer in program.buffers), default=0)
    for buffer in program.buffers:
        lines.append(f"{_INDENT}{buffer.name:<{width}}  {buffer.kind:<9} {buffer.dtype.short}[{buffer.size}]")
    names = kernel_names(program)
    for kernel, name in names.items():
        lines += ["", *print_kernel(kernel, name)]
    lines += ["", "launches"]
    lines += [_INDENT + line for line in _items(arranged(program), program, names)]
    if program.outputs:
        lines += ["", f"outputs {', '.join(program.outputs)}"]
    return "\n".join(lines) + "\n"


def _items(items: Sequence[Item], program: LoopProgram, names: Mapping[Kernel, str]) -> Iterator[str]:
    """The lines of launches and blocks."""
    for item in items:
        if not isinstance(item, int):
            yield _head(item.block)
            yield from (_INDENT + line for line in _items(item.items, program, names))
            if item.otherwise:
                yield "else"
                yield from (_INDENT + line for line in _items(item.otherwise, program, names))
            continue
        launch = program.launches[item]
        given = [
            name + (f" + {start}" if (start := launch.start(i)) != 0 else "") for i, name in enumerate(launch.buffers)
        ]
        yield f"{names[launch.kernel]}({', '.join(given)})"
        places = dict.fromkeys(str(origin.location) for origin in launch.origins if origin.location is not None)
        yield from (f"{_INDENT}# {place}" for place in places)


def _head(block: Block) -> str:
    """What a block begins with."""
    if isinstance(block, Branch):
        return f"if {_element(block.condition)}"
    count = _element(block.count) if isinstance(block.count, Element) else print_integer(block.count or 0)
    bound = "" if block.count is None else count
    text = f"for {block.variable} in 0..{bound}{' descending' if block.descending else ''}"
    return text if block.going is None else f"{text} while {_element(block.going)}"


def _element(element: Element) -> str:
    return f"{element.buffer}[{print_integer(element.start)}]"


def kernel_names(program: LoopProgram) -> dict[Kernel, str]:
    """A name for each distinct kernel of a program, from its title; equal titles are numbered."""
    names: dict[Kernel, str] = {}
    taken: set[str] = set()
    for launch in program.launches:
        if launch.kernel in names:
            continue
        name, number = launch.kernel.title, 1
        while name in taken:
            number += 1
            name = f"{launch.kernel.title}_{number}"
        taken.add(name)
        names[launch.kernel] = name
    return names


def print_kernel(kernel: Kernel, name: str) -> list[str]:
    """The lines of one kernel."""
    parameters = ", ".join(f"{p.access} {p.name}: {p.dtype.short}[{p.size}]" for p in kernel.parameters)
    lines = [f"kernel {name}({parameters})"]
    if kernel.operations:
        lines.append(f"{_INDENT}# {', '.join(kernel.operations)}")
    if isinstance(kernel.body, Contract):
        lines += _contract(kernel.body)
    else:
        lines += [_INDENT + line for line in print_statements(kernel.body)]
    return lines


def _contract(contract: Contract) -> Iterator[str]:
    extents = (("b", contract.batch), ("m", contract.rows), ("n", contract.columns), ("k", contract.depth))
    yield f"{_INDENT}contract {', '.join(f'{name} < {extent}' for name, extent in extents)}"
    yield f"{_INDENT}{_INDENT}left  = {print_scalar(contract.left)}"
    yield f"{_INDENT}{_INDENT}right = {print_scalar(contract.right)}"
    yield f"{_INDENT}{_INDENT}total: {contract.dtype.short} = sum over k of left * right"
    for line in print_statements(contract.epilogue):
        yield _INDENT + _INDENT + line


def print_statements(statements: Sequence[Statement]) -> Iterator[str]:
    """The lines of statements, loops indented."""
    for statement in statements:
        if isinstance(statement, Loop):
            kind = "" if statement.kind == "serial" else f" {statement.kind}"
            yield f"for {statement.variable} in {statement.start}..{statement.stop}{kind}"
            yield from (_INDENT + line for line in print_statements(statement.body))
        elif isinstance(statement, If):
            yield f"if {print_scalar(statement.condition)}"
            yield from (_INDENT + line for line in print_statements(statement.body))
        else:
            yield _simple(statement)


def _simple(statement: Statement) -> str:
    if isinstance(statement, Let):
        return f"{statement.name}: {statement.dtype.short} = {print_scalar(statement.value)}"
    if isinstance(statement, Carried):
        return f"{statement.name}: {statement.dtype.short} = {print_scalar(statement.start)} carried"
    if isinstance(statement, Advance):
        return f"{statement.name} = {print_scalar(statement.value)}"
    if isinstance(statement, Accumulator):
        return f"{statement.name}: {statement.dtype.short} = empty {statement.combiner}"
    if isinstance(statement, LocalArray):
        return f"{statement.name}: {statement.dtype.short}[{statement.size}]"
    if isinstance(statement, CheckIndex):
        return f"check {print_scalar(statement.value)} within {print_integer(statement.extent)}"
    if isinstance(statement, Random):
        arguments = "".join(f", {argument!r}" for argument in statement.arguments)
        return f"{statement.target}[..] = {statement.function}({statement.size}{arguments})"
    if isinstance(statement, CallOut):
        attributes = "".join(f", {name}={value}" for name, value in statement.attributes)
        return f"{statement.target}[..] = host {statement.function}({', '.join(statement.operands)}{attributes})"
    if isinstance(statement, CallRow):
        numbers = "".join(f", {print_integer(number)}" for number in statement.numbers)
        operands = ", ".join(map(_span, statement.operands))
        return f"{_span(statement.target)} = {statement.function}({operands}{numbers})"
    if isinstance(statement, Store):
        place = f"{statement.target}[{print_integer(statement.offset)}]"
        return _combined(place, statement.combiner, print_scalar(statement.value))
    if isinstance(statement, Accumulate):
        value = print_scalar(statement.value)
        if statement.position is not None:
            value += f" at {print_integer(statement.position)}"
        return _combined(statement.name, statement.combiner, value)
    raise TypeError(f"no spelling for {type(statement).__name__}")


def _span(span: Span) -> str:
    """Elements of a buffer: from an offset on, by a step, so many."""
    if span.step is None:
        return f"{span.name}[{print_integer(span.offset)}]"
    return f"{span.name}[{print_integer(span.offset)} by {print_integer(span.step)} x {print_integer(span.count)}]"


def _combined(place: str, combiner: str | None, value: str) -> str:
    if combiner is None:
        return f"{place} = {value}"
    if combiner in _COMBINED:
        return f"{place} {_COMBINED[combiner]} {value}"
    return f"{place} = {combiner}({place}, {value})"


def print_scalar(scalar: Scalar) -> str:
    """An expression on one line."""
    if isinstance(scalar, Load):
        return f"{scalar.source}[{', '.join(map(print_integer, scalar.index))}]"
    if isinstance(scalar, Call):
        return f"{scalar.function}({', '.join(map(print_scalar, scalar.arguments))})"
    if isinstance(scalar, Choose):
        parts = (scalar.condition, scalar.chosen, scalar.otherwise)
        return "({} ? {} : {})".format(*map(print_scalar, parts))
    if isinstance(scalar, Within):
        return f"({print_integer(scalar.lower)} <= {print_integer(scalar.value)} < {print_integer(scalar.upper)})"
    if isinstance(scalar, FromIndex):
        return f"{scalar.dtype.short}({print_integer(scalar.value)})"
    return str(scalar)


def print_integer(value: Integer) -> str:
    """An index expression."""
    return str(value)
