"""A program in the way of PyTorch's tutorials; what it prints is compared with PyTorch."""

import torch
import torch.utils.dlpack as dl
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

torch.manual_seed(3)
with torch.device("cpu"):
    print(torch.zeros(2))
print(dl.from_dlpack(dl.to_dlpack(torch.arange(3.0))))
torch.seed()
torch.manual_seed(1)
print(torch.initial_seed(), torch.rand(1))
with torch.random.fork_rng():
    torch.rand(5)
print(torch.rand(2))

print(list(WeightedRandomSampler([0.1, 0.9, 0.4, 0.7, 3.0, 0.6], 5, replacement=True)))
ds = TensorDataset(torch.arange(10.0).view(5, 2), torch.arange(5))
for xb, yb in DataLoader(ds, batch_size=2, shuffle=True):
    print(xb, yb)
w = torch.empty(3, 4)
torch.nn.init.kaiming_normal_(w)
print(w)
x = torch.rand(2, 2).pin_memory() if torch.cuda.is_available() else torch.rand(2, 2)
print(x)
print(torch.tensor([1, 2, 3]).float().mean(), torch.empty(2, 2).fill_(7), torch.ones(2).to("cpu", torch.float64))
a = torch.randn(2, 3, requires_grad=True)
b = a.data
b.mul_(2)
print(a)
print(
    torch.use_deterministic_algorithms(True),
    torch.are_deterministic_algorithms_enabled(),
    torch.typename(torch.nn.Linear(2, 2)),
)
