"""The state of modules against PyTorch's: what is in it, taking it over, messages, hooks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from tests.nn.twins import assert_same_error

torch = pytest.importorskip("torch")


def net_of(t: Any) -> Any:
    class Counter(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.count = 3
            self.register_buffer("total", t.tensor(0))
            self.register_buffer("scratch", t.zeros(2), persistent=False)

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    return t.nn.Sequential(OrderedDict(linear=t.nn.Linear(2, 3), norm=t.nn.LayerNorm(3), counter=Counter()))


def contents(t: Any) -> list[Any]:
    net = net_of(t)
    state = net.state_dict()
    log = [list(state), dict(state._metadata), state["counter._extra_state"], type(state).__name__]
    log += [state["linear.weight"].requires_grad, net.state_dict(keep_vars=True)["linear.weight"] is net.linear.weight]
    log += [list(net.state_dict(prefix="net."))]
    destination: OrderedDict[str, Any] = OrderedDict(a=1)
    assert net.state_dict(destination=destination) is destination
    log += [list(destination)]
    with t.no_grad():
        net.linear.bias.fill_(4.0)
    return [*log, state["linear.bias"].tolist(), state["counter.total"].dtype == t.int64]


def loading(t: Any) -> list[Any]:
    net, other = net_of(t), net_of(t)
    other.counter.count = 8
    weight = net.linear.weight
    log = [repr(net.load_state_dict(other.state_dict())), net.counter.count, net.linear.weight is weight]
    log += [net.linear.weight.tolist() == other.linear.weight.tolist()]
    partial = {"linear.bias": t.ones(3), "extra": t.zeros(1)}
    found = net.load_state_dict(partial, strict=False)
    log += [repr(found), found.missing_keys, found.unexpected_keys, net.linear.bias.tolist()]
    log += [repr(t.nn.Linear(1, 1).load_state_dict({"weight": t.zeros(1, 1, dtype=t.float64), "bias": t.zeros(1)}))]
    state = net.state_dict()
    state["counter.total"] = t.tensor([5])
    net.load_state_dict(state)
    return [*log, net.counter.total.tolist()]


def assigning(t: Any) -> list[Any]:
    net = t.nn.Sequential(t.nn.Linear(2, 2), t.nn.BatchNorm1d(2))
    net[0].bias.requires_grad_(False)
    state = {name: value.double() if value.is_floating_point() else value for name, value in net.state_dict().items()}
    result = repr(net.load_state_dict(state, assign=True))
    log = [result, [repr(value.dtype) for value in net.state_dict().values()]]
    log += [isinstance(net[0].weight, t.nn.Parameter), net[0].weight.requires_grad, net[0].bias.requires_grad]
    return [*log, net[1].running_mean is state["1.running_mean"]]


def hooks(t: Any) -> list[Any]:
    net, log = net_of(t), []
    net.linear.register_state_dict_pre_hook(lambda module, prefix, keep: log.append(("before", prefix, keep)))
    net.register_state_dict_post_hook(lambda module, state, prefix, meta: state.update(more=t.zeros(1)))
    net.linear._register_state_dict_hook(lambda module, state, prefix, meta: log.append((prefix, meta)))
    state = net.state_dict()
    log.append(list(state))

    def rename(module, state, prefix, meta, strict, missing, unexpected, errors):
        log.append((type(module).__name__, prefix, meta, strict))
        state[prefix + "weight"] = state.pop(prefix + "old_weight", state.get(prefix + "weight"))

    net.linear.register_load_state_dict_pre_hook(rename)
    net.norm._register_load_state_dict_pre_hook(lambda state, prefix, *rest: log.append(prefix))
    net.register_load_state_dict_post_hook(lambda module, keys: log.append((keys.missing_keys, keys.unexpected_keys)))
    net.norm.register_load_state_dict_post_hook(lambda module, keys: keys.unexpected_keys.clear())
    state.pop("more")
    state["linear.old_weight"] = state.pop("linear.weight")
    log.append(repr(net.load_state_dict(state)))
    return log


def overriding(t: Any) -> list[Any]:
    log: list[Any] = []

    class Renamed(t.nn.Linear):
        _version = 2

        def _save_to_state_dict(self, destination, prefix, keep_vars):
            super()._save_to_state_dict(destination, prefix, keep_vars)
            destination[prefix + "kernel"] = destination.pop(prefix + "weight")

        def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, *rest):
            log.append((prefix, local_metadata.get("version"), strict))
            state_dict[prefix + "weight"] = state_dict.pop(prefix + "kernel")
            super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, *rest)

    net = t.nn.Sequential(Renamed(2, 2), Renamed(2, 1))
    state = net.state_dict()
    log.append([list(state), dict(state._metadata)])
    return [*log, repr(net.load_state_dict(state))]


SCENARIOS = (contents, loading, assigning, hooks, overriding)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_scenarios(scenario: Callable[[Any], list[Any]]) -> None:
    """Each scenario leaves the same log with graphc and with PyTorch."""
    assert scenario(gc) == scenario(torch)


def nested(t: Any) -> Any:
    return t.nn.Sequential(t.nn.Linear(2, 3), t.nn.Sequential(t.nn.BatchNorm1d(3)))


def changed(t: Any, change: Callable[[Any], Any]) -> Any:
    net = nested(t)
    state = net.state_dict()
    change(state)
    return net.load_state_dict(state)


def raised(t: Any) -> Any:
    class Silent(t.nn.Module):
        pass

    net = Silent()
    net.register_state_dict_post_hook(lambda *given: 3)
    return net.state_dict()


def returned(t: Any) -> Any:
    net = t.nn.ReLU()
    net.register_load_state_dict_post_hook(lambda module, keys: keys)
    return net.load_state_dict({})


def twice(t: Any) -> Any:
    hook = lambda *given: None  # noqa: E731
    net = t.nn.ReLU()
    net.register_state_dict_post_hook(hook)
    net._register_state_dict_hook(hook)


ERRORS: dict[str, Any] = {
    "missing": lambda t: changed(t, lambda state: [state.pop(name) for name in ("0.bias", "1.0.running_var")]),
    "unexpected": lambda t: changed(t, lambda state: state.update({"0.more": t.zeros(1), "2.x": t.zeros(1), "y": 3})),
    "shape": lambda t: changed(t, lambda state: state.update({"0.weight": t.zeros(3, 3), "1.0.bias": t.zeros(1)})),
    "all": lambda t: changed(t, lambda state: (state.pop("0.bias"), state.update(b=3, **{"0.weight": t.zeros(2)}))),
    "arrays": lambda t: changed(t, lambda state: state.update({"0.weight": np.zeros((3, 2))})),
    "no mapping": lambda t: nested(t).load_state_dict([1]),
    "extra missing": lambda t: net_of(t).load_state_dict({**net_of(t).linear.state_dict(prefix="linear.")}),
    "extra unexpected": lambda t: t.nn.ReLU().load_state_dict({"_extra_state": 3}),
    "post hook returns": lambda t: raised(t),
    "load hook returns": lambda t: returned(t),
    "hook twice": lambda t: twice(t),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    """States that don't fit raise PyTorch's errors, word for word."""
    assert_same_error(ERRORS[name])


def test_what_fits_is_taken_over_all_the_same() -> None:
    """Where a state has a member too many, those that fit are copied before the error, as in PyTorch."""
    for t in (gc, torch):
        net = t.nn.Linear(1, 1)
        with pytest.raises(RuntimeError):
            net.load_state_dict({"weight": t.full((1, 1), 7.0), "bias": t.zeros(1), "x": t.zeros(1)})
        assert net.weight.tolist() == [[7.0]]


def test_positional_arguments_warn() -> None:
    """The older form of state_dict warns as PyTorch's and works."""
    for t in (gc, torch):
        with pytest.warns(FutureWarning, match="Positional args are being deprecated, use kwargs instead"):
            state = t.nn.Linear(1, 1).state_dict(OrderedDict(), "a.", True)
        assert list(state) == ["a.weight", "a.bias"]
        assert state["a.weight"].requires_grad


def test_compiled_steps_see_a_state_that_was_taken_over() -> None:
    """After load_state_dict, by copying and by assignment, a compiled function computes with the new values."""
    net, other = gc.nn.Linear(2, 2), gc.nn.Linear(2, 2)
    compiled = gc.compile(lambda x: net(x).detach())
    x = gc.ones(3, 2)
    compiled(x)
    for assign in (False, True):
        with gc.no_grad():
            other.weight.add_(1.0)
        state = {name: value.clone() for name, value in other.state_dict().items()}
        net.load_state_dict(state, assign=assign)
        np.testing.assert_allclose(compiled(x).numpy(), other(x).detach().numpy(), rtol=1e-6)
