"""Memory for results that are not computed yet lies as that of results that are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.primitive import Attributes, Primitive
from graphc.sizes import plain
from graphc.tensor import Tensor
from tests.ops.running import apply_sample
from tests.ops.samples import ALL_SAMPLES


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each primitive that ran told how its result lies; each time it is compared with the result."""
    found: Counter[str] = Counter()
    apply = Tensor.apply

    def checked(self: Any, primitive: Primitive, inputs: Sequence[Tensor], attrs: Attributes) -> Tensor:
        result = apply(self, primitive, inputs, attrs)
        arrays = [tensor._array for tensor in inputs]
        if arrays and not primitive.aliases and not any(tensor.dtype.is_complex for tensor in inputs):
            numbers = {name: plain(value) for name, value in attrs.items()}
            try:
                type = primitive.infer(*primitive.types_of(arrays), **numbers)
            except Exception:  # operands of eager mode alone, which no capture sees
                return result
            room = primitive.room(type, *arrays, **numbers)
            if room is not None:
                found[primitive.name] += 1
                own = result._array
                assert (room.dtype, room.shape, room.strides) == (own.dtype, own.shape, own.strides), primitive
                assert not any(np.may_share_memory(own, array) for array in arrays if own.size), primitive
        return result

    monkeypatch.setattr(Tensor, "apply", checked)
    return found


def test_rooms_lie_as_results(compared: Counter[str]) -> None:
    """Shape, dtype, strides, and memory of its own, for every sample in which a primitive tells its result's."""
    for sample in ALL_SAMPLES:
        positional, keywords = sample.make()
        tensors = [Tensor.from_array(given) if isinstance(given, np.ndarray) else given for given in positional]
        if all(isinstance(given, Tensor | int | float | tuple) for given in tensors) and not keywords:
            apply_sample(sample, tensors, {})
    assert len(compared) > 90
    assert {"convolution", "matmul", "sum", "max_pool", "index_add", "where", "copy"} <= compared.keys()


def test_operands_in_other_orders(compared: Counter[str]) -> None:
    """Turned, stretched, and cut operands, in all pairs, and reductions of them along each of their dimensions."""
    whole = gc.rand(6, 8, 10)
    views = [
        whole[:4, :4, :4],
        whole.permute(2, 0, 1)[:4, :4, :4],
        whole.permute(1, 2, 0)[:4, :4, :4],
        gc.rand(4).expand(4, 4, 4),
        gc.rand(4, 1, 1).expand(4, 4, 4),
        gc.rand(4, 4, 4),
        gc.rand(4, 4, 4).permute(2, 1, 0),
        gc.rand(4, 4, 4)[:, :, ::2].repeat_interleave(2, 2).permute(1, 0, 2),
    ]
    for one in views:
        for function in (gc.sigmoid, gc.relu, gc.exp, gc.rsqrt, gc.sign, gc.clone, gc.Tensor.double, gc.Tensor.half):
            function(one)
        one.clamp(0.2, 0.5), one**2.5, one % 0.3
        for dims in (0, 1, 2, (0, 1), (0, 2), (1, 2), (0, 1, 2)):
            one.sum(dims), one.amax(dims), (one > 0).any(dims)
        for other in views:
            one + other, one.maximum(other), gc.where(one > other, one, other), one @ other
            gc.atan2(one, other)
            one.half() * other.half()
    assert compared["where"] == len(views) ** 2
    assert compared["sum"] == 7 * len(views)
