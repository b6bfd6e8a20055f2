"""Modules that PyTorch's own table leaves out, and options that it does not try, against PyTorch's."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import graphc as gc
from tests.nn.twins import assert_close, assert_same_error, compare, normal, twins

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.filterwarnings("ignore")

INDICES = np.array([[0, 2, 3], [1, 0, 4]])
POSITIVE = np.abs(normal(3, 4)) + 0.1


def pooled(t: Any, net: Any, x: Any) -> Any:
    """A pool and its inverse one after the other."""
    pool, inverse = net
    return inverse(*pool(x))


def pooled_to_size(t: Any, net: Any, x: Any) -> Any:
    pool, inverse = net
    return inverse(*pool(x), output_size=x.size())


def trained(t: Any, net: Any, *inputs: Any) -> Any:
    """Several calls in training, then one in evaluation: running statistics are in the result."""
    results = [net(*inputs), net(*inputs)]
    return [*results, net.eval()(*inputs), *net.buffers()]


def converted(t: Any, net: Any, x: Any) -> Any:
    changed = t.nn.SyncBatchNorm.convert_sync_batchnorm(net)
    return [changed.eval()(x), repr(changed), len(list(changed.parameters()))]


def softmax_parts(t: Any, net: Any, x: Any) -> Any:
    target = t.tensor([0, 5, 9, 2, 3, 5])
    output, loss = net(x, target)
    return [output, loss, net.log_prob(x), net.predict(x), net(x[0], target[1]).output]


CASES: dict[str, tuple[Any, ...]] = {
    "unpool1d": (lambda t: pools(t, 1, 2), [normal(2, 3, 6)], pooled),
    "unpool2d": (lambda t: pools(t, 2, (2, 3), 2), [normal(1, 2, 6, 7)], pooled),
    "unpool3d": (lambda t: pools(t, 3, 2), [normal(2, 4, 4, 4)], pooled),
    "unpool to a size": (lambda t: pools(t, 2, 2), [normal(1, 2, 5, 7)], pooled_to_size),
    "cross map": (lambda t: t.nn.LocalResponseNorm(3, 0.1, 0.5, 2.0), [normal(2, 5, 3, 3)]),
    "group norm": (lambda t: t.nn.GroupNorm(2, 4, affine=True, bias=False), [normal(2, 4, 3)]),
    "rms norm": (lambda t: t.nn.RMSNorm((3, 4), eps=1e-3), [normal(2, 3, 4)]),
    "rms norm without weight": (lambda t: t.nn.RMSNorm(4, elementwise_affine=False), [normal(2, 3, 4)]),
    "batch norm averaging": (lambda t: t.nn.BatchNorm3d(3, momentum=None), [normal(2, 3, 2, 3, 2)], trained),
    "batch norm without bias": (lambda t: t.nn.BatchNorm1d(3, bias=False), [normal(5, 3)], trained),
    "instance norm": (
        lambda t: t.nn.InstanceNorm1d(3, affine=True, track_running_stats=True), [normal(2, 3, 5)], trained,
    ),
    "instance norm of one": (lambda t: t.nn.InstanceNorm2d(3), [normal(3, 4, 5)]),
    "sync": (lambda t: t.nn.SyncBatchNorm(3, process_group=None), [normal(4, 3, 5)], trained),
    "sync converted": (
        lambda t: t.nn.Sequential(t.nn.Conv2d(2, 3, 1), t.nn.BatchNorm2d(3)), [normal(2, 2, 3, 3)], converted,
    ),
    "hardsigmoid": (lambda t: t.nn.Hardsigmoid(), [normal(3, 4) * 4]),
    "rrelu": (lambda t: t.nn.RReLU(0.1, 0.4), [normal(3, 4)]),
    "rrelu in evaluation": (lambda t: t.nn.RReLU(inplace=False).eval(), [normal(3, 4)]),
    "prelu by channel": (lambda t: t.nn.PReLU(3, init=0.1), [normal(2, 3, 4)]),
    "glu": (lambda t: t.nn.GLU(1), [normal(2, 4, 3)]),
    "dropout": (lambda t: t.nn.Dropout(0.3), [normal(40, 5)]),
    "dropout1d": (lambda t: t.nn.Dropout1d(0.3), [normal(4, 5, 3)]),
    "dropout2d": (lambda t: t.nn.Dropout2d(), [normal(4, 5, 3, 2)]),
    "dropout3d": (lambda t: t.nn.Dropout3d(0.9), [normal(4, 5, 2, 2, 2)]),
    "alpha dropout": (lambda t: t.nn.AlphaDropout(0.3), [normal(4, 5)]),
    "feature alpha dropout": (lambda t: t.nn.FeatureAlphaDropout(0.3), [normal(4, 5, 3)]),
    "dropout in evaluation": (lambda t: t.nn.AlphaDropout().eval(), [normal(4, 5)]),
    "fold": (lambda t: t.nn.Fold((4, 5), (2, 3), padding=1), [normal(2, 12, 25)]),
    "unfold": (lambda t: t.nn.Unfold(2, dilation=2, stride=(1, 2)), [normal(2, 3, 5, 6)]),
    "upsample nearest": (lambda t: t.nn.Upsample(scale_factor=2), [normal(2, 3, 4)]),
    "upsample bilinear": (lambda t: t.nn.Upsample((5, 7), mode="bilinear"), [normal(2, 3, 4, 4)]),
    "upsample bicubic": (
        lambda t: t.nn.Upsample(scale_factor=(1.5, 2), mode="bicubic", align_corners=True), [normal(2, 3, 4, 4)],
    ),
    "upsample trilinear": (lambda t: t.nn.Upsample(scale_factor=2, mode="trilinear"), [normal(1, 2, 2, 3, 2)]),
    "upsampling nearest": (lambda t: t.nn.UpsamplingNearest2d(size=(5, 3)), [normal(1, 2, 2, 3)]),
    "upsampling bilinear": (lambda t: t.nn.UpsamplingBilinear2d(scale_factor=2), [normal(1, 2, 2, 3)]),
    "pixel shuffle": (lambda t: t.nn.PixelShuffle(2), [normal(2, 8, 2, 3)]),
    "pixel unshuffle": (lambda t: t.nn.PixelUnshuffle(2), [normal(2, 2, 4, 6)]),
    "channel shuffle": (lambda t: t.nn.ChannelShuffle(2), [normal(2, 6, 2, 2)]),
    "pairwise distance": (lambda t: t.nn.PairwiseDistance(1.5, keepdim=True), [normal(3, 4), normal(3, 4, seed=1)]),
    "cosine similarity": (lambda t: t.nn.CosineSimilarity(0), [normal(3, 4), normal(3, 4, seed=1)]),
    "triplet": (
        lambda t: t.nn.TripletMarginLoss(0.5, 2, swap=True), [normal(3, 4, seed=number) for number in range(3)],
    ),
    "triplet with distance": (
        lambda t: t.nn.TripletMarginWithDistanceLoss(reduction="none"),
        [normal(3, 4, seed=number) for number in range(3)],
    ),
    "adaptive softmax": (
        lambda t: t.nn.AdaptiveLogSoftmaxWithLoss(8, 10, [3, 6], 2.0, head_bias=True), [normal(6, 8)], softmax_parts,
    ),
    "gaussian": (lambda t: t.nn.GaussianNLLLoss(full=True), [normal(3, 4), normal(3, 4, seed=1), POSITIVE]),
    "older reduction": (lambda t: t.nn.MSELoss(size_average=False), [normal(3), normal(3, seed=1)]),
    "no reduction": (lambda t: t.nn.SmoothL1Loss(reduce=False, beta=0.5), [normal(3), normal(3, seed=1)]),
    "conv reflected": (lambda t: t.nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect"), [normal(1, 2, 4, 5)]),
    "conv circular and same": (
        lambda t: t.nn.Conv1d(2, 4, 4, padding="same", padding_mode="circular", dilation=2), [normal(1, 2, 9)],
    ),
    "conv replicated": (lambda t: t.nn.Conv3d(2, 2, 2, padding=(1, 0, 1), padding_mode="replicate"),
                        [normal(2, 3, 3, 3)]),
    "conv in groups": (lambda t: t.nn.Conv3d(4, 2, (1, 2, 3), groups=2, bias=False), [normal(1, 4, 3, 3, 3)]),
    "transposed to a size": (
        lambda t: t.nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1), [normal(1, 2, 3, 4)],
        lambda t, net, x: [net(x, output_size=[6, 7]), net(x, output_size=(1, 3, 5, 8))],
    ),
    "transposed": (
        lambda t: t.nn.ConvTranspose3d(4, 2, 2, 2, 1, (0, 1, 0), 2, False, 1), [normal(1, 4, 2, 2, 2)],
    ),
    "adaptive max with indices": (lambda t: t.nn.AdaptiveMaxPool2d((2, None), return_indices=True),
                                  [normal(2, 5, 4)]),
    "average divided": (lambda t: t.nn.AvgPool3d(2, divisor_override=3), [normal(1, 4, 4, 4)]),
    "circular pad": (lambda t: t.nn.CircularPad2d((1, 2, 0, 1)), [normal(1, 2, 3, 4)]),
    "negative pad": (lambda t: t.nn.ConstantPad2d((1, -1, 0, 2), 3.5), [normal(1, 2, 3, 4)]),
}  # fmt: skip


def pools(t: Any, dimensions: int, *arguments: Any) -> Any:
    pool = getattr(t.nn, f"MaxPool{dimensions}d")(*arguments, return_indices=True)
    return t.nn.ModuleList([pool, getattr(t.nn, f"MaxUnpool{dimensions}d")(*arguments)])


@pytest.mark.parametrize("name", CASES)
def test_against_torch(name: str) -> None:
    """First values, text, results (random ones included), and gradients are PyTorch's."""
    make, arrays, *call = CASES[name]
    compare(make, arrays, *call)


