"""Dropouts with PyTorch's names, arguments, and random stream: what is dropped is what PyTorch drops.

All raise ValueError for a probability outside [0, 1], and give the input itself outside training.
Source: https://docs.pytorch.org/docs/stable/nn.functional.html#dropout-functions
"""

from __future__ import annotations

import math
from typing import Any

from graphc.notices import warn
from graphc.ops.functions.creation import bernoulli_like
from graphc.ops.promotion import require_castable, result_type
from graphc.ops.sources import number_like
from graphc.ops.views import Reshape
from graphc.sizes import stretches

__all__ = ["alpha_dropout", "dropout", "feature_alpha_dropout", "feature_dropout"]
METHODS = ()

Value = Any
# What a self-normalising network's negative elements saturate at: the scale times alpha of `selu`.
_SATURATION = 1.7580993408473766


def _require_probability(p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


@stretches
def _dropped(input: Value, p: float, inplace: bool, by_channel: bool = False, saturating: bool = False) -> Value:
    """The input with elements (or whole channels) zeroed, or set to the saturation, and the others scaled."""
    if p == 0 or 0 in tuple(input.shape):
        return input
    require_castable(result_type(input, 0.5), input.dtype)
    if p == 1:
        result = input * 0.0
        return input._assign(result) if inplace else result
    shaped = input
    if by_channel:
        if input.ndim < 2:
            raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
        shaped = number_like(input, 0, shape=(*input.shape[:2], *(1,) * (input.ndim - 2)))
    kept = bernoulli_like(shaped, 1 - p)
    if saturating:
        scale = 1.0 / math.sqrt((_SATURATION * _SATURATION * p + 1) * (1 - p))
        result = input * (kept * scale) + ((kept - 1) * (_SATURATION * scale) + _SATURATION * scale * p)
    else:
        result = input * (kept / (1 - p))
    return input._assign(result) if inplace else result


def dropout(input: Value, p: float = 0.5, training: bool = True, inplace: bool = False) -> Value:
    """Each element zeroed with probability p, the others divided by 1 - p."""
    _require_probability(p)
    return _dropped(input, p, inplace) if training else input


def feature_dropout(input: Value, p: float = 0.5, train: bool = True) -> Value:
    """Each channel (dim 1) zeroed with probability p, the others divided by 1 - p."""
    _require_probability(p)
    return _dropped(input, p, False, by_channel=True) if train else input


def alpha_dropout(input: Value, p: float = 0.5, training: bool = False, inplace: bool = False) -> Value:
    """Each element set to where ``selu`` saturates with probability p; all scaled to keep mean and variance.

    Source: https://arxiv.org/abs/1706.02515
    """
    _require_probability(p)
    return _dropped(input, p, inplace, saturating=True) if training else input


def feature_alpha_dropout(input: Value, p: float = 0.5, training: bool = False, inplace: bool = False) -> Value:
    """:func:`alpha_dropout` of whole channels (dim 1)."""
    _require_probability(p)
    return _dropped(input, p, inplace, by_channel=True, saturating=True) if training else input


def dropout1d(input: Value, p: float = 0.5, training: bool = True, inplace: bool = False) -> Value:
    """Each channel of [n, c, length] or [c, length] zeroed with probability p, the others divided by 1 - p."""
    _require_probability(p)
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input. Note that dropout1d exists to "
            "provide channel-wise dropout on inputs with 1 spatial dimension, a channel dimension, and an optional "
            "batch dimension (i.e. 2D or 3D inputs)."
        )
    return _by_channel(input, p, training, inplace, unbatched=input.ndim == 2)


def dropout2d(input: Value, p: float = 0.5, training: bool = True, inplace: bool = False) -> Value:
    """Each channel of [n, c, h, w] zeroed with probability p, the others divided by 1 - p."""
    _require_probability(p)
    if input.ndim not in (3, 4):
        _warn_of_rank("dropout2d", 2, input.ndim)
    if input.ndim == 3:
        warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is desired "
            "- input is interpreted as shape (N, C, L), where C is the channel dim. This behavior will change in a "
            "future release to interpret the input as one without a batch dimension, i.e. shape (C, H, W). To maintain "
            "the 1D channel-wise dropout behavior, please switch to using dropout1d instead.",
        )
    return _by_channel(input, p, training, inplace)


def dropout3d(input: Value, p: float = 0.5, training: bool = True, inplace: bool = False) -> Value:
    """Each channel of [n, c, d, h, w] or [c, d, h, w] zeroed with probability p, the others divided by 1 - p."""
    _require_probability(p)
    if input.ndim not in (4, 5):
        _warn_of_rank("dropout3d", 3, input.ndim)
    return _by_channel(input, p, training, inplace, unbatched=input.ndim != 5)


def _warn_of_rank(name: str, spatial: int, rank: int) -> None:
    warn(
        f"{name}: Received a {rank}-D input to {name}, which is deprecated and will result in an error in a future "
        "release. To retain the behavior and silence this warning, please use dropout instead. Note that "
        f"{name} exists to provide channel-wise dropout on inputs with {spatial} spatial dimensions, a channel "
        f"dimension, and an optional batch dimension (i.e. {spatial + 1}D or {spatial + 2}D inputs).",
    )


def _by_channel(input: Value, p: float, training: bool, inplace: bool, unbatched: bool = False) -> Value:
    if not training or not unbatched:
        return _dropped(input, p, inplace, by_channel=True) if training else input
    shape = tuple(input.shape)
    one = _dropped(Reshape.bind(input, shape=(1, *shape)), p, False, by_channel=True)
    result = Reshape.bind(one, shape=shape)
    return input._assign(result) if inplace else result
