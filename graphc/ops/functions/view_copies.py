"""PyTorch's functions that give a copy where others give a view: ``transpose_copy`` beside ``transpose``.

Source: https://docs.pytorch.org/docs/stable/torch.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.layouts import contiguous_format
from graphc.ops.functions import complex_numbers, memory_views, rearranging, shaping, tensor_views
from graphc.ops.functions.factories import named
from graphc.ops.functions.matrices import diagonal
from graphc.ops.pointwise import Copy
from graphc.ops.views import Alias, Detach

METHODS = ()


def _alias(input: Any) -> Any:
    return Alias.bind(input)


def _detach(input: Any) -> Any:
    return Detach.bind(input)


def _slice(input: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Any:
    place = [slice(None)] * input.ndim
    place[dim] = slice(start, end, step)
    return input[tuple(place)]


def _view(input: Any, size: Any = None, *, dtype: Any = None) -> Any:
    return input.view(size if dtype is None else dtype)


def _expand(input: Any, size: Any, *, implicit: bool = False) -> Any:
    return shaping.expand(input, size)


def _copy_of(name: str, view: Callable[..., Any]) -> Callable[..., Any]:
    """The function that copies what ``view`` shows; of several views each."""

    def function(input: Any, *arguments: Any, **keywords: Any) -> Any:
        shown = view(input, *arguments, **keywords)
        if isinstance(shown, (tuple, list)):
            return tuple(_row_major(part) for part in shown)
        return _row_major(shown)

    return named(function, __name__, name, f"A copy of what ``{name.removesuffix('_copy')}`` shows of the input.")


def _row_major(shown: Any) -> Any:
    copied = Copy.bind(shown)
    return contiguous_format.lay_out(copied) if copied.is_eager else copied


alias_copy = _copy_of("alias_copy", _alias)
as_strided_copy = _copy_of("as_strided_copy", memory_views.as_strided)
detach_copy = _copy_of("detach_copy", _detach)
diagonal_copy = _copy_of("diagonal_copy", diagonal)
expand_copy = _copy_of("expand_copy", _expand)
permute_copy = _copy_of("permute_copy", shaping.permute)
select_copy = _copy_of("select_copy", shaping.select)
slice_copy = _copy_of("slice_copy", _slice)
split_copy = _copy_of("split_copy", shaping.split)
split_with_sizes_copy = _copy_of("split_with_sizes_copy", rearranging.split_with_sizes)
squeeze_copy = _copy_of("squeeze_copy", shaping.squeeze)
t_copy = _copy_of("t_copy", shaping.t)
transpose_copy = _copy_of("transpose_copy", shaping.transpose)
unbind_copy = _copy_of("unbind_copy", shaping.unbind)
unfold_copy = _copy_of("unfold_copy", tensor_views.unfold)
unsqueeze_copy = _copy_of("unsqueeze_copy", shaping.unsqueeze)
view_as_complex_copy = _copy_of("view_as_complex_copy", complex_numbers.view_as_complex)
view_as_real_copy = _copy_of("view_as_real_copy", complex_numbers.view_as_real)
view_copy = _copy_of("view_copy", _view)

__all__ = [
    "alias_copy",
    "as_strided_copy",
    "detach_copy",
    "diagonal_copy",
    "expand_copy",
    "permute_copy",
    "select_copy",
    "slice_copy",
    "split_copy",
    "split_with_sizes_copy",
    "squeeze_copy",
    "t_copy",
    "transpose_copy",
    "unbind_copy",
    "unfold_copy",
    "unsqueeze_copy",
    "view_as_complex_copy",
    "view_as_real_copy",
    "view_copy",
]
