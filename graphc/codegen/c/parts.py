"""A large program cut into translation units, so that compilers work on them side by side.

Each unit has all that stands before the kernels in the program's text, and some of the kernels; the last has the step.
They are compiled with ``GC_APART`` defined: then kernels are seen by the other units, and by nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# What the frame of a program (templates/c/program.c.j2) writes above them.
KERNELS = "/* ---- kernels ---- */\n"
STEP = "/* ---- the step ---- */\n"
# Below so many characters of kernels for each unit, starting another compiler costs more than it saves.
FEWEST_CHARACTERS = 12_000

_HEAD = re.compile(r"^(GC_KERNEL [^{};]*\))\n\{", re.MULTILINE)


def cut(source: str, definitions: Sequence[str], most: int) -> tuple[str, ...]:
    """The translation units of a program: at most ``most`` of kernels, and the step; none where it is too small.

    ``definitions`` are the C texts of its kernels, as they stand in ``source``.
    """
    count = min(most, sum(map(len, definitions)) // FEWEST_CHARACTERS)
    if count < 2:
        return ()
    units: list[list[int]] = [[] for _ in range(count)]
    sizes = [0] * count
    for number in sorted(range(len(definitions)), key=lambda number: -len(definitions[number])):
        lightest = sizes.index(min(sizes))
        units[lightest].append(number)
        sizes[lightest] += len(definitions[number])
    prelude, rest = source.split(KERNELS, 1)
    kernels = ["\n\n".join([f"{prelude}{KERNELS}", *(definitions[n] for n in sorted(unit))]) + "\n" for unit in units]
    heads = [f"{head};" for definition in definitions for head in _HEAD.findall(definition)]
    return (*kernels, "\n".join([f"{prelude}{KERNELS}", *heads, "", rest[rest.index(STEP) :]]))
