"""The loop-nest IR: what a kernel does, as data. Targets print it; nothing here knows C or CUDA.

A :class:`LoopProgram` is a list of launches of kernels over buffers. A kernel's parameters are named by position
(``in0``, ``in1``, ..., ``out0``, ...), so that kernels which do the same thing to other buffers are equal, are emitted
once, and are called many times. Buffers are flat: every load and store has one offset in elements.

Scalar expressions are those of :mod:`graphc.ir.scalars`, with ``Load.source`` the name of a parameter or local array,
``Load.index`` a single flat offset, and :class:`Local` for a named scalar of the kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from graphc.ir.graph import Graph, Location, Node
from graphc.ir.integers import Integer, variables
from graphc.ir.primitive import PRIMITIVES
from graphc.ir.scalars import Scalar
from graphc.ir.types import DType, TensorType
from graphc.ir.window import Window


@dataclass(frozen=True, slots=True)
class Local:
    """A scalar variable of the kernel, as an expression."""

    name: str
    dtype: DType

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Let:
    """Define a scalar that does not change. ``here`` tells that it is computed before what comes after it: what it
    reads changes there."""

    name: str
    dtype: DType
    value: Scalar
    here: bool = False


@dataclass(frozen=True, slots=True)
class Carried:
    """Define a scalar that goes from each iteration of a serial loop to the next: :class:`Advance` changes it."""

    name: str
    dtype: DType
    start: Scalar


@dataclass(frozen=True, slots=True)
class Advance:
    """What a carried scalar is in the next iteration. All that reads what it is in this one stands before it."""

    name: str
    dtype: DType
    value: Scalar


@dataclass(frozen=True, slots=True)
class Accumulator:
    """Define a scalar that :class:`Accumulate` changes; it starts at the identity of its combiner.

    ``argmax`` and ``argmin`` keep a value and, under ``<name>_position``, an int64 position.
    """

    name: str
    dtype: DType
    combiner: str


@dataclass(frozen=True, slots=True)
class Accumulate:
    """Combine a value into an accumulator. ``position`` is the value's place, for argmax and argmin."""

    name: str
    dtype: DType
    combiner: str
    value: Scalar
    position: Integer | None = None


@dataclass(frozen=True, slots=True)
class LocalArray:
    """A small array of the kernel's own (on the stack; in registers or shared memory elsewhere), not initialised."""

    name: str
    dtype: DType
    size: int


@dataclass(frozen=True, slots=True)
class Store:
    """Write an element. ``combiner`` None overwrites; otherwise the value is combined with what stands there."""

    target: str
    offset: Integer
    value: Scalar
    dtype: DType
    combiner: str | None = None


@dataclass(frozen=True, slots=True)
class Loop:
    """Run the body for ``variable`` in ``range(start, stop)``.

    kind "serial": in order. "vector": iterations are independent but for Accumulate statements directly within.
    "parallel": iterations are independent, and threads (or blocks) share the range out: the outermost loop of a kernel,
    or where the target wants it, as many as lie directly within each other. For such a target all loops over reduced
    points are "vector", those that search for a position too: they find the first. A parallel loop that holds no other
    loop may be vectorised too. An Accumulator that is defined within a vector loop belongs to one iteration.
    """

    variable: str
    start: Integer
    stop: Integer
    body: tuple[Statement, ...]
    kind: str = "serial"


@dataclass(frozen=True, slots=True)
class If:
    """Run the body where the condition holds."""

    condition: Scalar
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class CheckIndex:
    """End the program with IndexError unless ``0 <= value < extent``."""

    value: Scalar
    extent: Integer


@dataclass(frozen=True, slots=True)
class Random:
    """Fill a parameter with ``size`` random numbers from the generator's stream; ``function`` is the primitive's name
    and ``arguments`` its numeric attributes, in the order of their names."""

    function: str
    target: str
    size: Integer
    dtype: DType
    arguments: tuple[float | int, ...] = ()


@dataclass(frozen=True, slots=True)
class CallOut:
    """Let the host carry out a primitive on whole arrays: what has no meaning element by element.

    ``operands`` and ``target`` name parameters, ``types`` and ``result`` say what they hold. The program ends where the
    host fails.
    """

    function: str
    attributes: tuple[tuple[str, Any], ...]
    operands: tuple[str, ...]
    types: tuple[TensorType, ...]
    target: str
    result: TensorType


