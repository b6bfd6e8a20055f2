"""Every dtype meets every other, and every number, as in PyTorch: results, dtypes, printing, and errors.

Beyond PyTorch, whose kernels for uint16, uint32 and uint64 are few, graphc computes with these as with other integers.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc

torch = pytest.importorskip("torch")

WIDE_UNSIGNED = ("uint16", "uint32", "uint64")
COMMON = (
    *("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"),
    *("complex64", "complex128"),
)
DTYPES = (*COMMON, *WIDE_UNSIGNED)
NUMBERS = (2, 2.5, True)
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "floor_divide": operator.floordiv,
    "remainder": operator.mod,
    "lt": operator.lt,
    "eq": operator.eq,
    "and": operator.and_,
}
METHODS = (
    *("sum", "mean", "prod", "argmax", "std", "median", "all", "any", "abs", "neg", "exp", "sqrt", "sigmoid", "sign"),
    *("floor", "round", "logical_not", "bitwise_not", "isnan", "isinf", "reciprocal", "square", "norm", "amax"),
    *("nansum", "count_nonzero", "angle", "relu", "tanh", "log", "erf", "trunc", "frac", "positive", "unique"),
)
CASTS = (*("float", "double", "half", "bfloat16", "int", "long", "short", "char", "byte", "bool", "cfloat", "cdouble"),)


def outcome(call: Callable[[Any], Any], library: Any) -> str:
    """What a call gives, as it prints; an error by its class and first line."""
    with np.errstate(all="ignore"):
        try:
            return str(call(library))
        except Exception as error:
            return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


def check(**calls: Callable[[Any], Any]) -> None:
    """Both libraries give the same for every call."""
    different = []
    for name, call in calls.items():
        found, expected = outcome(call, gc), outcome(call, torch)
        if found != expected:
            different.append(f"{name}: {found}, PyTorch's: {expected}")
    assert not different, "\n".join(["", *different])


def given(library: Any, dtype: str, values: Any = (1, 0, 3)) -> Any:
    return library.tensor(list(values)).to(getattr(library, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_a_dtype_is(dtype: str) -> None:
    """Attributes, limits, sizes, and how tensors of it print and become Python's numbers."""

    def kind(library: Any) -> Any:
        return getattr(library, dtype)

    check(
        attributes=lambda T: (kind(T), kind(T).is_floating_point, kind(T).is_complex, kind(T).is_signed),
        itemsize=lambda T: (kind(T).itemsize, kind(T).to_real()),
        integer_limits=lambda T: T.iinfo(kind(T)),
        float_limits=lambda T: T.finfo(kind(T)),
        all_integer_limits=lambda T: (T.iinfo(kind(T)).min, T.iinfo(kind(T)).max, T.iinfo(kind(T)).bits),
        eps=lambda T: (T.finfo(kind(T)).eps, T.finfo(kind(T)).max, T.finfo(kind(T)).tiny),
        printed=lambda T: given(T, dtype),
        fractions=lambda T: T.tensor([1.5, 0.25, 1000.5], dtype=kind(T)),
        small=lambda T: T.tensor([1e-3, 1.0], dtype=kind(T)),
        empty=lambda T: T.zeros(0, dtype=kind(T)),
        zeros=lambda T: T.zeros(2, 2, dtype=kind(T)),
        of_a_tensor=lambda T: (given(T, dtype).element_size(), given(T, dtype).type(), given(T, dtype).is_signed()),
        numbers=lambda T: (given(T, dtype).tolist(), given(T, dtype)[2].item()),
        gradients=lambda T: T.zeros(2, dtype=kind(T), requires_grad=True),
        gradients_asked=lambda T: given(T, dtype).requires_grad_(),
        **{f"to_{name}": lambda T, name=name: getattr(given(T, dtype), name)() for name in CASTS},
    )


@pytest.mark.parametrize("dtype", COMMON)
def test_functions_of_one_tensor(dtype: str) -> None:
    """Reductions and pointwise functions of every dtype, or their refusal."""
    names = [name for name in METHODS if not (name in ("median", "argmax", "unique") and dtype.startswith("complex"))]
    check(**{name: lambda T, name=name: getattr(given(T, dtype), name)() for name in names})


@pytest.mark.parametrize("dtype", DTYPES)
def test_casting_and_promotion(dtype: str) -> None:
    """``can_cast`` and ``promote_types`` of every pair."""
    for other in DTYPES:
        check(
            **{
                f"can_cast {other}": lambda T, other=other: T.can_cast(getattr(T, dtype), getattr(T, other)),
                f"promote {other}": lambda T, other=other: T.promote_types(getattr(T, dtype), getattr(T, other)),
                f"copy_ {other}": lambda T, other=other: given(T, dtype).copy_(given(T, other, (2, 1, 1))),
            }
        )


