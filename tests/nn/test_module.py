"""Module: attributes, members, walking, conversion, copies, and text, against PyTorch's."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from tests.nn.twins import assert_same_error, normal, twins

torch = pytest.importorskip("torch")


def small(t: Any) -> Any:
    """A net with a shared layer, a buffer, and a part that is not there."""

    class Block(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = t.nn.Linear(2, 3)
            self.again = self.linear
            self.nothing = None
            self.register_buffer("count", t.zeros(2))
            self.register_buffer("scratch", t.ones(1), persistent=False)
            self.scale = t.nn.Parameter(t.ones(3))
            self.add_module("absent", None)
            self.register_parameter("unused", None)

        def forward(self, x):
            return self.linear(x) * self.scale + self.count.sum()

    return t.nn.Sequential(Block(), t.nn.ReLU(), Block())


def names(pairs: Any) -> list[str]:
    return [name for name, _ in pairs]


def walking(t: Any) -> list[Any]:
    net = small(t)
    return [
        names(net.named_modules()),
        names(net.named_modules(prefix="net")),
        names(net.named_modules(remove_duplicate=False)),
        len(list(net.modules())),
        len(list(net.modules(remove_duplicate=False))),
        names(net.named_children()),
        names(net[0].named_children()),
        len(list(net.children())),
        names(net.named_parameters()),
        names(net.named_parameters("net", recurse=False)),
        names(net[0].named_parameters("block", recurse=False)),
        names(net.named_parameters(remove_duplicate=False)),
        names(net.named_buffers()),
        names(net.named_buffers(prefix="b", recurse=True, remove_duplicate=False)),
        len(list(net.parameters())),
        len(list(net[0].parameters(recurse=False))),
        len(list(net.buffers())),
        "scale" in dir(net[0]),
        "0" in dir(net),
        [type(module).__name__ for module in net.modules()],
    ]


def finding(t: Any) -> list[Any]:
    net = small(t)
    net.register_module("late", t.nn.Tanh())
    net.set_submodule("2.linear", t.nn.Linear(2, 3, bias=False))
    net.set_submodule("2.new", t.nn.Identity())
    return [
        type(net.get_submodule("0.linear")).__name__,
        net.get_submodule("") is net,
        net.get_parameter("0.linear.weight") is net[0].linear.weight,
        net.get_buffer("2.count") is net[2].count,
        repr(net),
    ]


def attributes(t: Any) -> list[Any]:
    net = small(t)
    block = net[0]
    log: list[Any] = []
    block.scale = None
    log.append(names(block.named_parameters()))
    block.scale = t.nn.Parameter(t.zeros(2))
    log.append(names(block.named_parameters()))
    block.linear = None
    log.append(repr(block))
    block.linear = t.nn.Linear(1, 1)
    block.count = t.ones(4)
    log.append(tuple(block.count.shape))
    block.count = None
    log.append(list(block.state_dict()))
    block.kept = t.nn.Buffer(t.zeros(2))
    block.dropped = t.nn.Buffer(t.zeros(2), persistent=False)
    log.append([list(block.state_dict()), names(block.named_buffers()), isinstance(block.kept, t.nn.Buffer)])
    log.append([isinstance(t.nn.Buffer(t.zeros(1)), t.nn.Parameter), isinstance(t.zeros(1), t.nn.Buffer)])
    block.dropped = t.ones(2)
    log.append(list(block.state_dict()))
    block.count = t.nn.Parameter(t.ones(1))
    log.append([names(block.named_parameters()), names(block.named_buffers())])
    del block.count, block.linear, block.kept
    log.append([hasattr(block, "count"), hasattr(block, "linear"), list(block.state_dict())])
    block.again = t.nn.ReLU()
    block.plain = 3
    log.append(repr(block))
    return log


def training(t: Any) -> list[Any]:
    class Frozen(t.nn.Module):
        def train(self, mode=True):
            return super().train(False)

    net = t.nn.Sequential(t.nn.Linear(2, 2), Frozen(), t.nn.Sequential(t.nn.Dropout()))
    log = [[module.training for module in net.modules()]]
    log.append([module.training for module in net.train().modules()])
    log.append([module.training for module in net.eval().modules()])
    seen: list[str] = []
    assert net.apply(lambda module: seen.append(type(module).__name__)) is net
    net.requires_grad_(False)
    return [*log, seen, [p.requires_grad for p in net.parameters()]]


def gradients(t: Any) -> list[Any]:
    net = t.nn.Linear(2, 1)
    net(t.ones(3, 2)).sum().backward()
    net.zero_grad(set_to_none=False)
    log = [net.weight.grad.tolist()]
    net.zero_grad()
    return [*log, net.weight.grad]


def conversion(t: Any) -> list[Any]:
    net = t.nn.Sequential(t.nn.Linear(2, 3), t.nn.BatchNorm1d(3))
    weight = net[0].weight
    net(t.ones(4, 2)).sum().backward()
    log = []
    for change in (
        lambda: net.double(),
        lambda: net.float(),
        lambda: net.to(t.float64),
        lambda: net.to(dtype=t.float32),
        lambda: net.to("cpu", t.float64),
        lambda: net.to(t.zeros(1)),
        lambda: net.to(t.device("cpu")),
        lambda: net.cpu(),
    ):
        assert change() is net
        log.append([repr(value.dtype) for value in net.state_dict().values()] + [repr(weight.grad.dtype)])
    return [*log, net[0].weight is weight]


def halves(t: Any) -> list[Any]:
    net = t.nn.Sequential(t.nn.Linear(2, 3), t.nn.BatchNorm1d(3))
    log = []
    for change in (
        lambda: net.half(),
        lambda: net.bfloat16(),
        lambda: net.type(t.float64),
        lambda: net.type(t.float32),
    ):
        change()
        log.append([repr(value.dtype) for value in net.state_dict().values()])
    return log


def emptied(t: Any) -> list[Any]:
    net = t.nn.Linear(2, 3)
    weight = net.weight
    net.to_empty(device="cpu")
    return [net.weight is weight, tuple(net.weight.shape), net.weight.requires_grad]


def copies(t: Any) -> list[Any]:
    net = small(t)
    other = copy.deepcopy(net)
    log = [repr(other) == repr(net), other[0].again is other[0].linear, other[0].linear is net[0].linear]
    with t.no_grad():
        other[0].scale.fill_(5.0)
    log += [net[0].scale.tolist(), list(other.state_dict()) == list(net.state_dict())]
    plain = t.nn.Sequential(t.nn.Linear(2, 2), t.nn.BatchNorm1d(2))
    plain[1].weight = plain[0].bias
    again = pickle.loads(pickle.dumps(plain))
    log += [repr(again), again[1].weight is again[0].bias, again[0].weight.tolist() == plain[0].weight.tolist()]
    log += [isinstance(again[0].weight, t.nn.Parameter), again[0].weight.requires_grad]
    return log


def texts(t: Any) -> list[Any]:
    class Told(t.nn.Module):
        def __init__(self, text, *parts):
            super().__init__()
            self.text = text
            for position, part in enumerate(parts):
                self.add_module(f"part{position}", part)

        def extra_repr(self):
            return self.text

    return [
        repr(Told("")),
        repr(Told("one")),
        repr(Told("one\ntwo")),
        repr(Told("one", t.nn.ReLU(), None)),
        repr(Told("one\n\ntwo", Told("three\nfour", t.nn.ModuleList([Told("a\n\nb", t.nn.Tanh())] * 2)))),
        repr(
            t.nn.ModuleList([t.nn.Sequential(t.nn.Linear(1, 2), t.nn.ReLU()) for _ in range(3)] + [t.nn.Linear(2, 2)])
        ),
        repr(t.nn.Sequential(t.nn.Sequential(), t.nn.ModuleList(), t.nn.ModuleDict({"a": t.nn.Tanh()}))),
        str(t.nn.Parameter(t.zeros(2))),
        repr(t.nn.Parameter(t.zeros(1), requires_grad=False)),
        [repr(kind) for kind in (t.nn.Parameter, t.nn.Buffer, t.nn.UninitializedParameter, t.nn.UninitializedBuffer)],
    ]


def initial(t: Any) -> list[Any]:
    class Mixed:
        def __init__(self, a, b=0):
            self.sum = a + b

    class Both(t.nn.Module, Mixed):
        call_super_init = True

    return [Both(2, b=3).sum, t.nn.Module().training, repr(t.nn.Module())]


@pytest.mark.parametrize(
    "scenario", [walking, finding, attributes, training, gradients, conversion, emptied, copies, texts, initial],
    ids=lambda scenario: scenario.__name__,
)  # fmt: skip
def test_scenarios(scenario: Callable[[Any], list[Any]]) -> None:
    """Each scenario leaves the same log with graphc and with PyTorch."""
    logs = []
    for t in (gc, torch):
        t.manual_seed(0)
        logs.append(scenario(t))
    assert logs[0] == logs[1]


def test_two_byte_floats() -> None:
    """half, bfloat16, and type convert parameters and buffers."""
    assert halves(gc) == halves(torch)


ERRORS: dict[str, Any] = {
    "positional": lambda t: t.nn.Module(1),
    "keyword": lambda t: t.nn.Module(a=1),
    "unknown attribute": lambda t: t.nn.ReLU().nothing,
    "no forward": lambda t: t.nn.Module()(1),
    "mode": lambda t: t.nn.ReLU().train(1),
    "early parameter": lambda t: early(t, lambda self: setattr(self, "p", t.nn.Parameter(t.zeros(1)))),
    "early module": lambda t: early(t, lambda self: setattr(self, "m", t.nn.ReLU())),
    "early buffer": lambda t: early(t, lambda self: self.register_buffer("b", t.zeros(1))),
    "early register": lambda t: early(t, lambda self: self.register_parameter("p", None)),
    "tensor for parameter": lambda t: setattr(t.nn.Linear(1, 1), "weight", t.zeros(1)),
    "double for parameter": lambda t: setattr(t.nn.Linear(1, 1), "weight", t.zeros(1, dtype=t.float64)),
    "module for parameter": lambda t: setattr(t.nn.Linear(1, 1), "weight", 3),
    "number for module": lambda t: setattr(t.nn.Sequential(t.nn.ReLU()), "0", 3),
    "number for buffer": lambda t: setattr(t.nn.BatchNorm1d(1), "running_mean", "x"),
    "register parameter": lambda t: t.nn.ReLU().register_parameter("p", t.zeros(1)),
    "register history": lambda t: t.nn.ReLU().register_parameter("p", with_history(t)),
    "register number": lambda t: t.nn.ReLU().register_buffer("p", 3),
    "parameter name": lambda t: t.nn.ReLU().register_parameter(3, None),
    "parameter dot": lambda t: t.nn.ReLU().register_parameter("a.b", None),
    "parameter empty": lambda t: t.nn.ReLU().register_parameter("", None),
    "parameter taken": lambda t: t.nn.ReLU().register_parameter("training", None),
    "buffer name": lambda t: t.nn.ReLU().register_buffer(3, None),
    "buffer dot": lambda t: t.nn.ReLU().register_buffer("a.b", None),
    "buffer empty": lambda t: t.nn.ReLU().register_buffer("", None),
    "buffer taken": lambda t: t.nn.ReLU().register_buffer("forward", None),
    "module name": lambda t: t.nn.ReLU().add_module(3, None),
    "module dot": lambda t: t.nn.ReLU().add_module("a.b", None),
    "module empty": lambda t: t.nn.ReLU().add_module("", None),
    "module taken": lambda t: t.nn.ReLU().add_module("forward", None),
    "no module": lambda t: t.nn.ReLU().add_module("x", 3),
    "submodule": lambda t: small(t).get_submodule("0.missing"),
    "submodule no module": lambda t: small(t).get_submodule("0.scale"),
    "parameter": lambda t: small(t).get_parameter("0.missing"),
    "no parameter": lambda t: small(t).get_parameter("0.count"),
    "buffer": lambda t: small(t).get_buffer("0.missing"),
    "no buffer": lambda t: small(t).get_buffer("0.scale"),
    "set nothing": lambda t: small(t).set_submodule("", t.nn.ReLU()),
    "set number": lambda t: small(t).set_submodule("0", 3),
    "set strict": lambda t: small(t).set_submodule("0.missing", t.nn.ReLU(), strict=True),
    "set over": lambda t: small(t).set_submodule("0.scale", t.nn.ReLU()),
    "to integers": lambda t: t.nn.Linear(1, 1).to(t.int64),
    "delete": lambda t: delattr(t.nn.ReLU(), "missing"),
    "integer parameter": lambda t: t.nn.Parameter(t.zeros(1, dtype=t.int64)),
    "no mapping": lambda t: t.nn.Linear(1, 1).load_state_dict([]),
}


def with_history(t: Any) -> Any:
    parameter = t.nn.Parameter(t.zeros(1), requires_grad=False)
    parameter.add_(t.ones(1, requires_grad=True))
    return parameter


def early(t: Any, act: Callable[[Any], Any]) -> Any:
    class Early(t.nn.Module):
        def __init__(self):
            act(self)

    return Early()


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    """Misuse raises PyTorch's errors, word for word."""
    assert_same_error(ERRORS[name])


