"""A small residual net: batch norms, shortcuts, mixup, and frozen layers."""
# ruff: noqa

import torch, torch.nn as nn, torch.nn.functional as F

torch.manual_seed(3)


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, in_planes, planes, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_planes, planes, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride=1, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_planes != planes:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_planes, planes, 1, stride=stride, bias=False), nn.BatchNorm2d(planes)
            )

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        return F.relu(out)


class ResNet(nn.Module):
    def __init__(self, blocks, classes=10):
        super().__init__()
        self.in_planes = 4
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.layer1 = self._make(4, blocks[0], 1)
        self.layer2 = self._make(8, blocks[1], 2)
        self.linear = nn.Linear(8, classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)):
                nn.init.constant_(m.weight, 1)
                nn.init.constant_(m.bias, 0)

    def _make(self, planes, n, stride):
        layers = []
        for s in [stride] + [1] * (n - 1):
            layers.append(BasicBlock(self.in_planes, planes, s))
            self.in_planes = planes
        return nn.Sequential(*layers)

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.layer2(self.layer1(out))
        out = F.adaptive_avg_pool2d(out, 1).flatten(1)
        return self.linear(out)


net = ResNet([1, 2])
print(net)
print(sum(p.numel() for p in net.parameters()))
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, nesterov=True)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=4)
crit = nn.CrossEntropyLoss(label_smoothing=0.1)
x, y = torch.randn(8, 3, 16, 16), torch.randint(10, (8,))


def accuracy(output, target, topk=(1,)):
    with torch.no_grad():
        maxk = max(topk)
        _, pred = output.topk(maxk, 1, True, True)
        pred = pred.t()
        correct = pred.eq(target.view(1, -1).expand_as(pred))
        return [correct[:k].reshape(-1).float().sum(0, keepdim=True).mul_(100.0 / target.size(0)) for k in topk]


for i in range(4):
    net.train()
    opt.zero_grad(set_to_none=True)
    out = net(x)
    loss = crit(out, y)
    loss.backward()
    opt.step()
    sched.step()
    a1, a5 = accuracy(out, y, (1, 5))
    print(f"{i} {loss.item():.4f} {a1.item():.1f} {a5[0]:.1f} {sched.get_last_lr()[0]:.5f}")
net.eval()
with torch.no_grad():
    print(net(x)[0].softmax(0))
    lam = 0.3
    idx = torch.randperm(8)
    mixed = lam * x + (1 - lam) * x[idx]
    print(idx, f"{mixed.mean():.5f}")
print(net.bn1.running_mean, net.bn1.num_batches_tracked)
frozen = [n for n, p in net.named_parameters() if "layer1" in n]
for n, p in net.named_parameters():
    p.requires_grad = "linear" in n
print(frozen, sum(p.requires_grad for p in net.parameters()))
print(sorted({type(m).__name__ for m in net.modules()}), net.layer2[0].shortcut[0].weight.shape)
