"""A small GPT: training, sampling with and without kept keys, beam search, and a mixture of experts."""
# ruff: noqa

import math
from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1337)


@dataclass
class Cfg:
    vocab: int = 20
    block: int = 12
    n_layer: int = 2
    n_head: int = 2
    n_embd: int = 16
    dropout: float = 0.1


class CausalSelfAttention(nn.Module):
    def __init__(s, c):
        super().__init__()
        s.c_attn = nn.Linear(c.n_embd, 3 * c.n_embd, bias=False)
        s.c_proj = nn.Linear(c.n_embd, c.n_embd)
        s.nh = c.n_head
        s.drop = nn.Dropout(c.dropout)
        s.register_buffer("bias", torch.tril(torch.ones(c.block, c.block)).view(1, 1, c.block, c.block))

    def forward(s, x, cache=None):
        B, T, C = x.size()
        q, k, v = s.c_attn(x).split(C, dim=2)
        k = k.view(B, T, s.nh, C // s.nh).transpose(1, 2)
        q = q.view(B, T, s.nh, C // s.nh).transpose(1, 2)
        v = v.view(B, T, s.nh, C // s.nh).transpose(1, 2)
        if cache is not None:
            if cache:
                k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
            cache[:] = [k, v]
        S = k.size(2)
        att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        att = att.masked_fill(s.bias[:, :, S - T : S, :S] == 0, float("-inf"))
        att = s.drop(F.softmax(att, dim=-1))
        y = (att @ v).transpose(1, 2).contiguous().view(B, T, C)
        return s.c_proj(y)


class Block(nn.Module):
    def __init__(s, c):
        super().__init__()
        s.ln_1 = nn.LayerNorm(c.n_embd)
        s.attn = CausalSelfAttention(c)
        s.ln_2 = nn.LayerNorm(c.n_embd)
        s.mlp = nn.ModuleDict(
            dict(
                c_fc=nn.Linear(c.n_embd, 4 * c.n_embd),
                c_proj=nn.Linear(4 * c.n_embd, c.n_embd),
                act=nn.GELU(approximate="tanh"),
                dropout=nn.Dropout(c.dropout),
            )
        )

    def forward(s, x, cache=None):
        x = x + s.attn(s.ln_1(x), cache)
        m = s.mlp
        return x + m.dropout(m.c_proj(m.act(m.c_fc(s.ln_2(x)))))


class GPT(nn.Module):
    def __init__(s, c):
        super().__init__()
        s.c = c
        s.transformer = nn.ModuleDict(
            dict(
                wte=nn.Embedding(c.vocab, c.n_embd),
                wpe=nn.Embedding(c.block, c.n_embd),
                drop=nn.Dropout(c.dropout),
                h=nn.ModuleList([Block(c) for _ in range(c.n_layer)]),
                ln_f=nn.LayerNorm(c.n_embd),
            )
        )
        s.lm_head = nn.Linear(c.n_embd, c.vocab, bias=False)
        s.transformer.wte.weight = s.lm_head.weight
        s.apply(s._init)
        for pn, p in s.named_parameters():
            if pn.endswith("c_proj.weight"):
                torch.nn.init.normal_(p, mean=0.0, std=0.02 / math.sqrt(2 * c.n_layer))

    def _init(s, m):
        if isinstance(m, nn.Linear):
            torch.nn.init.normal_(m.weight, mean=0.0, std=0.02)
            if m.bias is not None:
                torch.nn.init.zeros_(m.bias)
        elif isinstance(m, nn.Embedding):
            torch.nn.init.normal_(m.weight, mean=0.0, std=0.02)

    def forward(s, idx, targets=None, caches=None, pos=0):
        b, t = idx.size()
        p = torch.arange(pos, pos + t, dtype=torch.long).unsqueeze(0)
        x = s.transformer.drop(s.transformer.wte(idx) + s.transformer.wpe(p))
        for i, blk in enumerate(s.transformer.h):
            x = blk(x, None if caches is None else caches[i])
        logits = s.lm_head(s.transformer.ln_f(x))
        return logits, (
            F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1)
            if targets is not None
            else None
        )

    @torch.no_grad()
    def generate(s, idx, n, temperature=1.0, top_k=None, cached=False):
        caches = [[] for _ in s.transformer.h] if cached else None
        for i in range(n):
            if cached and i:
                logits, _ = s(idx[:, -1:], caches=caches, pos=idx.size(1) - 1)
            else:
                logits, _ = s(idx if idx.size(1) <= s.c.block else idx[:, -s.c.block :], caches=caches)
            logits = logits[:, -1, :] / temperature
            if top_k is not None:
                v, _ = torch.topk(logits, min(top_k, logits.size(-1)))
                logits[logits < v[:, [-1]]] = -float("Inf")
            idx = torch.cat((idx, torch.multinomial(F.softmax(logits, dim=-1), num_samples=1)), dim=1)
        return idx


m = GPT(Cfg())
decay, no = [], []
for n, p in m.named_parameters():
    (decay if p.dim() >= 2 else no).append(p)
opt = torch.optim.AdamW(
    [{"params": decay, "weight_decay": 0.1}, {"params": no, "weight_decay": 0.0}], lr=3e-3, betas=(0.9, 0.95)
)
print(sum(p.numel() for p in m.parameters()), len(decay), len(no))
data = torch.arange(200) % 7 + (torch.arange(200) // 7) % 3
for i in range(8):
    ix = torch.randint(len(data) - 12, (4,))
    x = torch.stack([data[j : j + 12] for j in ix])
    y = torch.stack([data[j + 1 : j + 13] for j in ix])
    lr = 3e-3 * 0.5 * (1 + math.cos(math.pi * i / 8))
    for g in opt.param_groups:
        g["lr"] = lr
    _, loss = m(x, y)
    opt.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(m.parameters(), 1.0)
    opt.step()
    print(i, f"{loss.item():.4f} {norm:.3f}")
m.eval()
torch.manual_seed(3)
a = m.generate(x[:1, :3], 8, top_k=5)
torch.manual_seed(3)
b = m.generate(x[:1, :3], 8, top_k=5, cached=True)
print(a, torch.equal(a, b))


def beam(m, start, n, k=3):
    seqs = [(start, 0.0)]
    for _ in range(n):
        cand = []
        for s, sc in seqs:
            lp = F.log_softmax(m(s)[0][:, -1], -1).squeeze(0)
            v, i = lp.topk(k)
            cand += [(torch.cat([s, j.view(1, 1)], 1), sc + w.item()) for w, j in zip(v, i)]
        seqs = sorted(cand, key=lambda c: -c[1])[:k]
    return [(s.tolist()[0], round(sc, 3)) for s, sc in seqs]


print(beam(m, x[:1, :2], 4))
w = torch.rand(6, 4).softmax(1)
top, idx = w.topk(2, 1)
top = top / top.sum(1, keepdim=True)
ex = nn.ModuleList([nn.Linear(16, 16) for _ in range(4)])
h = torch.randn(6, 16)
out = torch.zeros_like(h)
for e in range(4):
    r, c = torch.where(idx == e)
    if r.numel():
        out.index_add_(0, r, ex[e](h[r]) * top[r, c, None])
print(out.sum(), torch.bincount(idx.flatten(), minlength=4))
