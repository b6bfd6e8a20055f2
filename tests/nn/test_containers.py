"""Containers of modules and parameters against PyTorch's."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from tests.nn.twins import assert_same_error, normal

torch = pytest.importorskip("torch")


def sequences(t: Any) -> list[Any]:
    nn = t.nn
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    log = [len(net), type(net[-1]).__name__, repr(net[1:]), repr(net[::2])]
    net.append(nn.Tanh()).extend([nn.Sigmoid(), nn.Identity()])
    log.append(repr(net))
    net.insert(1, nn.Softplus())
    net.insert(-1, nn.Dropout())
    log.append(repr(net))
    del net[0], net[-2:]
    log.append(repr(net))
    log.append([repr(net.pop(1)), repr(net)])
    net[0] = nn.GELU()
    log.append(repr(net))
    both = net + nn.Sequential(nn.ReLU())
    log += [repr(both), repr(both * 2), repr(2 * nn.Sequential(nn.ReLU())), both[0] is net[0]]
    net += nn.Sequential(nn.ReLU())
    net *= 2
    log.append(repr(net))
    named = nn.Sequential(OrderedDict(first=nn.Linear(2, 2), second=nn.ReLU()))
    named[0] = nn.Linear(2, 3)
    log += [repr(named), list(named.state_dict()), repr(named[:1]), [type(m).__name__ for m in named]]
    del named[0]
    log.append(repr(named))
    log.append([name for name in dir(nn.Sequential(nn.ReLU())) if name.isdigit()])
    return log


def lists(t: Any) -> list[Any]:
    nn = t.nn
    net = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
    log = [len(net), repr(net), repr(net[1:]), repr(nn.ModuleList())]
    net.append(nn.ReLU()).extend([nn.Tanh(), nn.Tanh()])
    net.insert(0, nn.Identity())
    log.append(repr(net))
    del net[1], net[-2:]
    log += [repr(net), list(net.state_dict()), repr(net.pop(-1))]
    net += [nn.GELU()]
    net[0] = nn.Sigmoid()
    log += [
        repr(net),
        repr(net + nn.ModuleList([nn.ReLU()])),
        [type(m).__name__ for m in net],
        net[-1] is net[len(net) - 1],
    ]
    log.append(repr(nn.ModuleList([nn.ModuleList([nn.Linear(1, 1), nn.ReLU()]) for _ in range(2)])))
    return log


def dicts(t: Any) -> list[Any]:
    nn = t.nn
    net = nn.ModuleDict({"b": nn.ReLU(), "a": nn.Linear(1, 1)})
    log = [repr(net), list(net), list(net.keys()), "a" in net, len(net)]
    net["c"] = nn.Tanh()
    net.update([("d", nn.Identity()), ["e", nn.GELU()]])
    net.update(nn.ModuleDict({"f": nn.ReLU()}))
    log += [repr(net), [type(m).__name__ for m in net.values()], [n for n, _ in net.items()]]
    del net["b"]
    log += [repr(net.pop("a")), repr(net)]
    net.clear()
    return [*log, len(net), repr(net)]


def parameter_lists(t: Any) -> list[Any]:
    nn = t.nn
    net = nn.ParameterList([t.zeros(2), nn.Parameter(t.ones(2, 3), requires_grad=False), "text"])
    log = [repr(net), len(net), list(net.state_dict()), isinstance(net[0], nn.Parameter), net[2], net[-1]]
    net.append(t.ones(1)).extend([t.zeros(3, 1), 5])
    net += [nn.Parameter(t.zeros(4))]
    net[0] = t.ones(5)
    log += [repr(net), repr(net[1:3]), [name for name, _ in net.named_parameters()]]
    log.append([name for name in dir(net) if name.isdigit()])
    log.append([tuple(p.shape) if hasattr(p, "shape") else p for p in net])
    return log


def parameter_dicts(t: Any) -> list[Any]:
    nn = t.nn
    net = nn.ParameterDict({"b": t.zeros(2), "a": nn.Parameter(t.ones(2, 3)), "c": "text"})
    log = [repr(net), list(net), list(net.state_dict()), "a" in net, net["c"], list(reversed(net))]
    net["d"] = t.ones(1)
    log += [net.get("zzz"), net.get("zzz", 4), tuple(net.setdefault("e", t.zeros(3)).shape), net.setdefault("c")]
    log += [tuple(net.pop("d").shape), list(net), net.popitem()[0], list(net.keys())]
    net.update([("x", t.zeros(1))])
    net.update(OrderedDict(z=t.zeros(1), y=t.zeros(1)))
    net |= nn.ParameterDict({"q": t.zeros(1)})
    log += [list(net), list(net.copy()), list(net | nn.ParameterDict({"r": t.zeros(1)})), len(list(net.values()))]
    log += [list(net.fromkeys(["k", "l"], t.zeros(1))), [name for name, _ in net.items()]]
    del net["b"]
    net.clear()
    return [*log, len(net), repr(net)]


def shared_layers(t: Any) -> list[Any]:
    layer = t.nn.Linear(2, 2)
    net = t.nn.Sequential(layer, t.nn.ReLU(), layer)
    return [
        [name for name, _ in net.named_parameters()],
        list(net.state_dict()),
        [type(m).__name__ for m in net.modules()],
    ]


def computed(t: Any) -> list[Any]:
    t.manual_seed(0)
    net = t.nn.Sequential(t.nn.Linear(2, 3), t.nn.Sequential(t.nn.Tanh(), t.nn.Linear(3, 1)))
    return [[round(value, 5) for value in net(t.from_numpy(normal(3, 2))).flatten().tolist()]]


SCENARIOS = (sequences, lists, dicts, parameter_lists, parameter_dicts, shared_layers, computed)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_scenarios(scenario: Callable[[Any], list[Any]]) -> None:
    """Each scenario leaves the same log with graphc and with PyTorch."""
    for mine, other in zip(scenario(gc), scenario(torch), strict=True):
        assert mine == other


ERRORS: dict[str, Any] = {
    "sequential index": lambda t: t.nn.Sequential(t.nn.ReLU())[1],
    "sequential add": lambda t: t.nn.Sequential() + t.nn.ModuleList(),
    "sequential mul": lambda t: t.nn.Sequential() * 1.5,
    "sequential mul 0": lambda t: t.nn.Sequential() * 0,
    "sequential insert": lambda t: t.nn.Sequential().insert(0, 3),
    "sequential insert at": lambda t: t.nn.Sequential().insert(2, t.nn.ReLU()),
    "sequential part": lambda t: t.nn.Sequential(3),
    "sequential append": lambda t: t.nn.Sequential().append(3),
    "list index": lambda t: t.nn.ModuleList()[0],
    "list extend": lambda t: t.nn.ModuleList().extend(3),
    "list part": lambda t: t.nn.ModuleList([3]),
    "list call": lambda t: t.nn.ModuleList()(1),
    "dict key": lambda t: t.nn.ModuleDict()["a"],
    "dict update": lambda t: t.nn.ModuleDict().update(3),
    "dict pair": lambda t: t.nn.ModuleDict().update([3]),
    "dict pair length": lambda t: t.nn.ModuleDict().update([("a", 1, 2)]),
    "parameter list": lambda t: t.nn.ParameterList().extend(t.zeros(2)),
    "parameter list index": lambda t: t.nn.ParameterList()[0],
    "parameter list call": lambda t: t.nn.ParameterList()(1),
    "parameter dict key": lambda t: t.nn.ParameterDict()[3],
    "parameter dict update": lambda t: t.nn.ParameterDict().update(3),
    "parameter dict call": lambda t: t.nn.ParameterDict()(1),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    """Misuse raises PyTorch's errors, word for word."""
    assert_same_error(ERRORS[name])


def test_compiled_steps_see_changes_of_containers() -> None:
    """Appending, inserting, deleting, and replacing parts, also of a dict, change what a compiled function does."""
    net = gc.nn.Sequential(gc.nn.Linear(2, 2), gc.nn.Tanh())
    parts = gc.nn.ModuleDict({"a": gc.nn.Tanh()})

    class Both(gc.nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.parts = net, parts

        def forward(self, x):
            x = self.net(x)
            for part in self.parts.values():
                x = part(x)
            return x

    module = Both()
    compiled = gc.compile(lambda x: module(x).detach())
    x = gc.tensor(normal(3, 2))
    net.append(gc.nn.Sigmoid())
    for change in (
        lambda: None,
        lambda: net.append(gc.nn.ReLU()),
        lambda: net.insert(1, gc.nn.Linear(2, 2)),
        lambda: net.__delitem__(0),
        lambda: net.__setitem__(0, gc.nn.Identity()),
        lambda: net.pop(-1),
        lambda: parts.update({"b": gc.nn.Sigmoid()}),
        lambda: parts.pop("a"),
        lambda: parts.clear(),
    ):
        change()
        np.testing.assert_allclose(compiled(x).numpy(), module(x).detach().numpy(), rtol=1e-5)
