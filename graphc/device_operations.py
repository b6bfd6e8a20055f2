"""Eager operations once GPUs are in use: by a kernel where there is one, else by numpy, once GPUs are done with the
operands; results lie beside these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.device_memory import beside, gpu_of, settle, use
from graphc.ir.primitive import Primitive


def evaluated(primitive: Primitive, inputs: Sequence[Any], attrs: Any, recorded: bool) -> np.ndarray:
    """The result of a primitive of tensors. What is ``recorded`` numpy computes: it runs once."""
    arrays = [tensor._array for tensor in inputs]
    evaluate = primitive.evaluate if not inputs or inputs[0].dtype.is_direct else primitive.compute
    if primitive.aliases:
        return _viewed(evaluate, arrays, attrs)
    if not recorded:
        found = use.kernels.compute(primitive, arrays, attrs)
        if found is not None:
            return found
    settle(*arrays)
    result = beside(np.asarray(evaluate(*arrays, **attrs)), arrays)
    if not recorded:
        use.kernels.note(primitive, arrays, attrs, result)
    return result


def _viewed(evaluate: Any, arrays: Sequence[np.ndarray], attrs: Any) -> np.ndarray:
    """A view, for which nobody waits; where it can be none, one of a copy."""
    (array, *_) = arrays
    result = evaluate(*arrays, **attrs)
    if not result.size or np.may_share_memory(result, array):
        return result
    if gpu_of(array) is not None:
        return evaluate(use.kernels.contiguous(array), *arrays[1:], **attrs)
    settle(array)
    return evaluate(*arrays, **attrs)
