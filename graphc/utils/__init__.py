"""Tools around training, as in ``torch.utils``."""

from graphc.missing_names import lazy_names
from graphc.utils import data

__all__ = ["data"]
__getattr__ = lazy_names(
    __name__,
    {
        name: f"{__name__}.{name}"
        for name in ("_pytree", "benchmark", "checkpoint", "collect_env", "dlpack", "hooks", "model_zoo")
    },
)
