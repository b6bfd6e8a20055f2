"""Modules that learn the shapes of their parameters from their first input.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.modules.lazy.LazyModuleMixin.html
"""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from graphc.autograd.modes import no_grad
from graphc.nn.module import Module
from graphc.nn.parameter import UninitializedParameter, is_lazy
from graphc.recording import paused


class LazyModuleMixin:
    """What a lazy module is beside the module that it becomes, ``cls_to_become``.

    A subclass makes its unknown parameters and buffers uninitialized and defines ``initialize_parameters``, which is
    called with the first input; from then on the module is an ordinary one. Inside a compiled function that happens
    eagerly in the first call, and what is recorded is the ordinary module.
    """

    cls_to_become: ClassVar[type[Module] | None] = None

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = self.register_forward_pre_hook(self._infer_parameters, with_kwargs=True)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Give the parameters their shapes, and first values, for an input."""
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer has no shape yet."""
        return any(is_lazy(member) for member in (*self._parameters.values(), *self._buffers.values()))

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        # What has no shape is in the state as it is.
        for name, member in self._persistent_members():
            destination[prefix + name] = member if keep_vars or is_lazy(member) else member.detach()

    def _lazy_load_hook(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        """Before a state is taken over: members without a shape have that of what is loaded."""
        for name, member in (*self._parameters.items(), *self._buffers.items()):
            given = state_dict.get(prefix + name)
            if given is not None and is_lazy(member) and not is_lazy(given):
                with no_grad():
                    member.materialize(given.shape)

    def _infer_parameters(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> None:
        with paused():
            module.initialize_parameters(*args, **(kwargs or {}))
            if module.has_uninitialized_params():
                raise RuntimeError(f"module {self._get_name()} has not been fully initialized")
            module._initialize_hook.remove()
            module._load_hook.remove()
            del module._initialize_hook, module._load_hook
            if module.cls_to_become is not None:
                module.__class__ = module.cls_to_become

    def _replicate_for_data_parallel(self) -> Any:
        raise RuntimeError(
            "Modules with uninitialized parameters can't be used with `DataParallel`. Run a dummy forward pass to "
            "correctly initialize the modules"
        )


class Lazy(LazyModuleMixin):
    """The base of lazy layers with a weight and a bias. They take the arguments of what they become, but for how many
    inputs there are."""

    # The arguments, and attributes, that say how many inputs and outputs there are.
    _inputs: ClassVar[str] = "in_channels"
    _outputs: ClassVar[str] = "out_channels"

    def __init__(self, *args: Any, **kwargs: Any):
        bound = inspect.signature(self.cls_to_become).bind(0, *args, **kwargs)
        bound.apply_defaults()
        given = bound.arguments
        super().__init__(**{**given, self._outputs: 0, "bias": False})
        kind = {"device": given["device"], "dtype": given["dtype"]}
        self.weight = UninitializedParameter(**kind)
        setattr(self, self._outputs, given[self._outputs])
        if given["bias"]:
            self.bias = UninitializedParameter(**kind)

    def reset_parameters(self) -> None:
        """Draw new first values, where there is something to fill."""
        if not self.has_uninitialized_params() and getattr(self, self._inputs):
            super().reset_parameters()
