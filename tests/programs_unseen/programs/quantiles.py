"""Statistics of tensors: quantiles, histograms, modes, order statistics, correlations."""

import torch

torch.manual_seed(0)
torch.set_printoptions(precision=3, sci_mode=False, linewidth=100)
x = torch.randn(4, 6)
print(x)
print(torch.quantile(x, 0.5), torch.quantile(x, torch.tensor([0.25, 0.75]), dim=1, keepdim=True))
for mode in ("linear", "lower", "higher", "midpoint", "nearest"):
    print(mode, x.quantile(0.3, dim=0, interpolation=mode))
y = x.clone()
y[0, 0] = float("nan")
print(torch.nanquantile(y, 0.5, dim=1), y.nanmean(), y.nansum(1), y.nanmedian())
print(x.median(dim=1), x.mode(dim=0), x.kthvalue(2, dim=1))
print(torch.histc(x, bins=5, min=-2, max=2), torch.histogram(x, bins=4, range=(-2.0, 2.0)))
print(torch.std_mean(x, dim=1), torch.var_mean(x, correction=0), x.std(0, unbiased=False))
print(torch.corrcoef(x[:3]), torch.cov(x[:2], correction=0))
print(x.aminmax(dim=1), x.max(1), x.argmin(), torch.max(x, -x)[0])
print(x.topk(2, largest=False), x.sort(descending=True, stable=True)[1][0], x.argsort(dim=0)[:2])
print(torch.unique(torch.tensor([3, 1, 2, 3, 1]), return_inverse=True, return_counts=True))
print(torch.unique_consecutive(torch.tensor([1, 1, 2, 2, 3, 1]), return_counts=True))
print(
    torch.searchsorted(torch.tensor([1, 3, 5, 7]), torch.tensor([2, 5, 9]), right=True),
    torch.bucketize(x[0], torch.tensor([-1.0, 0.0, 1.0])),
)
print(x.cumsum(1)[0], x.cumprod(0)[-1], x.cummax(1), x.logcumsumexp(1)[0], x.diff(dim=1).shape)
print(
    torch.bincount(torch.tensor([0, 1, 1, 4]), weights=torch.tensor([0.5, 1, 1, 2])),
    torch.renorm(x, 2, 0, 1.0).norm(dim=1),
)
print((x > 0).sum(1), (x > 0).any(0), (x > -3).all(), x.count_nonzero(dim=0), torch.is_nonzero(torch.tensor([1])))
print(x.clamp(min=torch.tensor(-0.5), max=torch.tensor(0.5))[0], x.clip(-1, 1).sum(), x.heaviside(torch.tensor(0.0))[0])
print(
    torch.tensor([1.5, -2.5, 0.5]).round(),
    torch.round(torch.tensor(3.14159), decimals=2),
    torch.trunc(x[0]),
    x[0].frac(),
    torch.fmod(x[0], 0.5),
    torch.remainder(x[0], 0.5),
)
print(torch.logspace(0, 2, 3), torch.linspace(0, 1, 5), torch.arange(0, 1, 0.3), torch.full((2,), 7), torch.eye(2, 3))
torch.set_printoptions(profile="default")
print(x[0] * 1e6, x[0] * 1e-6, torch.tensor([1e10, 1.0]), torch.tensor([float("inf"), 1.0, float("nan")]))
print(
    torch.arange(2000),
    torch.zeros(30, 30),
    torch.tensor([]),
    torch.empty(0, 3),
    torch.tensor(3),
    torch.tensor(2.5).half(),
)
print(
    torch.tensor([[True, False]]),
    torch.tensor([1 + 2j, -3.5j]),
    torch.tensor([1, 2], dtype=torch.uint8),
    torch.tensor([-0.0, 100000.0]),
)
print(
    torch.trapezoid(x[0]),
    torch.cumulative_trapezoid(x[0]),
    torch.gradient(x[0])[0],
    torch.vander(torch.tensor([1, 2, 3])),
)
print(
    torch.combinations(torch.arange(4), 2),
    torch.cartesian_prod(torch.arange(2), torch.arange(2)),
    torch.block_diag(torch.ones(1, 2), torch.eye(2)),
)
print(
    x.softmax(0).sum(0),
    torch.logsumexp(x, (0, 1)),
    torch.logaddexp(x[0], x[1]),
    torch.logit(torch.tensor([0.3])),
    torch.special.expit(x[0, :2]),
)
