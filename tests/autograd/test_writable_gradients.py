"""Gradients of means have memory of their own, those of sums are stretched, and both can be filled, as in PyTorch."""

import numpy as np
import pytest
import torch

import graphc

MEANS = ["w.mean()", "(w + 1).mean()", "w.mean(0).sum()", "w.mean(1, keepdim=True).sum()", "w[0].mean()", "w.nanmean()"]
SUMS = ["w.sum()", "(w + 1).sum()", "w.sum(0).sum()", "w.sum(1).pow(2).sum()"]


def _gradient(library, text, dtype="float32"):
    w = library.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], dtype=getattr(library, dtype), requires_grad=True)
    (gradient,) = library.autograd.grad(eval(text), w)
    return gradient


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "complex64"])
@pytest.mark.parametrize("text", MEANS)
def test_the_gradient_of_a_mean_is_dense(text, dtype):
    """It has PyTorch's strides and can be written to and viewed as a vector."""
    if dtype == "complex64":
        text = text.replace("nanmean", "mean") + ".abs()"
    for change in ("zero_()", "sub_(0.25)", "mul_(2)", "fill_(3)"):
        gradient, expected = _gradient(graphc, text, dtype), _gradient(torch, text, dtype)
        assert gradient.stride() == expected.stride()
        eval(f"gradient.{change}"), eval(f"expected.{change}")
        assert gradient.view(-1).tolist() == pytest.approx(expected.view(-1).tolist())


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "complex64"])
@pytest.mark.parametrize("text", SUMS)
def test_the_gradient_of_a_sum_is_stretched_and_can_be_filled(text, dtype):
    """``zero_`` and ``fill_`` write to the elements that stand for all; other writes are refused in PyTorch's words."""
    if dtype == "complex64":
        text += ".real"
    for change in ("zero_()", "fill_(3)"):
        gradient, expected = _gradient(graphc, text, dtype), _gradient(torch, text, dtype)
        assert gradient.stride() == expected.stride()
        eval(f"gradient.{change}"), eval(f"expected.{change}")
        assert gradient.tolist() == expected.tolist()
    for library in (graphc, torch):
        with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
            _gradient(library, text, dtype).mul_(2)


def test_nothing_can_be_written_to():
    """A gradient without elements takes any write."""
    for library in (graphc, torch):
        w = library.ones(0, 3, requires_grad=True)
        (gradient,) = library.autograd.grad(w.sum(), w)
        assert gradient.mul_(2).zero_().tolist() == []


def test_an_element_of_a_stretched_gradient_stands_for_all():
    """Writing to one element changes those that share its memory, as PyTorch's do."""
    for library in (graphc, torch):
        gradient = _gradient(library, "w.sum()")
        gradient[0, 0] = 3
        assert gradient.tolist() == [[3.0] * 3] * 2


def test_memory_that_is_read_only_stays_so():
    """What comes from a read-only array is refused, with words of this package."""
    array = np.ones(3)
    array.flags.writeable = False
    tensor = graphc.from_numpy(array)
    for name, arguments in (("zero_", ()), ("fill_", (2,)), ("add_", (1,))):
        with pytest.raises(RuntimeError, match="read-only"):
            getattr(tensor, name)(*arguments)
    assert array.tolist() == [1.0] * 3


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_hooks_may_write_to_cotangents(reduction):
    """Hooks of tensors and of modules, and backward() of a user's function, write to what they are given."""

    def gradients(library):
        class Masked(library.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x * 2

            @staticmethod
            def backward(ctx, cotangent):
                (x,) = ctx.saved_tensors
                if reduction == "mean":
                    cotangent[x < 2] = 0
                else:
                    cotangent.zero_()
                return cotangent

        found = []
        for kind in ("tensor", "leaf", "module", "function"):
            w = library.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
            change = (lambda g: g.clamp_(max=0.1)) if reduction == "mean" else (lambda g: g.zero_())
            if kind == "module":
                module = library.nn.Identity()
                module.register_full_backward_hook(lambda _, given, __, change=change: (change(given[0]),))
                result = module(w)
            else:
                result = Masked.apply(w) if kind == "function" else w * 2
            if kind in ("tensor", "leaf"):
                (result if kind == "tensor" else w).register_hook(change)
            getattr(result, reduction)().backward()
            found.append(w.grad.tolist())
        return found

    assert np.allclose(gradients(graphc), gradients(torch))
