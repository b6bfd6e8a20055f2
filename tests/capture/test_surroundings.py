"""What a compiled function stores outside of itself: repeated by every call, or refused with the line; and what it
reads there, seen as it is at each call."""

from __future__ import annotations

import collections
import copy
import dataclasses
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim

Program = Callable[[Callable[..., Any]], list[Any]]


def hidden_state(wrap: Callable[..., Any]) -> list[Any]:
    """The state of a recurrent network as a tuple in an attribute, cleared between sequences; a second function reads
    it, and what was kept of it outside stays."""

    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.hidden = nn.LSTMCell(3, 4), None

        def forward(self, x: gc.Tensor) -> gc.Tensor:
            h, c = self.cell(x, self.hidden)
            self.hidden = (h.detach(), c.detach())
            return h.sum()

    net = Recurrent()
    opt = optim.SGD(net.parameters(), lr=0.1)

    def step(x: gc.Tensor) -> gc.Tensor:
        opt.zero_grad()
        loss = net(x)
        loss.backward()
        opt.step()
        return loss

    step, look = wrap(step), wrap(lambda: net.hidden[0] * 2)
    found: list[Any] = []
    for _ in range(2):
        net.hidden = None
        for _ in range(3):
            found += [step(gc.randn(2, 3)), look()]
    kept = net.hidden
    before = kept[0].clone()
    step(gc.randn(2, 3))
    return [*found, kept[0] - before, net.hidden is kept, net.cell.weight_hh]


