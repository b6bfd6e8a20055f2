"""Namespaces of PyTorch that programs for one CPU touch: what they ask is answered, what can't be done is refused."""

from __future__ import annotations

import importlib
import json
import pickle
import time
from collections.abc import Callable
from typing import Any

import pytest

import graphc as gc
from graphc import profiler
from graphc.torch_version import TorchVersion
from graphc.utils import benchmark
from tests.autograd.scenarios import assert_like_torch

# -- what is asked


ASKED: dict[str, Callable[[Any], Any]] = {
    "accelerator.is_available": lambda t: t.accelerator.is_available(),
    "accelerator.current_accelerator": lambda t: t.accelerator.current_accelerator(),
    "accelerator.device_count": lambda t: t.accelerator.device_count(),
    "accelerator.synchronize": lambda t: t.accelerator.synchronize(),
    "compiler.is_compiling": lambda t: t.compiler.is_compiling(),
    "compiler.disable": lambda t: t.compiler.disable(lambda: 3)(),
    "cpu.current_device": lambda t: (t.cpu.current_device(), t.cpu.is_available(), t.cpu.synchronize()),
    "distributed.is_initialized": lambda t: t.distributed.is_initialized(),
    "distributed.get_rank": lambda t: t.distributed.get_rank(),
    "distributed.all_reduce": lambda t: t.distributed.all_reduce(t.ones(1)),
    "DistributedDataParallel": lambda t: t.nn.parallel.DistributedDataParallel(t.nn.Linear(1, 1)),
    "jit.is_scripting": lambda t: (t.jit.is_scripting(), t.jit.is_tracing()),
    "jit.annotate": lambda t: t.jit.annotate(list[int], [1]),
    "mps": lambda t: (t.mps.device_count(), t.backends.mps.is_available()),
    "onnx": lambda t: t.onnx.is_in_onnx_export(),
    "xpu": lambda t: (t.xpu.is_available(), t.xpu.device_count()),
    "types": lambda t: str(t.types.Number),
}


@pytest.mark.parametrize("question", ASKED)
def test_answers_are_pytorchs(question: str) -> None:
    """What a program asks to find out where it runs is answered, or refused, as by PyTorch on a CPU."""
    for name in ("accelerator", "distributed", "fx", "jit", "onnx", "xpu", "mps", "cpu", "types", "compiler"):
        importlib.import_module(f"graphc.{name}")
    assert_like_torch(ASKED[question])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: gc.jit.save(None, "x.pt"), r"makes no TorchScript programs; save the state_dict"),
        (lambda: gc.jit.load("x.pt"), r"reads no TorchScript programs"),
        (lambda: gc.onnx.export(None, (), "x.onnx"), r"writes no ONNX files"),
        (lambda: gc.fx.symbolic_trace(len), r"graphc\.trace\(function"),
        (lambda: gc.distributed.init_process_group("gloo"), r"works in one process"),
    ],
)
def test_what_cannot_be_done_is_refused(call: Callable[[], Any], words: str) -> None:
    """The error says what graphc does not do, and what it does instead."""
    with pytest.raises((NotImplementedError, RuntimeError), match=words):
        call()


def test_no_processes_are_available() -> None:
    """Programs that ask before they use several processes run in one."""
    assert gc.distributed.is_available() is False
    assert gc.distributed.is_nccl_available() is False


# -- TorchScript's names


def scripted(t):
    net = t.nn.Sequential(t.nn.Linear(2, 2), t.nn.ReLU())
    x = t.ones(1, 2)
    found = [t.jit.script(net), t.jit.trace(net, x), t.jit.trace(net, (x,))]
    return [t.equal(each(x), net(x)) for each in found]


def script_decorates(t):
    @t.jit.script
    def double(x):
        return x * 2

    class Net(t.nn.Module):
        @t.jit.export
        def more(self, x):
            return x + 1

        @t.jit.ignore
        def less(self, x):
            return x - 1

        @t.jit.unused
        def none(self, x):
            return x

    return double(t.ones(2)), Net().more(t.ones(1)), Net().less(t.ones(1)), t.jit.fork(double, t.ones(1)).wait()


@pytest.mark.parametrize("scenario", [scripted, script_decorates], ids=lambda scenario: scenario.__name__)
def test_scripted_code_computes_the_same(scenario: Any) -> None:
    """What ``script`` and ``trace`` give computes what it is given computes."""
    assert_like_torch(scenario)


# -- hub


