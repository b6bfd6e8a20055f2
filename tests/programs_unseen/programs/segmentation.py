import torch, torch.nn as nn, torch.nn.functional as F

torch.manual_seed(0)


class DoubleConv(nn.Module):
    def __init__(self, i, o, m=None):
        super().__init__()
        m = m or o
        self.double_conv = nn.Sequential(
            nn.Conv2d(i, m, 3, padding=1, bias=False),
            nn.BatchNorm2d(m),
            nn.ReLU(inplace=True),
            nn.Conv2d(m, o, 3, padding=1, bias=False),
            nn.BatchNorm2d(o),
            nn.ReLU(inplace=True),
        )

    def forward(self, x):
        return self.double_conv(x)


class Up(nn.Module):
    def __init__(self, i, o, bilinear):
        super().__init__()
        if bilinear:
            self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
            self.conv = DoubleConv(i, o, i // 2)
        else:
            self.up = nn.ConvTranspose2d(i, i // 2, 2, stride=2)
            self.conv = DoubleConv(i, o)

    def forward(self, x1, x2):
        x1 = self.up(x1)
        dy, dx = x2.size()[2] - x1.size()[2], x2.size()[3] - x1.size()[3]
        x1 = F.pad(x1, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        return self.conv(torch.cat([x2, x1], dim=1))


class UNet(nn.Module):
    def __init__(self, c, n, bilinear=False):
        super().__init__()
        self.inc = DoubleConv(c, 4)
        self.down1 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(4, 8))
        f = 2 if bilinear else 1
        self.down2 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(8, 16 // f))
        self.up1 = Up(16, 8 // f, bilinear)
        self.up2 = Up(8, 4, bilinear)
        self.outc = nn.Conv2d(4, n, 1)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        return self.outc(self.up2(self.up1(x3, x2), x1))


def dice_coeff(a, b, eps=1e-6):
    inter = 2 * (a * b).sum((-1, -2))
    s = a.sum((-1, -2)) + b.sum((-1, -2))
    s = torch.where(s == 0, inter, s)
    return ((inter + eps) / (s + eps)).mean()


for bilinear in (False, True):
    net = UNet(3, 2, bilinear).to(memory_format=torch.channels_last)
    print(net if bilinear else sum(p.numel() for p in net.parameters()))
    opt = torch.optim.RMSprop(net.parameters(), lr=1e-3, weight_decay=1e-8, momentum=0.9, foreach=True)
    sch = torch.optim.lr_scheduler.ReduceLROnPlateau(opt, "max", patience=0)
    x = torch.rand(2, 3, 19, 17).to(memory_format=torch.channels_last)
    y = (torch.rand(2, 19, 17) > 0.5).long()
    for step in range(3):
        p = net(x)
        loss = nn.CrossEntropyLoss()(p, y) + (
            1 - dice_coeff(F.softmax(p, dim=1).float(), F.one_hot(y, 2).permute(0, 3, 1, 2).float())
        )
        opt.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        sch.step(-loss.item())
        print(f"{loss.item():.4f}", opt.param_groups[0]["lr"])
    net.eval()
    with torch.inference_mode():
        m = net(x).argmax(1)
        print(m.shape, m.float().mean(), p.stride(), m.is_inference())
