"""The ``graphc`` command: run a script, dump what its compiled functions became, find a wrong change, see the machine.

Exit status: that of the script; 0 where all went well, 1 where a script raised or something is missing, 2 for wrong
usage, 130 for an interrupt.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType, TracebackType

import graphc
from graphc.source_lines import shown_path

INTERRUPTED = 130  # what a shell reports for a program that Ctrl-C ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give the exit status. Raises SystemExit where the script or ``--help`` does."""
    own, rest = _split(sys.argv[1:] if arguments is None else arguments)
    chosen = _parser().parse_args(own)
    if chosen.command == "doctor":
        return _doctor()
    script = Path(chosen.script)
    if not script.is_file():
        reason = "is a folder, expected a Python file" if script.is_dir() else "does not exist"
        return _refuse(chosen.command, f"{str(script)!r} {reason}")
    if chosen.command == "bisect":
        return _bisect(script, rest, chosen.as_torch, chosen.time_limit)
    if not chosen.as_torch:
        return _carry_out(chosen, script, rest)
    from graphc.as_torch import install_as_torch, remove_as_torch

    try:
        install_as_torch()
    except RuntimeError as error:
        return _refuse(chosen.command, str(error))
    try:
        return _carry_out(chosen, script, rest)
    finally:
        remove_as_torch()


def _carry_out(chosen: argparse.Namespace, script: Path, rest: Sequence[str]) -> int:
    return _run(script, rest) if chosen.command == "run" else _dump(script, rest, chosen.out, chosen.backend)


