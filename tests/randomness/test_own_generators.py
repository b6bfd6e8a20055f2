"""A generator of one's own inside a compiled function: the same stream as in eager mode, left in the same state."""

from __future__ import annotations

import pytest

import graphc as gc

DRAWS = {
    "rand": lambda g: gc.rand(3, generator=g),
    "randn": lambda g: gc.randn(2, 20, generator=g),
    "randint": lambda g: gc.randint(0, 9, (4,), generator=g),
    "randperm": lambda g: gc.randperm(6, generator=g),
    "rand_like": lambda g: gc.rand_like(gc.ones(3), generator=g),
    "bernoulli": lambda g: gc.bernoulli(gc.full((5,), 0.3), generator=g),
    "bernoulli_": lambda g: gc.empty(5).bernoulli_(0.4, generator=g),
    "normal": lambda g: gc.normal(1.0, 2.0, (17,), generator=g),
    "multinomial": lambda g: gc.multinomial(gc.tensor([0.2, 0.5, 0.3]), 2, generator=g),
    "poisson": lambda g: gc.poisson(gc.full((4,), 2.5), g),
    "exponential_": lambda g: gc.empty(3).exponential_(generator=g),
    "uniform_": lambda g: gc.empty(3, dtype=gc.float64).uniform_(2, 3, generator=g),
    "initialisation": lambda g: gc.nn.init.kaiming_uniform_(gc.empty(3, 4), generator=g),
    "the default one": lambda g: gc.rand(2, generator=gc.default_generator),
}


def every(draws):
    """A function that draws in every way, from a generator and from the default one in turn."""
    mine, other = gc.Generator().manual_seed(7), gc.Generator().manual_seed(8)

    def function(x):
        found = [part for draw in draws for part in (draw(mine), gc.rand(1))]
        return [*found, gc.nn.functional.dropout(x), gc.rand(2, generator=other)]

    return function, mine, other


def outcomes(how, draws):
    function, mine, other = every(draws)
    step = how(function)
    gc.manual_seed(5)
    found = []
    for call in range(4):
        found.append([part.tolist() for part in step(gc.ones(4))])
        found.append([gc.rand(2).tolist(), mine.get_state().tolist(), other.get_state().tolist()])
        if call == 1:
            kept = mine.get_state()
            gc.rand(1, generator=mine)
        if call == 2:
            mine.set_state(kept)
            other.manual_seed(11)
    return found


def test_the_same_stream_and_state():
    """Every function that takes a generator; the state is read, loaded, and seeded anew between calls."""
    assert outcomes(gc.compile, DRAWS.values()) == outcomes(lambda function: function, DRAWS.values())


def test_a_refused_capture_gives_the_state_back():
    """Nothing is drawn where nothing could be recorded, nor from a stream that a failed draw left exchanged."""
    mine = gc.Generator().manual_seed(7)

    def refused(x):
        gc.rand(3, generator=mine)
        return (x + gc.rand(3)).tolist()

    def caught(x):
        try:
            gc.rand(3, generator=mine)
            gc.multinomial(x, 5, generator=mine)
        except RuntimeError:
            return x + gc.rand(3)

    before = mine.get_state().tolist(), gc.get_rng_state().tolist()
    with pytest.raises(gc.CaptureError):
        gc.compile(refused)(gc.ones(3))
    assert (mine.get_state().tolist(), gc.get_rng_state().tolist()) == before
    gc.manual_seed(3)
    found = gc.compile(caught)(gc.ones(3)).tolist()
    gc.manual_seed(3)
    assert found == (gc.ones(3) + gc.rand(3)).tolist()


def test_a_generator_that_the_function_makes():
    """It is made and seeded anew by every call."""

    def step(x):
        mine, seeded = gc.Generator(), gc.Generator().manual_seed(4)
        return x + gc.rand(3, generator=mine), gc.rand(2, generator=seeded) + gc.rand(2, generator=seeded)

    compiled = gc.compile(step)
    for _ in range(3):
        for found, expected in zip(compiled(gc.ones(3)), step(gc.ones(3)), strict=True):
            assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("touch", [lambda g: g.manual_seed(3), lambda g: g.get_state(), lambda g: g.seed()])
def test_seeds_and_states_are_not_for_programs(touch):
    """The program would have to repeat it; the line is named."""
    mine = gc.Generator().manual_seed(5)
    before = mine.get_state().tolist()

    def step(x):
        touch(mine)
        return x + gc.rand(3, generator=mine)

    with pytest.raises(gc.CaptureError, match=r"test_own_generators\.py:\d+: Generator\.\w+\(\) can't run"):
        gc.compile(step)(gc.ones(3))
    assert mine.get_state().tolist() == before


def test_wrong_generators_are_refused_as_in_eager_mode():
    """A number is no generator."""
    with pytest.raises(TypeError, match=r"must be torch\.Generator, not int"):
        gc.compile(lambda x: x + gc.rand(3, generator=4))(gc.ones(3))
