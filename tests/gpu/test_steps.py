"""Whole training steps compiled for a GPU: what they leave is what the same steps leave on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from graphc.codegen.cuda.executable import CudaExecutable
from graphc.codegen.executable import Executable
from graphc.runtime.gpus import gpu

CUDA = gc.device("cuda:0")


class Block(nn.Module):
    """A transformer's block over characters: embedding, causal attention, layer norm, perceptron."""

    def __init__(self, vocabulary: int = 11, width: int = 16, context: int = 6):
        super().__init__()
        self.characters, self.places = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.norm, self.split = nn.LayerNorm(width), nn.Linear(width, 3 * width, bias=False)
        self.perceptron = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(0.2))
        self.head = nn.Linear(2 * width, vocabulary)

    def forward(self, x: gc.Tensor) -> gc.Tensor:
        h = self.characters(x) + self.places(gc.arange(x.shape[1], device=x.device))
        q, k, v = self.split(self.norm(h)).chunk(3, -1)
        h = h + F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.head(self.perceptron(h)).transpose(1, 2)


def perceptron() -> tuple[nn.Module, Any, tuple[gc.Tensor, ...]]:
    net = nn.Sequential(nn.Linear(13, 21), nn.ReLU(), nn.Dropout(0.3), nn.Linear(21, 7))
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-3)
    return net, optimizer, (gc.randn(9, 13), gc.arange(9) % 7)


def convolutions() -> tuple[nn.Module, Any, tuple[gc.Tensor, ...]]:
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 5)
    )
    return net, optim.Adam(net.parameters(), lr=0.01, eps=1e-3), (gc.randn(3, 1, 6, 6), gc.arange(3) % 5)


def transformer() -> tuple[nn.Module, Any, tuple[gc.Tensor, ...]]:
    net = Block()
    x = gc.arange(12).reshape(2, 6) * 5 % 11
    return net, optim.AdamW(net.parameters(), lr=0.01, eps=1e-3), (x, (x + 1) % 11)


def recurrent() -> tuple[nn.Module, Any, tuple[gc.Tensor, ...]]:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cells, self.head = nn.LSTM(5, 6, batch_first=True), nn.Linear(6, 3)

        def forward(self, x: gc.Tensor) -> gc.Tensor:
            return self.head(self.cells(x)[0][:, -1])

    net = Last()
    return net, optim.RMSprop(net.parameters(), lr=0.01, eps=1e-3), (gc.randn(4, 3, 5), gc.arange(4) % 3)


MODELS = [perceptron, convolutions, transformer, recurrent]


def run(make: Callable[[], Any], device: str, compiled: bool, steps: int = 3, **options: Any) -> dict[str, Any]:
    """What some steps leave: losses, parameters, buffers, gradients, and the optimizer's state."""
    gc.manual_seed(4)
    net, optimizer, data = make()
    net.to(device)
    data = tuple(each.to(device) for each in data)

    def step(x: gc.Tensor, y: gc.Tensor) -> gc.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        return loss

    call = gc.compile(step, **options) if compiled else step
    gc.manual_seed(5)
    losses = [call(*data) for _ in range(steps)]
    left = {f"loss {place}": loss for place, loss in enumerate(losses)}
    left |= dict(net.state_dict())
    left |= {f"{name}.grad": parameter.grad for name, parameter in net.named_parameters()}
    for place, values in optimizer.state_dict()["state"].items():
        left |= {f"{place}.{name}": value for name, value in values.items() if isinstance(value, gc.Tensor)}
    left["executable"] = call._newest.bound.executable if compiled else None
    return left