def test_initialising_with_none_of_the_arguments() -> None:
    """A module's keywords are checked, and a Parameter of nothing is empty."""
    assert tuple(gc.nn.Parameter().shape) == (0,)
    assert gc.nn.Parameter(gc.zeros(2)).requires_grad
    shared = gc.zeros(2)
    parameter = gc.nn.Parameter(shared)
    shared[0] = 3.0
    assert parameter.tolist() == [3.0, 0.0]


# -- compiled --------------------------------------------------------------------------------------------------------


def test_changes_of_a_module_are_seen_by_compiled_steps() -> None:
    """Replaced parts, hooks, global hooks, and conversions lead to a new program; a flag that is set back does not."""
    gc.manual_seed(0)
    net = gc.nn.Sequential(gc.nn.Linear(3, 4), gc.nn.Dropout(0.5), gc.nn.Linear(4, 2))
    x = gc.tensor(normal(5, 3))
    compiled = gc.compile(lambda x: net(x).detach())

    def agree() -> Any:
        gc.manual_seed(1)
        found = compiled(x)
        gc.manual_seed(1)
        expected = net(x).detach()
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)
        return compiled.stages

    trained = agree()
    assert agree() is trained
    net.eval()
    assert agree() is not trained
    net.train()
    assert agree() is not None
    net.eval()
    handle = net[0].register_forward_hook(lambda module, inputs, result: result * 2)
    agree()
    handle.remove()
    agree()
    handle = gc.nn.modules.module.register_module_forward_hook(lambda module, inputs, result: result + 1)
    try:
        agree()
    finally:
        handle.remove()
    agree()
    net[2] = gc.nn.Linear(4, 3)
    agree()
    with gc.no_grad():
        net[2].weight.fill_(0.5)
    agree()


