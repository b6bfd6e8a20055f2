"""Classes of tensors that users derive: what their methods and operators give is of the class, or what it says.

A class that is derived from :class:`graphc.Tensor` gets :class:`OverridingTensor` in between, whose methods ask
``__torch_function__``; so plain tensors, which have none to ask, pay nothing.
Source: https://docs.pytorch.org/docs/stable/notes/extending.html#subclassing-torch-tensor
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

from graphc.ops.overriding import UNANSWERED, answer, asked, here, switch
from graphc.tensor import Tensor

# What is not a matter of the protocol: how tensors are made, and what the library's own work stands on.
_OWN = frozenset({"apply", "as_subclass", "from_array", "source"})
# PyTorch's names for what operators call, where they are not called after themselves.
_FUNCTIONS = {
    "__abs__": "abs",
    "__add__": "add",
    "__ge__": "ge",
    "__gt__": "gt",
    "__iadd__": "add_",
    "__iand__": "bitwise_and_",
    "__ifloordiv__": "floor_divide_",
    "__imod__": "remainder_",
    "__imul__": "mul_",
    "__ior__": "bitwise_or_",
    "__ipow__": "pow_",
    "__isub__": "sub_",
    "__itruediv__": "div_",
    "__ixor__": "bitwise_xor_",
    "__le__": "le",
    "__lt__": "lt",
    "__matmul__": "matmul",
    "__mod__": "remainder",
    "__mul__": "mul",
    "__ne__": "ne",
    "__neg__": "neg",
    "__pos__": "positive",
    "__pow__": "pow",
    "__radd__": "add",
    "__rmul__": "mul",
    "__sub__": "sub",
    "__truediv__": "div",
}
_OTHER_OPERATORS = """
    and array bool complex contains eq float floordiv format getitem ilshift index int invert irshift len lshift or rand
    rdiv repr rfloordiv rlshift rmatmul rmod ror rpow rrshift rshift rsub rtruediv rxor setitem xor
"""
_AS_NAMED = frozenset(f"__{name}__" for name in _OTHER_OPERATORS.split())
# A reflected operator of a subclass is tried before the operator of a tensor.
_REFLECTED = {
    "__radd__": "add",
    "__rfloordiv__": "__floordiv__",
    "__rmatmul__": "matmul",
    "__rmod__": "remainder",
    "__rmul__": "mul",
    "__rpow__": "pow",
    "__rsub__": "sub",
    "__rtruediv__": "div",
}
# Whose results stay what they are.
_PLAIN_RESULTS = ("grad", "_grad", "_base")


class OverridingTensor(Tensor):
    """What lies between :class:`graphc.Tensor` and the classes that users derive from it."""

    overrides_functions = True


def _method(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    function = getattr(Tensor, _FUNCTIONS.get(name, name))
    reflected = getattr(Tensor, _REFLECTED[name]) if name in _REFLECTED else None
    # Python tries the other operand's operator where this one's declines.
    ask = asked if name.startswith("__") else answer

    @functools.wraps(original)
    def method(self: Any, *arguments: Any, **keywords: Any) -> Any:
        if here.classes_silent and not here.modes:
            return original(self, *arguments, **keywords)
        if reflected is not None and isinstance(arguments[0], Tensor):
            result = ask(reflected, (arguments[0], self), keywords)
        else:
            result = ask(function, (self, *arguments), keywords)
        return original(self, *arguments, **keywords) if result is UNANSWERED else result

    return method


def _property(original: property) -> property:
    def get(self: Any) -> Any:
        if here.classes_silent and not here.modes:
            return original.fget(self)
        result = answer(original.__get__, (self,), {})
        return original.fget(self) if result is UNANSWERED else result

    def set(self: Any, value: Any) -> None:
        if (here.classes_silent and not here.modes) or answer(original.__set__, (self, value), {}) is UNANSWERED:
            original.fset(self, value)

    return property(get, None if original.fset is None else set, doc=original.__doc__)


def _overridable() -> dict[str, Any]:
    """By name the methods, operators, and properties of tensors that ask."""
    found: dict[str, Any] = {}
    for name in dir(Tensor):
        value = inspect.getattr_static(Tensor, name)
        if name in _FUNCTIONS or name in _AS_NAMED or not (name.startswith("_") or name in _OWN):
            if isinstance(value, FunctionType):
                found[name] = _method(name, value)
            elif isinstance(value, property):
                found[name] = _property(value)
    return found


_ASKING = _overridable()
for _name, _value in _ASKING.items():
    setattr(OverridingTensor, _name, _value)


def derived(kind: type) -> None:
    """A user has derived a class of tensors. Raises TypeError for one that is to see what functions are made of."""
    if "__torch_dispatch__" in vars(kind):
        raise TypeError(
            f"{kind.__name__} defines __torch_dispatch__, which graphc does not offer: define __torch_function__"
        )
    kind.__bases__ = tuple(OverridingTensor if base is Tensor else base for base in kind.__bases__)
    switch.active = True


def converted(result: Any, kind: type) -> Any:
    """A result, or the parts of one, as instances of a class of tensors."""
    if kind is Tensor:
        return result
    if isinstance(result, Tensor):
        return result if isinstance(result, kind) else result.as_subclass(kind)
    if isinstance(result, tuple | list):
        parts = [converted(part, kind) for part in result]
        return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)
    return result


def stays_plain(function: Any) -> bool:
    """Whether a function's results are not converted to the class: the gradient, and what a view is of."""
    return any(function == getattr(Tensor, name).__get__ for name in _PLAIN_RESULTS if _is_property(name))


def _is_property(name: str) -> bool:
    return isinstance(inspect.getattr_static(Tensor, name), property)


class _Modes:
    """The methods of plain tensors ask while any mode is on."""

    def __init__(self) -> None:
        self.count = 0
        self.own: dict[str, Any] = {}

    def entered(self) -> None:
        self.count += 1
        switch.active = True
        if self.count == 1:
            self.own = {name: vars(Tensor).get(name) for name in _ASKING}
            for name, value in _ASKING.items():
                setattr(Tensor, name, value)

    def left(self) -> None:
        self.count -= 1
        if not self.count:
            for name, value in self.own.items():
                if value is None:
                    delattr(Tensor, name)
                else:
                    setattr(Tensor, name, value)


modes = _Modes()


def answer_of_tensor(
    kind: type, function: Callable[..., Any], types: Sequence[type], arguments: Any, keywords: Any
) -> Any:
    """The ``__torch_function__`` that classes inherit: the function itself, its results converted to the class."""
    if not all(issubclass(kind, each) for each in types):
        return NotImplemented
    outer, here.classes_silent = here.classes_silent, True
    try:
        result = function(*arguments, **(keywords or {}))
    finally:
        here.classes_silent = outer
    return result if stays_plain(function) else converted(result, kind)
