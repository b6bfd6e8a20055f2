"""Optimizers, as in ``torch.optim``."""

from graphc.missing_names import lazy_names
from graphc.optim import lr_scheduler
from graphc.optim.adafactor import Adafactor
from graphc.optim.adam import Adam, AdamW
from graphc.optim.adam_variants import Adamax, NAdam, RAdam
from graphc.optim.lbfgs import LBFGS
from graphc.optim.muon import Muon
from graphc.optim.optimizer import Optimizer
from graphc.optim.rmsprop import Adadelta, Adagrad, RMSprop
from graphc.optim.rprop import Rprop
from graphc.optim.sgd import ASGD, SGD
from graphc.optim.sparse_adam import SparseAdam

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
    "lr_scheduler",
    "swa_utils",
]

__getattr__ = lazy_names(__name__, {"swa_utils": "graphc.optim.swa_utils"})
