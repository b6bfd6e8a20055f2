"""Fast neural style: instance normalisation, padding by reflection, Gram matrices, total variation, LBFGS on pixels."""

import re
from collections import namedtuple

import torch
import torch.nn as nn


class ConvLayer(torch.nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride):
        super().__init__()
        self.reflection_pad = torch.nn.ReflectionPad2d(kernel_size // 2)
        self.conv2d = torch.nn.Conv2d(in_channels, out_channels, kernel_size, stride)

    def forward(self, x):
        return self.conv2d(self.reflection_pad(x))


class ResidualBlock(torch.nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = ConvLayer(channels, channels, kernel_size=3, stride=1)
        self.in1 = torch.nn.InstanceNorm2d(channels, affine=True)
        self.conv2 = ConvLayer(channels, channels, kernel_size=3, stride=1)
        self.in2 = torch.nn.InstanceNorm2d(channels, affine=True)
        self.relu = torch.nn.ReLU()

    def forward(self, x):
        return self.in2(self.conv2(self.relu(self.in1(self.conv1(x))))) + x


class UpsampleConvLayer(torch.nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride, upsample=None):
        super().__init__()
        self.upsample = upsample
        self.conv = ConvLayer(in_channels, out_channels, kernel_size, stride)

    def forward(self, x):
        if self.upsample:
            x = torch.nn.functional.interpolate(x, mode="nearest", scale_factor=self.upsample)
        return self.conv(x)


torch.manual_seed(42)
transformer = nn.Sequential(
    ConvLayer(3, 4, 5, 1),
    nn.InstanceNorm2d(4, affine=True),
    nn.ReLU(),
    ConvLayer(4, 8, 3, 2),
    ResidualBlock(8),
    UpsampleConvLayer(8, 3, 3, 1, upsample=2),
)
print(transformer)
features = nn.Sequential(
    nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3, padding=1), nn.ReLU()
)
for param in features.parameters():
    param.requires_grad = False
caught = {}
for number in (1, 4):
    features[number].register_forward_hook(lambda m, i, o, number=number: caught.__setitem__(f"relu{number}", o))
Outputs = namedtuple("Outputs", ["relu1", "relu4"])


def extract(x):
    features(x)
    return Outputs(caught["relu1"], caught["relu4"])


def gram_matrix(y):
    (b, ch, h, w) = y.size()
    f = y.view(b, ch, w * h)
    return f.bmm(f.transpose(1, 2)) / (ch * h * w)


def normalize_batch(batch):
    mean = batch.new_tensor([0.485, 0.456, 0.406]).view(-1, 1, 1)
    std = batch.new_tensor([0.229, 0.224, 0.225]).view(-1, 1, 1)
    batch = batch.div_(255.0)
    return (batch - mean) / std


content = torch.rand(2, 3, 16, 16) * 255
style = torch.rand(1, 3, 16, 16) * 255
gram_style = [gram_matrix(y) for y in extract(normalize_batch(style.repeat(2, 1, 1, 1)))]
print([g.shape for g in gram_style], gram_style[0][0])
optimizer = torch.optim.Adam(transformer.parameters(), 1e-2)
mse = torch.nn.MSELoss()
for step in range(3):
    optimizer.zero_grad()
    y = normalize_batch(transformer(content))
    x = normalize_batch(content.clone())
    fy, fx = extract(y), extract(x)
    content_loss = 1e2 * mse(fy.relu4, fx.relu4)
    style_loss = 0.0
    for ft_y, gm_s in zip(fy, gram_style):
        style_loss += mse(gram_matrix(ft_y), gm_s[:2, :, :])
    style_loss *= 1e3
    total = content_loss + style_loss
    total.backward()
    optimizer.step()
    print(f"{step}: content {content_loss.item():.3f} style {style_loss.item():.3f} total {total:.3f}")
input_img = content[:1].clone().div(255).requires_grad_(True)
optimizer = torch.optim.LBFGS([input_img], max_iter=3)
run = [0]
while run[0] <= 6:

    def closure():
        with torch.no_grad():
            input_img.clamp_(0, 1)
        optimizer.zero_grad()
        out = extract(input_img)
        tv = (input_img[..., 1:] - input_img[..., :-1]).abs().mean() + (
            input_img[:, :, 1:] - input_img[:, :, :-1]
        ).abs().mean()
        loss = sum(mse(gram_matrix(f), g[:1]) for f, g in zip(out, gram_style)) + 0.01 * tv
        loss.backward()
        run[0] += 1
        print(f"run {run}: {loss.item():.5f}")
        return loss

    optimizer.step(closure)
with torch.no_grad():
    input_img.clamp_(0, 1)
print(input_img.min(), input_img.max(), input_img.is_leaf)
state = {re.sub(r"^0\.", "first.", k): v for k, v in transformer.state_dict().items()}
print(list(state)[:4])
