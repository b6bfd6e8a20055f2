"""Mixed precision: on the CPU as in PyTorch; programs that would use it on a GPU run without it.

Source: https://docs.pytorch.org/docs/stable/amp.html
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, Self

import numpy as np

from graphc.ir.types import DType, bfloat16, float16
from graphc.notices import warn
from graphc.ops.functions.indexing import where
from graphc.ops.functions.shaping import stack
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
        # Tensors, so that a compiled step reads and changes them at every call.
        self._scale = Tensor.from_array(np.array(init_scale, np.float32))
        self._growth_tracker = Tensor.from_array(np.array(0, np.int32))
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval = growth_interval
        # Of each optimizer since the last update: whether its gradients are unscaled, and whether they are finite.
        self._finite: dict[int, bool] = {}
        self._stepped: set[int] = set()

    def scale(self, outputs: Any) -> Any:
        """Losses times the scale, in the containers that they came in."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return outputs * self._scale.to(outputs.device)
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
        inverse = self._scale.double().reciprocal().float()
        finite: list[Tensor] = []
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is None:
                    continue
                if gradient.dtype == float16:
                    raise ValueError("Attempting to unscale FP16 gradients.")
                unscaled = gradient.detach().mul_(inverse.to(gradient.device))
                finite.append(unscaled.isfinite().all().to(inverse.device))
        # One question for all of them: in a compiled step its answers are two ways.
        self._finite[id(optimizer)] = bool(stack(finite).all()) if finite else True

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
        if state.recorder is not None:
            for name in ("_growth_factor", "_backoff_factor", "_growth_interval"):
                state.recorder.guard(self, name, getattr(self, name))
        if new_scale is not None:
            self._scale.copy_(new_scale) if isinstance(new_scale, Tensor) else self._scale.fill_(new_scale)
        else:
            if not self._finite:
                raise AssertionError("No inf checks were recorded prior to update.")
            if all(self._finite.values()):
                self._growth_tracker += 1
                grows = self._growth_tracker == self._growth_interval
                grown = self._scale * self._growth_factor
                self._scale.copy_(where(grows & grown.isfinite(), grown, self._scale))
                self._growth_tracker.masked_fill_(grows, 0)
            else:
                self._scale *= self._backoff_factor
                self._growth_tracker.zero_()
        self._finite.clear()
        self._stepped.clear()

    def is_enabled(self) -> bool:
        """Whether it scales."""
        return self._enabled

    def get_scale(self) -> float:
        """The scale; 1.0 where nothing is scaled."""
        return self._scale.item() if self._enabled else 1.0

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
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._growth_tracker.item(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state that :meth:`state_dict` gave. Raises RuntimeError for an empty one."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled instance of GradScaler."
            )
        self._growth_factor, self._backoff_factor = state_dict["growth_factor"], state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._scale.fill_(state_dict["scale"])
        self._growth_tracker.fill_(state_dict["_growth_tracker"])
        generation.advance()


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
