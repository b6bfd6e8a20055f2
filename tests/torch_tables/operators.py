"""PyTorch's table of operators tried on graphc: values, dtypes, views' strides, gradients, second gradients, errors."""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.opinfo.core import OpInfo, SampleInput

import graphc
from tests.torch_tables.conversion import difference, is_tensor, leaves, own, random_like, resolve

# PyTorch's wrappers of its random operators set this seed before each call.
SEED = 42


# Operators whose results' elements are whatever the memory held.
UNSET = re.compile("empty|new_empty|resize_")


class Missing(Exception):
    """graphc does not offer the operator."""


def identity(operator: OpInfo) -> str:
    """The operator's name with that of its variant."""
    return f"{operator.name}/{operator.variant_test_name}" if operator.variant_test_name else operator.name


# Where PyTorch's table gives the arguments in another order than the function takes them.
ADAPTED: dict[str, Callable[..., Any]] = {
    "where": lambda input, condition, other=None, **keywords: graphc.where(condition, input, other, **keywords),
    "nn.functional.embedding": lambda weight, indices, **keywords: graphc.nn.functional.embedding(
        indices, weight, **keywords
    ),
    "einsum": lambda tensors, equation: graphc.einsum(equation, tensors),
    "linalg.lstsq/grad_oriented": lambda a, b, driver: graphc.linalg.lstsq(a, b, driver=driver)[:2],
    "svd_lowrank": lambda a, b, **keywords: graphc.svd_lowrank(a @ b.mT, **keywords),
    "pca_lowrank": lambda a, b, **keywords: graphc.pca_lowrank(a @ b.mT, **keywords),
    "zero_": lambda value: value.clone().zero_(),
    "normal/in_place": lambda value, *arguments, **keywords: value.normal_(*arguments, **keywords),
    "normal/number_mean": lambda std, mean, *size, **keywords: graphc.normal(mean, std, *size, **keywords),
    # PyTorch's table tries `randn_like` under this name.
    "rand_like": graphc.randn_like,
    "linalg.pinv/singular": lambda a, b: graphc.linalg.pinv(a @ b.mT),
}


def own_function(operator: OpInfo) -> Callable[..., Any]:
    """graphc's function of the operator's name, else the tensors' method, also that in place. Raises Missing."""
    for name in (identity(operator), operator.name):
        if name in ADAPTED:
            return ADAPTED[name]
    found = resolve(graphc, operator.name)
    if found is None or isinstance(found, graphc.dtype):
        found = resolve(graphc.Tensor, operator.name)
    if found is None:
        found = resolve(graphc.Tensor, f"{operator.name}_")
    if not callable(found):
        if isinstance(found, property):
            return found.fget
        raise Missing(operator.name)
    return found


