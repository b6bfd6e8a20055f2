"""Libraries that compute below, as in ``torch.backends``: what is there, and flags that programs set."""

from graphc.backends import cpu, cuda, cudnn, mkl, mkldnn, mps, openmp
from graphc.missing_names import lazy_names

__all__ = ["cpu", "cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp"]

__getattr__ = lazy_names(__name__)