@pytest.mark.parametrize("dtype", COMMON)
def test_two_dtypes_meet(dtype: str) -> None:
    """Operators of every pair of dtypes, 0-d tensors and in-place forms too."""
    for other in COMMON:
        if {dtype, other} & {"complex64", "complex128"} and "float16" in (dtype, other):
            continue  # PyTorch's complex32, which graphc does not hold

        def second(T: Any, other: str = other) -> Any:
            return given(T, other, (2, 1, 1))

        calls = {name: lambda T, f=f: f(given(T, dtype), second(T)) for name, f in BINARY.items()}
        check(
            **calls,
            in_place=lambda T: given(T, dtype).add_(second(T)),
            number=lambda T: given(T, dtype) + second(T)[0],
            chosen=lambda T: T.where(given(T, "bool"), given(T, dtype), second(T)),
            joined=lambda T: T.cat([given(T, dtype), second(T)]),
            greater=lambda T: T.maximum(given(T, dtype), second(T)),
        )


@pytest.mark.parametrize("dtype", COMMON)
def test_a_dtype_meets_numbers(dtype: str) -> None:
    """Python's numbers on either side, in place, and as what a tensor is filled with."""
    for number in NUMBERS:
        for name, f in BINARY.items():
            check(
                **{
                    f"{name} {number}": lambda T, f=f, number=number: f(given(T, dtype), number),
                    f"{name} after {number}": lambda T, f=f, number=number: f(number, given(T, dtype)),
                }
            )
        check(
            add_=lambda T, number=number: given(T, dtype).add_(number),
            div_=lambda T, number=number: given(T, dtype).div_(number),
            fill_=lambda T, number=number: given(T, dtype).fill_(number),
        )


@pytest.mark.parametrize(
    "data",
    [
        *(1 + 2j, [1 + 2j, 3], [True, 2], [True, False], [1, 2.0], [], [[]], 2**40, -1, (1, 2), [1, 2j], None, "a"),
        *(np.float32(3), np.float64(3), np.int32(3), np.bool_(True), np.complex64(1j), np.float16(2)),
        *([np.float32(1)], [np.float64(1)], [np.int32(1)], np.array([1], np.uint16)),
    ],
    ids=repr,
)
def test_what_dtype_data_have(data: Any) -> None:
    """Python's and numpy's numbers, alone and in lists."""
    check(tensor=lambda T: (T.tensor(data), T.tensor(data).dtype), as_tensor=lambda T: T.as_tensor(data).dtype)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_default_dtype(dtype: str) -> None:
    """What the default dtype decides: new tensors, results of integers, parameters of modules."""

    def made(T: Any) -> Any:
        before = T.get_default_dtype()
        T.set_default_dtype(getattr(T, dtype))
        try:
            whole = T.tensor([1, 2])
            return [
                *(T.tensor(1.5).dtype, T.zeros(2).dtype, T.arange(3).dtype, T.arange(3.0).dtype, (whole / 2).dtype),
                *(T.linspace(0, 1, 3).dtype, whole.exp().dtype, (whole * 1.5).dtype, T.nn.Linear(2, 2).weight.dtype),
                *(T.tensor(np.float64(2)).dtype, T.eye(2).dtype, T.full((2,), 1.0).dtype, T.tensor([1.5])),
                *(T.finfo().dtype, T.get_default_dtype(), T.float32 == T.get_default_dtype()),
            ]
        finally:
            T.set_default_dtype(before)

    check(default=made)


@pytest.mark.parametrize("dtype", WIDE_UNSIGNED)
def test_wide_unsigned_integers_wrap(dtype: str) -> None:
    """Arithmetic, division, comparison, and extremes of the widths that PyTorch mostly only stores."""
    greatest = np.iinfo(dtype).max
    x, y = (gc.from_numpy(np.array(values, dtype)) for values in ([greatest, 1, 7], [1, 2, 3]))
    assert (x + y).tolist() == [0, 3, 10]
    assert (y - x).tolist() == [2, 1, (3 - 7) % (greatest + 1)]
    assert (x // y).tolist() == [greatest, 0, 2]
    assert (x < y).tolist() == [False, True, False]
    assert x.max().item() == greatest
    assert x.sum().dtype == torch_sum_dtype(dtype)


def torch_sum_dtype(dtype: str) -> Any:
    """The dtype of sums in PyTorch, as graphc's."""
    return getattr(gc, str(torch.zeros(2, dtype=getattr(torch, dtype)).sum().dtype).removeprefix("torch."))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_module_of_halves_learns(dtype: str) -> None:
    """Forward, backward, and a step of SGD of a small network in halves are PyTorch's, to a few roundings."""
    results = []
    for T in (gc, torch):
        T.manual_seed(0)
        kind = getattr(T, dtype)
        net = T.nn.Sequential(
            *(T.nn.Linear(6, 8), T.nn.BatchNorm1d(8), T.nn.ReLU(), T.nn.LayerNorm(8), T.nn.Linear(8, 3))
        ).to(kind)
        optimizer = T.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        x = (T.arange(24).reshape(4, 6) / 24 - 0.5).sin().to(kind)
        for _ in range(3):
            optimizer.zero_grad()
            loss = T.nn.functional.cross_entropy(net(x), T.tensor([0, 1, 2, 1]))
            loss.backward()
            optimizer.step()
        assert all(str(p.dtype) == f"torch.{dtype}" == str(p.grad.dtype) for p in net.parameters())
        results.append([loss.item(), *(value for p in net.parameters() for value in p.float().flatten().tolist())])
    np.testing.assert_allclose(*results, atol=2e-2 if dtype == "float16" else 8e-2)
