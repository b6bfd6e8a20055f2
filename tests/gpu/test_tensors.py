"""Tensors on GPUs in eager mode."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc
import graphc.nn.functional as F
from graphc import nn
from graphc.runtime.gpus import gpu

CUDA = gc.device("cuda:0")


def test_going_there_and_back() -> None:
    """`cuda()`, `to()`, and `cpu()` keep every element, its strides, and the history; the CPU's is not shared."""
    x = gc.randn(3, 4).t()
    y = x.cuda()
    assert (y.device, y.is_cuda, y.is_cpu, y.get_device(), x.device.type) == (CUDA, True, False, 0, "cpu")
    assert y.stride() == x.stride()
    assert y.cuda() is y
    assert y.to("cuda") is y
    assert x.to("cpu") is x
    assert gc.equal(y.cpu(), x)
    y.zero_()
    assert x.abs().sum() > 0
    assert y.to(gc.float64).device == CUDA
    assert x.to("cuda", gc.float16).dtype == gc.float16
    assert x.to(y).device == CUDA


def test_gradients_lie_where_their_leaves_are() -> None:
    """On the GPU for a leaf there, on the CPU for a leaf that was moved in the graph."""
    there = gc.randn(3, device="cuda", requires_grad=True)
    here = gc.randn(3, requires_grad=True)
    (there * here.cuda() * 2).sum().backward()
    assert (there.grad.device, here.grad.device.type) == (CUDA, "cpu")
    assert gc.equal(there.grad.cpu(), here.detach() * 2)
    assert gc.equal(here.grad, there.detach().cpu() * 2)
    (there * here.cuda()).sum().backward()
    assert (there.grad.device, here.grad.device.type) == (CUDA, "cpu")


MADE: list[Callable[[gc.Tensor], object]] = [
    lambda x: x + 1,
    lambda x: 2 / x,
    lambda x: x @ x.t(),
    lambda x: x[1:],
    lambda x: x[x > 0],
    lambda x: x[gc.tensor([1])],
    lambda x: x.sum(),
    lambda x: x.argmax(),
    lambda x: x.sort(0),
    lambda x: x.nonzero(),
    lambda x: x.unique(),
    lambda x: x.chunk(2),
    lambda x: gc.cat([x, x]),
    lambda x: gc.where(x > 0, x, 0.0),
    lambda x: gc.zeros_like(x),
    lambda x: gc.rand_like(x),
    lambda x: x.new_ones(3),
    lambda x: x.new_tensor([1, 2]),
    lambda x: gc.multinomial(x.abs(), 1),
    lambda x: gc.bernoulli(x.sigmoid()),
    lambda x: gc.fft.fft(x),
    lambda x: gc.linalg.svdvals(x),
    lambda x: F.dropout(x),
    lambda x: F.layer_norm(x, (4,)),
    lambda x: x.detach(),
    lambda x: x.data,
    lambda x: nn.Parameter(x),
    lambda x: copy.deepcopy(x),
    lambda x: x.clone().t().contiguous(),
    lambda x: x * gc.tensor(2.0),
    lambda x: gc.as_tensor(x),
    lambda x: gc.ones(2, device=x.device),
    lambda x: gc.tensor([1.0], device="cuda"),
    lambda x: gc.arange(3, device=CUDA),
]


@pytest.mark.parametrize("make", MADE, ids=range(len(MADE)))
def test_results_are_where_operands_are(make: Callable[[gc.Tensor], object]) -> None:
    """Whatever is made of a tensor on a GPU is there, and is what the CPU computes of the same elements."""
    x = gc.randn(3, 4)
    gc.manual_seed(1)
    found = make(x.cuda())
    parts = list(found) if isinstance(found, tuple) else [found]
    assert {part.device for part in parts} == {CUDA}
    gc.manual_seed(1)
    expected = make(x)
    for part, other in zip(parts, expected if isinstance(expected, tuple) else [expected], strict=True):
        np.testing.assert_allclose(part.cpu().detach().numpy(), other.cpu().detach().numpy(), rtol=1e-5, atol=1e-6)


MIXED: list[Callable[[gc.Tensor, gc.Tensor], object]] = [
    lambda x, y: x + y,
    lambda x, y: y @ x,
    lambda x, y: gc.cat([x, y]),
    lambda x, y: y.add_(x),
    lambda x, y: F.linear(x, y),
    lambda x, y: gc.where(x > 0, x, y),
    lambda x, y: nn.Linear(3, 2)(y),
]


@pytest.mark.parametrize("mix", MIXED, ids=range(len(MIXED)))
def test_several_devices_in_one_call_are_refused(mix: Callable[[gc.Tensor, gc.Tensor], object]) -> None:
    """With PyTorch's words; numbers and what is copied may come from the CPU."""
    x, y = gc.ones(3, 3), gc.ones(3, 3, device="cuda")
    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device, but found at least two"):
        mix(x, y)
    assert (y * gc.tensor(3.0)).device == CUDA
    y.copy_(x)
    y[0] = x[0]


def test_what_only_the_cpu_has_is_refused() -> None:
    """numpy's view of a GPU's tensor, and devices that there are not."""
    x = gc.ones(2, device="cuda", requires_grad=True)
    with pytest.raises(TypeError, match=r"can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu\(\)"):
        x.detach().numpy()
    assert x.numpy(force=True).tolist() == [1, 1]
    with pytest.raises(RuntimeError, match="invalid device ordinal: cuda:99 was asked for"):
        x.to("cuda:99")
    with pytest.raises(RuntimeError, match="graphc holds no tensors on xpu"):
        x.to("xpu")


