"""The older place of :func:`graphc.hub.load_state_dict_from_url`. Source: torch.utils.model_zoo"""

from graphc.hub import load_state_dict_from_url as load_url
from graphc.missing_names import lazy_names

__all__ = ["load_url"]
__getattr__ = lazy_names(__name__)
