"""The library's optimizers and the user's own, saved and taken up again."""
# ruff: noqa

import copy
import io

import torch
import torch.nn as nn
from torch.optim import Optimizer

pass
torch.manual_seed(0)


class Lion(Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.99), weight_decay=0.0):
        if not lr >= 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                p.data.mul_(1 - group["lr"] * group["weight_decay"])
                grad = p.grad
                st = self.state[p]
                if len(st) == 0:
                    st["exp_avg"] = torch.zeros_like(p)
                m = st["exp_avg"]
                b1, b2 = group["betas"]
                u = m * b1 + grad * (1 - b1)
                p.add_(torch.sign(u), alpha=-group["lr"])
                m.mul_(b2).add_(grad, alpha=1 - b2)
        return loss


class SAM(Optimizer):
    def __init__(self, params, base, rho=0.05, **kw):
        super().__init__(params, dict(rho=rho, **kw))
        self.base = base(self.param_groups, **kw)
        self.param_groups = self.base.param_groups

    @torch.no_grad()
    def first(self):
        norm = torch.norm(
            torch.stack([p.grad.norm(p=2) for g in self.param_groups for p in g["params"] if p.grad is not None]), p=2
        )
        for g in self.param_groups:
            for p in g["params"]:
                if p.grad is None:
                    continue
                e = p.grad * g["rho"] / (norm + 1e-12)
                p.add_(e)
                self.state[p]["e"] = e
        self.zero_grad()

    @torch.no_grad()
    def second(self):
        for g in self.param_groups:
            for p in g["params"]:
                if p.grad is not None:
                    p.sub_(self.state[p]["e"])
        self.base.step()
        self.zero_grad()


net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
X = torch.randn(20, 3)
Y = X.sum(1, keepdim=True).sin()
o = Lion(net.parameters(), lr=0.01, weight_decay=0.1)
for i in range(4):
    o.zero_grad()
    l = nn.functional.mse_loss(net(X), Y)
    l.backward()
    o.step()
    print(f"{l.item():.5f}", end=" ")
print(o, list(o.state_dict()), o.state_dict()["param_groups"])
s = SAM(net.parameters(), torch.optim.SGD, rho=0.1, lr=0.1, momentum=0.9)
for i in range(3):
    nn.functional.mse_loss(net(X), Y).backward()
    s.first()
    l = nn.functional.mse_loss(net(X), Y)
    l.backward()
    s.second()
    print(f"{l.item():.5f}", end=" ")
print()
for name in [
    "SGD",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "RAdam",
    "RMSprop",
    "Adagrad",
    "Adadelta",
    "ASGD",
    "Rprop",
    "Adafactor",
]:
    n2 = copy.deepcopy(net)
    op = getattr(torch.optim, name)(n2.parameters(), lr=0.01)
    ls = []
    for i in range(3):
        op.zero_grad()
        l = nn.functional.mse_loss(n2(X), Y)
        l.backward()
        op.step()
        ls.append(round(l.item(), 5))
    buf = io.BytesIO()
    torch.save({"o": op.state_dict(), "n": n2.state_dict()}, buf)
    buf.seek(0)
    ck = torch.load(buf)
    n3 = copy.deepcopy(net)
    n3.load_state_dict(ck["n"])
    op3 = getattr(torch.optim, name)(n3.parameters(), lr=0.5)
    op3.load_state_dict(ck["o"])
    for m_, q in ((n2, op), (n3, op3)):
        q.zero_grad()
        nn.functional.mse_loss(m_(X), Y).backward()
        q.step()
    print(
        name,
        ls,
        all(torch.equal(a, b) for a, b in zip(n2.parameters(), n3.parameters())),
        op3.param_groups[0]["lr"],
        sorted(map(str, op.state_dict()["state"].get(0, {}))),
    )
try:
    torch.optim.SGD([], lr=0.1)
except ValueError as e:
    print(e)
try:
    torch.optim.SGD([torch.ones(1)], lr=-1)
except ValueError as e:
    print(e)
try:
    torch.optim.Adam([{"params": net.parameters()}, {"params": net.parameters()}])
except ValueError as e:
    print(e)
try:
    torch.optim.SGD(net[0](X), lr=0.1)
except (ValueError, TypeError) as e:
    print(type(e).__name__, e)
try:
    o.load_state_dict(torch.optim.SGD([net[0].weight], lr=0.1).state_dict())
except ValueError as e:
    print(e)
o.add_param_group({"params": [nn.Parameter(torch.zeros(2))], "lr": 5})
print(len(o.param_groups), o.param_groups[1]["lr"], o.param_groups[1]["betas"])
h = o.register_step_post_hook(lambda op, a, k: print("stepped"))
o.step()
h.remove()
o.step()


class Rev(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, a):
        ctx.a = a
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return g.neg() * ctx.a, None


x = torch.ones(2, requires_grad=True)
Rev.apply(x, 0.5).sum().backward()
print(x.grad)
fisher = {n: p.grad.pow(2) if p.grad is not None else None for n, p in net.named_parameters()}
vec = nn.utils.parameters_to_vector(net.parameters())
nn.utils.vector_to_parameters(vec * 0 + 1, net.parameters())
print(vec.shape, net[2].bias)
