"""The front end: PyTorch's functions on tensors and graph symbols. ``registry.FUNCTIONS`` is the table of them."""
