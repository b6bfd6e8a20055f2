"""Hooks of modules: functions of the user's that run around a module's forward, backward, or registration.

Source: https://docs.pytorch.org/docs/stable/notes/modules.html#module-hooks
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from graphc.hook_handles import RemovableHandle
from graphc.nn.backward_hooks import BackwardHooks, watch_last_operation
from graphc.notices import warn
from graphc.recording import generation, state

if TYPE_CHECKING:
    from graphc.nn.module import Module

Hook = Callable[..., Any]


class GlobalHooks:
    """The hooks of all modules. ``changes`` counts what was added and taken away, for compiled steps."""

    def __init__(self) -> None:
        self.forward_pre: dict[int, Hook] = OrderedDict()
        self.forward: dict[int, Hook] = OrderedDict()
        self.forward_with_keywords: dict[int, bool] = {}
        self.forward_always: dict[int, bool] = {}
        self.backward_pre: dict[int, Hook] = OrderedDict()
        self.backward: dict[int, Hook] = OrderedDict()
        self.backward_is_full: bool | None = None
        self.buffer_registration: dict[int, Hook] = OrderedDict()
        self.module_registration: dict[int, Hook] = OrderedDict()
        self.parameter_registration: dict[int, Hook] = OrderedDict()
        self.around_calls = False
        self.changes = 0

    def changed(self) -> None:
        """Note that a hook came or went."""
        self.around_calls = bool(self.forward_pre or self.forward or self.backward_pre or self.backward)
        self.changes += 1
        generation.advance()

    def enter(self, table: dict[int, Hook], hook: Hook, *notes: dict[int, bool]) -> RemovableHandle:
        """Enter a hook in a table, with a mark in each table of notes."""
        handle = RemovableHandle(table, None, self.changed, extra_dict=notes)
        table[handle.id] = hook
        for note in notes:
            note[handle.id] = True
        self.changed()
        return handle


everywhere = GlobalHooks()


def register_module_buffer_registration_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, name, buffer)`` before any module registers a buffer; what it gives is registered instead."""
    return everywhere.enter(everywhere.buffer_registration, hook)


def register_module_module_registration_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, name, part)`` before any module registers a part; what it gives is registered instead."""
    return everywhere.enter(everywhere.module_registration, hook)


def register_module_parameter_registration_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, name, parameter)`` before any module registers a parameter; what it gives is registered
    instead."""
    return everywhere.enter(everywhere.parameter_registration, hook)


def register_module_forward_pre_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, inputs)`` before every forward of every module."""
    return everywhere.enter(everywhere.forward_pre, hook)


def register_module_forward_hook(
    hook: Hook, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call ``hook(module, inputs, result)`` after every forward of every module; ``with_kwargs`` adds the keywords
    after the inputs, ``always_call`` calls it also where forward raises."""
    notes = [everywhere.forward_with_keywords] * with_kwargs + [everywhere.forward_always] * always_call
    return everywhere.enter(everywhere.forward, hook, *notes)


def register_module_full_backward_pre_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, grad_output)`` before the gradients of any module's inputs are computed."""
    return everywhere.enter(everywhere.backward_pre, hook)


