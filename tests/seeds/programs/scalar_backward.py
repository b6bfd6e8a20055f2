"""Notes 001, 3: leaves and computed tensors, their flags and nodes, and a scalar backward pass."""

import torch

torch.manual_seed(0)
x = torch.Tensor([2])
w = torch.randn(1, requires_grad=True)
b = torch.randn(1, requires_grad=True)
y = torch.mul(w, x)
z = torch.add(y, b)
print(x.requires_grad, w.requires_grad, b.requires_grad)
print(y.requires_grad, z.requires_grad)
print(x.is_leaf, w.is_leaf, b.is_leaf, y.is_leaf, z.is_leaf)
print(x.grad_fn, w.grad_fn, b.grad_fn)
print(y.grad_fn, z.grad_fn)
z.backward()
print(w.grad, b.grad, x.grad)
print(w, b, y, z)
