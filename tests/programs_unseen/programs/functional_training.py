"""Nets of plain tensors, style transfer, an attack, a grid, and policies."""
# ruff: noqa

import torch
import torch.nn.functional as F

torch.manual_seed(0)
N, D_in, H, D_out = 16, 20, 12, 3
x, y = torch.randn(N, D_in), torch.randn(N, D_out)
w1 = torch.randn(D_in, H, requires_grad=True)
w2 = torch.randn(H, D_out, requires_grad=True)
lr = 1e-4
for t in range(40):
    y_pred = x.mm(w1).clamp(min=0).mm(w2)
    loss = (y_pred - y).pow(2).sum()
    if t % 10 == 9:
        print(t, f"{loss.item():.3f}")
    loss.backward()
    with torch.no_grad():
        w1 -= lr * w1.grad
        w2 -= lr * w2.grad
        w1.grad.zero_()
        w2.grad.zero_()
h = x @ w1.detach()
h_relu = h.clamp(min=0)
pred = h_relu.mm(w2.detach())
gp = 2.0 * (pred - y)
gw2 = h_relu.t().mm(gp)
gh = gp.mm(w2.detach().t()).clone()
gh[h < 0] = 0
gw1 = x.t().mm(gh)
l = (F.relu(x @ w1) @ w2 - y).pow(2).sum()
l.backward()
print(torch.allclose(w1.grad, gw1, rtol=1e-4), torch.allclose(w2.grad, gw2, rtol=1e-4))


def style(feat):
    b, c, hh, ww = feat.shape
    f = feat.reshape(b * c, hh * ww)
    return f @ f.t() / (b * c * hh * ww)


img = torch.rand(1, 3, 8, 8)
target = style(torch.rand(1, 3, 8, 8))
inp = img.clone().requires_grad_(True)
opt = torch.optim.LBFGS([inp], max_iter=5)
run = [0]


def closure():
    with torch.no_grad():
        inp.clamp_(0, 1)
    opt.zero_grad()
    loss = 1e3 * F.mse_loss(style(inp), target)
    loss.backward()
    run[0] += 1
    return loss


for _ in range(2):
    print(f"{opt.step(closure).item():.3f}")
print(run[0])
eps = 0.1
lin = torch.nn.Linear(4, 3)
d = torch.rand(2, 4, requires_grad=True)
loss = F.nll_loss(F.log_softmax(lin(d), 1), torch.tensor([0, 2]))
lin.zero_grad()
loss.backward()
adv = torch.clamp(d + eps * d.grad.sign(), 0, 1)
print(adv)
theta = torch.tensor([[[1.0, 0.2, 0.0], [0.0, 1.0, 0.1]]])
grid = F.affine_grid(theta, (1, 1, 3, 3), align_corners=False)
print(F.grid_sample(torch.arange(9.0).view(1, 1, 3, 3), grid, align_corners=False))
w = torch.zeros(3, requires_grad=True)
o = torch.optim.Adam([w], lr=0.1)
for i in range(3):
    o.zero_grad()
    logits = torch.stack([w, w * 2])
    loss = F.cross_entropy(logits, torch.tensor([1, 1])) + 0.01 * w.norm(1)
    loss.backward()
    torch.nn.utils.clip_grad_norm_([w], 0.5, norm_type=float("inf"))
    o.step()
print(w, w.grad)
emb = torch.nn.Embedding(4, 2)
opt = torch.optim.SGD(emb.parameters(), lr=1.0)
before = emb.weight.detach().clone()
emb(torch.tensor([1, 1, 3])).sum().backward()
opt.step()
print(before - emb.weight.detach())
logits = torch.randn(4, 3)
print(
    F.gumbel_softmax(logits, tau=0.5, hard=True),
    torch.softmax(logits / 2.0, -1),
    F.softmax(logits, -1).argmax(-1),
    logits.logsumexp(1),
)
probs = torch.softmax(logits, 1)
entropy = -(probs * probs.log()).sum(1)
print(entropy, torch.multinomial(probs, 1).squeeze(1))
rewards = [1.0, 0.0, 2.0]
R, rets = 0, []
for r in rewards[::-1]:
    R = r + 0.9 * R
    rets.insert(0, R)
rets = torch.tensor(rets)
print((rets - rets.mean()) / (rets.std() + 1e-8))
