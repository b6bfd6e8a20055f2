"""Programs that import PyTorch's operators of control flow run on graphc."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import graphc
graphc.install_as_torch()
import torch
from torch._higher_order_ops import cond
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop

last, sums = scan(lambda c, x: (c + x, c * 1), torch.zeros(1), torch.arange(4.0)[:, None])
(count,) = while_loop(lambda i: i < 3, lambda i: (i + 1,), (torch.tensor(0),))
print(last.item(), sums[:, 0].tolist(), count.item(), cond is torch.cond)
"""


def test_the_imports_of_pytorch() -> None:
    """From the modules that they stand in there."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == "6.0 [0.0, 0.0, 1.0, 3.0] 3 True\n"
