"""Mixed precision: on the CPU as in PyTorch; programs that would use it on a GPU run without it.

Source: https://docs.pytorch.org/docs/stable/amp.html
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, Self

from graphc.ir.types import DType, bfloat16, float16
from graphc.notices import warn
from graphc.recording import generation, state
from graphc.runtime.gpus import gpus
from graphc.tensor import Tensor

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]

_CPU_DTYPES = (bfloat16, float16)


class _Defaults:
    """The dtype that autocast computes in where none is named."""

    def __init__(self) -> None:
        self.dtype = {"cpu": bfloat16, "cuda": float16}


_defaults = _Defaults()


def is_autocast_available(device_type: str) -> bool:
    """Whether there is autocast for a kind of device."""
    return device_type == "cpu"


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether autocast is on for a kind of device."""
    return (device_type == "cpu" or _is_there(device_type)) and state.autocast is not None


def is_autocast_cpu_enabled() -> bool:
    """Whether autocast is on for the CPU."""
    return state.autocast is not None


def get_autocast_dtype(device_type: str) -> DType:
    """The dtype that autocast computes in now, or would."""
    if device_type == "cpu" and state.autocast is not None:
        return state.autocast
    if device_type not in _defaults.dtype:
        raise RuntimeError(f"unsupported scalarType: autocast is for 'cpu' and 'cuda', not for {device_type!r}")
    return _defaults.dtype[device_type]


def set_autocast_dtype(device_type: str, dtype: DType) -> None:
    """Set the dtype that autocast computes in where none is named."""
    _defaults.dtype[device_type] = dtype


def _is_there(device_type: str) -> bool:
    """Whether tensors can be on a kind of device other than the CPU."""
    return device_type == "cuda" and bool(gpus())


class autocast:
    """Context manager and decorator of mixed precision: matrix products and convolutions in a lower precision, losses
    and what else needs it in float32.

    Args:
        device_type: "cpu" or "cuda". Where there is no GPU "cuda" does nothing, with a warning, as in PyTorch; where
            there is, both hold for all devices.
        dtype: the lower precision, bfloat16 or float16; by default bfloat16, for "cuda" float16.
        enabled: False switches mixed precision off within.
        cache_enabled: accepted: conversions are not kept.

    Raises ValueError for a device type that is no text.
    """

    def __init__(self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None):
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        if device_type not in ("cpu", "cuda", "mps", "xpu"):
            raise RuntimeError(f"User specified an unsupported autocast device_type '{device_type}'")
        self.device = device_type
        self.fast_dtype = dtype if dtype is not None else _defaults.dtype.get(device_type, float16)
        self._enabled = bool(enabled)
        if device_type != "cpu" and enabled and not _is_there(device_type):
            warn(
                f"{device_type.upper()} is not available or torch_xla is imported. Disabling autocast."
                if device_type == "cuda"
                else f"User provided device_type of '{device_type}', but {device_type.upper()} is not available. "
                "Disabling",
            )
            self._enabled = False
        elif device_type == "cpu" and enabled and self.fast_dtype not in _CPU_DTYPES:
            warn(
                "In CPU autocast, but the target dtype is not supported. Disabling autocast.\nCPU Autocast only "
                "supports "
                "dtypes of torch.bfloat16, torch.float16 currently.",
            )
            self._enabled = False
        self._outer: list[DType | None] = []

    def __enter__(self) -> Self:
        self._outer.append(state.autocast)
        if self.device == "cpu" or _is_there(self.device):
            state.autocast = self.fast_dtype if self._enabled else None
        return self

    def __exit__(self, *exception: object) -> None:
        state.autocast = self._outer.pop()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*arguments: Any, **keywords: Any) -> Any:
            with self:
                return function(*arguments, **keywords)

        return call


