"""Neural networks: modules, parameters, functions, and initialisation, as in ``torch.nn``."""

from graphc.missing_names import lazy_names
from graphc.nn import attention, common_types, functional, grad, init, modules, parallel, utils
from graphc.nn.factories import factory_kwargs
from graphc.nn.modules import *  # noqa: F403
from graphc.nn.parallel.data_parallel import DataParallel
from graphc.nn.parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

__all__ = [
    *modules.__all__,
    "Buffer",
    "DataParallel",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "attention",
    "common_types",
    "factory_kwargs",
    "functional",
    "grad",
    "init",
    "parallel",
    "utils",
]

__getattr__ = lazy_names(__name__)
