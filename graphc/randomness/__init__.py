"""Random numbers: PyTorch's stream, draw for draw, what is drawn from it, and the generator that operators share."""
