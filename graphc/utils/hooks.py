"""What registering a hook gives. Source: torch.utils.hooks"""

from graphc.missing_names import lazy_names
from graphc.nn.hooks import RemovableHandle

__all__ = ["RemovableHandle"]
__getattr__ = lazy_names(__name__)
