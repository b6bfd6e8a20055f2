import torch, torch.nn as nn, torch.nn.functional as F, copy, io, sys, platform

torch.manual_seed(0)
from torch.optim.swa_utils import AveragedModel, SWALR, update_bn, get_ema_multi_avg_fn

m = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
opt = torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9, nesterov=True)
swa = AveragedModel(m)
ema = AveragedModel(m, multi_avg_fn=get_ema_multi_avg_fn(0.9))
sch = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=5)
ss = SWALR(opt, swa_lr=0.05, anneal_epochs=2)
data = [(torch.randn(5, 4), torch.randint(2, (5,))) for _ in range(3)]
for e in range(4):
    for x, y in data:
        opt.zero_grad()
        F.cross_entropy(m(x), y).backward()
        opt.step()
        ema.update_parameters(m)
    if e > 1:
        swa.update_parameters(m)
        ss.step()
    else:
        sch.step()
    print(e, opt.param_groups[0]["lr"], swa.n_averaged)
update_bn(data, swa)
print(swa.module[1].running_mean[:3], ema.module[0].bias[:3], swa(data[0][0])[0])
mods = {n: type(c).__name__ for n, c in m.named_modules()}
print(mods)
acts = {}
hs = [
    c.register_forward_hook(lambda mod, i, o, n=n: acts.update({n: o.detach().mean().item()}))
    for n, c in m.named_children()
]
m(data[0][0])
print({k: round(v, 4) for k, v in acts.items()})
[h.remove() for h in hs]
g = []
h = m[0].register_full_backward_hook(lambda mod, gi, go: g.append((gi[0] is None, go[0].shape)))
m(data[0][0]).sum().backward()
print(g)
h.remove()
x = torch.randn(3, requires_grad=True)
y = x * 2
while y.data.norm() < 100:
    y = y * 2
v = torch.tensor([0.1, 1.0, 0.0001])
y.backward(v)
print(y, x.grad)


class Clamp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, i, mn, mx):
        ctx.save_for_backward(i)
        ctx.mn, ctx.mx = mn, mx
        return i.clamp(mn, mx)

    @staticmethod
    def backward(ctx, go):
        (i,) = ctx.saved_tensors
        go = go.clone()
        go[i < ctx.mn] = 0
        go[i > ctx.mx] = 0
        return go, None, None


a = torch.tensor([-2.0, 0.5, 2.0], requires_grad=True)
o = Clamp.apply(a, -1.0, 1.0)
print(o, o.grad_fn)
o.sum().backward()
print(a.grad, torch.autograd.gradcheck(Clamp.apply, (torch.rand(3, dtype=torch.double, requires_grad=True), -1.0, 1.0)))
emb = nn.EmbeddingBag(10, 3, mode="mean")
print(emb(torch.tensor([1, 2, 4, 5, 4]), torch.tensor([0, 2])), emb)
print(
    nn.utils.parameters_to_vector(m.parameters()).shape,
    nn.utils.fuse_conv_bn_eval(nn.Conv2d(1, 2, 1).eval(), nn.BatchNorm2d(2).eval()),
)
ml = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
ml.append(nn.ReLU())
md = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.Identity()})
print(ml, md, list(md.keys()), ml[1:3], len(ml))
pl = nn.ParameterList([nn.Parameter(torch.zeros(2))])
print(pl, nn.ParameterDict({"w": nn.Parameter(torch.ones(1))}))
s = nn.Sequential()
s.add_module("fc", nn.Linear(2, 1))
s.append(nn.Tanh())
print(s, s.fc.weight.shape, s[-1])
for layer in (
    nn.Conv1d(2, 3, 3, stride=2, padding="valid"),
    nn.ConvTranspose3d(1, 2, 3, output_padding=1, stride=2),
    nn.GroupNorm(2, 4),
    nn.LocalResponseNorm(2),
    nn.AdaptiveMaxPool2d((None, 2)),
    nn.LSTM(2, 3, proj_size=2),
    nn.Bilinear(1, 2, 3),
    nn.Unflatten(1, (2, 3)),
    nn.Softplus(2),
    nn.Hardtanh(-2, 2),
    nn.RReLU(),
    nn.Fold((4, 4), 2),
    nn.FractionalMaxPool2d(2, output_ratio=0.5),
    nn.CosineSimilarity(),
    nn.CTCLoss(),
    nn.SmoothL1Loss(beta=0.5),
    nn.BCEWithLogitsLoss(pos_weight=torch.ones(2)),
    nn.AdaptiveLogSoftmaxWithLoss(4, 8, [3, 5]),
    nn.LazyLinear(3),
    nn.Dropout3d(),
    nn.ChannelShuffle(2),
    nn.ZeroPad2d((1, 2, 0, 1)),
    nn.Threshold(0.1, 20),
    nn.MaxUnpool1d(2),
    nn.LPPool1d(2, 3),
    nn.SyncBatchNorm(3),
    nn.InstanceNorm1d(3, track_running_stats=True),
    nn.TransformerDecoderLayer(4, 2, 8),
):
    print(layer)
