"""The base of all optimizers: parameter groups, state, and reading hyper-parameters so that a capture sees them.

Source: https://docs.pytorch.org/docs/stable/optim.html
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from typing import Any, ClassVar

import numpy as np

from graphc.autograd.modes import enable_grad, no_grad
from graphc.capture.errors import CaptureError
from graphc.creation import tensor, zeros_like
from graphc.device_memory import settle_all
from graphc.device_memory import use as device_use
from graphc.hook_handles import RemovableHandle
from graphc.ir.types import DType, float64
from graphc.notices import warn
from graphc.ops.functions.indexing import where
from graphc.ops.promotion import get_default_dtype
from graphc.ops.quiet import quiet
from graphc.optim.array_updates import Numbers, runs_on_arrays
from graphc.recording import generation, paused, phase, state
from graphc.tensor import RunTimeNumber, Tensor


def refuse_capture(what: str) -> None:
    """Raise CaptureError, naming the user's line, where a step is being recorded: ``what`` would happen only once."""
    if state.recorder is not None:
        raise CaptureError(
            f"{what} inside a compiled function, which the program could not repeat; do it outside, between the calls",
            state.recorder.location(),
        )


class _Required:
    """Stands for a hyper-parameter without a default in older optimizers."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()


class ParameterGroup(dict):
    """Parameters and their hyper-parameters. A change is noticed by compiled steps at their next call.

    Under a capture a hyper-parameter that the user's own code reads is guarded: another value is another build.
    Writing one there raises CaptureError.
    """

    def __getitem__(self, key: str) -> Any:
        value = dict.__getitem__(self, key)
        if state.recorder is not None and isinstance(value, int | float | str | tuple | None):
            state.recorder.guard(_Values(self), key, value)
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        refuse_capture(f"the hyper-parameter {key!r} is written")
        dict.__setitem__(self, key, value)
        generation.advance_values()

    def __ior__(self, other: Any) -> ParameterGroup:
        self.update(other)
        return self

    def get(self, key: str, default: Any = None) -> Any:
        """A hyper-parameter, or the default."""
        try:
            return self[key]
        except KeyError:
            return default

    def update(self, *others: Any, **values: Any) -> None:
        """Change several hyper-parameters."""
        refuse_capture("hyper-parameters are written")
        dict.update(self, *others, **values)
        generation.advance_values()


class ParameterState(dict):
    """What an optimizer remembers of one parameter.

    Under a capture nothing may be added or replaced, for it would happen in the recorded call alone: CaptureError.
    """

    def __setitem__(self, key: str, value: Any) -> None:
        refuse_capture(f"the optimizer's state {key!r} is made or replaced (take one step before compiling)")
        dict.__setitem__(self, key, value)
        generation.advance()


def _with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """A ``step`` that runs the optimizer's hooks, and notes for schedulers that it ran."""

    @functools.wraps(step)
    def hooked(*arguments: Any, **keywords: Any) -> Any:
        optimizer = arguments[0]
        for hook in list(optimizer._step_pre_hooks.values()):
            changed = hook(optimizer, arguments, keywords)
            if changed is not None:
                if not isinstance(changed, tuple) or len(changed) != 2:
                    raise RuntimeError(
                        f"{step} must return None or a tuple of (new_args, new_kwargs), but got {changed}."
                    )
                arguments, keywords = changed
        result = step(*arguments, **keywords)
        optimizer._opt_called = True
        for hook in list(optimizer._step_post_hooks.values()):
            hook(optimizer, arguments, keywords)
        return result

    return hooked


