"""A module on several devices, as in ``torch.nn.parallel``."""

from graphc.nn.parallel.data_parallel import DataParallel, data_parallel

__all__ = ["DataParallel", "data_parallel"]