def buffers_and_flags(wrap: Callable[..., Any]) -> list[Any]:
    """A running mean that is bound anew, attributes that change places, a flag for the first call, resets outside."""

    class Statistics(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", gc.zeros(2))
            self.first, self.second, self.started = gc.zeros(2), gc.ones(2), False

        def forward(self, x: gc.Tensor) -> gc.Tensor:
            if not self.started:
                self.mean, self.started = x * 5, True
            self.mean = 0.9 * self.mean + 0.1 * x
            self.first, self.second = self.second, self.first + x
            self.mean += 1
            return self.mean * self.first

    net = Statistics()
    step, look = wrap(net), wrap(lambda x: x + net.mean + net.first)
    found: list[Any] = []
    for number in range(4):
        found += [step(gc.ones(2) * number), look(gc.ones(2)), net.state_dict()["mean"].clone(), net.started]
    net.started, net.first = False, gc.ones(2) * 100
    return [*found, step(gc.ones(2)), look(gc.ones(2)), net.first, net.second]


def variables_and_containers(wrap: Callable[..., Any]) -> list[Any]:
    """A variable, an item deep within dicts and lists, an attribute of an object, and the last items of a queue."""
    total, table, meter = gc.zeros(2), {"a": {"b": [gc.ones(2)]}}, SimpleNamespace(sum=None)
    queue: Any = collections.deque(maxlen=2)

    def step(x: gc.Tensor) -> gc.Tensor:
        nonlocal total
        total = total + x
        table["a"]["b"][0] = table["a"]["b"][0] * 2
        meter.sum = x if meter.sum is None else meter.sum + x
        queue.append(x * 3)
        return total * table["a"]["b"][0] + sum(queue)

    step = wrap(step)
    found = [step(gc.full((2,), float(number))) for number in range(5)]
    return [*found, total, table["a"]["b"][0], meter.sum, *queue]


def activations_of_hooks(wrap: Callable[..., Any]) -> list[Any]:
    """What a forward hook puts into a dict is that of the newest call."""
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    seen: dict[str, gc.Tensor] = {}
    net[0].register_forward_hook(lambda module, inputs, output: seen.__setitem__("first", output.detach()))
    step = wrap(net)
    found: list[Any] = []
    for number in range(3):
        found += [step(gc.ones(1, 2) * number).detach(), seen["first"]]
    return found


def containers_that_are_replaced(wrap: Callable[..., Any]) -> list[Any]:
    """A new dict, a new record, and a new object each time, with the old one's values in it; another function reads."""

    @dataclasses.dataclass
    class Pair:
        first: Any
        second: Any

    state, pair, box = {"h": gc.zeros(2), "deep": {"c": gc.ones(2)}}, Pair(gc.zeros(2), gc.ones(2)), {"inner": {}}
    box["inner"] = {"z": gc.zeros(2)}

    def step(x: gc.Tensor) -> gc.Tensor:
        nonlocal state, pair
        state = {"h": state["h"] + x, "deep": {"c": state["deep"]["c"] * 2}}
        pair = dataclasses.replace(pair, second=pair.first + pair.second + x)
        box["inner"] = {"z": box["inner"]["z"] + x}
        return state["h"] * state["deep"]["c"] + pair.second

    step, look = wrap(step), wrap(lambda: state["h"] + pair.second + box["inner"]["z"])
    found: list[Any] = []
    for number in range(4):
        found += [step(gc.full((2,), float(number))), look()]
    return [*found, state["deep"]["c"], pair.first, pair.second, box["inner"]["z"]]


def classes_and_files(wrap: Callable[..., Any]) -> list[Any]:
    """Attributes of a class, of an object with slots, and of a Python module; arrays and lists of numbers."""

    class Total:
        sum = gc.zeros(2)

        @classmethod
        def update(cls, x: gc.Tensor) -> None:
            cls.sum = cls.sum + x

    class Slots:
        __slots__ = ("last", "sum")

        def __init__(self) -> None:
            self.sum, self.last = gc.zeros(2), None

    slots, settings = Slots(), ModuleType("settings")
    settings.factor, settings.weight, settings.sum = 2.0, gc.ones(2), gc.zeros(2)
    array, numbers = np.ones(2, np.float32), [1.0, 2.0]

    def step(x: gc.Tensor) -> gc.Tensor:
        Total.update(x)
        slots.sum, slots.last = slots.sum + x, x
        settings.sum = settings.sum + x
        return x * settings.factor * settings.weight + gc.tensor(array) + numbers[0]

    step = wrap(step)
    found: list[Any] = []
    for number in range(4):
        found += [step(gc.ones(2)), Total.sum, slots.sum, slots.last, settings.sum]
        settings.factor = 3.0 + number
    settings.weight = gc.full((2,), 9.0)
    found += [step(gc.ones(2))]
    array += 1
    found += [step(gc.ones(2))]
    numbers[0] = 5.0
    return [*found, step(gc.ones(2))]


def state_with_history(wrap: Callable[..., Any]) -> list[Any]:
    """A variable that holds what can be differentiated, detached where it is read."""
    cell, hidden = nn.GRUCell(3, 4), gc.zeros(1, 4)

    def step(x: gc.Tensor) -> gc.Tensor:
        nonlocal hidden
        hidden = cell(x, hidden.detach())
        return hidden.sum()

    step = wrap(step)
    found: list[Any] = []
    for _ in range(4):
        cell.zero_grad()
        step(gc.randn(1, 3)).backward()
        found += [hidden.detach(), cell.weight_hh.grad.clone()]
    return found


def modes(wrap: Callable[..., Any]) -> list[Any]:
    """Modes that functions set are set by every call, and those that are put back are what they were."""
    net = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5))

    def train(x: gc.Tensor) -> gc.Tensor:
        net.train()
        return net(x)

    def both(x: gc.Tensor) -> gc.Tensor:
        was = net.training
        net.eval()
        first = net(x)
        net.train(was)
        return first + net(x)

    def evaluate(x: gc.Tensor) -> gc.Tensor:
        net.train()
        first = net(x)
        net.eval()
        return first + net(x)

    train, both, evaluate = wrap(train), wrap(both), wrap(evaluate)
    found: list[Any] = []
    for _ in range(3):
        for step in (train, both, evaluate, both):
            found += [step(gc.ones(2, 3)).detach(), net.training, net[1].training]
    net.train()
    net[1].eval()
    return [*found, both(gc.ones(2, 3)).detach(), net.training, net[1].training]


