"""Modules against PyTorch's: the same seed gives the same weights, the same text, the same values and training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc

torch = pytest.importorskip("torch")


def perceptron(t: Any) -> Any:
    return t.nn.Sequential(
        t.nn.Linear(7, 9), t.nn.Tanh(), t.nn.Linear(9, 5, bias=False), t.nn.GELU(), t.nn.Linear(5, 3)
    )


def lenet(t: Any) -> Any:
    return t.nn.Sequential(
        t.nn.Conv2d(1, 6, 5, padding=2), t.nn.ReLU(), t.nn.MaxPool2d(2), t.nn.Conv2d(6, 16, 5), t.nn.ReLU(),
        t.nn.MaxPool2d(2), t.nn.Flatten(), t.nn.Linear(400, 120), t.nn.ReLU(), t.nn.Linear(120, 84), t.nn.ReLU(),
        t.nn.Linear(84, 10),
    )  # fmt: skip


def residual(t: Any) -> Any:
    class Block(t.nn.Module):
        def __init__(self, channels_in, channels, stride):
            super().__init__()
            self.conv1 = t.nn.Conv2d(channels_in, channels, 3, stride=stride, padding=1, bias=False)
            self.norm1 = t.nn.BatchNorm2d(channels)
            self.conv2 = t.nn.Conv2d(channels, channels, 3, padding=1, bias=False)
            self.norm2 = t.nn.BatchNorm2d(channels)
            self.shortcut = t.nn.Sequential(t.nn.Conv2d(channels_in, channels, 1, stride=stride, bias=False))

        def forward(self, x):
            y = t.nn.functional.relu(self.norm1(self.conv1(x)))
            return t.nn.functional.relu(self.norm2(self.conv2(y)) + self.shortcut(x))

    return t.nn.Sequential(Block(2, 4, 1), Block(4, 8, 2), t.nn.AdaptiveAvgPool2d(1), t.nn.Flatten(), t.nn.Linear(8, 3))


def transformer(t: Any) -> Any:
    F = t.nn.functional

    class Model(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.characters, self.places = t.nn.Embedding(19, 12), t.nn.Embedding(6, 12)
            self.norm1, self.norm2 = t.nn.LayerNorm(12), t.nn.LayerNorm(12)
            self.split, self.merge = t.nn.Linear(12, 36, bias=False), t.nn.Linear(12, 12)
            self.perceptron = t.nn.Sequential(t.nn.Linear(12, 48), t.nn.GELU(), t.nn.Linear(48, 12))
            self.head = t.nn.Linear(12, 19)

        def forward(self, x):
            x = self.characters(x) + self.places(t.arange(6))
            q, k, v = (p.view(*x.shape[:2], 3, 4).transpose(1, 2) for p in self.split(self.norm1(x)).chunk(3, dim=-1))
            attended = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)
            x = x + self.merge(attended.reshape(x.shape))
            x = x + self.perceptron(self.norm2(x))
            return self.head(x).flatten(0, 1)

    return Model()


def everything(t: Any) -> Any:
    return t.nn.ModuleDict({
        "list": t.nn.ModuleList([t.nn.Linear(2, 3) for _ in range(3)] + [t.nn.ReLU()]),
        "norms": t.nn.Sequential(
            t.nn.BatchNorm1d(3, eps=0.1), t.nn.BatchNorm2d(4, affine=False), t.nn.LayerNorm((2, 3)),
            t.nn.BatchNorm1d(2, bias=False), t.nn.LayerNorm(3, bias=False), t.nn.LayerNorm(3, elementwise_affine=False),
        ),
        "pools": t.nn.ModuleList([
            t.nn.MaxPool2d(3, stride=2, padding=1), t.nn.AvgPool2d(2), t.nn.AdaptiveAvgPool2d((1, 2)),
        ]),
        "convolution": t.nn.Conv2d(4, 6, (3, 5), stride=(1, 2), padding=(1, 2), dilation=2, groups=2, bias=False),
        "same": t.nn.Conv2d(1, 1, 3, padding="same"),
        "losses": t.nn.ModuleList([t.nn.CrossEntropyLoss(), t.nn.MSELoss(), t.nn.L1Loss(), t.nn.NLLLoss()]),
        "rest": t.nn.Sequential(
            t.nn.Dropout(0.25), t.nn.Softmax(dim=1), t.nn.LogSoftmax(dim=-1), t.nn.LeakyReLU(0.2), t.nn.GELU("tanh"),
            t.nn.Sigmoid(), t.nn.SiLU(), t.nn.Softplus(), t.nn.Identity(), t.nn.Flatten(), t.nn.Embedding(5, 3),
        ),
    })  # fmt: skip


MODELS = (perceptron, lenet, residual, transformer, everything)


def both(make: Callable[[Any], Any], seed: int = 0) -> tuple[Any, Any]:
    gc.manual_seed(seed)
    torch.manual_seed(seed)
    return make(gc), make(torch)


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_initial_weights_and_text(make: Callable[[Any], Any]) -> None:
    """After manual_seed all weights are PyTorch's to the last place, under its names; the text is the same."""
    ours, theirs = both(make)
    mine, other = ours.state_dict(), theirs.state_dict()
    assert list(mine) == list(other)
    for name, value in other.items():
        np.testing.assert_array_max_ulp(mine[name].numpy(), value.numpy(), maxulp=1)
    assert repr(ours) == repr(theirs)
    assert [name for name, _ in ours.named_modules()] == [name for name, _ in theirs.named_modules()]
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]
    assert [name for name, _ in ours.named_buffers()] == [name for name, _ in theirs.named_buffers()]


