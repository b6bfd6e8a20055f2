"""A line fitted to four points: the program of the picture and the C in the README."""

import graphc as gc

w = gc.tensor(0.5, requires_grad=True)
b = gc.tensor(0.0, requires_grad=True)


@gc.compile
def step(x, y):
    w.grad = b.grad = None
    z = w * x + b
    loss = ((z - y) ** 2).mean()
    loss.backward()
    with gc.no_grad():
        w.sub_(0.1 * w.grad)
        b.sub_(0.1 * b.grad)
    return loss


x = gc.tensor([0.0, 1.0, 2.0, 3.0])
for _ in range(100):
    loss = step(x, 2 * x + 1)
print(f"z = {w:.2f} x + {b:.2f}, loss {loss.item():.1e}")
