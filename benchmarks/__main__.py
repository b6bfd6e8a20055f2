"""`python -m benchmarks [workload ...]`: time workloads on several frameworks, print tables. See README.md."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tqdm import tqdm

from benchmarks.frameworks import DEFAULT_FRAMEWORKS, FRAMEWORKS
from benchmarks.harness import Plan, machine, run_ceilings, run_workload
from benchmarks.table import render
from benchmarks.workloads import WORKLOADS

LATEST = Path(__file__).parent / "latest.jsonl"


def read_options(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line; end with a message if a name is unknown or a framework is not installed."""
    listing = "\n".join(f"  {workload.name:10s}{workload.summary}" for workload in WORKLOADS.values())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Time training steps on several frameworks side by side.",
        epilog=f"workloads:\n{listing}\n\nframeworks: {', '.join(FRAMEWORKS)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commas = "%(metavar)s, separated by commas; default: %(default)s"
    parser.add_argument("workloads", nargs="*", metavar="workload", help="default: all")
    parser.add_argument("--frameworks", metavar="NAMES", default=",".join(DEFAULT_FRAMEWORKS), help=commas)
    parser.add_argument("--threads", metavar="NUMBERS", default="2", help=commas)
    parser.add_argument("--rounds", type=int, default=5, help="timings of each framework; default: %(default)s")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a timing; default: %(default)s")
    parser.add_argument(
        "--timeout", type=float, default=600.0, help="seconds to wait for an answer; default: %(default)s"
    )
    parser.add_argument(
        "--json", type=Path, default=LATEST, help="file for the records; default: benchmarks/latest.jsonl"
    )
    options = parser.parse_args(arguments)

    options.workloads = options.workloads or list(WORKLOADS)
    options.frameworks = options.frameworks.split(",")
    for kind, names, known in [
        ("workload", options.workloads, WORKLOADS),
        ("framework", options.frameworks, FRAMEWORKS),
    ]:
        if unknown := [name for name in names if name not in known]:
            parser.error(f"unknown {kind} {', '.join(unknown)}; there are {', '.join(known)}")
    if missing := [message for name in options.frameworks if (message := FRAMEWORKS[name].missing())]:
        parser.error("; ".join(missing) + "\n(choose the others with --frameworks)")
    try:
        options.threads = [int(number) for number in options.threads.split(",")]
    except ValueError:
        parser.error(f"--threads takes whole numbers separated by commas, not {options.threads!r}")
    return options


def main(arguments: list[str] | None = None) -> None:
    """Run what the command line asks for; write each record as it comes, print the tables at the end."""
    options = read_options(arguments)
    records = []
    total = len(options.threads) * len(options.workloads) * len(options.frameworks) * (options.rounds + 2)
    with open(options.json, "w") as file, tqdm(total=total, unit="part") as progress:

        def keep(record: dict) -> None:
            records.append(record)
            file.write(json.dumps(record) + "\n")
            file.flush()

        keep(machine())
        for threads in options.threads:
            plan = Plan(
                options.frameworks, options.workloads, threads, options.rounds, options.seconds, options.timeout
            )
            progress.set_description("ceilings")
            keep(run_ceilings(plan))
            for workload in plan.workloads:
                progress.set_description(workload)
                for record in run_workload(plan, workload):
                    keep(record)
                    progress.update()
    print(render(records))


if __name__ == "__main__":
    main()