OPTIMIZERS: dict[str, Callable[[Any, Any], Any]] = {
    "sgd": lambda t, p: t.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=1e-3, nesterov=True),
    "adamw": lambda t, p: t.optim.AdamW(p, lr=1e-3),
}
SHAPES: dict[Any, tuple[tuple[int, ...], int]] = {
    perceptron: ((6, 7), 3), lenet: ((4, 1, 28, 28), 10), residual: ((5, 2, 8, 8), 3), transformer: ((3, 6), 19),
}  # fmt: skip


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("make", SHAPES, ids=lambda make: make.__name__)
def test_training_agrees(make: Callable[[Any], Any], kind: str, compiled: bool) -> None:
    """Losses of several steps, and the weights, buffers, and gradients after them, are PyTorch's to 1e-4."""
    ours, theirs = both(make)
    shape, classes = SHAPES[make]
    generator = np.random.default_rng(4)
    steps = []
    for t, net in ((gc, ours), (torch, theirs)):
        optimizer, loss_of = OPTIMIZERS[kind](t, net.parameters()), t.nn.CrossEntropyLoss()

        def step(x, y, net=net, optimizer=optimizer, loss_of=loss_of):
            optimizer.zero_grad()
            loss = loss_of(net(x), y)
            loss.backward()
            optimizer.step()
            return loss

        steps.append(step)
    own = gc.compile(lambda x, y: steps[0](x, y)) if compiled else steps[0]
    for _ in range(5):
        if make is transformer:
            x = generator.integers(0, 19, shape)
            y = generator.integers(0, classes, shape[0] * shape[1])
        else:
            x = generator.standard_normal(shape).astype(np.float32)
            y = generator.integers(0, classes, shape[0])
        expected = steps[1](torch.from_numpy(x), torch.from_numpy(y)).item()
        assert own(gc.from_numpy(x), gc.from_numpy(y)).item() == pytest.approx(expected, rel=1e-4)
    mine = ours.state_dict()
    for name, value in theirs.state_dict().items():
        np.testing.assert_allclose(mine[name].numpy(), value.numpy(), rtol=1e-4, atol=1e-4, err_msg=name)
    for (name, p), (_, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-3, atol=1e-4, err_msg=name)


def test_evaluation_agrees() -> None:
    """In eval mode batch norm uses its running statistics and dropout does nothing."""
    ours, theirs = both(
        lambda t: t.nn.Sequential(t.nn.Linear(4, 5), t.nn.BatchNorm1d(5), t.nn.Dropout(0.5), t.nn.Linear(5, 2))
    )
    x = np.random.default_rng(0).standard_normal((8, 4)).astype(np.float32)
    ours(gc.from_numpy(x)), theirs(torch.from_numpy(x))
    ours.eval(), theirs.eval()
    found, expected = ours(gc.from_numpy(x)), theirs(torch.from_numpy(x))
    np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), rtol=1e-5, atol=1e-6)
    assert [m.training for m in ours.modules()] == [m.training for m in theirs.modules()]


def test_dropout_draws_what_torch_draws() -> None:
    """The mask of a dropout is PyTorch's for the same seed."""
    ours, theirs = both(lambda t: t.nn.Dropout(0.3))
    found, expected = ours(gc.ones(50)), theirs(torch.ones(50))
    np.testing.assert_array_equal(found.numpy() == 0, expected.numpy() == 0)


def _errors(scenario: Callable[[Any], Any]) -> tuple[BaseException, BaseException]:
    raised = []
    for t in (gc, torch):
        with pytest.raises(Exception) as caught:  # noqa: PT011  the same kind as PyTorch's, whichever that is
            scenario(t)
        raised.append(caught.value)
    return raised[0], raised[1]


