"""Runs op samples on graphc: on tensors, and on the symbols of a graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.ir.graph import Builder, Symbol
from graphc.ir.primitive import PRIMITIVES
from graphc.ir.types import TensorType, dtype_of
from graphc.ops.functions.registry import FUNCTIONS
from graphc.ops.operators import bind_operators
from graphc.tensor import Tensor
from tests.ops.samples import OpSample, map_arrays

bind_operators(Tensor)


def apply_sample(sample: OpSample, arguments: list[Any], keywords: dict[str, Any]) -> Any:
    """The sample's function (or primitive) called with tensors or symbols."""
    if not sample.primitive:
        return FUNCTIONS[sample.name](*arguments, **keywords)
    primitive = PRIMITIVES[sample.name]
    if arguments:
        return type(primitive).bind(*arguments, **keywords)
    return Tensor.source(type(primitive), **keywords)


def flat_values(result: Any) -> list[Any]:
    """The tensors (or symbols, or arrays) and plain values of a result: it may be one or a sequence of them."""
    if isinstance(result, (tuple, list)) and not hasattr(result, "apply"):
        return [value for item in result for value in flat_values(item)]
    return [result]


def tensors_of(values: list[Any]) -> list[Any]:
    """The tensors (or symbols, or arrays) among values: some functions give a plain one."""
    return [value for value in values if hasattr(value, "dtype")]


def keyword_arrays(keywords: dict[str, Any], change: Callable[[np.ndarray], Any]) -> dict[str, Any]:
    """The keyword arguments with their arrays, and those in lists, converted."""

    def converted(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return change(value)
        if isinstance(value, list) and any(isinstance(item, np.ndarray) for item in value):
            return [converted(item) for item in value]
        return value

    return {name: converted(value) for name, value in keywords.items()}


def run_on_tensors(sample: OpSample, floating: str | None = None) -> tuple[list[Tensor], list[Tensor]]:
    """The results of a sample, and the tensors it was given; those to be differentiated require gradients."""
    positional, keywords = sample.make(floating)
    wanted = sample.differentiable_positions()
    tensors: list[Tensor] = []

    def convert(array: np.ndarray) -> Tensor:
        tensor = Tensor.from_array(array)
        if len(tensors) in wanted:
            tensor.requires_grad_()
        tensors.append(tensor)
        return tensor

    arguments = map_arrays(positional, convert)
    result = apply_sample(sample, arguments, keyword_arrays(keywords, Tensor.from_array))
    return flat_values(result), tensors


def run_on_symbols(sample: OpSample, builder: Builder) -> list[Symbol]:
    """The results of a sample as symbols of a graph whose inputs are its arrays."""
    positional, keywords = sample.make()

    def convert(array: np.ndarray) -> Symbol:
        type = TensorType(dtype_of(array.dtype), array.shape)
        return Symbol(builder, builder.input(f"input{len(builder.inputs)}", type).node)

    converted = keyword_arrays(keywords, convert)
    return flat_values(apply_sample(sample, map_arrays(positional, convert), converted))
