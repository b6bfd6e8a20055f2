"""``compile(module)`` gives a module, as PyTorch's does; methods and options of its ``compile``."""

from __future__ import annotations

import copy
import io
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import graphc as gc
from graphc import nn, optim
from graphc.compiled_module import OptimizedModule


def test_a_compiled_module_is_used_as_the_module() -> None:
    """As PyTorch's programs do: its parameters to an optimizer, its modes, its state dict with PyTorch's prefix."""
    net = nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.5))
    compiled = gc.compile(net, backend="inductor", mode="max-autotune")
    optimizer = optim.SGD(compiled.parameters(), lr=0.1)
    compiled.eval()
    assert not net.training
    assert not compiled.training
    x = gc.ones(4, 2)
    compiled(x)
    before = net[0].weight.clone()
    compiled(x).sum().backward()
    optimizer.step()
    assert not gc.equal(before, net[0].weight)
    assert list(compiled.state_dict()) == ["_orig_mod.0.weight", "_orig_mod.0.bias"]
    assert [name for name, _ in compiled.named_modules()] == ["", "_orig_mod", "_orig_mod.0", "_orig_mod.1"]
    assert repr(compiled).startswith("OptimizedModule(\n  (_orig_mod): Sequential(")
    assert isinstance(compiled, nn.Module)
    assert len(compiled) == 2
    assert gc.compile(net, disable=True) is net
    with pytest.raises(AttributeError, match="'Sequential' object has no attribute 'nothing'"):
        compiled.nothing  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'parameters'"):
        gc.compile(lambda x: x).parameters  # noqa: B018


def test_what_is_read_and_written_is_the_modules() -> None:
    """Attributes go through to the module, the program's words are there where the module has none."""
    net = nn.Linear(2, 2)
    net.extra = 5
    compiled = gc.compile(net)
    assert compiled.extra == 5
    compiled.extra, compiled.more = 7, 8
    assert (net.extra, net.more) == (7, 8)
    del compiled.extra
    assert not hasattr(net, "extra")
    net.eval()
    assert not compiled.training
    compiled.training = True
    assert net.training
    compiled(gc.ones(1, 2))
    assert "graphc_run" in compiled.source
    assert len(compiled.report().builds) == 1
    net.report = "the module's own"
    assert compiled.report == "the module's own"


def test_it_is_copied_saved_and_loaded() -> None:
    """A copy has parameters of its own; states go between two compiled modules, and not from the bare one."""
    net = nn.Linear(2, 2)
    compiled = gc.compile(net)
    other = copy.deepcopy(compiled)
    assert type(other) is OptimizedModule
    assert other._orig_mod is not net
    x = gc.ones(1, 2)
    assert gc.equal(other(x), compiled(x))
    file = io.BytesIO()
    gc.save(compiled.state_dict(), file)
    file.seek(0)
    fresh = gc.compile(nn.Linear(2, 2))
    fresh.load_state_dict(gc.load(file))
    assert gc.equal(fresh(x), compiled(x))
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "_orig_mod.weight", "_orig_mod.bias"'):
        fresh.load_state_dict(net.state_dict())


def test_hooks_and_parts() -> None:
    """Its own hooks run around the program; it is a part of other modules, and compiled with them."""
    seen = []
    compiled = gc.compile(nn.Linear(2, 2))
    handle = compiled.register_forward_hook(lambda module, given, result: seen.append(type(module).__name__))
    compiled(gc.ones(1, 2))
    handle.remove()
    compiled(gc.ones(1, 2))
    assert seen == ["OptimizedModule"]
    whole = nn.Sequential(compiled, nn.ReLU())
    assert list(whole.state_dict()) == ["0._orig_mod.weight", "0._orig_mod.bias"]
    again = gc.compile(whole)
    x = gc.ones(3, 2)
    assert gc.equal(again(x), whole(x))
    assert type(gc.compile(compiled)) is OptimizedModule
    assert gc.compile(compiled)._orig_mod is compiled._orig_mod


def test_decorated_methods() -> None:
    """Of objects, of classes, and of none."""

    class Scales:
        @gc.compile
        def twice(self, x):
            return x * 2

        @classmethod
        @gc.compile(fullgraph=True)
        def thrice(cls, x):
            return x * 3

        @staticmethod
        @gc.compile(dynamic=True)
        def four_times(x):
            return x * 4

    x, scales = gc.ones(2), Scales()
    for _ in range(2):
        assert scales.twice(x).tolist() == Scales.twice(scales, x).tolist() == [2, 2]
        assert scales.thrice(x).tolist() == Scales.thrice(x).tolist() == [3, 3]
        assert scales.four_times(x).tolist() == Scales.four_times(x).tolist() == [4, 4]


def test_options_are_those_of_pytorch() -> None:
    """Modes, backends, and names that PyTorch's function takes or refuses, in its words."""
    net = nn.Linear(2, 2)
    assert type(gc.compile(model=net, name="net")) is OptimizedModule
    with pytest.raises(RuntimeError, match="Unrecognized mode=fast, should be one of: default, lite"):
        gc.compile(net, mode="fast")
    with pytest.raises(RuntimeError, match="Either mode or options can be specified"):
        gc.compile(net, mode="default", options={})
    with pytest.raises(RuntimeError, match="Invalid backend: 'mine'"):
        gc.compile(net, backend="mine")
    with pytest.raises(TypeError, match="unexpected keyword argument 'speed'"):
        gc.compile(net, speed=3)

    def my_backend(graph, examples):
        raise AssertionError

    with pytest.warns(RuntimeWarning, match="the backend 'my_backend' is not called"):
        compiled = gc.compile(net, backend=my_backend)
    assert compiled(gc.ones(1, 2)).shape == (1, 2)


def test_fallback_runs_what_can_not_be_recorded() -> None:
    """With a warning, once, and with every list, variable, and parameter as after one eager call."""
    seen, weight = [], gc.ones(2, requires_grad=True)
    counted = 0

    def step(x):
        nonlocal counted
        counted += 1
        seen.append(float((x * weight).sum().detach()))
        loss = (x * weight).sum()
        loss.backward()
        return loss.detach()

    with pytest.raises(gc.CaptureError):
        gc.compile(step)(gc.ones(2))
    assert (counted, seen, weight.grad) == (0, [], None)
    compiled = gc.compile(step, fallback=True)
    with pytest.warns(RuntimeWarning, match=r"step \(.*keeps running eagerly.*can't be recorded") as told:
        compiled(gc.ones(2))
    assert told[0].filename == __file__
    assert (counted, seen, weight.grad.tolist()) == (1, [2.0], [1.0, 1.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compiled(gc.ones(2))
    assert (counted, seen) == (2, [2.0, 2.0])
    with pytest.raises(gc.CaptureError):
        gc.compile(step, fallback=True, fullgraph=True)(gc.ones(2))


def test_programs_of_pytorch_fall_back_by_themselves(tmp_path: Path) -> None:
    """In PyTorch's place, a function that can't be recorded runs all the same."""
    script = tmp_path / "program.py"
    script.write_text(
        "import torch\n"
        "losses = []\n"
        "@torch.compile\n"
        "def step(x):\n"
        "    losses.append(float(x.numpy().sum()))\n"
        "    return x * 2\n"
        "for _ in range(3):\n"
        "    print(step(torch.ones(2)))\n"
        "print(losses)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "graphc", "run", "--as-torch", str(script)], capture_output=True, text=True, timeout=100
    )
    assert done.stdout == "tensor([2., 2.])\n" * 3 + "[2.0, 2.0, 2.0]\n"
    assert "keeps running eagerly" in done.stderr
