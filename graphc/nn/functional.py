"""``graphc.nn.functional``: the functions of :mod:`graphc.functional` under PyTorch's name for the module."""

from graphc.functional import *  # noqa: F403
from graphc.functional import __all__ as __all__
from graphc.missing_names import lazy_names
from graphc.nn import _reduction as _Reduction  # noqa: F401

__getattr__ = lazy_names(
    __name__,
    {
        "assert_int_or_pair": "graphc.nn.modules.argument_pairs:assert_int_or_pair",
        **{
            name: f"graphc.overrides:{name}"
            for name in (
                "handle_torch_function",
                "has_torch_function",
                "has_torch_function_unary",
                "has_torch_function_variadic",
            )
        },
    },
)
