"""Functions that PyTorch warns of, and functions that it had: what it says of them, by their qualified names."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NoReturn

from graphc.notices import warn, warn_once

# Said at the first call.
NOTICES: dict[str, str] = {
    "chain_matmul": "torch.chain_matmul is deprecated and will be removed in a future PyTorch release. Use "
    "torch.linalg.multi_dot instead, which takes a list of tensors.",
    "cholesky": "torch.cholesky is deprecated in favor of torch.linalg.cholesky and will be removed in a future "
    "PyTorch "
    "release. torch.cholesky(A, upper=True) is torch.linalg.cholesky(A).mH there.",
    "lu": "torch.lu is deprecated in favor of torch.linalg.lu_factor / torch.linalg.lu_factor_ex and will be removed "
    "in "
    "a future PyTorch release.",
    "qr": "torch.qr is deprecated in favor of torch.linalg.qr and will be removed in a future PyTorch release. The "
    "boolean parameter 'some' has been replaced with a string parameter 'mode'.",
    "triangular_solve": "torch.triangular_solve is deprecated in favor of torch.linalg.solve_triangularand will be "
    "removed in a future PyTorch release. torch.linalg.solve_triangular(A, B) takes its arguments the other way round.",
}
_GONE = "This function was deprecated since version 1.9 and is now removed. "
# What calling them raises.
REMOVED: dict[str, str] = {
    "eig": _GONE + "`torch.linalg.eig` returns complex tensors of dtype `cfloat` or `cdouble` rather than real tensors "
    "mimicking complex tensors.",
    "lstsq": _GONE + "`torch.lstsq` is deprecated in favor of `torch.linalg.lstsq`, whose arguments are the other way "
    "round, and which gives no QR decomposition.",
    "matrix_rank": _GONE
    + "\nPlease use the `torch.linalg.matrix_rank` function instead. The parameter 'symmetric' was "
    "renamed in `torch.linalg.matrix_rank()` to 'hermitian'.",
    "solve": _GONE + "`torch.solve` is deprecated in favor of `torch.linalg.solve`. `torch.linalg.solve` has its "
    "arguments reversed and does not return the LU factorization.",
    "symeig": _GONE
    + "The default behavior has changed from using the upper triangular portion of the matrix by default "
    "to using the lower triangular portion. Use `torch.linalg.eigh` or `torch.linalg.eigvalsh`.",
}


def noticed(function: Callable[..., Any], notice: str) -> Callable[..., Any]:
    """A function that says at its first call what PyTorch says of it."""

    @functools.wraps(function)
    def told(*arguments: Any, **keywords: Any) -> Any:
        warn_once(notice)
        return function(*arguments, **keywords)

    return told


def _removed(name: str, words: str) -> Callable[..., NoReturn]:
    def gone(*arguments: Any, **keywords: Any) -> NoReturn:
        raise RuntimeError(words)

    gone.__name__ = gone.__qualname__ = name
    gone.__doc__ = "Raises RuntimeError: PyTorch has removed it, and says what is in its place."
    return gone


eig, lstsq, matrix_rank, solve, symeig = (_removed(name, words) for name, words in REMOVED.items())


def resize(input: Any, *sizes: Any) -> Any:
    """The elements in another shape. Raises RuntimeError for another number of elements."""
    warn("non-inplace resize is deprecated")
    shape = tuple(sizes[0]) if len(sizes) == 1 and hasattr(sizes[0], "__iter__") else sizes
    if math.prod(shape) != input.numel():
        raise RuntimeError(
            f"requested resize to {'x'.join(map(str, shape))} ({math.prod(shape)} elements in total), but the given "
            f"tensor "
            f"has a size of {'x'.join(map(str, input.shape))} ({input.numel()} elements). autograd's resize can only "
            "change the shape of a given tensor, while preserving the number of elements. "
        )
    return input.contiguous().view(shape)


def resize_as(input: Any, tensor: Any) -> Any:
    """The elements in the shape of another tensor. Raises RuntimeError for another number of elements."""
    return resize(input, tuple(tensor.shape))


__all__ = ["eig", "lstsq", "matrix_rank", "solve", "symeig"]
METHODS = ("eig", "lstsq", "resize", "resize_as", "solve", "symeig")
NO_OPERATORS = (*__all__, "noticed", "resize", "resize_as")
