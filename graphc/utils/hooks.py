"""What registering a hook gives. Source: torch.utils.hooks"""

from graphc.hook_handles import RemovableHandle
from graphc.missing_names import lazy_names

__all__ = ["RemovableHandle"]
__getattr__ = lazy_names(__name__)
