"""The text of a tensor, to the character as PyTorch prints it, and the options of printing.

Source: https://docs.pytorch.org/docs/stable/generated/torch.set_printoptions.html
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.ir.types import bool_, int64
from graphc.ops.promotion import default_complex_dtype, get_default_dtype

if TYPE_CHECKING:
    from graphc.tensor import Tensor


@dataclasses.dataclass
class PrintOptions:
    """How tensors are printed.

    Attributes:
        precision: digits after the point.
        threshold: a tensor of more elements is summarised.
        edgeitems: elements that a summary shows at both ends of a dimension.
        linewidth: characters of a line.
        sci_mode: always or never in scientific notation; None: as the numbers ask for.
    """

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


options = PrintOptions()
_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}
# Beside the default dtypes these are understood without being named.
_KNOWN_BY_SIGHT = (int64, bool_)


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set options of printing; those left out stay, but ``sci_mode``, which is chosen by the numbers again.

    Args:
        profile: "default", "short", or "full": values for all options, which the others may change.

    The other arguments are those of :class:`PrintOptions`.
    """
    chosen = dict(_PROFILES.get(profile, {})) if profile is not None else {}
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    chosen |= {name: value for name, value in given.items() if value is not None}
    for name, value in chosen.items():
        setattr(options, name, value)
    options.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The options, as keywords for :func:`set_printoptions`."""
    return dataclasses.asdict(options)


@contextlib.contextmanager
def printoptions(**changes: Any) -> Iterator[None]:
    """Context manager: options of printing within a block."""
    before = get_printoptions()
    set_printoptions(**changes)
    try:
        yield
    finally:
        set_printoptions(**before)


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
        if options.sci_mode is None:
            self.scientific = greatest / least > 1000.0 or greatest > 1.0e8 or least < 1.0e-4
        else:
            self.scientific = options.sci_mode
        if self.integral and not self.scientific:
            lengths = (len(f"{value:.0f}") + 1 for value in finite.tolist())
        else:
            style = f".{options.precision}{'e' if self.scientific else 'f'}"
            lengths = (len(format(value, style)) for value in finite.tolist())
        self.width = max(self.width, *lengths)

    def __call__(self, value: Any) -> str:
        if not self.floating:
            text = str(value)
        elif self.scientific:
            text = f"{value:.{options.precision}e}"
        elif self.integral:
            text = f"{value:.0f}"
            if math.isfinite(value):
                text += "."
        else:
            text = f"{value:.{options.precision}f}"
        return text.rjust(self.width)


class _ComplexFormatter:
    """Both parts of complex numbers, each in a format of its own."""

    def __init__(self, values: np.ndarray):
        self.real, self.imaginary = _Formatter(values.real), _Formatter(values.imag)
        self.width = self.real.width + self.imaginary.width + 1  # the j

    def __call__(self, value: complex) -> str:
        imaginary = self.imaginary(value.imag).lstrip()
        sign = "" if imaginary.startswith(("+", "-")) else "+"
        return f"{self.real(value.real)}{sign}{imaginary}j"


def _vector(array: np.ndarray, indent: int, summarize: bool, formatter: _Formatter | _ComplexFormatter) -> str:
    per_line = max(1, (options.linewidth - indent) // (formatter.width + 2))
    edge = options.edgeitems
    if summarize and not edge:
        items = ["..."]
    elif summarize and array.shape[0] > 2 * edge:
        items = [formatter(value) for value in array[:edge].tolist()]
        items += [" ...", *(formatter(value) for value in array[-edge:].tolist())]
    else:
        items = [formatter(value) for value in array.tolist()]
    lines = [", ".join(items[start : start + per_line]) for start in range(0, len(items), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _block(array: np.ndarray, indent: int, summarize: bool, formatter: _Formatter | _ComplexFormatter) -> str:
    if array.ndim == 0:
        return formatter(array.item())
    if array.ndim == 1:
        return _vector(array, indent, summarize, formatter)
    edge = options.edgeitems
    if summarize and array.shape[0] > 2 * edge:
        parts = [_block(row, indent + 1, summarize, formatter) for row in array[:edge]]
        last = array[array.shape[0] - edge :]
        parts += ["...", *(_block(row, indent + 1, summarize, formatter) for row in last)]
    else:
        parts = [_block(row, indent + 1, summarize, formatter) for row in array]
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(parts) + "]"


def _shown(array: np.ndarray) -> np.ndarray:
    """The elements that a summary shows: only they decide the format."""
    edge = options.edgeitems
    if not edge and array.ndim > 1:
        return array[:0]
    for axis, extent in enumerate(array.shape):
        if extent > 2 * edge and edge:
            first = np.take(array, range(edge), axis)
            array = np.concatenate([first, np.take(array, range(extent - edge, extent), axis)], axis)
    return array


def _body(tensor: Tensor, array: np.ndarray, indent: int) -> str:
    summarize = array.size > options.threshold
    if tensor.dtype.is_half:
        array = array.astype(np.float32)
    style = _ComplexFormatter if tensor.dtype.is_complex else _Formatter
    return _block(array, indent, summarize, style(_shown(array) if summarize else array))


def format_tensor(tensor: Tensor) -> str:
    """The text of ``repr(tensor)``: values, and what differs from the defaults."""
    from graphc.nn.parameter import Parameter
    from graphc.tensor import Tensor as Plain

    array = tensor._settled
    prefix = "tensor(" if type(tensor) in (Plain, Parameter) else f"{type(tensor).__name__}("
    suffixes: list[str] = [] if tensor.is_cpu else [f"device='{tensor.device}'"]
    if array.size == 0:
        body = "[]"
        if array.ndim != 1:
            suffixes.append(f"size={tuple(array.shape)}")
        if tensor.dtype is not get_default_dtype():
            suffixes.append(f"dtype={tensor.dtype}")
    else:
        if not options.edgeitems:
            suffixes.append(f"size={tuple(array.shape)}")
        if tensor.dtype not in (get_default_dtype(), default_complex_dtype(), *_KNOWN_BY_SIGHT):
            suffixes.append(f"dtype={tensor.dtype}")
        body = _body(tensor, array, len(prefix))
    try:
        node = tensor.grad_fn
        maker = None if node is None else type(node).__name__
    except RuntimeError:  # a view that lost its history to a write
        maker = "Invalid"
    if maker is not None:
        suffixes.append(f"grad_fn=<{maker}>")
    elif tensor.requires_grad:
        suffixes.append("requires_grad=True")
    return _with_suffixes(prefix + body, suffixes, len(prefix)) + ")"


def _with_suffixes(text: str, suffixes: list[str], indent: int) -> str:
    last = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if last + len(suffix) + 2 > options.linewidth:
            text += ",\n" + " " * indent + suffix
            last = indent + len(suffix)
        else:
            text += ", " + suffix
            last += len(suffix) + 2
    return text
