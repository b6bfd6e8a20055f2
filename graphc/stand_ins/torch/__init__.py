"""Imported in PyTorch's place by a process that a program has started: from here on graphc stands in that place."""

import sys

from graphc.as_torch import install_as_torch

del sys.modules[__name__]
install_as_torch()
