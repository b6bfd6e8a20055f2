"""What the tests of dynamic sizes share: programs that run eagerly and compiled at many sizes in turn, and how they are
compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import graphc as gc
from graphc import nn
from graphc.capture.trees import flatten
from graphc.randomness.generator import default_generator
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
        assert (one.dtype, one.shape) == (other.dtype, other.shape), f"{where}: result {place}: {one} {other}"
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


def guards_of(program: Any) -> list[str]:
    """What all builds of a program rest on, in words."""
    return [guard for build in program.report().builds for guard in build.guards]


def agrees(
    make: Callable[[], tuple[Callable[..., Any], Data, Sequence[Any]]],
    *,
    sizes: Sequence[int] = SIZES,
    dynamic: Any = True,
    builds: int | tuple[int, ...] = 1,
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
    wanted = (builds,) if isinstance(builds, int) else builds
    assert len(reasons) in wanted, f"{reasons}: {guards_of(program)}"
    return program


def of_x(function: Callable[..., Any], *shape: int, grad: bool = False, **options: Any) -> Any:
    """Check a function of one tensor [N, *shape]."""
    shape = shape or (3,)
    dynamic = options.pop("dynamic", {"x": {0: ("N", MOST)}})

    def make() -> Any:
        return function, lambda size: (gc.randn(size, *shape, requires_grad=grad),), ()

    return agrees(make, dynamic=dynamic, **options)


WITH_NONE = (*SIZES, 0, 4, 0)
