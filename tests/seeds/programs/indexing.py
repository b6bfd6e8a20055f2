"""Notes 004: indices of numbers, truth values, and lists."""

import torch

torch.manual_seed(14)
a = torch.randn(2, 2)
print(a)
print(a > 0)
print(a[~(a > 0)])
x = torch.arange(8).reshape(8, 1).repeat(1, 4)
print(x)
print(x[[4, 3, 0, 6]])
print(x[[0, 3, 1, 2], :])
print(x[[0, 1, 2, 3], [0, 1, 2, 3]])
print(torch.where(x > 4, torch.ones_like(x), x))
