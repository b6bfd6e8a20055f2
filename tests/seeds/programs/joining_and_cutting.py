"""Notes 004: cat, stack, chunk, and split."""

import torch

a = torch.arange(1, 5).reshape(2, 2)
b = torch.arange(5, 9).reshape(2, 2)
print(a)
print(b)
print(torch.cat([a, b], 0))
print(torch.cat([a, b], 1))
print(torch.stack([a, b], 0))
print(torch.stack([a, b], 0).shape)
print(torch.stack([a, b], 1))
print(torch.stack([a, b], 1).shape)
print(torch.stack([a, b], 2))
print(torch.stack([a, b], 2).shape)

a = torch.arange(6).reshape(2, 3)
print(a)
print(torch.chunk(a, 2, 0))
print(torch.chunk(a, 2, 1))
print(torch.split(a, 2, 0))
print(torch.split(a, 2, 1))
print(torch.split(a, [1, 2], 1))
