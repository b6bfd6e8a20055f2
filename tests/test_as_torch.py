"""graphc in PyTorch's place: imports, names of classes, missing names, and the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import graphc as gc
from graphc.cli import main

ROOT = Path(gc.__path__[0]).parent


def run(text: str, *before: str) -> str:
    """What a program prints in a process of its own, in which ``torch`` is graphc."""
    code = "import graphc; graphc.install_as_torch()\n" + text
    done = subprocess.run(
        [sys.executable, *before, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_forms_of_import() -> None:
    """Whatever a program says, it gets graphc's modules, each once."""
    program = """
import torch, torchvision
import torch.nn as nn
import torch.nn.functional as F
import torch.optim.lr_scheduler
import torch.utils.checkpoint as checkpoint
from torch import Tensor, nn as again, optim
from torch.autograd import Function, Variable, grad
from torch.nn.modules.batchnorm import BatchNorm2d
from torch.nn.parameter import Parameter
from torch.utils.data import DataLoader, TensorDataset
assert nn is graphc.nn is again is torch.nn and F is graphc.nn.functional
assert Tensor is graphc.Tensor and BatchNorm2d is nn.BatchNorm2d and optim is graphc.optim
assert graphc.nn.__name__ == graphc.nn.__spec__.name == "graphc.nn"
assert isinstance(torch.ones(2), torch.Tensor) and torch.__version__.startswith("2.13")
exec("from torch import *")
assert zeros is torch.zeros and "softmax" in dir(torch)
print("fine")
"""
    assert run(program) == "fine\n"


def test_classes_are_called_as_in_pytorch() -> None:
    """What ``type`` prints, to the character."""
    program = """
import torch
from torch import nn
layer = nn.Linear(1, 1)
for value in (torch.ones(1), layer.weight, layer, torch.ones(1).shape, torch.float32, torch.device("cpu"),
              torch.Generator(), nn.BatchNorm2d(1), torch.optim.SGD(layer.parameters(), 0.1), nn.ReLU(),
              torch.utils.data.TensorDataset(torch.ones(1)), nn.Sequential()):
    print(type(value))
"""
    expected = (
        "Tensor",
        "nn.parameter.Parameter",
        "nn.modules.linear.Linear",
        "Size",
        "dtype",
        "device",
        "_C.Generator",
        "nn.modules.batchnorm.BatchNorm2d",
        "optim.sgd.SGD",
        "nn.modules.activation.ReLU",
        "utils.data.dataset.TensorDataset",
        "nn.modules.container.Sequential",
    )
    assert run(program).splitlines() == [f"<class 'torch.{name}'>" for name in expected]


def test_classes_are_pickled_by_their_new_names() -> None:
    """A module goes through pickle, and comes back as the same class."""
    program = """
import pickle, torch
layer = torch.nn.BatchNorm1d(2)
text = pickle.dumps(layer)
assert b"torch.nn.modules.batchnorm" in text
again = pickle.loads(text)
print(type(again) is type(layer))
"""
    assert run(program) == "True\n"


def test_modules_that_are_there_are_attributes() -> None:
    """``import graphc as torch`` gives, as attributes, the modules that PyTorch has as attributes and graphc as
    modules."""
    program = """
import graphc
names = "serialization compiler functional _higher_order_ops storage overrides nn.utils.rnn optim.lr_scheduler".split()
for name in names:
    found = graphc
    for part in name.split("."):
        found = getattr(found, part)
    print(found.__name__)
"""
    names = "serialization compiler functional _higher_order_ops storage overrides nn.utils.rnn optim.lr_scheduler"
    assert run(program).split() == [f"graphc.{name}" for name in names.split()]


def test_a_name_that_is_not_there() -> None:
    """The error says what is missing and the nearest name there is; a module that is missing is named as well."""
    program = """
import torch
for name in ("sofmax", "cuda.memory_snapsho", "zzz"):
    holder = torch
    *way, last = name.split(".")
    for part in way:
        holder = getattr(holder, part)
    try:
        getattr(holder, last)
    except AttributeError as error:
        print(error)
try:
    import torch.ao.quantization
except ModuleNotFoundError as error:
    print(error)
print(hasattr(torch, "_something"))
"""
    first, second, third, fourth, fifth = run(program).splitlines()
    assert first == (
        "module 'torch' has no attribute 'sofmax': graphc does not offer it; the nearest name there is 'softmax'"
    )
    assert second.startswith(
        "module 'torch.cuda' has no attribute 'memory_snapsho': graphc does not offer it; the near"
    )
    assert third.startswith("module 'torch' has no attribute 'zzz': graphc does not offer it")
    assert fourth == "No module named 'torch.ao': graphc does not offer it"
    assert fifth == "False"