IN_PLACE: dict[str, Any] = {
    kind: (lambda t, kind=kind: getattr(t.nn, kind)(inplace=True))
    for kind in ("ReLU", "ReLU6", "RReLU", "ELU", "CELU", "SELU", "SiLU", "Mish", "Hardswish", "Hardsigmoid",
                 "LeakyReLU", "Hardtanh", "Dropout", "Dropout1d", "AlphaDropout")
} | {"Threshold": lambda t: t.nn.Threshold(0.1, 20, inplace=True)}  # fmt: skip


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place(name: str) -> None:
    """With ``inplace`` the input has the result, as far as PyTorch's has, and gradients go through."""
    seen = []
    for t in (gc, torch):
        t.manual_seed(0)
        net = IN_PLACE[name](t)
        leaf = t.from_numpy(normal(2, 3, 4) * 2).requires_grad_()
        x = leaf * 1
        result = net(x)
        gradient = t.autograd.grad((result * result).sum(), leaf)[0]
        seen.append([x, result, gradient, repr(net), result is x])
    assert_close(*seen)


def test_cross_map() -> None:
    """The normalisation across maps gives PyTorch's values, those of its running sum included."""
    for size in (1, 2, 3, 4, 5):
        for channels in (1, 3, 9):
            x = normal(2, channels, 2, 3)
            ours, theirs = twins(lambda t, size=size: t.nn.CrossMapLRN2d(size, 0.3, 0.6, 1.5))
            assert repr(ours) == repr(theirs)
            assert_close(ours(gc.from_numpy(x)), theirs(torch.from_numpy(x)))


