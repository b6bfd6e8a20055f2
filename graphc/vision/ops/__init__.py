"""Layers and functions of pictures, as in ``torchvision.ops``."""

from graphc.missing_names import lazy_names
from graphc.vision.ops.boxes import *  # noqa: F403
from graphc.vision.ops.boxes import __all__ as _of_boxes
from graphc.vision.ops.misc import (
    MLP,
    Conv2dNormActivation,
    Permute,
    SqueezeExcitation,
    StochasticDepth,
    stochastic_depth,
)

__all__ = [
    "MLP",
    "Conv2dNormActivation",
    "Permute",
    "SqueezeExcitation",
    "StochasticDepth",
    "stochastic_depth",
    *_of_boxes,
]
__getattr__ = lazy_names(__name__)
