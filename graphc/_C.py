"""Names of PyTorch's inner module that programs use."""

from graphc.missing_names import lazy_names
from graphc.ops.overriding import DisableTorchFunction, DisableTorchFunctionSubclass
from graphc.ops.overriding import disabled_torch_function as _disabled_torch_function_impl

__all__ = ["DisableTorchFunction", "DisableTorchFunctionSubclass", "_disabled_torch_function_impl"]
__getattr__ = lazy_names(__name__, {"Generator": "graphc.randomness.generator:Generator"})
