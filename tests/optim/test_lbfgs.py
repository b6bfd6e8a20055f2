"""L-BFGS agrees with PyTorch's, with and without a line search, and states go from one to the other."""

import numpy as np
import pytest

import graphc as gc
from graphc import optim
from tests.optim.training import Training, arrays, as_graphc, as_torch, assert_close, inputs, loss_of

LBFGS_CASES = {
    "plain": {"lr": 0.1, "max_iter": 5},
    "short history": {"lr": 0.1, "max_iter": 6, "history_size": 2},
    "search": {"max_iter": 4, "line_search_fn": "strong_wolfe"},
    "few evaluations": {"max_iter": 8, "max_eval": 6, "line_search_fn": "strong_wolfe", "lr": 3},
    "far": {"max_iter": 3, "line_search_fn": "strong_wolfe", "lr": 40.0, "history_size": 3},
    "near": {"max_iter": 3, "line_search_fn": "strong_wolfe", "lr": 1e-3},
    "tolerant": {"max_iter": 20, "tolerance_grad": 0.05, "tolerance_change": 1e-3, "line_search_fn": "strong_wolfe"},
}


class Minimization(Training):
    """The problem with one batch, for an optimizer that asks for the loss many times."""

    def __init__(self, library, options):
        super().__init__(library, "LBFGS", options)
        self.batch = [library.tensor(value, dtype=self.dtype) for value in inputs(1)[0]]
        self.losses = []

    def closure(self):
        self.optimizer.zero_grad()
        loss = loss_of(self.parameters, *self.batch)
        loss.backward()
        self.losses.append(loss.detach())
        return loss

    def take(self, steps):
        """What each step returned, and every loss on the way."""
        returned = [self.optimizer.step(self.closure).item() for _ in range(steps)]
        return returned, [loss.item() for loss in self.losses]


@pytest.mark.parametrize("case", LBFGS_CASES)
def test_lbfgs_agrees_with_torch(case):
    """Losses, evaluations, parameters, and state over ten steps; then each goes on from the other's state."""
    torch = pytest.importorskip("torch")
    mine, theirs = (Minimization(library, LBFGS_CASES[case]) for library in (gc, torch))
    for one, other in zip(mine.take(10), theirs.take(10), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8)
    assert_close(mine.values(), theirs.values(), 1e-7)
    assert repr(mine.optimizer) == repr(theirs.optimizer)
    my_state, their_state = (arrays(training.optimizer.state_dict()["state"][0]) for training in (mine, theirs))
    assert set(my_state) == set(their_state)
    for name in ("n_iter", "func_evals"):
        assert my_state[name] == their_state[name]
    assert len(my_state["old_dirs"]) == len(their_state["old_dirs"])
    moved = as_graphc(theirs.optimizer.state_dict()), as_torch(mine.optimizer.state_dict())
    mine.optimizer.load_state_dict(moved[0]), theirs.optimizer.load_state_dict(moved[1])
    for one, other in zip(mine.take(2), theirs.take(2), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-7)


def test_lbfgs_takes_one_group_and_known_searches():
    """As PyTorch's."""
    weights = [gc.ones(2, requires_grad=True), gc.ones(2, requires_grad=True)]
    with pytest.raises(ValueError, match="LBFGS doesn't support per-parameter options"):
        optim.LBFGS([{"params": weights[:1]}, {"params": weights[1:]}])
    optimizer = optim.LBFGS(weights, line_search_fn="armijo")
    with pytest.raises(RuntimeError, match="only 'strong_wolfe' is supported"):
        optimizer.step(lambda: weights[0].sum())
