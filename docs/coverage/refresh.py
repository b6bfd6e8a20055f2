"""Makes docs/coverage.md anew: what of PyTorch is here, from the op registry and the op samples.

python -m docs.coverage.refresh           the page, from PyTorch's names as they are kept in pytorch_names.json
python -m docs.coverage.refresh --names   those names too, from the PyTorch that is installed
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from docs.coverage.census import Ways, ways_of_compiling

HERE = Path(__file__).parent
PAGE = HERE.parent / "coverage.md"
NAMES = HERE / "pytorch_names.json"
# PyTorch's namespaces that a program meets; "Tensor" is the class.
NAMESPACES = (
    "",
    "Tensor",
    "nn",
    "nn.functional",
    "nn.init",
    "nn.utils",
    "nn.utils.rnn",
    "nn.utils.parametrize",
    "nn.utils.parametrizations",
    "optim",
    "optim.lr_scheduler",
    "autograd",
    "autograd.functional",
    "func",
    "linalg",
    "fft",
    "special",
    "random",
    "utils.data",
    "cuda",
)


def public_names(namespace: str, room: Any) -> list[str]:
    """The names of a namespace of PyTorch's that belong to it: its functions, classes, and dtypes, and not what it
    imports for its own use, nor the classes of its compiler that are written in C++."""
    found = []
    for name in dir(room):
        value = inspect.getattr_static(room, name) if inspect.isclass(room) else getattr(room, name, None)
        if name.startswith("_") or isinstance(value, ModuleType):
            continue
        home = getattr(value, "__module__", None) or "torch"
        if namespace == "Tensor":
            own = True
        elif inspect.isclass(value):
            own = home.startswith(f"torch.{namespace}".rstrip(".")) and home != "torch._C"
        else:
            own = callable(value) or type(value).__name__ == "dtype"
            own = own and (
                home.startswith("torch") and not home.startswith(("torch.overrides", "torch._jit", "torch.utils._"))
            )
        if own:
            found.append(name)
    return found


def write_names() -> None:
    """Keep PyTorch's names, so that the page can be made without it."""
    import torch

    names = {}
    for namespace in NAMESPACES:
        room = torch.Tensor if namespace == "Tensor" else importlib.import_module(f"torch.{namespace}".rstrip("."))
        names[namespace] = public_names(namespace, room)
    NAMES.write_text(json.dumps({"version": torch.__version__.split("+")[0], "names": names}, indent=0) + "\n")


def room_of(namespace: str) -> Any:
    """graphc's room of that name; None where there is none."""
    import graphc

    if namespace == "Tensor":
        return graphc.Tensor
    try:
        return importlib.import_module(f"graphc.{namespace}".rstrip("."))
    except ImportError:
        return None


def has(room: Any, name: str) -> bool:
    """Whether a room offers a name."""
    try:
        return inspect.getattr_static(room, name, None) is not None or getattr(room, name, None) is not None
    except AttributeError:
        return False


def host_primitives() -> dict[str, str]:
    """The primitives that the host carries out whatever their dtype, and the first sentence on each."""
    import graphc  # noqa: F401  (registers them)
    from graphc.ir.primitive import PRIMITIVES, External

    found = {}
    for name, primitive in sorted(PRIMITIVES.items()):
        if isinstance(primitive, External) and type(primitive).__module__.startswith("graphc."):
            words = " ".join((type(primitive).__doc__ or "").split())
            found[name] = words.split(". ")[0].rstrip(".") + "."
    return found


def page() -> str:
    """The text of docs/coverage.md."""
    from graphc.ops.functions.registry import FUNCTIONS
    from graphc.ops.operators import IN_PLACE, METHODS
    from tests.torch_tables.differences import ARBITRARY, DIFFERENCES, NOT_OFFERED

    kept = json.loads(NAMES.read_text())
    lines = [
        "# What of PyTorch is here",
        "",
        f"Compared with PyTorch {kept['version']}. Made by `python -m docs.coverage.refresh`; a test holds it in step.",
        "",
        (HERE / "differences.md").read_text().strip(),
        "",
        "## Names by namespace",
        "",
        "| namespace | PyTorch's | here | missing |",
        "|---|---:|---:|---|",
    ]
    for namespace, names in kept["names"].items():
        room = room_of(namespace)
        missing = [name for name in names if room is None or not has(room, name)]
        label = f"torch.{namespace}".rstrip(".")
        lines.append(f"| `{label}` | {len(names)} | {len(names) - len(missing)} | {' '.join(missing)} |")
    lines += [
        "",
        "## Operators",
        "",
        "Every function below is sampled against PyTorch: values, dtypes, gradients, second gradients. In a compiled",
        "function it and its gradient become C, or the host carries out the named primitives between kernels (`host`),",
        "or it is refused; several words: it depends on the arguments. A result whose size depends on values gets a",
        "program for each size. Complex numbers are the host's throughout (`complex`: there are no others).",
        "",
        "| function | method | in place | compiled |",
        "|---|---|---|---|",
    ]
    ways = ways_of_compiling()
    by_function: dict[Any, Ways] = {}
    for name, found in ways.items():
        by_function.setdefault(FUNCTIONS.get(name), Ways()).add(found)
    for name in sorted(FUNCTIONS):
        method, in_place = ("yes" if name in table else "" for table in (METHODS, IN_PLACE))
        lines.append(f"| `{name}` | {method} | {in_place} | {by_function.get(FUNCTIONS[name], '')} |")
    lines += [
        "",
        "## What the host carries out",
        "",
        "All other primitives become C, of all dtypes but the complex.",
        "",
    ]
    lines += [f"- `{name}`: {summary}" for name, summary in host_primitives().items()]
    lines += ["", "## PyTorch's table of operators", "", "Not offered:", ""]
    lines += [f"- `{name}`: {reason}." for name, reason in NOT_OFFERED.items()]
    lines += ["", "With other results (operator, dtype):", ""]
    lines += [f"- `{name}`: {reason}." for name, reason in {**DIFFERENCES, **ARBITRARY}.items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page, and with ``--names`` PyTorch's names before it."""
    if "--names" in sys.argv:
        write_names()
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