def missing_and_unexpected(t: Any) -> None:
    t.nn.Linear(2, 3).load_state_dict({"weight": t.zeros(3, 2), "other": t.zeros(1)})


def wrong_shape(t: Any) -> None:
    t.nn.Linear(2, 3).load_state_dict({"weight": t.zeros(2, 2), "bias": t.zeros(3)})


def unknown_attribute(t: Any) -> None:
    t.nn.Linear(2, 3).nothing  # noqa: B018


def parameter_before_init(t: Any) -> None:
    class Early(t.nn.Module):
        def __init__(self):
            self.weight = t.nn.Parameter(t.zeros(1))

    Early()


def module_before_init(t: Any) -> None:
    class Early(t.nn.Module):
        def __init__(self):
            self.inner = t.nn.Linear(1, 1)

    Early()


def tensor_for_parameter(t: Any) -> None:
    t.nn.Linear(2, 3).weight = t.zeros(3, 2)


def optimizer_of_nothing(t: Any) -> None:
    t.optim.SGD([], lr=0.1)


def negative_rate(t: Any) -> None:
    t.optim.SGD([t.zeros(1, requires_grad=True)], lr=-1.0)


def bad_beta(t: Any) -> None:
    t.optim.Adam([t.zeros(1, requires_grad=True)], betas=(0.9, 1.0))


def computed_parameter(t: Any) -> None:
    t.optim.SGD([t.zeros(1, requires_grad=True) * 2], lr=0.1)


def parameter_in_two_groups(t: Any) -> None:
    p = t.zeros(1, requires_grad=True)
    t.optim.SGD([{"params": [p]}, {"params": [p]}], lr=0.1)


def nesterov_without_momentum(t: Any) -> None:
    t.optim.SGD([t.zeros(1, requires_grad=True)], lr=0.1, nesterov=True)


SCENARIOS = (
    missing_and_unexpected, wrong_shape, unknown_attribute, parameter_before_init, module_before_init,
    tensor_for_parameter, optimizer_of_nothing, negative_rate, bad_beta, computed_parameter, parameter_in_two_groups,
    nesterov_without_momentum,
)  # fmt: skip


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_errors(scenario: Callable[[Any], Any]) -> None:
    """Misuse raises PyTorch's kind of error, and begins with its words."""
    found, expected = _errors(scenario)
    assert type(found) is type(expected), f"{found!r} instead of {expected!r}"
    clean = [words.replace("graphc.", "torch.").split() for words in (str(found), str(expected))]
    assert clean[0][:5] == clean[1][:5]


def test_module_tools() -> None:
    """apply, hooks, and sharing of parameters do what PyTorch's do."""
    seen: dict[str, list[Any]] = {}
    for t in (gc, torch):
        log = seen.setdefault(t.__name__, [])
        net = t.nn.Sequential(t.nn.Linear(2, 2), t.nn.Sequential(t.nn.ReLU(), t.nn.Linear(2, 2)))
        net[1][1].weight = net[0].weight
        net.apply(lambda module, log=log: log.append(type(module).__name__))
        log.append([name for name, _ in net.named_parameters()])
        log.append(list(net.state_dict()))
        net[0].register_forward_pre_hook(lambda module, given: (given[0] * 2,))
        handle = net.register_forward_hook(lambda module, given, result: result + 1)
        with t.no_grad():
            net[0].weight.copy_(t.eye(2))
            net[0].bias.zero_()
            net[1][1].bias.zero_()
        log.append(net(t.tensor([[1.0, -1.0]])).tolist())
        handle.remove()
        log.append(net(t.tensor([[1.0, -1.0]])).tolist())
        net.eval()
        log.append([module.training for module in net.modules()])
        net.requires_grad_(False)
        log.append([p.requires_grad for p in net.parameters()])
    assert seen["graphc"] == seen["torch"]


@pytest.mark.parametrize("options", [{}, {"shuffle": True}, {"shuffle": True, "drop_last": True}], ids=str)
def test_loader_gives_the_batches_of_torch(options: dict[str, Any]) -> None:
    """Two epochs of a seeded loader come in PyTorch's order, and what is drawn after them is the same."""
    from torch.utils import data as torch_data

    from graphc.utils import data

    orders = []
    for t, module in ((gc, data), (torch, torch_data)):
        t.manual_seed(11)
        dataset = module.TensorDataset(t.arange(23), t.arange(23) * 2)
        loader = module.DataLoader(dataset, batch_size=4, **options)
        order = [(x.tolist(), y.tolist()) for _ in range(2) for x, y in loader]
        orders.append((len(loader), order, t.rand(3).tolist()))
    assert orders[0] == orders[1]
