"""Optimizers, as in ``torch.optim``."""

from graphc.optim import lr_scheduler
from graphc.optim.adam import Adam, AdamW
from graphc.optim.adam_variants import Adamax, NAdam, RAdam
from graphc.optim.lbfgs import LBFGS
from graphc.optim.optimizer import Optimizer
from graphc.optim.rmsprop import Adadelta, Adagrad, RMSprop
from graphc.optim.rprop import Rprop
from graphc.optim.sgd import ASGD, SGD

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "lr_scheduler",
]
