"""Containers, at PyTorch's place for them."""

from graphc.nn.modules.containers import Container, ModuleDict, ModuleList, Sequential
from graphc.nn.modules.parameter_containers import ParameterDict, ParameterList

__all__ = ["Container", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]
