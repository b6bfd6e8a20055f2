"""What is switched on in this thread: gradients, the recorder of a capture, and the generation of outside state.

Tensors ask here on every operation, so this module stands below all that uses it.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from graphc.ir.primitive import Attributes, Primitive

if TYPE_CHECKING:
    from graphc.ir.graph import Location
    from graphc.ir.integers import IntegerExpression
    from graphc.ir.types import DType
    from graphc.randomness.stream import RandomStream
    from graphc.storage import Size
    from graphc.tensor import Tensor


class Recorder(Protocol):
    """What a capture must offer to the tensors that run under it."""

    # The operations that were recorded and are yet to be carried out: see graphc.capture.postponed.
    postponed: Any

    def record(self, primitive: Primitive, inputs: Sequence[Tensor], attrs: Attributes, output: Tensor) -> None:
        """An operation ran; ``output`` is its result."""

    def record_several(
        self, primitive: Primitive, inputs: Sequence[Tensor], attrs: Attributes, outputs: Sequence[Tensor]
    ) -> None:
        """A structured operation ran; ``outputs`` are its results."""

    def with_numbers(self, attrs: Attributes) -> Attributes:
        """Attributes of a structured operation in which sizes are the numbers that they are now."""

    def with_sizes(self, attrs: Attributes) -> Attributes:
        """Attributes of a structured operation that was recorded before, in which sizes are what they stand for now."""

    def assign(self, target: Tensor, value: Tensor) -> None:
        """``target``'s memory was overwritten with ``value`` (of the same shape and dtype)."""

    def write_waits(self, target: Tensor, value: Tensor) -> bool:
        """Whether the elements of a value that was assigned are written later, with those that are still to come."""

    def compute(self, tensor: Tensor) -> None:
        """The elements of a tensor are about to be read."""

    def gradient_read(self, tensor: Tensor) -> None:
        """``tensor.grad`` is about to be read."""

    def gradient_written(self, tensor: Tensor) -> None:
        """``tensor.grad`` is about to be replaced."""

    def view_made(self, tensor: Tensor) -> None:
        """A tensor was made that shows another's memory as it is, as a parameter does."""

    def memory_made(self, tensor: Tensor) -> None:
        """A tensor was made of numbers that are no tensor's, as it is anew at every call."""

    def memory_shown(self, tensor: Tensor) -> None:
        """A tensor was made that shows the memory of an array of the user's."""

    def flag_written(self, tensor: Tensor) -> None:
        """``tensor.requires_grad`` is about to change."""

    def attribute_written(self, holder: Any, name: str, value: Any) -> None:
        """A tensor was stored as an attribute of a module."""

    def data_written(self, tensor: Tensor, value: Tensor) -> None:
        """``tensor`` is about to get the memory of another tensor."""

    def attribute_replaced(self, holder: Any, table: dict[str, Any], name: str, before: Any) -> bool:
        """An attribute of a module is about to get another value in the dict that holds it; whether a program would
        repeat that. ``before``: what it holds, or the module itself where there is none."""

    def mode_written(self, module: Any) -> None:
        """A module's ``training`` is about to be set."""

    def object_made(self, holder: Any) -> None:
        """A module is made while the function runs: what is stored on it is the function's own affair."""

    def refuse_value(self, tensor: Tensor, what: str) -> None:
        """A Python value was asked of a tensor: raises where it depends on the step's inputs."""

    def value_read(self, tensor: Tensor, what: str) -> None:
        """Python code reads a tensor's elements: what follows holds only while they are the same."""

    def number_read(self, tensor: Tensor) -> Tensor:
        """Python code takes the number in a floating tensor: one that is anew at every call."""

    def require(self, holds: Tensor, error: Exception) -> None:
        """What is recorded rests on a condition, a bool[], for which eager mode would raise the error."""

    def drawing_from(self, generator: RandomStream) -> AbstractContextManager[None]:
        """Draws within come from a generator of the user's."""

    def touch_stream(self, generator: RandomStream, what: str) -> None:
        """The state of a generator of the user's is about to be read or set: raises where no program repeats that."""

    def function_begins(self, inputs: Sequence[Tensor]) -> Any:
        """A function with a rule of the user's own is about to run; gives what ``function_ran`` is to be told."""

    def function_ran(self, begun: Any, node: Any, results: Sequence[tuple[int, Tensor]], single: bool) -> None:
        """It ran: its node on the tape, and those of its results, by their places, that want gradients. ``single``: it
        has one result alone."""

    def scalar(self, holder: Any, key: Any, value: float) -> Tensor:
        """A number that the user may change between calls, as a 0-d float64 tensor."""

    def guard(self, holder: Any, key: Any, value: Any, truth: bool = False) -> None:
        """The recording holds only while ``holder[key]`` (or the attribute ``key``) equals ``value``, or with ``truth``
        while it is true or false as ``value`` is."""

    def swept(self, sequence: int, name: str) -> None:
        """A backward sweep reaches the tape node of that number: raises where it was made before the recording."""

    def location(self) -> Location:
        """The user's line that is running."""

    def shape_of(self, tensor: Tensor) -> Size:
        """A tensor's shape, in which sizes that are known at run time only say so."""

    def size_decided(self, sign: str, expression: IntegerExpression, value: int, outcome: bool) -> None:
        """Python code went on as it did since a size compares so with a number: the recording rests on it."""


class _ThreadState(threading.local):
    def __init__(self) -> None:
        # Whether operations go on the tape; None: they do not, in inference mode.
        self.gradients: bool | None = True
        self.recorder: Recorder | None = None
        self.phase = "forward"
        # The dtype that mixed precision computes in; None: it is off.
        self.autocast: DType | None = None
        # The line of the forward operation whose rule the reverse sweep is running.
        self.location: Location | None = None


state = _ThreadState()


def refuse_in_capture(name: str) -> None:
    """Raises CaptureError, with the user's line, where a function is being recorded: a program can't do this."""
    if state.recorder is not None:
        from graphc.capture.errors import CaptureError

        raise CaptureError(f"{name} can't run inside a compiled function", state.recorder.location())


class Generation:
    """Counts changes that a compiled step cannot see through its arguments.

    Whatever changes a training flag, ``requires_grad``, or the memory of a tensor advances ``count``, and a compiled
    step checks its guards again only when that has moved: one comparison on the fast path. Hyper-parameters, which a
    schedule changes at every step, have a count of their own, ``values``.
    """

    __slots__ = ("_numbers", "count", "values")

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self.count = self.values = 0

    def advance(self) -> None:
        """Note a change: the count becomes one that it never was, whichever threads note one at once."""
        self.count = next(self._numbers)

    def advance_values(self) -> None:
        """Note a change of a hyper-parameter, as :meth:`advance` does."""
        self.values = next(self._numbers)


generation = Generation()


class paused:
    """Context manager: operations run eagerly and are not recorded."""

    def __enter__(self) -> None:
        self._recorder, state.recorder = state.recorder, None

    def __exit__(self, *exception: object) -> None:
        state.recorder = self._recorder


class phase:
    """Context manager: operations recorded within belong to this part of the step ("backward", "update")."""

    def __init__(self, name: str):
        self._name = name

    def __enter__(self) -> None:
        self._outer, state.phase = state.phase, self._name

    def __exit__(self, *exception: object) -> None:
        state.phase = self._outer
