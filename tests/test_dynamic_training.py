"""Training steps whose batch size is known at run time only: every common layer, loss, and optimizer has one build."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import graphc as gc
from graphc import nn, optim
from graphc.nn import functional
from graphc.tensor import Tensor
from tests.dynamic_programs import BOTH, MOST, SIZES, Data, agrees, close, state_of

# -- training steps ------------------------------------------------------------------------------------------------


def step_of(
    network: Callable[[], nn.Module], loss: Callable[[Any, Any], Any], data: Data, optimizer: Callable[[Any], Any]
) -> Callable[[], Any]:
    """A training step of a network as what ``agrees`` takes."""

    def make() -> Any:
        net = network()
        opt = optimizer(net.parameters())

        def step(x: Tensor, y: Tensor) -> Tensor:
            opt.zero_grad()
            value = loss(net(x), y)
            value.backward()
            opt.step()
            return value.detach()

        return step, data, (net, opt)

    return make


def sgd(parameters: Any) -> Any:
    return optim.SGD(parameters, lr=0.05, momentum=0.9)


def rows(*shape: int, classes: int = 4) -> Data:
    return lambda size: (gc.randn(size, *shape), gc.randint(0, classes, (size,)))


def tokens(length: int, classes: int = 4) -> Data:
    return lambda size: (gc.randint(0, 11, (size, length)), gc.randint(0, classes, (size,)))


class Recurrent(nn.Module):
    """A recurrent layer's last state, classified."""

    def __init__(self, layer: nn.Module, width: int):
        super().__init__()
        self.layer, self.head = layer, nn.Linear(width, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x)[0][:, -1])


