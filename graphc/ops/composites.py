"""Composites: several primitives that eager mode computes in one go.

A graph holds the primitives that a function is composed of, and the compiler fuses them. Eager mode pays for each of
them, on small tensors far more than for the arithmetic. So a function may state beside its composition one numpy
function and one rule for all of it, as a primitive that no graph ever holds, and that no table lists.
"""

from __future__ import annotations

from typing import Any, ClassVar

from graphc.ir.primitive import Primitive
from graphc.recording import state


def runs_whole(value: Any) -> bool:
    """Whether composites of a value are computed in one go: of a tensor that runs without being recorded, and that
    numpy computes with as PyTorch does."""
    return state.recorder is None and value.is_eager and value.dtype.is_direct


def runs_unrecorded(value: Any) -> bool:
    """Whether a value is a tensor that runs without being recorded."""
    return state.recorder is None and value.is_eager


class Composite(Primitive):
    """A function of public operators, ``decompose``, that ``evaluate`` computes of numpy arrays in one go.

    ``bind`` takes the composition for symbols, under a capture, and for halves and complex numbers; where there is no
    rule (``differentiable`` is false), wherever gradients are recorded too. So a rule's own composites need none: they
    are differentiated as what they are composed of.

    ``of_any_dtype``: ``evaluate`` is right for halves and complex numbers too.

    An operand is given as often as the composition adds to its cotangent, so that sums are in the same order.
    """

    of_any_dtype: ClassVar[bool] = False

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls.instance = cls()

    def decompose(self, *inputs: Any, **attrs: Any) -> Any:
        """The same in public operators; a composite that is only bound to what :func:`runs_whole` has none."""
        raise NotImplementedError

    @classmethod
    def bind(cls, *inputs: Any, **attrs: Any) -> Any:
        """The composite of tensors or graph symbols; front ends have checked shapes and dtypes."""
        composite, first = cls.instance, inputs[0]
        if (runs_unrecorded if composite.of_any_dtype else runs_whole)(first) and (
            composite.differentiable or not state.gradients or not any(value.requires_grad for value in inputs)
        ):
            return first.apply(composite, inputs, attrs)
        return composite.decompose(*inputs, **attrs)
