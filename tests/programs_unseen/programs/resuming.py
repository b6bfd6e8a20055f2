"""Checkpoints: saving, resuming to the same numbers, strictness, and files of states."""

import os
import random
import tempfile

import numpy as np
import torch
import torch.nn as nn

random.seed(0)
np.random.seed(0)
torch.manual_seed(0)


def build():
    torch.manual_seed(7)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.ReLU(), nn.Linear(8, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=12)
    return model, optimizer, scheduler


def step(model, optimizer, scheduler):
    x = torch.randn(6, 4)
    loss = nn.functional.cross_entropy(model(x), torch.randint(2, (6,)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    return round(loss.item(), 4)


folder = tempfile.mkdtemp()
path = os.path.join(folder, "checkpoint.pth.tar")
parts = build()
print([step(*parts) for _ in range(3)])
torch.save(
    {
        "epoch": 3,
        "state_dict": parts[0].state_dict(),
        "optimizer": parts[1].state_dict(),
        "scheduler": parts[2].state_dict(),
        "rng": torch.get_rng_state(),
        "best": torch.tensor(0.5),
        "args": {"lr": 0.01},
    },
    path,
)
print(os.listdir(folder), [step(*parts) for _ in range(3)])
checkpoint = torch.load(path, map_location=torch.device("cpu"), weights_only=False)
print(sorted(checkpoint), checkpoint["epoch"], checkpoint["best"], checkpoint["rng"].dtype, checkpoint["rng"].shape)
model, optimizer, scheduler = build()
print(model.load_state_dict(checkpoint["state_dict"]))
optimizer.load_state_dict(checkpoint["optimizer"])
scheduler.load_state_dict(checkpoint["scheduler"])
torch.set_rng_state(checkpoint["rng"])
print([step(model, optimizer, scheduler) for _ in range(3)], scheduler.last_epoch, scheduler.get_last_lr())
print({k: (v if not torch.is_tensor(v) else v.shape) for k, v in optimizer.state_dict()["state"][0].items()})
print({k: v for k, v in optimizer.state_dict()["param_groups"][0].items()})
try:
    nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3)).load_state_dict(checkpoint["state_dict"])
except RuntimeError as error:
    print(error)
partial = {k: v for k, v in checkpoint["state_dict"].items() if k.startswith("0.")}
print(model.load_state_dict(partial, strict=False))
print(model.state_dict()._metadata)
torch.save(torch.arange(3), path)
print(torch.load(path), os.path.exists(path))
torch.save([torch.ones(2), {"a": (1, 2.5, "x", None)}], path, _use_new_zipfile_serialization=False)
print(torch.load(path))
with open(path, "wb") as f:
    torch.save(model[0].weight, f)
weight = torch.load(path)
print(type(weight), weight.requires_grad, weight.is_leaf)
try:
    torch.load(os.path.join(folder, "nothing.pt"))
except FileNotFoundError as error:
    print(error.errno, type(error).__name__)
