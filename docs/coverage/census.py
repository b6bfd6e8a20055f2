"""How every sampled function is compiled: by C alone, with the host's help, or not at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache


@dataclass
class Ways:
    """What the samples of one function need in a compiled program, forward and for the gradient. ``host`` holds the
    primitives that the host carries out whatever their dtype."""

    native: bool = False
    host: set[str] = field(default_factory=set)
    complex: bool = False  # some samples are the host's for their complex numbers alone
    refused: bool = False

    def add(self, other: Ways) -> None:
        """What another function of the same code needs, too."""
        self.native |= other.native
        self.complex |= other.complex
        self.refused |= other.refused
        self.host |= other.host

    def __str__(self) -> str:
        words = ["C"] * self.native
        if self.host:
            words.append(f"host: {' '.join(sorted(self.host))}")
        words += ["complex"] * (self.complex and not words)
        return ", ".join([*words, *["refused"] * self.refused])


# Between complex numbers and their parts.
MOVES_OF_COMPLEX = {"view_as_real", "view_as_complex"}


@cache
def ways_of_compiling() -> dict[str, Ways]:
    """For each function that is sampled, how it is compiled. Every sample is recorded with its gradient."""
    from graphc import trace
    from graphc.capture.errors import CaptureError
    from graphc.codegen.trace import is_host_work
    from graphc.ir.passes.widen_halves import widen_halves
    from graphc.ir.primitive import External
    from graphc.ir.rewrite import live_nodes
    from tests.ops.samples import ALL_SAMPLES
    from tests.test_op_table_compiled import Program

    found: dict[str, Ways] = {}
    for sample in ALL_SAMPLES:
        if sample.primitive:
            continue
        ways = found.setdefault(sample.name, Ways())
        program = Program([sample])
        try:
            graph = widen_halves(trace(program, program.make()))
        except CaptureError:
            ways.refused = True
            continue
        live = live_nodes(graph)
        work = [node for node in graph.nodes if node in live and is_host_work(node)]
        named = {node.op.name for node in work if isinstance(node.op, External)}
        ways.host |= named - MOVES_OF_COMPLEX
        ways.complex |= bool(work)
        ways.native |= not work
    return found
