"""Notes 004: methods of tensors."""

import torch

torch.manual_seed(18)
x = torch.tensor(2.5)
print(x)
print(x.item())
a = torch.arange(4).reshape(2, 2)
print(a)
print(a.clamp(1, 2))
b = torch.randn(2, 2)
print(b.abs())
print(b.abs().sqrt())
print(b.abs().log())
print(b.pow(2))
print(b.sin(), b.cos())
print(b.matmul(b))
