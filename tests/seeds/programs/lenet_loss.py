"""Notes 000, 3: the mean squared error of LeNet's output, before and after the backward pass."""
# ruff: noqa: UP008

import torch as t
import torch.nn as nn
import torch.nn.functional as F

t.manual_seed(1)


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), (2, 2))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(x.size()[0], -1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        x = self.fc3(x)
        return x


net = Net()
input = t.randn(1, 1, 32, 32)
output = net(input)
target = t.arange(0, 10).view(1, 10)
criterion = nn.MSELoss()
loss = criterion(output, target.float())
print(loss)
print(target.float().long())

net.zero_grad()
print("反向传播之前 conv1.bias 的梯度: ")
print(net.conv1.bias.grad)
loss.backward()
print("反向传播之后 conv1.bias 的梯度: ")
print(net.conv1.bias.grad)
