"""The order of the passes over the tensor graph, each with the reason why it stands there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from graphc.ir.graph import Graph
from graphc.ir.passes.canonicalize import canonicalize
from graphc.ir.passes.fold_constants import fold_constants
from graphc.ir.passes.remove_dead import remove_dead
from graphc.ir.passes.structured import merge_repetitions, trim_structured
from graphc.ir.passes.widen_halves import widen_halves
from graphc.ir.structured import within_regions
from graphc.ir.verify import verify

Pass = Callable[[Graph], Graph]

PIPELINE: tuple[tuple[Pass, str], ...] = (
    (remove_dead, "first, so that nothing below spends time on nodes that capture recorded but no result needs"),
    (merge_repetitions, "before anything can tell apart a loop and the one that its derivative reads from"),
    (trim_structured, "early too: what leaves a region need not be worked on"),
    (widen_halves, "halves become float32 and casts, which all that follows knows how to simplify and fuse"),
    (canonicalize, "identities go, views compose, equal nodes merge"),
    (fold_constants, "canonical forms have brought constants next to each other"),
    (canonicalize, "folding has made new identities, such as a scale of 1"),
    (trim_structured, "results of regions that were read by what has been simplified away"),
    (remove_dead, "last, so that fusion counts real uses"),
)


@dataclass(frozen=True, slots=True)
class PassRecord:
    """What one pass did: its name, nodes before and after, seconds."""

    name: str
    before: int
    after: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Optimized:
    """The graph after the pipeline, and what each pass did."""

    graph: Graph
    records: tuple[PassRecord, ...]


def optimize(
    graph: Graph,
    *,
    limit: int | None = None,
    observe: Callable[[str, Graph], None] | None = None,
    passes: tuple[tuple[Pass, str], ...] = PIPELINE,
) -> Optimized:
    """Run the pipeline and verify the graph after every pass.

    Args:
        limit: run the first so many passes only; by default what the environment variable GRAPHC_BISECT says, else
            all. Halving it finds the pass that breaks a program.
        observe: called with the name of each pass and the graph that it made.
    """
    if limit is None and os.environ.get("GRAPHC_BISECT", "").isdigit():
        limit = int(os.environ["GRAPHC_BISECT"])
    verify(graph)
    records: list[PassRecord] = []
    for run, _ in passes[:limit]:
        began = time.perf_counter()
        new = verify(within_regions(run, run(graph)))
        records.append(PassRecord(run.__name__, len(graph), len(new), time.perf_counter() - began))
        graph = new
        if observe is not None:
            observe(run.__name__, graph)
    return Optimized(graph, tuple(records))