@dataclass(frozen=True, slots=True)
class Span:
    """``count`` elements of a parameter, ``step`` elements apart; one alone where ``step`` is None."""

    name: str
    offset: Integer
    step: Integer | None
    count: Integer
    dtype: DType


@dataclass(frozen=True, slots=True)
class CallRow:
    """Let the target's function of a row algorithm make one span of others. It is told ``numbers`` besides, and works
    with ``pairs`` pairs of 64-bit words."""

    function: str
    attributes: tuple[tuple[str, Any], ...]
    operands: tuple[Span, ...]
    target: Span
    numbers: tuple[Integer, ...]
    pairs: Integer

    @property
    def spans(self) -> tuple[Span, ...]:
        return (*self.operands, self.target)


Statement = (
    Let
    | Carried
    | Advance
    | Accumulator
    | Accumulate
    | LocalArray
    | Store
    | Loop
    | If
    | CheckIndex
    | Random
    | CallOut
    | CallRow
)


@dataclass(frozen=True, slots=True)
class Sliding:
    """The right factor of a contraction once more: as a picture under a window. What it says adds nothing to the factor
    itself, but tells a target how to read each element of the picture once.

    ``picture`` is an expression of the variables ``b``, ``channel``, ``y0``, ``y1``, ... (the coordinates), and where
    places are summed, ``sample``.
    """

    window: Window
    picture: Scalar


