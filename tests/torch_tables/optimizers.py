"""PyTorch's table of optimizers tried on graphc: parameters and state after some steps, state dicts, reprs, errors.

    python -m tests.torch_tables.optimizers -k Adam

prints where they differ.
"""

from __future__ import annotations

import argparse
import copy
import sys
import warnings
from collections import Counter
from typing import Any

import numpy as np
import torch
from torch.testing._internal.common_optimizers import OptimizerErrorEnum, OptimizerInfo, OptimizerInput, optim_db

import graphc
from tests.torch_tables.conversion import array_of, own

STEPS = 5
# Kinds of implementation that a table row may ask for; there is one here.
_IMPLEMENTATIONS = ("foreach", "fused", "capturable", "differentiable")
TOLERANCE = {torch.float64: 1e-11, torch.float32: 3e-5}


def _shapes(name: str) -> list[tuple[int, ...]]:
    return [(4, 3), (3, 4), (2, 2)] if name == "Muon" else [(4, 3), (3,), (), (2, 3, 2)]


def _leaves(name: str, dtype: torch.dtype) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = _shapes(name)
    return [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in shapes]


def _loss(library: Any, parameters: list[Any], step: int) -> Any:
    """A loss with a minimum, whose gradients change from step to step."""
    total = 0.0
    for place, parameter in enumerate(parameters):
        total = total + ((parameter - 0.3 * place) ** 2).sum() + (parameter * (1.0 + 0.1 * step)).sin().sum()
    return total


def _run(library: Any, optimizer: Any, parameters: list[Any], steps: int) -> list[float]:
    losses = []
    for step in range(steps):

        def closure(step: int = step) -> Any:
            optimizer.zero_grad()
            loss = _loss(library, parameters, step)
            loss.backward()
            return loss

        losses.append(float(optimizer.step(closure)))
    return losses


def _own_inputs(keywords: dict[str, Any]) -> dict[str, Any]:
    return {name: own(value) for name, value in keywords.items()}


def _own_once(value: Any, seen: dict[int, Any]) -> Any:
    """The same for the same; what was computed is computed here too."""
    if not isinstance(value, torch.Tensor) or value.is_leaf:
        return own(value, seen)
    if id(value) not in seen:
        seen[id(value)] = own(value.detach().requires_grad_()) * 1
    return seen[id(value)]


def usable(given: OptimizerInput) -> bool:
    """Whether a row is one for the CPU."""
    keywords = given.kwargs
    return not keywords.get("capturable") and not keywords.get("fused")


def _value_differs(found: Any, wanted: Any, tolerance: float) -> str | None:
    if isinstance(wanted, torch.Tensor) and isinstance(found, float):
        # PyTorch hands on a learning rate that is a tensor; here it is read.
        wanted = wanted.item()
    if isinstance(wanted, torch.Tensor):
        if tuple(found.shape) != tuple(wanted.shape) or str(found.dtype).rpartition(".")[2] != str(wanted.dtype)[6:]:
            return f"{found.dtype}{list(found.shape)} instead of {wanted.dtype}{list(wanted.shape)}"
        found, wanted = np.asarray(found.detach().numpy(), float), np.asarray(array_of(wanted.detach()), float)
        scale = float(np.abs(wanted).max(initial=0.0))
        if not np.allclose(found, wanted, tolerance, tolerance * scale, equal_nan=True):
            return f"{found.tolist()} instead of {wanted.tolist()}"
        return None
    if isinstance(wanted, dict):
        if found.keys() != wanted.keys():
            return f"keys {list(found)} instead of {list(wanted)}"
        problems = (_value_differs(found[key], wanted[key], tolerance) for key in wanted)
        return next((f"{key}: {problem}" for key, problem in zip(wanted, problems, strict=True) if problem), None)
    if isinstance(wanted, list | tuple):
        if len(found) != len(wanted):
            return f"{len(found)} values instead of {len(wanted)}"
        problems = (_value_differs(one, other, tolerance) for one, other in zip(found, wanted, strict=True))
        return next((problem for problem in problems if problem), None)
    if isinstance(wanted, float):
        return None if np.isclose(found, wanted, tolerance, 0.0) else f"{found!r} instead of {wanted!r}"
    return None if found == wanted else f"{found!r} instead of {wanted!r}"


