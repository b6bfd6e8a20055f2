"""The text of a tensor, to the character as PyTorch prints it.

Source: https://docs.pytorch.org/docs/stable/generated/torch.set_printoptions.html (its defaults)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from graphc.tensor import Tensor

PRECISION = 4
THRESHOLD = 1000
EDGE_ITEMS = 3
LINE_WIDTH = 80
PRINTED_WITHOUT_DTYPE = ("float32", "int64", "bool")


class _Formatter:
    """Decides once for a tensor how wide its numbers are and whether they print in scientific mode."""

    def __init__(self, values: np.ndarray):
        self.floating = values.dtype.kind == "f"
        self.integral = True
        self.scientific = False
        self.width = 1
        flat = values.reshape(-1)
        if not self.floating:
            self.width = max([self.width, *(len(str(value)) for value in flat.tolist())])
            return
        finite = flat[np.isfinite(flat) & (flat != 0)].astype(np.float64)
        if not finite.size:
            return
        magnitudes = np.abs(finite)
        greatest, least = float(magnitudes.max()), float(magnitudes.min())
        self.integral = bool(np.all(finite == np.ceil(finite)))
        if self.integral:
            self.scientific = greatest / least > 1000.0 or greatest > 1.0e8
            texts = [f"{value:.{PRECISION}e}" if self.scientific else f"{value:.0f}" for value in finite]
            self.width = max(self.width, *(len(text) + (0 if self.scientific else 1) for text in texts))
        else:
            self.scientific = greatest / least > 1000.0 or greatest > 1.0e8 or least < 1.0e-4
            style = "e" if self.scientific else "f"
            self.width = max(self.width, *(len(f"{value:.{PRECISION}{style}}") for value in finite))

    def __call__(self, value: Any) -> str:
        if not self.floating:
            text = str(value)
        elif self.scientific:
            text = f"{value:.{PRECISION}e}"
        elif self.integral:
            text = f"{value:.0f}"
            if math.isfinite(value):
                text += "."
        else:
            text = f"{value:.{PRECISION}f}"
        return text.rjust(self.width)


def _vector(array: np.ndarray, indent: int, summarize: bool, formatter: _Formatter) -> str:
    per_line = max(1, (LINE_WIDTH - indent) // (formatter.width + 2))
    if summarize and array.shape[0] > 2 * EDGE_ITEMS:
        items = [formatter(value) for value in array[:EDGE_ITEMS].tolist()]
        items += [" ...", *(formatter(value) for value in array[-EDGE_ITEMS:].tolist())]
    else:
        items = [formatter(value) for value in array.tolist()]
    lines = [", ".join(items[start : start + per_line]) for start in range(0, len(items), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _block(array: np.ndarray, indent: int, summarize: bool, formatter: _Formatter) -> str:
    if array.ndim == 0:
        return formatter(array.item())
    if array.ndim == 1:
        return _vector(array, indent, summarize, formatter)
    if summarize and array.shape[0] > 2 * EDGE_ITEMS:
        parts = [_block(row, indent + 1, summarize, formatter) for row in array[:EDGE_ITEMS]]
        parts += ["...", *(_block(row, indent + 1, summarize, formatter) for row in array[-EDGE_ITEMS:])]
    else:
        parts = [_block(row, indent + 1, summarize, formatter) for row in array]
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(parts) + "]"


def _shown(array: np.ndarray) -> np.ndarray:
    """The elements that a summary shows: only they decide the format."""
    for axis, extent in enumerate(array.shape):
        if extent > 2 * EDGE_ITEMS:
            first = np.take(array, range(EDGE_ITEMS), axis)
            array = np.concatenate([first, np.take(array, range(extent - EDGE_ITEMS, extent), axis)], axis)
    return array


def format_tensor(tensor: Tensor) -> str:
    """The text of ``repr(tensor)``: values, and what differs from the defaults."""
    array = tensor._array
    prefix = "tensor("
    suffixes: list[str] = []
    if array.size == 0:
        body = "[]"
        if array.ndim != 1:
            suffixes.append(f"size={tuple(array.shape)}")
        if tensor.dtype.name != "float32":
            suffixes.append(f"dtype={tensor.dtype}")
    else:
        if tensor.dtype.name not in PRINTED_WITHOUT_DTYPE:
            suffixes.append(f"dtype={tensor.dtype}")
        summarize = array.size > THRESHOLD
        formatter = _Formatter(_shown(array) if summarize else array)
        body = _block(array, len(prefix), summarize, formatter)
    if tensor.grad_fn is not None:
        suffixes.append(f"grad_fn=<{tensor.grad_fn.name()}>")
    elif tensor.requires_grad:
        suffixes.append("requires_grad=True")
    return _with_suffixes(prefix + body, suffixes, len(prefix)) + ")"


def _with_suffixes(text: str, suffixes: list[str], indent: int) -> str:
    last = len(text) - text.rfind("\n") - 1
    for suffix in suffixes:
        if last + len(suffix) + 2 > LINE_WIDTH:
            text += ",\n" + " " * indent + suffix
            last = indent + len(suffix)
        else:
            text += ", " + suffix
            last += len(suffix) + 2
    return text
