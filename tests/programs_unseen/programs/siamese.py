"""A Siamese network: contrastive and triplet losses, distances, and what they print."""

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(3)


class SiameseNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.cnn1 = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(1, 4, kernel_size=3),
            nn.ReLU(inplace=True),
            nn.BatchNorm2d(4),
            nn.Dropout2d(p=0.2),
            nn.AvgPool2d(2),
            nn.PReLU(4),
            nn.InstanceNorm2d(4, affine=True),
        )
        self.fc1 = nn.Sequential(nn.Linear(4 * 8 * 8, 20), nn.ELU(inplace=True), nn.Linear(20, 5))
        self.cnn1.apply(self.init_weights)

    def init_weights(self, m):
        if isinstance(m, nn.Conv2d):
            torch.nn.init.xavier_uniform_(m.weight, gain=nn.init.calculate_gain("relu"))
            m.bias.data.fill_(0.01)

    def forward_once(self, x):
        return self.fc1(self.cnn1(x).view(x.size(0), -1))

    def forward(self, a, b):
        return self.forward_once(a), self.forward_once(b)


class ContrastiveLoss(torch.nn.Module):
    def __init__(self, margin=2.0):
        super().__init__()
        self.margin = margin

    def forward(self, output1, output2, label):
        d = F.pairwise_distance(output1, output2, keepdim=True)
        return torch.mean((1 - label) * torch.pow(d, 2) + label * torch.pow(torch.clamp(self.margin - d, min=0.0), 2))

    def extra_repr(self):
        return f"margin={self.margin}"


net, criterion = SiameseNetwork(), ContrastiveLoss()
print(net, criterion)
optimizer = torch.optim.Adam(net.parameters(), lr=0.0005, weight_decay=1e-4)
a, b = torch.rand(6, 1, 16, 16), torch.rand(6, 1, 16, 16)
label = torch.tensor([0, 1, 0, 1, 1, 0.0]).unsqueeze(1)
for step in range(3):
    optimizer.zero_grad(set_to_none=True)
    o1, o2 = net(a, b)
    loss = criterion(o1, o2, label)
    loss.backward()
    optimizer.step()
    print(step, f"{loss:.4f}", loss)
net.eval()
anchor, positive, negative = (net.forward_once(torch.rand(4, 1, 16, 16)) for _ in range(3))
for loss in (
    nn.TripletMarginLoss(margin=1.0, p=2),
    nn.TripletMarginLoss(margin=0.5, swap=True, reduction="none"),
    nn.TripletMarginWithDistanceLoss(distance_function=lambda x, y: 1.0 - F.cosine_similarity(x, y)),
):
    print(loss, loss(anchor, positive, negative))
print(nn.CosineEmbeddingLoss(margin=0.1)(anchor, positive, torch.tensor([1, -1, 1, -1])))
print(nn.HingeEmbeddingLoss()(F.pairwise_distance(anchor, positive), torch.tensor([1, -1, 1, -1])))
print(nn.MarginRankingLoss(margin=0.1)(anchor[:, 0], positive[:, 0], torch.tensor([1, -1, 1, -1])))
d = torch.cdist(anchor, negative)
print(d, d.min(dim=1), d.argmin())
print(F.cosine_similarity(anchor[None], negative[:, None], dim=-1).shape)