def check_input(info: OptimizerInfo, given: OptimizerInput, dtype: torch.dtype) -> str | None:
    """What differs for one row of an optimizer's inputs."""
    name = info.optim_cls.__name__
    # The moving average of Muon's matrices is orthogonalised in bfloat16; LBFGS divides by differences of gradients.
    tolerance = {"Muon": 3e-2, "LBFGS": 1e-7}.get(name, TOLERANCE[dtype])
    theirs = _leaves(name, dtype)
    ours = [own(leaf) for leaf in theirs]
    keywords = given.kwargs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted_optimizer = info.optim_cls(theirs, **copy.deepcopy(keywords))
        found_optimizer = getattr(graphc.optim, name)(ours, **_own_inputs(keywords))
        if repr(found_optimizer) != repr(wanted_optimizer):
            return f"prints {found_optimizer!r} instead of {wanted_optimizer!r}"
        wanted = _run(torch, wanted_optimizer, theirs, STEPS)
        found = _run(graphc, found_optimizer, ours, STEPS)
        problem = _value_differs(found, wanted, tolerance) or _value_differs(ours, theirs, tolerance)
        if problem:
            return f"after {STEPS} steps: {problem}"
        state, expected = found_optimizer.state_dict(), wanted_optimizer.state_dict()
        problem = _value_differs(state["state"], expected["state"], tolerance)
        if problem:
            return f"state: {problem}"
        if [sorted(map(str, group)) for group in state["param_groups"]] != [
            sorted(map(str, group)) for group in expected["param_groups"]
        ]:
            return f"groups: {state['param_groups']} instead of {expected['param_groups']}"
        return _resumed_differs(info, keywords, ours, state, found_optimizer, tolerance)


def _resumed_differs(
    info: OptimizerInfo, keywords: dict[str, Any], parameters: list[Any], state: Any, optimizer: Any, tolerance: float
) -> str | None:
    """Whether an optimizer that a state was loaded into goes on as the one that it came from."""
    others = [parameter.detach().clone().requires_grad_() for parameter in parameters]
    resumed = getattr(graphc.optim, info.optim_cls.__name__)(others, **_own_inputs(keywords))
    resumed.load_state_dict(copy.deepcopy(state))
    # Rprop and LBFGS look at the gradient before, which is state that was saved.
    one, other = _run(graphc, optimizer, parameters, 2), _run(graphc, resumed, others, 2)
    return None if np.allclose(one, other, tolerance, 0.0) else f"resumed: {other} instead of {one}"


def check(info: OptimizerInfo, dtype: torch.dtype = torch.float64) -> list[str]:
    """What differs, for every row of an optimizer's inputs."""
    problems = []
    if info.optim_cls is torch.optim.LBFGS and dtype != torch.float64:
        # Its searches take the last place of a float32 far.
        return problems
    for given in info.optim_inputs_func(device="cpu", dtype=dtype):
        if usable(given):
            problem = check_input(info, given, dtype)
            if problem:
                problems.append(f"{info.optim_cls.__name__}({given.kwargs}): {problem}")
    return problems


def check_errors(info: OptimizerInfo) -> list[str]:
    """Where bad input gives another class of error than in PyTorch, or other first words."""
    problems = []
    for given in info.optim_error_inputs_func(device="cpu", dtype=torch.float64):
        if given.error_on is not OptimizerErrorEnum.CONSTRUCTION_ERROR:
            continue
        optimizer_input = given.optimizer_error_input
        outcomes = []
        for library in (torch, graphc):
            seen: dict[int, Any] = {}
            convert = (lambda value: value) if library is torch else (lambda value, seen=seen: _own_once(value, seen))
            parameters = optimizer_input.params
            if isinstance(parameters, list):
                parameters = [
                    {key: convert(value) for key, value in one.items()} if isinstance(one, dict) else convert(one)
                    for one in parameters
                ]
            elif parameters is None:
                parameters = [convert(torch.zeros(2, 2, requires_grad=True))]
            else:
                parameters = convert(parameters)
            keywords = {name: convert(value) for name, value in optimizer_input.kwargs.items()}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    getattr(library.optim, info.optim_cls.__name__)(parameters, **keywords)
                    outcomes.append(("no error", ""))
                except Exception as error:
                    outcomes.append((type(error).__name__, str(error).partition("\n")[0][:40]))
        if outcomes[0] != outcomes[1]:
            problems.append(
                f"{info.optim_cls.__name__}: {optimizer_input.desc}: {outcomes[1]} instead of {outcomes[0]}"
            )
    return problems


def optimizers(pattern: str = "") -> list[OptimizerInfo]:
    """PyTorch's table, without the optimizer of sparse gradients."""
    return [info for info in optim_db if info.optim_cls.__name__ != "SparseAdam" and pattern in info.optim_cls.__name__]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-k", dest="pattern", default="", help="a part of the optimizers' names")
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    for info in optimizers(options.pattern):
        problems = [*check(info), *check(info, torch.float32), *check_errors(info)]
        counts["differ" if problems else "same"] += 1
        for problem in problems:
            print(problem[:400], flush=True)
    print(dict(counts), file=sys.stderr)


if __name__ == "__main__":
    main()