@dataclass(frozen=True, slots=True)
class Contract:
    """For each batch b, row m, column n: the epilogue of ``sum over k of left(b,m,k) * right(b,k,n)``.

    ``left`` is an expression of the variables ``b``, ``m``, ``k``; ``right`` of ``b``, ``k``, ``n``; the epilogue's
    statements may use ``b``, ``m``, ``n`` and the sum as ``Local("total", dtype)``. Any of them may read any
    parameter but those that the epilogue stores to.
    """

    batch: Integer
    rows: Integer
    columns: Integer
    depth: Integer
    dtype: DType
    left: Scalar
    right: Scalar
    epilogue: tuple[Statement, ...]
    sliding: Sliding | None = None

    @property
    def factors(self) -> tuple[Scalar, ...]:
        """What is read of parameters before the epilogue: both factors, and the picture that one of them may be."""
        return (self.left, self.right, *([self.sliding.picture] if self.sliding else []))

    def changed(
        self, change: Callable[[Scalar], Scalar], epilogue: Callable[[tuple[Statement, ...]], tuple[Statement, ...]]
    ) -> Contract:
        """The contraction with every factor changed, and the epilogue."""
        sliding = self.sliding and replace(self.sliding, picture=change(self.sliding.picture))
        left, right = change(self.left), change(self.right)
        return replace(self, left=left, right=right, epilogue=epilogue(self.epilogue), sliding=sliding)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A buffer that a kernel is given, or a part of one: ``size`` elements from where the launch says.

    ``access`` is "read", "write", or "update" (both, at the same elements)."""

    name: str
    dtype: DType
    size: Integer
    access: str


@dataclass(frozen=True, slots=True)
class Kernel:
    """A function over buffers: statements (parallel loops outermost) or one contraction.

    ``title`` is a word or three for its name, such as "softmax" or "matmul_relu"; it is not part of what it does.
    """

    parameters: tuple[Parameter, ...]
    body: tuple[Statement, ...] | Contract
    operations: tuple[str, ...]  # the primitives in it, in order: they go into its comment

    @property
    def notable(self) -> tuple[str, ...]:
        """The operations without those that are only another way of reading a value; all where there are no others."""
        return tuple(word for word in self.operations if _is_notable(word)) or self.operations

    @property
    def title(self) -> str:
        words = [word for word in dict.fromkeys(self.operations) if _is_notable(word)]
        return "_".join(words[:3]) or "copy"


def _is_notable(word: str) -> bool:
    return word not in PRIMITIVES or PRIMITIVES[word].notable


@dataclass(frozen=True, slots=True)
class Buffer:
    """A flat piece of memory. ``kind``: "argument", "state", "constant", "scalar", "output" (the caller's, in the
    graph's order) or "temporary" (in the arena). ``nodes`` are the values it holds, for reports."""

    name: str
    dtype: DType
    size: Integer
    kind: str
    nodes: tuple[Node, ...] = ()

    @property
    def nbytes(self) -> Integer:
        return self.size * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class Origin:
    """One operation in a launch, the Python line it came from, and its attributes. A launch that checks indices has
    one origin: the operation that will use them."""

    operation: str
    location: Location | None
    attributes: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Launch:
    """A call of a kernel: one buffer name for each parameter. ``operations`` counts scalar operations (FLOPs).

    ``starts`` gives for each parameter the element of its buffer at which it begins; empty: all begin at the first. It
    may be an expression of the variables of the blocks around the launch.
    """

    kernel: Kernel
    buffers: tuple[str, ...]
    origins: tuple[Origin, ...]
    operations: Integer = 0
    starts: tuple[Integer, ...] = ()

    def start(self, position: int) -> Integer:
        """The element of its buffer at which a parameter begins."""
        return self.starts[position] if self.starts else 0


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a buffer, by its name; ``start`` may hold variables of the blocks around."""

    buffer: str
    start: Integer = 0


@dataclass(frozen=True, slots=True)
class Repeat:
    """The launches from number ``first`` up to, and without, ``stop`` run again and again.

    ``variable`` counts the runs from 0, or down to 0 where ``descending``. There are ``count`` runs: a number, perhaps
    of sizes that are known at run time only, or what an element holds, which stays the same meanwhile; None for any
    number. With ``going`` there is a next run only while that element is true.
    """

    first: int
    stop: int
    variable: str
    count: Integer | Element | None
    going: Element | None = None
    descending: bool = False
    origin: Origin | None = None

    @property
    def elements(self) -> tuple[Element, ...]:
        """What tells how often the launches run."""
        return tuple(each for each in (self.count, self.going) if isinstance(each, Element))

    @property
    def controls(self) -> tuple[str, ...]:
        """The buffers of these elements."""
        return tuple(each.buffer for each in self.elements)


@dataclass(frozen=True, slots=True)
class Branch:
    """Of the launches from number ``first`` up to ``stop`` those before ``middle`` run where ``condition`` is true, and
    the others where it is not."""

    first: int
    middle: int
    stop: int
    condition: Element
    origin: Origin | None = None

    @property
    def elements(self) -> tuple[Element, ...]:
        """What tells which launches run."""
        return (self.condition,)

    @property
    def controls(self) -> tuple[str, ...]:
        """The buffer of this element."""
        return (self.condition.buffer,)


Block = Repeat | Branch


@dataclass(frozen=True, slots=True)
class LoopProgram:
    """All that a target needs: buffers, launches in order, and how the graph's results relate to buffers.

    ``blocks`` are control flow around launches. They lie within or beside each other, and one that holds another stands
    before it.

    ``outputs`` names a buffer of kind "output" for each output of the graph. A state buffer is updated in place by the
    launches themselves: after the last launch it holds the new value, and launches that may fail (``CheckIndex``,
    ``CallOut``) all stand before the first that writes to state.
    """

    name: str
    graph: Graph
    buffers: tuple[Buffer, ...]
    launches: tuple[Launch, ...]
    outputs: tuple[str, ...]
    blocks: tuple[Block, ...] = ()

    @property
    def symbols(self) -> tuple[str, ...]:
        """The names of the sizes that are known at run time only, in the order in which the program is given them."""
        return symbols_of(self.graph)

    def buffer(self, name: str) -> Buffer:
        """The buffer of that name."""
        return next(buffer for buffer in self.buffers if buffer.name == name)


def symbols_of(graph: Graph) -> tuple[str, ...]:
    """The symbolic dimensions of a graph, sorted by name. A value may have one that no input has: the gradient of a sum
    has the shape of what was summed, which need not be read again."""
    extents = {extent for node in (*graph.inputs, *graph.nodes) for extent in node.type.shape}
    return tuple(sorted({name for extent in extents if not isinstance(extent, int) for name in variables(extent)}))