torch.manual_seed(5)
w = torch.empty(3, 5)
for f in (nn.init.orthogonal_, nn.init.xavier_normal_, nn.init.trunc_normal_, nn.init.eye_, nn.init.kaiming_normal_):
    print(f(w.clone())[0])
print(
    torch.__version__.split("+")[0],
    torch.get_default_dtype(),
    torch.is_grad_enabled(),
    torch.initial_seed(),
    torch.backends.cudnn.enabled,
    torch.get_num_threads() > 0,
    torch.cuda.device_count(),
)
t = torch.arange(24).view(2, 3, 4)
print(
    t[..., -1],
    t[:, None].shape,
    t[t % 5 == 0],
    t[[0, 1], [1, 2]],
    t[0, ::2, 1:3],
    t.permute(2, 0, 1).stride(),
    t.view(-1, 2).shape,
    t.unfold(2, 2, 1).shape,
    t.movedim(0, -1).shape,
    t.as_strided((2, 2), (1, 2)),
    torch.where(t > 20),
    t.index_select(1, torch.tensor([2])),
    t.gather(2, torch.zeros(2, 3, 1, dtype=torch.long)).squeeze(),
    t.take(torch.tensor([3, 7])),
    torch.nonzero(t > 21),
    t.flatten().roll(2)[:4],
    t.rot90(1, (1, 2)).shape,
    torch.tensor_split(t, 3, 1)[1].shape,
    t.to(torch.float16).dtype,
    t.float().matmul(t.float().mT).sum(),
    torch.einsum("ijk->kji", t).shape,
    t.tolist()[0][0],
    t.sum((0, 2)),
    t.diagonal(0, 1, 2),
    torch.tril_indices(2, 2),
    t.repeat_interleave(2, 0).shape,
    torch.stack([t, t]).shape,
    t.split([1, 2], 1)[1].shape,
    t.chunk(2, -1)[0].shape,
    t.masked_select(t > 20),
    torch.broadcast_shapes((2, 1), (1, 3)),
    t.contiguous().is_contiguous(),
    t.ndim,
    t.numel(),
    t.element_size(),
    t.nbytes,
    t.storage_offset(),
    t[1].storage_offset(),
    t.data_ptr() == t.view(-1).data_ptr(),
    t.T.shape if t.ndim == 2 else None,
)
import torch.utils.benchmark, torch.utils.collect_env, torch.profiler, torch.hub

with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as prof:
    with torch.profiler.record_function("fwd"):
        m(data[0][0])
print(
    "fwd" in prof.key_averages().table(),
    len(prof.key_averages()) > 0,
    hasattr(torch.hub, "load"),
    torch.hub.get_dir().endswith("hub"),
)
print(
    "PyTorch version" in torch.utils.collect_env.get_pretty_env_info()
    if False
    else hasattr(torch.utils.collect_env, "main")
)
