"""The integer algebra: normal forms, division, bounds."""

import random

import pytest

from graphc.ir.integers import (
    IntegerExpression,
    bounds,
    coefficient_of,
    floor_divide,
    modulo,
    substitute,
    variable,
    variables,
)

RANGES = {"a": (0, 6), "b": (0, 4), "c": (0, 9)}


def random_tree(generator: random.Random, depth: int):
    if depth == 0:
        return generator.choice(["a", "b", "c", generator.randint(-3, 9)])
    operator = generator.choice("+-/%m")
    left = random_tree(generator, depth - 1)
    if operator in "/%":
        return operator, left, generator.randint(1, 12)
    return operator, left, random_tree(generator, depth - 1)


def evaluate(tree, values):
    if isinstance(tree, str):
        return values[tree]
    if isinstance(tree, int):
        return tree
    operator, left, right = tree
    left, right = evaluate(left, values), evaluate(right, values)
    return {
        "+": lambda: left + right,
        "-": lambda: left - right,
        "m": lambda: left * right,
        "/": lambda: floor_divide(left, right),
        "%": lambda: modulo(left, right),
    }[operator]()


@pytest.mark.parametrize("seed", range(20))
def test_simplified_expressions_have_the_value_of_the_written_ones(seed):
    """Whatever the normal form does, every substitution gives Python's own result, within the stated bounds."""
    generator = random.Random(seed)
    symbols = {name: variable(name, *limits) for name, limits in RANGES.items()}
    for _ in range(100):
        tree = random_tree(generator, 4)
        expression = evaluate(tree, symbols)
        lower, upper = bounds(expression)
        for _ in range(4):
            values = {name: generator.randint(*limits) for name, limits in RANGES.items()}
            expected = evaluate(tree, values)
            assert substitute(expression, values) == expected
            assert lower is None or lower <= expected
            assert upper is None or expected <= upper


def test_a_reshape_and_its_inverse_cancel():
    """Splitting an index into coordinates and joining them again gives the index: views cost no division."""
    n, j = variable("n", 0, 63), variable("j", 0, 399)
    channel, row, column = j // 25, (j // 5) % 5, j % 5
    assert n * 400 + channel * 25 + row * 5 + column == n * 400 + j


def test_division_of_a_split_index_is_exact():
    """With bounds known, the parts of ``5*k + l`` come back without a division."""
    k, inner = variable("k", 0, 5), variable("l", 0, 4)
    whole = k * 5 + inner
    assert whole // 5 == k
    assert whole % 5 == inner
    assert (whole + 5) // 5 == k + 1


def test_symbols_divide_exactly():
    """Products of a symbolic batch divide by their factors, and constants round down."""
    n = variable("N")
    assert (n * 6) // 3 == n * 2
    assert (n * 6 + 1) // 3 == n * 2
    assert (n * n * 4) // (n * 2) == n * 2
    assert (n * 4) % n == 0


def test_constants_are_plain_ints():
    """An expression that is constant is an int, so that Python code need not ask."""
    n = variable("N")
    assert type(n - n) is int
    assert (n - n + 3) == 3
    assert isinstance(n + 0, IntegerExpression)
    assert (n + 0) == n


def test_coefficients_are_found_where_an_expression_is_linear():
    """Strides are read off linear indices; a division or a square has none."""
    i, n = variable("i", 0, 9), variable("N")
    assert coefficient_of(i * 4 + n, "i") == 4
    assert coefficient_of(i * n, "i") == n
    assert coefficient_of(n, "i") == 0
    assert coefficient_of((i + n) // 3, "i") is None
    assert coefficient_of(i * i, "i") is None
    assert variables((i + n) // 3) == {"i", "N"}


def test_division_by_zero_raises():
    """There is no value to give."""
    for value in (5, variable("n")):
        with pytest.raises(ZeroDivisionError):
            floor_divide(value, 0)
        with pytest.raises(ZeroDivisionError):
            modulo(value, 0)
