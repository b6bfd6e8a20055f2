"""Steps are asked for and not waited for; whoever looks at what they made, or writes to what they read, waits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from graphc.runtime.gpus import gpu


@pytest.fixture
def waits(devices: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one whenever the first GPU is waited for."""
    counted: list[int] = []
    first = gpu(0)
    own = type(first).synchronize

    def synchronize(self: object) -> None:
        counted.append(1)
        own(self)

    monkeypatch.setattr(type(first), "synchronize", synchronize)
    return counted


def trained(device: str, optimizer: str) -> tuple[Callable[[], gc.Tensor], nn.Module]:
    gc.manual_seed(2)
    net = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.3), nn.Linear(8, 3)).to(device)
    made = getattr(optim, optimizer)(net.parameters(), lr=0.05)
    x, y = gc.randn(5, 6).to(device), (gc.arange(5) % 3).to(device)

    @gc.compile
    def step() -> gc.Tensor:
        made.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        made.step()
        return loss

    return step, net


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_steps_are_not_waited_for(optimizer: str, waits: list[int]) -> None:
    """State, random numbers, checked labels, and an optimizer's counters on the CPU included: the GPU has all to do at
    the end, and what it gives is what the CPU gives; random numbers go on where it left them."""
    expected, other = trained("cpu", optimizer)
    losses = [expected().item() for _ in range(6)]
    following = gc.rand(3)
    step, net = trained("cuda", optimizer)
    found = [step(), step()]
    waits.clear()
    found += [step() for _ in range(4)]
    assert (waits, gpu(0).pending) == ([], True)
    np.testing.assert_allclose([loss.item() for loss in found], losses, rtol=1e-4)
    assert not gpu(0).pending
    assert gc.equal(gc.rand(3), following)
    for parameter, value in zip(net.parameters(), other.parameters(), strict=True):
        np.testing.assert_allclose(parameter.cpu().detach().numpy(), value.detach().numpy(), rtol=1e-3, atol=1e-5)


LOOKS: list[Callable[[gc.Tensor], object]] = [
    lambda x: x.tolist(),
    lambda x: x.cpu().tolist(),
    lambda x: x.numpy(force=True).tolist(),
    lambda x: eval(str(x), {"tensor": lambda values, **_: values}),
    lambda x: [float(x[0]), float(x[1]), x.t()[2].item()],
    lambda x: (x + 0).tolist(),
    lambda x: gc.cat([x, x])[3:].tolist(),
    lambda x: x.reshape(3, 1).expand(3, 2)[:, 1].tolist(),
    lambda x: x[gc.tensor([0, 1, 2])].tolist(),
    lambda x: gc.as_tensor(x.detach(), dtype=gc.float64).tolist(),
    lambda x: list(x.untyped_storage()) and x.tolist(),
    lambda x: gc.as_strided(x, (3,), (1,)).tolist(),
    lambda x: gc.zeros(3).copy_(x).tolist(),
    lambda x: gc.zeros(3, device="cuda").copy_(x).tolist(),
    lambda x: gc.zeros(3, device="cuda").add_(x).tolist(),
    lambda x: [gc.equal(x, x)] and x.double().tolist(),
    lambda x: x.sort()[0].tolist(),
    lambda x: x.resize_(3).tolist(),
    lambda x: nn.Parameter(x).tolist(),
    lambda x: gc.compile(lambda y: y * 1, backend="c")(x).tolist(),
    lambda x: __import__("copy").deepcopy(x).tolist(),
    lambda x: gc.masked_select(x, x > -9).tolist(),
]


@pytest.mark.parametrize("look", LOOKS, ids=range(len(LOOKS)))
def test_whoever_looks_waits(look: Callable[[gc.Tensor], object]) -> None:
    """However values are looked at, they are those that the step gives."""
    double = gc.compile(lambda x: x * 2)
    for start in (1.0, 4.0):
        x = gc.tensor([start, start + 1, start + 2], device="cuda")
        result = double(x)
    assert gpu(0).pending
    assert look(result) == [8, 10, 12]


WRITES: list[Callable[[gc.Tensor], object]] = [
    lambda x: x.zero_(),
    lambda x: x.fill_(7),
    lambda x: x.add_(1),
    lambda x: x.copy_(gc.zeros(3)),
    lambda x: x.exp_(),
    lambda x: x[1:].zero_(),
    lambda x: x.__setitem__(0, 5.0),
    lambda x: x.__setitem__(gc.tensor([0, 2]), 5.0),
    lambda x: x.normal_(),
    lambda x: gc.add(x, 1, out=x),
    lambda x: x.clamp_(max=0),
    lambda x: x.untyped_storage().__setitem__(3, 0),
]


@pytest.mark.parametrize("write", WRITES, ids=range(len(WRITES)))
def test_whoever_writes_waits(write: Callable[[gc.Tensor], object]) -> None:
    """What a step reads is what it was when the step was called."""
    double = gc.compile(lambda x: x * 2)
    double(gc.ones(3, device="cuda"))
    x = gc.tensor([1.0, 2.0, 3.0], device="cuda")
    result = double(x)
    assert gpu(0).pending
    write(x)
    assert result.tolist() == [2, 4, 6]


def test_memory_that_is_used_again() -> None:
    """New tensors may get memory that a step still reads or writes: they have their own values, and so has the step."""
    double = gc.compile(lambda x: (x * 2, x + 1))
    kept = []
    for turn in range(6):
        x = gc.full((300,), float(turn)).to("cuda")
        kept.append(double(x)[0])  # the other result's memory is free at once
        del x
        other = gc.full((300,), -1.0).to("cuda")
        assert turn < 1 or gpu(0).pending
        kept.append(other)
    assert [each[7].item() for each in kept[::2]] == [0, 2, 4, 6, 8, 10]
    assert all((each == -1).all() for each in kept[1::2])


def test_state_of_the_cpu_goes_from_program_to_program() -> None:
    """Two programs that change one tensor of the CPU's, an eager write between them, and a look from elsewhere."""
    count, weight = gc.zeros(2), gc.ones(3, device="cuda")

    def changed(by: float) -> Callable[[gc.Tensor], gc.Tensor]:
        def step(x: gc.Tensor) -> gc.Tensor:
            count[:1].add_(by)
            return weight * x * count[0]

        return gc.compile(step)

    one, other = changed(1.0), changed(10.0)
    x = gc.full((3,), 2.0, device="cuda")
    total = 0.0
    for _ in range(3):
        for step, by in ((one, 1.0), (one, 1.0), (other, 10.0)):
            total += by
            result = step(x)
        count[1] = 5
        count.mul_(2)
        total *= 2
        assert result.tolist() == [total] * 3
    assert count.tolist() == [total, 10]


def test_gradients_lie_side_by_side() -> None:
    """Those of a step are one allocation, and each is its own: one that was kept stays as it was."""
    step, net = trained("cuda", "SGD")
    step()
    step()
    kept = [parameter.grad for parameter in net.parameters()]
    values = [gradient.tolist() for gradient in kept]
    before = gc.cuda.memory_allocated()
    for _ in range(3):
        step()
    assert [gradient.tolist() for gradient in kept] == values
    now = [parameter.grad for parameter in net.parameters()]
    assert all(gradient.data_ptr() % 256 == 0 for gradient in now)
    assert len({gradient.data_ptr() for gradient in (*kept, *now)}) == 2 * len(now)
    assert gc.cuda.memory_allocated() - before == 256 * len(now)
    now[0].zero_()
    assert now[1].abs().sum() > 0
    del kept, now
    step()
    assert gc.cuda.memory_allocated() <= before
