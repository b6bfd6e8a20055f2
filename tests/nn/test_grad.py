"""Gradients of convolutions as functions, ways of attention, and weights' order in memory, against PyTorch's."""

from __future__ import annotations

from typing import Any

import pytest

import graphc as gc
import graphc.nn.attention
import graphc.nn.grad
from tests.nn.twins import assert_close, assert_same_error, normal

torch = pytest.importorskip("torch")

OPTIONS: list[dict[str, Any]] = [
    {},
    {"stride": 2, "padding": 1},
    {"stride": 3, "dilation": 2, "padding": 2},
    {"groups": 2},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_gradients_of_convolutions(spatial: int, options: dict[str, Any]) -> None:
    """Both gradients are PyTorch's, with strides that step over the end too."""
    size, window = (2, 4, *range(7, 7 + spatial)), (6, 4 // options.get("groups", 1), *range(3, 3 - spatial, -1))
    x, w = normal(*size), normal(*window, seed=1)
    shape = getattr(torch.nn.functional, f"conv{spatial}d")(torch.from_numpy(x), torch.from_numpy(w), **options).shape
    g = normal(*shape, seed=2)
    found = []
    for t in (gc, torch):
        of_input, of_weight = (getattr(t.nn.grad, f"conv{spatial}d_{what}") for what in ("input", "weight"))
        x_, w_, g_ = (t.from_numpy(array) for array in (x, w, g))
        found.append([of_input(size, w_, g_, **options), of_weight(x_, window, g_, **options)])
    assert_close(*found, tolerance=1e-4)


def test_ways_of_attention() -> None:
    """Choosing a way changes nothing; what is no way is refused as in PyTorch."""
    import torch.nn.attention

    q = gc.from_numpy(normal(1, 2, 3, 4))
    plain = gc.nn.functional.scaled_dot_product_attention(q, q, q)
    with gc.nn.attention.sdpa_kernel([gc.nn.attention.SDPBackend.MATH]):
        assert gc.equal(gc.nn.functional.scaled_dot_product_attention(q, q, q), plain)
    ways = [{name: int(way) for name, way in t.nn.attention.SDPBackend.__members__.items()} for t in (gc, torch)]
    assert ways[0] == ways[1]
    assert repr(gc.nn.attention.SDPBackend.MATH) == repr(torch.nn.attention.SDPBackend.MATH)

    def wrong(t: Any) -> None:
        with t.nn.attention.sdpa_kernel("math"):
            pass

    assert_same_error(wrong)


def test_order_of_weights_in_memory() -> None:
    """The weights of convolutions within a module are laid out anew, and hold the same numbers."""
    found = []
    for t in (gc, torch):
        t.manual_seed(0)
        net = t.nn.Sequential(t.nn.Conv2d(2, 3, 3), t.nn.Sequential(t.nn.ConvTranspose2d(3, 2, 2)), t.nn.Linear(1, 1))
        same = t.nn.utils.convert_conv2d_weight_memory_format(net, t.channels_last)
        deep = t.nn.Conv3d(2, 3, 2)
        t.nn.utils.convert_conv3d_weight_memory_format(deep, t.channels_last_3d)
        found.append((same is net, [p.stride() for p in net.parameters()], deep.weight.stride(), *net.parameters()))
    assert found[0][:3] == found[1][:3]
    assert_close(found[0][3:], found[1][3:])


def test_prefixes_of_states() -> None:
    """A prefix is taken away from names and from the metadata."""
    found = []
    for t in (gc, torch):
        net = t.nn.Sequential(t.nn.Linear(1, 1))
        state = net.state_dict(prefix="module.")
        t.nn.modules.utils.consume_prefix_in_state_dict_if_present(state, "module.")
        found.append((list(state), dict(state._metadata), repr(net.load_state_dict(state))))
    assert found[0] == found[1]
