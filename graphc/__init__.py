"""graphc: write PyTorch, ship C.

An eager library in PyTorch's shape, and :func:`graphc.compile`, which turns the step that ran into one C program.
"""

from graphc import autograd
from graphc.autograd.modes import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from graphc.creation import *
from graphc.device import Device as device
from graphc.in_place import *
from graphc.interchange import *
from graphc.ir.types import DType as dtype
from graphc.ir.types import (
    bfloat16,
    complex64,
    complex128,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from graphc.ir.types import bool_ as bool
from graphc.ir.types import complex64 as cfloat
from graphc.ir.types import complex128 as cdouble
from graphc.ir.types import float16 as half
from graphc.ir.types import float32 as float
from graphc.ir.types import float64 as double
from graphc.ir.types import int16 as short
from graphc.ir.types import int32 as int
from graphc.ir.types import int64 as long
from graphc.layouts import *
from graphc.layouts import Layout as layout
from graphc.layouts import MemoryFormat as memory_format
from graphc.legacy_types import *
from graphc.missing_names import lazy_names, offered_names
from graphc.namespaces import LAZY_NAMES
from graphc.ops.functions.activation import *
from graphc.ops.functions.adaptive_pooling import *
from graphc.ops.functions.arithmetic import *
from graphc.ops.functions.closeness import *
from graphc.ops.functions.complex_numbers import *
from graphc.ops.functions.conversion import *
from graphc.ops.functions.convolution import *
from graphc.ops.functions.creation import *
from graphc.ops.functions.cumulative import *
from graphc.ops.functions.decompositions import *
from graphc.ops.functions.distance import *
from graphc.ops.functions.dropout import *
from graphc.ops.functions.elementary import *
from graphc.ops.functions.embedding import *
from graphc.ops.functions.grid_sampling import *
from graphc.ops.functions.indexing import *
from graphc.ops.functions.linear import *
from graphc.ops.functions.losses import *
from graphc.ops.functions.margin_losses import *
from graphc.ops.functions.matrices import *
from graphc.ops.functions.memory_views import *
from graphc.ops.functions.native_layers import *
from graphc.ops.functions.normalization import *
from graphc.ops.functions.outdated import *
from graphc.ops.functions.padding import *
from graphc.ops.functions.pixels import *
from graphc.ops.functions.pooling import *
from graphc.ops.functions.products import *
from graphc.ops.functions.rearranging import *
from graphc.ops.functions.reduction import *
from graphc.ops.functions.sampling import *
from graphc.ops.functions.selection import *
from graphc.ops.functions.shaping import *
from graphc.ops.functions.sorting import *
from graphc.ops.functions.special_functions import *
from graphc.ops.functions.spectral import *
from graphc.ops.functions.statistics import *
from graphc.ops.functions.view_copies import *
from graphc.ops.number_limits import finfo, iinfo
from graphc.ops.promotion import can_cast, get_default_dtype, promote_types, result_type, set_default_dtype
from graphc.ranges import *
from graphc.settings import *
from graphc.storage_types import *
from graphc.tensor import Size, Tensor

__version__ = "0.1.0"
__getattr__ = lazy_names(__name__, LAZY_NAMES)
__all__ = offered_names(__name__, LAZY_NAMES)
