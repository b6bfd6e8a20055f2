"""A function of one sample as a function of a batch.

Source: https://docs.pytorch.org/docs/stable/generated/torch.vmap.html
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from graphc.func.trees import is_tensor, leaves, map_tree
from graphc.ops.functions.shaping import movedim, stack
from graphc.randomness.stream import RandomStream, drawing
from graphc.recording import refuse_in_capture


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """A function that gives, side by side, what ``func`` gives for each place of a dimension of its arguments.

    The samples are computed one after another.

    Args:
        func: takes and gives tensors, or nested tuples, lists, and dicts of them.
        in_dims: which dimension of the arguments counts the samples: one number, None for an argument that all share,
            or a tuple of these for each argument, nested as it is.
        out_dims: where that dimension stands in the results.
        randomness: "error" refuses random numbers; with "same" all samples see those of the first, with "different"
            each draws its own.

    Raises:
        RuntimeError: with PyTorch's words for random numbers where they are refused, or another ``randomness``.
        ValueError: with PyTorch's words where no argument has samples, or their numbers differ.
    """

    if randomness not in _RANDOMNESS:
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")

    @functools.wraps(func)
    def batched(*arguments: Any, **keywords: Any) -> Any:
        dims = _spread(in_dims, arguments, func)
        flat, places = leaves(arguments), leaves(dims)
        sizes = {value.shape[dim] for value, dim in zip(flat, places, strict=True) if dim is not None}
        if not sizes:
            raise ValueError(
                f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>): got no Tensors to vmap over; in_dims says "
                "that no input is mapped"
            )
        if len(sizes) > 1:
            raise ValueError(
                "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
                f"{sorted(sizes)} for the mapped dimension"
            )
        (count,) = sizes
        results = []
        rule = _RANDOMNESS[randomness]()
        for sample in range(count):
            own = map_tree(
                lambda value, dim, sample=sample: value if dim is None else value.select(dim, sample), arguments, dims
            )
            of_keywords = map_tree(
                lambda value, sample=sample: value.select(0, sample) if is_tensor(value) else value, keywords
            )
            with rule:
                results.append(func(*own, **of_keywords))
        return _joined(results, out_dims)

    return batched


class _Different:
    """Each sample draws random numbers of its own. The base of the other rules; entered for each sample."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        pass


class _Watched(_Different):
    """A rule that sees each drawing of random numbers."""

    def __enter__(self) -> None:
        self._outer = drawing.watchers
        drawing.watchers = (self.draws_from, *self._outer)

    def __exit__(self, *exception: object) -> None:
        drawing.watchers = self._outer

    def draws_from(self, stream: RandomStream) -> None:
        """Numbers of a stream are about to be drawn."""
        raise NotImplementedError


class _Refused(_Watched):
    """No sample draws random numbers."""

    def draws_from(self, stream: RandomStream) -> None:
        raise RuntimeError(
            "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' "
            "randomness flags on vmap or perform the randomness operation out of vmap"
        )


class _Same(_Watched):
    """Each sample draws what the first drew: the streams that were drawn from begin anew."""

    def __init__(self) -> None:
        self._states: dict[RandomStream, Any] = {}

    def __enter__(self) -> None:
        super().__enter__()
        for stream, state in self._states.items():
            with stream.lock:
                stream.buffer[:] = state

    def draws_from(self, stream: RandomStream) -> None:
        refuse_in_capture("vmap(randomness='same') of a function that draws random numbers")
        if stream not in self._states:
            self._states[stream] = stream.buffer.copy()


_RANDOMNESS: dict[str, type[_Different]] = {"error": _Refused, "same": _Same, "different": _Different}


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", repr(function))


def _spread(in_dims: Any, arguments: Any, func: Callable[..., Any]) -> Any:
    """A dimension, or None, for each tensor of the arguments."""
    if isinstance(in_dims, int) or in_dims is None:
        return map_tree(lambda value: in_dims if is_tensor(value) else None, arguments)
    if isinstance(arguments, tuple | list):
        if not isinstance(in_dims, tuple | list) or len(in_dims) != len(arguments):
            raise ValueError(
                f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>): in_dims is not compatible with the structure "
                f"of inputs. in_dims has structure {type(in_dims).__name__} but inputs has structure "
                f"{type(arguments).__name__}."
            )
        parts = [_spread(dim, value, func) for dim, value in zip(in_dims, arguments, strict=True)]
        return type(arguments)(parts)
    if isinstance(arguments, dict) and isinstance(in_dims, dict):
        return {key: _spread(in_dims[key], value, func) for key, value in arguments.items()}
    raise ValueError(
        f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>): in_dims is not compatible with the structure of "
        "inputs."
    )


def _joined(results: list[Any], out_dims: Any) -> Any:
    first = results[0]
    if isinstance(first, tuple | list) and not hasattr(first, "apply"):
        several = out_dims if isinstance(out_dims, tuple | list) else (out_dims,) * len(first)
        parts = [_joined([result[place] for result in results], dim) for place, dim in enumerate(several)]
        return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)
    if isinstance(first, dict):
        return {key: _joined([result[key] for result in results], out_dims) for key in first}
    if not is_tensor(first):
        raise ValueError(
            "vmap: expected the function to return Tensors (or trees of them), got type "
            f"{type(first)}. Did you mean to return a Tensor?"
        )
    dim = out_dims[0] if isinstance(out_dims, tuple) else out_dims
    if dim is None:
        return first
    joined = stack(results)
    return joined if dim == 0 else movedim(joined, 0, dim)
