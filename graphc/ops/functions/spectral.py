"""Short-time Fourier transforms, and the windows that they are taken through.

Source: https://docs.pytorch.org/docs/stable/generated/torch.stft.html, Griffin and Lim, Signal estimation from modified
short-time Fourier transform, IEEE Transactions on Acoustics, Speech, and Signal Processing 32 (1984).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc.ir.types import DType, int64
from graphc.notices import warn, warn_once
from graphc.ops import gathers, scatters, views
from graphc.ops.complex_numbers import ViewAsReal
from graphc.ops.fourier import FourierTransform, RealFourierTransform, RealInverseFourierTransform
from graphc.ops.operands import cast, require_value
from graphc.ops.promotion import get_default_dtype
from graphc.ops.sources import Constant, Literal, number_like
from graphc.ops.type_names import type_name

__all__ = [
    "bartlett_window",
    "blackman_window",
    "hamming_window",
    "hann_window",
    "istft",
    "kaiser_window",
    "stft",
]
METHODS = ("istft", "stft")

Value = Any


# -- windows ----------------------------------------------------------------------------------------------------------


def _window(
    name: str, length: int, periodic: bool, shape: Any, dtype: DType | None, device: Any, requires_grad: bool
) -> Value:
    """A window as ``shape(places, last place)`` gives it in double precision; a periodic one lacks the last place."""
    from graphc.creation import tensor

    dtype = get_default_dtype() if dtype is None else dtype
    if not dtype.is_floating_point:
        raise RuntimeError(f"{name} expects floating point dtypes, got: {dtype}")
    if length < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={length}")
    last = length if periodic else length - 1
    values = np.ones(length) if length < 2 else shape(np.arange(length, dtype=np.float64), last)
    return tensor(values, dtype=dtype, device=device, requires_grad=requires_grad)


def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Value:
    """alpha - beta cos(2 pi n / N), of shape [window_length]. Raises RuntimeError for a length below 0."""

    def shape(places: np.ndarray, last: int) -> np.ndarray:
        return alpha - beta * np.cos(places * (2 * math.pi / last))

    return _window("hamming_window", window_length, periodic, shape, dtype, device, requires_grad)


def hann_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Value:
    """sin(pi n / N)^2, of shape [window_length]. Raises RuntimeError for a length below 0."""

    def shape(places: np.ndarray, last: int) -> np.ndarray:
        return 0.5 - 0.5 * np.cos(places * (2 * math.pi / last))

    return _window("hann_window", window_length, periodic, shape, dtype, device, requires_grad)


def blackman_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Value:
    """0.42 - 0.5 cos(2 pi n / N) + 0.08 cos(4 pi n / N), of shape [window_length]."""

    def shape(places: np.ndarray, last: int) -> np.ndarray:
        turns = places * (2 * math.pi / last)
        return 0.42 - 0.5 * np.cos(turns) + 0.08 * np.cos(2 * turns)

    return _window("blackman_window", window_length, periodic, shape, dtype, device, requires_grad)


def bartlett_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Value:
    """A triangle from 0 to 1 and back, of shape [window_length]."""

    def shape(places: np.ndarray, last: int) -> np.ndarray:
        return 1.0 - np.abs(places * (2.0 / last) - 1.0)

    return _window("bartlett_window", window_length, periodic, shape, dtype, device, requires_grad)


def kaiser_window(
    window_length: int,
    periodic: bool = True,
    beta: float = 12.0,
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Value:
    """I0(beta sqrt(1 - (2 n / N - 1)^2)) / I0(beta) with the modified Bessel function, of shape [window_length]."""

    def shape(places: np.ndarray, last: int) -> np.ndarray:
        centred = places * (2.0 / last) - 1.0
        return np.i0(beta * np.sqrt(np.maximum(1.0 - centred**2, 0.0))) / np.i0(beta)

    return _window("kaiser_window", window_length, periodic, shape, dtype, device, requires_grad)


# -- short-time transforms --------------------------------------------------------------------------------------------

# Which place of a signal of n places stands at place p of the padded one, by PyTorch's names for the modes.
_PLACES = {
    "reflect": lambda p, n: np.where(np.abs(p) < n, np.abs(p), 2 * (n - 1) - np.abs(p)),
    "replicate": lambda p, n: np.clip(p, 0, n - 1),
    "circular": lambda p, n: p % n,
}


def _table(reference: Value, values: np.ndarray) -> Value:
    return reference.apply(Constant.instance, (), {"literal": Literal(values, int64)})


def _padded(signals: Value, width: int, mode: str) -> Value:
    """Signals along dimension 1 with ``width`` places more at both ends."""
    count = signals.shape[1]
    if mode == "constant":
        return gathers.Pad.bind(signals, low=(0, width), high=(0, width), value=0.0)
    if mode not in _PLACES:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if mode == "reflect" and width >= count:
        raise RuntimeError(
            "Argument #4: Padding size should be less than the corresponding input dimension, but got: padding "
            f"({width}, {width}) at dimension 2 of input {[1, *signals.shape]}"
        )
    places = _PLACES[mode](np.arange(-width, count + width), count)
    places = np.where(places < 0, -places, places)
    return gathers.IndexSelect.bind(signals, _table(signals, places), dim=1)


def _window_of(window: Value | None, like: Value, n_fft: int, win_length: int) -> Value:
    """The window in the middle of ``n_fft`` places: ones where there is none."""
    if window is None:
        window = number_like(like, 1, shape=(win_length,), dtype=like.dtype.to_real())
    if win_length == n_fft:
        return window
    left = (n_fft - win_length) // 2
    return gathers.Pad.bind(window, low=(left,), high=(n_fft - win_length - left,), value=0.0)


def _require_window(window: Value | None, n_fft: int, hop: int, win_length: int, given: str) -> None:
    if hop <= 0:
        raise RuntimeError(f"{given}: expected hop_length > 0, but got hop_length={hop}")
    if not 0 < win_length <= n_fft:
        raise RuntimeError(f"{given}: expected 0 < win_length <= n_fft, but got win_length={win_length}")
    if window is not None and tuple(window.shape) != (win_length,):
        raise RuntimeError(
            f"{given}: expected a 1D window tensor of size equal to win_length={win_length}, but got window with size "
            f"{list(window.shape)}"
        )


def stft(
    input: Value,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Value | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Value:
    """The Fourier transforms of frames of ``n_fft`` places of a signal, ``hop_length`` (n_fft // 4) apart.

    A signal ``[(batch,) time]`` gives ``[(batch,) frequency, frame]``: of real signals through real windows the first
    n_fft // 2 + 1 frequencies unless ``onesided`` is False. ``center`` pads the signal so that frame t is centred at
    ``t * hop_length``; ``normalized`` divides by sqrt(n_fft). ``return_complex=False`` gives real and imaginary parts
    along a last dimension. Raises RuntimeError, with PyTorch's words, for arguments that do not fit.
    """
    require_value("stft", input)
    hop = n_fft // 4 if hop_length is None else hop_length
    win_length = n_fft if win_length is None else win_length
    given = f"stft(input of shape {list(input.shape)}, n_fft={n_fft}, hop_length={hop}, win_length={win_length})"
    is_complex = input.dtype.is_complex or (window is not None and window.dtype.is_complex)
    if return_complex is None:
        if not is_complex:
            raise RuntimeError(
                "stft requires the return_complex parameter be given for real inputs, and will further require that "
                "return_complex=True in a future PyTorch release."
            )
        return_complex = True
    if not input.dtype.is_differentiable:
        raise RuntimeError(f"{given}: expected a tensor of floating point or complex values")
    if input.dtype.is_half:
        raise RuntimeError(f"Unsupported dtype {type_name(input.dtype)}")
    if not 1 <= input.ndim <= 2:
        raise RuntimeError(f"{given}: expected a 1D or 2D tensor")
    if center and align_to_window is not None:
        raise RuntimeError("stft only supports align_to_window for center = False.")
    signals = input if input.ndim == 2 else views.Reshape.bind(input, shape=(1, *input.shape))
    if center:
        signals = _padded(signals, n_fft // 2, pad_mode)
    count = signals.shape[1]
    span = win_length if align_to_window else n_fft
    if not 0 < n_fft <= count + (n_fft - span):
        raise RuntimeError(f"{given}: expected 0 < n_fft <= {count}, but got n_fft={win_length}")
    _require_window(window, n_fft, hop, win_length, given)
    if window is None:
        warn_once(
            "A window was not provided. A rectangular window will be applied,which is known to cause spectral leakage. "
            "Other windows such as torch.hann_window or torch.hamming_window are recommended to reduce spectral "
            "leakage.To suppress this warning and use a rectangular window, explicitly set "
            "`window=torch.ones(n_fft, device=<device>)`."
        )
    if align_to_window:
        left = (n_fft - win_length) // 2
        signals = gathers.Pad.bind(signals, low=(0, left), high=(0, n_fft - win_length - left), value=0.0)
    frames = 1 + (count - span) // hop
    places = np.arange(frames)[:, None] * hop + np.arange(n_fft)
    framed = gathers.IndexSelect.bind(signals, _table(signals, places), dim=1)
    if window is not None or win_length != n_fft:
        framed = framed * _window_of(window, signals, n_fft, win_length)
    half = (not is_complex) if onesided is None else onesided
    if half and is_complex:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    scale = 1.0 / math.sqrt(n_fft) if normalized else 1.0
    if half:
        result = RealFourierTransform.bind(framed, dims=(2,), scale=scale)
    else:
        framed = cast(framed, framed.dtype.to_complex())
        result = FourierTransform.bind(framed, dims=(2,), inverse=False, scale=scale)
    result = views.Permute.bind(result, dims=(0, 2, 1))
    if input.ndim == 1:
        result = views.Reshape.bind(result, shape=tuple(result.shape[1:]))
    return result if return_complex else ViewAsReal.bind(result)


def istft(
    input: Value,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Value | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Value:
    """The signal of which :func:`stft` gives the input ``[(batch,) frequency, frame]``, by least squares.

    ``length`` cuts the signal or fills it up. Raises RuntimeError, with PyTorch's words, for arguments that do not fit,
    and where the windows leave a place of the signal uncovered.
    """
    require_value("istft", input)
    hop = n_fft // 4 if hop_length is None else hop_length
    win_length = n_fft if win_length is None else win_length
    given = f"istft(input of shape {list(input.shape)}, n_fft={n_fft}, hop_length={hop}, win_length={win_length})"
    if not input.dtype.is_complex:
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with return_complex=True."
        )
    if input.ndim not in (2, 3):
        raise RuntimeError(f"{given}: expected a tensor with 2 or 3 dimensions, but got {input.ndim}")
    spectra = input if input.ndim == 3 else views.Reshape.bind(input, shape=(1, *input.shape))
    batch, rows, frames = spectra.shape
    half = (rows != n_fft) if onesided is None else onesided
    if rows != (n_fft // 2 + 1 if half else n_fft):
        expected = "n_fft / 2 + 1" if half else "n_fft"
        raise RuntimeError(
            f"{given}: expected the frequency dimension (3rd to the last) of the input tensor to match {expected} when "
            f"onesided={half}, but got {rows}"
        )
    _require_window(window, n_fft, hop, win_length, given)
    if hop > win_length:
        raise RuntimeError(f"{given}: expected 0 < hop_length <= win_length, but got hop_length={hop}")
    if return_complex and half:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    if window is None:
        warn_once(
            "A window was not provided. A rectangular window will be applied.Please provide the same window used by "
            "stft "
            "to make the inversion lossless.To suppress this warning and use a rectangular window, explicitly set "
            "`window=torch.ones(n_fft, device=<device>)`."
        )
    window = _window_of(window, spectra, n_fft, win_length)
    framed = views.Permute.bind(spectra, dims=(0, 2, 1))
    scale = 1.0 / math.sqrt(n_fft) if normalized else 1.0 / n_fft
    if return_complex:
        framed = FourierTransform.bind(framed, dims=(2,), inverse=True, scale=scale)
    else:
        first = views.Slice.bind(framed, starts=(0, 0, 0), stops=(batch, frames, n_fft // 2 + 1), steps=(1, 1, 1))
        framed = RealInverseFourierTransform.bind(first, dims=(2,), size=n_fft, scale=scale)
    total = n_fft + hop * (frames - 1)
    signals = _overlapped(framed * window, hop, total)
    squares = window * window
    envelope = _overlapped(views.Expand.bind(_row(squares), shape=(1, frames, n_fft)), hop, total)
    start = n_fft // 2 if center else 0
    end = total - (n_fft // 2 if center else 0) if length is None else start + length
    kept = min(end, total)
    signals, envelope = (
        views.Slice.bind(value, starts=(0, start), stops=(value.shape[0], kept), steps=(1, 1))
        for value in (signals, envelope)
    )
    _require_cover(envelope)
    signals = signals / envelope
    if end > total:
        warn("The length of signal is shorter than the length parameter.", UserWarning)
        signals = gathers.Pad.bind(signals, low=(0, 0), high=(0, end - total), value=0.0)
    return views.Reshape.bind(signals, shape=tuple(signals.shape[1:])) if input.ndim == 2 else signals


def _row(values: Value) -> Value:
    return views.Reshape.bind(values, shape=(1, 1, *values.shape))


def _overlapped(framed: Value, hop: int, total: int) -> Value:
    """Frames ``[batch, frame, place]`` added into signals ``[batch, total]``, each ``hop`` after the one before."""
    batch, frames, size = framed.shape
    places = (np.arange(frames)[:, None] * hop + np.arange(size)).reshape(-1)
    base = number_like(framed, 0, shape=(batch, total))
    flat = views.Reshape.bind(framed, shape=(batch, frames * size))
    return scatters.IndexAdd.bind(base, _table(framed, places), flat, dim=1)


def _require_cover(envelope: Value) -> None:
    """Raises RuntimeError where windows cover a place of the signal with next to nothing."""
    values = getattr(envelope, "_settled", None)  # a graph's symbol has none
    if values is None or not values.size:
        return
    least = float(np.abs(values).min())
    if not least > 1e-11:
        raise RuntimeError(f"window overlap add min: {least:g}")
