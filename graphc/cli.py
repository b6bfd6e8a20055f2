"""The ``graphc`` command: run a script, dump what its compiled functions became, look at the machine."""

from __future__ import annotations

import argparse
import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from graphc.capture.source_lines import shown_path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit status: 0, 1 where something is missing, 2 for wrong usage."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if chosen.command == "doctor":
        return _doctor()
    script = Path(chosen.script)
    if not script.is_file():
        print(f"graphc {chosen.command}: there is no file {str(script)!r}", file=sys.stderr)
        return 2
    if chosen.command == "run":
        _run(script, chosen.arguments)
        return 0
    return _dump(script, chosen.arguments, Path(chosen.out))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="graphc", description="Write PyTorch, ship C.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="run | dump | doctor")
    run = commands.add_parser("run", help="run a Python script; its compiled functions run as C")
    dump = commands.add_parser(
        "dump", help="run a script and write the IR, loops, C, memory plan, and picture of each compiled function"
    )
    for command in (run, dump):
        command.add_argument("script", help="the Python file")
    dump.add_argument("--out", default="out", help="the folder to write to (default: out)")
    for command in (run, dump):
        command.add_argument("arguments", nargs=argparse.REMAINDER, help="arguments of the script")
    commands.add_parser("doctor", help="compiler, flags, CPU, cache, GPU: what is there, and what mends what is not")
    return parser


def _doctor() -> int:
    from graphc.runtime.doctor import diagnose, report

    print(report())
    return 1 if any(finding.subject == "compiler" and finding.status == "missing" for finding in diagnose()) else 0


def _run(script: Path, arguments: Sequence[str]) -> None:
    """Run a script as ``python script`` would."""
    outer_arguments, outer_path = sys.argv, list(sys.path)
    sys.argv = [str(script), *arguments]
    sys.path.insert(0, str(script.resolve().parent))
    try:
        runpy.run_path(str(script), run_name="__main__")
    finally:
        sys.argv, sys.path[:] = outer_arguments, outer_path


def _dump(script: Path, arguments: Sequence[str], folder: Path) -> int:
    from graphc.compiler import observe_builds
    from graphc.dump import write_stages

    written: list[Path] = []

    def write(name: str, stages: object) -> None:
        target = folder / name
        number = 2
        while target in written:
            target = folder / f"{name}-{number}"
            number += 1
        written.append(target)
        write_stages(stages, target)
        print(f"graphc dump: {target}{os.sep}", file=sys.stderr)

    # `graphc dump script.py --out folder` reads naturally, and argparse leaves what follows the script to the script.
    if "--out" in arguments:
        position = list(arguments).index("--out")
        if position + 1 == len(arguments):
            print("graphc dump: --out expects a folder", file=sys.stderr)
            return 2
        folder = Path(arguments[position + 1])
        arguments = [*arguments[:position], *arguments[position + 2 :]]
    with observe_builds(write):
        _run(script, arguments)
    if not written:
        print(f"graphc dump: {shown_path(str(script))} called no compiled function", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
