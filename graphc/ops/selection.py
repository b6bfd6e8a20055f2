"""Which of several equal elements a selection takes.

Of equal elements PyTorch's CPU kernels for ``topk`` and ``mode`` give the position at which the algorithms of the C++
library happen to leave one: introselect and introsort (Musser 1997, "Introspective sorting and selection algorithms")
with the median of three as the pivot, and heaps for the first few; ``kthvalue`` has a quickselect of its own. Programs
see the positions, and gradients go there, so that the same steps are taken here.

A row is a list of ranks, equal ones for equal elements, beside their positions; all functions permute both in place.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# Rows longer than this are not taken through the steps, in Python, for the sake of a tie: the first position is taken.
LONGEST = 4096


class Row:
    """Ranks and the positions that they came from, permuted together."""

    __slots__ = ("places", "ranks")

    def __init__(self, ranks: list[int]):
        self.ranks = ranks
        self.places = list(range(len(ranks)))

    def swap(self, a: int, b: int) -> None:
        ranks, places = self.ranks, self.places
        ranks[a], ranks[b] = ranks[b], ranks[a]
        places[a], places[b] = places[b], places[a]

    def _partition(self, first: int, last: int) -> int:
        """Part [first, last) at the median of the second, the middle, and the last; gives the cut."""
        ranks = self.ranks
        a, b, c = first + 1, first + (last - first) // 2, last - 1
        if ranks[a] < ranks[b]:
            median = b if ranks[b] < ranks[c] else c if ranks[a] < ranks[c] else a
        else:
            median = a if ranks[a] < ranks[c] else c if ranks[b] < ranks[c] else b
        self.swap(first, median)
        pivot = ranks[first]
        low, high = first + 1, last
        while True:
            while ranks[low] < pivot:
                low += 1
            high -= 1
            while pivot < ranks[high]:
                high -= 1
            if low >= high:
                return low
            self.swap(low, high)
            low += 1

    def _insert(self, first: int, last: int) -> None:
        """Sort [first, last) by insertion: equal elements keep their order."""
        order = sorted(range(first, last), key=self.ranks.__getitem__)
        self.ranks[first:last], self.places[first:last] = (
            [self.ranks[k] for k in order],
            [self.places[k] for k in order],
        )

    def select(self, nth: int) -> None:
        """Put at ``nth`` what a sort would put there, no greater ones before it and no lesser ones behind."""
        first, last = 0, len(self.ranks)
        depth = 2 * (last.bit_length() - 1)
        while last - first > 3:
            if depth == 0:
                self._select_by_heap(first, nth + 1, last)
                self.swap(first, nth)
                return
            depth -= 1
            cut = self._partition(first, last)
            first, last = (cut, last) if cut <= nth else (first, cut)
        self._insert(first, last)

    def sort(self, last: int) -> None:
        """Sort [0, last)."""
        self._sort_coarsely(0, last, 2 * (max(last, 1).bit_length() - 1))
        self._insert(0, last)

    def _sort_coarsely(self, first: int, last: int, depth: int) -> None:
        while last - first > 16:
            if depth == 0:
                self._select_by_heap(first, last, last)
                self._sort_heap(first, last)
                return
            depth -= 1
            cut = self._partition(first, last)
            self._sort_coarsely(cut, last, depth)
            last = cut

    def sort_first(self, count: int) -> None:
        """Put the first ``count`` elements of the sorted row where they belong."""
        self._select_by_heap(0, count, len(self.ranks))
        self._sort_heap(0, count)

    def _select_by_heap(self, first: int, middle: int, last: int) -> None:
        """Make [first, middle) a heap of the least elements of [first, last)."""
        size = middle - first
        for parent in range((size - 2) // 2, -1, -1):
            self._sift(first, parent, size, self.ranks[first + parent], self.places[first + parent])
        for at in range(middle, last):
            if self.ranks[at] < self.ranks[first]:
                self._pop(first, middle, at)

    def _pop(self, first: int, last: int, to: int) -> None:
        """Move the top of the heap to ``to``, and what stands there into the heap."""
        rank, place = self.ranks[to], self.places[to]
        self.ranks[to], self.places[to] = self.ranks[first], self.places[first]
        self._sift(first, 0, last - first, rank, place)

    def _sort_heap(self, first: int, last: int) -> None:
        while last - first > 1:
            last -= 1
            self._pop(first, last, last)

    def _sift(self, first: int, hole: int, size: int, rank: int, place: int) -> None:
        """Let a hole sink to a leaf, then an element rise from it."""
        ranks, places = self.ranks, self.places
        top, child = hole, hole
        while child < (size - 1) // 2:
            child = 2 * (child + 1)
            if ranks[first + child] < ranks[first + child - 1]:
                child -= 1
            ranks[first + hole], places[first + hole] = ranks[first + child], places[first + child]
            hole = child
        if size % 2 == 0 and child == (size - 2) // 2:
            child = 2 * (child + 1) - 1
            ranks[first + hole], places[first + hole] = ranks[first + child], places[first + child]
            hole = child
        parent = (hole - 1) // 2
        while hole > top and ranks[first + parent] < rank:
            ranks[first + hole], places[first + hole] = ranks[first + parent], places[first + parent]
            hole, parent = parent, (parent - 1) // 2
        ranks[first + hole], places[first + hole] = rank, place

    def quickselect(self, nth: int) -> None:
        """As :meth:`select`, by Hoare's algorithm with the median of the first, the middle, and the last."""
        ranks = self.ranks
        low, high = 0, len(ranks) - 1
        while high > low:
            if high == low + 1:
                if ranks[low] > ranks[high]:
                    self.swap(low, high)
                return
            self.swap(low + (high - low) // 2, low + 1)
            if ranks[low + 1] > ranks[high]:
                self.swap(low + 1, high)
            if ranks[low] > ranks[high]:
                self.swap(low, high)
            if ranks[low + 1] > ranks[low]:
                self.swap(low + 1, low)
            i, j, pivot = low + 1, high, ranks[low]
            while True:
                i += 1
                while pivot > ranks[i]:
                    i += 1
                j -= 1
                while ranks[j] > pivot:
                    j -= 1
                if j < i:
                    break
                self.swap(i, j)
            self.swap(low, j)
            if j <= nth:
                low = i
            if j >= nth:
                high = j - 1


def places_after(ranks: np.ndarray, steps: Callable[[Row], None]) -> list[int]:
    """The positions of a row's elements after some steps."""
    row = Row(ranks.tolist())
    steps(row)
    return row.places
