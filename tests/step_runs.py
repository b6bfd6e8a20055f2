"""Running random steps: eagerly, compiled, and in PyTorch; what differs beyond rounding, and the smallest step that
shows it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

import graphc as gc
import graphc.nn.functional as functional
from graphc import nn, optim
from graphc.capture.errors import CaptureError
from graphc.randomness.generator import default_generator
from tests.every_way import difference
from tests.step_programs import Step

# What eager mode refuses a step with.
REFUSALS = (
    RuntimeError,
    ValueError,
    IndexError,
    TypeError,
    NotImplementedError,
    OverflowError,
    AttributeError,
    NameError,
    KeyError,
    ZeroDivisionError,
)
Outcome = dict[str, np.ndarray]


def nudged(array: np.ndarray, nudge: float, seed: int = 0) -> np.ndarray:
    """An array with every floating element off by a random part, of the size of ``nudge``, of itself."""
    if not nudge or array.dtype.kind not in "fc":
        return array
    noise = np.random.default_rng(seed).normal(0.0, 1.0, array.shape)
    return np.asarray(array * (1.0 + nudge * noise)).astype(array.dtype)


def value_of(tensor: Any) -> np.ndarray:
    """The values of a tensor of either library; halves as float32."""
    half = str(tensor.dtype).endswith(("float16", "bfloat16"))
    return np.array((tensor.detach().float() if half else tensor.detach()).resolve_conj().numpy())


def _state(tensors: Sequence[Any], optimizer: Any) -> Iterator[tuple[str, np.ndarray]]:
    for place, tensor in enumerate(tensors):
        yield f"state {place}", value_of(tensor)
        if tensor.grad is not None:
            yield f"gradient {place}", value_of(tensor.grad)
    for place, own in enumerate(optimizer.state.values()):
        for name, value in own.items():
            if hasattr(value, "detach"):
                yield f"{name} of {place}", value_of(value)


def outcomes(step: Step, compiled: Mapping[str, Any] | None = None, nudge: float = 0.0) -> list[Outcome] | None:
    """What each call leaves: results, arguments, state, gradients, the optimizer's state, the generator's.

    With ``compiled`` the step's functions are compiled with these options, and raise what they raise. Without, None
    where eager mode refuses the step.
    """
    gc.manual_seed(step.seed)
    try:
        parameters = [gc.from_numpy(nudged(array, nudge)).requires_grad_() for array in step.parameter_arrays()]
        run, look, between, state, optimizer = step.made(gc, functional, nn, optim)(*parameters)
        if compiled is not None:
            run, look = gc.compile(run, **compiled), gc.compile(look, **compiled)
        left = []
        for call in range(len(step.batches)):
            arrays = [nudged(array, nudge, call + 1) for array in step.arrays(call)]
            left.append(_call(step, call, list(map(gc.from_numpy, arrays)), run, look, state, optimizer))
            left[-1]["generator"] = default_generator.buffer.copy()
            between()
    except REFUSALS:
        if compiled is not None:
            raise
        return None
    return left


def _call(
    step: Step, call: int, own: list[Any], run: Callable, look: Callable, state: Callable, optimizer: Any
) -> Outcome:
    arguments = step.given(call, own)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values, loss = run(*arguments)
        seen = look(*arguments)
    named = {f"result {place}": value_of(value) for place, value in enumerate(values)}
    named |= {f"look {place}": value_of(value) for place, value in enumerate(seen)}
    named |= {f"argument {place}": value_of(value) for place, value in enumerate(arguments)}
    named |= dict(_state(state(), optimizer))
    return named if loss is None else named | {"loss": value_of(loss)}


def outcomes_in_pytorch(step: Step) -> list[Outcome] | None:
    """What each call leaves in PyTorch, None where it refuses the step. The generator's state is not among it."""
    import torch

    torch.manual_seed(step.seed)
    try:
        parameters = [torch.from_numpy(array).requires_grad_() for array in step.parameter_arrays()]
        made = step.made(torch, torch.nn.functional, torch.nn, torch.optim)
        run, look, between, state, optimizer = made(*parameters)
        left = []
        for call in range(len(step.batches)):
            left.append(_call(step, call, list(map(torch.from_numpy, step.arrays(call))), run, look, state, optimizer))
            between()
    except REFUSALS:
        return None
    return left


