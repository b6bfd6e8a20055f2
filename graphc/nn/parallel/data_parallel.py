"""A batch shared out among GPUs. Without any the module itself does all of it.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.DataParallel.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.nn.module import Module


class DataParallel(Module):
    """The module named ``module`` within another, as PyTorch's programs expect it; its result is that one's.

    As with PyTorch on a machine without a GPU, ``device_ids`` names none that is there, so that the module runs where
    it is, and so do ``output_device`` and ``dim`` say nothing: ``device_ids`` is then an empty list.

    Args:
        module: what to call.
        device_ids: the GPUs to use, any number of them.
        output_device: where the result goes.
        dim: the dimension of the inputs that the sequences lie along.
    """

    def __init__(
        self, module: Module, device_ids: Sequence[Any] | None = None, output_device: Any = None, dim: int = 0
    ):
        super().__init__()
        self.module = module
        self.device_ids: list[Any] = []

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Sequence[Any] | None = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """The module's result for inputs, as :class:`DataParallel` computes it."""
    given = inputs if isinstance(inputs, tuple) else () if inputs is None else (inputs,)
    return module(*given, **(module_kwargs or {}))
