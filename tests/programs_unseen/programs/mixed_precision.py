"""Mixed precision on the processor, scaled gradients, and accumulation."""

import torch
import torch.nn as nn
from torch.amp import GradScaler, autocast

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, 4))
opt = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
loss_fn = nn.MSELoss()
data, targets = torch.randn(12, 8), torch.randn(12, 4)
with torch.autocast(device_type="cpu", dtype=torch.bfloat16):
    out = net(data)
    print(out.dtype, net[0](data).dtype, torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu"))
    print(
        (data @ data.T).dtype, data.exp().dtype, torch.softmax(out, 1).dtype, nn.functional.mse_loss(out, targets).dtype
    )
    with torch.autocast(device_type="cpu", enabled=False):
        print(net(data).dtype)
print(out)
scaler = GradScaler("cpu", init_scale=1024.0, growth_interval=2)
print(scaler.get_scale(), scaler.is_enabled())
for epoch in range(3):
    for i, (x, y) in enumerate(zip(data.chunk(3), targets.chunk(3))):
        with autocast("cpu", dtype=torch.bfloat16):
            output = net(x)
            loss = loss_fn(output, y) / 3
        scaler.scale(loss).backward()
        if (i + 1) % 3 == 0:
            scaler.unscale_(opt)
            norm = torch.nn.utils.clip_grad_norm_(net.parameters(), max_norm=0.5)
            scaler.step(opt)
            scaler.update()
            opt.zero_grad(set_to_none=True)
            print(epoch, round(loss.item(), 3), round(norm.item(), 2), scaler.get_scale())
net[0].weight.grad = torch.full_like(net[0].weight, float("inf"))
before = net[0].weight.clone()
scaler.step(opt)
scaler.update()
print(torch.equal(before, net[0].weight), scaler.get_scale(), scaler.state_dict())


@torch.autocast("cpu", dtype=torch.bfloat16)
def forward(x):
    return net(x)


print(forward(data).dtype)
half = nn.Linear(4, 4).half()
print(half(torch.ones(1, 4, dtype=torch.float16)), half.weight.dtype)
print(net.bfloat16()(data.bfloat16()).float().sum().dtype, torch.finfo(torch.bfloat16), torch.finfo(torch.float16).max)
