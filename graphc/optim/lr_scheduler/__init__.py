"""Learning-rate schedulers, as in ``torch.optim.lr_scheduler``."""

from graphc.missing_names import lazy_names
from graphc.optim.lr_scheduler.base import LRScheduler, _LRScheduler
from graphc.optim.lr_scheduler.combined import ChainedScheduler, SequentialLR
from graphc.optim.lr_scheduler.cyclic import CosineAnnealingWarmRestarts, CyclicLR, OneCycleLR
from graphc.optim.lr_scheduler.decay import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from graphc.optim.lr_scheduler.plateau import ReduceLROnPlateau

__getattr__ = lazy_names(__name__)
__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
    "_LRScheduler",
]
