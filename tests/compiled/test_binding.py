"""What a call is given, as the program is given it: between any two calls the user may change what a step works on."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim
from graphc.compiled.binding import Inputs

Change = Callable[[nn.Linear, "optim.SGD"], None]


def _replaced_gradient(layer: nn.Linear, optimizer: optim.SGD) -> None:
    layer.weight.grad = gc.full((2, 3), 0.5)


def _transposed_gradient(layer: nn.Linear, optimizer: optim.SGD) -> None:
    layer.weight.grad = gc.arange(6.0).reshape(3, 2).t()


def _shared_gradient(layer: nn.Linear, optimizer: optim.SGD) -> None:
    """The gradients of both parameters lie in one piece of memory."""
    memory = gc.arange(8.0)
    layer.weight.grad, layer.bias.grad = memory[:6].view(2, 3), memory[6:]


def _one_gradient(layer: nn.Linear, optimizer: optim.SGD) -> None:
    """The gradient of the bias is part of the weight's."""
    memory = gc.arange(6.0).reshape(3, 2)
    layer.weight.grad, layer.bias.grad = memory.view(2, 3), memory[1]


def _gradient_is_parameter(layer: nn.Linear, optimizer: optim.SGD) -> None:
    layer.bias.grad = layer.bias.detach()


def _gradient_with_history(layer: nn.Linear, optimizer: optim.SGD) -> None:
    layer.weight.grad = (gc.ones(2, 3, requires_grad=True) * 2).detach()
    layer.weight.grad.requires_grad_(False)


def _no_gradient(layer: nn.Linear, optimizer: optim.SGD) -> None:
    layer.bias.grad = None


def _other_memory(layer: nn.Linear, optimizer: optim.SGD) -> None:
    layer.weight.data = gc.full((2, 3), 0.25)


def _memory_out_of_order(layer: nn.Linear, optimizer: optim.SGD) -> None:
    layer.weight.data = gc.arange(6.0).reshape(3, 2).t()


def _frozen(layer: nn.Linear, optimizer: optim.SGD) -> None:
    layer.bias.requires_grad_(not layer.bias.requires_grad)


def _rate(layer: nn.Linear, optimizer: optim.SGD) -> None:
    optimizer.param_groups[0]["lr"] *= 0.5


def _hook(layer: nn.Linear, optimizer: optim.SGD) -> None:
    layer.register_forward_hook(lambda module, inputs, output: output * 2)


def _gradient_hook(layer: nn.Linear, optimizer: optim.SGD) -> None:
    layer.weight.register_hook(lambda gradient: gradient * 3)


CHANGES: list[Change] = [
    _replaced_gradient,
    _transposed_gradient,
    _shared_gradient,
    _one_gradient,
    _gradient_is_parameter,
    _gradient_with_history,
    _no_gradient,
    _other_memory,
    _memory_out_of_order,
    _frozen,
    _rate,
    _hook,
    _gradient_hook,
]


def _training(kind: str, compiled: bool) -> tuple[nn.Linear, optim.SGD, Callable[[gc.Tensor], gc.Tensor]]:
    """A small step in one of the ways in which gradients are kept or let go."""
    layer = nn.Linear(3, 2)
    with gc.no_grad():
        layer.weight.copy_(gc.arange(6.0).reshape(2, 3) / 10)
        layer.bias.copy_(gc.tensor([0.5, -0.5]))
    optimizer = optim.SGD(layer.parameters(), lr=0.01, momentum=0.9)

    def step(x: gc.Tensor) -> gc.Tensor:
        if kind in ("none", "zeros"):
            optimizer.zero_grad(set_to_none=kind == "none")
        loss = (layer(x) ** 2).sum()
        loss.backward()
        if kind != "added up":
            optimizer.step()
        if kind.startswith("afterwards"):
            optimizer.zero_grad(set_to_none=kind == "afterwards none")
        return loss

    return layer, optimizer, gc.compile(step) if compiled else step


def _state(layer: nn.Linear, optimizer: optim.SGD) -> list[np.ndarray | None]:
    momenta = [optimizer.state[parameter].get("momentum_buffer") for parameter in layer.parameters()]
    tensors = [*layer.parameters(), *(parameter.grad for parameter in layer.parameters()), *momenta]
    return [None if tensor is None else tensor.detach().numpy().copy() for tensor in tensors]


