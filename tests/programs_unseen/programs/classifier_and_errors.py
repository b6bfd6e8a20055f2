import torch, torch.nn as nn, torch.nn.functional as F

torch.manual_seed(1)


class VGGish(nn.Module):
    cfg = [4, "M", 8, "M"]

    def __init__(self):
        super().__init__()
        self.features = self._make(self.cfg)
        self.classifier = nn.Linear(8 * 4, 3)

    def _make(self, cfg):
        layers, c = [], 1
        for x in cfg:
            if x == "M":
                layers += [nn.MaxPool2d(kernel_size=2, stride=2)]
            else:
                layers += [nn.Conv2d(c, x, kernel_size=3, padding=1), nn.BatchNorm2d(x), nn.ReLU(inplace=True)]
                c = x
        return nn.Sequential(*layers)

    def forward(self, x):
        return self.classifier(self.features(x).view(x.size(0), -1))


net = VGGish()
crit = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 0.5]), reduction="sum")
best = 0
groups = [{"params": net.features.parameters(), "lr": 1e-3}, {"params": net.classifier.parameters()}]
opt = torch.optim.SGD(groups, lr=0.1, momentum=0.9, weight_decay=5e-4)
print(opt)
sched = torch.optim.lr_scheduler.SequentialLR(
    opt,
    [torch.optim.lr_scheduler.LinearLR(opt, 0.1, total_iters=2), torch.optim.lr_scheduler.MultiStepLR(opt, [3])],
    milestones=[2],
)
x, y = torch.rand(9, 1, 8, 8), torch.arange(9) % 3
for e in range(5):
    net.train()
    loss = crit(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    sched.step()
    print(e, "%.3f" % loss, [round(l, 6) for l in sched.get_last_lr()])
_, pred = net(x).max(1)
total, correct = y.size(0), pred.eq(y).sum().item()
print("Acc: %.3f%% (%d/%d)" % (100.0 * correct / total, correct, total))
cm = torch.zeros(3, 3, dtype=torch.int64)
[cm[t.long()].__setitem__(p.long(), cm[t, p] + 1) for t, p in zip(y, pred)]
print(cm, cm.diag() / cm.sum(1))
mixup = torch.distributions.Beta(0.4, 0.4).sample()
print(mixup, torch.lerp(x[:1], x[1:2], mixup).shape)
w = torch.nn.Parameter(torch.randn(2, 2))
print(
    w,
    repr(w.data),
    w.grad,
    w.requires_grad,
    torch.nn.init.calculate_gain("leaky_relu", 0.2),
    sum(p.numel() for p in net.parameters() if p.requires_grad),
)
try:
    net(torch.rand(1, 3, 8, 8))
except RuntimeError as e:
    print(e)
try:
    F.cross_entropy(torch.rand(2, 3), torch.tensor([0, 5]))
except IndexError as e:
    print(e)
try:
    torch.ones(2, 3) @ torch.ones(2, 3)
except RuntimeError as e:
    print(e)
try:
    torch.cat([torch.ones(2, 3), torch.ones(3, 2)])
except RuntimeError as e:
    print(e)
try:
    torch.ones(3).view(2, 2)
except RuntimeError as e:
    print(e)
try:
    (torch.ones(2, requires_grad=True) * 2).backward()
except RuntimeError as e:
    print(e)
try:
    torch.ones(2, requires_grad=True).numpy()
except RuntimeError as e:
    print(e)
try:
    net.load_state_dict({})
except RuntimeError as e:
    print(str(e)[:90])
try:
    torch.tensor([1, 2]) + torch.tensor([1, 2, 3])
except RuntimeError as e:
    print(e)
try:
    torch.zeros(2)[5]
except IndexError as e:
    print(e)
try:
    nn.Linear(2, 2)(torch.ones(1, 3))
except RuntimeError as e:
    print(e)
try:
    torch.ones(2).cuda()
except (AssertionError, RuntimeError) as e:
    print(type(e).__name__)
try:
    F.nll_loss(torch.rand(2, 3), torch.tensor([0.0, 1.0]))
except RuntimeError as e:
    print(e)
try:
    nn.Conv2d(1, 1, 3)(torch.rand(1, 1, 2, 2))
except RuntimeError as e:
    print(e)
try:
    torch.optim.SGD([], lr=0.1)
except ValueError as e:
    print(e)
try:
    torch.optim.Adam(net.parameters(), lr=-1)
except ValueError as e:
    print(e)
