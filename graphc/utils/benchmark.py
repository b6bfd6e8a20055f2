"""Timing of a statement. Source: https://docs.pytorch.org/docs/stable/benchmark_utils.html"""

from __future__ import annotations

import statistics
import time
import timeit
from dataclasses import dataclass, field
from typing import Any

import graphc
from graphc.missing_names import lazy_names

__all__ = ["Compare", "Measurement", "Timer", "timer"]
__getattr__ = lazy_names(__name__)
timer = time.perf_counter


@dataclass
class Measurement:
    """Runs of a statement: ``raw_times`` are seconds for ``number_per_run`` runs each."""

    number_per_run: int
    raw_times: list[float]
    stmt: str = ""
    label: str | None = None
    sub_label: str | None = None
    description: str | None = None
    num_threads: int = 1
    metadata: dict[Any, Any] | None = field(default=None)

    @property
    def times(self) -> list[float]:
        """Seconds of one run, for each measurement."""
        return [each / self.number_per_run for each in self.raw_times]

    @property
    def median(self) -> float:
        """The middle of :attr:`times`."""
        return statistics.median(self.times)

    @property
    def mean(self) -> float:
        """The average of :attr:`times`."""
        return statistics.fmean(self.times)

    @property
    def iqr(self) -> float:
        """The distance between the quartiles of :attr:`times`."""
        if len(self.times) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.times, n=4, method="inclusive")
        return high - low

    @property
    def title(self) -> str:
        """What was measured."""
        return ": ".join(part for part in (self.label or self.stmt, self.sub_label) if part)

    def __repr__(self) -> str:
        lines = [f"<graphc.utils.benchmark.Measurement object at {hex(id(self))}>", self.title]
        if self.description:
            lines.append(self.description)
        many = len(self.times) > 1
        lines.append(f"  {'Median: ' if many else ''}{_shown(self.median)}")
        if many:
            lines.append(f"  IQR:    {_shown(self.iqr)}")
        threads = f"{self.num_threads} thread{'s' if self.num_threads > 1 else ''}"
        count = f"{len(self.times)} measurement{'s' if many else ''}"
        lines.append(f"  {count}, {self.number_per_run} runs {'per measurement' if many else ''}, {threads}")
        return "\n".join(lines)


def _shown(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.2f} {unit}"
    return f"{seconds * 1e9:.2f} ns"


class Timer:
    """Times a statement, after ``setup``, with the names in ``globals``."""

    def __init__(
        self,
        stmt: str = "pass",
        setup: str = "pass",
        global_setup: str = "",
        timer: Any = timer,
        globals: dict[str, Any] | None = None,
        label: str | None = None,
        sub_label: str | None = None,
        description: str | None = None,
        env: str | None = None,
        num_threads: int = 1,
        language: Any = None,
    ):
        names = {"torch": graphc, **(globals or {})}
        self._timer = timeit.Timer(stmt, setup, timer, names)
        self._words = {"stmt": stmt, "label": label, "sub_label": sub_label, "description": description}
        self._threads = num_threads

    def _measured(self, number: int, raw: list[float]) -> Measurement:
        return Measurement(number, raw, num_threads=self._threads, **self._words)

    def _run(self, number: int) -> float:
        before = graphc.get_num_threads()
        graphc.set_num_threads(self._threads)
        try:
            return self._timer.timeit(number)
        finally:
            graphc.set_num_threads(before)

    def timeit(self, number: int = 1000000) -> Measurement:
        """So many runs, after a hundredth as many that do not count."""
        self._run(max(number // 100, 2))
        return self._measured(number, [self._run(number)])

    def blocked_autorange(self, callback: Any = None, min_run_time: float = 0.2) -> Measurement:
        """Blocks of runs, large enough that the clock does not count, for at least so many seconds."""
        number = 1
        while (taken := self._run(number)) < min_run_time / 1000 and number < 1 << 30:
            number *= 10
        raw = [taken]
        while sum(raw) < min_run_time:
            raw.append(self._run(number))
        return self._measured(number, raw)

    def adaptive_autorange(
        self, threshold: float = 0.1, *, min_run_time: float = 0.01, max_run_time: float = 10.0, callback: Any = None
    ) -> Measurement:
        """As :meth:`blocked_autorange`, until the quartiles lie within ``threshold`` of the median."""
        found = self.blocked_autorange(callback, min_run_time)
        while sum(found.raw_times) < max_run_time and (
            len(found.raw_times) < 4 or found.iqr > threshold * found.median
        ):
            found.raw_times.append(self._run(found.number_per_run))
        return found


class Compare:
    """Measurements side by side: a row for each ``sub_label``, a column for each ``description``."""

    def __init__(self, results: list[Measurement]):
        self._results = list(results)

    def extend_results(self, results: list[Measurement]) -> None:
        """Add measurements."""
        self._results += results

    def trim_significant_figures(self) -> None:
        """Nothing: times are shown as they are."""

    colorize = highlight_warnings = trim_significant_figures

    def __str__(self) -> str:
        columns = list(dict.fromkeys(each.description or "" for each in self._results))
        rows = list(dict.fromkeys(each.sub_label or each.stmt for each in self._results))
        label = next((each.label for each in self._results if each.label), "")
        found = {(each.sub_label or each.stmt, each.description or ""): _shown(each.median) for each in self._results}
        table = [["", *columns], *([row, *(found.get((row, column), "") for column in columns)] for row in rows)]
        widths = [max(len(line[place]) for line in table) for place in range(len(columns) + 1)]
        lines = ["  |  ".join(part.rjust(width) for part, width in zip(line, widths, strict=True)) for line in table]
        return "\n".join([f"[{label:-^{max(map(len, lines))}}]", *lines])

    def print(self) -> None:
        """Print the table."""
        print(str(self))
