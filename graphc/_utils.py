"""Several tensors as one buffer and back, at PyTorch's place for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graphc.ops.functions.shaping import cat
from graphc.tensor import Tensor

__all__: list[str] = []


def _flatten_dense_tensors(tensors: Iterable[Tensor]) -> Tensor:
    """The elements of all tensors, one after another, in one dimension."""
    return cat([tensor.contiguous().view(-1) for tensor in tensors])


def _unflatten_dense_tensors(flat: Tensor, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Parts of a buffer that follow one another, in the shapes of the tensors; they share its memory."""
    parts, begin = [], 0
    for tensor in tensors:
        parts.append(flat.narrow(0, begin, tensor.numel()).view(tensor.shape))
        begin += tensor.numel()
    return tuple(parts)
