"""Pruning: a mask holds elements of a parameter at zero while the rest learns.

Source: https://docs.pytorch.org/docs/stable/nn.html#module-torch.nn.utils.prune
"""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import numpy as np

from graphc.creation import from_numpy, ones_like, rand, rand_like
from graphc.nn.module import Module
from graphc.nn.utils.convert_parameters import parameters_to_vector
from graphc.ops.functions.reduction import norm
from graphc.tensor import Tensor


class BasePruningMethod(ABC):
    """The hook that multiplies a parameter by its mask before each forward.

    The module has the parameter as ``<name>_orig`` and the mask as the buffer ``<name>_mask``. A subclass says by
    ``compute_mask`` what to keep, and by ``PRUNING_TYPE`` what it works on when there is a mask already: the elements
    that are kept ("unstructured"), the slices that are ("structured"), or all ("global").
    """

    PRUNING_TYPE: ClassVar[str]
    _tensor_name: str

    def __call__(self, module: Module, inputs: Any) -> None:
        # Not a change of the module that a compiled step could miss: every forward computes it anew.
        module.__dict__[self._tensor_name] = self.apply_mask(module)

    @abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """A mask of ones and zeros for a tensor (or scores of its elements), beside the mask that there is."""

    def apply_mask(self, module: Module) -> Tensor:
        """The parameter with its mask."""
        if self._tensor_name is None:
            raise AssertionError(f"Module {module} has to be pruned")
        original = getattr(module, self._tensor_name + "_orig")
        return getattr(module, self._tensor_name + "_mask").to(dtype=original.dtype) * original

    @classmethod
    def apply(
        cls, module: Module, name: str, *args: Any, importance_scores: Tensor | None = None, **kwargs: Any
    ) -> Any:
        """Prune a parameter of a module; further pruning of it goes into one :class:`PruningContainer`.

        ``importance_scores`` of the parameter's shape decide in the place of its values.
        """
        method = _joined(module, name, cls(*args, **kwargs))
        original = getattr(module, name)
        if importance_scores is None:
            importance_scores = original
        elif importance_scores.shape != original.shape:
            raise AssertionError(
                f"importance_scores should have the same shape as parameter {name} of {module}, got "
                f"{importance_scores.shape} vs {original.shape}"
            )
        first = not isinstance(method, PruningContainer)
        mask = ones_like(original) if first else getattr(module, name + "_mask").detach().clone()
        mask = method.compute_mask(importance_scores.detach(), default_mask=mask)
        if first:
            delattr(module, name)
            module.register_parameter(name + "_orig", original)
        module.register_buffer(name + "_mask", mask)
        method(module, None)
        module.register_forward_pre_hook(method)
        return method

    def prune(self, t: Tensor, default_mask: Tensor | None = None, importance_scores: Tensor | None = None) -> Tensor:
        """A tensor that is no module's, pruned."""
        if importance_scores is not None and importance_scores.shape != t.shape:
            raise AssertionError(
                f"importance_scores should have the same shape as tensor t, got {importance_scores.shape} vs {t.shape}"
            )
        scores = t if importance_scores is None else importance_scores
        return t * self.compute_mask(scores, default_mask=ones_like(t) if default_mask is None else default_mask)

    def remove(self, module: Module) -> None:
        """Let the parameter have its masked values and no mask."""
        if self._tensor_name is None:
            raise AssertionError(f"Module {module} has to be pruned before pruning can be removed")
        name, weight = self._tensor_name, self.apply_mask(module)
        original = module._parameters[name + "_orig"]
        original.data = weight.data
        for member in (name, name + "_orig", name + "_mask"):
            delattr(module, member)
        setattr(module, name, original)


def _joined(module: Module, name: str, method: BasePruningMethod) -> BasePruningMethod:
    """A method for a parameter, together with those that prune it already; their hook is taken away."""
    method._tensor_name = name
    keys = [key for key, hook in module._forward_pre_hooks.items() if _prunes(hook, name)]
    if len(keys) > 1:
        raise AssertionError(
            f"Avoid adding multiple pruning hooks to the same tensor {name} of module {module}. Use a PruningContainer."
        )
    if not keys:
        return method
    old = module._forward_pre_hooks.pop(keys[0])
    container = old if isinstance(old, PruningContainer) else PruningContainer(old)
    container.add_pruning_method(method)
    return container


