"""A user's notes on PyTorch as programs, and what they print."""
