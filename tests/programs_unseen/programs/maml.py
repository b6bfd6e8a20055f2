"""Gradients through an inner step, and the transforms of functions."""
# ruff: noqa

import torch
from torch import nn
import torch.nn.functional as F
from torch.func import functional_call, grad, vmap, jacrev, jacfwd, hessian, vjp, jvp

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(1, 10), nn.Linear(10, 1)

    def forward(self, x):
        return self.b(torch.tanh(self.a(x)))


net = Net()
meta = torch.optim.Adam(net.parameters(), lr=1e-2)


def task(k):
    x = torch.linspace(-1, 1, 8).unsqueeze(1)
    return x, torch.sin(3 * x + k)


for it in range(3):
    total = 0.0
    for k in range(3):
        params = dict(net.named_parameters())
        x, y = task(k)
        loss = F.mse_loss(functional_call(net, params, (x,)), y)
        grads = torch.autograd.grad(loss, params.values(), create_graph=True)
        fast = {n: p - 0.1 * g for (n, p), g in zip(params.items(), grads)}
        total = total + F.mse_loss(functional_call(net, fast, (x,)), y)
    meta.zero_grad()
    total.backward()
    meta.step()
    print(it, f"{total.item():.5f}")


def f(x):
    return (x**3).sum()


x = torch.tensor([1.0, 2.0, 3.0])
print(grad(f)(x), jacrev(lambda t: t**2)(x), hessian(f)(x), sep="\n")
print(vmap(torch.dot)(torch.ones(3, 2), torch.arange(6.0).view(3, 2)))
print(vmap(grad(lambda a, b: (a * b).sum()), in_dims=(0, None))(torch.ones(2, 3), x))
out, pull = vjp(torch.sin, x)
print(out, pull(torch.ones(3)))
print(jvp(torch.exp, (x,), (torch.ones(3),)))
per_sample = vmap(grad(lambda p, a, b: F.mse_loss(functional_call(net, p, (a[None],))[0], b)), in_dims=(None, 0, 0))
g = per_sample({k: v.detach() for k, v in net.named_parameters()}, *task(0))
print({k: v.shape for k, v in g.items()})
print(jacfwd(lambda t: t.outer(t))(x).shape)
from torch.autograd.functional import jacobian, hessian as H, hvp, vhp, vjp as avjp, jvp as ajvp

print(jacobian(lambda a, b: a * b.sum(), (x, x)))
print(H(lambda a: (a**3).prod(), x))
print(hvp(f, x, torch.ones(3)), vhp(f, x, torch.ones(3)))
print(avjp(lambda a: a * 2, x, torch.ones(3)), ajvp(lambda a: a * 2, x, torch.ones(3)))
print(jacobian(lambda a: a.exp(), x, create_graph=True))
