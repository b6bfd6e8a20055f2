"""Super resolution by sub-pixel convolution, with PSNR, and saving of the whole module."""

import io
from math import log10

import torch
import torch.nn as nn
import torch.nn.init as init
import torch.optim as optim


class Net(nn.Module):
    def __init__(self, upscale_factor):
        super().__init__()
        self.relu = nn.ReLU()
        self.conv1 = nn.Conv2d(1, 8, (5, 5), (1, 1), (2, 2))
        self.conv2 = nn.Conv2d(8, 8, (3, 3), (1, 1), (1, 1), padding_mode="replicate")
        self.conv4 = nn.Conv2d(8, upscale_factor**2, (3, 3), (1, 1), (1, 1))
        self.pixel_shuffle = nn.PixelShuffle(upscale_factor)
        self._initialize_weights()

    def forward(self, x):
        x = self.relu(self.conv1(x))
        x = self.relu(self.conv2(x))
        return self.pixel_shuffle(self.conv4(x))

    def _initialize_weights(self):
        init.dirac_(self.conv1.weight)
        init.kaiming_uniform_(self.conv2.weight, a=5**0.5)
        init.sparse_(self.conv4.weight.view(9, -1).data, sparsity=0.3)


torch.manual_seed(123)
model = Net(upscale_factor=3)
print(model)
criterion = nn.MSELoss()
optimizer = optim.Adam(model.parameters(), lr=0.01)
target = torch.rand(4, 1, 24, 24)
source = torch.nn.functional.interpolate(
    target, scale_factor=1 / 3, mode="bicubic", align_corners=False, antialias=True
)
print(source.shape, source[0, 0, 0, :4])


def train(epoch):
    epoch_loss = 0
    for iteration, (input, wanted) in enumerate(zip(source.split(2), target.split(2)), 1):
        optimizer.zero_grad()
        loss = criterion(model(input), wanted)
        epoch_loss += loss.item()
        loss.backward()
        optimizer.step()
        print(f"===> Epoch[{epoch}]({iteration}/{2}): Loss: {loss.item():.4f}")
    print(f"===> Epoch {epoch} Complete: Avg. Loss: {epoch_loss / 2:.4f}")


def test():
    avg_psnr = 0
    with torch.no_grad():
        for input, wanted in zip(source.unbind(), target.unbind()):
            mse = criterion(model(input), wanted)
            avg_psnr += 10 * log10(1 / mse.item())
    print(f"===> Avg. PSNR: {avg_psnr / 4:.4f} dB")


for epoch in range(1, 4):
    train(epoch)
    test()
buffer = io.BytesIO()
torch.save(model, buffer)
buffer.seek(0)
try:
    torch.load(buffer)
except Exception as error:
    print(type(error).__name__, str(error).splitlines()[0][:25])
buffer.seek(0)
again = torch.load(buffer, weights_only=False)
print(again(source).allclose(model(source)), type(again).__name__)
for mode in ("nearest", "bilinear", "bicubic", "area", "nearest-exact"):
    options = {"align_corners": True} if mode in ("bilinear", "bicubic") else {}
    print(mode, torch.nn.functional.interpolate(source[:1], size=(5, 5), mode=mode, **options)[0, 0, 0])
print(nn.PixelUnshuffle(3)(target).shape, nn.UpsamplingBilinear2d(scale_factor=2)(source)[0, 0, 0, :4])
