"""Notes 002, deferred initialisation: layers that learn their sizes from their first input; and states on disk."""

import os
import tempfile

import torch
from torch import nn

torch.manual_seed(8)
net = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(2))
print(net)
print(net(torch.rand(2, 4)))
print(net)

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "mlp.params")
    torch.save(net.state_dict(), path)
    clone = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    print(clone.load_state_dict(torch.load(path)))
X = torch.rand(3, 4)
print(clone(X) == net(X))
