"""Hooks on modules and tensors, containers, their errors, and how all print."""
# ruff: noqa

import torch
import torch.nn as nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Sequential(nn.Linear(3, 2), nn.Tanh()))
feats = {}


def get(name):
    def hook(model, input, output):
        feats[name] = output.detach()

    return hook


hs = [m.register_forward_hook(get(n)) for n, m in net.named_modules() if not list(m.children())]
out = net(torch.ones(2, 4))
print({k: v.shape for k, v in feats.items()})
for h in hs:
    h.remove()


def bw(m, gi, go):
    print(m.__class__.__name__, [g.shape if g is not None else None for g in gi], [g.shape for g in go])


net[0].register_full_backward_hook(bw)
net[2][0].register_full_backward_hook(bw)
net(torch.ones(2, 4)).sum().backward()
x = torch.ones(2, 4, requires_grad=True)
y = net(x)
y.register_hook(lambda g: g * 2)
h = x.register_hook(lambda g: print("x grad", g.norm()))
y.sum().backward()
h.remove()
pre = net.register_forward_pre_hook(lambda m, a: (a[0] * 0,))
print(net(torch.ones(1, 4)))
pre.remove()
print(net.get_submodule("2.0"), net.get_parameter("2.0.bias").shape)
print(net[-1], net[:2], len(net))
del net[1]
print(net)
for n, p in net.named_parameters():
    print(n, p.shape, p.requires_grad, p.is_leaf)
print(sum(p.numel() for p in net.parameters()), [n for n, _ in net.named_children()], net.training)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(2)])
        self.d = nn.ModuleDict({"a": nn.ReLU(), "b": nn.Dropout(0.5)})
        self.ps = nn.ParameterList([nn.Parameter(torch.ones(2)) for _ in range(2)])
        self.pd = nn.ParameterDict({"w": torch.zeros(1)})
        self.register_buffer("buf", torch.arange(3), persistent=False)
        self.register_parameter("none", None)
        self._secret = 3

    def forward(self, x, *, scale=1):
        for l, p in zip(self.layers, self.ps):
            x = self.d["a"](l(x)) * p
        return x * scale

    def extra_repr(self):
        return f"secret={self._secret}"


m = Model()
print(m)
print(m.state_dict().keys(), m(torch.ones(1, 2), scale=0))
m.apply(lambda mm: print(type(mm).__name__, end=" "))
print()
try:
    m.load_state_dict({"layers.0.weight": torch.zeros(3, 3), "extra": torch.zeros(1)})
except RuntimeError as e:
    print(e)
try:
    m.foo
except AttributeError as e:
    print(e)
try:
    nn.Linear(2, 2)(torch.ones(3, 3))
except RuntimeError as e:
    print(e)
try:
    m.layers[5]
except IndexError as e:
    print(e)
print(
    m.double().layers[0].weight.dtype,
    m.half().ps[0].dtype,
    m.to(torch.bfloat16).layers[1].bias.dtype,
    m.float().buf.dtype,
    next(m.parameters()).device,
)
m.requires_grad_(False)
print(any(p.requires_grad for p in m.parameters()))
m.eval()
print(m.d["b"].training, m.zero_grad())
print(
    nn.Sequential(
        nn.Conv2d(3, 8, 3, padding="same", bias=False),
        nn.BatchNorm2d(8, affine=False),
        nn.PReLU(),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.GroupNorm(2, 8),
        nn.LSTM(3, 4, 2, bidirectional=True, dropout=0.1),
        nn.MultiheadAttention(8, 2),
        nn.Embedding(5, 2, padding_idx=1),
        nn.Unflatten(1, (2, 4)),
        nn.Softmax(dim=1),
        nn.ConvTranspose2d(1, 1, 2, output_padding=0),
        nn.TransformerEncoderLayer(8, 2, 16),
    )
)
