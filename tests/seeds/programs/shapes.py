"""Notes 004: view, reshape, resize_, squeeze, expand, transpose, and permute."""

import torch

torch.manual_seed(15)
a = torch.arange(4)
print(a)
print(a.view(2, 2))
print(a.reshape(2, 2))
print(a.view(2, 2).t().is_contiguous(), a.view(2, 2).t().contiguous().is_contiguous())

a = torch.arange(4).reshape(2, 2)
# Larger than it was, it shows memory that nobody wrote to.
print(a.resize_(8)[:4], a.shape)
print(a.resize_(2))
print(a)
print(a.resize_(4))

a = torch.arange(3)
print(a.shape)
print(a.unsqueeze(0).shape)
print(a.unsqueeze(0).squeeze(0).shape)

a = torch.randn(2, 2, 1)
print(a)
print(a.expand(2, 2, 3))
b = torch.randn(2, 2, 3)
print(a.expand_as(b))

a = torch.randn(2, 2, 2)
print(a)
print(a.transpose(0, 1))
print(a.permute(2, 1, 0))
