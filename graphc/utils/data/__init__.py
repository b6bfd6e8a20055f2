"""Data sets and loaders, as in ``torch.utils.data``."""

from graphc.utils.data.dataset import Dataset, Subset, TensorDataset
from graphc.utils.data.loader import DataLoader, default_collate

__all__ = ["DataLoader", "Dataset", "Subset", "TensorDataset", "default_collate"]
