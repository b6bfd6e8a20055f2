"""Parametrizations, weight and spectral norms, and orthogonal maps."""

import torch
import torch.nn as nn
import torch.nn.utils.parametrize as parametrize
from torch.nn.utils import parametrizations

torch.manual_seed(0)


class Symmetric(nn.Module):
    def forward(self, X):
        return X.triu() + X.triu(1).transpose(-1, -2)


class Skew(nn.Module):
    def forward(self, X):
        A = X.triu(1)
        return A - A.transpose(-1, -2)

    def right_inverse(self, A):
        return A.triu(1)


class CayleyMap(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.register_buffer("Id", torch.eye(n))

    def forward(self, X):
        return torch.linalg.solve(self.Id - X, self.Id + X)


layer = nn.Linear(3, 3)
parametrize.register_parametrization(layer, "weight", Symmetric())
A = layer.weight
print(torch.allclose(A, A.T), A)
print(layer)
print(f"Unparametrized:\n{nn.Linear(3, 3)}")
print(layer.parametrizations.weight[0], layer.parametrizations.weight.original.shape)
print(dict(layer.named_parameters()).keys(), list(layer.state_dict()))
cnn = nn.Conv2d(in_channels=2, out_channels=2, kernel_size=3, padding=1)
layer = nn.Linear(3, 3)
parametrize.register_parametrization(layer, "weight", Skew())
parametrize.register_parametrization(layer, "weight", CayleyMap(3))
X = layer.weight
print(torch.dist(X.T @ X, torch.eye(3)) < 1e-5, layer)
layer(torch.ones(1, 3)).sum().backward()
print(layer.parametrizations.weight.original.grad)
with parametrize.cached():
    print(layer.weight is layer.weight)
print(parametrize.is_parametrized(layer), parametrize.is_parametrized(layer, "bias"))
parametrize.remove_parametrizations(layer, "weight")
print(layer, layer.weight.shape, type(layer.weight))
skew = nn.Linear(2, 2)
parametrize.register_parametrization(skew, "weight", Skew())
try:
    skew.weight = torch.eye(2)
    print(skew.weight)
except Exception as error:
    print(type(error).__name__, error)
with torch.no_grad():
    skew.weight = torch.tensor([[0.0, 5.0], [-5.0, 0.0]])
print(skew.weight)
wn = parametrizations.weight_norm(nn.Linear(3, 2), name="weight")
print(wn, [(n, tuple(p.shape)) for n, p in wn.named_parameters()])
print(wn(torch.ones(1, 3)))
sn = parametrizations.spectral_norm(nn.Linear(4, 3))
sn.train()
for _ in range(5):
    sn(torch.ones(1, 4))
print(torch.linalg.matrix_norm(sn.weight, 2) < 1.1, list(sn.state_dict()))
on = parametrizations.orthogonal(nn.Linear(3, 3))
print(torch.allclose(on.weight.T @ on.weight, torch.eye(3), atol=1e-5), on)
old = nn.utils.weight_norm(nn.Linear(2, 2))
print(old, [n for n, _ in old.named_parameters()])
nn.utils.remove_weight_norm(old)
print([n for n, _ in old.named_parameters()])
old = nn.utils.spectral_norm(nn.Linear(2, 2))
print([n for n, _ in old.named_parameters()], [n for n, _ in old.named_buffers()])
