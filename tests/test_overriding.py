"""Classes derived from tensors, and classes and modes that have a say in functions, against PyTorch."""

from __future__ import annotations

import functools
import operator
from typing import Any

import pytest

import graphc as gc
from tests.autograd.scenarios import assert_like_torch, in_order


def _derived(t: Any) -> type:
    return type("Derived", (t.Tensor,), {})


def _matrix(t: Any, kind: type) -> Any:
    return t.arange(6.0).view(2, 3).as_subclass(kind)


def _kinds(*values: Any) -> list[str]:
    return [type(value).__name__ for value in values]


def results_of_operators(t):
    x, s = t.ones(2, 3), _matrix(t, _derived(t))
    return _kinds(s + 1, 1 + s, x * s, s * x, x - s, x @ s.T, s @ s.T, 2 / s, -s, abs(s), s > 1, s == x, s**2)


def results_of_functions(t):
    x, s = t.ones(2, 3), _matrix(t, _derived(t))
    relu = t.nn.functional.relu
    found = (t.sin(s), relu(s), t.cat([x, s]), t.stack([s, s]), t.where(s > 1, s, x), t.einsum("ij->j", s))
    return _kinds(*found, t.zeros_like(s), t.linalg.norm(s), t.fft.fft(s), *t.topk(s, 1), *s.split(1))


def results_of_methods(t):
    s = _matrix(t, _derived(t))
    found = (s.sum(), s[0], s.view(-1), s.T, s.data, s.detach(), s.clone(), s.double(), s.clone().add_(1), *s)
    return _kinds(*found, s.new_zeros(2), s.max(0), s.shape, s.size(), s.numel(), s.tolist(), s.numpy(), s[0, 0].item())


def printed(t):
    s = _matrix(t, _derived(t))
    return repr(s), repr(s.sum()), repr((s.clone().requires_grad_() * 2).sum())


def plain_again(t):
    s = _matrix(t, _derived(t))
    with t._C.DisableTorchFunctionSubclass():
        within = s + 1
    return _kinds(s.as_subclass(t.Tensor), within, t.nn.Parameter(t.ones(2)) + 1, t.tensor(s))


def gradients_reach_the_plain_leaf(t):
    x = t.ones(3, requires_grad=True)
    (x.as_subclass(_derived(t)) * 2).sum().backward()
    return _kinds(x.grad), x.grad


def through_a_module(t):
    t.manual_seed(0)
    result = t.nn.Linear(3, 2)(_matrix(t, _derived(t)))
    return _kinds(result), result.requires_grad, repr(result)


def subclasses_before_classes(t):
    first = _derived(t)
    second = type("Second", (first,), {})
    return _kinds(_matrix(t, first) + _matrix(t, second), t.add(_matrix(t, first), _matrix(t, second)))


def unrelated_classes_by_an_operator(t):
    return _matrix(t, type("A", (t.Tensor,), {})) + _matrix(t, type("B", (t.Tensor,), {}))