def _split(arguments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """The command line up to the script, and the script's own arguments, whatever they look like."""
    if arguments[:1] not in (["run"], ["dump"], ["bisect"]):
        return arguments, []
    position = 1
    while position < len(arguments) and arguments[position].startswith("-"):
        position += 2 if arguments[position] in ("--out", "--time-limit", "--backend") else 1
    return arguments[: position + 1], arguments[position + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="graphc", description="Write PyTorch, ship C.")
    parser.add_argument("--version", action="version", version=f"graphc {graphc.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="run | dump | bisect | doctor")
    run = commands.add_parser(
        "run",
        help="run a Python script; its compiled functions run as C",
        usage="graphc run [-h] [--as-torch] script [argument ...]",
    )
    dump = commands.add_parser(
        "dump",
        help="run a script and write the IR, loops, C, memory plan, and picture of each compiled function",
        usage="graphc dump [-h] [--as-torch] [--backend c|cuda] [--out FOLDER] script [--out FOLDER] [argument ...]",
        epilog="--out after the script is taken from its arguments; what follows -- is the script's own.",
    )
    dump.add_argument("--out", metavar="FOLDER", help="the folder to write to (default: out)")
    dump.add_argument(
        "--backend",
        choices=("c", "cuda"),
        default="c",
        help="cuda: loops, kernels, and launches for a GPU; none is needed",
    )
    bisect = commands.add_parser(
        "bisect",
        help="run a failing script with fewer and fewer of the passes' changes, and name the change that is at fault",
        usage="graphc bisect [-h] [--as-torch] [--time-limit SECONDS] script [argument ...]",
        epilog="A script fails where its exit status is not 0; every compiled call is checked against numpy.",
    )
    bisect.add_argument(
        "--time-limit", metavar="SECONDS", type=_seconds, help="a run that takes longer has failed (default: none)"
    )
    for command in (run, dump, bisect):
        command.add_argument(
            "--as-torch",
            action="store_true",
            help="the script says `import torch`, and perhaps `import torchvision`: it is given graphc",
        )
        command.add_argument("script", help="the Python file; what follows are its arguments")
    commands.add_parser("doctor", help="compiler, flags, CPU, cache, GPU: what is there, and what mends what is not")
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not seconds > 0:
        raise argparse.ArgumentTypeError(f"expected more than 0 seconds, got {text}")
    return seconds


def _refuse(command: str, message: str) -> int:
    print(f"graphc {command}: {message}", file=sys.stderr)
    return 2


def _doctor() -> int:
    from graphc.runtime.doctor import diagnose, report

    print(report())
    return 1 if any(finding.subject == "compiler" and finding.status == "missing" for finding in diagnose()) else 0


def _bisect(script: Path, arguments: Sequence[str], as_torch: bool, time_limit: float | None) -> int:
    from graphc.bisection import bisect_script

    verdict = bisect_script(script, arguments, as_torch=as_torch, time_limit=time_limit)
    if not verdict.culprit:
        print(f"graphc bisect: {verdict.words}", file=sys.stderr)
        return 1
    print(f"application {verdict.number} of {verdict.total} is at fault, {verdict.culprit}\n{verdict.words}")
    return 0


# -- running a script ----------------------------------------------------------------------------------------------


def _run(script: Path, arguments: Sequence[str]) -> int:
    """Run a script as ``python script`` does: its own ``__main__`` module, ``sys.argv``, folder on ``sys.path``, and a
    traceback that starts at its first line."""
    path = str(script) if script.is_absolute() else os.path.join(os.getcwd(), script)
    module = ModuleType("__main__")
    vars(module).update(
        __annotations__={},
        __builtins__=__builtins__,
        __cached__=None,
        __file__=path,
        __loader__=SourceFileLoader("__main__", path),
    )
    outer = sys.argv, list(sys.path), sys.modules["__main__"]
    sys.argv = [str(script), *arguments]
    folder = os.path.dirname(os.path.realpath(script))
    # The first entry is the folder of the command itself, unless Python was told to leave it out.
    sys.path[: 0 if sys.flags.safe_path else 1] = [folder]
    sys.modules["__main__"] = module
    try:
        with io.open_code(path) as file:
            code = compile(file.read(), path, "exec", dont_inherit=True)
        exec(code, vars(module))
        return 0
    except KeyboardInterrupt as error:
        _show(error, path)
        return INTERRUPTED
    except Exception as error:
        _show(error, path)
        return 1
    finally:
        sys.argv, sys.path[:], sys.modules["__main__"] = outer


def _show(error: BaseException, path: str) -> None:
    """Print an error as Python does, its traceback from the script's first frame on."""
    traceback: TracebackType | None = error.__traceback__
    while traceback is not None and traceback.tb_frame.f_code.co_filename == __file__:
        traceback = traceback.tb_next
    if isinstance(error, SyntaxError) and error.filename == path:
        traceback = None
    sys.excepthook(type(error), error.with_traceback(traceback), traceback)


# -- dumping -------------------------------------------------------------------------------------------------------


def _take_out(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """The folder that ``--out`` names among a script's arguments, and the others; what follows ``--`` is not looked at.

    Raises ValueError where no folder follows.
    """
    for position, argument in enumerate(arguments):
        if argument == "--":
            return None, [*arguments[:position], *arguments[position + 1 :]]
        if argument == "--out":
            if position + 1 == len(arguments):
                raise ValueError("--out expects a folder")
            return arguments[position + 1], [*arguments[:position], *arguments[position + 2 :]]
        if argument.startswith("--out="):
            return argument.removeprefix("--out="), [*arguments[:position], *arguments[position + 1 :]]
    return None, list(arguments)


def _dump(script: Path, arguments: Sequence[str], out: str | None, backend: str) -> int:
    from graphc.compiled.builds import observe_builds
    from graphc.compiled.dump import write_stages

    try:
        if out is None:
            out, arguments = _take_out(arguments)
        folder = Path(out or "out")
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(f"{str(folder)!r} can't be written to")
    except (OSError, ValueError) as error:
        return _refuse("dump", str(error))
    written: list[Path] = []
    failures: list[OSError | NotImplementedError] = []

    def write(name: str, stages: object) -> None:
        # A lambda is called "<lambda>", and a name may hold anything.
        plain = re.sub(r"[^\w.-]+", "_", name).strip("_.") or "function"
        target, number = folder / plain, 2
        while target in written:
            target, number = folder / f"{plain}-{number}", number + 1
        try:
            write_stages(stages, target, backend)
            written.append(target)
        except (OSError, NotImplementedError) as error:
            failures.append(error)

    with observe_builds(write):
        try:
            status = _run(script, arguments)
        finally:
            for target in written:
                print(f"graphc dump: {target}{os.sep}", file=sys.stderr)
            for error in failures:
                print(f"graphc dump: {error}", file=sys.stderr)
    if status:
        return status
    if not written and not failures:
        print(
            f"graphc dump: {shown_path(str(script))} called no compiled function, nothing is written", file=sys.stderr
        )
    return 0 if written and not failures else 1


if __name__ == "__main__":
    sys.exit(main())