@pytest.mark.parametrize("kind", ["none", "zeros", "afterwards none", "afterwards zeros", "added up"])
@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_between_calls_is_seen(change: Change, kind: str) -> None:
    """After the change, and at the calls that follow, results, parameters, gradients, and momenta are eager mode's."""
    x = gc.arange(12.0).reshape(4, 3) / 7
    runs = [_training(kind, compiled) for compiled in (False, True)]
    for turn in range(6):
        found = []
        for layer, optimizer, step in runs:
            if turn in (2, 4):
                change(layer, optimizer)
            loss = step(x)
            found.append([loss.detach().numpy(), *_state(layer, optimizer)])
        for ours, theirs in zip(*found, strict=True):
            assert (ours is None) == (theirs is None)
            if ours is not None:
                np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", ["none", "zeros", "added up"])
def test_gradients_that_were_kept_stay_as_they_are(kind: str) -> None:
    """A gradient that the user holds is written to only where eager mode writes to it, adding in place."""
    x = gc.ones(4, 3)
    runs = [_training(kind, compiled) for compiled in (False, True)]
    held: list[list[gc.Tensor]] = [[], []]
    for _ in range(5):
        for (layer, _, step), kept in zip(runs, held, strict=True):
            step(x)
            kept.append(layer.weight.grad)
    for ours, theirs in zip(*held, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=2e-5)
    assert (held[1][-1] is held[1][-2]) == (held[0][-1] is held[0][-2])


def test_a_view_of_a_gradient_keeps_it() -> None:
    """Of a gradient only part is held: its memory is not given to the next one."""
    layer, _, step = _training("none", True)
    x = gc.ones(4, 3)
    step(x)
    step(x)
    row, before = layer.weight.grad[0], layer.weight.grad[0].clone()
    array = layer.bias.grad.numpy()
    bias = array.copy()
    for _ in range(3):
        step(x)
    assert gc.equal(row, before)
    np.testing.assert_array_equal(array, bias)


def test_memory_that_must_not_be_written_is_refused_as_in_eager_mode() -> None:
    """A step writes to its argument; where that lies in read-only memory, the call raises and nothing has changed."""
    counted = gc.zeros(1)

    def into(x: gc.Tensor, y: gc.Tensor) -> gc.Tensor:
        counted.add_(1)
        y += x
        return y * 2

    compiled = gc.compile(into)
    compiled(gc.ones(4), gc.zeros(4))
    values = np.ones(4, np.float32)
    values.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is not writable is said once in a process
        locked = gc.from_numpy(values)
    for call in (into, compiled):
        with pytest.raises(RuntimeError, match="read-only"):
            call(gc.ones(4), locked)
        with pytest.raises(RuntimeError, match="more than one element"):
            call(gc.ones(4), gc.ones(1).expand(4))
    np.testing.assert_array_equal(values, 1)
    assert counted.item() == 3  # of eager mode's calls two came so far
    assert gc.equal(compiled(gc.ones(4), gc.zeros(4)), gc.full((4,), 2.0))