class Attention(nn.Module):
    """Self-attention with a causal mask, classified by the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.places = nn.Embedding(11, 8), nn.Parameter(gc.zeros(16, 8))
        self.attention, self.head = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = self.embedding(x) + self.places[: x.shape[1]]
        mask = gc.ones(x.shape[1], x.shape[1], dtype=gc.bool).triu(1)
        return self.head(self.attention(h, h, h, attn_mask=mask, need_weights=False)[0].mean(1))


def image(*layers: nn.Module, flat: int) -> nn.Module:
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(flat, 4))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Data]] = {
    "linear": (lambda: nn.Linear(6, 4), rows(6)),
    "mlp": (lambda: nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 9), nn.Tanh(), nn.Linear(9, 4)), rows(6)),
    "dropout": (lambda: nn.Sequential(nn.Linear(6, 9), nn.Dropout(0.4), nn.GELU(), nn.Linear(9, 4)), rows(6)),
    "batch norm": (lambda: nn.Sequential(nn.Linear(6, 9), nn.BatchNorm1d(9), nn.SiLU(), nn.Linear(9, 4)), rows(6)),
    "layer norm": (lambda: nn.Sequential(nn.Linear(6, 9), nn.LayerNorm(9), nn.ELU(), nn.Linear(9, 4)), rows(6)),
    "bilinear": (lambda: nn.Sequential(nn.Unflatten(1, (2, 3)), nn.Flatten(), nn.Linear(6, 4)), rows(6)),
    "convolution": (lambda: image(nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), flat=27), rows(2, 6, 6)),
    "strided": (lambda: image(nn.Conv2d(2, 4, 3, 2), nn.LeakyReLU(), nn.AvgPool2d(2), flat=4), rows(2, 6, 6)),
    "grouped": (lambda: image(nn.Conv2d(4, 8, 3, groups=2), nn.PReLU(), flat=128), rows(4, 6, 6)),
    "depthwise": (lambda: image(nn.Conv2d(3, 3, 3, groups=3), nn.Hardswish(), flat=48), rows(3, 6, 6)),
    "image norms": (
        lambda: image(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.ReLU6(), flat=64), rows(2, 6, 6),
    ),
    "upsampling": (
        lambda: image(nn.ConvTranspose2d(2, 3, 2, 2), nn.Upsample(scale_factor=2), nn.AdaptiveAvgPool2d(2), flat=12),
        rows(2, 3, 3),
    ),
    "bilinear upsampling": (
        lambda: image(nn.Upsample(size=(5, 7), mode="bilinear"), nn.AdaptiveMaxPool2d(2), flat=8), rows(2, 3, 3),
    ),
    "convolution 1d": (lambda: image(nn.Conv1d(2, 3, 3), nn.Softplus(), nn.MaxPool1d(2), flat=6), rows(2, 6)),
    "convolution 3d": (lambda: image(nn.Conv3d(1, 2, 2), nn.Sigmoid(), flat=54), rows(1, 4, 4, 4)),
    "padding": (lambda: image(nn.ReflectionPad2d(1), nn.Conv2d(2, 2, 3), nn.PixelShuffle(1), flat=18), rows(2, 3, 3)),
    "embedding": (lambda: nn.Sequential(nn.Embedding(11, 5), nn.Flatten(), nn.Linear(20, 4)), tokens(4)),
    "embedding bag": (lambda: nn.Sequential(nn.EmbeddingBag(11, 5), nn.Linear(5, 4)), tokens(4)),
    "rnn": (lambda: Recurrent(nn.RNN(3, 5, batch_first=True), 5), rows(4, 3)),
    "lstm": (lambda: Recurrent(nn.LSTM(3, 5, 2, batch_first=True), 5), rows(4, 3)),
    "gru": (lambda: Recurrent(nn.GRU(3, 5, batch_first=True, bidirectional=True), 10), rows(4, 3)),
    "attention": (Attention, tokens(5)),
    "transformer": (
        lambda: nn.Sequential(
            nn.Embedding(11, 8), nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True), nn.Flatten(),
            nn.Linear(40, 4),
        ),
        tokens(5),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_training_step(name: str) -> None:
    """A whole step of a network with one common layer: one build for the last partial batch and every other."""
    network, data = NETWORKS[name]
    sizes = [size for size in SIZES if size > 1 or "norm" not in name]
    make = step_of(network, functional.cross_entropy, data, sgd)
    agrees(make, sizes=sizes, dynamic=BOTH, tolerance=2e-4)


def regression(size: int) -> tuple[Tensor, Tensor]:
    return gc.randn(size, 6), gc.randn(size, 4)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": functional.mse_loss,
    "l1": functional.l1_loss,
    "smooth l1": functional.smooth_l1_loss,
    "huber": functional.huber_loss,
    "sum": lambda o, y: functional.mse_loss(o, y, reduction="sum"),
    "bce": lambda o, y: functional.binary_cross_entropy_with_logits(o, (y > 0).float()),
    "probabilities": lambda o, y: functional.cross_entropy(o, y.softmax(1)),
    "smoothed": lambda o, y: functional.cross_entropy(o, y.argmax(1), label_smoothing=0.1),
    "weighted": lambda o, y: functional.cross_entropy(o, y.argmax(1), weight=gc.tensor([1.0, 2.0, 3.0, 0.5])),
    "ignored": lambda o, y: functional.cross_entropy(o, gc.where(y[:, 0] > 9, -100, y.argmax(1))),
    "nll": lambda o, y: functional.nll_loss(o.log_softmax(1), y.argmax(1)),
    "kl": lambda o, y: functional.kl_div(o.log_softmax(1), y.softmax(1), reduction="batchmean"),
    "poisson": functional.poisson_nll_loss,
    "gaussian": lambda o, y: functional.gaussian_nll_loss(o, y, gc.ones_like(y)),
    "cosine": lambda o, y: functional.cosine_embedding_loss(o, y, gc.ones(o.shape[0])),
    "triplet": lambda o, y: functional.triplet_margin_loss(o, y, y.flip(0)),
    "margin": lambda o, y: functional.multi_margin_loss(o, y.argmax(1)),
    "hinge": lambda o, y: functional.hinge_embedding_loss(o, (y > 0) * 2.0 - 1),
    "ranking": lambda o, y: functional.margin_ranking_loss(o[:, 0], o[:, 1], y[:, 0].sign()),
    "by hand": lambda o, y: ((o - y) ** 2).sum() / o.shape[0],
    "half of the mean": lambda o, y: 0.5 * (o - y).pow(2).sum(1).mean(0),
    "variance": lambda o, y: (o - y).var(0, unbiased=False).sum(),
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
def test_loss(name: str) -> None:
    """A step with each of the losses."""
    agrees(step_of(lambda: nn.Linear(6, 4), LOSSES[name], regression, sgd), dynamic=BOTH, tolerance=1e-4)


OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "nesterov": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda p: optim.Adam(p, lr=0.01),
    "amsgrad": lambda p: optim.Adam(p, lr=0.01, amsgrad=True),
    "adamw": lambda p: optim.AdamW(p, lr=0.01),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.1),
    "adadelta": lambda p: optim.Adadelta(p),
    "adamax": lambda p: optim.Adamax(p, lr=0.01),
    "nadam": lambda p: optim.NAdam(p, lr=0.01),
    "radam": lambda p: optim.RAdam(p, lr=0.01),
    "asgd": lambda p: optim.ASGD(p, lr=0.01),
    "rprop": lambda p: optim.Rprop(p, lr=0.01),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer(name: str) -> None:
    """A step with each optimizer: no more builds than without dynamic sizes, and the state eager has."""
    make = step_of(lambda: nn.Linear(6, 4), functional.mse_loss, regression, OPTIMIZERS[name])
    gc.manual_seed(3)
    function, data, _ = make()
    program = gc.compile(function, dynamic=False)
    for _ in SIZES:
        program(*data(7))
    agrees(make, dynamic=BOTH, builds=len(program.report().builds), tolerance=1e-4)


def test_an_epoch() -> None:
    """Batches of 16 and a last one of 5, over three epochs, with a scheduler, clipping, and evaluation: two builds."""
    x, y = gc.randn(37, 6), gc.randint(0, 4, (37,))
    runs = []
    for compiled in (False, True):
        gc.manual_seed(0)
        net = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 4))
        opt = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        scheduler = optim.lr_scheduler.StepLR(opt, 1, 0.5)

        def train(x: Tensor, y: Tensor, net: Any = net, opt: Any = opt) -> Tensor:
            opt.zero_grad()
            loss = functional.cross_entropy(net(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            opt.step()
            return loss.detach()

        def evaluate(x: Tensor, y: Tensor, net: Any = net) -> Tensor:
            with gc.no_grad():
                return (net(x).argmax(1) == y).sum()

        steps = (gc.compile(train, dynamic=True), gc.compile(evaluate, dynamic=True)) if compiled else (train, evaluate)
        history = []
        for _ in range(3):
            net.train()
            history += [steps[0](x[at : at + 16], y[at : at + 16]) for at in range(0, 37, 16)]
            net.eval()
            history += [steps[1](x[at : at + 16], y[at : at + 16]) for at in range(0, 37, 16)]
            scheduler.step()
        runs.append((history, state_of([net, opt])))
    close(runs[1], runs[0], "three epochs", 1e-4)
    assert [len(step.report().builds) for step in steps] == [1, 1]


# -- gradients from outside, other dimensions, methods --------------------------------------------------------------


def test_backward_from_outside() -> None:
    """A compiled forward part, a loss and an optimizer outside: the backward program serves every size too."""

    def make() -> Any:
        net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 4))
        return (lambda x: net(x)), lambda size: (gc.randn(size, 6, requires_grad=True),), (net,)

    def after(result: Tensor) -> None:
        (result.softmax(1)[:, 0].log().sum() / result.shape[0]).backward()

    agrees(make, after=after, dynamic={"x": {0: ("N", MOST)}}, tolerance=1e-4)


def test_gradients_inside_and_second_order() -> None:
    """A gradient penalty: gradients of the argument, differentiated again, within the program."""

    def make() -> Any:
        net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
        opt = sgd(net.parameters())

        def step(x: Tensor) -> Any:
            opt.zero_grad()
            x = x.detach().requires_grad_()
            (slope,) = gc.autograd.grad(net(x).sum(), x, create_graph=True)
            penalty = ((slope.norm(dim=1) - 1) ** 2).mean()
            penalty.backward()
            opt.step()
            return penalty.detach(), slope.detach()

        return step, lambda size: (gc.randn(size, 3),), (net, opt)

    agrees(make, dynamic={"x": {0: ("N", MOST)}}, tolerance=1e-4)


def test_batch_and_length() -> None:
    """Attention over [N, T] with both sizes dynamic: one build for every pair of them."""
    pairs = [(7, 5), (2, 16), (16, 2), (3, 9), (5, 5), (9, 7), (2, 2)]

    def make() -> Any:
        net, position = Attention(), iter(pairs)
        opt = sgd(net.parameters())

        def step(x: Tensor, y: Tensor) -> Tensor:
            opt.zero_grad()
            loss = functional.cross_entropy(net(x), y)
            loss.backward()
            opt.step()
            return loss.detach()

        def data(size: int) -> Any:
            size, length = next(position)
            return gc.randint(0, 11, (size, length)), gc.randint(0, 4, (size,))

        return step, data, (net, opt)

    dynamic = {"x": {0: ("N", 16), 1: ("T", 16)}, "y": {0: ("N", 16)}}
    agrees(make, sizes=[size for size, _ in pairs], dynamic=dynamic, tolerance=1e-4)


def test_negative_dimension_keyword_and_method() -> None:
    """A dimension counted from the end, an argument given by keyword, a method, and a module."""

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(gc.ones(4, 4))

        def forward(self, x: Tensor, scale: float = 2.0) -> Tensor:
            return self.weight @ x * scale

    model = Model()
    for function in (model, model.forward, lambda x, scale: model(x, scale)):
        program = gc.compile(function, dynamic={"x": {-1: "N"}})
        for size in (5, 3, 2, 5, 1):
            x = gc.randn(4, size)
            close(program(x, scale=3.0), model(x, 3.0), str(size))
        assert len(program.report().builds) == 1


def test_keywords_in_any_order() -> None:
    """A size belongs to the argument of its name, in whatever order arguments are given."""

    def f(x: Tensor, y: Tensor) -> Tensor:
        return x @ y

    program = gc.compile(f, dynamic={"x": {0: ("N", 8)}})
    for size in (5, 3, 8):
        x, y = gc.randn(size, 3), gc.randn(3, 3)
        close(program(y=y, x=x), x @ y, str(size))
    assert len(program.report().builds) == 1


def test_arguments_in_lists() -> None:
    """Tensors within a list are named by their place."""

    def f(pair: list[Tensor]) -> Tensor:
        return pair[0] @ pair[1]

    program = gc.compile(f, dynamic={"pair_0": {0: ("N", 8)}})
    for size in (5, 2, 8, 1):
        pair = [gc.randn(size, 3), gc.randn(3, 2)]
        close(program(pair), f(pair), str(size))
    assert len(program.report().builds) == 1


def test_layouts() -> None:
    """Arguments whose memory is a slice, a transpose, or every other row of another's."""
    program = gc.compile(lambda x: x * 2 + x.sum(0), dynamic={"x": {0: ("N", 8)}})
    for x in (
        gc.randn(5, 3),
        gc.randn(3, 4).t(),
        gc.randn(12, 3)[::2],
        gc.randn(9, 6)[1:, ::2],
        gc.randn(1, 3).expand(4, 3),
    ):
        close(program(x), x * 2 + x.sum(0), str(x.stride()))
    assert len(program.report().builds) == 1
