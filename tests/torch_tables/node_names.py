"""PyTorch's table of operators, and what the nodes of their results are called: in PyTorch, and here.

    python -m tests.torch_tables.node_names -k conv

prints where they differ.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch
from torch.testing._internal.opinfo.core import OpInfo

from tests.torch_tables.conversion import is_tensor, leaves, own
from tests.torch_tables.operators import UNSET, Missing, identity, operators, own_function, samples


def names(results: Any) -> list[str]:
    """What the nodes of a call's results are called."""
    found = [value for value in leaves(results) if is_tensor(value)]
    return [type(value.grad_fn).__name__ if value.grad_fn is not None else "None" for value in found]


def compared(operator: OpInfo, limit: int = 6) -> Iterator[tuple[list[str], list[str]]]:
    """The names in PyTorch and here, for each of the operator's samples at float64 that both compute.

    Raises Missing for an operator that graphc does not offer.
    """
    function = own_function(operator)
    for sample in samples(operator, torch.float64, limit, True):
        try:
            torch.manual_seed(0)
            wanted = names(operator(sample.input, *sample.args, **sample.kwargs))
            seen: dict[int, Any] = {}
            arguments = [own(value, seen) for value in (sample.input, *sample.args)]
            keywords = {name: own(value, seen) for name, value in sample.kwargs.items()}
            found = names(function(*arguments, **keywords))
        except (RuntimeError, ValueError, TypeError, NotImplementedError, IndexError, AttributeError):
            # That calls agree is checked by the table of values.
            continue
        yield wanted, found


def differences(operator: OpInfo, limit: int = 6) -> list[str]:
    """What differs, one text for each pair of names."""
    found = {
        f"{', '.join(sorted({*wanted}))} is called {', '.join(sorted({*own_names}))}"
        for wanted, own_names in compared(operator, limit)
        if wanted != own_names
    }
    return sorted(found)


def named_operators(pattern: str = "") -> list[OpInfo]:
    """Those operators of the table whose results have nodes."""
    return [
        operator
        for operator in operators(pattern)
        if operator.supports_autograd
        and torch.float64 in operator.supported_dtypes("cpu")
        and not UNSET.search(operator.name)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-k", dest="pattern", default="", help="regular expression for operators")
    parser.add_argument("--samples", type=int, default=6, help="samples per operator")
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    for operator in named_operators(options.pattern):
        try:
            problems = differences(operator, options.samples)
        except Missing:
            counts["missing"] += 1
            continue
        counts["differ" if problems else "same"] += 1
        for problem in problems:
            print(f"{identity(operator)}: {problem}", flush=True)
    print(dict(counts), file=sys.stderr)


if __name__ == "__main__":
    main()
