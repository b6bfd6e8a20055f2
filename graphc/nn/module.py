"""Module: a part of a network, with its parameters, buffers, and parts.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Self

from graphc.autograd.modes import no_grad
from graphc.nn.parameter import Parameter
from graphc.recording import generation, state
from graphc.tensor import Tensor


class IncompatibleKeys(NamedTuple):
    """The names that ``load_state_dict`` did not find, and those that it could not place."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class RemovableHandle:
    """Takes a hook away again; ``changed`` is called when it does."""

    def __init__(self, hooks: dict[int, Any], key: int, changed: Callable[[], None] = lambda: None):
        self._hooks, self._key, self._changed = hooks, key, changed

    def remove(self) -> None:
        """Stop calling the hook."""
        if self._hooks.pop(self._key, None) is not None:
            self._changed()


class Module:
    """The base of all modules. Assigning parameters and modules as attributes registers them; define ``forward``."""

    training: bool

    def __init__(self) -> None:
        if state.recorder is not None:
            state.recorder.object_made(self)
        self.__dict__.update(
            training=True,
            _changes=0,  # how often parts or attributes were replaced: a compiled step holds while it stays
            _parameters=OrderedDict(),
            _buffers=OrderedDict(),
            _non_persistent_buffers_set=set(),
            _modules=OrderedDict(),
            _forward_hooks=OrderedDict(),
            _forward_pre_hooks=OrderedDict(),
        )

    def forward(self, *inputs: Any) -> Any:
        """What calling the module computes; every subclass defines it."""
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    def __call__(self, *inputs: Any, **keywords: Any) -> Any:
        recorder = state.recorder
        if recorder is not None:
            recorder.guard(self, "training", self.training)
            recorder.guard(self, "_changes", self._changes)
        for hook in tuple(self._forward_pre_hooks.values()):
            changed = hook(self, inputs)
            if changed is not None:
                inputs = changed if isinstance(changed, tuple) else (changed,)
        result = self.forward(*inputs, **keywords)
        for hook in tuple(self._forward_hooks.values()):
            changed = hook(self, inputs, result)
            result = result if changed is None else changed
        return result

    def register_forward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, inputs, result)`` after every forward; what it returns, unless None, is the result."""
        return self._register(self._forward_hooks, hook)

    def register_forward_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, inputs)`` before every forward; what it returns, unless None, are the inputs."""
        return self._register(self._forward_pre_hooks, hook)

    def _register(self, hooks: dict[int, Any], hook: Callable[..., Any]) -> RemovableHandle:
        self._note_change("hook", None, hook)
        key = max(hooks, default=-1) + 1
        hooks[key] = hook
        return RemovableHandle(hooks, key, lambda: self._note_change("hook", hook, None))

    # -- attributes ----------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        registered = self.__dict__.get("_parameters")
        if registered is None:
            if isinstance(value, Parameter | Module):
                kind = "parameters" if isinstance(value, Parameter) else "module"
                raise AttributeError(f"cannot assign {kind} before Module.__init__() call")
            return object.__setattr__(self, name, value)
        if isinstance(value, Parameter):
            self.__dict__.pop(name, None)
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self.__dict__.pop(name, None)
            self.add_module(name, value)
        elif name in registered:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{type(value).__name__}' as parameter '{name}' (torch.nn.Parameter or None "
                    "expected)"
                )
            self._note_change(name, registered[name], None)
            registered[name] = None
        elif name in self._modules and value is None:
            self._note_change(name, self._modules[name], None)
            self._modules[name] = None
        elif name in self._buffers:
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(
                    f"cannot assign '{type(value).__name__}' object to buffer '{name}' (torch.Tensor or None required)"
                )
            self._note_change(name, self._buffers[name], value)
            self._buffers[name] = value
        else:
            self._note_change(name, self.__dict__.get(name), value)
            object.__setattr__(self, name, value)
        return None

    def _note_change(self, name: str, before: Any, value: Any) -> None:
        """Let compiled steps know that an attribute gets another value. Raises under a capture, which could not
        repeat it."""
        if before is value or (
            isinstance(value, int | float | str) and type(before) is type(value) and before == value
        ):
            return
        if state.recorder is not None:
            state.recorder.attribute_written(self, name, value)
        self.__dict__["_changes"] += 1
        generation.advance()

    def __getattr__(self, name: str) -> Any:
        for table in ("_parameters", "_buffers", "_modules"):
            members = self.__dict__.get(table)
            if members is not None and name in members:
                return members[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __delattr__(self, name: str) -> None:
        self._note_change(name, self, None)
        for table in (self._parameters, self._buffers, self._modules):
            if name in table:
                del table[name]
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._parameters, *self._buffers, *self._modules})

    def register_parameter(self, name: str, parameter: Parameter | None) -> None:
        """Enter a parameter (or a place for one) under a name. Raises for a bad name or a tensor with history."""
        self._refuse_name(name, self._parameters)
        if parameter is not None and not isinstance(parameter, Parameter):
            raise TypeError(f"cannot assign '{type(parameter).__name__}' object to parameter '{name}'")
        self._note_change(name, self._parameters.get(name, self), parameter)
        self._parameters[name] = parameter

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Enter a tensor that is part of the module's state but is not learned."""
        self._refuse_name(name, self._buffers)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"cannot assign '{type(tensor).__name__}' object to buffer '{name}'")
        self._note_change(name, self._buffers.get(name, self), tensor)
        self._buffers[name] = tensor
        (self._non_persistent_buffers_set.discard if persistent else self._non_persistent_buffers_set.add)(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Enter a part under a name."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        self._refuse_name(name, self._modules)
        self._note_change(name, self._modules.get(name, self), module)
        self._modules[name] = module

    register_module = add_module

    def _refuse_name(self, name: str, table: Mapping[str, Any]) -> None:
        if "_parameters" not in self.__dict__:
            raise AttributeError("cannot assign members before Module.__init__() call")
        if name not in table and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")
        if "." in name:
            raise KeyError(f'name can\'t contain ".": {name}')
        if name == "":
            raise KeyError('name can\'t be empty string ""')

    # -- walking -------------------------------------------------------------------------------------------------

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it with their dotted names, each module once."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all below it."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The direct parts with their names."""
        seen: set[Module] = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The direct parts."""
        return (module for _, module in self.named_children())

    def _named_members(self, table: str, prefix: str, recurse: bool) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for path, module in self.named_modules(prefix=prefix) if recurse else [(prefix, self)]:
            for name, member in module.__dict__[table].items():
                if member is not None and id(member) not in seen:
                    seen.add(id(member))
                    yield (f"{path}.{name}" if path else name), member

    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Parameter]]:
        """Parameters with their dotted names, shared ones once."""
        return self._named_members("_parameters", prefix, recurse)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Parameters, shared ones once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Tensor]]:
        """Buffers with their dotted names."""
        return self._named_members("_buffers", prefix, recurse)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Buffers."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The part at a dotted path. Raises AttributeError naming the module that has no such part."""
        module = self
        for name in target.split(".") if target else ():
            part = module._modules.get(name)
            if part is None:
                raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
            module = part
        return module

    # -- changing ------------------------------------------------------------------------------------------------

    def apply(self, function: Callable[[Module], None]) -> Self:
        """Call a function on every part and on this module, innermost first."""
        for module in self.children():
            module.apply(function)
        function(self)
        return self

    def train(self, mode: bool = True) -> Self:
        """Set the training flag of this module and all parts."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        for module in self.modules():
            module.__dict__["training"] = mode
        generation.advance()
        return self

    def eval(self) -> Self:
        """Clear the training flag of this module and all parts."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set ``requires_grad`` of all parameters."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop (or set to zero) the gradients of all parameters."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad.detach_().zero_()

    def to(self, *targets: Any, **keywords: Any) -> Self:
        """Convert floating parameters and buffers to a dtype, or move all to a device."""
        with no_grad():
            for module in self.modules():
                for table in (module._parameters, module._buffers):
                    for tensor in table.values():
                        if tensor is not None and tensor.is_floating_point():
                            converted = tensor.detach().to(*targets, **keywords)
                            if converted._array is not tensor._array:
                                tensor.data = converted
        return self

    def float(self) -> Self:
        """Convert floating parameters and buffers to float32."""
        from graphc.ir.types import float32

        return self.to(float32)

    def double(self) -> Self:
        """Convert floating parameters and buffers to float64."""
        from graphc.ir.types import float64

        return self.to(float64)

    def cpu(self) -> Self:
        """This module: it is in the processor's memory already."""
        return self

    # -- state ---------------------------------------------------------------------------------------------------

    def state_dict(self, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> OrderedDict[str, Any]:
        """All parameters and persistent buffers by dotted name; they share memory with the module's."""
        destination = OrderedDict() if destination is None else destination
        for table in (self._parameters, self._buffers):
            for name, member in table.items():
                if member is not None and name not in self._non_persistent_buffers_set:
                    destination[prefix + name] = member if keep_vars else member.detach()
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination, f"{prefix}{name}.", keep_vars)
        return destination

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> IncompatibleKeys:
        """Copy values by name into parameters and buffers.

        Raises RuntimeError listing every missing and unexpected name (when ``strict``) and every shape that differs;
        nothing is copied then.
        """
        own = self.state_dict(keep_vars=True)
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        errors: list[str] = []
        if strict and unexpected:
            errors.append("Unexpected key(s) in state_dict: " + ", ".join(f'"{name}"' for name in unexpected) + ". ")
        if strict and missing:
            errors.append("Missing key(s) in state_dict: " + ", ".join(f'"{name}"' for name in missing) + ". ")
        for name, member in own.items():
            given = state_dict.get(name)
            if given is not None and tuple(given.shape) != tuple(member.shape):
                errors.append(
                    f"size mismatch for {name}: copying a param with shape {given.shape} from checkpoint, the shape in "
                    f"current model is {member.shape}."
                )
        if errors:
            raise RuntimeError(f"Error(s) in loading state_dict for {type(self).__name__}:\n\t" + "\n\t".join(errors))
        with no_grad():
            for name, member in own.items():
                if name in state_dict:
                    member.copy_(state_dict[name])
        return IncompatibleKeys(missing, unexpected)

    # -- text ----------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What stands between the parentheses of the module's text."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        parts = [f"({name}): " + _indent(repr(module)) for name, module in self._modules.items()]
        text = self._get_name() + "("
        if lines or parts:
            if len(lines) == 1 and not parts:
                text += lines[0]
            else:
                text += "\n  " + "\n  ".join(lines + parts) + "\n"
        return text + ")"


def _indent(text: str) -> str:
    return text.replace("\n", "\n  ")
