"""What a DataLoader is made of: fetching, collating, worker processes, and the way of batches between processes."""

from graphc.utils.data._utils import collate, fetch, worker_info

__all__ = ["collate", "fetch", "worker_info"]
