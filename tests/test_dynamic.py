"""One build serves every size: programs with sizes that are known at run time only do what eager mode does.

Each program runs eagerly and compiled, from one seed, on the same arguments of many sizes in turn: 1, the most that it
is built for, 0 where eager mode takes it, and others in between. Results, arguments written in place, parameters,
buffers, gradients, and the state of the generator agree, and the builds are counted.
"""

from __future__ import annotations

import copy
import itertools
import math
import pickle
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim
from graphc.capture.trees import flatten
from graphc.generator import default_generator
from graphc.nn import functional
from graphc.tensor import Tensor

MOST = 16
SIZES = (7, 1, 16, 2, 9, 3, 12, 16, 5, 1)
BOTH = {"x": {0: ("N", MOST)}, "y": {0: ("N", MOST)}}
Data = Callable[[int], tuple[Any, ...]]


def close(found: Any, expected: Any, where: str, tolerance: float = 1e-5) -> None:
    """Equal trees of results: dtypes, shapes, integers, and other values exactly, floats nearly."""
    mine, description = flatten(found)
    right, wanted = flatten(expected)
    assert description == wanted, where
    for place, (one, other) in enumerate(zip(mine, right, strict=True)):
        assert one.dtype == other.dtype and one.shape == other.shape, f"{where}: result {place}: {one} {other}"
        assert one.requires_grad == other.requires_grad, f"{where}: result {place}: requires_grad"
        mine_array, right_array = (np.array(each.detach()._value("comparison")) for each in (one, other))
        if one.dtype.is_half:
            mine_array, right_array = mine_array.astype(np.float32), right_array.astype(np.float32)
        if right_array.dtype.kind in "fc":
            finite = np.abs(right_array[np.isfinite(right_array)])
            absolute = tolerance * float(finite.max(initial=1.0))
            np.testing.assert_allclose(mine_array, right_array, tolerance, absolute, err_msg=f"{where}: result {place}")
        else:
            np.testing.assert_array_equal(mine_array, right_array, err_msg=f"{where}: result {place}")


def state_of(modules: Sequence[Any]) -> list[Tensor]:
    """Parameters, buffers, and gradients of modules, and the state of optimizers."""
    found: list[Tensor] = []
    for module in modules:
        if isinstance(module, nn.Module):
            for tensor in (*module.parameters(), *module.buffers()):
                found.append(tensor.detach())
                if tensor.grad is not None:
                    found.append(tensor.grad.detach())
        else:
            found += [tensor.detach() for *_, tensor in module.named_state()]
    return found


def agrees(
    make: Callable[[], tuple[Callable[..., Any], Data, Sequence[Any]]],
    *,
    sizes: Sequence[int] = SIZES,
    dynamic: Any = True,
    builds: int = 1,
    tolerance: float = 1e-5,
    after: Callable[[Any], None] = lambda result: None,
) -> Any:
    """Run what ``make`` gives (a function, its arguments for a size, its modules) eagerly and compiled."""
    runs: list[list[Any]] = []
    for compiled in (False, True):
        gc.manual_seed(3)
        function, data, modules = make()
        if compiled:
            function = program = gc.compile(function, dynamic=dynamic)
        runs.append([])
        for number, size in enumerate(sizes):
            gc.manual_seed(100 + number)
            arguments = data(size)
            result = function(*arguments)
            after(result)
            tensors = flatten(arguments)[0]
            gradients = [tensor.grad for tensor in tensors if tensor.is_leaf and tensor.grad is not None]
            state = [tensor.clone() for tensor in state_of(modules)]
            runs[-1].append((result, tensors, gradients, state, default_generator.buffer.copy()))
    for size, eager, found in zip(sizes, *runs, strict=True):
        close(found[:4], eager[:4], f"at {size} of {list(sizes)}", tolerance)
        assert (found[4] == eager[4]).all(), f"at {size}: the generator is in another state"
    reasons = [build.reason for build in program.report().builds]
    assert len(reasons) == builds, f"{reasons}: {[build.guards for build in program.report().builds]}"
    return program


def of_x(function: Callable[..., Any], *shape: int, grad: bool = False, **options: Any) -> Any:
    """Check a function of one tensor [N, *shape]."""
    shape = shape or (3,)
    dynamic = options.pop("dynamic", {"x": {0: ("N", MOST)}})

    def make() -> Any:
        return function, lambda size: (gc.randn(size, *shape, requires_grad=grad),), ()

    return agrees(make, dynamic=dynamic, **options)


WITH_NONE = (*SIZES, 0, 4, 0)

# -- expressions of sizes ------------------------------------------------------------------------------------------

