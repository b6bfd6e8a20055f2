"""A compiled training step through each kind of module follows the eager one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from tests.nn.twins import flat, normal

nn = gc.nn

pytestmark = pytest.mark.filterwarnings("ignore")

LINE = normal(2, 4, 8)
IMAGE = normal(2, 4, 6, 7)
VOLUME = normal(2, 2, 4, 4, 5)
ROWS = normal(6, 5)
SEQUENCE = normal(5, 2, 4)
CLASSES = np.array([0, 3, 1, 4, 2, 3])
SIGNS = np.array([1, -1, 1, 1, -1, -1])
BAGS = np.array([[1, 2, 3], [0, 6, 1]])
OTHER = normal(6, 5, seed=1)
CHANCES = np.abs(np.sin(OTHER))


class Scaled(nn.Module):
    """A module behind a factor that is learned, so that what has no parameters learns too."""

    def __init__(self, part: nn.Module):
        super().__init__()
        self.part = part
        self.scale = nn.Parameter(gc.tensor(1.1))

    def forward(self, x: Any, *others: Any) -> Any:
        return self.part(x * self.scale if x.is_floating_point() else x, *others)


class Unpooled(nn.Module):
    def __init__(self, dimensions: int):
        super().__init__()
        self.pool = getattr(nn, f"MaxPool{dimensions}d")(2, return_indices=True)
        self.inverse = getattr(nn, f"MaxUnpool{dimensions}d")(2)

    def forward(self, x: Any) -> Any:
        return self.inverse(*self.pool(x))


CASES: dict[str, tuple[Any, ...]] = {
    "conv1d": (lambda: nn.Conv1d(4, 6, 3, 2, padding=1, groups=2), LINE),
    "conv2d": (lambda: nn.Conv2d(4, 3, (3, 2), dilation=(1, 2), padding=1), IMAGE),
    "conv2d circular": (lambda: nn.Conv2d(4, 3, 3, padding=1, padding_mode="circular"), IMAGE),
    "conv3d": (lambda: nn.Conv3d(2, 3, 2, padding=(1, 0, 1)), VOLUME),
    "conv transpose 1d": (lambda: nn.ConvTranspose1d(4, 2, 3, 2, output_padding=1), LINE),
    "conv transpose 2d": (lambda: nn.ConvTranspose2d(4, 2, 3, 2, padding=1, groups=2), IMAGE),
    "conv transpose 3d": (lambda: nn.ConvTranspose3d(2, 2, 2, 2), VOLUME),
    "linear": (lambda: nn.Linear(5, 3), ROWS),
    "bilinear": (lambda: nn.Bilinear(5, 5, 2), ROWS, OTHER),
    "max pool 1d": (lambda: nn.MaxPool1d(3, 2, padding=1), LINE),
    "max pool 2d": (lambda: nn.MaxPool2d(3, 2, ceil_mode=True), IMAGE),
    "max pool 3d": (lambda: nn.MaxPool3d(2, dilation=2), VOLUME),
    "max unpool 1d": (lambda: Unpooled(1), LINE),
    "max unpool 2d": (lambda: Unpooled(2), IMAGE[..., :6]),
    "max unpool 3d": (lambda: Unpooled(3), VOLUME[..., :4]),
    "average pool 1d": (lambda: nn.AvgPool1d(3, 2, padding=1, count_include_pad=False), LINE),
    "average pool 2d": (lambda: nn.AvgPool2d(2, ceil_mode=True), IMAGE),
    "average pool 3d": (lambda: nn.AvgPool3d(2, 1), VOLUME),
    "lp pool 2d": (lambda: nn.LPPool2d(3, 2), IMAGE),
    "fractional pool": (lambda: nn.FractionalMaxPool2d(2, output_size=3), IMAGE),
    "adaptive average": (lambda: nn.AdaptiveAvgPool2d((3, None)), IMAGE),
    "adaptive average 3d": (lambda: nn.AdaptiveAvgPool3d(2), VOLUME),
    "adaptive maximum": (lambda: nn.AdaptiveMaxPool2d((3, 4)), IMAGE),
    "batch norm 1d": (lambda: nn.BatchNorm1d(5), ROWS),
    "batch norm 2d": (lambda: nn.BatchNorm2d(4, momentum=None), IMAGE),
    "batch norm 3d": (lambda: nn.BatchNorm3d(2, track_running_stats=False), VOLUME),
    "sync batch norm": (lambda: nn.SyncBatchNorm(4), LINE),
    "instance norm": (lambda: nn.InstanceNorm2d(4, affine=True, track_running_stats=True), IMAGE),
    "group norm": (lambda: nn.GroupNorm(2, 4), IMAGE),
    "layer norm": (lambda: nn.LayerNorm((6, 7)), IMAGE),
    "rms norm": (lambda: nn.RMSNorm(7), IMAGE),
    "local response": (lambda: nn.LocalResponseNorm(3, 0.1), IMAGE),
    "cross map": (lambda: nn.CrossMapLRN2d(3, 0.1), IMAGE),
    "dropout": (lambda: nn.Dropout(0.3), ROWS),
    "dropout2d": (lambda: nn.Dropout2d(0.3), IMAGE),
    "alpha dropout": (lambda: nn.AlphaDropout(0.3), ROWS),
    "prelu": (lambda: nn.PReLU(4), IMAGE),
    "rrelu": (lambda: nn.RReLU().eval(), ROWS),
    "softmax2d": (lambda: nn.Softmax2d(), IMAGE),
    "in place": (lambda: nn.Sequential(nn.Linear(5, 4), nn.ReLU(True), nn.Hardtanh(-0.5, 0.5, True)), ROWS),
    "activations": (
        lambda: nn.Sequential(
            nn.ELU(), nn.CELU(0.5), nn.SELU(), nn.GELU(), nn.Mish(), nn.SiLU(), nn.Hardswish(), nn.Softplus(),
            nn.LogSigmoid(), nn.Softsign(), nn.Tanhshrink(), nn.LeakyReLU(), nn.Softshrink(0.1),
        ),
        ROWS,
    ),
    "circular pad": (lambda: nn.CircularPad2d((1, 2, 0, 1)), IMAGE),
    "reflection pad": (lambda: nn.ReflectionPad3d(1), VOLUME),
    "replication pad": (lambda: nn.ReplicationPad1d((2, 0)), LINE),
    "constant pad": (lambda: nn.ConstantPad2d((1, -1, 2, 0), 0.5), IMAGE),
    "upsample nearest": (lambda: nn.Upsample(scale_factor=2), LINE),
    "upsample bilinear": (lambda: nn.Upsample((9, 5), mode="bilinear"), IMAGE),
    "upsample bicubic": (lambda: nn.Upsample(scale_factor=2, mode="bicubic", align_corners=True), IMAGE),
    "upsample trilinear": (lambda: nn.Upsample(scale_factor=1.5, mode="trilinear"), VOLUME),
    "pixel shuffle": (lambda: nn.PixelShuffle(2), IMAGE),
    "pixel unshuffle": (lambda: nn.PixelUnshuffle(2), IMAGE[..., :6]),
    "channel shuffle": (lambda: nn.ChannelShuffle(2), IMAGE),
    "unfold": (lambda: nn.Unfold(2, padding=1, stride=2), IMAGE),
    "fold": (lambda: nn.Fold((4, 5), 2), normal(2, 8, 12)),
    "embedding": (lambda: nn.Embedding(7, 3, padding_idx=1), BAGS),
    "embedding bag mean": (lambda: nn.EmbeddingBag(7, 3), BAGS),
    "embedding bag maximum": (lambda: nn.EmbeddingBag(7, 3, mode="max", padding_idx=0), BAGS),
    "embedding bag with offsets": (lambda: nn.EmbeddingBag(7, 3, mode="sum"), BAGS.ravel(), np.array([0, 2, 2])),
    "flatten": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(32, 4), nn.Unflatten(1, (2, 2))), LINE),
    "rnn": (lambda: nn.RNN(4, 3, 2, nonlinearity="relu"), SEQUENCE),
    "gru": (lambda: nn.GRU(4, 3, 2, bidirectional=True, dropout=0.2), SEQUENCE),
    "lstm": (lambda: nn.LSTM(4, 5, proj_size=2, bidirectional=True, batch_first=True), SEQUENCE),
    "rnn cell": (lambda: nn.RNNCell(5, 3), ROWS),
    "gru cell": (lambda: nn.GRUCell(5, 5), ROWS, OTHER),
    "lstm cell": (lambda: nn.LSTMCell(5, 3), ROWS),
    "attention": (lambda: Attending(), SEQUENCE),
    "encoder layer": (lambda: nn.TransformerEncoderLayer(4, 2, 6, 0.2), SEQUENCE),
    "decoder layer": (lambda: nn.TransformerDecoderLayer(4, 2, 6, activation="gelu"), SEQUENCE, SEQUENCE + 1),
    "cosine similarity": (lambda: nn.CosineSimilarity(), ROWS, OTHER),
    "pairwise distance": (lambda: nn.PairwiseDistance(), ROWS, OTHER),
    "l1": (lambda: nn.L1Loss(), ROWS, OTHER),
    "smooth l1": (lambda: nn.SmoothL1Loss(beta=0.5), ROWS, OTHER),
    "huber": (lambda: nn.HuberLoss(reduction="sum"), ROWS, OTHER),
    "cross entropy": (lambda: nn.CrossEntropyLoss(label_smoothing=0.1), ROWS, CLASSES),
    "nll": (lambda: nn.Sequential(nn.LogSoftmax(1)), ROWS),
    "poisson": (lambda: nn.PoissonNLLLoss(full=True), ROWS, CHANCES),
    "gaussian": (lambda: nn.GaussianNLLLoss(), ROWS, OTHER, CHANCES),
    "divergence": (lambda: nn.KLDivLoss(reduction="batchmean"), ROWS, CHANCES),
    "bce with logits": (lambda: nn.BCEWithLogitsLoss(), ROWS, CHANCES),
    "ctc": (lambda: Aligned(), normal(7, 2, 5), np.array([[1, 2, 2], [3, 1, 0]])),
    "hinge embedding": (lambda: nn.HingeEmbeddingLoss(), ROWS[:, 0], SIGNS),
    "soft margin": (lambda: nn.SoftMarginLoss(), ROWS[:, 0], SIGNS),
    "several labels": (lambda: nn.MultiLabelSoftMarginLoss(), ROWS, (OTHER > 0).astype(np.float32)),
    "labels": (lambda: nn.MultiLabelMarginLoss(), ROWS[:2], np.array([[0, 3, -1, 1, 1], [2, -1, 0, 0, 0]])),
    "margins": (lambda: nn.MultiMarginLoss(p=2), ROWS, CLASSES),
    "cosine embedding": (lambda: CosineOf(), ROWS, OTHER),
    "ranking": (lambda: nn.MarginRankingLoss(0.1), ROWS[:, 0], OTHER[:, 0], SIGNS),
    "triplet": (lambda: nn.TripletMarginLoss(swap=True), ROWS, OTHER, CHANCES),
    "adaptive softmax": (lambda: nn.AdaptiveLogSoftmaxWithLoss(5, 5, [2, 3], 1.5), ROWS, CLASSES),
    "linear cross entropy": (lambda: nn.LinearCrossEntropyLoss(5, 5, bias=True), ROWS, CLASSES),
}  # fmt: skip


class Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, dropout=0.1, add_bias_kv=True)

    def forward(self, x: Any) -> Any:
        return self.attention(x, x, x)


class Aligned(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.loss = nn.CTCLoss()

    def forward(self, x: Any, targets: Any) -> Any:
        return self.loss(x.log_softmax(-1), targets, (7, 6), (3, 2))


class CosineOf(nn.Module):
    def forward(self, x: Any, other: Any) -> Any:
        return nn.functional.cosine_embedding_loss(x, other, gc.tensor(SIGNS), margin=0.1)


@pytest.mark.parametrize("name", CASES)
def test_a_compiled_step_follows_the_eager_one(name: str) -> None:
    """Losses, gradients of the input, weights, and buffers after some steps are those of eager steps, drawn numbers
    included."""
    make, *arrays = CASES[name]
    results = []
    for compiled in (False, True):
        gc.manual_seed(0)
        net = Scaled(make())
        optimizer = gc.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

        def step(x: Any, *others: Any, net: Any = net, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = sum((part * part).sum() for part in flat(net(x, *others)) if part.requires_grad)
            loss.backward()
            optimizer.step()
            return loss.detach(), x.grad

        run = gc.compile(step) if compiled else step
        seen = []
        for _ in range(3):
            x, *others = (gc.tensor(array) for array in arrays)
            if x.is_floating_point():
                x.requires_grad_()
            seen += run(x, *others)
        assert not compiled or run.stages is not None
        results.append([*seen, *net.state_dict().values()])
    for eager, found in zip(*results, strict=True):
        assert (eager is None) == (found is None)
        if eager is not None:
            np.testing.assert_allclose(found.detach().numpy(), eager.detach().numpy(), rtol=1e-4, atol=1e-5)
