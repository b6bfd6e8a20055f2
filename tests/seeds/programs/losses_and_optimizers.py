"""Notes 004: cross entropy as function and module, an optimizer, and learning rates that are changed by hand."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import optim

torch.manual_seed(21)
y = torch.Tensor([0.1, 0.3, 0.6]).unsqueeze(0)
t = torch.Tensor([2]).long()
loss_f = F.cross_entropy(y, t)
print(loss_f)
criterion = nn.CrossEntropyLoss()
loss_nn = criterion(y, t)
print(loss_nn)

net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 3))
optimizer = optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
for _ in range(3):
    optimizer.zero_grad()
    loss = criterion(net(y), t)
    loss.backward()
    optimizer.step()
    print(loss)


def set_learning_rate(optimizer, lr):
    """Sets the learning rate to the given value"""
    for param_group in optimizer.param_groups:
        param_group["lr"] = lr


set_learning_rate(optimizer, 0.1)
print(optimizer)
optimizer = optim.SGD(
    [{"params": net[0].parameters(), "lr": 0.01}, {"params": net[2].parameters()}], lr=0.001, momentum=0.9
)
print([group["lr"] for group in optimizer.param_groups])
scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.1)
for _ in range(4):
    optimizer.step()
    scheduler.step()
    print(scheduler.get_last_lr())
