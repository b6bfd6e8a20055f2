"""PyTorch's table of modules tried on graphc: first values, text, attributes, states, results in both modes, buffers,
gradients, copies, errors."""

from __future__ import annotations

import copy
import itertools
import pickle
import re
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.testing._internal.common_modules import ModuleErrorEnum, ModuleInfo, ModuleInput, module_db

import graphc
from tests.torch_tables.conversion import difference, is_tensor, leaves, own
from tests.torch_tables.operators import SEED, Missing, gradient_difference

# Attributes of PyTorch's modules that say how they are made, not what they are.
INTERNAL = re.compile("^(_|training$)")


def own_class(info: ModuleInfo) -> type:
    """graphc's class of the module's name. Raises Missing."""
    found = getattr(graphc.nn, info.module_cls.__name__, None)
    if found is None:
        raise Missing(info.name)
    return found


def own_argument(value: Any, seen: dict[int, Any]) -> Any:
    """PyTorch's argument as graphc's, modules and functions included."""
    if isinstance(value, torch.nn.Module):
        return own_module(value, seen)
    if isinstance(value, (types.FunctionType, types.BuiltinFunctionType)):
        return getattr(graphc.nn.functional, value.__name__, value)
    if type(value) in (list, tuple):
        return type(value)(own_argument(item, seen) for item in value)
    if isinstance(value, dict):
        return {key: own_argument(item, seen) for key, item in value.items()}
    return own(value, seen)


def own_module(module: torch.nn.Module, seen: dict[int, Any]) -> Any:
    """A module of graphc's with the parameters, buffers, parts, and attributes of one of PyTorch's."""
    kind = next(
        found
        for namespace in (graphc.nn, graphc.nn.modules.linear)
        if (found := getattr(namespace, type(module).__name__, None)) is not None
    )
    made = kind.__new__(kind)
    graphc.nn.Module.__init__(made)
    for name, value in vars(module).items():
        if not name.startswith("_") or name in ("_qkv_same_embed_dim",):
            object.__setattr__(made, name, own_argument(value, seen))
    for name, parameter in module._parameters.items():
        made.register_parameter(name, None if parameter is None else graphc.nn.Parameter(own(parameter.detach())))
    for name, buffer in module._buffers.items():
        made.register_buffer(name, own(buffer))
    for name, part in module._modules.items():
        made.add_module(name, None if part is None else own_module(part, seen))
    return made


def samples(info: ModuleInfo, dtype: torch.dtype, training: bool, limit: int) -> Iterator[ModuleInput]:
    """The first of the module's sample inputs for a mode."""
    torch.manual_seed(SEED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = info.module_inputs_func(info, device="cpu", dtype=dtype, requires_grad=True, training=training)
        yield from itertools.islice(found, limit)


def check(info: ModuleInfo, dtype: torch.dtype, limit: int = 12) -> list[str]:
    """What graphc's module does otherwise than PyTorch's over the samples of a dtype. Raises Missing."""
    own_class(info)
    found = []
    for training in (True, False):
        for number, sample in enumerate(samples(info, dtype, training, limit)):
            if sample.forward_input is None:
                continue
            problem = check_sample(info, sample, dtype, training)
            if problem is not None:
                mode = "training" if training else "evaluation"
                found.append(f"{info.name} {str(dtype)[6:]} {mode} sample {number} {described(sample)}: {problem}")
    return found


def described(sample: ModuleInput) -> str:
    """A sample in a line: shapes in place of elements."""

    def short(value: Any) -> str:
        return str(tuple(value.shape)) if is_tensor(value) else type(value).__name__ if callable(value) else repr(value)

    parts = []
    for given in (sample.constructor_input, sample.forward_input):
        named = [f"{name}={short(value)}" for name, value in given.kwargs.items()]
        parts.append(", ".join([*map(short, given.args), *named]))
    return re.sub(r"\s+", " ", f"({parts[0]}) on ({parts[1]})")[:300]


def seeded(library: Any, run: Callable[[], Any]) -> Any:
    """What a function gives after a library's generator was seeded, without warnings."""
    library.manual_seed(SEED)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return run()


def check_sample(info: ModuleInfo, sample: ModuleInput, dtype: torch.dtype, training: bool) -> str | None:
    """What graphc's module does otherwise than PyTorch's for one sample, or None."""
    seen: dict[int, Any] = {}
    given, called = sample.constructor_input, sample.forward_input
    expected = seeded(torch, lambda: info.module_cls(*given.args, **given.kwargs))
    try:
        arguments, keywords = own_argument(list(given.args), seen), own_argument(dict(given.kwargs), seen)
        found = seeded(graphc, lambda: own_class(info)(*arguments, **keywords))
    except Exception as error:
        return f"constructor: {type(error).__name__}: {str(error)[:200]}"
    expected.to(dtype).train(training)
    found.to(own(dtype)).train(training)
    problem = alike(found, expected)
    if problem is not None:
        return problem
    inputs, own_inputs = [called.args, called.kwargs], own_argument([called.args, called.kwargs], seen)
    try:
        wanted = seeded(torch, lambda: expected(*inputs[0], **inputs[1]))
    except Exception:
        return None
    try:
        got = seeded(graphc, lambda: found(*own_inputs[0], **own_inputs[1]))
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    problem = (
        results_differ(got, wanted)
        or gradients_differ(found, expected, got, wanted, own_inputs, inputs)
        or alike(found, expected)
    )
    if problem is not None or training:
        return problem
    return copies_differ(found, own_inputs)


def results_differ(got: Any, wanted: Any) -> str | None:
    """What distinguishes the results; packed sequences are compared by their parts."""
    return difference(_plain(got), _plain(wanted))


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, tuple) else value


