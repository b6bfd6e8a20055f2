"""What is shipped: the wheel works on its own, README and CI agree, and no name leaves its place in the C."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import textwrap
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from graphc.compiled.dump import write_stages
from graphc.ir.parser import parse_graph

ROOT = Path(gc.__path__[0]).parent
in_repository = pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="not a checkout of the repository")


# -- the wheel -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built by pip; skips where the build backend can't be had."""
    if not (ROOT / "pyproject.toml").is_file():
        pytest.skip("not a checkout of the repository")
    folder = tmp_path_factory.mktemp("wheel")
    # Where the backend is installed pip needs to fetch nothing.
    installed = importlib.util.find_spec("hatchling") is not None
    command = [sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps", "-q", "-w", str(folder)]
    done = subprocess.run(command + ["--no-build-isolation"] * installed, capture_output=True, text=True, timeout=300)
    if done.returncode and "hatchling" in done.stderr:
        pytest.skip(f"build backend not available: hatchling: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("graphc-*.whl")
    return built


def test_the_wheel_holds_code_templates_and_the_command(wheel: Path) -> None:
    """Every module, every template, the type marker; and nothing that does not belong there."""
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "graphc").rglob("*.py")}
    templates = {f"graphc/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "templates").rglob("*.j2")}
    assert templates
    assert modules | templates | {"graphc/py.typed"} <= names
    assert {name.split("/")[0] for name in names} == {"graphc", f"graphc-{gc.__version__}.dist-info"}
    (entry_points,) = (name for name in names if name.endswith("entry_points.txt"))
    assert "graphc = graphc.cli:main" in zipfile.ZipFile(wheel).read(entry_points).decode()


STEP = """\
import graphc as gc
from graphc import nn, optim
import graphc.codegen.render

net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
opt = optim.SGD(net.parameters(), lr=0.1)

@gc.compile
def step(x, y):
    opt.zero_grad()
    loss = nn.functional.cross_entropy(net(x), y)
    loss.backward()
    opt.step()
    return loss

losses = [step(gc.ones(3, 4), gc.tensor([0, 1, 0])).item() for _ in range(3)]
assert losses[0] > losses[1] > losses[2]
print(gc.__file__)
print(graphc.codegen.render.template_folder())
"""


def test_the_wheel_works_far_from_the_repository(wheel: Path, tmp_path: Path) -> None:
    """Installed into a fresh environment, it compiles and runs a step with the templates that it brought."""
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=False, symlinks=True)
    python = environment / "bin" / "python"
    (packages,) = environment.glob("lib/python*/site-packages")
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(packages)]
    subprocess.run([*install, str(wheel)], check=True, timeout=120)
    # What it depends on is taken from here, so that nothing is downloaded; graphc itself is in front of it.
    needed = {Path(importlib.util.find_spec(name).origin) for name in ("numpy", "jinja2", "cffi", "networkx", "tqdm")}
    (packages / "borrowed.pth").write_text("\n".join(sorted({str(path.parent.parent) for path in needed})))
    script = tmp_path / "step.py"
    script.write_text(STEP)
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-m", "graphc", "run", str(script)],
        cwd=tmp_path,
        env={**surroundings, "GRAPHC_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    package, templates = done.stdout.splitlines()
    assert Path(package) == packages / "graphc" / "__init__.py"
    assert Path(templates) == packages / "graphc" / "templates"


# -- README and CI ---------------------------------------------------------------------------------------------------


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)


@in_repository
def test_ci_runs_the_command_that_the_readme_gives() -> None:
    """Word for word; each of the README's two commands is one line."""
    (tests,) = (block for block in _blocks("sh") if "pytest" in block)
    (main_job,) = (block for block in _blocks("sh") if "graphc run" in block)
    assert main_job.count("\n") == tests.count("\n") == 1
    script = (ROOT / ".ci" / "run").read_text()
    assert tests.strip() in script
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    # Nothing big comes in by accident: PyTorch has its exact version wherever it is named.
    for text in (script, (ROOT / "README.md").read_text(), (ROOT / "pyproject.toml").read_text()):
        assert not re.search(r"\btorch(?!==2\.13\.0)(?=['\"\s]*(?:$|[,\]'\"<>=~&|]))", text, re.MULTILINE)


