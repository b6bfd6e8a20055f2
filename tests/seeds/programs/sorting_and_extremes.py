"""Notes 004: sort, max, and min."""

import torch

torch.manual_seed(16)
a = torch.randn(3, 3)
print(a)
print(a.sort(0, True)[0])
print(a.sort(0, True)[1])
print(a.max(0)[0])
print(a.max(0)[1])
print(a.max())
print(a.min(1))
print(torch.max(a, torch.zeros(3)))
