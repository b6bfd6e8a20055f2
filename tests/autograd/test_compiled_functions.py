"""Rules of the user's own in compiled functions that are differentiated from outside, and in bodies of loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc

torch = pytest.importorskip("torch")


def functions(t: Any) -> tuple[Any, ...]:
    """Functions whose rules are not the derivatives, so that whoever ignores a rule is found out."""

    class Square(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 3 * x

    class Exponential(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, g):
            (y,) = ctx.saved_tensors
            return g * y * 2

    class Several(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor, y):
            ctx.save_for_backward(x, y)
            ctx.factor = factor
            return x * y * factor, (x + y).sum(), x > 0

        @staticmethod
        def backward(ctx, g, h, _):
            x, y = ctx.saved_tensors
            return g * y * ctx.factor + h, None, (g * x * ctx.factor + h).clamp(-3, 3)

    return Square, Exponential, Several


def programs(t: Any) -> tuple[Any, dict[str, Any]]:
    """A leaf, and functions of it and of an argument that give a loss."""
    Square, Exponential, Several = functions(t)
    w = t.tensor([1.0, -2, 3], requires_grad=True)

    def several(x):
        product, total, positive = Several.apply(x, 2.0, w)
        return (product * total).sum() + t.where(positive, x, -x).sum()

    return w, {
        "an argument saved": lambda x: Square.apply(x * w).sum(),
        "a result saved": lambda x: (Exponential.apply(x * w * 0.3) * x).sum(),
        "one in another": lambda x: Exponential.apply(Square.apply(x) * w * 0.1).sum(),
        "several results": several,
        "one of several": lambda x: Several.apply(x, 2.0, w)[1] * 2,
    }


def derivatives(t: Any, program: str, how: Any = lambda function: function) -> list[Any]:
    """For two calls: the loss, and first, second, and third gradients."""
    w, found = programs(t)
    step, numbers = how(found[program]), []
    for call in (1, 2):
        x = (t.tensor([0.5, 1.5, -1.0]) * call).requires_grad_()
        value = step(x)
        numbers.append(np.array(value.item()))
        for order in range(3):
            gradients = t.autograd.grad(value, [x, w], create_graph=order < 2, allow_unused=True)
            numbers += [None if each is None else each.detach().numpy() for each in gradients]
            if all(each is None or not each.requires_grad for each in gradients):
                break
            value = sum((each * each).sum() for each in gradients if each is not None)
    return numbers


@pytest.mark.parametrize("program", programs(gc)[1])
def test_a_sweep_from_outside_follows_the_rule(program):
    """To the third order, as in eager mode and in PyTorch."""
    expected, eager = derivatives(torch, program), derivatives(gc, program)
    for found in (eager, derivatives(gc, program, gc.compile)):
        assert [each is None for each in found] == [each is None for each in expected]
        for one, other in zip(found, expected, strict=True):
            if one is not None:
                np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_a_rule_in_the_body_of_a_loop_and_of_a_branch():
    """What is recorded of a body has the rule, not the operations behind it, of which none has a gradient."""
    square, _, _ = functions(gc)
    w = gc.ones(3, requires_grad=True)

    def step(rows):
        w.grad = None
        last, _ = gc.scan(lambda carry, row: (carry * 0.5 + square.apply(row * w), carry), gc.zeros(3), rows)
        chosen = gc.cond(rows.sum() > 0, lambda row: square.apply(row * w), lambda row: row * w, (rows[0],))
        (last.sum() + chosen.sum()).backward()
        return w.grad.clone()

    compiled, rows = gc.compile(step), gc.ones(4, 3)
    assert step(rows).tolist() == compiled(rows).tolist() == compiled(rows).tolist()


def test_what_can_not_be_recorded_is_refused_with_the_line():
    """A rule that reads values, and one that may not be differentiated twice where that is asked for."""

    class Reads(gc.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * float(g.sum().item() > 0)

    class Once(gc.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        @gc.autograd.function.once_differentiable
        def backward(ctx, g):
            return g * 3 * ctx.saved_tensors[0] ** 2

    x = gc.ones(3, requires_grad=True)
    with pytest.raises(gc.CaptureError, match=r"test_compiled_functions\.py:\d+: .*through ReadsBackward, whose rule"):
        gc.compile(lambda x: Reads.apply(x))(x)
    cube = gc.compile(lambda x: Once.apply(x).sum())
    for _ in range(2):
        assert gc.autograd.grad(cube(x), x)[0].tolist() == [3, 3, 3]
    with pytest.raises(RuntimeError, match="differentiate twice a function that was marked with @once_differentiable"):
        gc.autograd.grad(cube(x), x, create_graph=True)


def test_history_of_the_arguments_is_no_matter():
    """An argument that a function of the user's made outside."""
    square, _, _ = functions(gc)
    x = gc.ones(3, requires_grad=True)
    double = gc.compile(lambda x: x * 2)
    for _ in range(2):
        assert gc.autograd.grad(double(square.apply(x)).sum(), x)[0].tolist() == [6, 6, 6]
