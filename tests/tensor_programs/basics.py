"""A program in the way of PyTorch's tutorials; what it prints is compared with PyTorch."""

import numpy as np
import torch

torch.manual_seed(42)
data = [[1, 2], [3, 4]]
x_data = torch.tensor(data)
print(x_data, x_data.dtype)
np_array = np.array(data)
x_np = torch.from_numpy(np_array)
print(x_np)
x_ones = torch.ones_like(x_data)
print(f"Ones Tensor: \n {x_ones} \n")
x_rand = torch.rand_like(x_data, dtype=torch.float)
print(f"Random Tensor: \n {x_rand} \n")
shape = (
    2,
    3,
)
print(torch.rand(shape), torch.ones(shape), torch.zeros(shape))
tensor = torch.rand(3, 4)
print(f"Shape of tensor: {tensor.shape}\nDatatype: {tensor.dtype}\nDevice: {tensor.device}")
if torch.cuda.is_available():
    tensor = tensor.to("cuda")
tensor = torch.ones(4, 4)
print(f"First row: {tensor[0]}", f"First column: {tensor[:, 0]}", f"Last column: {tensor[..., -1]}")
tensor[:, 1] = 0
print(tensor)
t1 = torch.cat([tensor, tensor, tensor], dim=1)
print(t1)
y1 = tensor @ tensor.T
y2 = tensor.matmul(tensor.T)
y3 = torch.rand_like(y1)
torch.matmul(tensor, tensor.T, out=y3)
print(y1, y3)
z1 = tensor * tensor
z3 = torch.rand_like(tensor)
torch.mul(tensor, tensor, out=z3)
print(z3)
agg = tensor.sum()
agg_item = agg.item()
print(agg_item, type(agg_item))
tensor.add_(5)
print(tensor)
t = torch.ones(5)
n = t.numpy()
t.add_(1)
print(t, n)
n = np.ones(5)
t = torch.from_numpy(n)
np.add(n, 1, out=n)
print(t, n)
x = torch.empty(3, 4)
print(type(x), x.shape)
a = torch.ones((2, 3), dtype=torch.int16)
print(a)
b = torch.rand((2, 3), dtype=torch.float64) * 20.0
print(b)
c = b.to(torch.int32)
print(c)
print(torch.arange(0, 10, 2.5), torch.linspace(0, 1, 5), torch.logspace(0, 3, 4), torch.eye(3), torch.full((2, 2), 7))
print(torch.randperm(10), torch.randint(0, 10, (3, 3)), torch.normal(0.0, 1.0, (2, 3)))
print(
    torch.bernoulli(torch.tensor([0.1, 0.5, 0.9])),
    torch.multinomial(torch.tensor([0.0, 1, 2, 3]), 2),
    torch.poisson(torch.ones(3) * 4),
)
x = torch.randn(4, 4)
y = x.view(16)
z = x.view(-1, 8)
print(x.size(), y.size(), z.size(), y.storage_offset(), x.stride(), x.t().stride())
print(x.is_contiguous(), x.t().is_contiguous(), x.t().contiguous().is_contiguous(), x.data_ptr() == y.data_ptr())
print(x.new_zeros(2, 2), x.new_tensor([1, 2]), x.new_full((2,), 3.14), x.new_ones(2, dtype=torch.int32))
w = torch.empty(3, 5)
torch.nn.init.xavier_uniform_(w)
print(w)
u = torch.empty(2, 3).uniform_(-1, 1)
print(u, u.normal_(0, 0.01), u.exponential_(), u.cauchy_(), u.log_normal_(), u.geometric_(0.5), u.random_(10))
print(torch.tensor(3.5).item(), torch.tensor([1.5, 2]).tolist(), torch.tensor([[1, 2], [3, 4]]).tolist())
print(torch.zeros(2, 3, dtype=torch.complex64), torch.complex(torch.ones(2), torch.zeros(2)))
print(torch.get_default_dtype())
torch.set_default_dtype(torch.float64)
print(torch.tensor([1.2, 3]).dtype, torch.zeros(1))
torch.set_default_dtype(torch.float32)
print(torch.is_tensor(x), torch.numel(x), torch.is_floating_point(x))
print(
    torch.Tensor(2, 3).shape,
    torch.FloatTensor([1, 2]),
    torch.LongTensor([1, 2]),
    x.type(),
    x.type(torch.DoubleTensor).dtype,
)
g = torch.Generator().manual_seed(7)
print(
    torch.rand(3, generator=g),
    torch.randn(2, generator=g),
    torch.randint(5, (3,), generator=g),
    torch.randperm(4, generator=g),
)
s = torch.get_rng_state()
a1 = torch.rand(2)
torch.set_rng_state(s)
print(a1 == torch.rand(2))
print(torch.tril(torch.ones(3, 3)), torch.triu_indices(3, 3), torch.tril_indices(3, 2))