def step_difference(step: Step, refusals: list[str] | None = None, **options: Any) -> str:
    """How the compiled step differs from eager mode beyond rounding, in words; empty where it does not.

    A step that can't be captured is no difference; what was said goes to ``refusals``. What rounding may do to a step
    is seen by running it on parameters and arguments that are a little off.
    """
    eager = outcomes(step)
    if eager is None:
        return ""
    try:
        compiled = outcomes(step, options)
    except CaptureError as error:
        if refusals is not None:
            refusals.append(str(error))
        return ""
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:1500]}"
    assert compiled is not None
    return difference_of(step, compiled, eager)


def difference_of(step: Step, found: Sequence[Outcome], expected: Sequence[Outcome], tolerance: float = 1e-4) -> str:
    """How the outcomes of a step differ from eager mode's beyond rounding, in words."""
    half = "float16" in step.source
    size, factor = (1e-3, 2e-2) if half else (1e-6, tolerance)
    others = [outcomes(step, nudge=amount) for amount in (size, -size, 8 * size)]
    for call, (one, right) in enumerate(zip(found, expected, strict=True)):
        if one.keys() != right.keys() & one.keys() or right.keys() - one.keys() - {"generator"}:
            return f"call {call}: leaves {sorted(one.keys() ^ right.keys())} on one side only"
        near = [other[call] for other in others if other is not None]
        if len(near) < len(others) or any(other.keys() != right.keys() for other in near):
            return ""  # another way for values that are a little off: all that follows may differ
        for name, value in one.items():
            # Sums that cancel are noise of the size of the others' rounding.
            largest = max(_largest(right[each]) for each in right if each.split()[0] == name.split()[0])
            words = _differs(name, value, right[name], [other[name] for other in near], factor, largest)
            if words is None:
                return ""
            if words:
                return f"call {call}: {name}: {words}"
    return ""


def _largest(array: np.ndarray) -> float:
    return float(np.abs(array[np.isfinite(array)]).max(initial=0.0)) if array.dtype.kind in "fc" else 0.0


def _differs(
    name: str, found: np.ndarray, right: np.ndarray, near: list[np.ndarray], factor: float, largest: float
) -> str | None:
    """How an array differs, in words; None where rounding may do anything to it."""
    if name == "generator":
        return "" if np.array_equal(found, right) else "the random stream stands elsewhere"
    spread = [_spread(other, right) for other in near]
    if any(each is None for each in spread):
        return None
    if right.dtype.kind not in "fc":
        return None if any(spread) else difference(found, right) or ""
    return difference(found, right, factor, factor * largest + 50 * max(map(float, spread)) + 1e-12) or ""


def _spread(other: np.ndarray, value: np.ndarray) -> float | None:
    """The most that two arrays differ; None where they can't be told by a number."""
    if other.shape != value.shape or other.dtype != value.dtype:
        return None
    if value.dtype.kind not in "fc":
        return float((other != value).any())
    finite = np.isfinite(value)
    if (np.isfinite(other) != finite).any():
        return None
    with np.errstate(all="ignore"):
        return float(np.abs(other[finite] - value[finite]).max(initial=0.0))


def reduced_step(step: Step, fails: Callable[[Step], bool]) -> Step:
    """The step without statements and parts that it fails without too."""
    plain = Step(step.seed, (), (), (), layers=())
    parts = ("optimizer", "clearing", "afterwards", "average", "between", "look", "memory", "layers", "shared")
    changed = True
    while changed:
        changed = False
        # Each is smaller by some measure, so that this ends.
        smaller = [replace(step, **{part: getattr(plain, part)}) for part in parts]
        smaller += [
            replace(step, statements=step.statements[:place] + step.statements[place + 1 :])
            for place in reversed(range(1, len(step.statements)))
        ]
        smaller += [replace(step, layers=step.layers[:at] + step.layers[at + 1 :]) for at in range(len(step.layers))]
        smaller += [replace(step, batches=plain.batches)] if len(step.batches) >= len(plain.batches) else []
        smaller += [replace(step, batches=step.batches[:-1])] if len(step.batches) > 2 else []
        for candidate in smaller:
            if candidate != step and outcomes(candidate) is not None and fails(candidate):
                step, changed = candidate, True
                break
    return step
