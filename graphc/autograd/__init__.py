"""Gradients: the eager tape, the symbolic reverse sweep, and the modes that switch them."""