def same(found: dict[str, Any], expected: dict[str, Any], device: str) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if name != "executable":
            if not name.endswith("step"):
                assert found[name].device.type == device, name
            array, other = found[name].cpu().numpy(force=True), value.cpu().numpy(force=True)
            np.testing.assert_allclose(array, other, rtol=2e-4, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_steps_leave_what_they_leave_on_the_cpu(make: Callable[[], Any]) -> None:
    """Losses, parameters, gradients, running statistics, and the optimizer's state, after steps that are recorded once
    and then run as one program; the results lie on the GPU."""
    expected = run(make, "cpu", compiled=True)
    assert type(expected["executable"]) is Executable
    found = run(make, "cuda", compiled=True)
    assert type(found["executable"]) is CudaExecutable
    same(found, expected, "cuda")
    same(run(make, "cuda", compiled=False), expected, "cuda")


def test_a_step_on_tensors_of_the_cpu_runs_there_if_asked() -> None:
    """With `backend="cuda"`: tensors stay where they are, and the GPU computes."""
    found = run(perceptron, "cpu", compiled=True, backend="cuda")
    assert type(found["executable"]) is CudaExecutable
    same(found, run(perceptron, "cpu", compiled=True), "cpu")
    found = run(perceptron, "cuda", compiled=True, backend="c")
    assert type(found["executable"]) is Executable
    same(found, run(perceptron, "cpu", compiled=True), "cuda")


def test_sizes_that_are_known_at_run_time_only() -> None:
    """One build serves every batch."""
    weight = gc.randn(5, 4, device="cuda", requires_grad=True)

    @gc.compile(dynamic={"x": {0: ("N", 64)}})
    def f(x: gc.Tensor) -> gc.Tensor:
        return F.softmax(x @ weight, -1).sum(0)

    for batch in (3, 17, 64, 2):
        x = gc.randn(batch, 5, device="cuda")
        np.testing.assert_allclose(
            f(x).cpu().numpy(force=True), F.softmax(x @ weight, -1).sum(0).cpu().numpy(force=True), rtol=1e-5
        )
    assert len(f.report().builds) == 1
    assert type(f._newest.bound.executable) is CudaExecutable


def test_an_index_that_is_out_of_range() -> None:
    """Is the operation's own error, where somebody looks at what the step gives or runs it again; no state has
    changed."""
    table = nn.Embedding(5, 3).cuda()
    total = gc.zeros(3, device="cuda")

    @gc.compile
    def f(x: gc.Tensor) -> gc.Tensor:
        total.add_(table(x).sum(0).detach())
        return total.sum()

    f(gc.tensor([1, 2], device="cuda"))
    assert type(f._newest.bound.executable) is CudaExecutable
    before = total.tolist()
    for look in (lambda wrong: wrong.item(), lambda wrong: gc.cuda.synchronize(), lambda wrong: total.tolist()):
        wrong = f(gc.tensor([1, 5], device="cuda"))
        with pytest.raises(IndexError) as caught:
            look(wrong)
        assert total.tolist() == before
    assert any("test_steps.py" in note for note in caught.value.__notes__)
    assert total.tolist() == before
    f(gc.tensor([1, 4], device="cuda"))
    assert total.tolist() != before


def test_gradients_through_a_compiled_function() -> None:
    """A call that is differentiated from outside: the backward program runs on the GPU too."""

    def f(x: gc.Tensor, w: gc.Tensor) -> gc.Tensor:
        return gc.tanh(x @ w).exp()

    compiled = gc.compile(f)
    x, w = gc.randn(4, 5), gc.randn(5, 3)
    for device in ("cpu", "cuda", "cuda"):
        leaf = w.to(device).detach().requires_grad_()
        result = (compiled if device == "cuda" else f)(x.to(device), leaf)
        (result * 2).sum().backward()
        assert leaf.grad.device == leaf.device == result.device
        if device == "cpu":
            expected = leaf.grad
    np.testing.assert_allclose(leaf.grad.cpu().numpy(), expected.numpy(), rtol=1e-4)
    programs = [executable for _, executable in compiled._newest.bound.backward_programs()]
    assert [type(executable) for executable in programs] == [CudaExecutable]


def test_where_tensors_are_decides_the_build(two: None) -> None:
    """A call with tensors elsewhere is another build; several GPUs in one program are refused."""

    @gc.compile
    def f(x: gc.Tensor) -> gc.Tensor:
        return (x * 2).relu().sum()

    for device in ("cpu", "cuda:0", "cuda:1", "cuda:0"):
        result = f(gc.ones(3, device=device))
        assert (str(result.device), result.item()) == (device, 6)
    assert len(f.report().builds) == 3
    net = nn.Linear(2, 2)

    @gc.compile
    def g(x: gc.Tensor) -> gc.Tensor:
        return net(x).sum()

    for device in ("cpu", "cuda:1", "cpu"):
        net.to(device)
        assert str(g(gc.ones(1, 2, device=device)).device) == device


def test_what_no_kernel_does_is_left_to_the_cpu() -> None:
    """With a warning that names the operation; results are still on the GPU. `fullgraph` refuses."""
    x = gc.randn(3, 3, device="cuda")

    def f(x: gc.Tensor) -> gc.Tensor:
        return gc.linalg.inv(x @ x.t() + gc.eye(3, device="cuda")).exp()

    compiled = gc.compile(f)
    with pytest.warns(RuntimeWarning, match=r"f runs on the CPU: inverse, at .*test_steps.py"):
        compiled(x)
    found = compiled(x)
    assert found.device == CUDA
    np.testing.assert_allclose(found.cpu().numpy(), f(x).cpu().numpy(), rtol=1e-4)
    with pytest.raises(gc.CaptureError, match="fullgraph=True"):
        gc.compile(f, fullgraph=True)(x)


def test_views_at_odd_addresses_are_copied() -> None:
    """Kernels access 16 bytes at once: arguments that begin elsewhere are right too, and written in place."""
    memory = gc.arange(40, dtype=gc.float32, device="cuda")

    @gc.compile
    def f(x: gc.Tensor) -> gc.Tensor:
        x.mul_(2)
        return x + 1

    for _ in range(2):
        part = memory[3:35]
        before = memory.clone()
        result = f(part)
        assert gc.equal(result, before[3:35] * 2 + 1)
        assert gc.equal(memory[3:35], before[3:35] * 2)
        assert gc.equal(memory[:3], before[:3])


def test_memory_that_a_program_needs_and_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tells what was planned beside what is free, and leaves everything as it was."""
    monkeypatch.setenv("GRAPHC_CUDA", "emulate")
    monkeypatch.setenv("GRAPHC_CUDA_MEMORY", str(1 << 16))
    x = gc.ones(64, 64, device="cuda")

    @gc.compile
    def f(x: gc.Tensor) -> gc.Tensor:
        y = x
        for _ in range(4):
            y = gc.softmax(y @ x, -1) + y.t()
        return (y - y.mean()).abs().sum()

    with pytest.raises(gc.cuda.OutOfMemoryError) as caught:
        f(x)
    assert gpu(0).allocated()[0] <= 1 << 16
    assert "are free" in str(caught.value)


def test_a_program_that_does_not_fit_tells_its_plan() -> None:
    """The arena is asked for when the program is loaded: its size is told with the error."""
    from graphc.codegen.cuda import compile_cuda
    from graphc.codegen.cuda.executable import load_cuda
    from graphc.codegen.lower import LoweringOptions, lower
    from graphc.codegen.target import GPU
    from graphc.runtime.emulated_gpu import EmulatedGpu

    f = gc.compile(lambda x: gc.softmax(x @ x, -1).sum(0) @ x, backend="c")
    f(gc.ones(64, 64))
    compiled = compile_cuda(lower(f.stages.optimized, LoweringOptions(target=GPU)))
    with pytest.raises(gc.cuda.OutOfMemoryError) as caught:
        load_cuda(compiled, EmulatedGpu(0, 0, 1024))
    assert f"plans {compiled.plan.arena_bytes:,} bytes of temporaries at their peak" in caught.value.__notes__[0]


def test_state_on_the_cpu_beside_a_gpu() -> None:
    """A step may read and write tensors that stay on the CPU, as an optimizer's count of steps: they are copied there
    and back at every call, always to the same place."""
    count, weight = gc.zeros(()), gc.ones(3, device="cuda")

    @gc.compile
    def f(x: gc.Tensor) -> gc.Tensor:
        count.add_(1)
        weight.mul_(x * count)
        return weight.sum()

    for turn in range(1, 5):
        f(gc.full((3,), 2.0, device="cuda"))
        assert count.item() == turn
    assert type(f._newest.bound.executable) is CudaExecutable
    assert weight.tolist() == [2**4 * 24.0] * 3
    assert count.is_cpu


def deep(memory_limit: int | None) -> tuple[Any, nn.Module]:
    gc.manual_seed(3)
    net = nn.Sequential(*[layer for _ in range(8) for layer in (nn.Linear(24, 24), nn.GELU())]).cuda()
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    x = gc.randn(400, 24).cuda()

    @gc.compile(memory_limit=memory_limit)
    def step() -> gc.Tensor:
        optimizer.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    return step, net


def test_a_step_in_less_memory() -> None:
    """With a limit launches run a second time, and every bit of every result stays; one that can't be met is told."""
    results, arenas = [], []
    for limit in (None, 0.6):
        step, net = deep(limit and int(limit * arenas[0]))
        losses = [step().item() for _ in range(3)]
        executable = step._newest.bound.executable
        assert type(executable) is CudaExecutable
        arenas.append(executable.compiled.plan.arena_bytes)
        results.append([*losses, *(parameter.tolist() for parameter in net.parameters())])
    assert arenas[1] <= 0.6 * arenas[0]
    assert executable.compiled.rematerialization.launches
    assert results[0] == results[1]
    with pytest.raises(gc.MemoryLimitError, match="the least that it can do with"):
        deep(100)[0]()


def test_float32_products_are_rounded_if_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """By either of PyTorch's switches, each of which makes another build, and not before."""
    a, b = gc.randn(40, 50, device="cuda"), gc.randn(50, 30, device="cuda")
    f = gc.compile(lambda a, b: a @ b)
    exact = (a @ b).cpu().numpy()

    def off() -> float:
        f(a, b)
        return float(np.abs(f(a, b).cpu().numpy() - exact).max())

    try:
        assert off() < 1e-4
        gc.set_float32_matmul_precision("high")
        assert gc.backends.cuda.matmul.allow_tf32
        assert 1e-4 < off() < 0.1
        gc.backends.cuda.matmul.allow_tf32 = False
        assert gc.get_float32_matmul_precision() == "highest"
        assert off() < 1e-4
    finally:
        gc.set_float32_matmul_precision("highest")
    assert len(f.report().builds) == 2
    assert "float32 products" in f.report().builds[1].reason


def test_tensors_that_move_between_calls(two: None) -> None:
    """Of one shape on one device and another, called in any order."""
    f = gc.compile(lambda x: x * 2)
    for device in ("cpu", "cuda:0", "cpu", "cpu", "cuda:0", "cuda:1", "cuda:0", "cuda:1", "cuda:1", "cpu"):
        result = f(gc.ones(3, device=device))
        assert (str(result.device), result.tolist()) == (device, [2, 2, 2])
    assert len(f.report().builds) == 3


def test_a_report_tells_the_seconds_of_launches() -> None:
    """By the GPU's clock, on copies of the state; a program that ends early with made-up arguments says so."""
    weight, table = gc.ones(40, 40, device="cuda"), gc.ones(3, 5, device="cuda")

    @gc.compile
    def f(x: gc.Tensor) -> gc.Tensor:
        weight.add_(x)
        return (weight @ x).softmax(-1)

    f(gc.ones(40, 40, device="cuda"))
    launches = f.report(times=True).builds[0].program.launches
    assert len(launches) >= 2
    assert all(launch.seconds > 0 for launch in launches)
    assert (weight == 2).all()
    g = gc.compile(lambda index: table[index * 0 + (index + 3)] * 2)
    g(gc.tensor([-1, -2], device="cuda"))
    assert "IndexError" in g.report(times=True).builds[0].program.untimed


def test_many_steps_are_calls() -> None:
    """A GPU's program runs step by step where many are asked for at once."""
    total = gc.zeros(3, device="cuda")

    @gc.compile
    def f(x: gc.Tensor) -> gc.Tensor:
        total.add_(x)
        return total.sum()

    found = f.run(4, gc.ones(4, 3, device="cuda"))
    assert found.device == CUDA
    assert found.tolist() == [3, 6, 9, 12]
    assert total.tolist() == [4] * 3


def test_a_call_on_another_device_is_of_another_kind() -> None:
    """The latest call was on the CPU: one on a GPU, of the same shape and dtype, is not taken for it."""
    step = gc.compile(lambda x: x + 1)
    x = gc.ones(4)
    step(x)
    step(x)
    there = x.cuda()
    for _ in range(2):
        assert step(there).device == there.device
        assert step(x).device == x.device
    assert len(step.report().builds) == 2
