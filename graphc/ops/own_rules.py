"""Primitives of functions whose derivative the user's own code says."""

from __future__ import annotations

from typing import Any

from graphc.ir.graph import Bundle, Projection
from graphc.ir.primitive import register
from graphc.ir.structured import Region, Ruled, inline
from graphc.ops.pointwise import Copy
from graphc.ops.sources import number_like


@register
class OwnRule(Ruled):
    """The results of a call of an ``autograd.Function``, with what its ``backward`` computes."""

    name = "own_rule"

    def vjp(
        self,
        cotangent: Bundle,
        output: Any,
        *inputs: Any,
        rule: Region,
        results: int,
        arguments: int,
        found: tuple[int, ...],
        own: tuple[int, ...],
    ) -> tuple[Any | None, ...]:
        builder = output.builder
        given = [
            cotangent.parts[place] if place in cotangent.parts else number_like(value, 0)
            for place, value in enumerate(inputs[:results])
        ]
        read = [
            builder.symbol(builder.add(Projection.instance, [output.node], {"index": place})) if place >= 0 else value
            for place, value in zip(own, inputs[results + arguments :], strict=True)
        ]
        made = inline(builder, rule.graph, [each.node for each in (*given, *read)])
        cotangents = {results + place: builder.symbol(node) for place, node in zip(found, made, strict=True)}
        return tuple(cotangents.get(place) for place in range(len(inputs)))


@register
class DifferentiatedOnce(Copy):
    """A cotangent that a rule marked with ``once_differentiable`` gives."""

    name = "differentiated_once"

    def vjp(self, cotangent: Any, output: Any, *inputs: Any, **attrs: Any) -> tuple[Any | None, ...]:
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")