class GradScaler:
    """Scales losses so that float16 gradients stay above zero, and skips steps whose gradients are not finite.

    Args:
        device: "cpu" or "cuda"; for one that is not there it is off with a warning, and hands everything on.
        init_scale: the first scale.
        growth_factor: what the scale is multiplied by after ``growth_interval`` steps without infinite gradients.
        backoff_factor: what it is multiplied by after a step with one.
        growth_interval: see ``growth_factor``.
        enabled: False hands everything on.
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 65536.0,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ):
        self._device = device
        self._enabled = enabled and (device == "cpu" or _is_there(device))
        if enabled and not self._enabled:
            warn(
                f"torch.{device}.amp.GradScaler is enabled, but {device.upper()} is not available.  Disabling.",
            )
        if self._enabled:
            if not growth_factor > 1.0:
                raise AssertionError("The growth factor must be > 1.0.")
            if not backoff_factor < 1.0:
                raise AssertionError("The backoff factor must be < 1.0.")
        self._scale = float(init_scale)
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval, self._growth_tracker = growth_interval, 0
        # Of each optimizer since the last update: whether its gradients are unscaled, and whether they are finite.
        self._finite: dict[int, bool] = {}
        self._stepped: set[int] = set()

    def scale(self, outputs: Any) -> Any:
        """Losses times the scale, in the containers that they came in."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return outputs * self._scale
        if isinstance(outputs, Iterable):
            scaled = map(self.scale, outputs)
            return type(outputs)(scaled) if isinstance(outputs, list | tuple) else scaled
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of an optimizer's parameters by the scale. Raises RuntimeError the second time since the
        last :meth:`update`."""
        if not self._enabled:
            return
        if id(optimizer) in self._finite:
            if id(optimizer) in self._stepped:
                raise RuntimeError("unscale_() is being called after step().")
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update().")
        finite = True
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is None:
                    continue
                if gradient.dtype == float16:
                    raise ValueError("Attempting to unscale FP16 gradients.")
                gradient.detach().mul_(1.0 / self._scale)
                finite = finite and bool(gradient.detach().isfinite().all())
        self._finite[id(optimizer)] = finite

    def step(self, optimizer: Any, *arguments: Any, **keywords: Any) -> Any:
        """The optimizer's step, unless a gradient is not finite; gradients are unscaled first where they are not yet.

        Raises RuntimeError for a closure, and the second time since the last :meth:`update`.
        """
        if not self._enabled:
            return optimizer.step(*arguments, **keywords)
        if "closure" in keywords:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        if id(optimizer) in self._stepped:
            raise RuntimeError("step() has already been called since the last update().")
        if id(optimizer) not in self._finite:
            self.unscale_(optimizer)
        self._stepped.add(id(optimizer))
        return optimizer.step(*arguments, **keywords) if self._finite[id(optimizer)] else None

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Set the scale for the next step: the one given, or a larger or smaller one as the gradients were.

        Raises AssertionError where no gradients were looked at since the last time.
        """
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale = float(new_scale)
        else:
            if not self._finite:
                raise AssertionError("No inf checks were recorded prior to update.")
            if all(self._finite.values()):
                self._growth_tracker += 1
                if self._growth_tracker == self._growth_interval:
                    self._scale *= self._growth_factor
                    self._growth_tracker = 0
            else:
                self._scale *= self._backoff_factor
                self._growth_tracker = 0
        generation.advance_values()
        self._finite, self._stepped = {}, set()

    def is_enabled(self) -> bool:
        """Whether it scales."""
        return self._enabled

    def get_scale(self) -> float:
        """The scale; 1.0 where nothing is scaled."""
        return self._scale if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        """What the scale grows by."""
        return self._growth_factor

    def get_backoff_factor(self) -> float:
        """What the scale shrinks by."""
        return self._backoff_factor

    def get_growth_interval(self) -> int:
        """After how many good steps the scale grows."""
        return self._growth_interval

    def state_dict(self) -> dict[str, Any]:
        """The scale and what it depends on; nothing where nothing is scaled."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale,
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._growth_tracker,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state that :meth:`state_dict` gave. Raises RuntimeError for an empty one."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled instance of GradScaler."
            )
        self._scale, self._growth_factor = state_dict["scale"], state_dict["growth_factor"]
        self._backoff_factor, self._growth_interval = state_dict["backoff_factor"], state_dict["growth_interval"]
        self._growth_tracker = state_dict["_growth_tracker"]


def custom_fwd(function: Any = None, **keywords: Any) -> Any:
    """A decorator for ``forward`` of functions that know mixed precision: the function as it is."""
    return function if function is not None else (lambda forward: forward)


def custom_bwd(function: Any = None, **keywords: Any) -> Any:
    """A decorator for ``backward`` of functions that know mixed precision: the function as it is."""
    return function if function is not None else (lambda backward: backward)


def older_autocast(device_type: str) -> type[autocast]:
    """``autocast`` as it is called in the namespace of a kind of device: without its name, and with a warning."""

    class Autocast(autocast):
        """Mixed precision on one kind of device; :class:`graphc.amp.autocast` is in its place."""

        def __init__(self, enabled: bool = True, dtype: Any = None, cache_enabled: bool = True):
            warn(_instead("autocast", device_type), FutureWarning)
            super().__init__(device_type, dtype, enabled, cache_enabled)

    return _called(Autocast, "autocast", device_type)


def older_scaler(device_type: str) -> type[GradScaler]:
    """``GradScaler`` as it is called in the namespace of a kind of device: without its name, and with a warning."""

    class Scaler(GradScaler):
        """Scaled losses on one kind of device; :class:`graphc.amp.GradScaler` is in its place."""

        def __init__(self, *arguments: Any, **keywords: Any):
            warn(_instead("GradScaler", device_type), FutureWarning)
            super().__init__(device_type, *arguments, **keywords)

    return _called(Scaler, "GradScaler", device_type)


def _instead(name: str, device_type: str) -> str:
    return (
        f"`torch.{device_type}.amp.{name}(args...)` is deprecated. Please use `torch.amp.{name}('{device_type}', "
        "args...)` instead."
    )


def _called(kind: type, name: str, device_type: str) -> type:
    kind.__name__ = kind.__qualname__ = name
    kind.__module__ = f"graphc.{device_type}.amp"
    return kind
