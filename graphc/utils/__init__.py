"""Tools around training, as in ``torch.utils``."""