def test_a_module_compiles_itself() -> None:
    """After compile(), calling the module runs a program with the same results; copies are not compiled."""
    gc.manual_seed(0)
    net = gc.nn.Linear(3, 2)
    x = gc.tensor(normal(4, 3))
    expected = net(x).detach().numpy()
    net.compile()
    for _ in range(3):
        np.testing.assert_allclose(net(x).detach().numpy(), expected, rtol=1e-6)
    assert copy.deepcopy(net)._compiled_call_impl is None
    assert "_compiled_call_impl" not in pickle.loads(pickle.dumps(net)).__dict__


def test_modules_made_within_a_compiled_function() -> None:
    """Making a module, with all its attributes, can be a part of what is compiled."""

    def made(x: Any) -> Any:
        layer = gc.nn.Linear(3, 2)
        gc.nn.init.constant_(layer.weight, 0.5)
        gc.nn.init.zeros_(layer.bias)
        return layer(x).detach()

    compiled = gc.compile(made)
    x = gc.tensor(normal(4, 3))
    for _ in range(2):
        np.testing.assert_allclose(compiled(x).numpy(), made(x).numpy(), rtol=1e-6)


def test_warnings_of_replicas() -> None:
    """zero_grad of a replica warns as PyTorch's."""
    for t in (gc, torch):
        net, found = t.nn.Linear(1, 1), []
        net._is_replica = True
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            net.zero_grad()
            found.append([str(each.message)[:60] for each in caught])
        assert len(found[0]) == 1


def test_twins_have_equal_first_values() -> None:
    """The same seed gives the same parameters, whatever module they are in."""
    ours, theirs = twins(small)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_array_equal(mine.detach().numpy(), other.detach().numpy())
