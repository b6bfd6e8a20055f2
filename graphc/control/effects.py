"""Loops whose bodies write to memory, for what the library does by values within a step.

In eager mode they are the plain Python loops. Inside a compiled function each is a ``while_loop`` that carries what its
body writes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.autograd.modes import no_grad
from graphc.capture.effects import record_effects
from graphc.control.operators import DrawingWhileLoop, WhileLoop
from graphc.ir.types import int64
from graphc.ops.sources import number_like
from graphc.recording import state
from graphc.tensor import Tensor


@no_grad()
def repeat_while(name: str, begins: Tensor, body: Callable[[], Tensor], *called: Callable[..., Any]) -> None:
    """``body()`` again and again as long as it gives a true bool[], where ``begins`` is true.

    Inside a compiled function the body runs once, to be recorded; it may write to any memory around it and replace
    gradients that are there, and the loop has no derivative. ``called`` are the functions of the user's that it calls,
    ``name`` is what does this.

    Raises CaptureError, with the user's line, for what a region can't express.
    """
    if state.recorder is None:
        going = bool(begins)
        while going:
            going = bool(body())
        return
    runs = number_like(begins, 0, shape=(), dtype=int64)

    def recorded(going: Tensor, runs: Tensor) -> list[Tensor]:
        return [body(), runs + 1]

    samples = [Tensor.from_array(np.array(tensor._array)) for tensor in (begins, runs)]
    found = record_effects(name, recorded, samples, ["goes_on", "runs"], called)
    operation = DrawingWhileLoop.instance if found.region.draws else WhileLoop.instance
    attrs = {
        "body": found.region,
        "carried": 2 + len(found.carried),
        "sequences": 0,
        "length": None,
        "conditional": True,
    }
    operands = [begins, runs, *found.carried, *found.closed]
    results = begins.apply_several(operation, operands, attrs)
    for tensor, result in zip(found.carried, results[2:], strict=True):
        tensor.copy_(result)


def do_if(name: str, condition: Tensor, body: Callable[[], Any], *called: Callable[..., Any]) -> None:
    """``body()`` where a bool[] is true: a loop as :func:`repeat_while` that runs once at most."""

    def once() -> Tensor:
        body()
        return condition.new_zeros(()).bool()

    repeat_while(name, condition, once, *called)
