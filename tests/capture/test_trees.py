"""Arguments and results that are objects, and containers that a compiled function changes."""

from __future__ import annotations

import copy
import dataclasses
import gc as garbage
import types
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.capture.trees import difference, flatten, flatten_results, unflatten
from graphc.distributions import Normal
from graphc.tensor import Tensor


@dataclasses.dataclass
class Config:
    scale: float
    shift: Any = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    scale: float
    shift: Any = 0.0


class Thing:
    def __init__(self, scale: float, shift: Any = 0.0):
        self.scale, self.shift = scale, shift


class Slotted:
    __slots__ = ("scale", "shift")

    def __init__(self, scale: float, shift: Any = 0.0):
        self.scale, self.shift = scale, shift


class Pair(NamedTuple):
    scale: float
    shift: Any = 0.0


def namespace(scale: float, shift: Any = 0.0) -> types.SimpleNamespace:
    return types.SimpleNamespace(scale=scale, shift=shift)


RECORDS = (Config, Frozen, Thing, Slotted, Pair, namespace)


@pytest.mark.parametrize("make", RECORDS)
def test_equal_objects_are_one_build_and_their_tensors_are_arguments(make: Callable[..., Any]) -> None:
    """An object made anew for each call, with other tensors in it, causes no build and is not held alive; another
    number in it is another build, whose reason names the attribute."""

    @gc.compile
    def function(x, config):
        return x * config.scale + config.shift

    alive = []
    for number in range(3):
        config = make(2.0, gc.full((2,), float(number)))
        np.testing.assert_array_equal(function(gc.ones(2), config).numpy(), [2 + number] * 2)
        if make in (Config, Thing):
            alive.append(weakref.ref(config))
    del config
    garbage.collect()
    assert not any(reference() for reference in alive)
    assert len(function.report().builds) == 1
    assert function(gc.ones(1), make(3.0, gc.ones(1))).item() == 4
    name = "[0]" if make is Pair else ".scale"
    assert f"arguments[1]{name} is 3.0, was 2.0" in function.report().builds[-1].reason


def test_an_attribute_that_changes_between_calls_is_seen() -> None:
    """Also within a list within an object."""
    thing = Thing(1.0, [0.0, Config(1.0)])

    @gc.compile
    def function(x, thing):
        return x * thing.scale * thing.shift[1].scale

    assert function(gc.ones(1), thing).item() == 1
    thing.shift[1].scale = 5.0
    assert function(gc.ones(1), thing).item() == 5
    thing.scale = gc.full((1,), 2.0)
    assert function(gc.ones(1), thing).item() == 10
    assert function(gc.ones(1), thing).item() == 10


def test_objects_with_a_state_of_their_own_are_told_apart_by_identity_and_not_held() -> None:
    """A module, a function, an object with many parts, and one that holds itself: the program is for that one, its
    builds go with it, and the warning about many builds says what changes."""

    @gc.compile
    def function(x, apply):
        return apply(x) + 1

    def run() -> list[float]:
        return [function(gc.ones(1), lambda x, number=number: x * number).item() for number in range(8)]

    with pytest.warns(RuntimeWarning, match=r"every\s+new object.*The latest: .*arguments\[1\] is another function"):
        found = run()
    assert found == [1, 2, 3, 4, 5, 6, 7, 8]
    assert len(function.report().builds) == 1

    many, own = Thing(1.0, list(range(1000))), Thing(2.0)
    own.shift = own
    for holder, scale in ((many, 1), (own, 2), (many, 1)):
        scaled = gc.compile(lambda x, holder: x * holder.scale)
        assert scaled(gc.ones(1), holder).item() == scaled(gc.ones(1), holder).item() == scale

    net = nn.Linear(1, 1)
    called = gc.compile(lambda x, net: net(x))
    for module in (net, net, copy.deepcopy(net)):
        called(gc.ones(1, 1), module)
    assert len(called.report().builds) == 2


@pytest.mark.parametrize("make", [*RECORDS[:4], namespace])
def test_results_that_are_objects_are_new_at_every_call(make: Callable[..., Any]) -> None:
    """With the tensors of that call in them, and gradients that reach the arguments."""

    @gc.compile
    def function(x):
        return make(1.5, {"twice": x * 2, "same": x}), [x.sin()]

    for number in range(3):
        x = gc.full((2,), float(number), requires_grad=True)
        found, _ = function(x)
        assert type(found) is type(make(0.0))
        assert found.scale == 1.5
        assert found.shift["same"] is x
        found.shift["twice"].sum().backward()
        np.testing.assert_array_equal(found.shift["twice"].detach().numpy(), [2.0 * number] * 2)
        np.testing.assert_array_equal(x.grad.numpy(), [2.0, 2.0])


