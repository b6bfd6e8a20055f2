"""A critic whose gradient is held at one, and derivatives of third order."""
# ruff: noqa

import torch
from torch import nn, autograd

torch.manual_seed(2)
D = nn.Sequential(nn.Linear(4, 16), nn.LeakyReLU(0.2), nn.Linear(16, 16), nn.Softplus(), nn.Linear(16, 1))
G = nn.Sequential(nn.Linear(2, 16), nn.ELU(), nn.Linear(16, 4))
opt_d = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.0, 0.9))


def calc_gradient_penalty(netD, real, fake):
    alpha = torch.rand(real.size(0), 1).expand(real.size())
    inter = alpha * real + ((1 - alpha) * fake)
    inter = autograd.Variable(inter, requires_grad=True)
    out = netD(inter)
    gradients = autograd.grad(
        outputs=out,
        inputs=inter,
        grad_outputs=torch.ones(out.size()),
        create_graph=True,
        retain_graph=True,
        only_inputs=True,
    )[0]
    return ((gradients.norm(2, dim=1) - 1) ** 2).mean() * 10, gradients


for step in range(4):
    real, fake = torch.randn(8, 4), G(torch.randn(8, 2)).detach()
    opt_d.zero_grad()
    gp, g = calc_gradient_penalty(D, real, fake)
    loss = D(fake).mean() - D(real).mean() + gp
    loss.backward()
    opt_d.step()
    print(f"{step} {loss.item():.4f} {gp.item():.4f} {g.grad_fn.name()}")
x = torch.tensor([1.5, -0.3], requires_grad=True)
y = (x.sin() * x.prod()).sum()
(g1,) = autograd.grad(y, x, create_graph=True)
(g2,) = autograd.grad(g1.sum(), x, create_graph=True)
(g3,) = autograd.grad(g2.sum(), x)
print(g1, g2, g3, sep="\n")
out = torch.stack([x.sum(), x.prod()])
print(autograd.grad(out, x, torch.eye(2), is_grads_batched=True)[0]) if True else None
