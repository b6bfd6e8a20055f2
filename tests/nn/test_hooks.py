"""Hooks of modules against PyTorch's."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from tests.nn.twins import assert_same_error, normal

torch = pytest.importorskip("torch")


def listed(value: Any) -> Any:
    """Gradients as nested lists of rounded numbers, Nones as they are."""
    if isinstance(value, tuple | list):
        return [listed(each) for each in value]
    return None if value is None else np.round(value.detach().numpy(), 4).tolist()


def net_of(t: Any) -> Any:
    net = t.nn.Sequential(t.nn.Linear(2, 3), t.nn.Tanh(), t.nn.Linear(3, 1))
    with t.no_grad():
        for position, parameter in enumerate(net.parameters()):
            parameter.copy_(t.from_numpy(normal(*parameter.shape, seed=position)))
    return net


class Several:
    """A module of several inputs and results, some of which are no tensors."""

    def __new__(cls, t: Any) -> Any:
        class Made(t.nn.Module):
            def forward(self, x, y, factor=1.0, extra=None):
                return x * y * factor, x + y, factor

        return Made()


def forward_hooks(t: Any) -> list[Any]:
    net, log = net_of(t), []
    x = t.from_numpy(normal(4, 2))
    net[1].register_forward_hook(lambda module, inputs, result: log.append(("first", type(module).__name__)))
    net[1].register_forward_hook(lambda module, inputs, result: log.append(("second", len(inputs))), prepend=True)
    doubling = net[1].register_forward_hook(lambda module, inputs, result: result * 2)
    net[1].register_forward_pre_hook(lambda module, inputs: inputs[0] + 1)
    net[1].register_forward_pre_hook(lambda module, inputs: log.append(("pre", listed(inputs)[0][0])), prepend=True)
    log.append(listed(net(x)))
    doubling.remove()
    doubling.remove()
    log.append(listed(net(x)))
    with net.register_forward_hook(lambda module, inputs, result: result * 0):
        log.append(listed(net(x)))
    log.append(listed(net(x)))
    return log


def keyword_hooks(t: Any) -> list[Any]:
    module, log = Several(t), []
    x, y = t.tensor([1.0, 2.0]), t.tensor([3.0, 4.0])
    module.register_forward_pre_hook(lambda m, a, k: log.append(sorted(k)), with_kwargs=True)
    module.register_forward_pre_hook(lambda m, a, k: (a, k | {"factor": k["factor"] * 10}), with_kwargs=True)
    module.register_forward_hook(lambda m, a, k, result: log.append((len(a), k["factor"])), with_kwargs=True)
    log.append(listed(module(x, y, factor=2.0)[:2]))
    return log


def always_called(t: Any) -> list[Any]:
    class Broken(t.nn.Module):
        def forward(self, x):
            raise ValueError("broken")

    module, log = Broken(), []
    module.register_forward_hook(lambda m, i, r: log.append(("never", r)))
    module.register_forward_hook(lambda m, i, r: log.append(("always", r)), always_call=True)

    def fails(m, i, r):
        raise RuntimeError("hook")

    module.register_forward_hook(fails, always_call=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            module(t.zeros(1))
        except ValueError as error:
            log.append(str(error))
    return [*log, [str(each.message) for each in caught]]


def full_backward_hooks(t: Any) -> list[Any]:
    net, log = net_of(t), []
    x = t.from_numpy(normal(4, 2)).requires_grad_()

    def hook(module, grad_input, grad_output):
        log.append((type(module).__name__, listed(grad_input), listed(grad_output)))

    for module in net.modules():
        module.register_full_backward_hook(hook)
    net.register_full_backward_hook(lambda m, gi, go: tuple(g * 2 for g in gi))
    net[1].register_full_backward_pre_hook(lambda m, go: (go[0] * 3,))
    net[1].register_full_backward_pre_hook(lambda m, go: log.append(listed(go)), prepend=True)
    net[2].register_full_backward_hook(lambda m, gi, go: log.append("first"), prepend=True)
    net(x).sum().backward()
    return [*log, listed(x.grad), listed([p.grad for p in net.parameters()]), type(net(x).grad_fn).__name__]


def backward_hooks_of_several(t: Any) -> list[Any]:
    log: list[Any] = []
    for wanting in ((True, True), (True, False), (False, True)):
        module = Several(t)
        x, y = (t.tensor(v).requires_grad_(w) for v, w in zip(([1.0, 2.0], [3.0, 4.0]), wanting, strict=True))
        module.register_full_backward_hook(lambda m, gi, go: log.append((listed(gi), listed(go))))
        product, total, factor = module(x, y, 2.0, None)
        log.append([factor, product.requires_grad])
        (product.sum() * 2).backward(retain_graph=True)
        (product + total).sum().backward()
        log.append([listed(x.grad), listed(y.grad)])
    return log


def backward_hooks_without_inputs(t: Any) -> list[Any]:
    net, log = t.nn.Linear(2, 1), []
    net.register_full_backward_hook(lambda m, gi, go: log.append((listed(gi), listed(go))))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        net(t.ones(3, 2)).sum().backward()
        with t.no_grad():
            net(t.ones(3, 2))
    return [*log, listed(net.weight.grad), [str(each.message)[:80] for each in caught]]


def second_gradients_through_hooks(t: Any) -> list[Any]:
    net, log = net_of(t), []
    x = t.from_numpy(normal(4, 2)).requires_grad_()
    net[0].register_full_backward_hook(lambda m, gi, go: log.append(listed(gi)))
    (first,) = t.autograd.grad(net(x).sum(), [x], create_graph=True)
    (second,) = t.autograd.grad((first * first).sum(), [x])
    return [*log, listed(first), listed(second)]


def older_hooks(t: Any) -> list[Any]:
    net, log = t.nn.Sequential(t.nn.Tanh()), []
    net[0].register_backward_hook(lambda m, gi, go: log.append((listed(gi), listed(go))))
    x = t.tensor([1.0, 2.0], requires_grad=True)
    (net(x * 2)).sum().backward()
    log.append(listed(x.grad))
    linear = t.nn.Linear(2, 1)
    linear.register_backward_hook(lambda m, gi, go: None)
    several = Several(t)
    several.register_backward_hook(lambda m, gi, go: None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        several(x, x)
    return [*log, [str(each.message) for each in caught]]


def global_hooks(t: Any) -> list[Any]:
    place = t.nn.modules.module
    net, log = net_of(t), []
    x = t.from_numpy(normal(2, 2)).requires_grad_()
    handles = [
        place.register_module_forward_pre_hook(lambda m, i: log.append(("pre", type(m).__name__))),
        place.register_module_forward_hook(lambda m, i, r: log.append(("after", type(m).__name__))),
        place.register_module_forward_hook(lambda m, i, k, r: log.append(sorted(k)), with_kwargs=True),
        place.register_module_full_backward_pre_hook(lambda m, go: log.append(("back", type(m).__name__))),
        place.register_module_full_backward_hook(lambda m, gi, go: log.append((type(m).__name__, listed(gi)))),
    ]
    try:
        net(x).sum().backward()
    finally:
        for handle in handles:
            handle.remove()
    net(x)
    return log


def registration_hooks(t: Any) -> list[Any]:
    place, log = t.nn.modules.module, []
    handles = [
        place.register_module_parameter_registration_hook(lambda m, n, p: log.append(("parameter", n))),
        place.register_module_buffer_registration_hook(lambda m, n, b: log.append(("buffer", n))),
        place.register_module_module_registration_hook(lambda m, n, p: log.append(("module", n))),
        place.register_module_module_registration_hook(lambda m, n, p: t.nn.Identity() if n == "1" else None),
    ]
    try:
        net = t.nn.Sequential(t.nn.BatchNorm1d(2), t.nn.ReLU())
        net.other = t.nn.Tanh()
    finally:
        for handle in handles:
            handle.remove()
    return [*log, repr(net)]


def copied_hooks(t: Any) -> list[Any]:
    log: list[int] = []
    net = t.nn.Linear(1, 1)
    net.register_forward_hook(lambda m, i, r: log.append(1))
    other = copy.deepcopy(net)
    other(t.zeros(1, 1))
    net(t.zeros(1, 1))
    return log


SCENARIOS = (
    forward_hooks, keyword_hooks, always_called, full_backward_hooks, backward_hooks_of_several,
    backward_hooks_without_inputs, second_gradients_through_hooks, older_hooks, global_hooks, registration_hooks,
    copied_hooks,
)  # fmt: skip


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_scenarios(scenario: Callable[[Any], list[Any]]) -> None:
    """Each scenario leaves the same log with graphc and with PyTorch."""
    assert scenario(gc) == scenario(torch)


def both_kinds(t: Any) -> None:
    net = t.nn.ReLU()
    net.register_backward_hook(print)
    net.register_full_backward_hook(print)


def wrong_keywords(t: Any) -> None:
    net = t.nn.ReLU()
    net.register_forward_pre_hook(lambda m, a, k: 3, with_kwargs=True)
    net(t.zeros(1))


def wrong_count(t: Any) -> None:
    net = t.nn.ReLU()
    net.register_full_backward_hook(lambda m, gi, go: (gi[0], gi[0]))
    net(t.zeros(1, requires_grad=True)).sum().backward()


def wrong_pre_count(t: Any) -> None:
    net = t.nn.ReLU()
    net.register_full_backward_pre_hook(lambda m, go: ())
    net(t.zeros(1, requires_grad=True)).sum().backward()


def gradients_for_none(t: Any) -> None:
    net = t.nn.Linear(1, 1)
    net.register_full_backward_hook(lambda m, gi, go: go)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net(t.zeros(1)).sum().backward()


def in_place_after_hook(t: Any) -> None:
    net = t.nn.Linear(1, 1)
    net.register_full_backward_hook(lambda m, gi, go: None)
    net(t.zeros(1, requires_grad=True)).add_(1)


@pytest.mark.parametrize(
    "scenario", [both_kinds, wrong_keywords, wrong_count, wrong_pre_count, gradients_for_none],
    ids=lambda scenario: scenario.__name__,
)  # fmt: skip
def test_errors(scenario: Callable[[Any], None]) -> None:
    """What hooks may not do raises PyTorch's errors, word for word."""
    assert_same_error(scenario)


def test_results_of_hooked_modules_are_not_written_to() -> None:
    """Writing to the result of a module with backward hooks is refused, as in PyTorch."""
    assert_same_error(in_place_after_hook, words=8)


def test_backward_hooks_in_a_compiled_step() -> None:
    """What hooks do to gradients is a part of the compiled step."""
    results = []
    for compiled in (False, True):
        net = net_of(gc)
        net[1].register_full_backward_hook(lambda m, gi, go: (gi[0] * 2,))
        net[2].register_full_backward_pre_hook(lambda m, go: (go[0] * go[0],))

        def step(x: Any, net: Any = net) -> Any:
            net.zero_grad()
            loss = (net(x) ** 2).sum()
            loss.backward()
            return loss.detach()

        step = gc.compile(step) if compiled else step
        for _ in range(2):
            step(gc.tensor(normal(4, 2)))
        results.append([p.grad.numpy() for p in net.parameters()])
    for mine, other in zip(*results, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)
