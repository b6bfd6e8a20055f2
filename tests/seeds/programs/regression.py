"""Notes 001, 4: a parabola fitted by hand in 800 steps; numbers in the place of the plots."""
# ruff: noqa: B007

import torch

torch.manual_seed(100)
x = torch.unsqueeze(torch.linspace(-1, 1, 100), dim=1)
y = 3 * x.pow(2) + 2 + 0.2 * torch.rand(x.size())
print(x.numpy().shape, y.numpy().shape)
print(x[:4], y[:4])

w = torch.randn(1, 1, dtype=torch.float, requires_grad=True)
b = torch.zeros(1, 1, dtype=torch.float, requires_grad=True)
print(w)
print(b)

lr = 0.001
for i in range(800):
    y_pred = w * x.pow(2) + b
    loss = (y - y_pred) ** 2
    loss = loss.sum()
    loss.backward()
    with torch.no_grad():
        w -= lr * w.grad
        b -= lr * b.grad
        w.grad.zero_()
        b.grad.zero_()
print(w)
print(b)
print(y_pred.detach().numpy()[:3])
