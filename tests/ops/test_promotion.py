"""Type promotion is PyTorch's."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import graphc as gc
from graphc.ir.types import DTYPES, bfloat16, complex64, complex128, float16, float32, float64, int32, int64
from graphc.ops.promotion import (
    can_cast,
    get_default_dtype,
    promote_types,
    require_castable,
    result_type,
    set_default_dtype,
)
from graphc.tensor import Tensor

NUMBERS = (True, 3, 2.5, 1j)
# PyTorch has no arithmetic of wide unsigned integers.
COMPUTED = [dtype for dtype in DTYPES if dtype.name not in ("uint16", "uint32", "uint64")]


def outcome(function, *operands):
    """The text of what a function gives, or of the error that it raises; graphc has complex64 for complex32."""
    try:
        return repr(function(*operands)).replace("complex32", "complex64")
    except RuntimeError as error:
        return str(error)


def tensor(dtype, shape):
    """A tensor of zeros."""
    return Tensor.from_array(np.zeros(shape, dtype.numpy))


def test_promote_types_against_torch() -> None:
    """All pairs of dtypes."""
    torch = pytest.importorskip("torch")
    for left, right in itertools.product(DTYPES, DTYPES):
        expected = outcome(torch.promote_types, getattr(torch, left.name), getattr(torch, right.name))
        assert outcome(promote_types, left, right) == expected
        assert can_cast(left, right) == torch.can_cast(getattr(torch, left.name), getattr(torch, right.name))


def test_result_type_against_torch() -> None:
    """All pairs of dtypes, each with dimensions and without, and all dtypes with all kinds of numbers."""
    torch = pytest.importorskip("torch")
    operands = [
        (tensor(dtype, shape), torch.zeros(shape, dtype=getattr(torch, dtype.name)))
        for dtype in DTYPES
        for shape in ((2,), ())
    ] + [(number, number) for number in NUMBERS]
    for (left, left_oracle), (right, right_oracle) in itertools.product(operands, operands):
        expected = outcome(torch.result_type, left_oracle, right_oracle)
        assert outcome(result_type, left, right) == expected, (left, right)


def test_results_of_arithmetic_against_torch() -> None:
    """The dtype of a sum and of a quotient of operands of all dtypes and ranks."""
    torch = pytest.importorskip("torch")
    for left, right, first, second in itertools.product(COMPUTED, COMPUTED, ((2,), ()), ((2,), ())):
        a, b = tensor(left, first), tensor(right, second) + 1
        c, d = (
            torch.zeros(first, dtype=getattr(torch, left.name)),
            torch.zeros(second, dtype=getattr(torch, right.name)) + 1,
        )
        if torch.result_type(c, d) != torch.complex32:
            assert repr((a + b).dtype) == repr((c + d).dtype)
            assert repr((a / b).dtype) == repr((c / d).dtype)
        for number in NUMBERS:
            if torch.result_type(c, number) != torch.complex32:
                assert repr((a * number).dtype) == repr((c * number).dtype)
                assert repr((number + a).dtype) == repr((number + c).dtype)


def test_writing_in_place_keeps_the_category() -> None:
    """A float result is not written to an integer tensor; an integer one is written to a float tensor."""
    with pytest.raises(RuntimeError, match="result type Float can't be cast to the desired output type Long"):
        require_castable(float32, int64)
    integers = tensor(int64, (2,))
    with pytest.raises(RuntimeError, match="can't be cast to the desired output type Long"):
        integers.add_(2.5)
    with pytest.raises(RuntimeError, match="can't be cast to the desired output type Long"):
        integers /= 2
    floats = tensor(float32, (2,))
    floats += tensor(int32, (2,)) + 3
    assert floats.dtype == float32
    assert floats.tolist() == [3.0, 3.0]


def test_default_dtype() -> None:
    """Integers become the default dtype in floating functions; only floating dtypes can be the default."""
    assert get_default_dtype() == float32
    try:
        set_default_dtype(float64)
        assert tensor(int64, (2,)).exp().dtype == float64
        assert result_type(tensor(int64, (2,)), 2.5) == float64
    finally:
        set_default_dtype(float32)
    for refused in (int64, complex64, "float32"):
        with pytest.raises(TypeError, match="only floating-point types"):
            set_default_dtype(refused)


@pytest.mark.parametrize(("dtype", "of_complex"), [(float64, complex128), (float16, complex64), (bfloat16, complex64)])
def test_default_dtype_of_complex_numbers(dtype, of_complex) -> None:
    """Python's complex numbers have the precision of the default dtype, and at least that of float32."""
    try:
        set_default_dtype(dtype)
        assert result_type(tensor(int64, (2,)), 1j) is of_complex
        assert gc.tensor([1j]).dtype is of_complex
    finally:
        set_default_dtype(float32)
    assert gc.tensor([1j]).dtype is complex64


def test_no_numbers() -> None:
    """What is neither a tensor nor a number is refused."""
    with pytest.raises(TypeError, match="expected a tensor or a number, got str"):
        result_type(tensor(float32, (2,)), "3")
    with pytest.raises(TypeError):
        tensor(float32, (2,)) + "3"


WRAPS = ("x + k", "k - x", "x * k", "x == k", "x < k", "x // k", "x % k", "x & k", "x | k", "x.add_(k)", "x.eq(k)")
CHECKS = (
    *("x.clone().fill_(k)", "t.full((2,), k, dtype=x.dtype)", "x.masked_fill(x > 0, k)", "x.clamp(min=k)"),
    *("t.where(x > 0, x, k)", "t.add(x, x, alpha=k)", "x.index_fill(0, t.tensor([0]), k)", "t.full_like(x, k)"),
)


@pytest.mark.parametrize("number", [300, 255, -1, -200, 2**31, 2**63 - 1, -(2**63), 2**64, float("inf"), -1.5])
@pytest.mark.parametrize("text", WRAPS + CHECKS)
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "int64", "float32"])
def test_numbers_that_a_dtype_cannot_hold(dtype, text, number):
    """Beside a tensor an integer wraps around, as in C; put into a tensor it is refused: PyTorch does so."""
    torch = pytest.importorskip("torch")
    outcomes = []
    for library in (gc, torch):
        x = library.tensor([1, 3, 100], dtype=getattr(library, dtype))
        try:
            result = eval(text, {"x": x, "k": number, "t": library})
            outcomes.append((str(result.dtype), result.tolist()))
        except (RuntimeError, OverflowError, NotImplementedError) as error:
            outcomes.append((type(error).__name__, str(error).splitlines()[0]))
    assert repr(outcomes[0]) == repr(outcomes[1])


@pytest.mark.parametrize("name", ["add", "sub", "rsub"])
def test_what_is_scaled_has_the_dtype_of_the_sum(name):
    """A float64 without dimensions decides before the number that integers are scaled by."""
    torch = pytest.importorskip("torch")

    def dtypes(library):
        single, row = library.ones((), dtype=library.float64), library.zeros(2, dtype=library.int32)
        function = getattr(library, name)
        return [str(function(*each, alpha=2).dtype) for each in ((single, row), (row, single), (single, row[:0]))]

    assert dtypes(gc) == dtypes(torch)
