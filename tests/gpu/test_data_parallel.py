"""A batch shared out among GPUs."""

from __future__ import annotations

import pytest

import graphc as gc
from graphc import nn, optim
from graphc.nn.parallel import data_parallel, gather, replicate, scatter


def make() -> nn.Module:
    gc.manual_seed(2)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 2)).cuda()


@pytest.mark.parametrize("batch", [8, 9, 1])
def test_gradients_of_all_parts_are_added(two: None, batch: int) -> None:
    """Results come together on the first GPU; gradients are those of the whole batch, and steps go on from there."""
    x = gc.randn(batch, 5)
    plain, shared = make(), nn.DataParallel(make(), [0, 1])
    assert shared.device_ids == [0, 1]
    for net in (plain, shared):
        optimizer = optim.SGD(net.parameters(), lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            result = net(x.cuda())
            assert str(result.device) == "cuda:0"
            result.pow(2).sum().backward()
            optimizer.step()
    for ours, theirs in zip(shared.parameters(), plain.parameters(), strict=True):
        assert str(ours.grad.device) == "cuda:0"
        assert gc.allclose(ours, theirs, atol=1e-5)
        assert gc.allclose(ours.grad, theirs.grad, atol=1e-5)


def test_every_copy_runs_where_its_part_is(two: None) -> None:
    """Tensors in containers are cut, other arguments go to every copy, and results in containers come together."""
    seen: list[str] = []

    class Told(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(gc.ones(3))
            self.register_buffer("count", gc.zeros(()))

        def forward(self, pair, factor=1.0, *, more):
            seen.append(f"{pair[0].device} {self.weight.device} {self.count.device} {more['y'].device}")
            return {"sum": pair[0] * self.weight * factor + more["y"], "size": [pair[0].sum()], "none": None}

    net = nn.DataParallel(Told().cuda(), output_device=1)
    x = gc.arange(12.0).reshape(4, 3)
    found = net((x.cuda(), 1), 2.0, more={"y": gc.ones(4, 3)})
    assert seen == [" ".join([f"cuda:{number}"] * 4) for number in (0, 1)]
    assert str(found["sum"].device) == "cuda:1"
    assert gc.equal(found["sum"].cpu(), x * 2 + 1)
    assert found["size"][0].tolist() == [x[:2].sum().item(), x[2:].sum().item()]
    assert found["none"] is None


def test_the_parts_of_it(two: None) -> None:
    """Cutting, copying, and bringing together, by themselves."""
    devices = [gc.device("cuda:0"), gc.device("cuda:1")]
    x = gc.arange(6.0).reshape(3, 2)
    parts = scatter([x, "text"], devices)
    assert [[part[0].tolist(), str(part[0].device), part[1]] for part in parts] == [
        [x[:2].tolist(), "cuda:0", "text"],
        [x[2:].tolist(), "cuda:1", "text"],
    ]
    assert gc.equal(gather([part[0] for part in parts], gc.device("cpu")), x)
    net = make()
    copies = replicate(net, devices)
    assert copies[0] is net
    assert str(copies[1][0].weight.device) == "cuda:1"
    assert not copies[1][0].weight.is_leaf
    assert data_parallel(net, x.new_ones(3, 5).cuda(), [0, 1]).shape == (3, 2)


def test_a_module_elsewhere_is_refused(two: None) -> None:
    """Parameters must be on the first of the devices."""
    with pytest.raises(
        RuntimeError, match=r"on device cuda:0 \(device_ids\[0\]\) but found one of them on device: cpu"
    ):
        nn.DataParallel(nn.Linear(2, 2), [0, 1])(gc.ones(2, 2))
    assert str(nn.DataParallel(nn.Linear(2, 2), [1])(gc.ones(2, 2, device="cuda:1")).device) == "cuda:1"
