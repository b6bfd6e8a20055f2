"""Notes 004, models: VGG-16, its parts, its names, saved and loaded, and layers that do not learn."""

import os
import tempfile

import torch
from torchvision import models

torch.manual_seed(22)
net = models.vgg16()
print(len(net.features))
print(len(net.classifier))
print(net.classifier[-1])
print(type(net.state_dict()))
for key in net.state_dict():
    print(key)
for layer in range(7):
    for p in net.features[layer].parameters():
        p.requires_grad = False
print(sum(p.requires_grad for p in net.parameters()), sum(p.numel() for p in net.parameters()))
optimizer = torch.optim.SGD(net.classifier[-1].parameters(), lr=0.001, momentum=0.9)
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "vgg16.pth")
    torch.save({"model": net.classifier[-1].state_dict(), "optimizer": optimizer.state_dict()}, path)
    state_dict = torch.load(path)
print(list(state_dict), net.classifier[-1].load_state_dict(state_dict["model"]))
