"""All stages of a build: a recording becomes an optimized graph, a loop program, and the text of a program."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from graphc.capture.errors import CaptureError
from graphc.capture.recorded import Recording
from graphc.codegen.rematerialize import MemoryLimitError
from graphc.codegen.trace import is_host_work
from graphc.compiled.builds import Stages
from graphc.compiled.placement import Place
from graphc.garbage import paused_collection
from graphc.ir.graph import Graph
from graphc.ir.passes.pipeline import PIPELINE, SEPARATE_DRAWS, Passes, optimize
from graphc.ir.structured import Structured, nested_nodes


def build(
    recording: Recording, memory_limit: int | None = None, fullgraph: bool = False, place: Place | None = None
) -> Stages:
    """From a recording to the text of a program and its memory plan, for the CPU unless ``place`` says otherwise; no
    compiler is run. Raises CaptureError where, with ``fullgraph``, the host would have to carry an operation out."""
    place = place or Place(None)
    seconds: dict[str, float] = {}

    def timed(name: str, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        began = time.perf_counter()
        result = function(*arguments, **options)
        seconds[name] = time.perf_counter() - began
        return result

    def built(passes: Passes) -> Stages:
        optimized = timed("optimize", optimize, recording.graph, passes=passes)
        if fullgraph:
            refuse_call_outs(optimized.graph)
        loops = timed("lower", place.lower, optimized.graph)
        compiled = timed("render", place.compile, optimized.graph, loops, memory_limit)
        return Stages(recording, optimized.graph, optimized.records, compiled, seconds)

    with paused_collection():
        try:
            return built(PIPELINE)
        except MemoryLimitError as error:
            if not any(isinstance(node.op, Structured) and node.op.effect for node in recording.graph.nodes):
                raise
            return _built_in_less(built, error)


def _built_in_less(built: Callable[[Passes], Stages], error: MemoryLimitError) -> Stages:
    """What can be built where loops that draw do not compute as well: those that compute may then run again."""
    try:
        return built(SEPARATE_DRAWS)
    except MemoryLimitError as other:
        raise min(error, other, key=lambda each: each.least) from None


def refuse_call_outs(graph: Graph) -> None:
    """Raise CaptureError, naming operations and lines, where a graph holds what the host must carry out."""
    found = [node for node in nested_nodes(graph) if is_host_work(node)]
    if found:
        places = ", ".join(dict.fromkeys(f"{node.op.name} at {node.location}" for node in found))
        raise CaptureError(f"fullgraph=True, and no kernel computes {places}", found[0].location)
