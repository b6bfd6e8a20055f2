"""What lowering asks of the machine that it writes loops for. How loops are spelled is a printer's.

A CPU has few threads with wide vectors and a cache each: one loop is shared among them, neighbouring results are
carried together in small arrays, and a sum is cut only where there are few of them. A GPU has very many threads: every
loop over independent points is theirs, and there is hardly ever enough work for all of them in a few long sums.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """A kind of machine.

    ``all_parallel``: every loop over independent points is "parallel" and every loop over a reduced domain "vector";
    else one loop is parallel, and one a vector loop. ``lanes``: neighbouring results are carried in arrays.
    A reduction of at least ``many_elements`` is cut into chunks where it has fewer than ``few_results`` results of at
    least ``fewest_terms`` terms each; columns also where they have ``long_column`` terms and are fewer than
    ``many_columns``. ``row_bytes`` are the most bytes of values of a row that are kept from one sweep to the next.
    ``partial_sums``: sums over rows are made, part by part, where the rows are, and groups that walk the same rows are
    one.
    """

    name: str
    all_parallel: bool
    lanes: bool
    few_results: int
    fewest_terms: int
    many_elements: int
    long_column: int
    many_columns: float
    row_bytes: int | None = None
    partial_sums: bool = False


CPU = Target(
    "cpu",
    all_parallel=False,
    lanes=True,
    few_results=8,
    fewest_terms=0,
    many_elements=1 << 15,
    # Columns of so many elements are cut too: added one by one, they would lose accuracy.
    long_column=2048,
    many_columns=float("inf"),
    partial_sums=True,
)
GPU = Target(
    "gpu",
    all_parallel=True,
    lanes=False,
    few_results=256,
    fewest_terms=4096,
    many_elements=1 << 15,
    long_column=512,
    many_columns=1 << 15,
    row_bytes=1 << 15,  # of the 48 KiB of shared memory that a block may declare
)
