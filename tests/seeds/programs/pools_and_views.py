"""Notes 003, 4 and 6: what pools and views do to shapes."""

import torch
from torch import autograd

torch.manual_seed(10)
m = torch.nn.MaxPool2d(3, stride=2)
input = autograd.Variable(torch.randn(20, 16, 50))
print(input.shape)
output = m(input)
print(output.shape)

m = torch.nn.MaxPool2d((2, 4), stride=2)
input = autograd.Variable(torch.randn(20, 16, 50))
print(input.shape)
output = m(input)
print(output.shape)

a = torch.tensor([1, 2, 3])
print(a.shape)
a = torch.tensor([[1, 2, 3], [4, 5, 6]])
a = a.view(-1, 6)
print(a.shape)
a = torch.tensor([[1, 2, 3], [4, 5, 6]])
a = a.view(-1)
print(a.shape)
