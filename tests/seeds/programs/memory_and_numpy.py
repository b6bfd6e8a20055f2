"""Notes 004: writes in place, memory shared with numpy, and broadcasting."""

import numpy as np
import torch

torch.manual_seed(17)
a = torch.ones(2, 2)
b = torch.randn(2, 2)
print(a)
print(b)
c = a.add_(b)
print(a)
print(c is a)

b = np.array([[0.10268475, 0.0642312], [-0.11195517, 0.25361295]])
a = torch.as_tensor(b)
print(a)
print(b)
b[0, 0] = 1
print(a)
print(np.shares_memory(a.numpy(), b))
print(torch.from_numpy(b) + torch.ones(2))
