"""First values of parameters against PyTorch's, from the same seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from tests.nn.twins import assert_same_error

torch = pytest.importorskip("torch")

FILLS: dict[str, Any] = {
    "uniform": lambda t, w: t.nn.init.uniform_(w, -2.0, 3.0),
    "normal": lambda t, w: t.nn.init.normal_(w, 1.0, 0.3),
    "trunc_normal": lambda t, w: t.nn.init.trunc_normal_(w, std=0.7),
    "trunc_normal narrow": lambda t, w: t.nn.init.trunc_normal_(w, mean=0.1, std=1.0, a=-0.2, b=0.1),
    "trunc_normal far": lambda t, w: t.nn.init.trunc_normal_(w, mean=1.0, std=0.5, a=1.8, b=2.0),
    "constant": lambda t, w: t.nn.init.constant_(w, 0.3),
    "ones": lambda t, w: t.nn.init.ones_(w),
    "zeros": lambda t, w: t.nn.init.zeros_(w),
    "xavier_uniform": lambda t, w: t.nn.init.xavier_uniform_(w, gain=1.7),
    "xavier_normal": lambda t, w: t.nn.init.xavier_normal_(w, gain=0.7),
    "kaiming_uniform": lambda t, w: t.nn.init.kaiming_uniform_(w, a=0.2),
    "kaiming_uniform out": lambda t, w: t.nn.init.kaiming_uniform_(w, mode="FAN_OUT", nonlinearity="relu"),
    "kaiming_normal": lambda t, w: t.nn.init.kaiming_normal_(w, mode="fan_out", nonlinearity="selu"),
    "eye": lambda t, w: t.nn.init.eye_(w),
    "sparse": lambda t, w: t.nn.init.sparse_(w, 0.4, std=0.2),
    "orthogonal": lambda t, w: t.nn.init.orthogonal_(w, gain=1.3),
    "dirac": lambda t, w: t.nn.init.dirac_(w),
    "dirac groups": lambda t, w: t.nn.init.dirac_(w, groups=2),
}
SHAPES = {"eye": [(3, 5)], "sparse": [(7, 4)], "dirac": [(4, 3, 3), (2, 5, 3, 4), (4, 4, 2, 3, 3)]}
SHAPES["dirac groups"] = [(4, 2, 3), (6, 2, 3, 3)]
CASES = [(name, shape) for name in FILLS for shape in SHAPES.get(name, [(3, 4), (8, 5, 3), (16, 4)])]


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize(("name", "shape"), CASES, ids=str)
def test_fills(name: str, shape: tuple[int, ...], kind: str) -> None:
    """The same seed gives PyTorch's numbers, and leaves the generator where PyTorch's is."""
    seen = []
    for t in (gc, torch):
        t.manual_seed(3)
        weight = t.nn.Parameter(t.empty(*shape, dtype=getattr(t, kind)))
        assert FILLS[name](t, weight) is weight
        assert weight.requires_grad
        assert weight.grad_fn is None
        seen.append((weight.detach().numpy(), t.rand(3).numpy()))
    tolerance = {"rtol": 2e-6, "atol": 1e-6} if name == "orthogonal" else {"rtol": 3e-7, "atol": 0}
    np.testing.assert_allclose(seen[0][0], seen[1][0], **tolerance)
    np.testing.assert_array_equal(seen[0][1], seen[1][1])


@pytest.mark.parametrize("name", ["uniform_", "normal_", "xavier_uniform_", "xavier_normal_", "kaiming_uniform_",
                                  "kaiming_normal_", "trunc_normal_", "orthogonal_"])  # fmt: skip
def test_a_generator_of_ones_own(name: str) -> None:
    """A generator that is given is the one that is drawn from."""
    seen = []
    for t in (gc, torch):
        generator = t.Generator().manual_seed(11)
        t.manual_seed(0)
        weight = getattr(t.nn.init, name)(t.empty(6, 4), generator=generator)
        seen.append((weight.numpy(), t.rand(2).numpy()))
    np.testing.assert_allclose(seen[0][0], seen[1][0], rtol=2e-6, atol=1e-6)
    np.testing.assert_array_equal(seen[0][1], seen[1][1])


@pytest.mark.parametrize(
    "name", ["linear", "conv2d", "conv_transpose3d", "sigmoid", "tanh", "relu", "selu", "leaky_relu"]
)
def test_gains(name: str) -> None:
    """calculate_gain gives PyTorch's numbers."""
    assert gc.nn.init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    assert gc.nn.init.calculate_gain("leaky_relu", 0.3) == torch.nn.init.calculate_gain("leaky_relu", 0.3)


ERRORS: dict[str, Any] = {
    "gain": lambda t: t.nn.init.calculate_gain("swish"),
    "slope": lambda t: t.nn.init.calculate_gain("leaky_relu", True),
    "fan": lambda t: t.nn.init.xavier_uniform_(t.empty(3)),
    "mode": lambda t: t.nn.init.kaiming_uniform_(t.empty(3, 2), mode="fan"),
    "eye": lambda t: t.nn.init.eye_(t.empty(3)),
    "sparse": lambda t: t.nn.init.sparse_(t.empty(3), 0.1),
    "dirac": lambda t: t.nn.init.dirac_(t.empty(3, 2)),
    "dirac groups": lambda t: t.nn.init.dirac_(t.empty(3, 2, 1), groups=2),
    "orthogonal": lambda t: t.nn.init.orthogonal_(t.empty(3)),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    """Tensors and names that a function can't take raise PyTorch's errors, word for word."""
    assert_same_error(ERRORS[name])


def test_warnings() -> None:
    """Old names, empty tensors, and intervals far from the mean are warned of as in PyTorch."""
    for t in (gc, torch):
        with pytest.warns(FutureWarning, match="`nn.init.normal` is now deprecated in favor of `nn.init.normal_`"):
            t.nn.init.normal(t.empty(3))
        with pytest.warns(UserWarning, match="Initializing zero-element tensors is a no-op"):
            t.nn.init.kaiming_uniform_(t.empty(0, 2))
        with pytest.warns(UserWarning, match="mean is more than 2 std from"):
            t.nn.init.trunc_normal_(t.empty(3), mean=5.0)


def test_skip_init_draws_nothing() -> None:
    """skip_init makes a module of the same shapes and leaves the generator alone; others are refused as in PyTorch."""
    gc.manual_seed(5)
    expected = gc.rand(3).tolist()
    gc.manual_seed(5)
    layer = gc.nn.utils.skip_init(gc.nn.Linear, 3, 4)
    assert (tuple(layer.weight.shape), tuple(layer.bias.shape)) == ((4, 3), (4,))
    assert gc.rand(3).tolist() == expected
    assert_same_error(lambda t: t.nn.utils.skip_init(t.nn.Sequential))
    assert_same_error(lambda t: t.nn.utils.skip_init(int), words=3)


def test_filling_within_a_compiled_function() -> None:
    """Uniform and normal fills compile, and draw what eager ones draw; what must look at values is refused."""

    def fill(w: Any) -> Any:
        gc.nn.init.uniform_(w, -1.0, 2.0)
        return w + 0

    compiled = gc.compile(fill)
    for _ in range(3):
        gc.manual_seed(1)
        expected = fill(gc.zeros(4, 5)).numpy()
        gc.manual_seed(1)
        np.testing.assert_allclose(compiled(gc.zeros(4, 5)).numpy(), expected, rtol=1e-6)
    with pytest.raises(gc.CaptureError):
        gc.compile(lambda w: gc.nn.init.orthogonal_(w))(gc.zeros(3, 3))