def register_module_full_backward_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, grad_input, grad_output)`` when the gradients of any module's inputs are there. Raises
    RuntimeError where there are hooks of the older kind."""
    return _register_backward(hook, full=True)


def register_module_backward_hook(hook: Hook) -> RemovableHandle:
    """The older form of :func:`register_module_full_backward_hook`: sees the gradients of the last operation alone."""
    return _register_backward(hook, full=False)


def _register_backward(hook: Hook, full: bool) -> RemovableHandle:
    if everywhere.backward_is_full is (not full):
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a global Module hook. Please use only "
            "one of them."
        )
    everywhere.backward_is_full = full
    return everywhere.enter(everywhere.backward, hook)


def registered(hooks: dict[int, Hook], module: Module, name: str, value: Any) -> Any:
    """What is registered under a name: the value as the hooks leave it."""
    for hook in tuple(hooks.values()):
        changed = hook(module, name, value)
        value = value if changed is None else changed
    return value


class HasHooks:
    """What a module can do about hooks around its calls; :class:`graphc.nn.Module` is one."""

    _forward_hooks: OrderedDict[int, Hook]
    _forward_hooks_with_kwargs: dict[int, bool]
    _forward_hooks_always_called: dict[int, bool]
    _forward_pre_hooks: OrderedDict[int, Hook]
    _forward_pre_hooks_with_kwargs: dict[int, bool]
    _backward_hooks: OrderedDict[int, Hook]
    _backward_pre_hooks: OrderedDict[int, Hook]
    _is_full_backward_hook: bool | None

    def register_forward_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, inputs, result)`` after every forward; what it returns, unless None, is the result.

        ``prepend`` puts it before the hooks there are, ``with_kwargs`` gives it the keywords after the inputs, and
        ``always_call`` calls it also where forward raises.
        """
        notes = [self._forward_hooks_with_kwargs] * with_kwargs + [self._forward_hooks_always_called] * always_call
        return self._register(self._forward_hooks, hook, prepend, *notes)

    def register_forward_pre_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, inputs)`` before every forward; what it returns, unless None, are the inputs. With
        ``with_kwargs`` it is called with the keywords too, and returns inputs and keywords."""
        notes = [self._forward_pre_hooks_with_kwargs] * with_kwargs
        return self._register(self._forward_pre_hooks, hook, prepend, *notes)

    def register_full_backward_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` when the gradients of the results are there; what it returns, unless
        None, takes their place."""
        return self._register(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when the gradients of the inputs are there; what it returns,
        unless None, takes the place of ``grad_input``. Raises RuntimeError where there are hooks of the older kind."""
        return self._register_backward(hook, prepend, full=True)

    def register_backward_hook(self, hook: Hook) -> RemovableHandle:
        """The older form of :meth:`register_full_backward_hook`: sees the last operation of the forward alone."""
        return self._register_backward(hook, False, full=False)

    def _register_backward(self, hook: Hook, prepend: bool, full: bool) -> RemovableHandle:
        if self._is_full_backward_hook is (not full):
            raise RuntimeError(
                "Cannot use both regular backward hooks and full backward hooks on a single Module. Please use only "
                "one of them."
            )
        self.__dict__["_is_full_backward_hook"] = full
        return self._register(self._backward_hooks, hook, prepend)

    def _register(
        self, table: OrderedDict[int, Any], hook: Hook, prepend: bool, *notes: dict[int, bool]
    ) -> RemovableHandle:
        self._hooks_changed()
        handle = RemovableHandle(table, None, self._hooks_changed, extra_dict=notes)
        table[handle.id] = hook
        for note in notes:
            note[handle.id] = True
        if prepend:
            table.move_to_end(handle.id, last=False)
        return handle

    def _hooks_changed(self) -> None:
        self._note_change("hook", None, self)


def call_with_hooks(module: Module, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """What calling a module that has hooks does: the hooks in their order around ``forward``."""
    call = _HookedCall(module, inputs, keywords)
    try:
        return call.run()
    except Exception:
        call.run_those_always_called()
        raise


class _HookedCall:
    """One call of a module that has hooks."""

    def __init__(self, module: Module, inputs: tuple[Any, ...], keywords: dict[str, Any]):
        self.module, self.inputs, self.keywords = module, inputs, keywords
        self.result: Any = None
        self._called: set[int] = set()

    def run(self) -> Any:
        module = self.module
        self._run_pre_hooks()
        if state.recorder is not None:
            state.recorder.guard(module, "_changes", module._changes)
        backward = None
        full, older = _backward_hooks(module)
        pre = [*everywhere.backward_pre.values(), *module._backward_pre_hooks.values()]
        if full or pre:
            backward = BackwardHooks(module, full, pre)
            self.inputs = backward.watch_inputs(self.inputs)
        self.result = module.forward(*self.inputs, **self.keywords)
        for key, hook in (*everywhere.forward.items(), *module._forward_hooks.items()):
            self._called.add(key)
            changed = self._call(key, hook)
            self.result = self.result if changed is None else changed
        if backward is not None:
            self.result = backward.watch_result(self.result)
        if older:
            watch_last_operation(module, older, self.inputs, self.result)
        return self.result

    def _run_pre_hooks(self) -> None:
        module = self.module
        for key, hook in (*everywhere.forward_pre.items(), *module._forward_pre_hooks.items()):
            if key in module._forward_pre_hooks_with_kwargs:
                changed = hook(module, self.inputs, self.keywords)
                if changed is None:
                    continue
                if not isinstance(changed, tuple) or len(changed) != 2:
                    raise RuntimeError(
                        f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {changed}."
                    )
                self.inputs, self.keywords = changed
            else:
                changed = hook(module, self.inputs)
                if changed is not None:
                    self.inputs = changed if isinstance(changed, tuple) else (changed,)

    def _call(self, key: int, hook: Hook) -> Any:
        if key in self.module._forward_hooks_with_kwargs or key in everywhere.forward_with_keywords:
            return hook(self.module, self.inputs, self.keywords, self.result)
        return hook(self.module, self.inputs, self.result)

    def run_those_always_called(self) -> None:
        """After an error: the hooks that asked for it, unless they ran. Their own errors become warnings."""
        module = self.module
        for kind, table, always in (
            ("global module", everywhere.forward, everywhere.forward_always),
            ("module", module._forward_hooks, module._forward_hooks_always_called),
        ):
            for key, hook in table.items():
                if key not in always or key in self._called:
                    continue
                try:
                    changed = self._call(key, hook)
                    self.result = self.result if changed is None else changed
                except Exception as error:
                    warn(
                        f"{kind} forward hook with ``always_call=True`` raised an exception that was silenced as "
                        f"another error was raised in forward: {error!s}",
                    )


def _backward_hooks(module: Module) -> tuple[list[Hook], list[Hook]]:
    """The hooks on full backward passes, and those of the older kind."""
    found: dict[bool | None, list[Hook]] = {True: [], False: [], None: []}
    found[everywhere.backward_is_full].extend(everywhere.backward.values())
    found[module._is_full_backward_hook].extend(module._backward_hooks.values())
    return found[True], found[False]
