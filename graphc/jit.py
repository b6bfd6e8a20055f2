"""TorchScript's names: functions and modules stay what they are, and run as Python.

``script`` and ``trace`` give what they are given; :func:`graphc.compile` is what makes programs here. A program of
TorchScript can neither be written nor read.
Source: https://docs.pytorch.org/docs/stable/jit.html
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeVar

from graphc.autograd.modes import no_grad
from graphc.missing_names import lazy_names
from graphc.nn.module import Module
from graphc.notices import warn

__all__ = [
    "Attribute",
    "Final",
    "ScriptFunction",
    "ScriptModule",
    "annotate",
    "export",
    "fork",
    "freeze",
    "ignore",
    "interface",
    "is_scripting",
    "is_tracing",
    "isinstance",
    "load",
    "onednn_fusion_enabled",
    "optimize_for_inference",
    "optimized_execution",
    "run_frozen_optimizations",
    "save",
    "script",
    "script_if_tracing",
    "script_method",
    "set_fusion_strategy",
    "trace",
    "trace_module",
    "unused",
    "wait",
]
__getattr__ = lazy_names(__name__)
Given = TypeVar("Given")
_OUTDATED = "`torch.jit.{}` is deprecated. Please switch to `torch.compile` or `torch.export`."


class ScriptModule(Module):
    """A module; its methods run as Python."""


class ScriptFunction:
    """What PyTorch makes of a function; here a function stays what it is."""


def script(
    obj: Given,
    optimize: Any = None,
    _frames_up: int = 0,
    _rcb: Any = None,
    example_inputs: Any = None,
) -> Given:
    """The function, class, or module itself."""
    warn(_OUTDATED.format("script"), DeprecationWarning)
    return obj


def trace(
    func: Given,
    example_inputs: Any = None,
    optimize: Any = None,
    check_trace: bool = True,
    check_inputs: Any = None,
    check_tolerance: float = 1e-5,
    strict: bool = True,
    _force_outplace: bool = False,
    _module_class: Any = None,
    _compilation_unit: Any = None,
    example_kwarg_inputs: dict[str, Any] | None = None,
    _store_inputs: bool = True,
) -> Given:
    """The function or module itself, after one run with the example, so that what fails does so here."""
    warn(_OUTDATED.format("trace"), DeprecationWarning)
    arguments = example_inputs if type(example_inputs) in (tuple, list) else (example_inputs,)
    with no_grad():
        if example_kwarg_inputs is not None:
            func(**example_kwarg_inputs)
        else:
            func(*arguments)
    return func


def trace_module(mod: Given, inputs: dict[str, Any], *options: Any, **named: Any) -> Given:
    """The module itself, after a run of each method that ``inputs`` names."""
    for method, given in inputs.items():
        trace(getattr(mod, method), given)
    return mod


def _itself(obj: Given = None, *options: Any, **named: Any) -> Given:
    """What it is given; without anything, a decorator that does that."""
    return (lambda decorated: decorated) if obj is None else obj


export = freeze = interface = optimize_for_inference = script_if_tracing = script_method = _itself


def ignore(drop: Any = False, **named: Any) -> Any:
    """A decorator that leaves a method as it is."""
    return drop if callable(drop) else _itself()


unused = ignore


def is_scripting() -> bool:
    """False: all runs as Python."""
    return False


def is_tracing() -> bool:
    """False: what :func:`trace` is given runs as it does without."""
    return False


def annotate(the_type: Any, the_value: Given) -> Given:
    """The value."""
    return the_value


class Attribute(typing.NamedTuple):
    """A value of a module with its type."""

    value: Any
    type: Any


def isinstance(obj: Any, target_type: Any) -> bool:
    """Whether an object is of a type; of ``List[int]`` and its like the container alone is looked at."""
    targets = target_type if type(target_type) is tuple else (target_type,)
    return any(_is_of(obj, typing.get_origin(target) or target) for target in targets)


def _is_of(obj: Any, target: Any) -> bool:
    return target is Any or type(obj) is target or issubclass(type(obj), target)


def fork(func: Callable[..., Given], *args: Any, **kwargs: Any) -> _Done:
    """The result of the function, which runs at once, for :func:`wait`."""
    return _Done(func(*args, **kwargs))


class _Done:
    def __init__(self, result: Any):
        self._result = result

    def wait(self) -> Any:
        """The result."""
        return self._result


def wait(future: Any) -> Any:
    """What :func:`fork` was to compute."""
    return future.wait()


class optimized_execution:
    """A context that changes nothing."""

    def __init__(self, should_optimize: bool):
        pass

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: Any) -> None:
        pass


def run_frozen_optimizations(mod: Any, *options: Any, **named: Any) -> None:
    """Changes nothing."""


def set_fusion_strategy(strategy: Any) -> list[Any]:
    """Changes nothing; gives the strategies before, of which there are none."""
    return []


def onednn_fusion_enabled() -> bool:
    """False."""
    return False


def save(m: Any, f: Any, _extra_files: Any = None) -> NoReturn:
    """Raises NotImplementedError: no program of TorchScript is made."""
    raise NotImplementedError(
        "torch.jit.save: graphc makes no TorchScript programs; save the state_dict with torch.save"
    )


def load(f: Any, map_location: Any = None, _extra_files: Any = None, _restore_shapes: bool = False) -> NoReturn:
    """Raises NotImplementedError: no program of TorchScript is read."""
    raise NotImplementedError(
        "torch.jit.load: graphc reads no TorchScript programs; save the module's state_dict with PyTorch and load that"
    )
