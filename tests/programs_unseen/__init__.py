"""Programs as users write them, and what PyTorch printed for each."""
