"""Prints where graphc's modules differ from PyTorch's over PyTorch's table:
``python -m tests.torch_tables.module_report -k Conv``."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

import torch

from tests.torch_tables.modules import check, check_errors, modules
from tests.torch_tables.operators import Missing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-k", dest="pattern", default="", help="regular expression for modules")
    parser.add_argument("--dtype", default="float64", help="comma-separated dtypes")
    parser.add_argument("--samples", type=int, default=12, help="samples per module, mode, and dtype")
    parser.add_argument("--errors", action="store_true", help="compare the errors for bad input instead")
    parser.add_argument("--all", action="store_true", help="every problem, not the first of each module and dtype")
    options = parser.parse_args()
    dtypes = [None] if options.errors else [getattr(torch, name) for name in options.dtype.split(",")]
    counts: Counter[str] = Counter()
    for info in modules(options.pattern):
        for dtype in dtypes:
            try:
                problems = check_errors(info) if dtype is None else check(info, dtype, options.samples)
            except Missing:
                counts["missing"] += 1
                print("MISSING", info.name, flush=True)
                break
            except Exception as error:
                counts["harness"] += 1
                print("HARNESS", info.name, type(error).__name__, str(error)[:200], flush=True)
                continue
            counts["bad" if problems else "good"] += 1
            for problem in problems if options.all else problems[:1]:
                print("BAD" if len(problems) == 1 else f"BAD×{len(problems)}", problem, flush=True)
    print(dict(counts), file=sys.stderr)


if __name__ == "__main__":
    main()
