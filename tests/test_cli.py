"""The ``graphc`` command: scripts run as under ``python``, dumps are whole, mistakes are said clearly."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest

import graphc
from graphc.cli import main
from graphc.ir.parser import parse_graph
from graphc.runtime.toolchain import compile_flags, find_toolchain

ROOT = Path(graphc.__path__[0]).parent
FILES = {"captured.ir", "backward.ir", "optimized.ir", "loops.ir", "program.c", "plan.txt", "graph.svg"}


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., Path]:
    """Writes a script into a folder of its own: ``script(text, name="script.py")``."""

    def write(text: str, name: str = "script.py") -> Path:
        path = tmp_path / "scripts" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return write


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run in an empty folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def environment() -> dict[str, str]:
    """That of this process, in which other processes find graphc."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def shell(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a Python process to its end."""
    return subprocess.run([sys.executable, *command], env=environment(), capture_output=True, text=True, timeout=60)


FACTS = """\
'''What a script sees of its surroundings.'''
import json, os, pickle, sys
import neighbour
from __main__ import __doc__ as own

class Kept:
    def __init__(self): self.value = 3

if __name__ == "__main__":
    module = sys.modules["__main__"]
    print(json.dumps({
        "argv": sys.argv,
        "path": sys.path[0],
        "file": __file__,
        "spec": __spec__,
        "package": __package__,
        "loader": type(__loader__).__name__,
        "names": sorted(name for name in vars(module) if name.startswith("__")),
        "doc": own,
        "pickled": pickle.loads(pickle.dumps(Kept())).value,
        "class": Kept.__module__,
        "neighbour": neighbour.__file__,
        "code": (lambda: 0).__code__.co_filename,
    }))
"""


@pytest.mark.parametrize("given", ["absolute", "relative", "linked"])
def test_a_script_sees_what_it_sees_under_python(script: Callable[..., Path], tmp_path: Path, given: str) -> None:
    """Arguments, path, ``__main__`` and what is in it, pickling of its classes, and neighbours to import."""
    path = script(FACTS)
    script("", "neighbour.py")
    name = os.path.relpath(path) if given == "relative" else str(path)
    if given == "linked":
        name = str(tmp_path / "link.py")
        os.symlink(path, name)
    arguments = [name, "first", "--out", "x", "-h", "--", "last one"]
    expected = shell(*arguments)
    assert expected.returncode == 0, expected.stderr
    got = shell("-m", "graphc", "run", *arguments)
    assert got.returncode == 0, got.stderr
    assert json.loads(got.stdout) == json.loads(expected.stdout)


def test_running_leaves_this_process_as_it_was(script: Callable[..., Path], capsys: pytest.CaptureFixture) -> None:
    """Called from Python, ``main`` gives back arguments, path, and ``__main__``."""
    before = sys.argv, list(sys.path), sys.modules["__main__"]
    assert main(["run", str(script("import sys; print(__name__, sys.argv[1:])")), "a", "-b"]) == 0
    assert capsys.readouterr().out == "__main__ ['a', '-b']\n"
    assert (sys.argv, list(sys.path), sys.modules["__main__"]) == before


def test_a_traceback_starts_at_the_users_line(script: Callable[..., Path]) -> None:
    """What Python prints for an error is what the command prints, word for word, notes and causes included."""
    path = script(
        "import graphc as gc\n"
        "def inner(x):\n"
        "    try:\n"
        "        {}['key']\n"
        "    except KeyError as error:\n"
        "        raise ValueError('wrong') from error\n"
        "try:\n"
        "    gc.zeros(2) + gc.zeros(3)\n"
        "except RuntimeError as error:\n"
        "    print(error.__notes__[0])\n"
        "inner(1)\n"
    )
    expected, got = shell(str(path)), shell("-m", "graphc", "run", str(path))
    assert got.returncode == expected.returncode == 1
    assert got.stderr == expected.stderr
    assert got.stdout == expected.stdout
    assert got.stdout.endswith("script.py:8\n")


def test_a_syntax_error_is_printed_as_python_prints_it(script: Callable[..., Path]) -> None:
    """The line and the caret, and no frame of the command."""
    path = script("x = 1\nif x\n    pass\n")
    expected, got = shell(str(path)), shell("-m", "graphc", "run", str(path))
    assert got.returncode == expected.returncode == 1
    assert got.stderr == expected.stderr


@pytest.mark.parametrize(
    ("text", "status"), [("sys.exit(7)", 7), ("sys.exit()", None), ("raise SystemExit('no')", "no")]
)
def test_an_exit_of_the_script_passes(script: Callable[..., Path], text: str, status: object) -> None:
    """Its code is the command's."""
    with pytest.raises(SystemExit) as exited:
        main(["run", str(script(f"import sys\n{text}\n"))])
    assert exited.value.code == status


