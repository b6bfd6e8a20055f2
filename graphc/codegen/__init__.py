"""From the tensor graph to loops, memory, and C text."""
