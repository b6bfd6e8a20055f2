"""A line fitted to four points: the program of the picture and of the C in the README."""

import graphc as gc
from graphc import optim

w = gc.tensor(0.5, requires_grad=True)
b = gc.tensor(0.0, requires_grad=True)
opt = optim.SGD([w, b], lr=0.1)


@gc.compile
def step(x, y):
    opt.zero_grad()
    z = w * x + b
    loss = ((z - y) ** 2).mean()
    loss.backward()
    opt.step()
    return loss


x = gc.tensor([0.0, 1.0, 2.0, 3.0])
for _ in range(100):
    loss = step(x, 2 * x + 1)
print(f"z = {w:.2f} x + {b:.2f}, loss {loss:.1e}")
