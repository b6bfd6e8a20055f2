"""Notes 004, autograd: nodes, flags that are switched, and several backward passes."""

import torch

torch.manual_seed(19)
x = torch.randn(2, 2, requires_grad=True)
print(x)
y = x + 2
print(y)
print(y.requires_grad)
z = 3 * y**2
out = z.mean()
print(z)
print(out)

a = torch.randn(2, 2)
print(a.requires_grad)
print(a.requires_grad_())
print(a.detach_())
print(a.requires_grad)

b = torch.ones(1, requires_grad=True)
print(b)
with torch.no_grad():
    print((b**2).requires_grad)

x = torch.randn(1)
print(x)
w = torch.ones(1, requires_grad=True)
b = torch.ones(1, requires_grad=True)
print((x.is_leaf, w.is_leaf, b.is_leaf))
y = w * x
z = y + b
z.backward(retain_graph=True)
print(w.grad)
print(b.grad)
z.backward()
print(w.grad)
