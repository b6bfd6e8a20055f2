"""Parameters that are functions of others: a module's tensor is computed from what it learns whenever it is read.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.parametrize.register_parametrization.html
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

from graphc.autograd.modes import no_grad
from graphc.nn.module import Module
from graphc.nn.modules.containers import ModuleDict, ModuleList
from graphc.nn.parameter import Parameter
from graphc.tensor import Tensor


class _Cache:
    """The tensors that were computed within ``cached()``, by module and name."""

    def __init__(self) -> None:
        self.depth = 0
        self.tensors: dict[tuple[int, str], Tensor] = {}


_cache = _Cache()


@contextlib.contextmanager
def cached() -> Iterator[None]:
    """Within the block every parametrized tensor is computed once, when it is first read."""
    _cache.depth += 1
    try:
        yield
    finally:
        _cache.depth -= 1
        if not _cache.depth:
            _cache.tensors = {}


def _register(module: Module, name: str, tensor: Tensor) -> None:
    (module.register_parameter if isinstance(tensor, Parameter) else module.register_buffer)(name, tensor)


def _give_memory(tensor: Tensor, value: Tensor) -> None:
    """Let a tensor have another's memory."""
    if value is not tensor:
        tensor.data = value.detach()


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor in their order, and what the tensor is computed from: ``original``, or
    ``original0``, ``original1``, ... where the first one's ``right_inverse`` gives several.

    Raises ValueError, in PyTorch's words, where they change the tensor's dtype or shape, unless ``unsafe``.
    """

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False):
        if not len(modules):
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype = original.shape, original.dtype
        with no_grad():
            new: Any = original
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    with contextlib.suppress(NotImplementedError):
                        new = module.right_inverse(new)
        self.is_tensor = isinstance(new, Tensor)
        if not self.is_tensor and not isinstance(new, Sequence):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got "
                f"{type(new).__name__}"
            )
        self.ntensors = 1 if self.is_tensor else len(new)
        if self.is_tensor:
            self._keep_one(original, new)
        else:
            self._keep_several(original, new)
        if not unsafe:
            result = self()
            _require_tensor("A parametrization must return a tensor.", result)
            _require_same(
                "tensor, unless `unsafe` flag is enabled", "unparametrized ", "parametrized ", shape, dtype, result
            )

    def _keep_one(self, original: Tensor, new: Tensor) -> None:
        for what in ("dtype", "device"):
            if getattr(original, what) != getattr(new, what):
                raise ValueError(
                    f"When `right_inverse` outputs one tensor, it may not change the {what}.\n"
                    f"original.{what}: {getattr(original, what)}\n"
                    f"right_inverse(original).{what}: {getattr(new, what)}"
                )
        _give_memory(original, new)
        _register(self, "original", original)

    def _keep_several(self, original: Tensor, new: Sequence[Any]) -> None:
        for position, part in enumerate(new):
            if not isinstance(part, Tensor):
                raise ValueError(
                    "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got element "
                    f"{position} of the sequence with type {type(part).__name__}."
                )
            kept = Parameter(part, original.requires_grad) if isinstance(original, Parameter) else part
            _register(self, f"original{position}", kept.requires_grad_(original.requires_grad))

    def right_inverse(self, value: Tensor) -> None:
        """Let the tensor be this value, as far as the parametrizations have inverses. Raises RuntimeError where one has
        none, ValueError where it gives what does not fit."""
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(f"parametrization {type(module).__name__} does not implement right_inverse.")
                value = module.right_inverse(value)
        if self.is_tensor:
            if not isinstance(value, Tensor):
                raise ValueError(f"`right_inverse` should return a tensor. Got {type(value).__name__}")
            if value.dtype != self.original.dtype:
                raise ValueError(
                    f"The tensor returned by `right_inverse` has dtype {value.dtype} while `original` has dtype "
                    f"{self.original.dtype}"
                )
            _give_memory(self.original, value)
            return
        if not isinstance(value, Sequence):
            raise ValueError(f"'right_inverse' must return a sequence of tensors. Got {type(value).__name__}.")
        if len(value) != self.ntensors:
            raise ValueError(
                f"'right_inverse' must return a sequence of tensors of length {self.ntensors}. Got a sequence of "
                f"length {len(value)}."
            )
        for position, part in enumerate(value):
            if not isinstance(part, Tensor):
                raise ValueError(
                    f"'right_inverse' must return a sequence of tensors. Got element {position} of type "
                    f"{type(part).__name__}"
                )
            original = getattr(self, f"original{position}")
            if original.dtype != part.dtype:
                raise ValueError(
                    f"Tensor {position} returned by `right_inverse` has dtype {part.dtype} while "
                    f"`original{position}` has dtype {original.dtype}"
                )
            _give_memory(original, part)

    def forward(self) -> Tensor:
        first, *others = self
        if self.is_tensor:
            value = first(self.original)
        else:
            value = first(*(getattr(self, f"original{position}") for position in range(self.ntensors)))
        for module in others:
            value = module(value)
        return value


def _require_tensor(words: str, value: Any) -> None:
    if not isinstance(value, Tensor):
        raise ValueError(f"{words} Got {type(value).__name__}.")


def _require_same(where: str, before: str, after: str, shape: Any, dtype: Any, value: Tensor) -> None:
    for what, own, found in (("dtype", dtype, value.dtype), ("shape", shape, value.shape)):
        if own != found:
            raise ValueError(
                f"Registering a parametrization may not change the {what} of the {where}.\n"
                f"{before}{what}: {own}\n{after}{what}: {found}"
            )


def _parametrized_class(kind: type[Module]) -> type[Module]:
    """A class of its own for one parametrized module, which will have properties."""

    def copied(self: Any, memo: dict[int, Any]) -> Any:
        replica = memo.get(id(self))
        if replica is None:
            replica = self.__new__(type(self))
            memo[id(self)] = replica
            replica.__dict__ = deepcopy(self.__dict__, memo)
        return replica

    def refuse_pickling(self: Any) -> Any:
        raise RuntimeError(
            "Serialization of parametrized modules is only supported through state_dict(). See:\n"
            "https://pytorch.org/tutorials/beginner/saving_loading_models.html"
            "#saving-loading-a-general-checkpoint-for-inference-and-or-resuming-training"
        )

    members: dict[str, Any] = {"__getstate__": refuse_pickling}
    if not hasattr(kind, "__deepcopy__"):
        members["__deepcopy__"] = copied
    return type(f"Parametrized{kind.__name__}", (kind,), members)


def _property_of(name: str) -> property:
    """The property by which a parametrized tensor is read and written."""

    def read(self: Any) -> Tensor:
        parametrization = self.parametrizations[name]
        if not _cache.depth:
            return parametrization()
        key = (id(self), name)
        if key not in _cache.tensors:
            _cache.tensors[key] = parametrization()
        return _cache.tensors[key]

    def write(self: Any, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(read, write)


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Let a parameter or buffer of a module be what a parametrization makes of it.

    The parametrization is a module from tensor to tensor. Where it has ``right_inverse(value)``, the tensor keeps its
    value as far as the inverse allows, and can be assigned to; where the first one's inverse gives several tensors,
    these are what is learned. Several parametrizations of a tensor follow one another.

    Raises ValueError, in PyTorch's words, for a name that is none, and, unless ``unsafe``, for a parametrization that
    changes dtype or shape.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            _try_on(module, tensor_name, parametrization)
        parametrizations = module.parametrizations[tensor_name]
        parametrizations.append(parametrization)
        parametrizations.unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        parametrizations = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            module.__class__ = _parametrized_class(type(module))
            module.parametrizations = ModuleDict()
        setattr(type(module), tensor_name, _property_of(tensor_name))
        module.parametrizations[tensor_name] = parametrizations
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name "
            f"'{tensor_name}'"
        )
    return module


def _try_on(module: Module, name: str, parametrization: Any) -> None:
    """Raise ValueError where one more parametrization does not fit a parametrized tensor."""
    value = getattr(module, name)
    result = parametrization(value)
    _require_tensor("A parametrization must return a tensor.", result)
    _require_same(
        "tensor, unless the `unsafe` flag is enabled",
        f"module.{name}.",
        f"parametrization(module.{name}).",
        value.shape,
        value.dtype,
        result,
    )
    if not hasattr(parametrization, "right_inverse"):
        return
    try:
        back = parametrization.right_inverse(result)
    except NotImplementedError:
        return
    if not isinstance(back, Tensor):
        raise ValueError(f"parametrization.right_inverse must return a tensor. Got: {type(back).__name__}")
    for what in ("dtype", "shape"):
        if getattr(back, what) != getattr(value, what):
            raise ValueError(
                f"The tensor returned by parametrization.right_inverse must have the same {what} as module.{name}, "
                f"unless the `unsafe` flag is enabled.\nmodule.{name}.{what}: {getattr(value, what)}\n"
                f"returned {what}: {getattr(back, what)}"
            )


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a module has a parametrized tensor, or one of this name."""
    parametrizations = getattr(module, "parametrizations", None)
    if not isinstance(parametrizations, ModuleDict):
        return False
    return len(parametrizations) > 0 if tensor_name is None else tensor_name in parametrizations


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Let a parametrized tensor be a parameter or buffer again, with its value or, without ``leave_parametrized``, that
    of ``original``. Raises ValueError where it is not parametrized, or has no ``original``."""
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    parametrizations = module.parametrizations[tensor_name]
    if parametrizations.is_tensor:
        original = parametrizations.original
        if leave_parametrized:
            with no_grad():
                _give_memory(original, getattr(module, tensor_name))
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value) if value.requires_grad else value
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a "
            "sequence of tensors."
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _register(module, tensor_name, original)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type[Module]:
    """The class that a module had before it was parametrized."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Let another module have the parametrizations of a module, or those of one tensor, and what they learned."""
    if not is_parametrized(from_module):
        return to_module
    for name in [tensor_name] if tensor_name is not None else list(from_module.parametrizations):
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name)))
        source = from_module.parametrizations[name]
        for parametrization in source:
            register_parametrization(to_module, name, parametrization)
        target = to_module.parametrizations[name]
        for member in ("original",) if source.is_tensor else [f"original{n}" for n in range(source.ntensors)]:
            setattr(target, member, getattr(source, member))
    return to_module
