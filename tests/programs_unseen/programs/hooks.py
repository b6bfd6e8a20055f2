"""Hooks on modules, tensors, nodes, and parameters."""
# ruff: noqa

import torch
from torch import nn

torch.manual_seed(3)
model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
activations = {}


def get_activation(name):
    def hook(module, input, output):
        activations[name] = output.detach()

    return hook


handles = [m.register_forward_hook(get_activation(n)) for n, m in model.named_modules() if n]
x = torch.randn(2, 4)
out = model(x)
for k, v in activations.items():
    print(k, v.shape, v)
for h in handles:
    h.remove()


def bw(module, grad_input, grad_output):
    print(
        type(module).__name__,
        [None if g is None else tuple(g.shape) for g in grad_input],
        [tuple(g.shape) for g in grad_output],
    )


hs = [m.register_full_backward_hook(bw) for m in model]
model(x).pow(2).mean().backward()
[h.remove() for h in hs]


def pre(module, args):
    return (args[0] * 2,)


h = model[0].register_forward_pre_hook(pre)
print(model(x) - model[1:](model[0](x)))
h.remove()
w = model[0].weight
w.grad = None
seen = []
h = w.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.norm().item()))
model(x).sum().backward()
print(len(seen), f"{seen[0]:.4f}")
h.remove()
y = x.clone().requires_grad_()
z = y * 2
z.retain_grad()
z.register_hook(lambda g: g.clamp(max=0.5))
z.sum().backward()
print(z.grad, y.grad)
fn = (y * y).grad_fn
h = fn.register_hook(lambda gi, go: print("node", [tuple(g.shape) for g in gi], [tuple(g.shape) for g in go]))
(y * y).sum().backward()
k = y * y
k.grad_fn.register_prehook(lambda go: (go[0] * 3,))
y.grad = None
k.sum().backward()
print(torch.allclose(y.grad, 6 * y))


def global_hook(module, args, output):
    print("global", type(module).__name__)


gh = nn.modules.module.register_module_forward_hook(global_hook)
model(x)
gh.remove()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.l = nn.Linear(2, 2)

    def forward(self, x, scale=1.0):
        return self.l(x) * scale


n = Net()
n.register_forward_pre_hook(lambda m, a, k: (a, {"scale": 0.0}), with_kwargs=True)
print(n(torch.ones(1, 2), scale=3.0))
n.register_state_dict_post_hook(lambda module, sd, prefix, meta: print("state", prefix, list(sd))) if hasattr(
    n, "register_state_dict_post_hook"
) else None
n.state_dict()
n.register_load_state_dict_post_hook(lambda m, keys: print("missing", keys.missing_keys))
n.load_state_dict({"l.weight": torch.ones(2, 2)}, strict=False)
