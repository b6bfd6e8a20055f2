"""Residuals of an equation with second derivatives, and derivatives of functions."""
# ruff: noqa

import torch
import torch.nn as nn

torch.manual_seed(1)


class Net(nn.Module):
    def __init__(s, act):
        super().__init__()
        s.net = nn.Sequential(nn.Linear(2, 12), act(), nn.Linear(12, 12), act(), nn.Linear(12, 1))

    def forward(s, x, t):
        return s.net(torch.cat([x, t], dim=1))


def residual(u, x, t):
    uv = u(x, t)
    u_x = torch.autograd.grad(uv, x, grad_outputs=torch.ones_like(uv), create_graph=True, retain_graph=True)[0]
    u_t = torch.autograd.grad(uv, t, torch.ones_like(uv), create_graph=True)[0]
    u_xx = torch.autograd.grad(u_x, x, torch.ones_like(u_x), create_graph=True)[0]
    return u_t + uv * u_x - 0.1 * u_xx


for act in (nn.Tanh, nn.ReLU, nn.Softplus, nn.ELU, nn.SiLU, nn.GELU):
    net = Net(act)
    opt = torch.optim.Adam(net.parameters(), lr=1e-2)
    x = torch.rand(20, 1, requires_grad=True)
    t = torch.rand(20, 1).requires_grad_()
    x0 = torch.linspace(-1, 1, 10)[:, None]
    u0 = -torch.sin(torch.pi * x0)
    for e in range(4):
        opt.zero_grad()
        l1 = residual(net, x, t).pow(2).mean()
        l2 = nn.functional.mse_loss(net(x0, torch.zeros_like(x0)), u0)
        loss = l1 + l2
        loss.backward()
        opt.step()
    print(act.__name__, round(loss.item(), 4), x.grad.norm() > 0)
from torch.autograd.functional import hessian, hvp, jacobian, jvp, vjp

f = lambda x: (x**3).sum() + x.prod()
x = torch.tensor([1.0, 2.0, 3.0])
print(
    hessian(f, x),
    jacobian(lambda x: x.outer(x), x).shape,
    hvp(f, x, torch.ones(3)),
    vjp(lambda x: x**2, x, torch.ones(3)),
    jvp(lambda x: x**2, x, torch.ones(3)),
)
from torch.func import functional_call, grad, jacrev, vmap

print(grad(f)(x), vmap(grad(lambda a: a.sin().sum()))(torch.eye(2)), jacrev(lambda x: x**2)(x))
net = Net(nn.Tanh)
params = dict(net.named_parameters())


def loss_fn(p, xi, ti):
    return functional_call(net, p, (xi[None], ti[None])).sum()


g = vmap(grad(loss_fn), in_dims=(None, 0, 0))(params, torch.rand(3, 1), torch.rand(3, 1))
print({k: v.shape for k, v in g.items()})
