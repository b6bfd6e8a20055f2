import torch, torch.nn as nn, time

torch.manual_seed(0)


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(8, 16)
        self.b = nn.Linear(16, 4)
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        return self.b(self.drop(torch.relu(self.a(x))))


model = MLP()
opt_model = torch.compile(model, backend="eager")
print(opt_model, type(opt_model).__name__)
opt = torch.optim.Adam(opt_model.parameters(), 1e-2)
x, y = torch.randn(16, 8), torch.randint(4, (16,))
opt_model.eval()
for i in range(3):
    opt.zero_grad()
    loss = nn.functional.cross_entropy(opt_model(x), y)
    loss.backward()
    opt.step()
    print(i, round(loss.item(), 4))


@torch.compile(backend="eager")
def foo(x, y):
    a = torch.sin(x)
    b = torch.cos(y)
    if b.sum() < 0:
        b = b * -1
    return a + b


print(foo(torch.ones(3), torch.zeros(3)), foo(torch.ones(3), torch.full((3,), 3.0)))


@torch.compile(dynamic=True, backend="eager")
def rows(x):
    return x.sum(1) * x.shape[0]


print(rows(torch.ones(2, 3)), rows(torch.ones(4, 3)))


@torch.compile(fullgraph=True, backend="eager")
def step(p, g):
    return p - 0.1 * g


print(step(torch.ones(2), torch.ones(2)))


@torch.compiler.disable
def plain(x):
    print("plain")
    return x


print(plain(torch.ones(1)), torch.compiler.is_compiling())
with torch.no_grad():
    print(torch.allclose(model(x), opt_model(x), atol=1e-6))
sd = opt_model.state_dict()
print(list(sd))
model.load_state_dict({k.replace("_orig_mod.", ""): v for k, v in sd.items()})
model.compile(backend="eager")
print(model(x).shape, list(model.state_dict()))
hist = []


@torch.compile(backend="eager")
def logged(x):
    hist.append(x.mean().item())
    return x * 2


logged(torch.ones(2))
logged(torch.zeros(2))
print(hist)
torch._dynamo.reset()