def variables_from_outside(wrap: Callable[..., Any]) -> list[Any]:
    """Variables that get other values between calls: numbers, functions, tensors, models, and their optimizers."""
    factor, weight, items = 2.0, gc.ones(1), [gc.ones(1)]
    net = nn.Linear(2, 1)
    opt = optim.SGD(net.parameters(), lr=0.1)

    def helper(x: gc.Tensor) -> gc.Tensor:
        return x * factor

    def shifted(x: gc.Tensor) -> gc.Tensor:
        return x * factor + 1

    def step(x: gc.Tensor) -> gc.Tensor:
        opt.zero_grad()
        loss = (chosen(net(x)) * weight * items[0]).sum()
        loss.backward()
        opt.step()
        return loss

    chosen = helper
    step = wrap(step)
    x = gc.ones(3, 2)
    found = [step(x), step(x)]
    net = nn.Linear(2, 1)
    opt = optim.SGD(net.parameters(), lr=0.1)
    found += [step(x), net.weight.detach().clone()]
    factor, weight = 3.0, gc.full((1,), 5.0)
    found += [step(x)]
    items[0] = items[0] * 7
    found += [step(x)]

    chosen = shifted
    return [*found, step(x), net.weight]


def numbers_in_objects(wrap: Callable[..., Any]) -> list[Any]:
    """Numbers of a configuration that change between calls, in an object, a dict, and the object of a method."""

    class Trainer:
        def __init__(self) -> None:
            self.factor, self.steps = 2.0, 0

        def scaled(self, x: gc.Tensor) -> gc.Tensor:
            return x * self.factor

        def step(self, x: gc.Tensor) -> gc.Tensor:
            return self.scaled(x) * options.scale + table["shift"]

        def count(self) -> None:
            self.steps += 1

    options, table, trainer = SimpleNamespace(scale=3.0, unused=0), {"shift": 1.0}, Trainer()
    step = wrap(trainer.step)
    found: list[Any] = []
    for _ in range(2):
        trainer.count()
        found += [step(gc.ones(2))]
    trainer.factor = 5.0
    found += [step(gc.ones(2))]
    options.scale = 7.0
    found += [step(gc.ones(2))]
    table["shift"] = -1.0
    return [*found, step(gc.ones(2))]


def numbers_that_nothing_reads(wrap: Callable[..., Any]) -> list[Any]:
    """The last loss as a number, kept on a module and in a variable for whoever looks."""

    class Keeps(nn.Module):
        def forward(self, x: gc.Tensor) -> gc.Tensor:
            nonlocal total
            loss = x.sum()
            self.loss = total = loss.item()
            return x * 2

    total = 0.0
    net = Keeps()
    step = wrap(net)
    found: list[Any] = []
    for number in range(4):
        found += [step(gc.ones(2) * number), net.loss, total]
    return found


def what_hooks_of_tensors_keep(wrap: Callable[..., Any]) -> list[Any]:
    """A gradient that a hook on a parameter puts into a dict; and a table by sizes that fills up."""
    net, seen, table = nn.Linear(2, 2), {}, {}
    net.weight.register_hook(lambda gradient: seen.__setitem__("weight", gradient.clone()))

    def positions(count: int) -> gc.Tensor:
        if count not in table:
            table[count] = gc.arange(float(count)).unsqueeze(1)
        return table[count]

    def step(x: gc.Tensor) -> gc.Tensor:
        net.zero_grad()
        loss = (net(x) + positions(x.shape[0])).sum()
        loss.backward()
        return loss

    step = wrap(step)
    found: list[Any] = []
    for number, rows in enumerate((3, 4, 3, 5, 4, 5)):
        found += [step(gc.ones(rows, 2) * number), seen["weight"], [(key, type(key)) for key in table]]
    return found


def lists_that_grow(wrap: Callable[..., Any]) -> list[Any]:
    """Lists that the step only appends to: in a variable, by a hook on a module, along ways by value; cleared after."""
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    net.seen, losses, values, turns = [], [], [], []
    for module in net:
        module.register_forward_hook(lambda module, inputs, output: net.seen.append(output.detach()))

    def step(x: gc.Tensor) -> gc.Tensor:
        loss = net(x).square().sum()
        losses.append(loss.item())
        values.append((loss.detach(), "loss"))
        while loss > 0.5:
            loss = loss / 2
            turns.append(loss.detach())
        return loss.detach()

    step = wrap(step)
    found: list[Any] = []
    for number in (1, 1, 5, 1, 5):
        found.append(step(gc.ones(1, 2) * number))
    values.clear()
    step(gc.ones(1, 2))
    return [*found, *losses, *(value for value, _ in values), *net.seen, len(turns), *turns]


