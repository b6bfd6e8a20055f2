"""graphc: write PyTorch, ship C.

An eager library in PyTorch's shape, and :func:`graphc.compile`, which turns the step that ran into one C program.
"""

from graphc import autograd, nn, optim, utils
from graphc.autograd.modes import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from graphc.autograd.reverse import differentiate
from graphc.capture.errors import CaptureError
from graphc.capture.trace import trace
from graphc.compiler import compile
from graphc.creation import *
from graphc.device import Device as device
from graphc.ir.types import DType as dtype
from graphc.ir.types import bool_ as bool
from graphc.ir.types import float32, float64, int8, int16, int32, int64, uint8
from graphc.ir.types import float32 as float
from graphc.ir.types import float64 as double
from graphc.ir.types import int16 as short
from graphc.ir.types import int32 as int
from graphc.ir.types import int64 as long
from graphc.ops.functions.activation import *
from graphc.ops.functions.arithmetic import *
from graphc.ops.functions.convolution import *
from graphc.ops.functions.creation import *
from graphc.ops.functions.indexing import *
from graphc.ops.functions.linear import *
from graphc.ops.functions.normalization import *
from graphc.ops.functions.reduction import *
from graphc.ops.functions.shaping import *
from graphc.ops.promotion import can_cast, get_default_dtype, result_type
from graphc.random_stream import RandomStream as Generator
from graphc.runtime.errors import CompileError, CompilerNotFound
from graphc.runtime.threads import get_num_threads, set_num_threads
from graphc.serialization import load, save
from graphc.tensor import Size, Tensor

__version__ = "0.1.0"
