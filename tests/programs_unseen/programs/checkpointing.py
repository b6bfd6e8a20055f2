"""Recomputation, packed saved tensors, the gradient modes, and the errors of autograd."""
# ruff: noqa

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

torch.manual_seed(0)


class Block(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(n, n), nn.GELU(), nn.Dropout(0.5), nn.LayerNorm(n))
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x + self.f(x)


blocks = nn.ModuleList([Block(4) for _ in range(3)])
x = torch.randn(2, 4, requires_grad=True)
h = x
for b in blocks:
    h = checkpoint(b, h, use_reentrant=False)
h.sum().backward()
print([b.calls for b in blocks], x.grad)
x.grad = None
h = x
for b in blocks:
    h = checkpoint(b, h, use_reentrant=True)
print(h.grad_fn.name())
h.sum().backward()
print(x.grad)
seq = nn.Sequential(*[nn.Linear(4, 4) for _ in range(4)])
print(checkpoint_sequential(seq, 2, x, use_reentrant=False))
packed = []


def pack(t):
    packed.append(tuple(t.shape))
    return t.double()


def unpack(t):
    return t.float()


with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
    y = (x * x).exp().sum()
y.backward()
print(packed, x.grad.shape)
with torch.autograd.graph.save_on_cpu():
    z = x.pow(2).sum()
z.backward()
with (
    torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t),
    torch.autograd.graph.disable_saved_tensors_hooks("no hooks") if False else torch.no_grad(),
):
    pass
try:
    with torch.autograd.detect_anomaly(check_nan=True):
        a = torch.tensor([-1.0], requires_grad=True)
        b = a.sqrt()
        b.backward()
except RuntimeError as e:
    print(e)
with torch.inference_mode():
    t = torch.ones(2)
print(t.is_inference(), t.requires_grad)
try:
    t.requires_grad_() * 2
except RuntimeError as e:
    print(str(e)[:70])


@torch.no_grad()
def f(x):
    return x * 2


@torch.no_grad()
def gen(x):
    for i in range(2):
        yield (x * i).requires_grad


print(f(x).requires_grad, list(gen(x)), torch.is_grad_enabled())
with torch.set_grad_enabled(False):
    print((x * 2).requires_grad)
    with torch.enable_grad():
        print((x * 2).requires_grad)
a = torch.ones(2, requires_grad=True)
try:
    a += 1
except RuntimeError as e:
    print(e)
b = a.exp()
b.add_(1)
try:
    b.sum().backward()
except RuntimeError as e:
    print(str(e).split(";")[0])
try:
    (a * 2).backward()
except RuntimeError as e:
    print(e)
try:
    torch.ones(2).sum().backward()
except RuntimeError as e:
    print(e)
try:
    a.numpy()
except RuntimeError as e:
    print(e)
