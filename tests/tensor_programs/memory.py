"""A program in the way of PyTorch's tutorials; what it prints is compared with PyTorch."""

import copy
import warnings

import torch

warnings.filterwarnings("ignore")
torch.manual_seed(0)
x = torch.arange(24).reshape(2, 3, 4)
print(x.permute(2, 0, 1).shape, x.transpose(0, 1).stride(), x.unsqueeze(0).shape, x.as_strided((2, 2), (1, 2)))
y = x.float()
y.unsqueeze_(0)
print(y.shape)
y.squeeze_(0)
y.transpose_(0, 2)
print(y.shape, y.stride())
m = torch.arange(6.0).view(2, 3)
m.t_()
print(m, m.is_contiguous())
m.resize_(2, 2)
print(m)
s = torch.tensor([1.0, 2, 3]).storage()
print(len(s), s[0], list(s), s)
v = torch.arange(6.0)[2:]
print(v.storage_offset(), v.untyped_storage().size(), v.untyped_storage().nbytes())
a = torch.ones(3, requires_grad=True)
b = a.clone().detach().requires_grad_(True)
print(b, b.is_leaf, a.grad)
c = torch.tensor([1.0, 2.0], requires_grad=True)
d = c.new_tensor([3.0, 4.0], requires_grad=True)
(c * d).sum().backward()
print(c.grad, d.grad)
z = torch.zeros(2, 2)
z[0] = torch.tensor([1, 2])
print(z)
z.fill_(3.14)
print(z)
z.zero_()
print(z)
print(torch.ones(2, 3).mT.shape, torch.ones(2, 3).T, torch.ones(2, 2, dtype=torch.complex64).H)
e = torch.full([2, 2], 2)
print(e.dtype, e**2, torch.full_like(e, 1.7), torch.zeros_like(e, dtype=torch.bool))
print(copy.deepcopy(m), copy.copy(e))
q = torch.tensor([[1.0, -1.0], [0.5, 2.0]])
torch.relu_(q)
print(q)
torch.sqrt_(q)
print(q)
print(torch.as_tensor([1, 2, 3]), torch.asarray([1.0, 2.0]), torch.scalar_tensor(2))
print(torch.from_dlpack(torch.arange(3)), torch.frombuffer(bytearray(b"\x01\x02\x03\x04"), dtype=torch.int16))
n = torch.tensor([1, 2, 3])
print(n.double(), n.half(), n.bool(), n.to(torch.uint8), n.type(torch.float32), n.bfloat16())
print(torch.randint_like(torch.zeros(2, 3), 10), torch.randn(3, 3, dtype=torch.float64))
print(torch.set_printoptions(precision=2))
print(torch.randn(3) * 100)
torch.set_printoptions(profile="default")
print(torch.rand(1001)[:3], torch.zeros(1001))
print(
    torch.empty((0, 3)),
    torch.tensor([]),
    torch.tensor(True),
    torch.tensor(1e10),
    torch.tensor([1e-8, 1.0]),
    torch.tensor([float("nan"), float("inf")]),
)
w = torch.nn.functional.dropout(torch.ones(2, 8), 0.5)
print(w)
big = torch.ones(1, 3, 2, 2).to(memory_format=torch.channels_last)
print(big.stride(), big.is_contiguous(), big.is_contiguous(memory_format=torch.channels_last))
try:
    torch.zeros(2).view(3)
except RuntimeError as err:
    print(err)
try:
    torch.ones(2, 3) + torch.ones(4)
except RuntimeError as err:
    print(err)
try:
    torch.tensor([1, 2]).requires_grad_()
except RuntimeError as err:
    print(err)
try:
    torch.zeros(2, requires_grad=True).add_(1)
except RuntimeError as err:
    print(err)