def _prunes(hook: Any, name: str) -> bool:
    return isinstance(hook, BasePruningMethod) and hook._tensor_name == name


class PruningContainer(BasePruningMethod):
    """Several methods that prune one parameter, one after the other."""

    def __init__(self, *args: BasePruningMethod):
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        if len(args) == 1:
            self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: BasePruningMethod | None) -> None:
        """Add a method for the same parameter. Raises TypeError or ValueError for another."""
        if method is not None and not isinstance(method, BasePruningMethod):
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if method is not None and self._tensor_name != method._tensor_name:
            raise ValueError(
                f"Can only add pruning methods acting on the parameter named '{self._tensor_name}' to PruningContainer "
                f"{self}. Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[BasePruningMethod]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: Any) -> Any:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        method = self._pruning_methods[-1]
        kept = self._kept(method, default_mask)
        mask = default_mask.to(dtype=t.dtype, copy=True)
        mask[kept] = method.compute_mask(t[kept], default_mask=default_mask[kept]).to(dtype=mask.dtype)
        return mask

    @staticmethod
    def _kept(method: BasePruningMethod, mask: Tensor) -> Any:
        """The places that a method works on."""
        if method.PRUNING_TYPE == "unstructured":
            return mask == 1
        places: list[Any] = [slice(None)] * mask.dim()
        if method.PRUNING_TYPE == "structured":
            if not hasattr(method, "dim"):
                raise AttributeError(
                    'Pruning methods of PRUNING_TYPE "structured" need to have the attribute `dim` defined.'
                )
            dim = method.dim + mask.dim() if method.dim < 0 else method.dim
            if dim < 0:
                raise IndexError(f"Index is out of bounds for tensor with dimensions {mask.dim()}")
            places[dim] = mask.sum([other for other in range(mask.dim()) if other != dim]) != 0
        elif method.PRUNING_TYPE != "global":
            raise ValueError(f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")
        return tuple(places)


class Identity(BasePruningMethod):
    """Prunes nothing; the module gets the names of a pruned one."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask


class _OfAnAmount(BasePruningMethod):
    """Prunes a number of elements or slices, or a part of them. Raises TypeError or ValueError for what is neither."""

    def __init__(self, amount: float):
        if not isinstance(amount, numbers.Real):
            raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
        whole = isinstance(amount, numbers.Integral)
        if (whole and amount < 0) or (not whole and not 0.0 <= float(amount) <= 1.0):
            raise ValueError(f"amount={amount} should either be a float in the range [0, 1] or a non-negative integer")
        self.amount = amount

    def _count(self, total: int) -> int:
        count = self.amount if isinstance(self.amount, numbers.Integral) else round(self.amount * total)
        if count > total:
            raise ValueError(f"amount={count} should be smaller than the number of parameters to prune={total}")
        return count


class _Unstructured(_OfAnAmount):
    """Prunes the elements of the lowest scores."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        count = self._count(t.numel())
        mask = np.array(default_mask._value("pruning"))
        if count:
            lowest = np.argsort(self._scores(t)._value("pruning").reshape(-1), kind="stable")[:count]
            mask.reshape(-1)[lowest] = 0
        return from_numpy(mask)

    def _scores(self, t: Tensor) -> Tensor:
        raise NotImplementedError


class RandomUnstructured(_Unstructured):
    """Prunes elements at random; draws what PyTorch draws."""

    def _scores(self, t: Tensor) -> Tensor:
        return -rand_like(t)


class L1Unstructured(_Unstructured):
    """Prunes the elements that are nearest to zero."""

    def _scores(self, t: Tensor) -> Tensor:
        return t.abs()


class _Structured(_OfAnAmount):
    """Prunes the slices at those places of a dimension that have the lowest scores."""

    PRUNING_TYPE = "structured"
    dim: int

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if t.dim() <= 1:
            raise ValueError(
                f"Structured pruning can only be applied to multidimensional tensors. Found tensor of shape {t.shape} "
                f"with {t.dim()} dims"
            )
        if self.dim >= t.dim():
            raise IndexError(f"Invalid index {self.dim} for tensor of size {t.shape}")
        count = self._count(t.shape[self.dim])
        if not count:
            return default_mask
        mask = np.ones(tuple(t.shape), t.dtype.numpy)
        places: list[Any] = [slice(None)] * t.dim()
        places[self.dim] = np.argsort(self._scores(t)._value("pruning"), kind="stable")[:count]
        mask[tuple(places)] = 0
        return from_numpy(mask) * default_mask.to(dtype=t.dtype)

    def _scores(self, t: Tensor) -> Tensor:
        raise NotImplementedError


class RandomStructured(_Structured):
    """Prunes slices at random; draws what PyTorch draws."""

    def __init__(self, amount: float, dim: int = -1):
        super().__init__(amount)
        self.dim = dim

    def _scores(self, t: Tensor) -> Tensor:
        return rand(t.shape[self.dim])


class LnStructured(_Structured):
    """Prunes the slices of the least norm of order ``n``."""

    def __init__(self, amount: float, n: Any, dim: int = -1):
        super().__init__(amount)
        self.n = n
        self.dim = dim

    def _scores(self, t: Tensor) -> Tensor:
        others = [other for other in range(t.dim()) if other != self.dim % t.dim()]
        return norm(t, self.n, others)


class CustomFromMask(BasePruningMethod):
    """Prunes what a mask says."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor):
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"default_mask shape {default_mask.shape} must match self.mask shape {self.mask.shape}"
            )
        return default_mask * self.mask.to(dtype=default_mask.dtype)


def identity(module: Module, name: str) -> Module:
    """Prune nothing of a parameter, but give the module the names of a pruned one."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Module, name: str, amount: float) -> Module:
    """Prune a number, or a part, of a parameter's elements at random."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: Module, name: str, amount: float, importance_scores: Tensor | None = None) -> Module:
    """Prune a number, or a part, of a parameter's elements: those nearest to zero."""
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: Module, name: str, amount: float, dim: int) -> Module:
    """Prune a number, or a part, of a parameter's slices along a dimension at random."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: Module, name: str, amount: float, n: Any, dim: int, importance_scores: Tensor | None = None
) -> Module:
    """Prune a number, or a part, of a parameter's slices along a dimension: those of the least norm of order ``n``."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: Module, name: str, mask: Tensor) -> Module:
    """Prune the elements of a parameter at which a mask is zero."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Any, pruning_method: type[BasePruningMethod], importance_scores: Any = None, **kwargs: Any
) -> None:
    """Prune elements of several parameters, given as pairs of module and name, as if they were one vector. Raises
    TypeError for what is no such list, or a method that works on slices."""
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    pairs = list(parameters)
    scores = {} if importance_scores is None else importance_scores
    if not isinstance(scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    together = parameters_to_vector([scores.get((module, name), getattr(module, name)) for module, name in pairs])
    masks = [getattr(module, f"{name}_mask", ones_like(getattr(module, name))) for module, name in pairs]
    method = pruning_method(**kwargs)
    method._tensor_name = "temp"
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method '
            f"{pruning_method} of type {method.PRUNING_TYPE}"
        )
    mask = PruningContainer(method).compute_mask(together.detach(), parameters_to_vector(masks))
    place = 0
    for module, name in pairs:
        parameter = getattr(module, name)
        custom_from_mask(module, name, mask[place : place + parameter.numel()].view_as(parameter))
        place += parameter.numel()


def remove(module: Module, name: str) -> Module:
    """Let a pruned parameter be an ordinary one with its masked values. Raises ValueError where it is not pruned."""
    for key, hook in module._forward_pre_hooks.items():
        if _prunes(hook, name):
            hook.remove(module)
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed")


def is_pruned(module: Module) -> bool:
    """Whether a parameter of the module, or of one below it, is pruned."""
    return any(
        isinstance(hook, BasePruningMethod) for part in module.modules() for hook in part._forward_pre_hooks.values()
    )