def test_two_steps_with_gradients_on_two_threads() -> None:
    """Threads that call one step at once: as many steps as calls, none on another's table of addresses."""
    layer, _, step = _training("added up", True)
    x = gc.ones(4, 3)
    for _ in range(2):
        step(x)
    one = layer.weight.grad / 2
    threads = [threading.Thread(target=lambda: [step(x) for _ in range(50)]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_allclose(layer.weight.grad.numpy(), one.numpy() * 102, rtol=1e-4)


def test_many_steps_bind_as_one_does() -> None:
    """`run` on gradients that don't lie in order, and on parameters that don't: what so many calls give."""
    x = gc.arange(24.0).reshape(2, 4, 3) / 7
    found = []
    for many in (False, True):
        layer, optimizer, step = _training("afterwards zeros", True)
        step(x[0])
        step(x[0])
        _transposed_gradient(layer, optimizer)
        _memory_out_of_order(layer, optimizer)
        losses = step.run(2, x) if many else gc.stack([step(x[0]), step(x[1])])
        found.append([losses.detach().numpy(), *_state(layer, optimizer)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_two_parameters_may_come_to_have_one_gradient() -> None:
    """In place of two gradients one tensor, and two again: a sweep adds to it twice, as in eager mode."""
    found = []
    for compiled in (False, True):
        p, q = (gc.full((3,), float(value), requires_grad=True) for value in (2, 3))

        def step(x: gc.Tensor, p: gc.Tensor = p, q: gc.Tensor = q) -> gc.Tensor:
            loss = (p * x).sum() + 2 * (q * x).sum()
            loss.backward()
            return loss

        run = gc.compile(step) if compiled else step
        x, seen = gc.arange(3.0), []
        for turn in range(9):
            if turn in (3, 7):
                p.grad = q.grad = gc.ones(3)
            if turn == 5:
                p.grad, q.grad = gc.ones(3), gc.zeros(3)
            if turn == 8:
                p.grad = p.detach()  # the memory of the parameter itself
            run(x)
            seen += [p.grad.tolist(), q.grad.tolist(), p.tolist()]
        found.append(seen)
    assert found[0] == found[1]


def test_a_gradient_that_is_also_an_argument() -> None:
    """Of one kind and shape with other arguments: the step reads it after it has added to it, as eager mode does."""
    found = []
    for compiled in (False, True):
        p = gc.full((3,), 2.0, requires_grad=True)

        def step(x: gc.Tensor, p: gc.Tensor = p) -> gc.Tensor:
            (p * 3).sum().backward()
            return x * 2

        run = gc.compile(step) if compiled else step
        p.grad = gc.ones(3)
        seen = [run(gc.ones(3)).tolist() for _ in range(3)]
        seen += [run(p.grad).tolist() for _ in range(3)]
        seen += [run(gc.ones(3)).tolist(), p.grad.tolist()]
        found.append(seen)
    assert found[0] == found[1]


def test_results_that_are_held_in_any_way_are_never_written_again() -> None:
    """Small memory of results is taken again once nothing shows it: not while a view, an array, or a storage does."""
    step = gc.compile(lambda x: (x * 2, (x + 1).t()))
    values = [gc.full((2, 3), float(turn)) for turn in range(6)]
    for hold in (
        lambda pair: pair,
        lambda pair: [tensor[0] for tensor in pair],
        lambda pair: [tensor.numpy() for tensor in pair],
        lambda pair: [tensor.numpy()[1:] for tensor in pair],
        lambda pair: [memoryview(tensor.numpy()) for tensor in pair],
        lambda pair: [np.from_dlpack(tensor) for tensor in pair],
        lambda pair: [tensor.untyped_storage() for tensor in pair],
        lambda pair: [tensor.detach() for tensor in pair],
    ):
        held = [hold(step(x)) for x in values]
        again = [hold(tuple(tensor.clone() for tensor in (x * 2, (x + 1).t()))) for x in values]
        for ours, theirs in zip(held, again, strict=True):
            assert [part.tolist() for part in ours] == [part.tolist() for part in theirs]


def test_results_of_a_loop_take_memory_in_turn() -> None:
    """Where each result is let go before the one after the next is made, two pieces of memory serve all calls."""
    step = gc.compile(lambda x: x + 1)
    x = gc.ones(8)
    seen = set()
    for _ in range(6):
        x = step(x)
        seen.add(x.data_ptr())
    assert len(seen) <= 3
    assert x.tolist() == [7.0] * 8


def test_every_hyper_parameter_is_seen_without_the_rest_being_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values, whether they are zero, and the parameters of a group; a new rate alone binds no tensor anew."""
    x = gc.arange(12.0).reshape(4, 3) / 7
    found = []
    for compiled in (False, True):
        layer, optimizer, step = _training("none", compiled)
        (group,), seen = optimizer.param_groups, []
        for change in (
            {"lr": 0.02},
            {"lr": 0.02, "momentum": 0.5},
            {"weight_decay": 0.1},
            {"weight_decay": 0.2},
            {"weight_decay": 0},
            {"maximize": True},
            {"maximize": False, "params": [layer.bias]},
            {"params": [layer.weight, layer.bias]},
        ):
            for key, value in change.items():
                group[key] = value
            seen += [step(x).item() for _ in range(2)] + layer.weight.flatten().tolist()
        found.append(seen)
    np.testing.assert_allclose(*found, rtol=1e-4)
    assert len(step.report().builds) <= 6
    monkeypatch.setattr(Inputs, "bind_outside", lambda inputs: pytest.fail("bound anew"))
    before = layer.weight.clone()
    for rate in (0.0, 0.5):
        group["lr"] = rate
        step(x)
        assert gc.equal(layer.weight, before) == (rate == 0)