def test_text_tells_the_device() -> None:
    """In PyTorch's place for it; and the names of types."""
    x = gc.tensor([1.0, 2.0], device="cuda", dtype=gc.float16, requires_grad=True)
    assert repr(x) == "tensor([1., 2.], device='cuda:0', dtype=torch.float16, requires_grad=True)"
    assert x.type() == "torch.cuda.HalfTensor"
    assert str(x.untyped_storage().device) == "cuda:0"


def test_new_tensors_are_made_where_a_block_says(two: None) -> None:
    """A device as context manager, the default device, and which GPU "cuda" is."""
    with gc.device("cuda:1"):
        assert str(gc.ones(2).device) == "cuda:1"
        with gc.device("cpu"):
            assert gc.ones(2).is_cpu
    assert gc.ones(2).is_cpu
    gc.set_default_device("cuda:1")
    try:
        assert str(gc.randn(2).device) == str(gc.get_default_device()) == "cuda:1"
    finally:
        gc.set_default_device(None)
    with gc.cuda.device(1):
        assert str(gc.ones(2).cuda().device) == "cuda:1"
    gc.cuda.set_device(1)
    assert gc.cuda.current_device() == 1
    assert str(gc.ones(2, device="cuda").device) == "cuda:1"


def test_modules_move(two: None) -> None:
    """Parameters, buffers, and gradients; the parameters are the same objects, as optimizers need."""
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    before = [id(parameter) for parameter in net.parameters()]
    net(gc.randn(5, 3)).sum().backward()
    for device in ("cuda:1", "cuda:0", "cpu"):
        net.to(device)
        tensors = [*net.parameters(), *net.buffers(), *(parameter.grad for parameter in net.parameters())]
        assert {str(tensor.device) for tensor in tensors} == {device}
        assert [id(parameter) for parameter in net.parameters()] == before
        assert str(net(gc.randn(5, 3, device=device)).device) == device


def test_checkpoints_tell_where_tensors_were(two: None) -> None:
    """A file brings them back there, or where `map_location` says."""
    file = io.BytesIO()
    x = gc.randn(2, 3)
    gc.save({"x": x.cuda(), "y": x.to("cuda:1"), "z": x}, file)

    def load(**options: object) -> dict[str, gc.Tensor]:
        file.seek(0)
        return gc.load(file, **options)

    assert [str(tensor.device) for tensor in load().values()] == ["cuda:0", "cuda:1", "cpu"]
    assert {str(tensor.device) for tensor in load(map_location="cpu").values()} == {"cpu"}
    assert {str(tensor.device) for tensor in load(map_location="cuda:1").values()} == {"cuda:1"}
    assert all(gc.equal(tensor.cpu(), x) for tensor in load().values())


def test_the_namespace_of_gpus() -> None:
    """What programs ask before they use a GPU, and about its memory."""
    assert gc.cuda.is_available()
    assert gc.cuda.device_count() >= 1
    assert gc.cuda.get_device_name(0)
    assert gc.cuda.get_device_properties("cuda:0").total_memory == gc.cuda.mem_get_info()[1]
    before = gc.cuda.memory_allocated()
    x = gc.ones(1000, device="cuda")
    assert gc.cuda.memory_allocated() - before == 4096
    del x
    assert gc.cuda.memory_allocated() == before
    assert gc.cuda.max_memory_allocated() >= before + 4096
    gc.cuda.synchronize()
    gc.cuda.empty_cache()
    start, end = gc.cuda.Event(enable_timing=True), gc.cuda.Event(enable_timing=True)
    with gc.cuda.stream(gc.cuda.Stream()):
        start.record()
        end.record()
    end.synchronize()
    assert start.elapsed_time(end) >= 0
    with gc.autocast("cuda"):
        assert (gc.ones(2, 2, device="cuda") @ gc.ones(2, 2, device="cuda")).dtype == gc.float16


def test_memory_that_is_not_there() -> None:
    """More than a GPU has is PyTorch's error for it, which tells what was asked for and what is free."""
    with pytest.raises(gc.cuda.OutOfMemoryError, match=r"out of memory: .* bytes were asked for, .* are free"):
        gpu(0).empty((gc.cuda.mem_get_info()[1] * 64,), np.dtype(np.uint8))


LAZY: list[Callable[[], nn.Module]] = [
    lambda: nn.LazyLinear(4, device="cuda"),
    lambda: nn.LazyConv2d(4, 3).cuda(),
    lambda: nn.LazyConvTranspose2d(4, 3).to("cuda", gc.float32),
    lambda: copy.deepcopy(nn.LazyBatchNorm2d().to("cuda")),
    lambda: nn.LazyConv2d(4, 3).cuda().cpu(),
    lambda: nn.LazyConv2d(4, 3),
]


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature:UserWarning")
@pytest.mark.parametrize("make", LAZY, ids=range(len(LAZY)))
def test_lazy_modules(make: Callable[[], nn.Module]) -> None:
    """A parameter without a shape has a device all the same, and gets its memory there."""
    gc.ones(1, device="cuda")
    module = make()
    home = module.weight.device
    assert home.type == ("cpu" if make in LAZY[-2:] else "cuda")
    assert module(gc.ones(2, 3, 5, 5, device=home)).device == home
    assert {tensor.device for tensor in (*module.parameters(), *module.buffers())} == {home}
