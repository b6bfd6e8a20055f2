"""What a primitive is: one class holds its type rule, numpy evaluation, gradient, and meaning element by element.

A family says how a primitive lowers, so that most primitives carry no lowering code of their own:

=============  =====================================================================================
Pointwise      each element from the elements of the operands at the same index
View           each element is one element of the first operand at a mapped index (or a fill value)
Gather         each element from operands at computed indices: inlines into any loop
Reduction      each element combines many, over a reduction domain
Contraction    a Reduction whose elements are products of two operands: matmul and convolutions
Scatter        elements of a source combined into (or put to) computed places of a base
Source         no operands: constants, ranges, random numbers
RowAlgorithm   each row by itself, by a function of the target's library: sorting, selecting, searching
External       no meaning element by element: factorisations, Fourier transforms
Scan           a walk along one dimension that carries scalars from each element to the next
=============  =====================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np

from graphc.ir.integers import Dimension, product
from graphc.ir.scalars import Call, Constant, Index, Operand, Scalar
from graphc.ir.types import TensorType, dtype_of
from graphc.ir.window import Window

Attributes = dict[str, Any]
PRIMITIVES: dict[str, Primitive] = {}


class Primitive:
    """The base of all primitives. Subclasses are registered once; ``instance`` is the one object of the class.

    Attribute values are hashable: numbers, strings, DTypes, dimensions, and tuples of them.
    """

    name: ClassVar[str]
    instance: ClassVar[Primitive]
    # Traits.
    differentiable: ClassVar[bool] = True
    # Which operands (by position) and whether the output the vjp reads; the eager tape keeps only those.
    saves_inputs: ClassVar[tuple[int, ...] | None] = None  # None: all
    saves_output: ClassVar[bool] = False
    # The same cotangents but for rounding, of the cotangent and the output alone, for when an operand was overwritten.
    vjp_of_output: ClassVar[Callable[..., Sequence[Any]] | None] = None
    # Where the cotangent of each operand reads other operands than the rest: the positions read, by operand. The rule
    # then gives its cotangents as functions, so that only those that are needed are computed.
    saves_for: ClassVar[dict[int, tuple[int, ...]] | None] = None
    # The result may share the memory of the first operand in eager mode.
    aliases: ClassVar[bool] = False
    # "random": consumes the generator's stream. "guard" and "check": ends the program where it does not hold, so that
    # another is run, or with an error. Nodes with an effect are never merged, reordered, or dropped.
    effect: ClassVar[str | None] = None
    commutative: ClassVar[bool] = False
    # Elements pass through unchanged, or are cast, and none is computed.
    moves: ClassVar[bool] = False
    # Halves are computed with in float32 and rounded once; where this is false, `evaluate` takes them as they are.
    widens: ClassVar[bool] = True
    # Front ends put it in by themselves where shapes or dtypes differ, so that users see no node of it.
    implicit: ClassVar[bool] = False
    # Worth a word in the name and the comment of a kernel; another way of reading a value is not.
    notable: ClassVar[bool] = True
    # Scalar operations for one element, for the fusion cost model; about 1 for an add, 10 for an exponential.
    cost: ClassVar[float] = 1.0
    # `evaluate` gives memory of its own, whose elements lie by rows where those of all operands do; or always.
    by_rows: ClassVar[bool] = False
    always_by_rows: ClassVar[bool] = False

    def infer(self, *types: TensorType, **attrs: Any) -> TensorType:
        """The type of the result. Raises TypeError or ValueError naming what was given and expected."""
        raise NotImplementedError

    def evaluate(self, *arrays: np.ndarray, **attrs: Any) -> np.ndarray:
        """The result for numpy arrays: eager mode and the interpreter."""
        raise NotImplementedError

    def compute(self, *arrays: np.ndarray, **attrs: Any) -> np.ndarray:
        """``evaluate`` for arrays of any element type.

        Halves are computed with in float32 and rounded once. Of complex numbers numpy takes more than PyTorch does
        (it orders them), so that the type rule is asked first.
        """
        if self.moves or not arrays:
            return self.evaluate(*arrays, **attrs)
        dtype = dtype_of(arrays[0].dtype)
        if dtype.is_complex:
            self.infer(*self.types_of(arrays), **attrs)
        if not dtype.is_half or not self.widens:
            return self.evaluate(*arrays, **attrs)
        with np.errstate(all="ignore"):
            widened = [array.astype(np.float32) if array.dtype == dtype.numpy else array for array in arrays]
            result = self.evaluate(*widened, **attrs)
            return result.astype(dtype.numpy) if result.dtype == np.float32 else result

    def room(self, type: TensorType, *arrays: np.ndarray, **attrs: Any) -> np.ndarray | None:
        """Memory for a result of the type, laid out as ``evaluate`` would give it, with nothing computed; None where
        only ``evaluate`` tells. Of arrays whose elements are not known yet."""
        if not self.by_rows or 0 in type.shape:
            return None
        if not self.always_by_rows and not all(array.flags.c_contiguous for array in arrays):
            return None
        return np.empty(type.shape, type.dtype.numpy)

    def types_of(self, arrays: Sequence[np.ndarray]) -> list[TensorType]:
        """The types of arrays that the primitive is evaluated on."""
        return [TensorType(dtype_of(array.dtype), array.shape) for array in arrays]

    def positions_below(self, types: Sequence[TensorType], **attrs: Any) -> Dimension | None:
        """For what gives positions: the number that all elements of the result are below, and none is negative. What
        they index needs no check then. None where elements are no positions."""
        return None

    def vjp(self, cotangent: Any, output: Any, *inputs: Any, **attrs: Any) -> tuple[Any | None, ...]:
        """The cotangent of each input, in public operators; None stands for zero.

        ``inputs`` and ``output`` hold values only where the traits ``saves_inputs`` and ``saves_output`` say so; at
        other places they have ``shape`` and ``dtype`` alone.
        """
        raise NotImplementedError

    def write_back(self, base: Any, update: Any, **attrs: Any) -> Any:
        """For a primitive that ``aliases``: the base after ``update`` was written to the result's memory."""
        raise RuntimeError(f"writing through the result of {self.name} is not possible")

    def simplify(self, inputs: Sequence[Any], attrs: Attributes, output_type: TensorType) -> Any | None:
        """A simpler value equal bit for bit, as an input or an expression of inputs; None where there is none.

        ``inputs`` are graph symbols: ``inputs[0].node.op`` and ``.node.attrs`` show what made them.
        """
        return None

    @classmethod
    def bind(cls, *inputs: Any, **attrs: Any) -> Any:
        """Apply the primitive to tensors or graph symbols, which know how to."""
        return inputs[0].apply(cls.instance, inputs, attrs)

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


