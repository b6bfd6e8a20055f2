"""Comparison of results in tests.

Source: https://docs.pytorch.org/docs/stable/testing.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.missing_names import lazy_names
from graphc.random_values import make_tensor
from graphc.tensor import Tensor

__all__ = ["assert_close", "make_tensor"]
__getattr__ = lazy_names(__name__)

# The relative and the absolute difference that values of a dtype may have.
_TOLERANCES = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
    "complex64": (1.3e-6, 1e-5),
    "complex128": (1e-7, 1e-7),
}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Check that ``|actual - expected| <= atol + rtol * |expected|`` for all elements.

    Args:
        actual: a tensor, an array, a number, or sequences and mappings of them.
        expected: what it should be close to.
        allow_subclasses: without it, both are of one class.
        rtol: relative tolerance; by default that of the dtype. Both tolerances are given, or neither.
        atol: absolute tolerance.
        equal_nan: NaN is close to NaN.
        check_device, check_layout: for programs written for PyTorch: all tensors are alike in these.
        check_dtype: dtypes are equal.
        check_stride: strides are equal.
        msg: the error's message, or what makes it of the message that there would be.

    Raises:
        AssertionError: with PyTorch's words, for what is not close or differs in what is checked.
        TypeError: for what can't be compared.
        ValueError: for one tolerance alone.
    """
    if (rtol is None) != (atol is None):
        raise ValueError(
            "Both 'rtol' and 'atol' must be either specified or omitted, but got no "
            f"{'rtol' if rtol is None else 'atol'}."
        )
    tolerances = None if rtol is None or atol is None else (rtol, atol)
    flags = (equal_nan, check_dtype, check_stride, allow_subclasses)
    problem = _difference(actual, expected, (), tolerances, flags)
    if problem is not None:
        raise AssertionError(problem if msg is None else msg(problem) if callable(msg) else msg)


def _difference(
    actual: Any, expected: Any, place: tuple[Any, ...], tolerances: Any, flags: tuple[bool, ...]
) -> str | None:
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        if actual.keys() != expected.keys():
            missing, more = sorted(expected.keys() - actual.keys()), sorted(actual.keys() - expected.keys())
            return _placed(
                "The keys of the mappings do not match:\n"
                f"Missing keys in the actual mapping: {missing}\nMissing keys in the expected mapping: {more}",
                place,
            )
        pairs = [(key, actual[key], expected[key]) for key in actual]
    elif _is_sequence(actual) and _is_sequence(expected):
        if len(actual) != len(expected):
            return _placed(f"The length of the sequences mismatch: {len(actual)} != {len(expected)}", place)
        pairs = [(number, one, other) for number, (one, other) in enumerate(zip(actual, expected, strict=True))]
    else:
        found = _leaf_difference(actual, expected, tolerances, flags)
        return None if found is None else _placed(found, place)
    for key, one, other in pairs:
        found = _difference(one, other, (*place, key), tolerances, flags)
        if found is not None:
            return found
    return None


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _placed(problem: str, place: tuple[Any, ...]) -> str:
    if not place:
        return problem
    return f"{problem}\n\nThe failure occurred for item {''.join(f'[{key!r}]' for key in place)}"


def _leaf_difference(actual: Any, expected: Any, tolerances: Any, flags: tuple[bool, ...]) -> str | None:
    equal_nan, check_dtype, check_stride, allow_subclasses = flags
    if not allow_subclasses and type(actual) is not type(expected):
        raise TypeError(f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}.")
    numbers = all(isinstance(value, bool | int | float | complex) for value in (actual, expected))
    tensors = [_as_tensor(value, actual, expected) for value in (actual, expected)]
    one, other = tensors
    if tuple(one.shape) != tuple(other.shape):
        return f"The values for attribute 'shape' do not match: {one.shape} != {other.shape}."
    if check_dtype and not numbers and one.dtype != other.dtype:
        return f"The values for attribute 'dtype' do not match: {one.dtype} != {other.dtype}."
    if check_stride and one.stride() != other.stride():
        return f"The values for attribute 'stride()' do not match: {one.stride()} != {other.stride()}."
    names = [value.dtype.name for value in tensors]
    if tolerances is None:
        known = [_TOLERANCES.get(name, (0.0, 0.0)) for name in names]
        tolerances = max(rtol for rtol, _ in known), max(atol for _, atol in known)
    return _values(
        *(value.detach().resolve_conj().numpy(force=True) for value in tensors), tolerances, equal_nan, numbers
    )


def _as_tensor(value: Any, actual: Any, expected: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, np.ndarray | np.generic):
        return Tensor.from_array(np.asarray(value))
    if isinstance(value, bool | int | float | complex):
        return Tensor.from_array(np.asarray(value))
    raise TypeError(f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}.")


def _values(
    actual: np.ndarray, expected: np.ndarray, tolerances: tuple[float, float], equal_nan: bool, numbers: bool
) -> str | None:
    rtol, atol = tolerances
    exact = actual.dtype.kind in "biu" and expected.dtype.kind in "biu"
    common = np.result_type(actual.dtype, expected.dtype)
    wide = np.int64 if exact else np.complex128 if common.kind == "c" else np.float64
    with np.errstate(all="ignore"):
        if exact and not rtol and not atol:
            close = np.asarray(actual == expected)
        else:
            close = np.asarray(np.isclose(actual.astype(wide), expected.astype(wide), rtol, atol, equal_nan))
        if close.all():
            return None
        # In the precision of what is compared, as PyTorch shows them.
        own = np.int64 if exact else common
        apart = np.abs(actual.astype(own) - expected.astype(own))
        relative = apart / np.abs(expected.astype(own))
        relative = relative.astype(np.float32) if exact and not numbers else relative
    same = "equal" if rtol == atol == 0 else "close"
    if numbers or not close.ndim:
        words = (
            f"Expected {expected.item()} but got {actual.item()}.\n"
            f"Absolute difference: {apart.item()}{_allowed(atol, tolerances)}\n"
            f"Relative difference: {relative.item()}{_allowed(rtol, tolerances)}"
        )
        return f"Scalars are not {same}!\n\n{words}"
    wrong = int((~close).sum())
    lines = [f"Mismatched elements: {wrong} / {close.size} ({wrong / close.size:.1%})"]
    for kind, difference, tolerance in (("absolute", apart, atol), ("relative", relative, rtol)):
        # Elements that are close are of no interest, whatever their difference is.
        shown = np.where(close, 0, difference)
        at = tuple(int(part) for part in np.unravel_index(int(np.argmax(shown)), shown.shape))
        lines.append(f"Greatest {kind} difference: {shown[at].item()} at index {at}{_allowed(tolerance, tolerances)}")
    return f"Tensor-likes are not {same}!\n\n" + "\n".join(lines)


def _allowed(tolerance: float, tolerances: tuple[float, float]) -> str:
    """What a message says of a tolerance; where there is none at all, nothing."""
    return f" (up to {tolerance} allowed)" if any(tolerances) else ""
