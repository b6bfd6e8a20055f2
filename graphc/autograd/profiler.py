"""The older place of :mod:`graphc.profiler`. Source: https://docs.pytorch.org/docs/stable/autograd.html#profiler"""

from graphc.missing_names import lazy_names
from graphc.profiler import profile, record_function

__all__ = ["profile", "record_function"]
__getattr__ = lazy_names(__name__)
