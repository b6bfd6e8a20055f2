"""What the host does for a program: primitives on whole arrays that no loop can say, or of element types that kernels
do not compute with.

A launch of the program hands over the addresses of its operands and of its result (``call_out`` of ``gc_host`` in the
generated C) and goes on when the result is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from graphc.codegen.loops import CallOut, Contract, Launch, LoopProgram
from graphc.ir.integers import bind_attribute
from graphc.ir.primitive import PRIMITIVES
from graphc.ir.types import TensorType
from graphc.runtime.abi import ffi


def call_out(statement: CallOut, operands: Sequence[np.ndarray], target: np.ndarray) -> None:
    """Evaluate the primitive on flat arrays and write its result to the flat target. Raises what the primitive does."""
    arrays = [array.reshape(type.shape) for array, type in zip(operands, statement.types, strict=True)]
    result = PRIMITIVES[statement.function].compute(*arrays, **dict(statement.attributes))
    target.reshape(statement.result.shape)[...] = result


def with_sizes(statement: CallOut, sizes: Mapping[str, int]) -> CallOut:
    """The statement for the sizes of one run."""
    if not sizes:
        return statement
    return replace(
        statement,
        attributes=tuple((name, bind_attribute(value, sizes)) for name, value in statement.attributes),
        types=tuple(type.bind(sizes) for type in statement.types),
        result=statement.result.bind(sizes),
    )


def statement_of(launch: Launch) -> CallOut | None:
    """What a launch asks of the host; None for most."""
    if isinstance(launch.kernel.body, Contract):
        return None
    return next((statement for statement in launch.kernel.body if isinstance(statement, CallOut)), None)


def calls_out(program: LoopProgram) -> bool:
    """Whether a program needs a host."""
    return any(statement_of(launch) is not None for launch in program.launches)


def host_draws(program: LoopProgram) -> bool:
    """Whether a program's host draws random numbers."""
    statements = [statement_of(launch) for launch in program.launches]
    return any(each is not None and PRIMITIVES[each.function].effect == "random" for each in statements)


class Host:
    """The host of one program. ``failure`` is what the last call raised, until it is taken."""

    def __init__(self, program: LoopProgram):
        self.failure: BaseException | None = None
        # The sizes that are known at run time only, as they are now.
        self.sizes: dict[str, int] = {}
        self._statements = [statement_of(launch) for launch in program.launches]
        # Both live as long as this object: C keeps their addresses.
        self._callback = ffi.callback("int64_t(int64_t, void *const *)", self._call, error=1)
        self.table = ffi.new("void *[1]", [ffi.cast("void *", self._callback)])

    def _call(self, launch: int, addresses: Any) -> int:
        statement = self._statements[launch]
        assert statement is not None
        try:
            statement = with_sizes(statement, self.sizes)
            types = (*statement.types, statement.result)
            *operands, target = (_array(addresses[position], type) for position, type in enumerate(types))
            call_out(statement, operands, target)
        except BaseException as error:
            self.failure = error
            return 1
        return 0

    def take_failure(self) -> BaseException | None:
        """What the last call raised; None where none did."""
        failure, self.failure = self.failure, None
        return failure


def _array(address: Any, type: TensorType) -> np.ndarray:
    """The flat array at an address of the program's."""
    if not type.nbytes:
        return np.empty(0, type.dtype.numpy)
    return np.frombuffer(ffi.buffer(address, type.nbytes), type.dtype.numpy)
