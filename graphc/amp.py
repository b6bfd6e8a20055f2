"""Mixed precision: programs that would use it on a GPU run without it.

Source: https://docs.pytorch.org/docs/stable/amp.html
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, Self

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]


def is_autocast_available(device_type: str) -> bool:
    """False: operations keep the precision of their operands."""
    return False


class autocast:
    """Context manager and decorator of mixed precision. On a GPU that is not there it does nothing, with a warning, as
    in PyTorch; asked for on the CPU it raises RuntimeError."""

    def __init__(self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None):
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        if enabled and device_type == "cpu":
            raise RuntimeError(
                "graphc computes in the dtypes of the operands: autocast('cpu') is not offered; convert the model and "
                "its inputs with .to(dtype)"
            )
        if enabled:
            warnings.warn(
                "User provided device_type of 'cuda', but CUDA is not available. Disabling"
                if device_type == "cuda"
                else f"device_type {device_type!r} is not available. Disabling",
                stacklevel=2,
            )
        self.device, self.fast_dtype, self._enabled = device_type, dtype, False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*arguments: Any, **keywords: Any) -> Any:
            with self:
                return function(*arguments, **keywords)

        return call


class GradScaler:
    """Scales losses so that float16 gradients stay above zero. Without a GPU it is off, and hands everything on."""

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 65536.0,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ):
        if enabled:
            warnings.warn(
                f"torch.{device}.amp.GradScaler is enabled, but {device.upper()} is not available.  Disabling.",
                stacklevel=2,
            )

    def scale(self, outputs: Any) -> Any:
        """The losses as they are."""
        return outputs

    def unscale_(self, optimizer: Any) -> None:
        """Gradients are not scaled."""

    def step(self, optimizer: Any, *arguments: Any, **keywords: Any) -> Any:
        """The optimizer's step."""
        return optimizer.step(*arguments, **keywords)

    def update(self, new_scale: Any = None) -> None:
        """There is no scale."""

    def is_enabled(self) -> bool:
        """False."""
        return False

    def get_scale(self) -> float:
        """1.0: nothing is scaled."""
        return 1.0

    def state_dict(self) -> dict[str, Any]:
        """Nothing to keep."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing to take up."""


def custom_fwd(function: Any = None, **keywords: Any) -> Any:
    """A decorator for ``forward`` of functions that know mixed precision: the function as it is."""
    return function if function is not None else (lambda forward: forward)


def custom_bwd(function: Any = None, **keywords: Any) -> Any:
    """A decorator for ``backward`` of functions that know mixed precision: the function as it is."""
    return function if function is not None else (lambda backward: backward)
