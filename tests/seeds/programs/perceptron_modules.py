"""Notes 004, nn: a linear layer and perceptrons of one's own, with modules and with `nn.Sequential`."""
# ruff: noqa: UP008

import torch
from torch import nn

torch.manual_seed(20)


class Linear(nn.Module):
    def __init__(self, in_dim, out_dim):
        super(Linear, self).__init__()
        self.w = nn.Parameter(torch.randn(in_dim, out_dim))
        self.b = nn.Parameter(torch.randn(out_dim))

    def forward(self, x):
        x = x.matmul(self.w)
        y = x + self.b
        return y


class Perception(nn.Module):
    def __init__(self, in_dim, hid_dim, out_dim):
        super(Perception, self).__init__()
        self.layer1 = Linear(in_dim, hid_dim)
        self.layer2 = Linear(hid_dim, out_dim)

    def forward(self, x):
        x = self.layer1(x)
        y = torch.sigmoid(x)
        y = self.layer2(y)
        y = torch.sigmoid(y)
        return y


perception = Perception(2, 3, 2)
print(perception)
for name, parameter in perception.named_parameters():
    print(name, parameter)
print(perception(torch.randn(4, 2)))


class MLP(nn.Module):
    def __init__(self, in_dim, hid_dim1, hid_dim2, out_dim):
        super(MLP, self).__init__()
        self.layer = nn.Sequential(
            nn.Linear(in_dim, hid_dim1),
            nn.ReLU(),
            nn.Linear(hid_dim1, hid_dim2),
            nn.ReLU(),
            nn.Linear(hid_dim2, out_dim),
            nn.Softmax(dim=1),
        )

    def forward(self, x):
        x = self.layer(x)
        return x


model = MLP(28 * 28, 300, 200, 10)
print(model)
output = model(torch.randn(2, 28 * 28))
print(output.shape, output.sum(1))
same = torch.rand(2, 28 * 28)
x = same
for layer in model.layer:
    x = layer(x)
print((x == model(same)).all())

net = nn.Sequential(nn.Linear(100, 10))
net.add_module("extra-layer", nn.Linear(10, 20))
print(net)
