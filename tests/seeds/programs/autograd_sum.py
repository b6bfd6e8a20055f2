"""Notes 000, 1: a leaf, a sum, its node, and gradients that accumulate until they are cleared."""

import torch as t

x = t.ones(2, 2, requires_grad=True)

print(x)

y = x.sum()
print(y)

print(y.grad_fn)

y.backward()
print(x.grad)

y.backward()
print(x.grad)
y.backward()
print(x.grad)

print(x.grad.data.zero_())

y.backward()
print(x.grad)
