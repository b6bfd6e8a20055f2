"""One small problem for every optimizer, in graphc and in PyTorch, and their states side by side."""

import numpy as np
import pytest

import graphc as gc

ROOT_SHAPES = {"weight": (3, 4), "bias": (4,), "scale": (), "last": (4, 2)}


def start(seed=0):
    generator = np.random.default_rng(seed)
    return {name: generator.normal(size=shape) for name, shape in ROOT_SHAPES.items()}


def inputs(steps, seed=1):
    generator = np.random.default_rng(seed)
    return [(generator.normal(size=(5, 3)), generator.normal(size=(5, 2))) for _ in range(steps)]


def loss_of(parameters, x, y):
    weight, bias, scale, last = parameters
    return ((((x @ weight + bias).tanh() * scale) @ last - y) ** 2).mean()


class Training:
    """The same small problem in graphc and in PyTorch, told apart by the module that is given."""

    def __init__(self, library, kind, options, dtype="float64", groups=False, compiled=False):
        self.library, self.dtype = library, getattr(library, dtype)
        self.parameters = [library.tensor(value, dtype=self.dtype, requires_grad=True) for value in start().values()]
        given = self.parameters
        if groups:
            given = [{"params": self.parameters[:2]}, {"params": self.parameters[2:], "lr": 0.003}]
        self.optimizer = getattr(library.optim, kind)(given, **options)
        self.step = gc.compile(self.plain_step) if compiled else self.plain_step

    def plain_step(self, x, y):
        self.optimizer.zero_grad()
        loss = loss_of(self.parameters, x, y)
        loss.backward()
        self.optimizer.step()
        return loss

    def run(self, batches):
        for x, y in batches:
            loss = self.step(self.library.tensor(x, dtype=self.dtype), self.library.tensor(y, dtype=self.dtype))
        return loss

    def values(self):
        return {name: p.detach().numpy().copy() for name, p in zip(ROOT_SHAPES, self.parameters, strict=True)}


def assert_close(left, right, tolerance):
    assert left.keys() == right.keys()
    for name, value in left.items():
        np.testing.assert_allclose(value, right[name], rtol=tolerance, atol=tolerance, err_msg=name)


def arrays(value):
    """State with arrays for tensors, to compare graphc's with PyTorch's."""
    if isinstance(value, dict):
        return {key: arrays(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [arrays(inner) for inner in value]
    return value.detach().numpy() if hasattr(value, "detach") else value


def as_graphc(value):
    """PyTorch's state with graphc's tensors in place of PyTorch's."""
    if isinstance(value, dict):
        return {key: as_graphc(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_graphc(inner) for inner in value]
    return gc.tensor(value.detach().numpy()) if hasattr(value, "detach") else value


def as_torch(value):
    torch = pytest.importorskip("torch")
    if isinstance(value, dict):
        return {key: as_torch(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_torch(inner) for inner in value]
    return torch.tensor(value.detach().numpy()) if isinstance(value, gc.Tensor) else value


def assert_state_close(mine, theirs, tolerance):
    if isinstance(theirs, dict):
        assert list(mine) == list(theirs)
        for key in theirs:
            assert_state_close(mine[key], theirs[key], tolerance)
    elif isinstance(theirs, list):
        assert len(mine) == len(theirs)
        for one, other in zip(mine, theirs, strict=True):
            assert_state_close(one, other, tolerance)
    elif isinstance(theirs, np.ndarray):
        assert (mine.dtype, mine.shape) == (theirs.dtype, theirs.shape)
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance)
    else:
        assert mine == theirs