ERRORS: dict[str, Any] = {
    "groups": lambda t: t.nn.Conv1d(3, 4, 2, groups=2),
    "output groups": lambda t: t.nn.Conv3d(4, 3, 2, groups=2),
    "no groups": lambda t: t.nn.ConvTranspose1d(4, 3, 2, groups=0),
    "same with stride": lambda t: t.nn.Conv2d(4, 4, 2, stride=2, padding="same"),
    "transposed reflected": lambda t: t.nn.ConvTranspose2d(4, 4, 2, padding_mode="reflect"),
    "output size": lambda t: t.nn.ConvTranspose2d(2, 2, 3, 2)(t.zeros(1, 2, 3, 3), output_size=[20, 7]),
    "output size's length": lambda t: t.nn.ConvTranspose2d(2, 2, 3, 2)(t.zeros(1, 2, 3, 3), output_size=[7]),
    "batch norm's rank": lambda t: t.nn.BatchNorm3d(2)(t.zeros(1, 2, 3, 3)),
    "instance norm's rank": lambda t: t.nn.InstanceNorm1d(2)(t.zeros(2)),
    "instance norm's features": lambda t: t.nn.InstanceNorm1d(2, affine=True)(t.zeros(1, 3, 4)),
    "sync's rank": lambda t: t.nn.SyncBatchNorm(2)(t.zeros(2)),
    "sync of nothing": lambda t: t.nn.SyncBatchNorm(2)(t.zeros(2, 0)),
    "groups of channels": lambda t: t.nn.GroupNorm(3, 4),
    "dropout": lambda t: t.nn.FeatureAlphaDropout(1.5),
    "hardtanh": lambda t: t.nn.Hardtanh(2, 1),
    "softmax2d": lambda t: t.nn.Softmax2d()(t.zeros(2, 3)),
    "circular": lambda t: t.nn.CircularPad3d(1)(t.zeros(2, 3)),
    "triplet": lambda t: t.nn.TripletMarginLoss(0),
    "triplet with distance": lambda t: t.nn.TripletMarginWithDistanceLoss(margin=-1),
    "huber": lambda t: t.nn.HuberLoss(delta="1"),
    "power": lambda t: t.nn.MultiMarginLoss(p=3),
    "class weights": lambda t: t.nn.MultiMarginLoss(weight=t.zeros(2, 2)),
    "no cutoffs": lambda t: t.nn.AdaptiveLogSoftmaxWithLoss(4, 5, []),
    "cutoffs": lambda t: t.nn.AdaptiveLogSoftmaxWithLoss(4, 5, [3, 2]),
    "cutoff too far": lambda t: t.nn.AdaptiveLogSoftmaxWithLoss(4, 5, [2, 5]),
    "not a class": lambda t: t.nn.AdaptiveLogSoftmaxWithLoss(4, 5, [2])(t.zeros(2, 4), t.tensor([1, 5])),
    "batch": lambda t: t.nn.AdaptiveLogSoftmaxWithLoss(4, 5, [2])(t.zeros(3, 4), t.tensor([1, 4])),
    "inputs of targets": lambda t: t.nn.AdaptiveLogSoftmaxWithLoss(4, 5, [2])(t.zeros(2, 2, 4), t.tensor([1, 4])),
    "fractional without size": lambda t: t.nn.FractionalMaxPool2d(2),
    "fractional with both": lambda t: t.nn.FractionalMaxPool3d(2, output_size=2, output_ratio=0.5),
    "fractional ratio": lambda t: t.nn.FractionalMaxPool2d(2, output_ratio=1.5),
    "fractional kernel": lambda t: t.nn.FractionalMaxPool3d(0, output_ratio=0.5),
    "cross map's rank": lambda t: t.nn.CrossMapLRN2d(2)(t.zeros(2, 3)),
    "positional": lambda t: t.nn.Tanh(1),
    "factories": lambda t: t.nn.factory_kwargs({"other": 1}),
    "factories twice": lambda t: t.nn.factory_kwargs({"dtype": 1, "factory_kwargs": {"dtype": 2}}),
    "options' policy": lambda t: t.nn.LinearCrossEntropyOptions(acc_policy="best"),
    "options' method": lambda t: t.nn.LinearCrossEntropyOptions(chunking_method="aspect_ratio:0"),
    "options' rows": lambda t: t.nn.LinearCrossEntropyOptions(batch_chunk_size=0),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    """What can't be made or computed raises PyTorch's errors, word for word."""
    assert_same_error(ERRORS[name])


NAMES = sorted(
    name
    for name in dir(torch.nn)
    if isinstance(getattr(torch.nn, name), type) and issubclass(getattr(torch.nn, name), torch.nn.Module)
)


@pytest.mark.parametrize("name", NAMES)
def test_arguments(name: str) -> None:
    """Constructors and forwards take PyTorch's arguments in PyTorch's order, with its defaults; classes have a text
    on what they are."""
    ours, theirs = getattr(gc.nn, name), getattr(torch.nn, name)
    assert ours.__doc__
    for mine, other in ((ours, theirs), (ours.forward, theirs.forward)):
        expected = described(inspect.signature(other))
        found = described(inspect.signature(mine))
        variadic = "args" in [entry[0] for entry in expected + found]
        assert variadic or other is torch.nn.Module.forward or found == expected


def described(signature: inspect.Signature) -> list[tuple[Any, ...]]:
    kinds = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return [
        (entry.name, kinds.get(entry.kind, entry.kind.name), default_of(entry))
        for entry in signature.parameters.values()
    ]


def default_of(parameter: inspect.Parameter) -> str:
    value = parameter.default
    return getattr(value, "__name__", str(value)).replace("gelu", "relu") if callable(value) else str(value)


def test_factory_kwargs() -> None:
    """Keywords of factories are gathered as PyTorch gathers them."""
    for given in (None, {}, {"dtype": 1}, {"factory_kwargs": {"dtype": 2}, "device": "cpu"}):
        assert gc.nn.factory_kwargs(given) == torch.nn.factory_kwargs(given)


def test_a_first_layout_of_batch_norm() -> None:
    """A state without metadata has no count of batches: loading it keeps the module's own."""
    seen = []
    for t in (gc, torch):
        net = t.nn.BatchNorm1d(2)
        net(t.from_numpy(normal(3, 2)))
        state = dict(t.nn.BatchNorm1d(2).state_dict())
        del state["num_batches_tracked"]
        loaded = repr(net.load_state_dict(state))
        other = t.nn.InstanceNorm1d(2)
        with pytest.raises(RuntimeError) as caught:
            other.load_state_dict({"running_mean": t.zeros(2), "running_var": t.ones(2)})
        seen.append((loaded, net.num_batches_tracked.item(), str(caught.value)))
    assert seen[0] == seen[1]