PROGRAMS = (
    hidden_state,
    buffers_and_flags,
    variables_and_containers,
    activations_of_hooks,
    classes_and_files,
    containers_that_are_replaced,
    lists_that_grow,
    what_hooks_of_tensors_keep,
    state_with_history,
    modes,
    numbers_in_objects,
    numbers_that_nothing_reads,
    variables_from_outside,
)


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_is_stored_outside_is_stored_by_every_call(program: Program) -> None:
    """Results, what was stored, and the random stream are those of eager mode, whatever else reads or resets it."""

    def run(wrap: Callable[..., Any]) -> list[Any]:
        gc.manual_seed(1)
        return [*program(wrap), gc.rand(1)]

    expected, found = run(lambda function: function), run(gc.compile)
    assert len(found) == len(expected)
    for place, (one, other) in enumerate(zip(found, expected, strict=True)):
        if isinstance(other, gc.Tensor):
            gc.testing.assert_close(one, other, msg=lambda words, place=place: f"{place}: {words}")
        else:
            assert one == other, place


def test_functions_that_set_modes_by_turns_are_built_once() -> None:
    """Training and evaluating steps that set the mode themselves find each other's mode at every call."""
    net = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5))

    @gc.compile
    def train(x: gc.Tensor) -> gc.Tensor:
        net.train()
        return net(x)

    @gc.compile
    def evaluate(x: gc.Tensor) -> gc.Tensor:
        net.eval()
        return net(x)

    for _ in range(3):
        train(gc.ones(1, 3)), evaluate(gc.ones(1, 3))
    assert [len(step.report().builds) for step in (train, evaluate)] == [1, 1]


def test_state_that_is_reset_causes_no_build() -> None:
    """Each kind of value that an attribute has is a build, and no more."""

    class Keeps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = None

        def forward(self, x: gc.Tensor) -> gc.Tensor:
            self.last = x if self.last is None else self.last + x
            return self.last

    net = Keeps()
    step = gc.compile(net)
    for _ in range(3):
        net.last = None
        assert [step(gc.ones(1)).item() for _ in range(4)] == [1.0, 2.0, 3.0, 4.0]
    assert len(step.report().builds) == 2


def test_numbers_that_the_step_does_not_name_cause_no_build() -> None:
    """A counter that the loop around a step keeps in the step's own object."""

    class Trainer:
        def __init__(self) -> None:
            self.steps, self.factor = 0, 2.0

        def step(self, x: gc.Tensor) -> gc.Tensor:
            return x * self.factor

        def log(self) -> int:
            return self.steps

    trainer = Trainer()
    step = gc.compile(trainer.step)
    for _ in range(3):
        step(gc.ones(2))
        trainer.steps += 1
    assert len(step.report().builds) == 1


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("meter.count += 1", "meter.count"),
        ("table['deep']['list'].append(x)", r"len\(table\['deep'\]\['list'\]\)"),
        ("net.seen.append(x); x = x * len(net.seen)", r"len\(net.seen\)"),
        ("net.seen.insert(0, x)", r"len\(net.seen\)"),
        ("net.number = net.number + 1", "Module.number"),
        ("seen.add(x)", r"len\(seen\)"),
        ("table.pop('deep')", r"table\['deep'\]"),
        ("array[1] += 1", "array"),
        ("net.last = net.last + x.sum().item()", "Module.last"),
        ("table['last'] = x.sum().item()", r"table\['last'\]"),
    ],
)
def test_what_can_not_be_repeated_is_refused_and_undone(statement: str, name: str) -> None:
    """Numbers that are counted and containers that grow, however deep they lie; all is as it was before the call."""
    meter, table, seen, net = SimpleNamespace(count=0), {"deep": {"list": [1.0]}}, set(), nn.Module()
    net.seen, net.number, net.last = [], 0, 0.0
    array = np.zeros(2)
    namespace: dict[str, Any] = {"array": array, "meter": meter, "table": table, "net": net, "seen": seen}
    before = copy.deepcopy((meter.count, table, seen, net.seen, net.number, net.last))
    exec(f"def step(x):\n    {statement}\n    return x * 2", namespace)
    step = gc.compile(namespace["step"])
    for _ in range(2):
        with pytest.raises(gc.CaptureError, match=name):
            step(gc.ones(2))
        assert (meter.count, table, seen, net.seen, net.number, net.last) == before
        assert array.tolist() == [0.0, 0.0]


