"""Views that several come from one call, or that were made where nothing is recorded, and then written to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.autograd.scenarios import assert_like_torch

SEVERAL: dict[str, Callable[[Any], Any]] = {
    "unbind": lambda x: x.unbind(0),
    "split": lambda x: x.split(2),
    "split with sizes": lambda x: x.split([1, 5]),
    "chunk": lambda x: x.chunk(3),
    "iteration": tuple,
}
ONE_BY_ONE: dict[str, Callable[[Any], Any]] = {
    "tensor_split": lambda x: x.tensor_split(3),
    "hsplit": lambda x: x.hsplit(2),
    "unsafe_split": lambda x: x.unsafe_split(2),
    "slice": lambda x: (x[:2],),
    "select": lambda x: (x[1], x[2]),
}


def computed(t: Any) -> Any:
    return t.arange(6.0, requires_grad=True) * 1


def write_to_a_part(t, cut):
    x = computed(t)
    cut(x)[0].mul_(2)
    x.sum().backward()
    return x


def write_to_a_view_of_a_part(t, cut):
    cut(computed(t))[0].view(-1).mul_(2)


def write_to_the_base(t, cut):
    x = computed(t)
    parts = cut(x)
    x.mul_(2)
    return repr(parts[0]), parts[0].sum()


def write_where_nothing_is_recorded(t, cut):
    x = computed(t)
    parts = cut(x)
    with t.no_grad():
        parts[0].mul_(2)
    return x.detach()


def write_of_a_history(t, cut):
    cut(t.arange(6.0))[0].mul_(t.tensor(2.0, requires_grad=True))


def write_without_a_history(t, cut):
    x = t.arange(6.0)
    cut(x)[0].mul_(2)
    return x


def cut_where_nothing_is_recorded(t, cut):
    with t.no_grad():
        parts = cut(computed(t))
    parts[0].mul_(2)


def cut_in_inference_mode(t, cut):
    x = computed(t)
    with t.inference_mode():
        parts = cut(x)
    parts[0].mul_(2)


SCENARIOS = [
    write_to_a_part,
    write_to_a_view_of_a_part,
    write_to_the_base,
    write_where_nothing_is_recorded,
    write_of_a_history,
    write_without_a_history,
    cut_where_nothing_is_recorded,
    cut_in_inference_mode,
]


@pytest.mark.parametrize("cut", SEVERAL, ids=str)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_parts_of_one_call_are_not_written_to(scenario: Callable[..., Any], cut: str) -> None:
    """Views of unbind, split, chunk, and iteration: what PyTorch refuses is refused in its words, the rest goes on."""
    assert_like_torch(lambda t: scenario(t, SEVERAL[cut]))


@pytest.mark.parametrize("cut", ONE_BY_ONE, ids=str)
@pytest.mark.parametrize("scenario", [each for each in SCENARIOS if each is not write_to_the_base])
def test_other_views_may_be_written_to(scenario: Callable[..., Any], cut: str) -> None:
    """Views that are made one by one follow writes, unless they were made where nothing is recorded."""
    if cut == "unsafe_split" and scenario is cut_where_nothing_is_recorded:
        pytest.skip("PyTorch takes the parts of unsafe_split for no views")
    assert_like_torch(lambda t: scenario(t, ONE_BY_ONE[cut]))


def test_items_of_a_tensor_are_parts() -> None:
    """Going through a tensor prints PyTorch's name for the node of its items."""

    def items(t):
        first, second = t.arange(6.0, requires_grad=True).view(2, 3)
        return repr(first), repr([*second])

    assert_like_torch(items)
