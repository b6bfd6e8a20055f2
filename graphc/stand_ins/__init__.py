"""A folder of modules called ``torch`` and ``torchvision``, which the processes find that a program starts where graphc
stands in PyTorch's place: they are handed the program's search path, and nothing else of its state."""

from __future__ import annotations

from pathlib import Path

FOLDER = str(Path(__file__).parent)
