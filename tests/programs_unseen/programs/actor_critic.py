"""An actor and a critic by proximal policy optimisation, and the distributions that such programs use."""
# ruff: noqa

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import (
    Bernoulli,
    Beta,
    Categorical,
    Dirichlet,
    Exponential,
    Gamma,
    Independent,
    Laplace,
    MixtureSameFamily,
    Normal,
    Poisson,
    TanhTransform,
    TransformedDistribution,
    Uniform,
    kl_divergence,
)

torch.manual_seed(0)


class AC(nn.Module):
    def __init__(s, o, a):
        super().__init__()
        s.body = nn.Sequential(nn.Linear(o, 16), nn.Tanh())
        s.mu = nn.Linear(16, a)
        s.v = nn.Linear(16, 1)
        s.log_std = nn.Parameter(torch.zeros(a))

    def forward(s, x):
        h = s.body(x)
        return Normal(s.mu(h), s.log_std.exp().expand(h.shape[0], -1)), s.v(h).squeeze(-1)


def gae(r, v, d, last, g=0.99, l=0.95):
    adv = torch.zeros_like(r)
    a = 0
    for t in reversed(range(len(r))):
        nv = last if t == len(r) - 1 else v[t + 1]
        delta = r[t] + g * nv * (1 - d[t]) - v[t]
        a = delta + g * l * (1 - d[t]) * a
        adv[t] = a
    return adv, adv + v


net = AC(3, 2)
opt = torch.optim.Adam(net.parameters(), lr=3e-3, eps=1e-5)
obs = torch.randn(5, 3)
for it in range(3):
    O, A, R, D, V, LP = [], [], [], [], [], []
    for t in range(8):
        with torch.no_grad():
            dist, v = net(obs)
            a = dist.sample()
            lp = dist.log_prob(a).sum(-1)
        r = -(a**2).sum(-1) + obs.sum(-1)
        O.append(obs)
        A.append(a)
        R.append(r)
        V.append(v)
        LP.append(lp)
        D.append((torch.rand(5) < 0.1).float())
        obs = 0.9 * obs + 0.1 * torch.randn_like(obs)
    O, A, R, D, V, LP = map(torch.stack, (O, A, R, D, V, LP))
    with torch.no_grad():
        last = net(obs)[1]
    adv, ret = gae(R, V, D, last)
    adv = (adv - adv.mean()) / (adv.std() + 1e-8)
    old = None
    for ep in range(2):
        for idx in torch.randperm(40).chunk(4):
            dist, v = net(O.reshape(-1, 3)[idx])
            lp = dist.log_prob(A.reshape(-1, 2)[idx]).sum(-1)
            ratio = (lp - LP.reshape(-1)[idx]).exp()
            ad = adv.reshape(-1)[idx]
            pl = -torch.min(ratio * ad, ratio.clamp(0.8, 1.2) * ad).mean()
            vl = F.mse_loss(v, ret.reshape(-1)[idx])
            ent = dist.entropy().sum(-1).mean()
            opt.zero_grad()
            (pl + 0.5 * vl - 0.01 * ent).backward()
            gn = nn.utils.clip_grad_norm_(net.parameters(), 0.5)
            opt.step()
    print(it, f"{pl:.4f} {vl:.4f} {ent:.4f} {gn:.4f}", net.log_std.data)
p, q = Normal(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 2.0])), Normal(torch.zeros(2), torch.ones(2))
print(kl_divergence(p, q), p, Independent(p, 1), Independent(p, 1).log_prob(torch.zeros(2)))
for d in (
    Beta(2.0, 3.0),
    Gamma(2.0, 1.0),
    Dirichlet(torch.tensor([1.0, 2.0, 3.0])),
    Poisson(4.0),
    Exponential(2.0),
    Uniform(0.0, 2.0),
    Laplace(0.0, 1.0),
    Bernoulli(torch.tensor(0.3)),
    Categorical(torch.tensor([0.2, 0.8])),
):
    s = d.sample((3,))
    print(d, s.shape, d.mean if not isinstance(d, Categorical) else None, d.log_prob(s[0]).shape)
t = TransformedDistribution(Normal(torch.zeros(2), torch.ones(2)), [TanhTransform()])
a = t.rsample()
print(a, t.log_prob(a))
mix = MixtureSameFamily(Categorical(torch.ones(2)), Normal(torch.tensor([-1.0, 1.0]), torch.ones(2)))
print(mix.log_prob(torch.tensor(0.3)), mix.mean, mix)
