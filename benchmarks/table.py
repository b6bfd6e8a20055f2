"""Markdown tables of the records of a run: `python -m benchmarks.table benchmarks/latest.jsonl`."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import QUIET_CPUS
from benchmarks.workloads import WORKLOADS

CHECKSUM_TOLERANCE = 1e-3


def unique(values: Iterable) -> list:
    """Return the values in the order in which they first appear."""
    return list(dict.fromkeys(values))


def markdown(header: list[str], rows: Iterable[list[str]]) -> str:
    """Return one table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(value: float | None, digits: int = 3) -> str:
    """Return so many significant digits without an exponent; nothing for None."""
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 10 ** (digits - 1) else f"{value:.{digits}g}"


@dataclass(frozen=True)
class Time:
    """Milliseconds a step, or a ratio of two; disturbed if other processes had a hand in it, printed with a tilde."""

    ms: float
    disturbed: bool = False

    def __truediv__(self, other: Time) -> Time:
        return Time(self.ms / other.ms, self.disturbed or other.disturbed)

    def __str__(self) -> str:
        return "~" * self.disturbed + number(self.ms)


class Results:
    """The records of a run on one number of threads."""

    def __init__(self, records: list[dict], threads: int):
        self.threads = threads
        self.records = [record for record in records if record.get("threads") == threads]
        measured = [record for record in self.records if "workload" in record]
        self.workloads = unique(record["workload"] for record in measured)
        self.frameworks = unique(record["framework"] for record in measured)
        self.ceilings = next((record for record in self.records if record["kind"] == "ceilings"), None)

    def values(self, kind: str, workload: str, framework: str, field: str) -> list[float]:
        """Return one field of all records of a kind."""
        wanted = (kind, workload, framework)
        return [
            record[field]
            for record in self.records
            if (record["kind"], record.get("workload"), record.get("framework")) == wanted
        ]

    def median(self, kind: str, workload: str, framework: str, field: str) -> float | None:
        """Return the median over the rounds, None if there is no record."""
        values = self.values(kind, workload, framework, field)
        return statistics.median(values) if values else None

    def floor(self, workload: str) -> float | None:
        """Return the milliseconds below which no program can go at the measured rates; None where no bound is known."""
        if self.ceilings is None:
            return None
        program = WORKLOADS[workload]
        compute = program.floating_operations / self.ceilings["gflops"] / 1e6
        traffic = program.memory_bytes / self.ceilings["gbytes"] / 1e6
        return max(compute, traffic) or None

    def time(self, workload: str, framework: str) -> Time | None:
        """Return the median of the undisturbed rounds, or of all where none was undisturbed; None without a round."""
        times = self.values("time", workload, framework, "ms")
        foreign = self.values("time", workload, framework, "foreign_cpus")
        quiet = [ms for ms, cpus in zip(times, foreign, strict=True) if (cpus or 0) <= QUIET_CPUS]
        return Time(statistics.median(quiet or times), disturbed=not quiet) if times else None

    def times(self) -> str:
        """Return the table of times, with the ratio of graphc to the best of the others and to the floor."""
        rows = []
        for workload in self.workloads:
            times = {name: self.time(workload, name) for name in self.frameworks}
            ours, floor = times.get("graphc"), self.floor(workload)
            others = [time for name, time in times.items() if time and not name.startswith("graphc")]
            cells = [str(time or "") for time in times.values()]
            cells.append(str(ours / min(others, key=lambda time: time.ms)) if ours and others else "")
            cells += [number(floor), str(ours / Time(floor)) if ours and floor else ""]
            rows.append([workload, *cells])
        return markdown(["workload", *self.frameworks, "graphc / best other", "floor", "graphc / floor"], rows)

    def one_figure(self, kind: str, field: str) -> str:
        """Return a table of one field, a column for each framework."""
        cell: Callable[[str, str], str] = lambda workload, name: number(self.median(kind, workload, name, field))  # noqa: E731
        return markdown(
            ["workload", *self.frameworks],
            ([workload, *(cell(workload, name) for name in self.frameworks)] for workload in self.workloads),
        )

    def notes(self) -> list[str]:
        """Return a line for each thing that makes the figures less sure."""
        notes = []
        for workload in self.workloads:
            sums = [value for name in self.frameworks for value in self.values("build", workload, name, "checksum")]
            if sums and max(sums) - min(sums) > CHECKSUM_TOLERANCE * max(map(abs, sums)):
                notes.append(
                    f"{workload}: the mean losses of the first steps differ, {min(sums):.6g} to {max(sums):.6g}."
                )
        timed = [record for record in self.records if record["kind"] in ("time", "ceilings")]
        disturbed = [record for record in timed if (record["foreign_cpus"] or 0) > QUIET_CPUS]
        if disturbed:
            worst = max(record["foreign_cpus"] for record in disturbed)
            notes.append(
                f"{len(disturbed)} of {len(timed)} timings were disturbed: meanwhile other processes used more than "
                f"{QUIET_CPUS:g} CPUs, at most {worst:.2f}. They count only where nothing better was had, marked ~."
            )
        failures = [record for record in self.records if record["kind"] == "failure"]
        for record in failures:
            reason = record["error"].strip().splitlines()[-1]
            notes.append(f"{record['workload']}, {record['framework']}: failed at {record['stage']}: {reason}")
        return notes


def render(records: list[dict]) -> str:
    """Return all tables of a run."""
    parts = []
    for record in records:
        if record["kind"] == "machine":
            facts = [record["date"], f"{record['cpu']}, {record['cpus']} CPUs", record["system"]]
            parts.append("; ".join([*facts, f"Python {record['python']}"]))
    versions = unique((record["framework"], record["version"]) for record in records if record["kind"] == "build")
    if versions:
        parts.append("; ".join(f"{name} {version}" for name, version in versions))
    for threads in unique(record["threads"] for record in records if "threads" in record):
        results = Results(records, threads)
        word = "thread" if threads == 1 else "threads"
        if results.ceilings:
            rates = results.ceilings
            parts.append(f"Ceilings, {threads} {word}: {rates['gflops']:.0f} GFLOP/s, copy {rates['gbytes']:.0f} GB/s.")
        parts += [f"### Milliseconds a step, {threads} {word}, median of rounds", results.times()]
        parts += [
            f"### Seconds of the first call, cold cache, {threads} {word}",
            results.one_figure("build", "first_call_s"),
        ]
        parts += [f"### Peak memory above the import, MiB, {threads} {word}", results.one_figure("finish", "peak_mib")]
        if notes := results.notes():
            parts.append("\n".join(f"- {note}" for note in notes))
    return "\n\n".join(parts)


def read(path: str) -> list[dict]:
    """Return the records of a file of JSON lines."""
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


if __name__ == "__main__":
    print(render(read(sys.argv[1])))
