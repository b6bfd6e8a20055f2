"""The state of a module as a dict of tensors by dotted name, and taking one over.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.load_state_dict
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from graphc.autograd.modes import no_grad
from graphc.hook_handles import RemovableHandle
from graphc.nn.parameter import Parameter, is_lazy
from graphc.notices import warn
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.nn.module import Module

_EXTRA_STATE = "_extra_state"


class IncompatibleKeys(NamedTuple):
    """The names that ``load_state_dict`` did not find, and those that it could not place."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class HasStateDict:
    """What a module can do about its state; :class:`graphc.nn.Module` is one."""

    # The version of a class's layout, which ``_load_from_state_dict`` finds in its ``local_metadata``.
    _version: int = 1
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _non_persistent_buffers_set: set[str]
    _state_dict_hooks: dict[int, Callable[..., Any]]
    _state_dict_pre_hooks: dict[int, Callable[..., Any]]
    _load_state_dict_pre_hooks: dict[int, tuple[Callable[..., Any], bool]]
    _load_state_dict_post_hooks: dict[int, Callable[..., Any]]

    # -- hooks ---------------------------------------------------------------------------------------------------

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before the module's state is gathered."""
        return _enter(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` when the module's state is gathered. It may change
        the dict in place; it returns None."""
        hook._from_public_api = True
        return _enter(self._state_dict_hooks, hook)

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """As :meth:`register_state_dict_post_hook`, but what the hook returns, unless None, is the dict."""
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was previously registered via "
                "register_state_dict_post_hook"
            )
        return _enter(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)``
        before the module takes over its part of a state."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        return _enter(self._load_state_dict_pre_hooks, (hook, with_module))

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` when a state was taken over. It may change the lists in place."""
        return _enter(self._load_state_dict_post_hooks, hook)

    # -- what subclasses may define ------------------------------------------------------------------------------

    def get_extra_state(self) -> Any:
        """What a subclass keeps in the state beside tensors; any value that can be pickled."""
        raise RuntimeError(f"{type(self).__name__}.get_extra_state() is not defined: there is no extra state")

    def set_extra_state(self, state: Any) -> None:
        """Take over what :meth:`get_extra_state` gave."""
        raise RuntimeError(f"{type(self).__name__}.set_extra_state() is not defined: there is no extra state")

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        """Enter the module's own members, not those of its parts."""
        for name, member in self._persistent_members():
            destination[prefix + name] = member if keep_vars else member.detach()
        if type(self).get_extra_state is not HasStateDict.get_extra_state:
            destination[prefix + _EXTRA_STATE] = self.get_extra_state()

    def _persistent_members(self) -> list[tuple[str, Tensor]]:
        members = [
            *self._parameters.items(),
            *((name, buffer) for name, buffer in self._buffers.items() if name not in self._non_persistent_buffers_set),
        ]
        return [(name, member) for name, member in members if member is not None]

    # -- giving --------------------------------------------------------------------------------------------------

    def state_dict(
        self, *arguments: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> OrderedDict[str, Any]:
        """All parameters and persistent buffers by dotted name; they share memory with the module's."""
        if arguments:
            warn(
                "Positional args are being deprecated, use kwargs instead. Refer to "
                "https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module.state_dict for "
                "details.",
                FutureWarning,
            )
            given = dict(zip(("destination", "prefix", "keep_vars"), arguments, strict=False))
            destination = given.get("destination") if destination is None else destination
            prefix = prefix or given.get("prefix", "")
            keep_vars = keep_vars or given.get("keep_vars", False)
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in tuple(self._state_dict_pre_hooks.values()):
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in tuple(self._state_dict_hooks.values()):
            result = hook(self, destination, prefix, local_metadata)
            if result is None:
                continue
            if getattr(hook, "_from_public_api", False):
                raise RuntimeError("state_dict post-hook must return None")
            destination = result
        return destination

    # -- taking over ---------------------------------------------------------------------------------------------

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy values by name into parameters and buffers; with ``assign`` the tensors given become the module's own.

        Raises RuntimeError, in PyTorch's words, listing every missing and unexpected name (when ``strict``), and every
        member that could not be copied. What can be copied is copied first, as in PyTorch.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        found = IncompatibleKeys([], [])
        errors: list[str] = []
        metadata = getattr(state_dict, "_metadata", None)
        given = OrderedDict(state_dict)
        if metadata is not None:
            given._metadata = metadata
        _load(self, given, "", metadata, assign, found, errors)
        if strict and found.unexpected_keys:
            errors.insert(0, f"Unexpected key(s) in state_dict: {_quoted(found.unexpected_keys)}. ")
        if strict and found.missing_keys:
            errors.insert(0, f"Missing key(s) in state_dict: {_quoted(found.missing_keys)}. ")
        if errors:
            raise RuntimeError(f"Error(s) in loading state_dict for {type(self).__name__}:\n\t" + "\n\t".join(errors))
        return found

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Take over the module's own members, not those of its parts. Subclasses override it to read old layouts.

        Names and errors are added to the lists; nothing is raised.
        """
        for hook, with_module in tuple(self._load_state_dict_pre_hooks.values()):
            own = (self,) if with_module else ()
            hook(*own, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        members = dict(self._persistent_members())
        assign = local_metadata.get("assign_to_params_buffers", False)
        for name, member in members.items():
            key = prefix + name
            if key in state_dict:
                error = self._take_over(name, key, member, state_dict[key], assign)
                if error is not None:
                    error_msgs.append(error)
            elif strict:
                missing_keys.append(key)
        extra = prefix + _EXTRA_STATE
        if type(self).set_extra_state is not HasStateDict.set_extra_state:
            if extra in state_dict:
                self.set_extra_state(state_dict[extra])
            elif strict:
                missing_keys.append(extra)
        elif strict and extra in state_dict:
            unexpected_keys.append(extra)
        if strict:
            for key in state_dict:
                if key.startswith(prefix) and key != extra:
                    name, dot, _ = key[len(prefix) :].partition(".")
                    if name not in (self._modules if dot else members):
                        unexpected_keys.append(key)

    def _take_over(self, name: str, key: str, member: Tensor, given: Any, assign: bool) -> str | None:
        """Copy one member, or put another in its place; gives what went wrong."""
        if not isinstance(given, Tensor):
            return (
                f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like object from '
                f"checkpoint but received {type(given)}"
            )
        if not is_lazy(member):
            if not member.shape and tuple(given.shape) == (1,):
                given = given[0]  # what checkpoints had for a single number before there were 0-d tensors
            if given.shape != member.shape:
                return (
                    f"size mismatch for {key}: copying a param with shape {given.shape} from checkpoint, the shape in "
                    f"current model is {member.shape}."
                )
        try:
            with no_grad():
                if assign:
                    setattr(self, name, _as_member(member, given))
                else:
                    member.copy_(given)
        except Exception as error:
            return (
                f'While copying the parameter named "{key}", whose dimensions in the model are {member.size()} and '
                f"whose dimensions in the checkpoint are {given.size()}, an exception occurred : {error.args}."
            )
        return None


def _as_member(member: Tensor, given: Tensor) -> Tensor:
    """The tensor that takes a member's place."""
    if not isinstance(member, Parameter):
        return given
    if isinstance(given, Parameter):
        return given.requires_grad_(member.requires_grad)
    return Parameter(given, member.requires_grad)


def _load(
    module: HasStateDict,
    state_dict: Mapping[str, Any],
    prefix: str,
    metadata: Mapping[str, Any] | None,
    assign: bool,
    found: IncompatibleKeys,
    errors: list[str],
) -> None:
    """Let a module and then its parts take over what is theirs of a state."""
    local_metadata = {} if metadata is None else metadata.get(prefix[:-1], {})
    if assign:
        local_metadata["assign_to_params_buffers"] = True
    module._load_from_state_dict(state_dict, prefix, local_metadata, True, *found, errors)
    for name, part in module._modules.items():
        if part is not None:
            inner = f"{prefix}{name}."
            own = {key: value for key, value in state_dict.items() if key.startswith(inner)}
            _load(part, own, inner, metadata, assign, found, errors)
    for hook in tuple(module._load_state_dict_post_hooks.values()):
        if hook(module, IncompatibleKeys(*found)) is not None:
            raise AssertionError(
                "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return new values, "
                "if incompatible_keys need to be modified, it should be done inplace."
            )


def _enter(table: dict[int, Any], hook: Any) -> RemovableHandle:
    handle = RemovableHandle(table)
    table[handle.id] = hook
    return handle


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