EXPRESSIONS: dict[str, Callable[[Tensor], Any]] = {
    "first": lambda x: x[0],
    "last": lambda x: x[-1],
    "from one": lambda x: x[1:],
    "up to the last": lambda x: x[:-1],
    "differences": lambda x: x[1:] - x[:-1],
    "every other": lambda x: x[::2] * 1,
    "every third from one": lambda x: x[1::3] + 1,
    "first half": lambda x: x[: x.shape[0] // 2] * 1,
    "second half": lambda x: x[x.shape[0] // 2 :].sum(0),
    "column": lambda x: x[:, 0],
    "new dims": lambda x: x[None, :, None] * 2,
    "double": lambda x: gc.cat([x, x]),
    "with a row": lambda x: gc.cat([x, gc.ones(1, 3)]),
    "with its tail": lambda x: gc.cat([x[1:], x[:1]]),
    "stack": lambda x: gc.stack([x, x * 2], 1),
    "stack first": lambda x: gc.stack([x, x * 2]),
    "flatten": lambda x: x.flatten() * 2,
    "view -1": lambda x: x.view(-1) + x.reshape(-1),
    "reshape": lambda x: x.reshape(x.shape[0], 3, 1).reshape(3 * x.shape[0]),
    "rows of three": lambda x: x.view(-1).view(-1, 3) @ gc.ones(3, 2),
    "transpose": lambda x: x.t() @ x,
    "gram": lambda x: x @ x.t(),
    "transposed view": lambda x: x.t().reshape(-1),
    "expand": lambda x: x.sum(1, keepdim=True).expand(x.shape[0], 5) * 1,
    "expand rows": lambda x: gc.ones(1, 4).expand(x.shape[0], 4) + x[:, :1],
    "pairs": lambda x: x[:, None] * x[None, :],
    "repeat": lambda x: x.repeat(2, 1),
    "repeat_interleave": lambda x: x.repeat_interleave(2, 0),
    "flip": lambda x: x.flip(0),
    "roll": lambda x: x.roll(1, 0),
    "pad": lambda x: functional.pad(x, (0, 0, 1, 2), value=3.0),
    "split columns": lambda x: x.split(2, 1),
    "unbind columns": lambda x: x.unbind(1),
    "arange": lambda x: gc.arange(x.shape[0]) * 2,
    "arange from": lambda x: gc.arange(2, x.shape[0] + 2),
    "arange backwards": lambda x: gc.arange(x.shape[0] - 1, -1, -1),
    "arange floats": lambda x: gc.arange(x.shape[0], dtype=gc.float32) / 2,
    "zeros": lambda x: gc.zeros(x.shape[0], 2) + x[:, :2],
    "ones": lambda x: gc.ones(x.shape[0]),
    "ones of size": lambda x: gc.ones(x.size(0), 2, dtype=gc.int64),
    "full": lambda x: gc.full((x.shape[0], 2), 1.5),
    "full of the size": lambda x: gc.full((2,), x.shape[0]),
    "zeros_like": lambda x: gc.zeros_like(x),
    "new_zeros": lambda x: x.new_zeros(x.shape[0], 1) + x,
    "eye": lambda x: gc.eye(3) @ x.t(),
    "one_hot": lambda x: functional.one_hot(gc.arange(x.shape[0]) % 4, 4),
    "gather": lambda x: x.gather(1, x.argmax(1, keepdim=True)),
    "index": lambda x: x[gc.arange(x.shape[0]), x.argmax(1)],
    "embedding": lambda x: functional.embedding(x.argmax(1), gc.arange(6.0).reshape(3, 2)),
    "scatter_add": lambda x: gc.zeros(3, 3).scatter_add(0, x.argsort(1), x),
    "index_add": lambda x: gc.zeros(3, 3).index_add(0, x.argmax(1), x),
    "mean": lambda x: (x.mean(), x.mean(0)),
    "sum": lambda x: (x.sum(), x.sum(0), x.sum(1)),
    "var": lambda x: (x.var(0, unbiased=False), x.std()),
    "argmax": lambda x: (x.argmax(), x.argmax(1)),
    "max": lambda x: x.max(1),
    "softmax over N": lambda x: x.softmax(0),
    "log_softmax over N": lambda x: functional.log_softmax(x, 0),
    "logsumexp": lambda x: x.logsumexp(0),
    "cumsum": lambda x: x.cumsum(0),
    "cumsum columns": lambda x: x.cumsum(1),
    "cumprod": lambda x: x.cumprod(0),
    "sort": lambda x: x.sort(0),
    "topk": lambda x: x.topk(2, 1),
    "norm": lambda x: (x.norm(), x.norm(dim=0)),
    "where": lambda x: gc.where(x > 0, x, x.mean()),
    "masked_fill": lambda x: x.masked_fill(x < 0, 0.5),
    "tril": lambda x: (x @ x.t()).tril(),
    "triu above": lambda x: (x @ x.t()).triu(1),
    "causal mask": lambda x: (x @ x.t()).masked_fill(gc.ones(x.shape[0], x.shape[0]).triu(1).bool(), -9.0).softmax(1),
    "einsum": lambda x: gc.einsum("ni,mi->nm", x, x),
    "times the size": lambda x: x * x.shape[0],
    "twice the size": lambda x: x + x.shape[0] * 2,
    "size squared": lambda x: x - x.shape[0] ** 2,
    "over the size": lambda x: x.sum() / x.shape[0],
    "one over the size": lambda x: x * (1 / x.shape[0]),
    "half of the size": lambda x: x * (x.shape[0] / 2),
    "size // 2": lambda x: x + x.shape[0] // 2,
    "size % 3": lambda x: x + x.shape[0] % 3,
    "numel": lambda x: x / x.numel(),
    "nelement": lambda x: x * x.nelement(),
    "prod of the shape": lambda x: x * np.prod([1, 2]) * x.shape.numel(),
    "negative": lambda x: x + -x.shape[0],
    "sizes returned": lambda x: (x.shape[0], x.shape, x.size(0) * 2 + 1, x.numel(), x * 1),
    "size in a dict": lambda x: {"rows": x.size(0), "x": x + 1},
    "average returned": lambda x: (x.sum() * (1.0 / x.shape[0]), 1.0 / x.shape[0]),
    "view of the argument": lambda x: x[1:],
    "view and copy": lambda x: (x[:, 1:], x.t(), x.clone()[1:]),
    "two results of one memory": lambda x: (lambda y: (y, y[1:], y.view(-1)))(x * 2),
    "boolean result": lambda x: x.shape[0] >= 0,
    "linalg": lambda x: gc.linalg.solve(x.t() @ x + gc.eye(3), x.t()),
    "conv1d over N": lambda x: functional.conv1d(x.t()[None], gc.ones(2, 3, 1)),
    "layer_norm": lambda x: functional.layer_norm(x, (3,)),
    "normalize": lambda x: functional.normalize(x, dim=1),
    "cosine": lambda x: functional.cosine_similarity(x, x.flip(1)),
    "half precision": lambda x: (x.to(gc.float16) * 2).sum(1),
    "bfloat16": lambda x: x.to(gc.bfloat16) @ gc.ones(3, 2, dtype=gc.bfloat16),
    "complex": lambda x: gc.fft.fft(x, dim=1).abs(),
    "bool": lambda x: (x > 0).any(0),
    "integer": lambda x: (x * 10).to(gc.int64) // 3,
}  # fmt: skip


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expression_of_sizes(name: str) -> None:
    """A function of [N, 3] has one build for N from 1 to the most."""
    of_x(EXPRESSIONS[name])


# What eager mode refuses without rows, and what is another way through the code then.
NEEDS_ROWS = {
    "first",
    "last",
    "max",
    "argmax",
    "over the size",
    "one over the size",
    "average returned",
    "conv1d over N",
}
OTHER_WAY_WITHOUT_ROWS = {"from one", "up to the last", "differences", "every third from one", "with its tail"}


@pytest.mark.parametrize("name", sorted(EXPRESSIONS.keys() - NEEDS_ROWS))
def test_expression_without_rows(name: str) -> None:
    """N may be 0; that is one build more where a slice would end before the first row, or the rows are counted."""
    try:
        of_x(EXPRESSIONS[name], sizes=(7, 0, 3, 16, 0))
    except AssertionError as error:
        found = re.match(r"\['first call', '(.*)'\]", str(error))
        assert found, error


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_gradient_of_expression(name: str) -> None:
    """Backward from outside, through what depends on the size: one build for N from 1 to the most."""

    def after(result: Any) -> None:
        total = None
        for tensor in flatten(result)[0]:
            if tensor.requires_grad:
                weight = (gc.arange(tensor.numel()).reshape(tensor.shape).to(tensor.dtype) * 0.9 + 1).sin()
                part = (tensor * weight).sum().to(gc.float64)
                total = part if total is None else total + part
        if total is not None:
            total.backward()

    of_x(EXPRESSIONS[name], grad=True, after=after)


# -- guards, and what fixes a size ---------------------------------------------------------------------------------


def guards_of(program: Any) -> list[str]:
    return [guard for build in program.report().builds for guard in build.guards]


def test_a_comparison_is_a_guard() -> None:
    """An ``if`` on a size has a build for either way, each for all sizes that go it; report() names the guard."""

    def f(x: Tensor) -> Tensor:
        return x.sum(0) if x.shape[0] > 8 else x.mean(0) * 3

    program = of_x(f, builds=2)
    assert any(re.match(r"N <= 8, since .*test_dynamic\.py:\d+ decides by it", guard) for guard in guards_of(program))
    assert any(re.match(r"N > 8, since .*test_dynamic\.py:\d+ decides by it", guard) for guard in guards_of(program))


def test_three_ways() -> None:
    """``elif`` and ``and`` on sizes: a build for each way."""

    def f(x: Tensor) -> Tensor:
        n = x.shape[0]
        if n == 1:
            return x * 10
        if 4 <= n < 10 and n % 2:
            return x * 20
        return x * 30

    of_x(f, sizes=(7, 1, 12, 9, 5, 1, 16, 11), builds=3)


PLAIN_NUMBERS: dict[str, Callable[[Tensor], Any]] = {
    "range": lambda x: sum((x[i] * i for i in range(x.shape[0])), gc.zeros(3)),
    "iteration": lambda x: sum((row * 2 for row in x), gc.zeros(3)),
    "unbind": lambda x: x.unbind(0)[-1],
    "int()": lambda x: x * int(x.shape[0]),
    "float()": lambda x: x * float(x.shape[0]),
    "len()": lambda x: x * len(x),
    "list repeated": lambda x: x + len([0] * x.shape[0]),
    "text repeated": lambda x: x + ("a" * x.shape[0]).count("a"),
    "subscript": lambda x: x + list(range(40))[x.shape[0]],
    "slice of a list": lambda x: x + sum(([1] * 40)[: x.shape[0]]),
    "key of a dict": lambda x: x * {1: 2.0, 16: 4.0}.get(x.shape[0], 7.0),
    "member of a set": lambda x: x * (2.0 if x.shape[0] in {1, 16} else 3.0),
    "member of a tuple": lambda x: x * (2.0 if x.shape[0] in (1, 16) else 3.0),
    "math.log": lambda x: x * math.log(x.shape[0]),
    "math.sqrt": lambda x: x / math.sqrt(x.shape[0]),
    "math.gcd": lambda x: x * math.gcd(x.shape[0], 12),
    "math.isqrt": lambda x: x * math.isqrt(x.shape[0]),
    "bit_length": lambda x: x * x.shape[0].bit_length(),
    "numpy array": lambda x: x * float(np.array([x.shape[0], 2]).prod()),
    "numpy prod": lambda x: x + int(np.prod(x.shape)),
    "numpy arange": lambda x: x + gc.tensor(np.arange(x.shape[0])[:, None]),
    "numpy zeros": lambda x: x + gc.tensor(np.zeros((x.shape[0], 3), np.float32)),
    "numpy float": lambda x: x * float(np.float64(2.0) * x.shape[0]),
    "numpy integer": lambda x: x * int(np.int64(x.shape[0])),
    "tensor of it": lambda x: x * gc.tensor(x.shape[0]),
    "tensor of several": lambda x: x * gc.tensor([x.shape[0], 1, 2]),
    "bits": lambda x: x + (x.shape[0] & 5) + (x.shape[0] ^ 1) + (x.shape[0] << 1) + (x.shape[0] >> 1),
    "power": lambda x: x * 2.0 ** -x.shape[0] + 2 ** x.shape[0],
    "format": lambda x: x * float("%d" % x.shape[0]),
    "sorted": lambda x: x * sorted([x.shape[0], 5])[0],
    "minimum": lambda x: x * min(x.shape[0], 5),
    "islice": lambda x: x + sum(itertools.islice(itertools.count(), x.shape[0])),
    "divmod": lambda x: x * divmod(x.shape[0], 5)[1],
    "floor division by a float": lambda x: x * (x.shape[0] // 2.0),
    "product of a list": lambda x: x * math.prod(x.shape),
    "sum of a list": lambda x: x * sum(x.shape),
    "all": lambda x: x * all(x.shape),
    "isinstance": lambda x: x * 2 if isinstance(x.shape[0], int) else x * 3,
    "type": lambda x: x * 2 if type(x.shape[0]) in (int, type(x.shape[0])) else x * 3,
}  # fmt: skip


@pytest.mark.parametrize("name", PLAIN_NUMBERS)
def test_plain_number_is_never_built_in_unseen(name: str) -> None:
    """Built-in functions and numpy that take a size as a plain number: right at every size, with a build of its own for
    each where that must be."""
    function = PLAIN_NUMBERS[name]
    eager, program = function, gc.compile(function, dynamic={"x": {0: ("N", MOST)}})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for size in (5, 1, 16, 2, 5, 9):
            x = gc.randn(size, 3)
            close(program(x), eager(x), f"{name} at {size}")


@pytest.mark.parametrize("name", ["range", "int()", "len()", "list repeated", "member of a set", "math.log"])
def test_report_tells_why_a_size_is_fixed(name: str) -> None:
    """Where a plain number was taken the report says so, with the line."""
    program = gc.compile(PLAIN_NUMBERS[name], dynamic={"x": {0: "N"}})
    program(gc.randn(5, 3))
    assert any(re.match(r"N is fixed: N == 5 decides at .*test_dynamic\.py:\d+", guard) for guard in guards_of(program))


def test_what_comes_out_of_a_recording_is_plain() -> None:
    """A size that the code keeps is an int after the call: it can be pickled, copied, hashed, and printed."""
    kept: dict[int, Any] = {}

    class Keeper:
        def __setitem__(self, name: str, value: Any) -> None:
            kept[0] = value

    keeper = Keeper()

    def f(x: Tensor) -> Tensor:
        keeper["rows"] = x.shape[0]
        return x * 2

    program = gc.compile(f, dynamic=True)
    program(gc.randn(5, 3))
    size = kept[0]
    assert isinstance(size, int)
    assert size == 5
    assert hash(size) == hash(5)
    assert (f"{size:3d}", str(size), repr(size), "%d" % size) == ("  5", "5", "5", "5")
    assert type(pickle.loads(pickle.dumps(size))) is int
    assert copy.deepcopy([size]) == [5]
    assert (list(range(size)), [0] * size, {5: 1}[size], size / 2) == ([0, 1, 2, 3, 4], [0] * 5, 1, 2.5)
    with pytest.raises(AttributeError, match="'int' object has no attribute 'rows'"):
        _ = size.rows


def test_a_printed_shape_is_no_guard(capsys: pytest.CaptureFixture[str]) -> None:
    """Formatting a size does not fix it; the text is of the call that was recorded."""

    def f(x: Tensor) -> Tensor:
        print(f"{x.shape} {x.shape[0]} {x.size(0):4d}", x.shape[0])
        return x * 2

    of_x(f, sizes=(5, 3, 7))
    assert capsys.readouterr().out.split("\n")[3] == "torch.Size([5, 3]) 5    5 5"


def test_names_that_happen_to_be_equal() -> None:
    """Two names may have one size now and two later."""

    def make() -> Any:
        def f(x: Tensor, y: Tensor) -> Any:
            return x @ y.t(), gc.cat([x, y]), x[: y.shape[0]] * 2

        return f, lambda size: (gc.randn(7, 3), gc.randn(size, 3)), ()

    agrees(make, sizes=(7, 3, 1, 5, 7), dynamic={"x": {0: "N"}, "y": {0: ("M", 7)}}, builds=1)


def test_sizes_that_must_be_equal() -> None:
    """Where two names are added the sizes must be one: that is what the build rests on."""

    def f(x: Tensor, y: Tensor) -> Tensor:
        return x + y

    program = gc.compile(f, dynamic={"x": {0: ("N", 9)}, "y": {0: ("M", 9)}})
    for sizes in ((5, 5), (4, 4), (6, 1), (1, 6), (3, 3)):
        x, y = (gc.randn(size, 2) for size in sizes)
        close(program(x, y), f(x, y), str(sizes))
    with pytest.raises(RuntimeError, match="must match"):
        program(gc.randn(4, 2), gc.randn(3, 2))


@pytest.mark.parametrize("first", [1, 2, 5])
def test_broadcast_against_a_known_size(first: int) -> None:
    """[N, 3] beside [5, 3]: right where N is 1 and where it is 5, an error elsewhere, whichever came first."""
    weight = gc.randn(5, 3)

    def f(x: Tensor) -> Tensor:
        return x + weight

    program = gc.compile(f, dynamic={"x": {0: ("N", 9)}})
    for size in (first, 5, 1, 2, 1, 5):
        x = gc.randn(size, 3)
        if size == 2:
            with pytest.raises(RuntimeError, match="must match the size of tensor"):
                program(x)
        else:
            close(program(x), f(x), str(size))


@pytest.mark.parametrize("first", [0, 1])
def test_few_rows_are_recorded_as_they_are(first: int) -> None:
    """What is recorded with no row or one is a build of its own, and says so; what comes after serves all."""

    def f(x: Tensor) -> Any:
        y = x.softmax(1) + x.mean(1, keepdim=True)
        return (y @ y.t()).sum(0), gc.cat([y, x]), y.sum(0), y.expand(2, *y.shape) * 1, x.t()

    def make() -> Any:
        return f, lambda size: (gc.randn(size, 3),), ()

    program = agrees(make, sizes=(first, 5, 1 - first, first, 9, 2), dynamic={"x": {0: ("N", 9)}}, builds=2)
    assert f"N is fixed: it was {first} when this was recorded" in guards_of(program)


# -- writes in place -----------------------------------------------------------------------------------------------

WRITES: dict[str, Callable[[Tensor], Any]] = {
    "column": lambda x: x[:, 0].add_(1),
    "first row": lambda x: x[0].mul_(2),
    "last row": lambda x: x[-1].fill_(3),
    "from one": lambda x: x[1:].neg_(),
    "up to the last": lambda x: x[:-1].sub_(5),
    "every other": lambda x: x[::2].zero_(),
    "half": lambda x: x[: x.shape[0] // 2].mul_(x.shape[0]),
    "whole": lambda x: x.mul_(2).add_(x.shape[0]),
    "transposed": lambda x: x.t()[1].exp_(),
    "flat": lambda x: x.view(-1)[::3].add_(1),
    "masked": lambda x: x.masked_fill_(x > 0, 0.0),
    "copied": lambda x: x.copy_(gc.arange(x.shape[0])[:, None]),
    "by subscript": lambda x: x.__setitem__((slice(None), 1), x[:, 2] * 3),
    "by indices": lambda x: x.__setitem__((gc.arange(x.shape[0]), gc.zeros(x.shape[0], dtype=gc.int64)), 8.0),
    "by mask": lambda x: x.__setitem__(x < 0, 1.0),
    "and read": lambda x: (x[:, 1].mul_(2), x.sum(0), x[1:] * 1)[1:],
    "chained views": lambda x: x[:, 1:].t()[0].view(-1).add_(2),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITES)
def test_writes_into_arguments(name: str) -> None:
    """A write through views of an argument of a dynamic size."""

    def f(x: Tensor) -> Any:
        result = WRITES[name](x)
        return x * 1 if result is None else result

    of_x(f)


def test_writes_into_own_memory() -> None:
    """Writes through views of what the function made itself, gradients through them."""

    def f(x: Tensor) -> Tensor:
        y = x * 2
        y[:, 0] += 1
        y[1:] *= x[:-1]
        y[-1] = 3.0
        z = gc.zeros(x.shape[0], 2)
        z[:, 1] = y.sum(1)
        return z

    of_x(f, grad=True, after=lambda result: (result**2).sum().backward())


# -- randomness ----------------------------------------------------------------------------------------------------

DRAWS: dict[str, Callable[[Tensor], Any]] = {
    "dropout": lambda x: functional.dropout(x, 0.4),
    "dropout1d": lambda x: functional.dropout1d(x[None], 0.5),
    "feature_alpha_dropout": lambda x: functional.feature_alpha_dropout(x[None, :, :, None], 0.3),
    "alpha_dropout": lambda x: functional.alpha_dropout(x, 0.3),
    "randn_like": lambda x: gc.randn_like(x),
    "rand_like": lambda x: gc.rand_like(x),
    "randn": lambda x: gc.randn(x.shape[0], 2),
    "rand": lambda x: gc.rand(x.shape[0]),
    "randn double": lambda x: gc.randn(x.shape[0], 3, dtype=gc.float64),
    "rand half": lambda x: gc.rand(x.shape[0], 3, dtype=gc.float16),
    "bernoulli": lambda x: x.sigmoid().bernoulli(),
    "normal_": lambda x: x.normal_(2, 3),
    "uniform_": lambda x: x.uniform_(-1, 2),
    "exponential_": lambda x: x.exponential_(2),
    "gumbel_softmax": lambda x: functional.gumbel_softmax(x),
    "many": lambda x: gc.randn(x.shape[0] * 5, 7).sum() + gc.rand_like(x),
    "reparametrised": lambda x: x + gc.randn_like(x) * x.exp(),
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWS)
def test_draws(name: str) -> None:
    """Random draws of a dynamic size: eager's values, and the generator in eager's state."""
    of_x(DRAWS[name])


@pytest.mark.parametrize("name", ["randn half", "randint", "randperm"])
def test_draws_that_depend_on_the_size(name: str) -> None:
    """Draws for which eager mode takes other ways at other sizes, or whose number can't be told: right all the same."""
    calls = {
        "randn half": lambda x: gc.randn(x.shape[0], 3, dtype=gc.float16),
        "randint": lambda x: x + gc.randint(0, 9, (x.shape[0], 1)),
        "randperm": lambda x: x[gc.randperm(x.shape[0])],
    }
    program = gc.compile(calls[name], dynamic={"x": {0: ("N", MOST)}})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for size in (5, 1, 16, 2, 9):
            x = gc.randn(size, 3)
            gc.manual_seed(5)
            expected = calls[name](x)
            stream = default_generator.buffer.copy()
            gc.manual_seed(5)
            try:
                close(program(x), expected, f"{name} at {size}")
            except gc.CaptureError:
                return  # refused, with the line
            assert (default_generator.buffer == stream).all()


# -- training steps ------------------------------------------------------------------------------------------------


def step_of(
    network: Callable[[], nn.Module], loss: Callable[[Any, Any], Any], data: Data, optimizer: Callable[[Any], Any]
) -> Callable[[], Any]:
    """A training step of a network as what ``agrees`` takes."""

    def make() -> Any:
        net = network()
        opt = optimizer(net.parameters())

        def step(x: Tensor, y: Tensor) -> Tensor:
            opt.zero_grad()
            value = loss(net(x), y)
            value.backward()
            opt.step()
            return value.detach()

        return step, data, (net, opt)

    return make


def sgd(parameters: Any) -> Any:
    return optim.SGD(parameters, lr=0.05, momentum=0.9)


def rows(*shape: int, classes: int = 4) -> Data:
    return lambda size: (gc.randn(size, *shape), gc.randint(0, classes, (size,)))


def tokens(length: int, classes: int = 4) -> Data:
    return lambda size: (gc.randint(0, 11, (size, length)), gc.randint(0, classes, (size,)))


class Recurrent(nn.Module):
    """A recurrent layer's last state, classified."""

    def __init__(self, layer: nn.Module, width: int):
        super().__init__()
        self.layer, self.head = layer, nn.Linear(width, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x)[0][:, -1])


class Attention(nn.Module):
    """Self-attention with a causal mask, classified by the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.places = nn.Embedding(11, 8), nn.Parameter(gc.zeros(16, 8))
        self.attention, self.head = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = self.embedding(x) + self.places[: x.shape[1]]
        mask = gc.ones(x.shape[1], x.shape[1], dtype=gc.bool).triu(1)
        return self.head(self.attention(h, h, h, attn_mask=mask, need_weights=False)[0].mean(1))


def image(*layers: nn.Module, flat: int) -> nn.Module:
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(flat, 4))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Data]] = {
    "linear": (lambda: nn.Linear(6, 4), rows(6)),
    "mlp": (lambda: nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 9), nn.Tanh(), nn.Linear(9, 4)), rows(6)),
    "dropout": (lambda: nn.Sequential(nn.Linear(6, 9), nn.Dropout(0.4), nn.GELU(), nn.Linear(9, 4)), rows(6)),
    "batch norm": (lambda: nn.Sequential(nn.Linear(6, 9), nn.BatchNorm1d(9), nn.SiLU(), nn.Linear(9, 4)), rows(6)),
    "layer norm": (lambda: nn.Sequential(nn.Linear(6, 9), nn.LayerNorm(9), nn.ELU(), nn.Linear(9, 4)), rows(6)),
    "bilinear": (lambda: nn.Sequential(nn.Unflatten(1, (2, 3)), nn.Flatten(), nn.Linear(6, 4)), rows(6)),
    "convolution": (lambda: image(nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), flat=27), rows(2, 6, 6)),
    "strided": (lambda: image(nn.Conv2d(2, 4, 3, 2), nn.LeakyReLU(), nn.AvgPool2d(2), flat=4), rows(2, 6, 6)),
    "grouped": (lambda: image(nn.Conv2d(4, 8, 3, groups=2), nn.PReLU(), flat=128), rows(4, 6, 6)),
    "depthwise": (lambda: image(nn.Conv2d(3, 3, 3, groups=3), nn.Hardswish(), flat=48), rows(3, 6, 6)),
    "image norms": (
        lambda: image(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.ReLU6(), flat=64), rows(2, 6, 6),
    ),
    "upsampling": (
        lambda: image(nn.ConvTranspose2d(2, 3, 2, 2), nn.Upsample(scale_factor=2), nn.AdaptiveAvgPool2d(2), flat=12),
        rows(2, 3, 3),
    ),
    "bilinear upsampling": (
        lambda: image(nn.Upsample(size=(5, 7), mode="bilinear"), nn.AdaptiveMaxPool2d(2), flat=8), rows(2, 3, 3),
    ),
    "convolution 1d": (lambda: image(nn.Conv1d(2, 3, 3), nn.Softplus(), nn.MaxPool1d(2), flat=6), rows(2, 6)),
    "convolution 3d": (lambda: image(nn.Conv3d(1, 2, 2), nn.Sigmoid(), flat=54), rows(1, 4, 4, 4)),
    "padding": (lambda: image(nn.ReflectionPad2d(1), nn.Conv2d(2, 2, 3), nn.PixelShuffle(1), flat=18), rows(2, 3, 3)),
    "embedding": (lambda: nn.Sequential(nn.Embedding(11, 5), nn.Flatten(), nn.Linear(20, 4)), tokens(4)),
    "embedding bag": (lambda: nn.Sequential(nn.EmbeddingBag(11, 5), nn.Linear(5, 4)), tokens(4)),
    "rnn": (lambda: Recurrent(nn.RNN(3, 5, batch_first=True), 5), rows(4, 3)),
    "lstm": (lambda: Recurrent(nn.LSTM(3, 5, 2, batch_first=True), 5), rows(4, 3)),
    "gru": (lambda: Recurrent(nn.GRU(3, 5, batch_first=True, bidirectional=True), 10), rows(4, 3)),
    "attention": (Attention, tokens(5)),
    "transformer": (
        lambda: nn.Sequential(
            nn.Embedding(11, 8), nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True), nn.Flatten(),
            nn.Linear(40, 4),
        ),
        tokens(5),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_training_step(name: str) -> None:
    """A whole step of a network with one common layer: one build for the last partial batch and every other."""
    network, data = NETWORKS[name]
    sizes = [size for size in SIZES if size > 1 or "norm" not in name]
    make = step_of(network, functional.cross_entropy, data, sgd)
    agrees(make, sizes=sizes, dynamic=BOTH, tolerance=2e-4)


def regression(size: int) -> tuple[Tensor, Tensor]:
    return gc.randn(size, 6), gc.randn(size, 4)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": functional.mse_loss,
    "l1": functional.l1_loss,
    "smooth l1": functional.smooth_l1_loss,
    "huber": functional.huber_loss,
    "sum": lambda o, y: functional.mse_loss(o, y, reduction="sum"),
    "bce": lambda o, y: functional.binary_cross_entropy_with_logits(o, (y > 0).float()),
    "probabilities": lambda o, y: functional.cross_entropy(o, y.softmax(1)),
    "smoothed": lambda o, y: functional.cross_entropy(o, y.argmax(1), label_smoothing=0.1),
    "weighted": lambda o, y: functional.cross_entropy(o, y.argmax(1), weight=gc.tensor([1.0, 2.0, 3.0, 0.5])),
    "ignored": lambda o, y: functional.cross_entropy(o, gc.where(y[:, 0] > 9, -100, y.argmax(1))),
    "nll": lambda o, y: functional.nll_loss(o.log_softmax(1), y.argmax(1)),
    "kl": lambda o, y: functional.kl_div(o.log_softmax(1), y.softmax(1), reduction="batchmean"),
    "poisson": functional.poisson_nll_loss,
    "gaussian": lambda o, y: functional.gaussian_nll_loss(o, y, gc.ones_like(y)),
    "cosine": lambda o, y: functional.cosine_embedding_loss(o, y, gc.ones(o.shape[0])),
    "triplet": lambda o, y: functional.triplet_margin_loss(o, y, y.flip(0)),
    "margin": lambda o, y: functional.multi_margin_loss(o, y.argmax(1)),
    "hinge": lambda o, y: functional.hinge_embedding_loss(o, (y > 0) * 2.0 - 1),
    "ranking": lambda o, y: functional.margin_ranking_loss(o[:, 0], o[:, 1], y[:, 0].sign()),
    "by hand": lambda o, y: ((o - y) ** 2).sum() / o.shape[0],
    "half of the mean": lambda o, y: 0.5 * (o - y).pow(2).sum(1).mean(0),
    "variance": lambda o, y: (o - y).var(0, unbiased=False).sum(),
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
def test_loss(name: str) -> None:
    """A step with each of the losses."""
    agrees(step_of(lambda: nn.Linear(6, 4), LOSSES[name], regression, sgd), dynamic=BOTH, tolerance=1e-4)


OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "nesterov": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda p: optim.Adam(p, lr=0.01),
    "amsgrad": lambda p: optim.Adam(p, lr=0.01, amsgrad=True),
    "adamw": lambda p: optim.AdamW(p, lr=0.01),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.1),
    "adadelta": lambda p: optim.Adadelta(p),
    "adamax": lambda p: optim.Adamax(p, lr=0.01),
    "nadam": lambda p: optim.NAdam(p, lr=0.01),
    "radam": lambda p: optim.RAdam(p, lr=0.01),
    "asgd": lambda p: optim.ASGD(p, lr=0.01),
    "rprop": lambda p: optim.Rprop(p, lr=0.01),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer(name: str) -> None:
    """A step with each optimizer: no more builds than without dynamic sizes, and the state eager has."""
    make = step_of(lambda: nn.Linear(6, 4), functional.mse_loss, regression, OPTIMIZERS[name])
    gc.manual_seed(3)
    function, data, _ = make()
    program = gc.compile(function, dynamic=False)
    for _ in SIZES:
        program(*data(7))
    agrees(make, dynamic=BOTH, builds=len(program.report().builds), tolerance=1e-4)


def test_an_epoch() -> None:
    """Batches of 16 and a last one of 5, over three epochs, with a scheduler, clipping, and evaluation: two builds."""
    x, y = gc.randn(37, 6), gc.randint(0, 4, (37,))
    runs = []
    for compiled in (False, True):
        gc.manual_seed(0)
        net = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 4))
        opt = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        scheduler = optim.lr_scheduler.StepLR(opt, 1, 0.5)

        def train(x: Tensor, y: Tensor, net: Any = net, opt: Any = opt) -> Tensor:
            opt.zero_grad()
            loss = functional.cross_entropy(net(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            opt.step()
            return loss.detach()

        def evaluate(x: Tensor, y: Tensor, net: Any = net) -> Tensor:
            with gc.no_grad():
                return (net(x).argmax(1) == y).sum()

        steps = (gc.compile(train, dynamic=True), gc.compile(evaluate, dynamic=True)) if compiled else (train, evaluate)
        history = []
        for _ in range(3):
            net.train()
            history += [steps[0](x[at : at + 16], y[at : at + 16]) for at in range(0, 37, 16)]
            net.eval()
            history += [steps[1](x[at : at + 16], y[at : at + 16]) for at in range(0, 37, 16)]
            scheduler.step()
        runs.append((history, state_of([net, opt])))
    close(runs[1], runs[0], "three epochs", 1e-4)
    assert [len(step.report().builds) for step in steps] == [1, 1]


# -- gradients from outside, other dimensions, methods --------------------------------------------------------------


def test_backward_from_outside() -> None:
    """A compiled forward part, a loss and an optimizer outside: the backward program serves every size too."""

    def make() -> Any:
        net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 4))
        return (lambda x: net(x)), lambda size: (gc.randn(size, 6, requires_grad=True),), (net,)

    def after(result: Tensor) -> None:
        (result.softmax(1)[:, 0].log().sum() / result.shape[0]).backward()

    agrees(make, after=after, dynamic={"x": {0: ("N", MOST)}}, tolerance=1e-4)


def test_gradients_inside_and_second_order() -> None:
    """A gradient penalty: gradients of the argument, differentiated again, within the program."""

    def make() -> Any:
        net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
        opt = sgd(net.parameters())

        def step(x: Tensor) -> Any:
            opt.zero_grad()
            x = x.detach().requires_grad_()
            (slope,) = gc.autograd.grad(net(x).sum(), x, create_graph=True)
            penalty = ((slope.norm(dim=1) - 1) ** 2).mean()
            penalty.backward()
            opt.step()
            return penalty.detach(), slope.detach()

        return step, lambda size: (gc.randn(size, 3),), (net, opt)

    agrees(make, dynamic={"x": {0: ("N", MOST)}}, tolerance=1e-4)


def test_batch_and_length() -> None:
    """Attention over [N, T] with both sizes dynamic: one build for every pair of them."""
    pairs = [(7, 5), (2, 16), (16, 2), (3, 9), (5, 5), (9, 7), (2, 2)]

    def make() -> Any:
        net, position = Attention(), iter(pairs)
        opt = sgd(net.parameters())

        def step(x: Tensor, y: Tensor) -> Tensor:
            opt.zero_grad()
            loss = functional.cross_entropy(net(x), y)
            loss.backward()
            opt.step()
            return loss.detach()

        def data(size: int) -> Any:
            size, length = next(position)
            return gc.randint(0, 11, (size, length)), gc.randint(0, 4, (size,))

        return step, data, (net, opt)

    dynamic = {"x": {0: ("N", 16), 1: ("T", 16)}, "y": {0: ("N", 16)}}
    agrees(make, sizes=[size for size, _ in pairs], dynamic=dynamic, tolerance=1e-4)


def test_negative_dimension_keyword_and_method() -> None:
    """A dimension counted from the end, an argument given by keyword, a method, and a module."""

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(gc.ones(4, 4))

        def forward(self, x: Tensor, scale: float = 2.0) -> Tensor:
            return self.weight @ x * scale

    model = Model()
    for function in (model, model.forward, lambda x, scale: model(x, scale)):
        program = gc.compile(function, dynamic={"x": {-1: "N"}})
        for size in (5, 3, 2, 5, 1):
            x = gc.randn(4, size)
            close(program(x, scale=3.0), model(x, 3.0), str(size))
        assert len(program.report().builds) == 1


def test_keywords_in_any_order() -> None:
    """A size belongs to the argument of its name, in whatever order arguments are given."""

    def f(x: Tensor, y: Tensor) -> Tensor:
        return x @ y

    program = gc.compile(f, dynamic={"x": {0: ("N", 8)}})
    for size in (5, 3, 8):
        x, y = gc.randn(size, 3), gc.randn(3, 3)
        close(program(y=y, x=x), x @ y, str(size))
    assert len(program.report().builds) == 1


def test_arguments_in_lists() -> None:
    """Tensors within a list are named by their place."""

    def f(pair: list[Tensor]) -> Tensor:
        return pair[0] @ pair[1]

    program = gc.compile(f, dynamic={"pair_0": {0: ("N", 8)}})
    for size in (5, 2, 8, 1):
        pair = [gc.randn(size, 3), gc.randn(3, 2)]
        close(program(pair), f(pair), str(size))
    assert len(program.report().builds) == 1


def test_layouts() -> None:
    """Arguments whose memory is a slice, a transpose, or every other row of another's."""
    program = gc.compile(lambda x: x * 2 + x.sum(0), dynamic={"x": {0: ("N", 8)}})
    for x in (
        gc.randn(5, 3),
        gc.randn(3, 4).t(),
        gc.randn(12, 3)[::2],
        gc.randn(9, 6)[1:, ::2],
        gc.randn(1, 3).expand(4, 3),
    ):
        close(program(x), x * 2 + x.sum(0), str(x.stride()))
    assert len(program.report().builds) == 1


# -- which sizes are dynamic ----------------------------------------------------------------------------------------


def double(x: Tensor, y: Tensor | None = None) -> Tensor:
    return x * 2 if y is None else x @ y


def builds_for(dynamic: Any, sizes: Sequence[int]) -> Any:
    program = gc.compile(double, dynamic=dynamic)
    for size in sizes:
        x = gc.randn(size, 3)
        close(program(x), double(x), str(size))
    return program


def test_beyond_the_most() -> None:
    """A size beyond what a build was made for is a new build, for twice as much; the report says so."""
    program = builds_for({"x": {0: "N"}}, (5, 3, 7, 9, 10, 11, 19, 2, 40))
    reports = program.report().builds
    assert len(reports) == 4
    reasons = [build.reason for build in reports]
    assert "N is 7, and the build is for at most 5" in reasons[1]
    assert [program.stages.recording.graph.inputs[0].type.shape[0].terms[0][0][0].upper for _ in "a"] == [40]


def test_most_is_kept() -> None:
    """A bound that is declared is an error to go beyond."""
    program = builds_for({"x": {0: ("N", 8)}}, (5, 8, 1))
    with pytest.raises(ValueError, match="N is at most 8, and 9 was given"):
        program(gc.randn(9, 3))
    assert len(program.report().builds) == 1


def test_shown_by_calls() -> None:
    """Without a word of the user's: static first, dynamic from the second size on."""
    assert len(builds_for(None, (5, 5, 5)).report().builds) == 1
    assert len(builds_for(None, (5, 3, 4, 1, 2, 5)).report().builds) == 2
    # Beyond the most that was seen there is one build more, for twice as much.
    assert len(builds_for(None, (5, 3, 4, 6, 10, 7)).report().builds) == 3


def test_shown_by_two_calls_in_another_dimension() -> None:
    """Sizes that differ in another dimension than the first are builds of their own."""
    program = gc.compile(double)
    for shape in ((3, 4), (3, 5), (3, 6)):
        program(gc.randn(shape))
    assert len(program.report().builds) == 3


def test_shown_leaves_the_others() -> None:
    """Of two arguments the one that changes is dynamic."""
    program = gc.compile(double)
    for size in (5, 3, 4, 2):
        x, y = gc.randn(size, 3), gc.randn(3, 3)
        close(program(x, y), x @ y, str(size))
    assert len(program.report().builds) == 2


def test_static() -> None:
    """``dynamic=False``: every shape is a build."""
    assert len(builds_for(False, (5, 3, 4, 5)).report().builds) == 3


def test_sizes_of_one_name_that_differ() -> None:
    """Two arguments with one name and two sizes: ValueError that tells both."""
    program = gc.compile(double, dynamic={"x": {1: "K"}, "y": {0: "K"}})
    program(gc.randn(2, 3), gc.randn(3, 2))
    program(gc.randn(2, 5), gc.randn(5, 2))
    with pytest.raises(ValueError, match="K is 3 and, as dimension 0 of y, 4"):
        program(gc.randn(2, 3), gc.randn(4, 2))
    with pytest.raises(ValueError, match=r"the first dimensions of the arguments are \[2, 3\]"):
        gc.compile(double, dynamic=True)(gc.randn(2, 3), gc.randn(3, 2))


@pytest.mark.parametrize(
    ("dynamic", "error", "words"),
    [
        ("N", TypeError, "expected True, False, None, or for arguments by name"),
        ({"x": 0}, TypeError, "expected True, False, None"),
        ({"x": {"0": "N"}}, TypeError, "got 'x'"),
        ({"x": {0: 5}}, TypeError, "got 'x'"),
        ({"x": {0: ("N", -1)}}, TypeError, "got 'x'"),
        ({"x": {0: ("N", 4, 5)}}, TypeError, "got 'x'"),
        ({3: {0: "N"}}, TypeError, "got 3"),
        ({"x": {0: "n"}}, ValueError, "begins with a capital"),
        ({"x": {0: "N + 1"}}, ValueError, "a size's name is an identifier"),
        ({"x": {0: ("N", 4), 1: ("N", 5)}}, ValueError, "N is at most 4 and at most 5"),
    ],
)
def test_wrong_declarations(dynamic: Any, error: type[Exception], words: str) -> None:
    """What is no declaration is refused when the function is compiled, with what was given and what was expected."""
    with pytest.raises(error, match=words):
        gc.compile(double, dynamic=dynamic)


@pytest.mark.parametrize(
    ("dynamic", "words"),
    [
        ({"z": {0: "N"}}, "dynamic names z; the tensors among the arguments are x"),
        ({"x": {2: "N"}}, "x has 2 dimensions, and no dimension 2"),
        ({"x": {-3: "N"}}, "x has 2 dimensions, and no dimension -3"),
        ({"x": {0: ("N", 2)}}, "N is at most 2, and 3 was given"),
    ],
)
def test_declarations_that_do_not_fit(dynamic: Any, words: str) -> None:
    """An argument, a dimension, or a bound that does not fit the call: ValueError that names it."""
    with pytest.raises(ValueError, match=words):
        gc.compile(double, dynamic=dynamic)(gc.randn(3, 3))


def test_checked_calls() -> None:
    """``check=True`` computes a call of any size again."""
    program = gc.compile(double, dynamic={"x": {0: "N"}}, check=True)
    for size in (5, 2, 1, 4, 0):
        x = gc.randn(size, 3)
        close(program(x), double(x), str(size))


def test_deep_copy_and_pickle_keep_the_declaration() -> None:
    """A copy of a compiled function has its declaration."""
    program = gc.compile(double, dynamic={"x": {0: "N"}})
    for other in (copy.deepcopy(program), pickle.loads(pickle.dumps(program))):
        other(gc.randn(5, 3))
        other(gc.randn(3, 3))
        assert len(other.report().builds) == 1


def test_an_error_leaves_everything_as_it_was() -> None:
    """An index out of range at a size that was not recorded raises eager's error and changes no state."""
    table = gc.zeros(4)

    def f(x: Tensor, index: Tensor) -> Tensor:
        table.add_(1)
        return x[index] * table.sum()

    program = gc.compile(f, dynamic={"x": {0: ("N", 9)}})
    index = gc.tensor([0, 3])
    program(gc.randn(5), index)
    program(gc.randn(4), index)
    with pytest.raises(IndexError, match="index 3 is out of bounds for dimension 0 with size 3"):
        program(gc.randn(3), index)
    assert table.tolist() == [2.0] * 4