def gradients_differ(found: Any, expected: Any, got: Any, wanted: Any, own_inputs: Any, inputs: Any) -> str | None:
    """What distinguishes the gradients of inputs and parameters."""
    pairs = [
        (one, other)
        for one, other in zip(leaves(own_inputs), leaves(inputs), strict=True)
        if is_tensor(other) and other.requires_grad
    ]
    pairs += [
        (one, other)
        for one, other in zip(found.parameters(), expected.parameters(), strict=True)
        if other.requires_grad
    ]
    if not pairs:
        return None
    return gradient_difference(_plain(got), _plain(wanted), [one for one, _ in pairs], [o for _, o in pairs], False)


def alike(found: Any, expected: Any) -> str | None:
    """What distinguishes two modules' texts, states, parameters, and public attributes."""
    if repr(found) != repr(expected):
        return f"prints as {found!r}, not {expected!r}"
    mine, other = found.state_dict(), expected.state_dict()
    if list(mine) != list(other):
        return f"state has {list(mine)}, PyTorch's {list(other)}"
    if mine._metadata != other._metadata:
        return f"metadata {mine._metadata}, PyTorch's {other._metadata}"
    for name, value in other.items():
        if not isinstance(value, torch.nn.parameter.UninitializedTensorMixin):
            problem = difference(mine[name], value)
            if problem is not None:
                return f"{name}: {problem}"
    names = [name for name, _ in found.named_parameters()]
    if names != [name for name, _ in expected.named_parameters()]:
        return f"parameters {names}"
    own_parts, parts = dict(found.named_modules()), dict(expected.named_modules())
    if list(own_parts) != list(parts):
        return f"modules {list(own_parts)}, PyTorch's {list(parts)}"
    for name, part in parts.items():
        problem = _attributes_differ(own_parts[name], part)
        if problem is not None:
            return f"{name}: {problem}" if name else problem
    return None


def _attributes_differ(found: Any, expected: Any) -> str | None:
    for name, value in vars(expected).items():
        if INTERNAL.match(name):
            continue
        if not hasattr(found, name):
            return f"has no attribute {name}"
        own_value = getattr(found, name)
        if callable(value) or is_tensor(value):
            continue
        if str(own_value) != str(value):
            return f"attribute {name} is {own_value!r}, PyTorch's {value!r}"
    return None


def copies_differ(module: Any, inputs: Any) -> str | None:
    """What distinguishes the results of a deep copy and of a pickled module from the module's own, outside training."""
    results = []
    for take in (lambda: module, lambda: copy.deepcopy(module), lambda: pickle.loads(pickle.dumps(module))):
        try:
            taken = take()
        except Exception as error:
            return f"copying: {type(error).__name__}: {str(error)[:200]}"
        with graphc.no_grad():
            results.append(leaves(_plain(seeded(graphc, lambda taken=taken: taken(*inputs[0], **inputs[1])))))
    for other in results[1:]:
        for one, again in zip(results[0], other, strict=True):
            if is_tensor(one) and not graphc.equal(one, again) and not bool(graphc.isnan(one).any()):
                return "a copy gives another result"
    return None


def check_errors(info: ModuleInfo) -> list[str]:
    """Where graphc accepts what PyTorch refuses, or refuses it with an error of another class or other words."""
    if info.module_error_inputs_func is None:
        return []
    kind = own_class(info)
    found = []
    for training in (True, False):
        cases = info.module_error_inputs_func(
            info, device="cpu", dtype=torch.float32, requires_grad=False, training=training
        )
        for case in cases:
            seen: dict[int, Any] = {}
            given, called = case.module_error_input.constructor_input, case.module_error_input.forward_input
            text = f"{info.name} ({given.args}, {given.kwargs}, {case.error_regex!r})"[:300]
            try:
                module = kind(*own_argument(list(given.args), seen), **own_argument(dict(given.kwargs), seen))
                if case.error_on is ModuleErrorEnum.FORWARD_ERROR:
                    arguments, keywords = own_argument([list(called.args), dict(called.kwargs)], seen)
                    # As made, thus in training, which is what the table's errors are for.
                    module(*arguments, **keywords)
            except case.error_type as error:
                if not _says(str(error), case.error_regex):
                    found.append(f"{text}: says {str(error)[:200]!r}")
            except Exception as error:
                found.append(f"{text}: {type(error).__name__}: {str(error)[:200]}, not {case.error_type}")
            else:
                found.append(f"{text}: accepted")
    return found


def _says(text: str, pattern: str) -> bool:
    with warnings.catch_warnings():
        # Some of PyTorch's patterns hold brackets that Python warns of.
        warnings.simplefilter("ignore", FutureWarning)
        return re.search(pattern, text) is not None


def modules(pattern: str = "") -> list[ModuleInfo]:
    """The modules whose name a pattern finds."""
    return [info for info in module_db if re.search(pattern, info.name)]
