"""Module: a part of a network, with its parameters, buffers, and parts.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html
"""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, Self

from graphc.autograd.modes import no_grad
from graphc.creation import empty_like
from graphc.ir.types import DType
from graphc.nn import hooks
from graphc.nn.hooks import HasHooks, RemovableHandle, call_with_hooks, everywhere
from graphc.nn.names import typename
from graphc.nn.parameter import Buffer, Parameter
from graphc.nn.state_dict import HasStateDict
from graphc.notices import warn
from graphc.recording import generation, state
from graphc.tensor import Tensor

__all__ = ["Module", "RemovableHandle", "indent"]


class Module(HasHooks, HasStateDict):
    """The base of all modules. Assigning parameters and modules as attributes registers them; define ``forward``.

    With ``call_super_init = True`` in a class, ``__init__`` passes its arguments on to the next base.
    """

    training: bool
    call_super_init: bool = False
    _compiled_call_impl: Callable[..., Any] | None = None
    _internal_names: frozenset[str]

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        if not self.call_super_init and (keywords or arguments):
            named = type(self).__name__
            raise TypeError(
                f"{named}.__init__() got an unexpected keyword argument '{next(iter(keywords))}'"
                if keywords
                else f"{named}.__init__() takes 1 positional argument but {len(arguments) + 1} were given"
            )
        if state.recorder is not None:
            state.recorder.object_made(self)
        self.__dict__.update(_fresh_attributes())
        if self.call_super_init:
            super().__init__(*arguments, **keywords)

    def forward(self, *input: Any) -> Any:
        """What calling the module computes; every subclass defines it."""
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    # -- calling -------------------------------------------------------------------------------------------------

    def __call__(self, *inputs: Any, **keywords: Any) -> Any:
        if self._compiled_call_impl is not None and state.recorder is None:
            return self._compiled_call_impl(*inputs, **keywords)
        return self._call_impl(*inputs, **keywords)

    def _call_impl(self, *inputs: Any, **keywords: Any) -> Any:
        recorder = state.recorder
        if recorder is not None:
            recorder.guard(self, "training", self.training)
            recorder.guard(everywhere, "changes", everywhere.changes)
        if (
            self._forward_hooks
            or self._forward_pre_hooks
            or self._backward_hooks
            or self._backward_pre_hooks
            or everywhere.around_calls
        ):
            return call_with_hooks(self, inputs, keywords)
        if recorder is not None:
            recorder.guard(self, "_changes", self._changes)
        return self.forward(*inputs, **keywords)

    def compile(self, *arguments: Any, **keywords: Any) -> None:
        """From now on, calling the module runs a compiled program; see :func:`graphc.compile`."""
        from graphc.compiler import compile

        self.__dict__["_compiled_call_impl"] = compile(self._call_impl, *arguments, **keywords)

    # -- attributes ----------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        parameters = self.__dict__.get("_parameters")
        if parameters is None:
            if isinstance(value, Parameter | Module):
                kind = "parameters" if isinstance(value, Parameter) else "module"
                raise AttributeError(f"cannot assign {kind} before Module.__init__() call")
            object.__setattr__(self, name, value)
        elif isinstance(value, Parameter):
            self._discard(name, self.__dict__, self._buffers, self._modules)
            self.register_parameter(name, value)
        elif name in parameters:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{typename(value)}' as parameter '{name}' (torch.nn.Parameter or None expected)"
                )
            self.register_parameter(name, None)
        elif isinstance(value, Module):
            self._discard(name, self.__dict__, parameters, self._buffers)
            self._enter_module(name, value)
        elif name in self._modules:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{typename(value)}' as child module '{name}' (torch.nn.Module or None expected)"
                )
            self._enter_module(name, None)
        elif name in self._buffers or isinstance(value, Buffer):
            self._set_buffer(name, value)
        elif name == "training":
            # A compiled step is guarded by the flag itself, and holds again when the flag is back.
            if state.recorder is not None:
                state.recorder.mode_written(self)
            self.__dict__["training"] = value
            generation.advance()
        else:
            self._note_change(name, self.__dict__.get(name, self), value, self.__dict__)
            object.__setattr__(self, name, value)

    def _discard(self, name: str, *tables: dict[str, Any]) -> None:
        for table in tables:
            table.pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def _set_buffer(self, name: str, value: Any) -> None:
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(
                f"cannot assign '{typename(value)}' as buffer '{name}' (torch.nn.Buffer, torch.Tensor or None expected)"
            )
        persistent = value.persistent if isinstance(value, Buffer) else name not in self._non_persistent_buffers_set
        if persistent or "persistent" in inspect.signature(self.register_buffer).parameters:
            keywords = {} if persistent else {"persistent": False}
            self.register_buffer(name, value, **keywords)
        else:
            raise RuntimeError(
                "Registering a non-persistent buffer on a Module subclass that implements register_buffer() without "
                "the persistent argument is not allowed."
            )

    def _note_change(self, name: str, before: Any, value: Any, table: dict[str, Any] | None = None) -> None:
        """Let compiled steps know that an attribute gets another value. A capture repeats it where ``table`` holds the
        attribute, and raises for a parameter or a part."""
        if before is value or (
            isinstance(value, int | float | str) and type(before) is type(value) and before == value
        ):
            return
        if state.recorder is not None:
            if table is None:
                state.recorder.attribute_written(self, name, value)
            elif state.recorder.attribute_replaced(self, table, name, before):
                self.__dict__["_changes"] += name not in self._carried
                self._carried.add(name)
                generation.advance()
                return
        self.__dict__["_changes"] += table is None or name not in self._carried
        generation.advance()

    def _note_read(self) -> None:
        """Let a capture know that members were looked at: a compiled step holds while they stay the same."""
        if state.recorder is not None:
            state.recorder.guard(self, "_changes", self._changes)

    def __getattr__(self, name: str) -> Any:
        for table in ("_parameters", "_buffers", "_modules"):
            members = self.__dict__.get(table)
            if members is not None and name in members:
                self._note_read()
                return members[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __delattr__(self, name: str) -> None:
        self._note_change(name, self, None)
        for table in (self._parameters, self._buffers, self._modules):
            if name in table:
                del table[name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        names = {*dir(type(self)), *self.__dict__, *self._parameters, *self._buffers, *self._modules}
        return sorted(name for name in names if not name[0].isdigit())

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_compiled_call_impl"}

    def __setstate__(self, values: dict[str, Any]) -> None:
        self.__dict__.update({**_fresh_attributes(), **values})

    # -- members -------------------------------------------------------------------------------------------------

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Enter a parameter (or a place for one) under a name. Raises for a bad name or a tensor with history."""
        self._refuse_name("parameter", name, "_parameters")
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"cannot assign '{typename(param)}' object to parameter '{name}' (torch.nn.Parameter or None "
                    "required)"
                )
            if param.grad_fn is not None:
                raise ValueError(
                    f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created "
                    f"explicitly. To express '{name}' as a function of another Tensor, compute the value in the "
                    "forward() method."
                )
            param = hooks.registered(everywhere.parameter_registration, self, name, param)
        self._note_change(name, self._parameters.get(name, self), param)
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Enter a tensor that is part of the module's state but is not learned; what is not ``persistent`` is not in
        its ``state_dict``."""
        self._refuse_name("buffer", name, "_buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{typename(tensor)}' object to buffer '{name}' (torch Tensor or None required)"
            )
        tensor = hooks.registered(everywhere.buffer_registration, self, name, tensor)
        self._note_change(name, self._buffers.get(name, self), tensor, self._buffers)
        self._buffers[name] = tensor
        (self._non_persistent_buffers_set.discard if persistent else self._non_persistent_buffers_set.add)(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Enter a part under a name."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{typename(module)} is not a Module subclass")
        self._refuse_name("module", name, "_modules")
        self._enter_module(name, module)

    def register_module(self, name: str, module: Module | None) -> None:
        """Another name for :meth:`add_module`."""
        self.add_module(name, module)

    def _enter_module(self, name: str, module: Module | None) -> None:
        module = hooks.registered(everywhere.module_registration, self, name, module)
        self._note_change(name, self._modules.get(name, self), module)
        self._modules[name] = module

    def _refuse_name(self, kind: str, name: Any, table: str) -> None:
        if table not in self.__dict__:
            raise AttributeError(f"cannot assign {kind} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {typename(name)}")
        # PyTorch looks at the name of a part in another order, and words it in another way.
        taken = name not in self.__dict__[table] and hasattr(self, name)
        if taken and kind == "module":
            raise KeyError(f"attribute '{name}' already exists")
        if "." in name:
            raise KeyError(f'{kind} name can\'t contain "."' + (f", got: {name}" if kind == "module" else ""))
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if taken:
            raise KeyError(f"attribute '{name}' already exists")

    def get_submodule(self, target: str) -> Module:
        """The part at a dotted path. Raises AttributeError naming the module that has no such part."""
        module = self
        for name in target.split(".") if target else ():
            module = module._named(name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put a module at a dotted path; with ``strict`` only where there is one. Raises ValueError for an empty path
        or what is no module, AttributeError where the path does not lead to a module."""
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        holder = self.get_submodule(path)
        if strict or hasattr(holder, name):
            holder.get_submodule(name)
        setattr(holder, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path. Raises AttributeError where there is none."""
        path, _, name = target.rpartition(".")
        parameter = self.get_submodule(path)._named(name)
        if not isinstance(parameter, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return parameter

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path. Raises AttributeError where there is none."""
        path, _, name = target.rpartition(".")
        holder = self.get_submodule(path)
        buffer = holder._named(name)
        if name not in holder._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return buffer

    def _named(self, name: str) -> Any:
        if not hasattr(self, name):
            raise AttributeError(f"{self._get_name()} has no attribute `{name}`")
        return getattr(self, name)

    # -- walking -------------------------------------------------------------------------------------------------

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it with dotted names; shared ones once, unless ``remove_duplicate`` is off."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all below it."""
        return (module for _, module in self.named_modules(remove_duplicate=remove_duplicate))

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The direct parts with their names, each once."""
        seen: set[Module] = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The direct parts."""
        return (module for _, module in self.named_children())

    def _named_members(
        self,
        members_of: Callable[[Module], Any],
        prefix: str = "",
        recurse: bool = True,
        remove_duplicate: bool = True,
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, member in members_of(module):
                if member is None or id(member) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(member))
                yield (f"{path}.{name}" if path else name), member

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Parameters with their dotted names; shared ones once, unless ``remove_duplicate`` is off."""
        return self._named_members(lambda module: module._parameters.items(), prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Parameters, shared ones once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Buffers with their dotted names; shared ones once, unless ``remove_duplicate`` is off."""
        return self._named_members(lambda module: module._buffers.items(), prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Buffers."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    # -- changing ------------------------------------------------------------------------------------------------

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call a function on every part and on this module, innermost first."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Self:
        """Set the training flag of this module and all parts."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
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
        if getattr(self, "_is_replica", False):
            warn(
                "Calling .zero_grad() from a module created with nn.DataParallel() has no effect. The parameters are "
                "copied (in a differentiable manner) from the original module. This means they are not leaf nodes in "
                "autograd and so don't accumulate gradients. If you need gradients in your forward method, consider "
                "using autograd.grad instead.",
            )
        for parameter in self.parameters():
            parameter._clear_gradient(set_to_none)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Put what a function makes of them in the place of parameters, their gradients, and buffers."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for parameter in self._parameters.values():
            if parameter is not None:
                _replace_memory(parameter, fn)
                if parameter.grad is not None:
                    _replace_memory(parameter.grad, fn)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                with no_grad():
                    converted = fn(buffer)
                self._note_change(name, buffer, converted)
                self._buffers[name] = converted
        return self

    def to(self, *targets: Any, **keywords: Any) -> Self:
        """Convert floating parameters and buffers to a dtype, or move all to a device: ``to(device, dtype)``,
        ``to(dtype)``, ``to(tensor)``. Raises TypeError for a dtype that is neither floating nor complex."""
        _require_targets(targets, keywords)
        dtype = keywords.pop("dtype", None)
        memory_format = keywords.pop("memory_format", None)
        keywords.pop("non_blocking", None)
        others = []
        for target in targets:
            if isinstance(target, DType):
                dtype = target
            elif isinstance(target, Tensor):
                dtype = target.dtype
                others.append(target.device)
            elif not isinstance(target, bool):  # whether a copy to a GPU may go on by itself
                others.append(target)
        if dtype is not None and dtype.category not in ("float", "complex"):
            raise TypeError(
                f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}"
            )
        if dtype is not None and dtype.category == "complex":
            warn(
                "Complex modules are a new feature under active development whose design may change, and some modules "
                "might not work as expected when using complex tensors as parameters or buffers.",
            )

        def convert(tensor: Tensor) -> Tensor:
            options = dict(keywords)
            if dtype is not None and tensor.dtype.category in ("float", "complex"):
                options["dtype"] = dtype
            if memory_format is not None and tensor.dim() in (4, 5):
                options["memory_format"] = memory_format
            return tensor.to(*others, **options)

        return self._apply(convert)

    def type(self, dst_type: Any) -> Self:
        """Convert all parameters and buffers to a type."""
        return self._apply(lambda tensor: tensor.type(dst_type))

    def float(self) -> Self:
        """Convert floating parameters and buffers to float32."""
        return self._apply(lambda tensor: tensor.float() if tensor.is_floating_point() else tensor)

    def double(self) -> Self:
        """Convert floating parameters and buffers to float64."""
        return self._apply(lambda tensor: tensor.double() if tensor.is_floating_point() else tensor)

    def half(self) -> Self:
        """Convert floating parameters and buffers to float16."""
        return self._apply(lambda tensor: tensor.half() if tensor.is_floating_point() else tensor)

    def bfloat16(self) -> Self:
        """Convert floating parameters and buffers to bfloat16."""
        return self._apply(lambda tensor: tensor.bfloat16() if tensor.is_floating_point() else tensor)

    def cpu(self) -> Self:
        """Move all parameters and buffers to the processor's memory."""
        return self._apply(lambda tensor: tensor.cpu())

    def cuda(self, device: Any = None) -> Self:
        """Move all parameters and buffers to a GPU."""
        return self._apply(lambda tensor: tensor.cuda(device))

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """Give all parameters and buffers new memory on a device, with elements that are not set."""
        return self._apply(lambda tensor: empty_like(tensor, device=device), recurse)

    def share_memory(self) -> Self:
        """Let other processes see the memory of parameters and buffers."""
        return self._apply(lambda tensor: tensor.share_memory_())

    # -- text ----------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What stands between the parentheses of the module's text."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        parts = [f"({name}): " + indent(repr(module)) for name, module in self._modules.items()]
        text = self._get_name() + "("
        if lines or parts:
            if len(lines) == 1 and not parts:
                text += lines[0]
            else:
                text += "\n  " + "\n  ".join(lines + parts) + "\n"
        return text + ")"


def _fresh_attributes() -> dict[str, Any]:
    """The attributes of a module that has nothing yet."""
    return {
        "training": True,
        "_changes": 0,  # how often parts or attributes were replaced: a compiled step holds while it stays
        "_carried": set(),  # attributes that compiled steps replace: what rests on those looks at them themselves
        "_parameters": {},
        "_buffers": {},
        "_non_persistent_buffers_set": set(),
        "_backward_pre_hooks": OrderedDict(),
        "_backward_hooks": OrderedDict(),
        "_is_full_backward_hook": None,
        "_forward_hooks": OrderedDict(),
        "_forward_hooks_with_kwargs": OrderedDict(),
        "_forward_hooks_always_called": OrderedDict(),
        "_forward_pre_hooks": OrderedDict(),
        "_forward_pre_hooks_with_kwargs": OrderedDict(),
        "_state_dict_hooks": OrderedDict(),
        "_state_dict_pre_hooks": OrderedDict(),
        "_load_state_dict_pre_hooks": OrderedDict(),
        "_load_state_dict_post_hooks": OrderedDict(),
        "_modules": {},
    }


Module._internal_names = frozenset(_fresh_attributes())


def _require_targets(targets: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    """Raises TypeError for more than ``Module.to`` takes."""
    if len(targets) > 4:
        raise TypeError(f"to() takes from 0 to 4 positional arguments but {len(targets)} were given")
    if not keywords.keys() <= {"device", "dtype", "non_blocking", "copy", "memory_format", "tensor"}:
        given = "".join(f"{name}={type(value).__name__}, " for name, value in keywords.items())
        given = "".join(f"{type(target).__name__}, " for target in targets) + given
        raise TypeError(
            f"to() received an invalid combination of arguments - got ({given}), but expected a device, a dtype, or a "
            "tensor, and non_blocking, copy, and memory_format"
        )


def _replace_memory(tensor: Tensor, fn: Callable[[Tensor], Tensor]) -> None:
    """Let a parameter, or a gradient, have what a function makes of it as its data."""
    with no_grad():
        converted = fn(tensor)
    if converted is not tensor:
        tensor.data = converted


def indent(text: str, spaces: int = 2) -> str:
    """The text with all lines but the first moved in; lines with nothing on them are empty."""
    first, *others = text.split("\n")
    return "\n".join([first, *(" " * spaces + line if line.strip() else "" for line in others)])