def samples(operator: OpInfo, dtype: torch.dtype, limit: int, gradient: bool) -> Iterator[SampleInput]:
    """The first of the operator's sample inputs."""
    torch.manual_seed(SEED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield from itertools.islice(operator.sample_inputs("cpu", dtype, requires_grad=gradient), limit)


def check(
    operator: OpInfo, dtype: torch.dtype, limit: int = 12, gradients: bool = True, strides: bool = False
) -> list[str]:
    """What graphc computes otherwise than PyTorch over the operator's samples of a dtype. Raises Missing."""
    function = own_function(operator)
    gradient = gradients and operator.supports_autograd and dtype in operator.supported_backward_dtypes("cpu")
    found = []
    for number, sample in enumerate(samples(operator, dtype, limit, gradient)):
        second = dtype == torch.float64 and number < 4
        problem = check_sample(operator, function, sample, second, strides)
        if problem is not None:
            found.append(f"{identity(operator)} {str(dtype)[6:]} sample {number} {described(sample)}: {problem}")
    return found


def described(sample: SampleInput) -> str:
    """A sample in a line: shapes in place of elements."""
    return re.sub(r"\s+", " ", str(sample.summary()))[:300]


def check_sample(
    operator: OpInfo, function: Callable[..., Any], sample: SampleInput, second: bool, strides: bool = False
) -> str | None:
    """What graphc computes otherwise than PyTorch for one sample, or None."""
    seen: dict[int, Any] = {}
    arguments, keywords = own([sample.input, *sample.args], seen), own(dict(sample.kwargs), seen)
    inputs = [value for value in leaves([sample.input, list(sample.args), dict(sample.kwargs)]) if is_tensor(value)]
    inputs = [value for value in inputs if value.requires_grad]
    torch.manual_seed(SEED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = operator.op(sample.input, *sample.args, **sample.kwargs)
        except Exception:
            return None
        graphc.manual_seed(SEED)
        try:
            with np.errstate(all="ignore"):
                found = function(*arguments, **keywords)
        except Exception as error:
            return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        process = sample.output_process_fn_grad
        if process is not None:
            expected, found = process(expected), process(found)
        problem = difference(found, expected, strides)
        if problem is not None or not inputs:
            return problem
        return gradient_difference(found, expected, [seen[id(value)] for value in inputs], inputs, second)


def gradient_difference(
    found: Any, expected: Any, own_inputs: list[Any], inputs: list[Any], second: bool
) -> str | None:
    """What distinguishes the gradients, and where asked the second ones."""
    pairs = [
        (one, other)
        for one, other in zip(leaves(found), leaves(expected), strict=True)
        if isinstance(other, torch.Tensor) and other.requires_grad
    ]
    if not pairs:
        return None
    cotangents = random_like([other for _, other in pairs])
    try:
        wanted = torch.autograd.grad(
            [other for _, other in pairs], inputs, cotangents, create_graph=second, allow_unused=True
        )
    except RuntimeError:
        return None
    try:
        with np.errstate(all="ignore"):
            got = graphc.autograd.grad(
                [one for one, _ in pairs], own_inputs, own(cotangents), create_graph=second, allow_unused=True
            )
    except Exception as error:
        return f"gradient: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    if not second:
        return _prefixed("gradient", difference(_filled(got, own_inputs), _filled(wanted, inputs)))
    detached = [None if value is None else value.detach() for value in wanted]
    own_detached = [None if value is None else value.detach() for value in got]
    problem = difference(_filled(own_detached, own_inputs), _filled(detached, inputs))
    if problem is not None:
        return f"gradient: {problem}"
    again = [(one, other) for one, other in zip(got, wanted, strict=True) if other is not None and other.requires_grad]
    # A gradient that depends on no input has none: PyTorch's, where it is recorded, must then be zero.
    again = [
        (one if one is not None and one.requires_grad else _recorded_zero(own_inputs[0], other), other)
        for one, other in again
    ]
    if not again:
        return None
    return _prefixed(
        "second gradient", gradient_difference(*map(list, zip(*again, strict=True)), own_inputs, inputs, False)
    )


def _recorded_zero(source: Any, like: torch.Tensor) -> Any:
    """Zeros that hang by an operator on an input."""
    return (source.reshape(-1)[:1].sum() * 0).to(dtype=own(like.dtype)).expand(tuple(like.shape))


def _prefixed(prefix: str, problem: str | None) -> str | None:
    return None if problem is None else f"{prefix}: {problem}"


def _filled(gradients: Any, inputs: list[Any]) -> list[Any]:
    """Gradients with zeros for None: which of the two a library gives for an unused input is no difference."""
    return [
        (torch if isinstance(value, torch.Tensor) else graphc).zeros_like(value) if gradient is None else gradient
        for gradient, value in zip(gradients, inputs, strict=True)
    ]


def check_errors(operator: OpInfo) -> list[str]:
    """Where graphc accepts what PyTorch refuses, or refuses it with an error of another class or other words."""
    function = own_function(operator)
    found = []
    for case in operator.error_inputs("cpu"):
        sample = case.sample_input
        seen: dict[int, Any] = {}
        try:
            arguments = [own(value, seen) for value in (sample.input, *sample.args)]
            keywords = {name: own(value, seen) for name, value in sample.kwargs.items()}
        except (AttributeError, TypeError):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                function(*arguments, **keywords)
        except case.error_type as error:
            if not re.search(case.error_regex, str(error)):
                found.append(
                    f"{identity(operator)} {described(sample)}: says {str(error)[:160]!r}, not {case.error_regex!r}"
                )
        except Exception as error:
            found.append(
                f"{identity(operator)} {described(sample)}: {type(error).__name__}: {str(error)[:160]}, "
                f"not {case.error_type}: {case.error_regex!r}"
            )
        else:
            found.append(
                f"{identity(operator)} {described(sample)}: accepted, not {case.error_type}: {case.error_regex!r}"
            )
    return found


def operators(pattern: str = "") -> list[OpInfo]:
    """The operators whose identity a pattern finds."""
    return [operator for operator in op_db if re.search(pattern, identity(operator)) and not UNSET.match(operator.name)]