def test_an_interrupt_ends_the_script(script: Callable[..., Path]) -> None:
    """Ctrl-C gives the status that a shell gives for it, and no frame of the command."""
    path = script("import time\nprint('ready', flush=True)\ntime.sleep(60)\n")
    with subprocess.Popen(
        [sys.executable, "-m", "graphc", "run", str(path)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.endswith("KeyboardInterrupt\n")
    assert errors.count("File ") == 1


@pytest.mark.parametrize("command", ["run", "dump"])
def test_no_such_script(command: str, capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    """The message names what was given; nothing is made."""
    assert main([command, "absent.py"]) == 2
    assert capsys.readouterr().err == f"graphc {command}: 'absent.py' does not exist\n"
    assert main([command, str(tmp_path)]) == 2
    assert "is a folder" in capsys.readouterr().err
    assert not os.listdir()


def test_version_help_and_wrong_usage(capsys: pytest.CaptureFixture) -> None:
    """--version and --help end well; an unknown command is wrong usage."""
    for arguments, status in ((["--version"], 0), (["--help"], 0), (["run", "--help"], 0), ([], 2), (["fly"], 2)):
        with pytest.raises(SystemExit) as exited:
            main(arguments)
        assert exited.value.code == status, arguments
    assert f"graphc {graphc.__version__}" in capsys.readouterr().out


def test_doctor_fails_where_there_is_no_compiler(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Its status tells a script whether programs can be compiled here; the text names the command that mends it."""
    assert main(["doctor"]) == 0
    assert "compiler  ok" in capsys.readouterr().out
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "ziglang", None)
    assert main(["doctor"]) == 1
    assert "pip install ziglang" in capsys.readouterr().out


# -- dump ------------------------------------------------------------------------------------------------------------

SEVERAL = """\
import sys
import graphc as gc
from graphc import nn, optim

net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
opt = optim.Adam(net.parameters())
print(sys.argv[1:])

@gc.compile
def step(x, y):
    opt.zero_grad()
    loss = nn.functional.cross_entropy(net(x), y)
    loss.backward()
    opt.step()
    return loss

for rows in (2, 3, 2):
    step(gc.randn(rows, 1, 4, 4), gc.arange(rows))
double = gc.compile(lambda x: x * 2)
double(gc.ones(3)), double(gc.ones(4))
gc.compile(net)(gc.zeros(1, 1, 4, 4))
"""


def check_folder(folder: Path) -> None:
    """Every file is there and is what its name says: IR that reads back, C without warnings, XML, tables."""
    assert {path.name for path in folder.iterdir()} == FILES
    for name in ("captured.ir", "backward.ir", "optimized.ir"):
        text = (folder / name).read_text()
        graph = parse_graph(text)
        assert graph.nodes, name
        assert str(graph).strip() == text.strip(), name
    captured, joint = (parse_graph((folder / name).read_text()) for name in ("captured.ir", "backward.ir"))
    assert {node.location.phase for node in captured.nodes} == {"forward"}
    assert len(captured.nodes) <= len(joint.nodes)
    picture = ElementTree.parse(folder / "graph.svg").getroot()
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    labels = "".join(picture.itertext())
    assert all(output.name in labels for output in joint.outputs)
    toolchain = find_toolchain()
    done = subprocess.run(
        [*toolchain.command, *compile_flags(toolchain, "-O1"), "-Werror", "-o", os.devnull, "-c", folder / "program.c"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "graphc_run" in (folder / "program.c").read_text()
    assert "peak" in (folder / "plan.txt").read_text()
    assert (folder / "loops.ir").read_text().strip()


def test_dump_writes_every_build_of_every_function(script: Callable[..., Path], capfd: pytest.CaptureFixture) -> None:
    """Two shapes are two folders; lambdas and modules have names; --out may stand after the script."""
    path = script(SEVERAL)
    assert main(["dump", str(path), "left", "--out", "deep/out", "--other", "right"]) == 0
    out, errors = capfd.readouterr()
    assert out == "['left', '--other', 'right']\n"
    folders = ["step", "step-2", "lambda", "lambda-2", "Sequential"]
    assert sorted(os.listdir("deep/out")) == sorted(folders)
    assert errors.splitlines() == [f"graphc dump: deep/out/{name}/" for name in folders]
    for name in folders:
        check_folder(Path("deep/out") / name)
    phases = {node.location.phase for node in parse_graph(Path("deep/out/step/backward.ir").read_text()).nodes}
    assert phases == {"forward", "backward", "update"}


@pytest.mark.parametrize(("sample", "amount"), [("lenet.py", "--epochs"), ("char_gpt.py", "--steps")])
def test_dump_of_a_sample(sample: str, amount: str, tmp_path: Path) -> None:
    """The files of a real training step are whole."""
    path = ROOT / "samples" / sample
    if not path.is_file():
        pytest.skip("the samples are not part of an installed package")
    # Less data and a smaller net, so that the test is short; the program is the sample's.
    text = path.read_text().replace("DataLoader(train,", "DataLoader(TensorDataset(*train[:50]),")
    text = text.replace("BATCH = 4, 4, 128, 64, 16", "BATCH = 1, 2, 16, 16, 64")
    shortened = tmp_path / "samples" / sample
    shortened.parent.mkdir()
    for name in ("sample_tools.py", "data"):
        os.symlink(path.parent / name, shortened.parent / name)
    shortened.write_text(text.replace("import DataLoader", "import DataLoader, TensorDataset"))
    done = shell("-m", "graphc", "dump", str(shortened), "--out", "out", amount, "1")
    assert done.returncode == 0, done.stderr
    check_folder(Path("out/train_step"))


@pytest.mark.parametrize(
    ("arguments", "folder", "seen"),
    [
        (["--out", "a", "SCRIPT", "--out", "b"], "a", ["--out", "b"]),
        (["SCRIPT", "--out=a", "c"], "a", ["c"]),
        (["SCRIPT", "--", "--out", "b"], "out", ["--out", "b"]),
        (["SCRIPT"], "out", []),
    ],
)
def test_whose_out_it_is(
    script: Callable[..., Path], capfd: pytest.CaptureFixture, arguments: list[str], folder: str, seen: list[str]
) -> None:
    """The first --out is the command's, unless it stands after --; everything else is the script's."""
    path = str(
        script("import sys, graphc as gc\nprint(sys.argv[1:])\ngc.compile(lambda x: x + 1)(gc.ones(2))\n", "named.py")
    )
    assert main(["dump", *[path if argument == "SCRIPT" else argument for argument in arguments]]) == 0
    assert capfd.readouterr().out == f"{seen}\n"
    assert os.listdir() == [folder]


def test_dump_of_a_script_that_compiles_nothing(script: Callable[..., Path], capfd: pytest.CaptureFixture) -> None:
    """It ran, nothing is written, and that is said."""
    path = script("print('ran')\n")
    assert main(["dump", str(path)]) == 1
    out, errors = capfd.readouterr()
    assert out == "ran\n"
    assert "called no compiled function" in errors


def test_dump_keeps_what_was_built_before_an_error(script: Callable[..., Path], capfd: pytest.CaptureFixture) -> None:
    """A script that raises later still leaves its folders, and its status is that of an error."""
    path = script("import graphc as gc\ngc.compile(lambda x: x + 1)(gc.ones(2))\nraise ValueError('late')\n")
    assert main(["dump", str(path)]) == 1
    errors = capfd.readouterr().err
    assert "ValueError: late" in errors
    assert "graphc dump: out/lambda/" in errors
    check_folder(Path("out/lambda"))


def test_dump_into_a_place_that_is_none(script: Callable[..., Path], capfd: pytest.CaptureFixture) -> None:
    """A file in the way, or no folder given: said before the script runs."""
    path = str(script("print('ran')\n"))
    Path("file").touch()
    for arguments in (["--out", "file"], ["--out", "file/below"], ["--out"]):
        assert main(["dump", path, *arguments]) == 2
        out, errors = capfd.readouterr()
        assert out == ""
        assert errors.startswith("graphc dump: ")
    assert "--out expects a folder" in errors


def test_dump_needs_no_compiler(script: Callable[..., Path]) -> None:
    """Without one the files are there all the same, and the script runs eagerly."""
    path = script("import graphc as gc\nprint(gc.compile(lambda x: (x + 1).sum())(gc.ones(2)).item())\n")
    surroundings = {**environment(), "PATH": "", "CC": ""}
    code = "import sys; sys.modules['ziglang'] = None; from graphc.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "dump", str(path)], env=surroundings, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "4.0\n"
    assert "pip install ziglang" in done.stderr
    check_folder(Path("out/lambda"))


def test_dump_for_a_gpu(script: Callable[..., Path], tmp_path: Path) -> None:
    """``--backend cuda`` writes one text of kernels and their launches in the place of C; neither needs a GPU."""
    text = "import graphc as gc\ngc.compile(lambda x: (x @ x).softmax(1) * 2)(gc.randn(64, 64))\n"
    assert main(["dump", "--backend", "cuda", "--out", str(tmp_path / "dumped"), str(script(text))]) == 0
    (folder,) = (tmp_path / "dumped").iterdir()
    assert {path.name for path in folder.iterdir()} == FILES - {"program.c"} | {"program.cu", "launches.txt"}
    source = (folder / "program.cu").read_text()
    launches = (folder / "launches.txt").read_text().splitlines()
    assert launches
    for line in launches:
        assert re.search(rf'extern "C" __global__ void [^{{]*\b{line.split()[0]}\(', source)


def test_dump_for_a_gpu_says_what_it_can_not_do(script: Callable[..., Path], capfd: pytest.CaptureFixture[str]) -> None:
    """An operation of the host is refused by its name and Python line."""
    text = "import graphc as gc\ngc.compile(lambda x: gc.linalg.inv(x))(gc.eye(3))\n"
    assert main(["dump", "--backend", "cuda", str(script(text))]) == 1
    assert re.search(r"inv.*script\.py:2.*host", capfd.readouterr().err)
