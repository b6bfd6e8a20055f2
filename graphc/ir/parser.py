"""Reading the text of a graph; the inverse of :mod:`graphc.ir.printer`."""

from __future__ import annotations

import ast
import json
import re
from collections import deque
from dataclasses import replace
from typing import Any

from graphc.ir.graph import Graph, Input, Location, Node, Output, Update
from graphc.ir.integers import floor_divide, modulo, variable
from graphc.ir.primitive import PRIMITIVES
from graphc.ir.structured import Region
from graphc.ir.types import DTYPE_OF_SHORT, TensorType, TupleType

_NAME = r'(?:"(?:[^"\\]|\\.)*"|[A-Za-z0-9_.]+)'
_TYPE = r"([a-z0-9]+)\[([^\]]*)\]"
_INPUT = re.compile(rf"input %({_NAME}): {_TYPE} (\w+)\Z")
_NODE = re.compile(rf"%(\d+): (\([^()]*\)|{_TYPE}) = (\w+)((?: %{_NAME},?)*)(?: \{{(.*)\}})?\Z")
_HEADER = re.compile(rf"graph (?P<name>{_NAME}) \{{\Z")
_REGION = re.compile(rf"(?P<attribute>\w+) graph (?P<name>{_NAME}) \{{\Z")
_OUTPUT = re.compile(rf"output ({_NAME}) = %({_NAME})\Z")
_UPDATE = re.compile(rf"update %({_NAME}) = %({_NAME})\Z")
_LOCATION = re.compile(r'\s+# ("(?:[^"\\]|\\.)*"|[^"#]+?):(\d+)(?: \((\w+)\))?\Z')


class ParseError(ValueError):
    """The text is not a graph; the message names the line."""


def parse_graph(text: str) -> Graph:
    """The graph that a text describes. Raises ParseError naming the line that can't be read."""
    return _graph(deque(enumerate(text.splitlines(), 1)), _HEADER)


def _graph(lines: deque[tuple[int, str]], header: re.Pattern[str]) -> Graph:
    """The graph that stands at the head of some lines, which are taken."""
    values: dict[str, Node] = {}
    inputs: list[Node] = []
    nodes: list[Node] = []
    outputs: list[Output] = []
    updates: list[Update] = []
    name = None
    while lines:
        number, raw = lines.popleft()
        line = raw.strip()
        try:
            if name is None:
                found = header.match(line)
                if not found:
                    raise ParseError("expected 'graph <name> {'")
                name = _plain(found["name"])
            elif line == "}":
                return Graph(name, tuple(inputs), tuple(nodes), tuple(outputs), tuple(updates))
            elif match := _INPUT.match(line):
                type = _type(match[2], match[3])
                attributes = (("kind", match[4]), ("name", _plain(match[1])), ("type", type))
                Input.instance.infer(**dict(attributes))
                node = Node(Input.instance, (), attributes, type)
                inputs.append(node)
                values[node.name] = node
            elif match := _OUTPUT.match(line):
                outputs.append(Output(_plain(match[1]), _look_up(values, match[2])))
            elif match := _UPDATE.match(line):
                updates.append(Update(_look_up(values, match[1]), _look_up(values, match[2])))
            else:
                node = _node(line, values)
                regions = []
                while lines and (header_of := _REGION.match(lines[0][1].strip())):
                    regions.append((header_of["attribute"], Region(_graph(lines, _REGION))))
                if regions:
                    node = replace(node, attributes=tuple(sorted((*node.attributes, *regions))))
                values[str(len(nodes))] = node
                nodes.append(node)
        except (ParseError, KeyError, ValueError, SyntaxError, TypeError) as error:
            if isinstance(error, ParseError) and isinstance(error.__cause__, Exception):
                raise  # of a line in a region
            raise ParseError(f"line {number}: {error}: {line!r}") from error
    raise ParseError("the text ends before the closing '}'")


def _node(line: str, values: dict[str, Node]) -> Node:
    location = None
    if found := _LOCATION.search(line):
        location = Location(_plain(found[1]), int(found[2]), found[3] or "forward")
        line = line[: found.start()]
    match = _NODE.match(line.strip())
    if not match:
        raise ParseError("not an input, node, output, or update")
    if match[5] not in PRIMITIVES:
        raise ParseError(f"no primitive is named {match[5]!r}")
    operands = tuple(_look_up(values, operand) for operand in re.findall(rf"%({_NAME})", match[6]))
    attributes = _attributes(match[7] or "")
    if match[2].startswith("("):
        type: TensorType | TupleType = TupleType(tuple(_type(*each) for each in re.findall(_TYPE, match[2])))
    else:
        type = _type(match[3], match[4])
    return Node(PRIMITIVES[match[5]], operands, attributes, type, location)


def _plain(name: str) -> str:
    return json.loads(name) if name.startswith('"') else name


def _look_up(values: dict[str, Node], name: str) -> Node:
    try:
        return values[_plain(name)]
    except KeyError:
        raise ParseError(f"no value is named %{name}") from None


def _type(short: str, shape: str) -> TensorType:
    if short not in DTYPE_OF_SHORT:
        raise ParseError(f"no dtype is spelled {short!r}")
    extents = [_evaluate(ast.parse(extent.strip(), mode="eval").body) for extent in shape.split(",") if extent.strip()]
    return TensorType(DTYPE_OF_SHORT[short], tuple(extents))


def _attributes(text: str) -> tuple[tuple[str, Any], ...]:
    call = ast.parse(f"f({text})", mode="eval").body
    assert isinstance(call, ast.Call)
    return tuple(sorted((str(keyword.arg), _evaluate(keyword.value)) for keyword in call.keywords))


_BINARY = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.FloorDiv: floor_divide,
    ast.Mod: modulo,
}


def _evaluate(tree: ast.expr) -> Any:
    if isinstance(tree, ast.Constant):
        return tree.value
    if isinstance(tree, ast.Tuple):
        return tuple(_evaluate(item) for item in tree.elts)
    if isinstance(tree, ast.Name):
        if tree.id in DTYPE_OF_SHORT:
            return DTYPE_OF_SHORT[tree.id]
        return {"inf": float("inf"), "nan": float("nan")}.get(tree.id) or variable(tree.id)
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
        return -_evaluate(tree.operand)
    if isinstance(tree, ast.BinOp) and type(tree.op) in _BINARY:
        return _BINARY[type(tree.op)](_evaluate(tree.left), _evaluate(tree.right))
    raise ParseError(f"{ast.unparse(tree)!r} is no attribute value")
