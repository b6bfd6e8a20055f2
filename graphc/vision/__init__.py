"""Images: models, transforms, and data sets, as in ``torchvision``."""

from graphc.missing_names import lazy_names
from graphc.vision import datasets, io, models, ops, transforms, utils

__all__ = ["datasets", "io", "models", "ops", "transforms", "utils"]

__getattr__ = lazy_names(__name__)
