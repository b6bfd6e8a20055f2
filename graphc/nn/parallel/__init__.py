"""A module on several devices, as in ``torch.nn.parallel``."""

from graphc.nn.parallel.data_parallel import DataParallel, data_parallel
from graphc.nn.parallel.distributed import DistributedDataParallel

__all__ = ["DataParallel", "DistributedDataParallel", "data_parallel"]
