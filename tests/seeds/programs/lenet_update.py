"""Notes 000, 4: parameters updated by hand, and by an optimizer."""
# ruff: noqa: UP008

import torch as t
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

t.manual_seed(2)


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
target = t.arange(0, 10).view(1, 10)
criterion = nn.MSELoss()

learning_rate = 0.01
for f in net.parameters():
    f.data.sub_(f.data * learning_rate)
print(net.conv1.bias)

optimizer = optim.SGD(net.parameters(), lr=0.01)
optimizer.zero_grad()
output = net(input)
loss = criterion(output, target.float())
loss.backward()
optimizer.step()
print(loss)
print(net.conv1.bias)
print(net.fc3.bias)
print(optimizer)