def _logging(t: Any) -> tuple[type, list[str]]:
    calls: list[str] = []

    class Logging(t.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            calls.append(f"{func.__name__} {[kind.__name__ for kind in types]}")
            return super().__torch_function__(func, types, args, kwargs or {})

    return Logging, calls


def calls_of_operators(t):
    kind, calls = _logging(t)
    x, s, i = t.ones(2, 2), t.ones(2, 2).as_subclass(kind), t.ones(2, dtype=t.int).as_subclass(kind)
    for call in (operator.add, operator.sub, operator.mul, operator.truediv, operator.matmul):
        call(s, s), call(x, s)
    for call in (operator.add, operator.sub, operator.mul, operator.mod, operator.pow, operator.eq, operator.lt):
        call(s, 2), call(2, s)
    for call in (operator.and_, operator.or_, operator.xor, operator.lshift):
        call(i, 1)
    for call in (operator.iadd, operator.isub, operator.imul, operator.itruediv):
        call(s, 1)
    _ = -s, +s, abs(s), s[0], len(s), 1 in s, bool(s.sum()), float(s.sum()), repr(s)
    s[0] = 1
    return calls


def calls_of_functions(t):
    kind, calls = _logging(t)
    s = t.ones(2, 2).as_subclass(kind)
    functional = t.nn.functional
    _ = t.sin(s), t.cat([s, s]), functional.relu(s), functional.mse_loss(s, s), functional.linear(s, t.ones(3, 2))
    _ = t.nn.Linear(2, 2)(s), s.sum(), s.add_(1), s.split(1), s.shape, s.T, s.grad, s.requires_grad
    return calls


def a_class_that_keeps_a_mark(t):
    class Marked(t.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            result = super().__torch_function__(func, types, args, kwargs or {})
            if isinstance(result, cls):
                result.mark = getattr(args[0], "mark", None)
            return result

    image = t.ones(2, 2).as_subclass(Marked)
    image.mark = "cat.png"
    return [value.mark for value in (image + 1, t.sin(image), image[0], image.sum())]


def made_by_make_subclass(t):
    class Named(t.Tensor):
        @staticmethod
        def __new__(cls, data, name=""):
            return t.Tensor._make_subclass(cls, t.as_tensor(data), False)

        def __init__(self, data, name=""):
            self.name_of_it = name

    made = Named([1.0, 2.0], "pair")
    return _kinds(made, made + 1), made.name_of_it, made.tolist()


def _diagonal(t: Any) -> tuple[type, dict[Any, Any]]:
    handled: dict[Any, Any] = {}

    class Diagonal:
        def __init__(self, size, value):
            self.size_of_it, self.value = size, value

        def tensor(self):
            return self.value * t.eye(self.size_of_it)

        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            if func in handled:
                return handled[func](*args, **(kwargs or {}))
            return func(*[each.tensor() if isinstance(each, cls) else each for each in args], **(kwargs or {}))

    return Diagonal, handled


def objects_that_are_no_tensors(t):
    kind, handled = _diagonal(t)
    handled[t.mean] = lambda input: input.value / input.size_of_it
    d = kind(2, 3.0)
    x = t.ones(2, 2)
    return t.mean(d), t.mul(d, 2), t.matmul(d, x), x @ d, x * d, t.add(x, d), t.sum(d, dim=0), t.nn.functional.relu(d)


def objects_that_decline(t):
    decline = classmethod(lambda cls, func, types, args=(), kwargs=None: NotImplemented)
    t.add(type("Silent", (), {"__torch_function__": decline})(), 1)


def tensors_and_what_declines(t):
    decline = classmethod(lambda cls, func, types, args=(), kwargs=None: NotImplemented)
    _ = t.ones(2) + type("Silent", (), {"__torch_function__": decline})()


def functions_of_the_user(t):
    kind, _ = _logging(t)

    @functools.wraps(repr)
    def own(x):
        if t.overrides.has_torch_function_unary(x):
            return t.overrides.handle_torch_function(own, (x,), x)
        return "plain"

    s = t.ones(1).as_subclass(kind)
    return own(t.ones(1)), own(s), t.overrides.is_tensor_like(s), t.overrides.has_torch_function((s,))


def mode_sees_all_calls(t):
    calls = []

    class Mode(t.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            calls.append(func.__name__)
            return func(*args, **(kwargs or {}))

    with Mode():
        x = t.ones(2).add(1)
        _ = t.sin(x), x + x, t.nn.functional.relu(x), x.sum()
    _ = t.sin(t.ones(1)).mul(2)
    return calls


def mode_changes_results(t):
    class Rounded(t.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            return result.round() if isinstance(result, t.Tensor) and result.is_floating_point() else result

    with Rounded():
        inside = t.tensor([0.4, 1.6]) * 3
    return inside, t.tensor([0.4]) * 3


SCENARIOS = in_order(globals(), assert_like_torch, in_order)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_like_torch(scenario: Any) -> None:
    """Results, their classes, the calls that are seen, and the words of errors are PyTorch's."""
    assert_like_torch(scenario)


def test_a_class_that_wants_to_see_what_functions_are_made_of_is_refused() -> None:
    """``__torch_dispatch__`` is no part of graphc; a class that defines it hears so when it is made."""
    with pytest.raises(TypeError, match="__torch_dispatch__, which graphc does not offer"):
        type("Below", (gc.Tensor,), {"__torch_dispatch__": None})
