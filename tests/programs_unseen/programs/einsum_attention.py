"""Attention written with einsum, against the library's, with masks, rotary places, and caches."""

import math

import torch
import torch.nn.functional as F
from torch import einsum, nn

torch.manual_seed(0)
B, H, T, D = 2, 2, 5, 4


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads, self.scale = heads, (dim // heads) ** -0.5
        self.to_qkv = nn.Linear(dim, dim * 3, bias=False)
        self.to_out = nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        b, n, _, h = *x.shape, self.heads
        q, k, v = self.to_qkv(x).chunk(3, dim=-1)
        q, k, v = map(lambda t: t.reshape(b, n, h, -1).transpose(1, 2), (q, k, v))
        dots = einsum("b h i d, b h j d -> b h i j", q, k) * self.scale
        if mask is not None:
            dots = dots.masked_fill(~mask, -torch.finfo(dots.dtype).max)
        attn = dots.softmax(dim=-1)
        out = einsum("b h i j, b h j d -> b h i d", attn, v)
        same = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        print(torch.allclose(out, same, atol=1e-6))
        return self.to_out(out.transpose(1, 2).flatten(2)), attn


attention = Attention(H * D, H)
x = torch.randn(B, T, H * D)
causal = torch.ones(T, T, dtype=torch.bool).tril()
out, weights = attention(x, causal)
print(out.shape, weights[0, 0])
out.pow(2).mean().backward()
print(attention.to_qkv.weight.grad.norm(), [p.grad.shape for p in attention.parameters()])


def rotary(x, theta=10000.0):
    n, d = x.shape[-2:]
    freqs = 1.0 / theta ** (torch.arange(0, d, 2)[: d // 2].float() / d)
    angles = torch.outer(torch.arange(n).float(), freqs)
    cis = torch.polar(torch.ones_like(angles), angles)
    turned = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2)) * cis
    return torch.view_as_real(turned).flatten(-2).type_as(x)


q = torch.randn(1, 1, 3, 4)
print(rotary(q), rotary(q).norm() - q.norm() < 1e-6)
position = torch.arange(4).unsqueeze(1)
div = torch.exp(torch.arange(0, 6, 2) * (-math.log(10000.0) / 6))
pe = torch.zeros(4, 6)
pe[:, 0::2] = torch.sin(position * div)
pe[:, 1::2] = torch.cos(position * div)
print(pe)
mha = nn.MultiheadAttention(8, 2, dropout=0.0, batch_first=True, bias=False)
o, w = mha(x, x, x, attn_mask=~causal, average_attn_weights=False)
print(o.shape, w.shape, mha)
o, w = mha(x, x[:, :3], x[:, :3], key_padding_mask=torch.tensor([[False, False, True], [False, False, False]]))
print(w[0, 0], o[0, 0])
cache_k, cache_v, outs = [], [], []
for step in range(T):
    xs = x[:, step : step + 1]
    q, k, v = attention.to_qkv(xs).chunk(3, -1)
    cache_k.append(k)
    cache_v.append(v)
    K, V = torch.cat(cache_k, 1), torch.cat(cache_v, 1)
    split = lambda t: t.unflatten(-1, (H, D)).transpose(1, 2)
    outs.append(F.scaled_dot_product_attention(split(q), split(K), split(V)).transpose(1, 2).flatten(2))
print(torch.allclose(attention.to_out(torch.cat(outs, 1)), out, atol=1e-5))
print(
    einsum("ii", torch.eye(3)),
    einsum("ij->ji", pe).shape,
    einsum("...ij,...jk", x, x.mT).shape,
    einsum("bi,oij,bj->bo", x[:, 0], torch.randn(3, 8, 8), x[:, 1]).shape,
)
alibi = -torch.abs(torch.arange(T)[None] - torch.arange(T)[:, None]) * torch.tensor([0.5, 0.25])[:, None, None]
print(alibi[0], F.scaled_dot_product_attention(split(x), split(x), split(x), attn_mask=alibi).shape)
print(F.scaled_dot_product_attention(split(x), split(x), split(x), is_causal=True)[0, 0])
