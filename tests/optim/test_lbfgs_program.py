"""L-BFGS inside a compiled step does what it does in eager mode: the same calls of the closure, state, and numbers."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim
from tests.optim.test_lbfgs import LBFGS_CASES
from tests.optim.training import arrays

X, Y = (np.random.default_rng(seed).standard_normal((8, 4)) for seed in (1, 2))


class Fit:
    """A net, its optimizer, and a step; with ``noisy`` the net draws, keeps statistics, and has a frozen parameter."""

    def __init__(self, options, noisy=False):
        gc.manual_seed(3)
        parts = [nn.BatchNorm1d(6), nn.Dropout(0.3)] if noisy else []
        self.net = nn.Sequential(nn.Linear(4, 6), *parts, nn.Tanh(), nn.Linear(6, 4)).double()
        self.net[-1].bias.requires_grad_(not noisy)
        self.optimizer = optim.LBFGS(self.net.parameters(), **options)
        self.keeps = noisy

    def step(self, x, y):
        def closure():
            self.optimizer.zero_grad(set_to_none=not self.keeps)
            loss = ((self.net(x) - y) ** 2).mean()
            if loss.requires_grad:
                loss.backward()
            return loss

        return self.optimizer.step(closure)

    def values(self):
        tensors = [*self.net.parameters(), *self.net.buffers()]
        return [tensor.detach().numpy() for tensor in tensors] + [
            p.grad.numpy() for p in self.net.parameters() if p.grad is not None
        ]


def batch():
    return gc.tensor(X), gc.tensor(Y)


def assert_close(mine, theirs):
    for one, other in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("case", LBFGS_CASES)
def test_a_compiled_step_is_the_eager_one(case):
    """Losses, parameters, gradients, and state in PyTorch's layout over several steps, with one build."""
    compiled, eager = Fit(LBFGS_CASES[case]), Fit(LBFGS_CASES[case])
    step = gc.compile(compiled.step)
    losses = [(step(*batch()).item(), eager.step(*batch()).item()) for _ in range(6)]
    np.testing.assert_allclose(*zip(*losses, strict=True), rtol=1e-9)
    assert_close(compiled.values(), eager.values())
    assert str(step.report()).startswith("step: 1 build,")
    mine, theirs = (arrays(each.optimizer.state_dict()["state"][0]) for each in (compiled, eager))
    assert set(mine) == set(theirs)
    for name in ("n_iter", "func_evals"):
        assert mine[name] == theirs[name]
    for name in ("old_dirs", "old_stps", "ro"):
        assert_close(mine[name], theirs[name])
    assert [weight is None for weight in mine["al"]] == [weight is None for weight in theirs["al"]]


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_state_draws_and_schedules_within_steps(search):
    """Statistics, dropout's numbers, gradients that stay, a schedule; steps in eager mode and a state that is loaded
    in between."""
    found = []
    for how in (gc.compile, lambda function: function):
        fit = Fit({"lr": 0.3, "max_iter": 4, "line_search_fn": search}, noisy=True)
        step, schedule = how(fit.step), optim.lr_scheduler.StepLR(fit.optimizer, 2, 0.5)
        gc.manual_seed(5)
        numbers = []
        for number in range(6):
            loss = (fit.step if number == 2 else step)(*batch())
            schedule.step()
            if number == 3:
                fit.optimizer.load_state_dict(copy.deepcopy(fit.optimizer.state_dict()))
            entry = fit.optimizer.state[fit.net[0].weight]
            numbers += [loss.item(), entry["n_iter"], entry["func_evals"], gc.rand(1).item()]
        found.append([*fit.values(), np.array(numbers)])
    assert_close(*found)


def test_what_a_closure_may_not_do_is_refused_with_the_line():
    """A number that is counted, or read, at every call of the closure; nothing is changed."""
    fit, calls = Fit({}), []

    def counts(x, y):
        def closure():
            fit.optimizer.zero_grad()
            loss = fit.net(x).sum()
            loss.backward()
            calls.append(loss.detach())
            return loss

        return fit.optimizer.step(closure)

    def reads(x, y):
        def closure():
            fit.optimizer.zero_grad()
            loss = fit.net(x).sum()
            loss.backward()
            return loss * (loss.item() > 0)

        return fit.optimizer.step(closure)

    before = [value.copy() for value in fit.values()]
    with pytest.raises(gc.CaptureError, match=r"test_lbfgs_program\.py:\d+: calls is changed inside"):
        gc.compile(counts)(*batch())
    with pytest.raises(gc.CaptureError, match=r"test_lbfgs_program\.py:\d+: item\(\) needs .* body of lbfgs_step"):
        gc.compile(reads)(*batch())
    assert_close(fit.values(), before)
