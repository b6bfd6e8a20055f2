"""Loop programs run in Python: slow, plain, and the oracle for schedules and printers.

Every load and store is checked against the size of its buffer. Scalar functions are the ``evaluate`` of the primitives
of that name, so that what an operation means is still said in one place. Statements and expressions become closures
over an environment: a dict from the names of variables, locals, and arrays to values.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from graphc.codegen.blocks import Item, arranged
from graphc.codegen.host import call_out
from graphc.codegen.loops import (
    Accumulate,
    Accumulator,
    Advance,
    Branch,
    CallOut,
    CallRow,
    Carried,
    CheckIndex,
    Contract,
    Element,
    If,
    Kernel,
    Launch,
    Let,
    Local,
    LocalArray,
    Loop,
    LoopProgram,
    Random,
    Span,
    Statement,
    Store,
)
from graphc.ir.integers import Atom, Integer, Quotient, Remainder, Variable, substitute
from graphc.ir.primitive import PRIMITIVES
from graphc.ir.scalars import Call, Choose, Constant, FromIndex, Load, Scalar, Within
from graphc.ir.types import DType

Environment = dict[str, Any]
Thunk = Callable[[Environment], Any]
COMBINE: dict[str, str] = {
    "sum": "add",
    "prod": "mul",
    "max": "maximum",
    "min": "minimum",
    "any": "logical_or",
    "all": "logical_and",
}


class OutOfRange(IndexError):
    """An index that a CheckIndex statement refused: ``launch``, ``index``, ``extent``."""

    def __init__(self, launch: int, index: int, extent: int):
        super().__init__(f"index {index} is out of bounds for dimension with size {extent} (launch {launch})")
        self.launch, self.index, self.extent = launch, index, extent


def run_program(
    program: LoopProgram, arrays: Mapping[str, np.ndarray], *, check_parallel: bool = False
) -> dict[str, np.ndarray]:
    """Run a program; gives the outputs and the state after, by buffer name, as flat arrays.

    ``arrays`` holds the inputs by buffer name, of any shape; they are not changed. Raises AssertionError where a kernel
    leaves a buffer or, if asked, where parallel iterations touch what another writes; OutOfRange for a bad index.
    """
    memory: dict[str, np.ndarray] = {}
    for buffer in program.buffers:
        if buffer.name in arrays:
            memory[buffer.name] = np.array(arrays[buffer.name], buffer.dtype.numpy).reshape(-1)
        elif buffer.kind in ("output", "temporary"):
            memory[buffer.name] = poison(buffer.size, buffer.dtype)
        else:
            raise KeyError(f"no value given for {buffer.kind} {buffer.name}; given: {', '.join(arrays)}")
        if memory[buffer.name].size != buffer.size:
            raise ValueError(f"{buffer.name} has {buffer.size} elements, {memory[buffer.name].size} were given")
    _run_items(arranged(program), program, memory, {}, check_parallel)
    return {b.name: memory[b.name] for b in program.buffers if b.kind in ("output", "state")}


def _run_items(
    items: Sequence[Item],
    program: LoopProgram,
    memory: Mapping[str, np.ndarray],
    variables: Mapping[str, int],
    check_parallel: bool,
) -> None:
    """Run launches and blocks in order; ``variables`` are those of the blocks around them."""
    for item in items:
        if isinstance(item, int):
            launch = program.launches[item]
            if variables and launch.starts:
                launch = replace(launch, starts=tuple(substitute(start, variables) for start in launch.starts))
            run_launch(launch, memory, item, check_parallel=check_parallel)
        elif isinstance(item.block, Branch):
            arm = item.items if _element(item.block.condition, memory, variables) else item.otherwise
            _run_items(arm, program, memory, variables, check_parallel)
        else:
            block = item.block
            count, going = block.count, block.going
            if isinstance(count, Element):
                count = int(_element(count, memory, variables))
            elif count is not None:
                count = substitute(count, variables)
            run = 0
            while (count is None or run < count) and (going is None or _element(going, memory, variables)):
                number = count - 1 - run if block.descending else run
                _run_items(item.items, program, memory, {**variables, block.variable: number}, check_parallel)
                run += 1


def _element(element: Element, memory: Mapping[str, np.ndarray], variables: Mapping[str, int]) -> Any:
    return memory[element.buffer][substitute(element.start, variables)]


def poison(size: int, dtype: DType) -> np.ndarray:
    """Memory that nobody wrote: NaN, or numbers that no sensible program computes."""
    if dtype.is_differentiable:
        return np.full(size, np.nan, dtype.numpy)
    return np.full(size, True if dtype.category == "bool" else np.iinfo(dtype.numpy).min + 77, dtype.numpy)


def run_launch(
    launch: Launch, memory: Mapping[str, np.ndarray], position: int = 0, *, check_parallel: bool = False
) -> None:
    """Run one kernel on buffers, in place."""
    kernel = launch.kernel
    environment: Environment = {}
    for number, (parameter, name) in enumerate(zip(kernel.parameters, launch.buffers, strict=True)):
        whole, start = memory[name], launch.start(number)
        # A window that does not lie within its buffer comes out short, and what is outside is found when it is used.
        environment[parameter.name] = (
            whole[start : start + parameter.size] if isinstance(parameter.size, int) else whole
        )
    with np.errstate(all="ignore"):
        _Kernel(kernel, position, check_parallel).run(environment)


class _Kernel:
    """One kernel as closures."""

    def __init__(self, kernel: Kernel, position: int, check_parallel: bool):
        self.kernel = kernel
        self.position = position
        self.check_parallel = check_parallel
        self.access = {parameter.name: parameter.access for parameter in kernel.parameters}
        self.iteration: Any = None  # of the parallel loops, while they are watched
        self.touched: dict[tuple[str, int], tuple[Any, bool]] = {}

    def run(self, environment: Environment) -> None:
        body = self.kernel.body
        if isinstance(body, Contract):
            self._contract(body)(environment)
        else:
            self._block(body)(environment)

    # Statements.

    def _block(self, statements: Sequence[Statement]) -> Thunk:
        thunks = [self._statement(statement) for statement in statements]

        def run(environment: Environment) -> None:
            for thunk in thunks:
                thunk(environment)

        return run

    def _statement(self, statement: Statement) -> Thunk:
        match statement:
            case Let(name, dtype, value):
                thunk, kind = self.scalar(value), dtype.numpy.type
                return lambda environment: environment.__setitem__(name, kind(thunk(environment)))
            case Carried(name, dtype, value) | Advance(name, dtype, value):
                thunk, kind = self.scalar(value), dtype.numpy.type
                return lambda environment: environment.__setitem__(name, kind(thunk(environment)))
            case Accumulator(name, dtype, combiner):
                return self._accumulator(name, dtype, combiner)
            case Accumulate():
                return self._accumulate(statement)
            case LocalArray(name, dtype, size):
                return lambda environment: environment.__setitem__(name, poison(size, dtype))
            case Store():
                return self._store(statement)
            case Loop():
                return self._loop(statement)
            case If(condition, body):
                test, inner = self.scalar(condition), self._block(body)
                return lambda environment: inner(environment) if test(environment) else None
            case CheckIndex(value, extent):
                return self._check_index(self.scalar(value), self.integer(extent))
            case Random():
                return self._random(statement)
            case CallOut():
                return lambda environment: call_out(
                    statement,
                    [environment[operand] for operand in statement.operands],
                    environment[statement.target],
                )
            case CallRow():
                return self._call_row(statement)
        raise TypeError(f"no statement of the loop-nest IR: {statement!r}")

    def _call_row(self, statement: CallRow) -> Thunk:
        *operands, target = (self._span(span, span is statement.target) for span in statement.spans)
        evaluate: Any = PRIMITIVES[statement.function].evaluate_row  # type: ignore[attr-defined]
        name, attributes = statement.target.name, dict(statement.attributes)

        def run(environment: Environment) -> None:
            rows = [environment[name][places] for name, places in (operand(environment) for operand in operands)]
            _, places = target(environment)
            environment[name][places] = evaluate(*rows, **attributes)

        return run

    def _span(self, span: Span, writes: bool) -> Thunk:
        """The name of a span's array and its places there: a vector of them, or one alone."""
        offset, step, count = (self.integer(each or 0) for each in (span.offset, span.step, span.count))

        def places(environment: Environment) -> tuple[str, Any]:
            start = offset(environment)
            found = start + step(environment) * np.arange(count(environment))
            for place in found.tolist():
                self._check_range(span.name, environment[span.name], place, span)
                self._touch(span.name, place, writes)
            return span.name, start if span.step is None else found

        return places

    def _accumulator(self, name: str, dtype: DType, combiner: str) -> Thunk:
        start = identity(combiner, dtype)

        def run(environment: Environment) -> None:
            environment[name] = start
            if combiner in ("argmax", "argmin"):
                environment[name + "_position"] = np.int64(0)

        return run

    def _accumulate(self, statement: Accumulate) -> Thunk:
        name, combiner, value = statement.name, statement.combiner, self.scalar(statement.value)
        if combiner not in ("argmax", "argmin"):
            combine = self._combination(combiner, statement.dtype)
            return lambda environment: environment.__setitem__(name, combine(environment[name], value(environment)))
        position = self.integer(statement.position)

        def run(environment: Environment) -> None:
            new, best = value(environment), environment[name]
            better = new > best if combiner == "argmax" else new < best
            if better or (new != new and best == best):
                environment[name] = new
                environment[name + "_position"] = np.int64(position(environment))

        return run

    def _store(self, statement: Store) -> Thunk:
        target, offset, value = statement.target, self.integer(statement.offset), self.scalar(statement.value)
        combine = None if statement.combiner is None else self._combination(statement.combiner, statement.dtype)
        assert self.access.get(target, "write") != "read", f"{self._name()} stores to {target}, which it may only read"

        def run(environment: Environment) -> None:
            array, at = environment[target], offset(environment)
            self._check_range(target, array, at, statement)
            self._touch(target, at, True)
            new = value(environment)
            array[at] = new if combine is None else combine(array[at], new)

        return run

    def _combination(self, combiner: str, dtype: DType) -> Callable[[Any, Any], Any]:
        evaluate = PRIMITIVES[COMBINE[combiner]].evaluate
        kind = dtype.numpy.type
        return lambda left, right: kind(evaluate(np.asarray(kind(left)), np.asarray(kind(right))))

    def _loop(self, loop: Loop) -> Thunk:
        start, stop, body, variable = self.integer(loop.start), self.integer(loop.stop), self._block(loop.body), ""
        variable = loop.variable
        watched = loop.kind == "parallel" and self.check_parallel

        def run(environment: Environment) -> None:
            around = self.iteration
            for value in range(start(environment), stop(environment)):
                environment[variable] = value
                if watched:
                    self.iteration = value if around is None else (around, value)
                body(environment)
            self.iteration = around
            if watched and around is None:
                self.touched.clear()

        return run

    def _check_index(self, value: Thunk, extent: Thunk) -> Thunk:
        def run(environment: Environment) -> None:
            index, size = int(value(environment)), extent(environment)
            if not 0 <= index < size:
                raise OutOfRange(self.position, index, size)

        return run

    def _random(self, statement: Random) -> Thunk:
        draw: Any = PRIMITIVES[statement.function].draw  # type: ignore[attr-defined]

        def run(environment: Environment) -> None:
            array = environment[statement.target]
            array[:] = draw((array.size,), statement.dtype, *statement.arguments)

        return run

    def _contract(self, contract: Contract) -> Thunk:
        batch, rows, columns, depth = map(
            self.integer, (contract.batch, contract.rows, contract.columns, contract.depth)
        )
        left, right = self.scalar(contract.left), self.scalar(contract.right)
        epilogue, kind = self._block(contract.epilogue), contract.dtype.numpy.type

        def run(environment: Environment) -> None:
            points = itertools.product(*(range(extent(environment)) for extent in (batch, rows, columns)))
            for point in points:
                environment.update(zip("bmn", point, strict=True))
                total = kind(0)
                for k in range(depth(environment)):
                    environment["k"] = k
                    total = kind(total + kind(left(environment) * right(environment)))
                environment["total"] = total
                epilogue(environment)

        return run

    # Expressions.

    def scalar(self, value: Scalar | Local) -> Thunk:
        """A scalar expression as a function of the environment; its value is a numpy scalar."""
        match value:
            case Local(name, _):
                return lambda environment: environment[name]
            case Constant(number, dtype):
                constant = dtype.numpy.type(number)
                return lambda environment: constant
            case Load():
                return self._load(value)
            case FromIndex(integer, dtype):
                index, kind = self.integer(integer), dtype.numpy.type
                return lambda environment: kind(index(environment))
            case Within(integer, lower, upper):
                index, low, high = self.integer(integer), self.integer(lower), self.integer(upper)
                return lambda environment: np.bool_(low(environment) <= index(environment) < high(environment))
            case Choose(condition, chosen, otherwise, _):
                test, yes, no = self.scalar(condition), self.scalar(chosen), self.scalar(otherwise)
                return lambda environment: yes(environment) if test(environment) else no(environment)
            case Call("cast", (argument,), dtype):
                thunk, evaluate = self.scalar(argument), PRIMITIVES["cast"].evaluate
                kind = dtype.numpy.type
                return lambda environment: kind(evaluate(np.asarray(thunk(environment)), dtype=dtype))
            case Call(function, arguments, dtype):
                thunks, evaluate = [self.scalar(argument) for argument in arguments], PRIMITIVES[function].evaluate
                kind = dtype.numpy.type
                return lambda environment: kind(evaluate(*(np.asarray(thunk(environment)) for thunk in thunks)))
        raise TypeError(f"no scalar expression: {value!r}")

    def _load(self, load: Load) -> Thunk:
        source = load.source
        if not isinstance(source, str):  # a literal array, at an index in its shape or flat
            at = [self.integer(index) for index in load.index]
            array = source.array if len(at) > 1 else source.array.reshape(-1)
            return lambda environment: array[tuple(index(environment) for index in at)]
        (index,) = load.index
        offset = self.integer(index)

        def run(environment: Environment) -> Any:
            array, at = environment[source], offset(environment)
            self._check_range(source, array, at, load)
            self._touch(source, at, False)
            return array[at]

        return run

    def integer(self, value: Integer) -> Thunk:
        """An integer expression as a function of the environment; its value is a Python int."""
        if isinstance(value, int):
            return lambda environment: value
        terms = [([self._atom(atom) for atom in monomial], coefficient) for monomial, coefficient in value.terms]

        def run(environment: Environment) -> int:
            total = 0
            for atoms, coefficient in terms:
                for atom in atoms:
                    coefficient *= atom(environment)
                total += coefficient
            return total

        return run

    def _atom(self, atom: Atom) -> Thunk:
        if isinstance(atom, Variable):
            return lambda environment: int(environment[atom.name])
        if isinstance(atom, Quotient | Remainder):
            dividend, divisor = self.integer(atom.dividend), self.integer(atom.divisor)
            if isinstance(atom, Quotient):
                return lambda environment: dividend(environment) // divisor(environment)
            return lambda environment: dividend(environment) % divisor(environment)
        scalar = self.scalar(atom.value)
        return lambda environment: int(scalar(environment))

    # Checks.

    def _name(self) -> str:
        return f"kernel {self.kernel.title} (launch {self.position})"

    def _check_range(self, name: str, array: np.ndarray, offset: int, where: object) -> None:
        if not 0 <= offset < array.size:
            raise AssertionError(
                f"{self._name()}: offset {offset} of {name}, which has {array.size} elements, in {where}"
            )

    def _touch(self, name: str, offset: int, writes: bool) -> None:
        """Note that an iteration of the parallel loop reads or writes an element of a parameter."""
        if self.iteration is None or name not in self.access:
            return
        last, wrote = self.touched.get((name, offset), (self.iteration, False))
        if last != self.iteration and (writes or wrote):
            raise AssertionError(
                f"{self._name()}: iterations {last} and {self.iteration} of the parallel loop both touch "
                f"{name}[{offset}]"
            )
        self.touched[name, offset] = (self.iteration, wrote or writes)


def identity(combiner: str, dtype: DType) -> Any:
    """What an accumulation starts from, as a numpy scalar."""
    kind = dtype.numpy.type
    if combiner in ("sum", "prod"):
        return kind(combiner == "prod")
    greatest = combiner in ("min", "argmin", "all")
    if dtype.category == "bool":
        return kind(greatest)
    if dtype.is_floating_point:
        return kind(np.inf if greatest else -np.inf)
    return kind(np.iinfo(dtype.numpy).max if greatest else np.iinfo(dtype.numpy).min)
