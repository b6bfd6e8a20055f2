"""A module on several devices, as in ``torch.nn.parallel``."""

from graphc.nn.parallel.data_parallel import DataParallel, data_parallel
from graphc.nn.parallel.distributed import DistributedDataParallel
from graphc.nn.parallel.replication import gather, replicate, scatter

__all__ = ["DataParallel", "DistributedDataParallel", "data_parallel", "gather", "replicate", "scatter"]
