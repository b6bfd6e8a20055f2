import math, torch, torch.nn as nn
from torch import Tensor
from torch.nn import Transformer, TransformerEncoder, TransformerEncoderLayer

torch.manual_seed(0)
PAD, BOS, EOS = 1, 2, 3


class PositionalEncoding(nn.Module):
    def __init__(self, emb, dropout, maxlen=50):
        super().__init__()
        den = torch.exp(-torch.arange(0, emb, 2) * math.log(10000) / emb)
        pos = torch.arange(0, maxlen).reshape(maxlen, 1)
        pe = torch.zeros((maxlen, emb))
        pe[:, 0::2] = torch.sin(pos * den)
        pe[:, 1::2] = torch.cos(pos * den)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("pos_embedding", pe.unsqueeze(-2))

    def forward(self, t: Tensor):
        return self.dropout(t + self.pos_embedding[: t.size(0), :])


class Seq2Seq(nn.Module):
    def __init__(self, nenc, ndec, emb, nhead, sv, tv, ff=32, dropout=0.1):
        super().__init__()
        self.transformer = Transformer(
            d_model=emb,
            nhead=nhead,
            num_encoder_layers=nenc,
            num_decoder_layers=ndec,
            dim_feedforward=ff,
            dropout=dropout,
        )
        self.generator = nn.Linear(emb, tv)
        self.src = nn.Embedding(sv, emb)
        self.tgt = nn.Embedding(tv, emb)
        self.pe = PositionalEncoding(emb, dropout)
        self.emb = emb

    def forward(self, s, t, sm, tm, sp, tp, mp):
        return self.generator(
            self.transformer(
                self.pe(self.src(s) * math.sqrt(self.emb)),
                self.pe(self.tgt(t) * math.sqrt(self.emb)),
                sm,
                tm,
                None,
                sp,
                tp,
                mp,
            )
        )

    def encode(self, s, sm):
        return self.transformer.encoder(self.pe(self.src(s) * math.sqrt(self.emb)), sm)

    def decode(self, t, mem, tm):
        return self.transformer.decoder(self.pe(self.tgt(t) * math.sqrt(self.emb)), mem, tm)


def square(sz):
    mask = (torch.triu(torch.ones((sz, sz))) == 1).transpose(0, 1)
    return mask.float().masked_fill(mask == 0, float("-inf")).masked_fill(mask == 1, float(0.0))


print(square(3), Transformer.generate_square_subsequent_mask(3))
model = Seq2Seq(1, 1, 16, 2, 12, 13)
for p in model.parameters():
    if p.dim() > 1:
        nn.init.xavier_uniform_(p)
print(model)
loss_fn = nn.CrossEntropyLoss(ignore_index=PAD, label_smoothing=0.1)
opt = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.98), eps=1e-9)
sch = torch.optim.lr_scheduler.LambdaLR(opt, lambda s: min((s + 1) ** -0.5, (s + 1) * 4**-1.5))
src = torch.tensor([[2, 4, 5, 6, 3], [2, 7, 8, 3, 1]]).t()
tgt = torch.tensor([[2, 5, 6, 7, 3], [2, 9, 3, 1, 1]]).t()
for it in range(4):
    ti = tgt[:-1]
    sm = torch.zeros((5, 5)).type(torch.bool)
    tm = square(4)
    logits = model(
        src, ti, sm, tm, (src == PAD).transpose(0, 1), (ti == PAD).transpose(0, 1), (src == PAD).transpose(0, 1)
    )
    opt.zero_grad()
    loss = loss_fn(logits.reshape(-1, 13), tgt[1:].reshape(-1))
    loss.backward()
    opt.step()
    sch.step()
    print(it, f"{loss.item():.4f}", [f"{x:.5f}" for x in sch.get_last_lr()], model.generator.weight.grad.norm())
model.eval()
mem = model.encode(src[:, :1], sm)
ys = torch.ones(1, 1).fill_(BOS).type(torch.long)
for i in range(5):
    out = model.decode(ys, mem, square(ys.size(0)).type(torch.bool)).transpose(0, 1)
    prob = model.generator(out[:, -1])
    _, nw = torch.max(prob, dim=1)
    ys = torch.cat([ys, torch.ones(1, 1).type_as(src.data).fill_(nw.item())], dim=0)
    if nw.item() == EOS:
        break
print(ys.flatten(), mem.shape, prob)
enc = TransformerEncoder(
    TransformerEncoderLayer(8, 2, 16, norm_first=True, activation="gelu", batch_first=True), 2, norm=nn.LayerNorm(8)
)
print(enc(torch.rand(2, 3, 8), mask=nn.Transformer.generate_square_subsequent_mask(3), is_causal=True)[0])
print(len(enc.state_dict()))