def test_hub_reads_what_lies_on_the_disk(tmp_path: Any, monkeypatch: Any) -> None:
    """A local repository is run, a checkpoint is found by its address; what is not there is said with its place."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(gc.hub, "_chosen", {})
    repository = tmp_path / "hub" / "owner_models_main"
    repository.mkdir(parents=True)
    code = (
        "dependencies = ['numpy']\ndef small(size=2):\n    'Small.'\n    import graphc\n    return graphc.ones(size)\n"
    )
    (repository / "hubconf.py").write_text(code)
    assert gc.hub.load(str(repository), "small", 3, source="local").tolist() == [1.0, 1.0, 1.0]
    assert gc.hub.load("owner/models", "small", size=1).tolist() == [1.0]
    assert gc.hub.list(str(repository), source="local") == ["small"]
    assert gc.hub.help("owner/models", "small") == "Small."
    with pytest.raises(RuntimeError, match="Cannot find callable large in hubconf"):
        gc.hub.load("owner/models", "large")
    with pytest.raises(FileNotFoundError, match=r"downloads nothing: put a copy of the repository a/b at .*a_b_main"):
        gc.hub.load("a/b", "small")
    address = "https://example.org/files/net-12345678.pth"
    with pytest.raises(FileNotFoundError, match=r"put the file of .* at .*hub.checkpoints.net-12345678\.pth"):
        gc.hub.load_state_dict_from_url(address)
    (tmp_path / "hub" / "checkpoints").mkdir()
    gc.save({"w": gc.ones(1)}, tmp_path / "hub" / "checkpoints" / "net-12345678.pth")
    assert gc.hub.load_state_dict_from_url(address)["w"].tolist() == [1.0]
    gc.hub.set_dir(tmp_path)
    assert gc.hub.get_dir() == str(tmp_path)


# -- the profiler


def test_the_profiler_notes_calls_and_ranges(tmp_path: Any) -> None:
    """Functions, methods, operators, the backward pass, and marked ranges are counted and timed; nothing outside is."""
    with profiler.profile(activities=[profiler.ProfilerActivity.CPU], record_shapes=True) as found:
        with profiler.record_function("forward"):
            x = gc.ones(2, 3, requires_grad=True)
            time.sleep(0.01)
            y = gc.nn.functional.relu(x * 2).sum()
        y.backward()
    gc.ones(1).mul(2)
    counts = {each.key: each.count for each in found.key_averages()}
    assert counts == {
        **{"forward": 1, "aten::ones": 1, "aten::mul": 1, "aten::relu": 1, "aten::sum": 1, "aten::backward": 1}
    }
    forward = next(each for each in found.key_averages() if each.key == "forward")
    assert forward.cpu_time_total >= forward.self_cpu_time_total >= 1e4
    shapes = {each.key: each.input_shapes for each in found.key_averages(group_by_input_shape=True)}
    assert shapes["aten::relu"] == "[[2, 3]]"
    table = found.key_averages().table(sort_by="cpu_time_total", row_limit=2)
    assert table.splitlines()[1].split() == [
        "Name",
        "Self",
        "CPU",
        "%",
        "Self",
        "CPU",
        "CPU",
        "total",
        "%",
        "CPU",
        "total",
        "CPU",
        "time",
        "avg",
        "#",
        "of",
        "Calls",
    ]
    assert table.splitlines()[3].split()[0] == "forward"
    found.export_chrome_trace(str(tmp_path / "trace.json"))
    assert {event["name"] for event in json.loads((tmp_path / "trace.json").read_text())["traceEvents"]} == set(counts)


def test_the_profiler_follows_a_schedule() -> None:
    """The steps that the schedule names are recorded, and each round is handed over at its end."""
    seen = []
    plan = profiler.schedule(wait=1, warmup=1, active=2, repeat=2, skip_first=1)
    with profiler.profile(
        schedule=plan, on_trace_ready=lambda each: seen.append((each.step_num, len(each.events())))
    ) as p:
        for _ in range(12):
            gc.ones(1)
            p.step()
    assert seen == [(5, 2), (9, 2)]

    def actions(t: Any) -> Any:
        plan = t.profiler.schedule(wait=1, warmup=1, active=2, repeat=2, skip_first=1)
        return [plan(step).name for step in range(12)]

    assert_like_torch(actions)


# -- small things


def test_timers_measure() -> None:
    """A timer runs the statement as often as it is told, and says what a run took."""
    calls: list[int] = []
    measured = benchmark.Timer("f()", globals={"f": lambda: calls.append(1)}, label="append").timeit(50)
    assert len(calls) == 52
    assert measured.median == measured.mean == measured.raw_times[0] / 50
    assert "append" in repr(measured)
    many = benchmark.Timer("pass").blocked_autorange(min_run_time=0.01)
    assert sum(many.raw_times) >= 0.01
    assert "append" in str(benchmark.Compare([measured]))


@pytest.mark.parametrize("other", ["1.13", (1, 8), "2.13.0", (2, 13), "2.13.0a1", (3,), "10.0"])
def test_versions_compare_by_their_numbers(other: Any) -> None:
    """Texts and tuples, whatever the number of their parts."""
    version = TorchVersion("2.13.0+graphc")
    numbers = other if isinstance(other, tuple) else tuple(int(part) for part in other.replace("a1", "").split("."))
    own = (2, 13, 0)[: len(numbers)] if len(numbers) < 3 else (2, 13, 0)
    assert (version >= other) is (own >= numbers)
    assert (version < other) is (own < numbers)
    assert version == "2.13.0+graphc"
    assert pickle.loads(pickle.dumps(version)) == version
