"""Which PyTorch is followed, and what was left out of it. Source: torch.version"""

from __future__ import annotations

import graphc

__version__ = graphc.__version__
debug = False
cuda: str | None = None
hip: str | None = None
xpu: str | None = None
git_version = ""
# The release of PyTorch whose names, results, and words are followed.
torch = "2.13.0"