class Optimizer:
    """Updates parameters from their gradients. Subclasses define :meth:`prepare` and :meth:`update`.

    ``foreach``, ``fused``, ``capturable``, and ``differentiable`` choose between implementations in PyTorch. Here there
    is one, which compiles; they are accepted, kept in the groups, and change nothing.

    Args:
        params: parameters, pairs of a name and a parameter, or dicts of ``params`` and hyper-parameters.
        defaults: hyper-parameters of groups that don't give their own.

    Raises ValueError or TypeError, as PyTorch's do, for parameters that are none or that belong to two groups.
    """

    # State that is one number for a whole parameter; it keeps its dtype when it is loaded.
    scalar_state: tuple[str, ...] = ("step",)
    # Whether ``update_arrays`` is ``update`` on arrays.
    updates_arrays: ClassVar[bool] = False

    def __init_subclass__(cls, **keywords: Any):
        super().__init_subclass__(**keywords)
        if "update" in vars(cls):
            cls.updates_arrays = "update_arrays" in vars(cls)
        if "step" in vars(cls):
            cls.step = _with_hooks(cls.step)

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]):
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                f"{params.type()}"
            )
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(ParameterState)
        self.param_groups: list[ParameterGroup] = []
        self._step_pre_hooks: dict[int, Callable[..., Any]] = {}
        self._step_post_hooks: dict[int, Callable[..., Any]] = {}
        self._opt_called = False
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with hyper-parameters of their own; those not given are the defaults."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        refuse_capture("a parameter group is added")
        group = ParameterGroup(param_group)
        given = group["params"]
        if isinstance(given, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but "
                "the ordering of tensors in sets will change between runs. Please use a list instead."
            )
        given = [given] if isinstance(given, Tensor) else list(given)
        names = [entry[0] for entry in given if isinstance(entry, tuple)]
        if names and len(names) != len(given):
            raise ValueError("all optimizer params should be with/without names. Some param names are missing")
        parameters = [entry[1] for entry in given] if names else given
        for parameter in parameters:
            if not isinstance(parameter, Tensor):
                raise TypeError(
                    f"optimizer can only optimize Tensors, but one of the params is {type(parameter).__name__}"
                )
            if not parameter.is_leaf:
                raise ValueError("can't optimize a non-leaf Tensor")
        for name, value in self.defaults.items():
            group.setdefault(name, value)
        if len({id(parameter) for parameter in parameters}) != len(parameters):
            warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause an error",
            )
        if any(("param_names" in other) != bool(names) for other in self.param_groups):
            raise ValueError(
                "all optimizer param groups should be with/without names. cannot add param group "
                f"{'with' if names else 'without'} names to the optimizer"
            )
        known = {id(parameter) for other in self.param_groups for parameter in other["params"]}
        if known & {id(parameter) for parameter in parameters}:
            raise ValueError("some parameters appear in more than one parameter group")
        group["params"] = parameters
        if names:
            group["param_names"] = names
        self.param_groups.append(group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or set them to zero."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter._clear_gradient(set_to_none)

    @_with_hooks
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient. A closure is called first; its result is given back."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad(), phase("update"):
            work = []
            for group in self.param_groups:
                for parameter in group["params"]:
                    gradient = parameter.grad
                    if gradient is not None:
                        work.append((group, parameter, gradient))
            with paused():
                for group, parameter, _ in work:
                    entry = self.state.get(parameter)
                    known = entry is not None
                    if not known:
                        entry = ParameterState()
                    self.prepare(group, parameter, entry)
                    if entry and not known:
                        self.state[parameter] = entry
            if state.recorder is not None:
                bound = Bound(self, [parameter for _, parameter, _ in work])
                state.recorder.guard(bound, "parameters_state_and_hooks", bound.parameters_state_and_hooks)
            elif self.updates_arrays:
                work = self._without_those_on_arrays(work)
            for group, parameter, gradient in work:
                self.update(group, parameter, gradient, self.state.get(parameter, {}))
        return loss

    @quiet
    def _without_those_on_arrays(self, work: list[Any]) -> list[Any]:
        """Update what can be updated on arrays; gives the rest."""
        rest: list[Any] = []
        numbers: dict[tuple[int, DType], Numbers] = {}
        for group, parameter, gradient in work:
            entry = self.state.get(parameter) or {}
            if not runs_on_arrays(parameter, gradient, entry, self.scalar_state):
                rest.append((group, parameter, gradient))
                continue
            if device_use.active:
                settle_all()
            key = id(group), parameter.dtype
            known = numbers.get(key)
            if known is None:
                known = numbers[key] = Numbers(parameter.dtype.numpy)
            if not self.update_arrays(group, parameter, gradient._array, entry, known):
                rest.append((group, parameter, gradient))
        return rest

    def prepare(self, group: ParameterGroup, parameter: Tensor, entry: dict[str, Any]) -> None:
        """Make the state of a parameter where it is not there yet. Runs outside a capture, so that a captured step
        finds its state as it will be at every later step."""

    def update(self, group: ParameterGroup, parameter: Tensor, gradient: Tensor, entry: dict[str, Any]) -> None:
        """Write the parameter's new value and state in place."""
        raise NotImplementedError

    def update_arrays(
        self, group: ParameterGroup, parameter: Tensor, gradient: np.ndarray, entry: dict[str, Any], numbers: Numbers
    ) -> bool:
        """As :meth:`update`, bit for bit, in place of it where nothing is recorded: on the arrays. False, and nothing
        changed, where the group asks for what this does not do."""
        return False

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` before each step; ``args`` begins with the optimizer. It may give back
        other ``(args, kwargs)``."""
        return self._register(self._step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` after each step."""
        return self._register(self._step_post_hooks, hook)

    @staticmethod
    def _register(hooks: dict[int, Callable[..., Any]], hook: Callable[..., Any]) -> RemovableHandle:
        key = max(hooks, default=-1) + 1
        hooks[key] = hook
        generation.advance()
        return RemovableHandle(hooks, key)

    # -- hyper-parameters ----------------------------------------------------------------------------------------

    def number(self, group: ParameterGroup, key: str) -> Any:
        """A hyper-parameter to compute with: a float, or under a capture a 0-d tensor that is read at every call."""
        return _number(group, key, key, dict.__getitem__(group, key))

    def numbers(self, group: ParameterGroup, key: str) -> tuple[Any, ...]:
        """A tuple of hyper-parameters, such as Adam's betas, each as :meth:`number` gives one."""
        return tuple(
            _number(_Item(group, key, position), f"{key}_{position}", position, value)
            for position, value in enumerate(dict.__getitem__(group, key))
        )

    def constant(self, group: ParameterGroup, key: str) -> Any:
        """A hyper-parameter as it is; a capture holds only while it stays equal."""
        value = dict.__getitem__(group, key)
        if state.recorder is not None:
            state.recorder.guard(_Values(group), key, value)
        return value

    def is_set(self, group: ParameterGroup, key: str) -> bool:
        """Whether a hyper-parameter is true or not zero; a capture holds only while that stays so."""
        value = bool(dict.__getitem__(group, key))
        if state.recorder is not None:
            state.recorder.guard(group, key, value, truth=True)
        return value

    def count(self, steps: Tensor) -> Any:
        """State that is one number, such as a step counter, to compute with: a float, or under a capture a 0-d float64
        tensor with a number's weight in type promotion."""
        return steps.item() if state.recorder is None else RunTimeNumber.of(steps.to(float64, copy=True))

    @staticmethod
    def choose(condition: Any, chosen: Any, other: Any) -> Any:
        """``where`` for conditions on what :meth:`number` and :meth:`count` give. Of two numbers it is a number."""
        if not isinstance(condition, Tensor):
            return chosen if condition else other
        result = where(condition, chosen, other)
        numbers = all(isinstance(value, float | RunTimeNumber) for value in (chosen, other))
        return RunTimeNumber.of(result) if numbers else result

    # -- state ---------------------------------------------------------------------------------------------------

    def named_state(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        """The state tensors: name, the parameter they belong to, tensor."""
        for parameter, entry in self.state.items():
            for name, value in entry.items():
                if isinstance(value, Tensor):
                    yield name, parameter, value

    def state_dict(self) -> dict[str, Any]:
        """State by parameter number, and groups with parameter numbers, in PyTorch's layout."""
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            packed = {key: value for key, value in group.items() if key != "params"}
            packed["params"] = [numbers.setdefault(id(parameter), len(numbers)) for parameter in group["params"]]
            groups.append(packed)
        entries = {numbers.get(id(owner), owner): dict(entry) for owner, entry in self.state.items()}
        return {"state": entries, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over hyper-parameters and a copy of the state.

        State takes the dtype of its parameter, but for counters; numbers where tensors belong, as old files have them,
        become tensors. Raises ValueError where the groups have other lengths.
        """
        refuse_capture("an optimizer's state is loaded")
        groups = [dict(group) for group in state_dict["param_groups"]]
        if len(groups) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        parameters: dict[int, Tensor] = {}
        for mine, theirs in zip(self.param_groups, groups, strict=True):
            numbers = theirs.pop("params")
            if len(mine["params"]) != len(numbers):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
                )
            parameters.update(zip(numbers, mine["params"], strict=True))
        for mine, theirs in zip(self.param_groups, groups, strict=True):
            kept = {key: mine[key] for key in ("params", "param_names", *self.defaults) if key in mine}
            mine.clear()
            mine.update({**deepcopy(theirs), **{key: value for key, value in kept.items() if key not in theirs}})
        self.state = defaultdict(ParameterState)
        for number, entry in state_dict["state"].items():
            if number in parameters:
                self.state[parameters[number]] = self._loaded(parameters[number], entry)
            else:
                self.state[number] = deepcopy(entry)
        generation.advance()

    def _loaded(self, parameter: Tensor, entry: dict[str, Any]) -> ParameterState:
        loaded = ParameterState()
        for name, value in entry.items():
            if name not in self.scalar_state:
                loaded[name] = _converted(parameter, value)
            elif isinstance(value, Tensor):
                loaded[name] = value.detach().clone()
            else:
                loaded[name] = tensor(float(value), dtype=get_default_dtype())
        return loaded

    def __repr__(self) -> str:
        groups = []
        for number, group in enumerate(self.param_groups):
            lines = [f"    {key}: {group[key]}\n" for key in sorted(group) if key != "params"]
            groups.append("".join([f"\nParameter Group {number}\n", *lines]))
        return f"{type(self).__name__} ({''.join(groups)})"


def _number(holder: Any, name: Any, key: Any, value: Any) -> Any:
    if value is None:
        if state.recorder is not None:
            state.recorder.guard(holder, key, None)
        return None
    if isinstance(value, Tensor):
        return value.item() if state.recorder is None else RunTimeNumber.of(value.reshape(()).to(float64, copy=True))
    return value if state.recorder is None else state.recorder.scalar(holder, name, float(value))


def _converted(parameter: Tensor, value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().to(parameter.dtype if parameter.is_floating_point() else None).clone()
    if isinstance(value, dict):
        return {key: _converted(parameter, inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_converted(parameter, inner) for inner in value)
    return deepcopy(value)


class _Item:
    """One number of a tuple in a group, as a holder that a capture can read again."""

    def __init__(self, group: ParameterGroup, key: str, position: int):
        self.group, self.key, self.position = group, key, position

    def __getitem__(self, key: str) -> float:
        return dict.__getitem__(self.group, self.key)[self.position]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Item)
            and (self.group is other.group)
            and (self.key, self.position) == (other.key, other.position)
        )

    def __hash__(self) -> int:
        return hash((id(self.group), self.key, self.position))


class _Values:
    """The hyper-parameters of a group as attributes: a holder for guards of values, apart from guards of truth."""

    def __init__(self, group: ParameterGroup):
        self._group = group

    def __getattr__(self, key: str) -> Any:
        return dict.get(self._group, key)


class Bound:
    """The tensors that a captured step is bound to, as a holder that a capture can read again."""

    def __init__(self, optimizer: Optimizer, stepped: Sequence[Tensor]):
        self._optimizer, self._stepped = optimizer, stepped

    @property
    def parameters_state_and_hooks(self) -> Same:
        """All parameters and hooks, and the state of those parameters that were stepped."""
        optimizer = self._optimizer
        parameters = [parameter for group in optimizer.param_groups for parameter in dict.__getitem__(group, "params")]
        values = [value for parameter in self._stepped for value in optimizer.state.get(parameter, {}).values()]
        return Same((*parameters, *values, *optimizer._step_pre_hooks.values(), *optimizer._step_post_hooks.values()))


class Same:
    """Objects that are equal to others only where they are the very same ones."""

    def __init__(self, objects: tuple[Any, ...]):
        self._objects = objects

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Same)
            and len(self._objects) == len(other._objects)
            and all(mine is theirs for mine, theirs in zip(self._objects, other._objects, strict=True))
        )

    __hash__ = None

    def __repr__(self) -> str:
        return f"the same {len(self._objects)} objects"


def step_counter() -> Tensor:
    """A counter of steps that starts at 0: a 0-d tensor of the default dtype, as PyTorch keeps it."""
    return tensor(0.0, dtype=get_default_dtype())


def zero_state(parameter: Tensor) -> Tensor:
    """Zeros of a parameter's shape, outside the graph."""
    return zeros_like(parameter.detach())


def make_state(entry: dict[str, Any], parameter: Tensor, *names: str) -> None:
    """Where they are not there yet: the step counter, and zeros of the parameter's shape under each name."""
    if "step" not in entry:
        entry["step"] = step_counter()
    for name in names:
        if name not in entry:
            entry[name] = zero_state(parameter)


def require(condition: bool, name: str, value: Any) -> None:
    """Raise ValueError in PyTorch's words for a hyper-parameter that is out of its range."""
    if not condition:
        raise ValueError(f"Invalid {name}: {value}")


def require_learning_rate(lr: Any) -> None:
    """Raise ValueError for a learning rate below 0, or a tensor of several."""
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    require(lr >= 0.0, "learning rate", lr)


def require_betas(betas: Sequence[float]) -> None:
    """Raise ValueError for rates of decay outside [0, 1)."""
    for position, beta in enumerate(betas):
        require(0.0 <= beta < 1.0, f"beta parameter at index {position}", beta)


def require_one_implementation(fused: bool | None, foreach: bool | None, differentiable: bool) -> None:
    """Raise RuntimeError for options that PyTorch refuses together, so that a program fails alike on both."""
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