class Elementwise(Primitive):
    """A primitive whose element at an index is a scalar expression of elements of its operands."""

    def element(
        self, index: Index, operands: Sequence[Operand], types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> Scalar:
        """The element of the result at ``index``; ``operands[k](*index)`` is the element of operand k."""
        raise NotImplementedError


class Pointwise(Elementwise):
    """Operands and result have one shape. The scalar function has the primitive's name."""

    # A number beside a half is taken in float32, not rounded to the half: as PyTorch's kernels of this function do.
    exact_numbers: ClassVar[bool] = False
    by_rows = True

    def room_as_operands(self, type: TensorType, *arrays: np.ndarray) -> np.ndarray | None:
        """Memory laid out as numpy's functions of elements lay out their results, by the operands."""
        known = super().room(type, *arrays)
        if known is not None or 0 in type.shape or type.dtype.is_half or dtype_of(arrays[0].dtype).is_half:
            return known
        flags = [["readonly"]] * len(arrays) + [["writeonly", "allocate"]]
        kinds = [array.dtype for array in arrays] + [type.dtype.numpy]
        with np.nditer([*arrays, None], ["zerosize_ok"], flags, kinds) as walk:
            return walk.operands[-1]

    def types_of(self, arrays: Sequence[np.ndarray]) -> list[TensorType]:
        shape = np.broadcast_shapes(*(array.shape for array in arrays))  # eager mode broadcasts
        return [TensorType(dtype_of(array.dtype), shape) for array in arrays]

    def element(
        self, index: Index, operands: Sequence[Operand], types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> Scalar:
        return Call(self.name, tuple(operand(*index) for operand in operands), output.dtype)


class View(Elementwise):
    """Each element of the result is one element of operand 0 at a mapped index. Costs nothing when inlined."""

    aliases = True
    moves = True
    saves_inputs = ()
    notable = False
    cost = 0.0

    def room(self, type: TensorType, *arrays: np.ndarray, **attrs: Any) -> np.ndarray | None:
        return self.evaluate(*arrays, **attrs)  # it shares memory, or its copy tells how it lies

    def source_index(self, index: Index, source: TensorType, output: TensorType, **attrs: Any) -> Index:
        """The index in operand 0 of the element that stands at ``index`` of the result."""
        raise NotImplementedError

    def element(
        self, index: Index, operands: Sequence[Operand], types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> Scalar:
        return operands[0](*self.source_index(index, types[0], output, **attrs))


class Indexed(Primitive):
    """A primitive whose operands must lie in a range, mostly since they are indices. Gather and Scatter are; others
    may be beside their family. Programs check before they write any state."""

    def checked_indices(self, types: Sequence[TensorType], **attrs: Any) -> tuple[tuple[int, Dimension], ...]:
        """Pairs (operand position, extent): every element of that operand must lie in ``0 <= i < extent``."""
        return ()

    def checked_value(self, value: Scalar) -> Scalar:
        """What must lie within the range, of an element of the operand: the element itself."""
        return value

    def index_error(self, index: int, bound: int, **attrs: Any) -> Exception:
        """What eager mode and programs raise, in PyTorch's words, for an index outside ``0 <= i < bound``."""
        return IndexError("index out of range in self")


class Gather(Indexed, Elementwise):
    """Reads operands at computed indices, or chooses between operands by index (cat, pad). Inlines into any loop."""

    moves = True

    def starts(self, types: Sequence[TensorType], **attrs: Any) -> tuple[Index, ...] | None:
        """Where each operand begins in the result, if they fill it side by side, each whole and once; else None."""
        return None

    def among_zeros(self, types: Sequence[TensorType], **attrs: Any) -> tuple[int, int] | None:
        """The dimension along which zeros stand around operand 0, and where it begins there; None for other results."""
        return None


class Source(Elementwise):
    """No operands; the type comes from the attributes alone."""

    # The elements are among the attributes, as numbers of the program's text.
    is_literal: ClassVar[bool] = False

    def vjp(self, cotangent: Any, output: Any, *inputs: Any, **attrs: Any) -> tuple[Any | None, ...]:
        return ()


class Reduction(Primitive):
    """Each element of the result combines elements over a reduction domain.

    ``combiner`` is one of sum, prod, max, min, any, all, argmax, argmin. Max and min keep NaN, as PyTorch's do.
    The identity of an empty domain is the combiner's; max, min and the arg forms refuse an empty domain.
    """

    combiner: ClassVar[str]

    def reduced_extents(self, types: Sequence[TensorType], **attrs: Any) -> tuple[Dimension, ...]:
        """The extents of the reduction domain, outermost first."""
        raise NotImplementedError

    def positions_below(self, types: Sequence[TensorType], **attrs: Any) -> Dimension | None:
        return product(self.reduced_extents(types, **attrs)) if self.combiner in ("argmax", "argmin") else None

    def element(
        self,
        index: Index,
        reduced: Index,
        operands: Sequence[Operand],
        types: Sequence[TensorType],
        output: TensorType,
        **attrs: Any,
    ) -> Scalar:
        """What is combined into the result at ``index``, at the point ``reduced`` of the reduction domain.

        For argmax and argmin the value is compared and the result is the row-major position in the domain.
        """
        raise NotImplementedError


class Contraction(Reduction):
    """A sum of products of one element of each of two operands.

    ``roles`` tells for each dimension of the result whether it indexes both operands ("batch"), the left alone
    ("row"), or the right alone ("column").
    """

    combiner = "sum"
    cost = 2.0
    saves_for: ClassVar[dict[int, tuple[int, ...]] | None] = {0: (1,), 1: (0,)}
    # The dimension of the left and the right operand that the sum runs over, where sums over parts of it add up to the
    # sum over all.
    summed: ClassVar[tuple[int, int] | None] = None

    def roles(self, types: Sequence[TensorType], **attrs: Any) -> tuple[str, ...]:
        """One of "batch", "row", "column" for each dimension of the result."""
        raise NotImplementedError

    def factor(
        self,
        side: int,
        index: Index,
        reduced: Index,
        operand: Operand,
        types: Sequence[TensorType],
        output: TensorType,
        **attrs: Any,
    ) -> Scalar:
        """The left (``side`` 0) or right (1) factor at a point of the result and of the reduction domain."""
        raise NotImplementedError

    def window(self, types: Sequence[TensorType], output: TensorType, **attrs: Any) -> Window | None:
        """How the right factor reads a picture through a moving window; None where it does not."""
        return None

    def picture(self, index: Index, reduced: Index, coordinates: Index, operand: Operand, **attrs: Any) -> Scalar:
        """The right operand's element at spatial coordinates: of the sample, group, and channel that a point of the
        result and of the reduction domain names. Only called where there is a window."""
        raise NotImplementedError

    def element(
        self,
        index: Index,
        reduced: Index,
        operands: Sequence[Operand],
        types: Sequence[TensorType],
        output: TensorType,
        **attrs: Any,
    ) -> Scalar:
        left = self.factor(0, index, reduced, operands[0], types, output, **attrs)
        right = self.factor(1, index, reduced, operands[1], types, output, **attrs)
        return Call("mul", (left, right), output.dtype)


class Scatter(Indexed):
    """Operands (base, index, source): the base with elements of the source combined into computed places.

    ``combiner`` is "sum", "prod", "max", "min", or "put". Places are taken in row-major order of the source, so that
    sums have one order.
    """

    combiner: ClassVar[str] = "sum"

    def target(
        self, at: Index, operands: Sequence[Operand], types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> Index:
        """Where in the base the source's element ``at`` goes."""
        raise NotImplementedError

    def independent_dimensions(self, types: Sequence[TensorType], **attrs: Any) -> tuple[int, ...]:
        """Dimensions of the source that are passed through to the same dimension of the base: safe to parallelise."""
        return ()


@dataclass(frozen=True, slots=True)
class Run:
    """Elements of a value that lie in a row: along ``dim`` from ``start`` on; for None that one alone."""

    start: Index
    dim: int | None


class RowAlgorithm(Primitive):
    """An algorithm on rows, each by itself, that no expression tells: targets have a function of the primitive's name.

    The function is given the runs of the operands, that of the result, and numbers.
    """

    cost = 20.0  # for an element of a row
    # The function works with so many pairs of a key and a place for each element of the first operand's run.
    pairs: ClassVar[int] = 2

    def points(self, types: Sequence[TensorType], output: TensorType, **attrs: Any) -> tuple[Dimension, ...]:
        """The extents of a domain: the function is called once for each of its points."""
        raise NotImplementedError

    def runs(
        self, at: Index, types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> tuple[tuple[Run, ...], Run]:
        """What belongs to a point: a run of each operand, and one of the result."""
        raise NotImplementedError

    def numbers(self, types: Sequence[TensorType], output: TensorType, **attrs: Any) -> tuple[Dimension, ...]:
        """What the function is told besides: the length of the rows, and what the attributes say."""
        raise NotImplementedError

    def evaluate_row(self, *rows: np.ndarray, **attrs: Any) -> np.ndarray:
        """What the function makes of runs (vectors, and 0-d arrays for single elements)."""
        raise NotImplementedError


class External(Primitive):
    """A whole-array algorithm whose elements no expression tells: factorisations, Fourier transforms.

    What has several results gives them packed along one dimension, and the front end takes views of it.
    """

    cost = 100.0


class Scan(Primitive):
    """A walk along the dimension ``dim`` of each row that carries a few scalars from every element to the next; from
    the end with ``reverse``. Both are attributes. All operands and the result have one shape.
    """

    cost = 2.0

    def carried(self, types: Sequence[TensorType], output: TensorType, **attrs: Any) -> tuple[Constant, ...]:
        """What is carried to the first element of a row."""
        raise NotImplementedError

    def step(
        self,
        carried: Sequence[Scalar],
        index: Index,
        operands: Sequence[Operand],
        types: Sequence[TensorType],
        output: TensorType,
        **attrs: Any,
    ) -> tuple[Scalar, ...]:
        """What is carried on from the element at ``index``; the first, in the result's dtype, is its element."""
        raise NotImplementedError


PrimitiveClass = TypeVar("PrimitiveClass", bound=type[Primitive])


def register(primitive: PrimitiveClass) -> PrimitiveClass:
    """Class decorator: make the one instance and enter it in the table of primitives by name."""
    if primitive.name in PRIMITIVES:
        raise ValueError(f"two primitives are named {primitive.name!r}")
    primitive.instance = primitive()
    PRIMITIVES[primitive.name] = primitive.instance
    return primitive