def test_a_module_that_is_not_called_is_looked_at() -> None:
    """Its attributes may change between calls."""
    net = nn.Module()
    net.scale, net.number = gc.tensor(2.0), 3
    step = gc.compile(lambda x: x * net.scale * net.number)
    assert step(gc.ones(1)).item() == 6.0
    net.scale = gc.tensor(5.0)
    assert step(gc.ones(1)).item() == 15.0
    net.number = 4
    assert step(gc.ones(1)).item() == 20.0


def given_other_memory(wrap: Callable[..., Any]) -> list[Any]:
    """``.data = ...``: of a target network, of weights that are normalised, and of an argument; what was kept of the
    old memory stays, gradients are kept, and two tensors exchange theirs."""
    net, target = nn.Linear(3, 2), nn.Linear(3, 2)
    opt = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    first, second = gc.zeros(2), gc.ones(2)

    def step(x: gc.Tensor, given: gc.Tensor) -> gc.Tensor:
        opt.zero_grad()
        loss = net(x).pow(2).sum()
        loss.backward()
        opt.step()
        for own, other in zip(target.parameters(), net.parameters(), strict=True):
            own.data = 0.9 * own.data + 0.1 * other.data
        net.weight.data = net.weight.data / net.weight.data.norm()
        net.bias.data = net.bias.data
        first.data, second.data = second.data, first.data + 1
        given.data = given.data * 2
        return loss

    step, look = wrap(step), wrap(lambda x: net(x).detach())
    found: list[Any] = []
    given = nn.Parameter(gc.ones(2))
    for _ in range(3):
        kept = net.weight.data
        before = kept.clone()
        found += [step(gc.randn(4, 3), given), look(gc.ones(1, 3)), kept - before, first.clone(), second.clone()]
        found += [net.weight.grad.clone(), target.bias.detach().clone(), given.detach().clone(), net.weight.is_leaf]
    return found


def test_memory_that_is_given_to_tensors() -> None:
    """Every call gives tensors new memory, as eager mode does."""
    gc.manual_seed(1)
    expected = given_other_memory(lambda function: function)
    gc.manual_seed(1)
    found = given_other_memory(gc.compile)
    for place, (one, other) in enumerate(zip(found, expected, strict=True)):
        gc.testing.assert_close(
            gc.as_tensor(one), gc.as_tensor(other), msg=lambda words, place=place: f"{place}: {words}"
        )


def test_tensors_that_are_given_memory_are_differentiated_from_outside() -> None:
    """As long as no rule reads what they held before: in eager mode it would find what they hold after."""

    def run(wrap: Callable[..., Any]) -> list[gc.Tensor]:
        weight, other = nn.Parameter(gc.ones(2)), nn.Parameter(gc.ones(2))

        def step(x: gc.Tensor) -> gc.Tensor:
            result = (x * weight).sin()
            weight.data = weight.data * 2
            return result + weight**2 * other

        step = wrap(step)
        found: list[gc.Tensor] = []
        for _ in range(3):
            result = step(gc.ones(2))
            weight.grad = other.grad = None
            result.sum().backward()
            found += [result.detach(), weight.grad, other.grad, weight.detach().clone()]
        return found

    for one, expected in zip(run(gc.compile), run(lambda function: function), strict=True):
        gc.testing.assert_close(one, expected)

    weight, other = nn.Parameter(gc.ones(2)), nn.Parameter(gc.ones(2))

    @gc.compile
    def refused(x: gc.Tensor) -> gc.Tensor:
        result = x * weight * other
        other.data = other.data * 2
        return result

    with pytest.raises(gc.CaptureError, match=r"test_surroundings\.py:\d+: Parameter\.data"):
        refused(gc.ones(2))
    assert other.tolist() == [1.0, 1.0]
