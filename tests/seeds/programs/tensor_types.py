"""Notes 004: the first tensor, types of tensors and conversions between them."""

import torch

torch.manual_seed(12)
x = torch.rand(5, 3)
print(x)
print(torch.cuda.is_available())

torch.set_default_tensor_type("torch.DoubleTensor")
print(torch.randn(2, 2))
print(torch.get_default_dtype())
torch.set_default_tensor_type("torch.FloatTensor")

a = torch.randn(2, 2)
print(a)
b = a.double()
print(b)
print(a.int(), a.float(), a.long())
c = a.type(torch.DoubleTensor)
print(c)
print(a.type(), c.type())
d = a.type_as(b)
print(d)
