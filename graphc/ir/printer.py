"""The text of a graph. :mod:`graphc.ir.parser` reads it back to an equal graph. A region stands below its node.

graph train_step {
  input %x: f32[N,128] argument
  %0: f32[N,128] = tanh %x                     # samples/mlp.py:12
  output result = %0
}
"""

from __future__ import annotations

import json
import re
from typing import Any

from graphc.ir.graph import Graph, Location, Node
from graphc.ir.structured import Region, regions_of
from graphc.ir.types import DType

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z")
_PLAIN_FILE = re.compile(r"[^\s\"#()][^\n\r\"#()]*\Z")
COMMENT_COLUMN = 72


def print_name(name: str) -> str:
    """A name as it stands after ``%``; quoted and escaped unless it is plain."""
    return name if _PLAIN_NAME.match(name) else json.dumps(name)


def print_location(location: Location) -> str:
    """A location as it stands after ``#``."""
    file = location.file if _PLAIN_FILE.match(location.file) else json.dumps(location.file)
    return f"{file}:{location.line}" + ("" if location.phase == "forward" else f" ({location.phase})")


def print_attribute(value: Any) -> str:
    """An attribute value; floats keep every bit, dtypes print short."""
    if isinstance(value, DType):
        return value.short
    if isinstance(value, tuple):
        items = ", ".join(print_attribute(item) for item in value)
        return f"({items},)" if len(value) == 1 else f"({items})"
    if isinstance(value, str):
        return json.dumps(value)
    return repr(value)


def node_names(graph: Graph) -> dict[Node, str]:
    """What each value is called in the text: inputs by their names, nodes by their place."""
    names = {node: "%" + print_name(node.name) for node in graph.inputs}
    names.update({node: f"%{position}" for position, node in enumerate(graph.nodes)})
    return names


def print_node(node: Node, names: dict[Node, str]) -> str:
    """One operation, without its comment and its regions."""
    operands = ", ".join(names[operand] for operand in node.inputs)
    plain = [(key, value) for key, value in node.attributes if not isinstance(value, Region)]
    attributes = ", ".join(f"{key}={print_attribute(value)}" for key, value in plain)
    text = f"{names[node]}: {node.type} = {node.op.name}"
    return text + (f" {operands}" if operands else "") + (f" {{{attributes}}}" if attributes else "")


def print_graph(graph: Graph) -> str:
    """The whole graph, a line for each input, node, output, and update."""
    names = node_names(graph)
    lines = [f"graph {print_name(graph.name)} {{"]
    lines += [f"  input {names[node]}: {node.type} {node.kind}" for node in graph.inputs]
    for node in graph.nodes:
        text = "  " + print_node(node, names)
        if node.location is not None:
            text = f"{text:<{COMMENT_COLUMN}}  # {print_location(node.location)}"
        lines.append(text)
        for name, region in regions_of(node):
            head, *rest = print_graph(region.graph).splitlines()
            lines += [f"    {name} {head}", *(f"    {line}" for line in rest)]
    lines += [f"  output {print_name(output.name)} = {names[output.node]}" for output in graph.outputs]
    lines += [f"  update {names[update.state]} = {names[update.node]}" for update in graph.updates]
    return "\n".join([*lines, "}"])
