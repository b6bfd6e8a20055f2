"""Notes 004, GPUs: programs that ask for one go on without it."""

import torch
import torch.nn as nn

torch.manual_seed(23)
a = torch.randn(3, 3)
b = nn.Linear(3, 2)
if torch.cuda.is_available():
    a = a.cuda()
    b = b.cuda(1)
device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
print(device)
c = torch.randn(3, 3, device=device)
print(c)
b.to(device)
c = c.to(device)
print(c.device)
model_gpu = nn.DataParallel(b)
output = model_gpu(c)
print(output)
try:
    torch.cuda.set_device(1)
except (AssertionError, AttributeError):
    print("no GPU")
