"""Prints where graphc differs from PyTorch over PyTorch's tables: ``python -m tests.torch_tables.report -k conv``."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

import torch

from tests.torch_tables.operators import Missing, check, check_errors, identity, operators


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-k", dest="pattern", default="", help="regular expression for operators")
    parser.add_argument("--dtype", default="float64", help="comma-separated dtypes, or 'all'")
    parser.add_argument("--samples", type=int, default=12, help="samples per operator and dtype")
    parser.add_argument("--errors", action="store_true", help="compare the errors for bad input instead")
    parser.add_argument("--strides", action="store_true", help="compare the strides of results, too")
    parser.add_argument("--all", action="store_true", help="every problem, not the first of each operator and dtype")
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    for operator in operators(options.pattern):
        supported = operator.supported_dtypes("cpu")
        names = (
            sorted(map(str, supported)) if options.dtype == "all" else [f"torch.{n}" for n in options.dtype.split(",")]
        )
        wanted = [None] if options.errors else [getattr(torch, name[6:]) for name in names]
        for dtype in wanted:
            if dtype is not None and dtype not in supported:
                continue
            try:
                if dtype is None:
                    problems = check_errors(operator)
                else:
                    problems = check(operator, dtype, options.samples, strides=options.strides)
            except Missing:
                counts["missing"] += 1
                print("MISSING", identity(operator), flush=True)
                break
            except Exception as error:
                counts["harness"] += 1
                print("HARNESS", identity(operator), type(error).__name__, str(error)[:200], flush=True)
                continue
            counts["bad" if problems else "good"] += 1
            for problem in problems if options.all else problems[:1]:
                print("BAD" if len(problems) == 1 else f"BAD×{len(problems)}", problem, flush=True)
    print(dict(counts), file=sys.stderr)


if __name__ == "__main__":
    main()
