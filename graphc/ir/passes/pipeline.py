"""The order of the passes over the tensor graph, each with the reason why it stands there."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from graphc.ir.applications import applies, stage_of
from graphc.ir.graph import Graph, Node
from graphc.ir.passes.canonicalize import canonicalize
from graphc.ir.passes.drop_rules import drop_rules
from graphc.ir.passes.fold_constants import fold_constants
from graphc.ir.passes.join_padded import join_padded
from graphc.ir.passes.join_products import join_products
from graphc.ir.passes.recompute import recompute
from graphc.ir.passes.remove_dead import remove_dead
from graphc.ir.passes.structured import join_draws, merge_repetitions, trim_structured
from graphc.ir.passes.widen_halves import widen_halves
from graphc.ir.structured import within_regions
from graphc.ir.verify import verify

Pass = Callable[[Graph], Graph]
Passes = tuple[tuple[Pass, str], ...]

PIPELINE: Passes = (
    (drop_rules, "derivatives are made; before all else, so that nothing below need know of rules"),
    (remove_dead, "first, so that nothing below spends time on nodes that capture recorded but no result needs"),
    (merge_repetitions, "before anything can tell apart a loop and the one that its derivative reads from"),
    (join_draws, "after that, for the loop of two that computes more; what is trimmed differs in its operands"),
    (trim_structured, "early too: what leaves a region need not be worked on"),
    (widen_halves, "halves become float32 and casts, which all that follows knows how to simplify and fuse"),
    (canonicalize, "identities go, views compose, equal nodes merge"),
    (fold_constants, "canonical forms have brought constants next to each other"),
    (join_padded, "gradients of slices of one value, which canonicalization has brought next to each other"),
    (canonicalize, "folding has made new identities, such as a scale of 1"),
    (join_products, "what it concatenates may have been concatenated just before, and is then the same value"),
    (trim_structured, "results of regions that were read by what has been simplified away"),
    (remove_dead, "so that fusion counts real uses"),
    (recompute, "last, since it doubles nodes that any other pass would merge again"),
)
# For programs that must do with less memory: what draws can't run again, what is given the numbers can.
SEPARATE_DRAWS: Passes = tuple(each for each in PIPELINE if each[0] is not join_draws)
# What the stages after the pipeline can't do without.
NEEDED = (drop_rules, widen_halves)


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
    passes: Passes = PIPELINE,
) -> Optimized:
    """Run the pipeline and verify the graph after every pass.

    Args:
        limit: run the first so many passes only; by default all.
        observe: called with the name of each pass and the graph that it made.
        passes: what to run.
    """
    checked: set[Node] = set()
    verify(graph, checked)
    records: list[PassRecord] = []
    for number, (run, _) in enumerate(passes[:limit], 1):
        began = time.perf_counter()
        stage = f"pass {number}, {run.__name__}"
        if run in NEEDED:
            new = within_regions(run, run(graph))
        elif applies(stage, "the graph as a whole"):
            with stage_of(stage):
                new = within_regions(run, run(graph))
        else:
            continue
        if new is not graph:
            verify(new, checked)
        records.append(PassRecord(run.__name__, len(graph), len(new), time.perf_counter() - began))
        graph = new
        if observe is not None:
            observe(run.__name__, graph)
    return Optimized(graph, tuple(records))
