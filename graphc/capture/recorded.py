"""What a captured function is: a graph, and what its inputs, results, and effects are among Python objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphc.autograd.partition import Differentiable
from graphc.capture.containers import Refilled
from graphc.capture.guards import GradientGuard, Guard, Owner, RequiresGradGuard, SizeGuard
from graphc.capture.memories import Scalar
from graphc.capture.places import (
    KindGuard,
    LengthGuard,
    Placed,
    Replacement,
    VariablesGuard,
)
from graphc.capture.results import Result, Seen, Shared
from graphc.capture.sharing import NOTHING_SHARED, Sharing
from graphc.ir.graph import Graph, Location, Node
from graphc.tensor import Tensor


@dataclass(frozen=True, slots=True)
class FromArgument:
    """A graph input that is the tensor at this position among the call's tensors."""

    position: int


@dataclass(frozen=True, slots=True)
class FromArgumentMemory:
    """A graph input that is all of the memory of which the tensor at this position shows a part."""

    position: int


@dataclass(frozen=True, slots=True)
class FromOutside:
    """A graph input that is memory of a tensor from outside, bound by reference; written where it is state. One
    that is ``placed`` is looked for at each call."""

    tensor: Tensor
    placed: Placed | None = None


@dataclass(frozen=True, slots=True)
class FromGradient:
    """A graph input that is the ``grad`` of a tensor, whichever it is at the call; written where it is state."""

    owner: Owner


@dataclass(frozen=True, slots=True)
class FromScalar:
    """A graph input that is a number read at every call."""

    scalar: Scalar


Binding = FromArgument | FromArgumentMemory | FromOutside | FromGradient | FromScalar


@dataclass(frozen=True, slots=True)
class GradientEffect:
    """After the run the owner has this ``grad``: one that the program made, or None, or one from outside."""

    owner: Owner
    place: Seen | None
    value: Tensor | None = None


@dataclass(frozen=True, slots=True)
class FlagEffect:
    """After the run the owner's ``requires_grad`` is this."""

    owner: Owner
    value: bool


@dataclass(frozen=True, slots=True)
class DataEffect:
    """After the run the owner has the memory of this tensor."""

    owner: Owner
    place: Seen | Shared


@dataclass(frozen=True, slots=True)
class Recording:
    """A captured function: its graph, and how inputs, results, and side effects relate to Python objects."""

    graph: Graph
    forward: Graph
    bindings: tuple[Binding, ...]
    results: tuple[Result, ...]
    description: Any
    gradients: tuple[GradientEffect, ...]
    guards: tuple[Guard | GradientGuard | RequiresGradGuard | KindGuard | LengthGuard | VariablesGuard, ...]
    # What is differentiated from outside, and the outputs that are; and the output that saves each value for it.
    differentiable: Differentiable | None = None
    differentiated: tuple[int, ...] = ()
    saved: Mapping[Node, int] = field(default_factory=dict)
    sharing: Sharing = NOTHING_SHARED
    arguments: int = 0  # how many tensors a call is given
    sizes: tuple[tuple[SizeGuard, Location], ...] = ()  # what it rests on of the sizes that are known at run time only
    fixed: Mapping[str, str] = field(default_factory=dict)  # why sizes are numbers that might have been known then
    fixed_values: Mapping[str, int] = field(default_factory=dict)  # and which numbers
    # Tensors from outside that want a gradient and are not the whole of an input, by their names in `differentiable`.
    leaves: Mapping[str, Tensor] = field(default_factory=dict)
    # The results that are leaves, made within, that other results may be differentiated by.
    made_leaves: Mapping[str, int] = field(default_factory=dict)
    # The inputs whose tensors are left with a history, each with which of the differentiated results it is.
    histories: tuple[tuple[int, int], ...] = ()
    flags: tuple[FlagEffect, ...] = ()
    data: tuple[DataEffect, ...] = ()
    # How the dimensions of each output are permuted, where it is not in row-major order.
    orders: tuple[tuple[int, ...] | None, ...] = ()
    # Containers among the arguments that the function changed, and what is new in them: a tree after that of results.
    refilled: tuple[Refilled, ...] = ()
    contents: Any = None
    # What the function stored in variables, containers, and modules from outside; its values end the contents.
    replacements: tuple[Replacement, ...] = ()
