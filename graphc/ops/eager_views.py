"""Views of tensors that run without being recorded, made in one step: numpy makes the array, and the tensor is told of
it. Each function gives None where there is more to do or to refuse; what is wrong is said elsewhere in PyTorch's words.
"""

from __future__ import annotations

from typing import Any

from graphc.ops import views
from graphc.recording import state


def reshaped(input: Any, sizes: tuple[Any, ...]) -> Any | None:
    """The same memory in another shape, given as ``(2, 3)`` or ``((2, 3),)``; one size may be -1."""
    if state.recorder is not None or not input.is_eager:
        return None
    if len(sizes) == 1 and type(sizes[0]) is not int:
        (sizes,) = sizes
        if not isinstance(sizes, tuple):
            return None
    for size in sizes:
        if type(size) is not int or size < -1:
            return None
    own = input._array
    if not own.size:
        return None  # what -1 stands for is ambiguous
    try:
        array = own.reshape(sizes)
    except ValueError:
        return None
    base = array.base
    if base is None or (base is not own and base is not own.base):
        return None
    attrs = {"shape": array.shape}
    return input._view(array, views.Reshape.instance, attrs, ((views.Reshape.instance, attrs),))


def in_shape(input: Any, shape: tuple[Any, ...]) -> Any:
    """The elements in another shape of as many; of any value."""
    found = reshaped(input, (shape,))
    return views.Reshape.bind(input, shape=shape) if found is None else found


def permuted(input: Any, dims: tuple[int, ...]) -> Any:
    """The dims in another order, each named once and counted from the front; of any value."""
    if state.recorder is not None or not input.is_eager:
        return views.Permute.bind(input, dims=dims)
    attrs = {"dims": dims}
    return input._view(input._array.transpose(dims), views.Permute.instance, attrs, ((views.Permute.instance, attrs),))
