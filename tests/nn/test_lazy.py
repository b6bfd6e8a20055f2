"""Lazy modules against PyTorch's."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import graphc as gc
from tests.nn.twins import assert_close, assert_same_error, compare, normal, twins

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.filterwarnings("ignore:Lazy modules are a new feature:UserWarning")

KINDS: dict[str, tuple[Any, Any]] = {
    "linear": (lambda t: t.nn.LazyLinear(4), normal(2, 3)),
    "linear without bias": (lambda t: t.nn.LazyLinear(4, bias=False), normal(3)),
    "conv1d": (lambda t: t.nn.LazyConv1d(4, 3, padding=1), normal(2, 3, 6)),
    "conv2d": (lambda t: t.nn.LazyConv2d(4, 3, 2, groups=2), normal(2, 4, 6, 7)),
    "conv2d without bias": (lambda t: t.nn.LazyConv2d(4, (3, 2), bias=False), normal(3, 6, 7)),
    "conv3d": (lambda t: t.nn.LazyConv3d(2, 2), normal(1, 3, 3, 4, 4)),
    "conv_transpose1d": (lambda t: t.nn.LazyConvTranspose1d(4, 3, 2), normal(2, 3, 5)),
    "conv_transpose2d": (lambda t: t.nn.LazyConvTranspose2d(4, 3, groups=2), normal(1, 2, 4, 4)),
    "conv_transpose3d": (lambda t: t.nn.LazyConvTranspose3d(2, 2, bias=False), normal(1, 3, 3, 3, 3)),
    "batch_norm1d": (lambda t: t.nn.LazyBatchNorm1d(), normal(5, 3)),
    "batch_norm2d": (lambda t: t.nn.LazyBatchNorm2d(0.1, momentum=None), normal(2, 3, 4, 4)),
    "batch_norm3d": (lambda t: t.nn.LazyBatchNorm3d(affine=False), normal(2, 3, 2, 3, 2)),
    "batch_norm untracked": (lambda t: t.nn.LazyBatchNorm1d(track_running_stats=False), normal(5, 3)),
    "instance_norm1d": (lambda t: t.nn.LazyInstanceNorm1d(), normal(2, 3, 5)),
    "instance_norm2d": (lambda t: t.nn.LazyInstanceNorm2d(affine=False), normal(2, 3, 4, 4)),
    "instance_norm3d": (lambda t: t.nn.LazyInstanceNorm3d(), normal(2, 3, 2, 3, 2)),
}


@pytest.mark.parametrize("name", KINDS)
def test_first_call(name: str) -> None:
    """Before: text and names; the first call draws PyTorch's numbers and makes the module an ordinary one; results and
    gradients."""
    make, x = KINDS[name]
    before = twins(make)
    assert repr(before[0]) == repr(before[1])
    assert list(before[0].state_dict()) == list(before[1].state_dict())
    assert [repr(p) for p in before[0].parameters()] == [repr(p) for p in before[1].parameters()]
    assert before[0].has_uninitialized_params() == before[1].has_uninitialized_params()

    def used(t: Any) -> Any:
        net = make(t)
        with t.no_grad():
            net(t.from_numpy(x))
        return net

    ours, _ = compare(used, [x])
    assert type(ours).__name__ == type(before[0]).cls_to_become.__name__
    assert not hasattr(ours, "_initialize_hook")


def net_of(t: Any) -> Any:
    return t.nn.Sequential(t.nn.LazyLinear(4), t.nn.ReLU(), t.nn.LazyLinear(2))


def states(t: Any) -> list[Any]:
    """States of lazy modules, to lazy ones and ordinary ones."""
    lazy, other = net_of(t), net_of(t)
    log: list[Any] = [repr(lazy.load_state_dict(other.state_dict())), repr(lazy)]
    other(t.ones(1, 3))
    log += [repr(lazy.load_state_dict(other.state_dict())), repr(lazy), lazy[0].has_uninitialized_params()]
    log += [tuple(lazy[0].weight.shape), type(lazy[0].weight).__name__, lazy[0].weight.requires_grad]
    log.append(lazy(t.ones(2, 3)).tolist() == other(t.ones(2, 3)).tolist())
    return [*log, repr(lazy)]


def conversions(t: Any) -> list[Any]:
    """A dtype that is set before the first call stays; copies and pickles are lazy too."""
    net = net_of(t).double()
    twin, again = copy.deepcopy(net), pickle.loads(pickle.dumps(net[0].weight))
    log = [repr(net[0].weight), repr(twin[0].weight), repr(again), again.requires_grad]
    log += [repr(net(t.ones(1, 3, dtype=t.float64)).dtype), repr(twin)]
    log += [repr(twin(t.ones(1, 5, dtype=t.float64)).dtype), repr(twin)]
    weight = t.nn.UninitializedParameter(dtype=t.float64)
    weight.materialize((2, 3))
    buffer = t.nn.UninitializedBuffer()
    log += [repr(weight.dtype), tuple(weight.shape), type(weight).__name__, repr(buffer), buffer.requires_grad]
    buffer.materialize((4,), dtype=t.int64)
    return [*log, repr(buffer.dtype), type(buffer).__name__]


@pytest.mark.parametrize("scenario", [states, conversions], ids=lambda scenario: scenario.__name__)
def test_scenarios(scenario: Any) -> None:
    """Each scenario leaves the same log with graphc and with PyTorch."""
    assert scenario(gc) == scenario(torch)


def of_own(t: Any, **members: Any) -> Any:
    kind = type("Own", (t.nn.modules.lazy.LazyModuleMixin, t.nn.Module), members)
    return kind()


ERRORS: dict[str, Any] = {
    "shape": lambda t: t.nn.LazyLinear(3).weight.shape,
    "share": lambda t: t.nn.LazyLinear(3).weight.share_memory_(),
    "loaded by an ordinary one": lambda t: t.nn.Linear(2, 3).load_state_dict(t.nn.LazyLinear(3).state_dict()),
    "groups": lambda t: t.nn.LazyConv2d(4, 3, groups=2)(t.zeros(1, 3, 4, 4)),
    "rank": lambda t: t.nn.LazyConv2d(4, 3)(t.zeros(3, 4)),
    "not defined": lambda t: of_own(t)(t.zeros(1)),
    "not done": lambda t: not_done(t),
    "another width": lambda t: another_width(t),
}


def not_done(t: Any) -> Any:
    net = of_own(t, initialize_parameters=lambda self, x: None, forward=lambda self, x: x)
    net.weight = t.nn.UninitializedParameter()
    return net(t.zeros(1))


def another_width(t: Any) -> Any:
    lazy = t.nn.LazyLinear(3)
    lazy.load_state_dict(t.nn.Linear(2, 3).state_dict())
    return lazy(t.zeros(1, 4))


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    """What can't be done before shapes are known raises PyTorch's errors, word for word."""
    assert_same_error(ERRORS[name])


COMPUTING: dict[str, Any] = {
    "sum": lambda t, p: p.sum(),
    "add": lambda t, p: p + 1,
    "right operand": lambda t, p: t.ones(2) * p,
    "linear": lambda t, p: t.nn.functional.linear(t.zeros(1, 2), p),
}


@pytest.mark.parametrize("name", COMPUTING)
def test_computing_with_what_has_no_shape(name: str) -> None:
    """It is PyTorch's error, with PyTorch's words but for the name of the function."""
    raised = []
    for t in (gc, torch):
        with pytest.raises(ValueError, match="Attempted to use an uninitialized parameter in") as caught:
            COMPUTING[name](t, t.nn.UninitializedParameter())
        raised.append(str(caught.value))
    assert raised[0].partition(". ")[2] == raised[1].partition(". ")[2]


def test_lazy_modules_in_a_compiled_step() -> None:
    """The first call of a compiled forward gives the parameters their shapes; what it records is the ordinary net."""
    results = []
    for compiled in (False, True):
        gc.manual_seed(0)
        net = gc.nn.Sequential(gc.nn.LazyLinear(4), gc.nn.LazyBatchNorm1d(), gc.nn.Tanh(), gc.nn.LazyLinear(2))

        def step(x: Any, net: Any = net) -> Any:
            net.zero_grad()
            loss = (net(x) ** 2).mean()
            loss.backward()
            return loss.detach()

        run = gc.compile(step) if compiled else step
        losses = [run(gc.tensor(normal(5, 3))).item() for _ in range(3)]
        if compiled:
            first = run.stages
            run(gc.tensor(normal(5, 3)))
            assert run.stages is first
        else:
            run(gc.tensor(normal(5, 3)))
        results.append((losses, list(net.state_dict().values()), [p.grad for p in net.parameters()]))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-5)
    for mine, other in zip(results[1][1] + results[1][2], results[0][1] + results[0][2], strict=True):
        np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=1e-4, atol=1e-5)


def test_an_optimizer_made_before_the_first_call() -> None:
    """The parameters that an optimizer was given are those that get their shapes."""
    seen = []
    for t in (gc, torch):
        t.manual_seed(0)
        net = net_of(t)
        optimizer = t.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        for _ in range(3):
            optimizer.zero_grad()
            (net(t.from_numpy(normal(4, 3))) ** 2).sum().backward()
            optimizer.step()
        seen.append(list(net.parameters()))
    assert_close(*seen)
