"""Functions of functions: gradients, Jacobians, batches, and modules called with other parameters.

Source: https://docs.pytorch.org/docs/stable/func.html
"""

from graphc.func.batching import vmap
from graphc.func.derivatives import grad, grad_and_value, hessian, jacfwd, jacrev, jvp, vjp
from graphc.func.modules import functional_call, stack_module_state
from graphc.missing_names import lazy_names

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "stack_module_state",
    "vjp",
    "vmap",
]

__getattr__ = lazy_names(__name__)
