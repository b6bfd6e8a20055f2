"""Notes 003, 10: the mean squared error does not care for the shape, only that both have it."""

import torch
import torch.nn as nn

torch.manual_seed(11)
loss = nn.MSELoss()
input = torch.randn(3, 5, requires_grad=True)
target = torch.randn(3, 5)
print(loss(input, target))
print(((input - target) ** 2).mean())
print(loss(input.view(-1), target.view(-1)))
print(loss(input.view(5, 3), target.view(5, 3)))
output = loss(input, target)
output.backward()
print(input.grad)