@in_repository
def test_the_readme_shows_what_is_made(tmp_path: Path) -> None:
    """Its program is the one of the picture, and its C is a part of what the program becomes.

    When the compiler has changed, `python docs/pictures/refresh.py` makes both anew.
    """
    (program,) = _blocks("python")
    assert (ROOT / "docs" / "pictures" / "line.py").read_text().endswith(program)
    command = [sys.executable, "-m", "graphc", "dump", "docs/pictures/line.py", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "z = 2.00 x + 1.00, loss 1.1e-07\n"
    (excerpt,) = _blocks("c")
    assert excerpt in (tmp_path / "step" / "program.c").read_text()
    assert (ROOT / "docs" / "pictures" / "line.svg").read_text() == (tmp_path / "step" / "graph.svg").read_text()


# -- names from outside ----------------------------------------------------------------------------------------------

# The C would not compile, or would do something else, were any of these to leave its comment or identifier.
HOSTILE = [
    '*/ system("touch escaped"); /*',
    "/*",
    "*/",
    "a\nb\r\nint main;",
    "quo\"te's",
    "back\\slash\\",
    "line\\\n#error escaped",
    "#error escaped",
    "??/",
    "int",
    "graphc_run",
    "",
    " ",
    "ünïcödé \u202e \u2028 \x00 \x07",
    "{{ 7 * 7 }} {% raw %}",
    "%s %n",
    "x" * 300,
]


def test_no_parameter_name_leaves_its_place_in_the_c() -> None:
    """Parameters may be called anything; the program compiles without a warning and computes what eager computes."""
    layer = gc.nn.Module()
    values = {}
    for position, name in enumerate(HOSTILE):
        values[name] = gc.nn.Parameter(gc.full((3,), float(position + 1)))
        layer._parameters[name] = values[name]
    optimizer = gc.optim.SGD(list(values.values()), lr=0.5)

    def step(x: gc.Tensor) -> gc.Tensor:
        assert layer is not None  # names are found by the objects that a function reaches
        optimizer.zero_grad()
        loss = x.sum()
        for parameter in values.values():
            loss = loss + (parameter * x).sum()
        loss.backward()
        optimizer.step()
        return loss

    compiled = gc.compile(step)
    x = gc.ones(3)
    first, second = compiled(x).item(), compiled(x).item()
    total = 3 * (1 + len(HOSTILE) * (len(HOSTILE) + 1) / 2)
    assert (first, second) == (total, total - 3 * 0.5 * len(HOSTILE))
    assert {node.name for node in compiled.graph.inputs} >= set(HOSTILE)
    assert_nothing_escaped(compiled.source)
    assert not os.path.exists("escaped")
    # What people read back keeps the names apart too.
    assert str(parse_graph(str(compiled.graph))) == str(compiled.graph)


def assert_nothing_escaped(source: str) -> None:
    """With comments taken away, no word of the hostile names is left, and every line is ASCII."""
    assert source.isascii()
    code = re.sub(r"/\*.*?\*/", " ", source, flags=re.DOTALL)
    assert "/*" not in code
    assert "*/" not in code
    assert not re.search(r"\bsystem\s*\(|#\s*error|\bint main\b|\{\{|\{%", code)


@pytest.mark.parametrize("name", ['*/ system("touch escaped"); /*', "a\nb", 'quo"te', "back\\slash\\", "{{ 7 * 7 }}"])
def test_no_file_or_function_name_leaves_its_place(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script of any name in a folder of any name: its functions compile and run, and their IR reads back."""
    monkeypatch.chdir(tmp_path)
    file = str(tmp_path / name.replace("/", "\u2215") / f"{name}.py")
    scope: dict = {"name": name}
    text = textwrap.dedent(
        """
        def step(x):
            total = (x * 3).sum()
            return total + x.exp().mean()
        step.__name__ = step.__qualname__ = name
        """
    )
    exec(compile(text, file, "exec"), scope)
    compiled = gc.compile(scope["step"])
    x = gc.tensor([1.0, 2.0])
    compiled(x)
    np.testing.assert_allclose(compiled(x).numpy(), scope["step"](x).numpy(), rtol=1e-6)
    assert_nothing_escaped(compiled.source)
    assert not os.path.exists("escaped")
    write_stages(compiled.stages, tmp_path / "out")
    assert str(parse_graph((tmp_path / "out" / "backward.ir").read_text())) == str(compiled.graph)
