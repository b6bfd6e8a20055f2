"""The base of all optimizers: parameter groups, state, and reading hyper-parameters so that a capture sees them.

Source: https://docs.pytorch.org/docs/stable/optim.html
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from typing import Any

from graphc.autograd.modes import enable_grad, no_grad
from graphc.creation import tensor, zeros_like
from graphc.ir.types import float32, float64
from graphc.recording import generation, paused, phase, state
from graphc.tensor import RunTimeNumber, Tensor


class ParameterGroup(dict):
    """Parameters and their hyper-parameters. A change is noticed by compiled steps at their next call."""

    def __setitem__(self, key: str, value: Any) -> None:
        dict.__setitem__(self, key, value)
        generation.advance()

    def update(self, *others: Any, **values: Any) -> None:
        """Change several hyper-parameters."""
        dict.update(self, *others, **values)
        generation.advance()


class Optimizer:
    """Updates parameters from their gradients. Subclasses define :meth:`prepare` and :meth:`update`.

    Raises ValueError or TypeError, as PyTorch's do, for parameters that are none or that belong to two groups.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]):
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got torch.Tensor"
            )
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[ParameterGroup] = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with hyper-parameters of their own; those not given are the defaults."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        group = ParameterGroup(param_group)
        given = group["params"]
        if isinstance(given, set):
            raise TypeError("optimizer parameters need to be organized in ordered collections, but sets are not")
        parameters = [given] if isinstance(given, Tensor) else list(given)
        for parameter in parameters:
            if not isinstance(parameter, Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(parameter)}")
            if not parameter.is_leaf:
                raise ValueError("can't optimize a non-leaf Tensor")
        for name, value in self.defaults.items():
            group.setdefault(name, value)
        known = {id(parameter) for other in self.param_groups for parameter in other["params"]}
        if known & {id(parameter) for parameter in parameters}:
            raise ValueError("some parameters appear in more than one parameter group")
        group["params"] = parameters
        self.param_groups.append(group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or set them to zero."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if set_to_none:
                    parameter.grad = None
                elif parameter.grad is not None:
                    parameter.grad.detach_().zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient. A closure is called first; its result is given back."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad(), phase("update"):
            work = [
                (group, parameter, parameter.grad, self.state[parameter])
                for group in self.param_groups
                for parameter in group["params"]
                if parameter.grad is not None
            ]
            with paused():
                for group, parameter, _, entry in work:
                    self.prepare(group, parameter, entry)
            for group, parameter, gradient, entry in work:
                self.update(group, parameter, gradient, entry)
        return loss

    def prepare(self, group: ParameterGroup, parameter: Tensor, entry: dict[str, Any]) -> None:
        """Make the state of a parameter where it is not there yet. Runs outside a capture, so that a captured step
        finds its state as it will be at every later step."""

    def update(self, group: ParameterGroup, parameter: Tensor, gradient: Tensor, entry: dict[str, Any]) -> None:
        """Write the parameter's new value and state in place."""
        raise NotImplementedError

    # -- hyper-parameters ----------------------------------------------------------------------------------------

    def number(self, group: ParameterGroup, key: str) -> Any:
        """A hyper-parameter to compute with: a float, or under a capture a 0-d tensor that is read at every call."""
        if state.recorder is None:
            return group[key]
        return state.recorder.scalar(group, key, float(group[key]))

    def numbers(self, group: ParameterGroup, key: str) -> tuple[Any, ...]:
        """A tuple of hyper-parameters, such as Adam's betas, each as :meth:`number` gives one."""
        values = group[key]
        if state.recorder is None:
            return values
        return tuple(
            state.recorder.scalar(_Item(group, key, position), f"{key}_{position}", float(value))
            for position, value in enumerate(values)
        )

    def is_set(self, group: ParameterGroup, key: str) -> bool:
        """Whether a hyper-parameter is true or not zero; a capture holds only while that stays so."""
        if state.recorder is not None:
            state.recorder.guard(group, key, group[key], truth=True)
        return bool(group[key])

    def count(self, steps: Tensor) -> Any:
        """A step counter to compute with: a float, or under a capture a 0-d float64 tensor."""
        return steps.item() if state.recorder is None else RunTimeNumber.of(steps.to(float64))

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
        entries = {numbers[id(parameter)]: dict(entry) for parameter, entry in self.state.items()}
        return {"state": entries, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over hyper-parameters and state. Raises ValueError where the groups have other lengths."""
        given = deepcopy(state_dict)
        if len(given["param_groups"]) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        parameters: dict[int, Tensor] = {}
        for mine, theirs in zip(self.param_groups, given["param_groups"], strict=True):
            if len(mine["params"]) != len(theirs["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
                )
            parameters.update(zip(theirs["params"], mine["params"], strict=True))
        for mine, theirs in zip(self.param_groups, given["param_groups"], strict=True):
            mine.update({key: value for key, value in theirs.items() if key != "params"})
        self.state = defaultdict(dict, {parameters[number]: entry for number, entry in given["state"].items()})
        generation.advance()

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])


class _Item:
    """One number of a tuple in a group, as a holder that a capture can read again."""

    def __init__(self, group: ParameterGroup, key: str, position: int):
        self.group, self.key, self.position = group, key, position

    def __getitem__(self, key: str) -> float:
        return self.group[self.key][self.position]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Item)
            and (self.group is other.group)
            and (self.key, self.position) == (other.key, other.position)
        )

    def __hash__(self) -> int:
        return hash((id(self.group), self.key, self.position))


def step_counter() -> Tensor:
    """A counter of steps that starts at 0: a 0-d float32 tensor, as PyTorch keeps it."""
    return tensor(0.0, dtype=float32)


def zero_state(parameter: Tensor) -> Tensor:
    """Zeros of a parameter's shape, outside the graph."""
    return zeros_like(parameter.detach())


def require(condition: bool, name: str, value: Any) -> None:
    """Raise ValueError in PyTorch's words for a hyper-parameter that is out of its range."""
    if not condition:
        raise ValueError(f"Invalid {name}: {value}")