def test_without_being_installed_graphc_is_itself() -> None:
    """Names stay graphc's in a process that did not ask, and the error names graphc."""
    assert gc.Tensor.__module__ == "graphc.tensor"
    with pytest.raises(AttributeError, match=r"module 'graphc' has no attribute 'softmaxx'.*nearest.*'softmax'"):
        _ = gc.softmaxx


def test_installed_and_removed() -> None:
    """Twice is once, what is imported already is an error, and removing leaves no trace."""
    program = """
import sys
graphc.install_as_torch()
import torch.nn
from graphc.as_torch import remove_as_torch
remove_as_torch()
assert not [name for name in sys.modules if name.startswith("torch")]
assert graphc.Tensor.__module__ == "graphc.tensor" and graphc.dtype.__name__ == "DType"
sys.modules["torch"] = sys
try:
    graphc.install_as_torch()
except RuntimeError as error:
    print(error)
"""
    assert run(program) == ("torch is imported already: call graphc.install_as_torch() before anything imports it\n")


def test_the_command_runs_a_script_of_pytorch(tmp_path: Path) -> None:
    """`graphc run --as-torch`: the script sees torch and its own arguments; dump writes what was compiled."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, torch\n"
        "print(torch.arange(3), sys.argv[1:])\n"
        "print(torch.compile(lambda x: x * 2)(torch.ones(2)))\n"
    )
    for command in (["run", "--as-torch"], ["dump", "--as-torch", "--out", "out"]):
        done = subprocess.run(
            [sys.executable, "-m", "graphc", *command, str(script), "a", "--as-torch"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == "tensor([0, 1, 2]) ['a', '--as-torch']\ntensor([2., 2.])\n"
    assert (tmp_path / "out" / "lambda" / "program.c").is_file()


def test_the_command_where_torch_is_there_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Said before the script runs."""
    script = tmp_path / "script.py"
    script.write_text("print('ran')\n")
    monkeypatch.setitem(sys.modules, "torch", sys)
    assert main(["run", "--as-torch", str(script)]) == 2
    out, errors = capsys.readouterr()
    assert out == ""
    assert "torch is imported already" in errors


def test_processes_that_a_program_starts(tmp_path: Path) -> None:
    """A process that begins anew imports the script again, and finds graphc under PyTorch's name there too."""
    script = tmp_path / "spawning.py"
    script.write_text(
        """
import torch
import torch.multiprocessing as mp
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1)


def work(rank, model, queue):
    queue.put((rank, torch.__version__.partition("+")[2], type(model.layer).__module__))


def fail(rank):
    raise ValueError("as it should")


if __name__ == "__main__":
    queue = mp.get_context("spawn").SimpleQueue()
    mp.spawn(work, (Model(), queue), nprocs=1)
    print(queue.get())
    try:
        mp.spawn(fail, nprocs=1)
    except mp.ProcessRaisedException as error:
        print("ValueError: as it should" in str(error))
"""
    )
    done = subprocess.run(
        [sys.executable, "-m", "graphc", "run", "--as-torch", str(script)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "(0, 'graphc', 'torch.nn.modules.linear')\nTrue\n"


def test_whole_modules_are_saved_and_loaded(tmp_path: Path) -> None:
    """A module saved whole, by the program itself or by PyTorch, is loaded where the file is trusted; and not else."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Linear(4, 2)))
    torch.save(net, tmp_path / "theirs.pt")
    program = f"""
import torch
from torch import nn
torch.manual_seed(0)
net = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.ReLU(), nn.Linear(4, 2)))
torch.save(net, {str(tmp_path / "ours.pt")!r})
x = torch.ones(2, 3)
for path in ({str(tmp_path / "ours.pt")!r}, {str(tmp_path / "theirs.pt")!r}):
    loaded = torch.load(path, weights_only=False)
    assert type(loaded) is nn.Sequential and type(loaded[1][0]) is nn.ReLU
    assert torch.equal(loaded(x), net(x))
    try:
        torch.load(path)
    except Exception as error:
        print(type(error).__name__)
"""
    assert run(program).split() == ["UnpicklingError"] * 2
    with pytest.raises(Exception, match=r"Sequential, a class of PyTorch's that only PyTorch can make"):
        gc.load(tmp_path / "theirs.pt", weights_only=False)
