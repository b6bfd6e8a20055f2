"""Writing every stage of a build to files that a person reads."""

from __future__ import annotations

from pathlib import Path

from graphc.codegen.cuda import CudaProgram, compile_cuda
from graphc.codegen.listing import print_program
from graphc.codegen.lower import LoweringOptions, lower
from graphc.codegen.target import GPU
from graphc.compiled.builds import Stages
from graphc.ir.drawing import Vertex, draw_svg
from graphc.ir.graph import Graph
from graphc.ir.integers import Integer
from graphc.ir.printer import node_names

BACKENDS = ("c", "cuda")


def write_stages(stages: Stages, folder: Path, backend: str = "c") -> None:
    """Write captured.ir, backward.ir, optimized.ir, loops.ir, program.c, plan.txt, and graph.svg to a folder.

    For "cuda" loops.ir and plan.txt are those of a GPU, and program.cu and launches.txt stand in the place of
    program.c. That needs no GPU. Raises NotImplementedError where the GPU can't compute an operation.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "captured.ir": str(stages.captured),
        "backward.ir": str(stages.joint),
        "optimized.ir": str(stages.optimized),
        "graph.svg": picture(stages.optimized),
    }
    if backend == "cuda":
        loops = lower(stages.optimized, LoweringOptions(target=GPU))
        compiled = compile_cuda(loops)
        texts |= {"loops.ir": print_program(loops), "program.cu": compiled.source, "plan.txt": str(compiled.plan)}
        texts["launches.txt"] = launch_list(compiled)
    else:
        source, plan = stages.compiled.source, str(stages.compiled.plan)
        texts |= {"loops.ir": stages.loops, "program.c": source, "plan.txt": plan}
    for name, text in texts.items():
        (folder / name).write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")


def launch_list(program: CudaProgram) -> str:
    """The launches of a CUDA program in order: the kernel, its blocks and threads, and what it is given."""
    lines = []
    for launch in program.launches:
        grid, block = (" x ".join(map(str, _without_ones(extents))) for extents in (launch.grid, launch.block))
        lines.append(f"{launch.kernel} <<<{grid}, {block}>>> ({', '.join(map(str, launch.arguments))})")
    return "\n".join(lines)


def _without_ones(extents: tuple[Integer, Integer, Integer]) -> tuple[Integer, ...]:
    """The extents up to the last that is not 1."""
    last = max((at for at, extent in enumerate(extents) if extent != 1), default=0)
    return extents[: last + 1]


def format_number(number: float | int | bool) -> str:
    """A number as a label: short, and whole where it is whole."""
    return f"{number:.4g}" if isinstance(number, float) else str(number)


def picture(graph: Graph) -> str:
    """The graph as people draw computation graphs, as SVG: round variables, square operators."""
    names = node_names(graph)
    vertices: list[Vertex] = []
    edges: list[tuple[str, str]] = []
    for node in graph.inputs:
        kind = {"argument": "input"}.get(node.kind, node.kind)
        vertices.append(Vertex(names[node], node.name, kind, str(node.type)))
    for node in graph.nodes:
        where = f"\n{node.location}" if node.location is not None else ""
        phase = node.location.phase if node.location is not None else ""
        # A number stands for itself; every other operation is drawn as what it does.
        number = node.attrs.get("value") if not node.inputs else None
        label, kind = (node.op.name, "operator") if number is None else (format_number(number), "constant")
        vertices.append(Vertex(names[node], label, kind, f"{node.type}{where}", phase))
        edges += [(names[operand], names[node]) for operand in dict.fromkeys(node.inputs)]
    for position, output in enumerate(graph.outputs):
        key = f"output {position}"
        vertices.append(Vertex(key, output.name, "output", str(output.node.type)))
        edges.append((names[output.node], key))
    for position, update in enumerate(graph.updates):
        key = f"update {position}"
        vertices.append(Vertex(key, f"{update.state.name}'", "state", f"new value: {update.node.type}"))
        edges.append((names[update.node], key))
    return draw_svg(vertices, edges, graph.name)