def test_a_distribution_goes_in_and_comes_out() -> None:
    """Its parameters are the call's."""

    @gc.compile
    def wider(given):
        return Normal(given.loc + 1, given.scale * 2)

    for number in range(3):
        found = wider(Normal(gc.full((2,), float(number)), gc.ones(2)))
        assert (found.loc.tolist(), found.scale.tolist()) == ([number + 1.0] * 2, [2.0] * 2)
        assert found.log_prob(found.loc).shape == (2,)
    assert len(wider.report().builds) == 1


def test_one_tensor_returned_twice_is_one_tensor() -> None:
    """As in eager mode."""
    function = gc.compile(lambda x: (lambda y: {"a": y, "b": [y, y.t()]})(x * 2))
    for _ in range(3):
        found = function(gc.ones(2, 3))
        assert found["a"] is found["b"][0]
        found["a"].fill_(5)
        assert found["b"][1].min() == 5


@pytest.mark.parametrize("result", [lambda x: iter([x]), lambda x: {x * 2}, lambda x: (t for t in (x, x))])
def test_results_that_cannot_be_made_again_are_refused(result: Callable[[Tensor], Any]) -> None:
    """Iterators and sets of tensors."""
    with pytest.raises(TypeError, match="a compiled function returned a"):
        gc.compile(result)(gc.ones(2))


def change_list(x, held):
    held["list"].append(x * 2)
    held["list"][0] = x
    held["list"].insert(1, len(held["list"]))
    return x + 1


def change_dict(x, held):
    state = held.pop("state") * 2
    held["state"] = held["new"] = state
    held["count"] += 1
    held["loss"] = state.sum().item()
    return state


def change_record(x, held):
    thing = held["thing"]
    thing.shift = thing.shift + x
    thing.extra = [thing.shift, x]
    del thing.scale
    return thing.shift


@pytest.mark.parametrize("change", [change_list, change_dict, change_record])
def test_what_the_function_does_to_containers_is_done_at_every_call(change: Callable[..., Any]) -> None:
    """Lists, dicts, and objects among the arguments hold afterwards what eager mode leaves in them."""

    def held(number: int) -> dict[str, Any]:
        thing = Thing(1.0, gc.full((2,), 1.0 + number))
        return {"list": [1, thing], "state": gc.full((2,), 2.0 + number), "count": 3, "thing": thing}

    compiled = gc.compile(change)
    for number in range(3):
        x, ours, theirs = gc.full((2,), float(number)), held(number), held(number)
        list_before, thing_before = ours["list"], ours["thing"]
        result, expected = compiled(x, ours), change(x, theirs)
        assert ours["list"] is list_before
        assert ours["thing"] is thing_before
        one, other = flatten_results((result, ours)), flatten_results((expected, theirs))
        assert difference(one[1], other[1]) == ""
        assert [t.tolist() for t in one[0]] == [t.tolist() for t in other[0]]
        if change is not change_record:
            assert any(t is x for t in one[0]) == any(t is x for t in other[0])
    assert len(compiled.report().builds) == 1


def test_containers_are_given_back_where_a_capture_is_refused() -> None:
    """What a refused call appended is gone."""

    @gc.compile
    def function(x, held):
        held.append(x * 2)
        return float(x.sum().detach().numpy())

    held: list[Tensor] = []
    with pytest.raises(gc.CaptureError):
        function(gc.ones(2), held)
    assert held == []


def test_flatten_and_unflatten_are_inverse() -> None:
    """Every kind of container comes back with its type."""
    tree = (1, [2.0, gc.ones(1)], {"a": Pair(1.0, gc.zeros(1)), "b": None}, Config(3.0, (gc.ones(2), True)))
    tensors, description = flatten_results(tree)
    again = unflatten(description, iter(tensors))
    assert (type(again[2]["a"]), type(again[3]), again[0], again[2]["b"]) == (Pair, Config, 1, None)
    assert [tensor is other for tensor, other in zip(tensors, flatten(again)[0], strict=True)] == [True] * 3
    assert flatten(tree)[1] == flatten(again)[1]


def test_a_tensor_kept_in_an_object_with_a_state_of_its_own() -> None:
    """Later calls put theirs there."""

    class Keeper:
        def state_dict(self):
            return {}

    @gc.compile
    def function(x, keeper):
        keeper.last = x * 2
        return x

    keeper = Keeper()
    for number in range(4):
        function(gc.full((2,), float(number)), keeper)
        assert keeper.last.tolist() == [2.0 * number] * 2
