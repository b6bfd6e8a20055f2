"""Every schedule of learning rates, and averages of weights."""
# ruff: noqa

import torch
from torch import nn, optim
from torch.optim.lr_scheduler import (
    StepLR,
    MultiStepLR,
    ExponentialLR,
    CosineAnnealingLR,
    ReduceLROnPlateau,
    LambdaLR,
    OneCycleLR,
    CyclicLR,
    CosineAnnealingWarmRestarts,
    LinearLR,
    ConstantLR,
    PolynomialLR,
    SequentialLR,
    ChainedScheduler,
    MultiplicativeLR,
)
from torch.optim import lr_scheduler


def run(make, n=8, metric=None, **kw):
    p = nn.Parameter(torch.zeros(2))
    p2 = nn.Parameter(torch.zeros(1))
    opt = optim.SGD([{"params": [p]}, {"params": [p2], "lr": 0.5}], lr=0.1, momentum=0.9)
    s = make(opt)
    out = []
    for i in range(n):
        opt.step()
        s.step(metric(i)) if metric else s.step()
        out.append([round(g["lr"], 6) for g in opt.param_groups])
    print(type(s).__name__, out)
    try:
        print("  ", s.get_last_lr(), sorted(k for k in s.state_dict() if not k.startswith("_")))
    except Exception as e:
        print("  ", type(e).__name__)


run(lambda o: StepLR(o, 3, 0.5))
run(lambda o: MultiStepLR(o, [2, 5]))
run(lambda o: ExponentialLR(o, 0.9))
run(lambda o: CosineAnnealingLR(o, 5, 0.01))
run(lambda o: LambdaLR(o, [lambda e: 0.9**e, lambda e: 1 / (1 + e)]))
run(lambda o: MultiplicativeLR(o, lambda e: 0.8))
run(lambda o: OneCycleLR(o, 1.0, total_steps=9))
run(lambda o: OneCycleLR(o, [1.0, 2.0], epochs=3, steps_per_epoch=3, anneal_strategy="linear", three_phase=True))
run(lambda o: CyclicLR(o, 0.01, 0.1, step_size_up=3, mode="triangular2"))
run(lambda o: CosineAnnealingWarmRestarts(o, 3, 2))
run(lambda o: LinearLR(o, 0.25, total_iters=4))
run(lambda o: ConstantLR(o, 0.25, total_iters=4))
run(lambda o: PolynomialLR(o, 5, 2.0))
run(lambda o: SequentialLR(o, [ConstantLR(o, 0.1, 3), ExponentialLR(o, 0.9)], milestones=[3]))
run(lambda o: ChainedScheduler([ConstantLR(o, 0.1, 3), ExponentialLR(o, 0.9)], optimizer=o))
run(lambda o: ReduceLROnPlateau(o, "min", patience=1, factor=0.5, cooldown=1), metric=lambda i: 1.0 if i else 2.0)
ema = torch.optim.swa_utils.AveragedModel(nn.Linear(1, 1), multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))
print(ema.n_averaged)
model = nn.Linear(2, 1)
nn.init.ones_(model.weight)
nn.init.zeros_(model.bias)
swa_model = torch.optim.swa_utils.AveragedModel(model)
opt = optim.SGD(model.parameters(), lr=0.1)
swa = torch.optim.swa_utils.SWALR(opt, swa_lr=0.05, anneal_epochs=3)
for i in range(5):
    opt.zero_grad()
    model(torch.ones(3, 2)).pow(2).mean().backward()
    opt.step()
    swa_model.update_parameters(model)
    swa.step()
    print(i, [round(x, 5) for x in swa.get_last_lr()], [round(x, 5) for x in swa_model.module.weight[0].tolist()])
torch.optim.swa_utils.update_bn([torch.ones(3, 2)], swa_model)
try:
    StepLR("x", 3)
except TypeError as e:
    print(e)
try:
    LambdaLR(opt, [lambda e: 1, lambda e: 1])
except ValueError as e:
    print(e)
