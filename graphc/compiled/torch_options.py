"""What PyTorch's ``compile`` takes beside what is taken here, and refuses."""

from __future__ import annotations

import warnings
from typing import Any

_MORE = frozenset(("isolate_recompiles", "name", "recompile_limit", "shapes_spec"))
_MODES = ("default", "lite", "reduce-overhead", "max-autotune-no-cudagraphs", "max-autotune")
_BACKENDS = frozenset(
    ("aot_eager", "aot_ts", "c", "cuda", "cudagraphs", "eager", "graphc", "inductor", "onnxrt", "openxla", "tvm")
)


def check_options(mode: str | None, backend: Any, options: Any, more: dict[str, Any]) -> None:
    """Raises, in PyTorch's words, for what its own ``compile`` refuses."""
    for name in more:
        if name not in _MORE:
            raise TypeError(f"compile() got an unexpected keyword argument {name!r}")
    if mode is not None and options is not None:
        raise RuntimeError("Either mode or options can be specified, but both can't be specified at the same time.")
    if isinstance(backend, str) and backend not in _BACKENDS:
        raise RuntimeError(f"Invalid backend: {backend!r}, see `torch._dynamo.list_backends()` for available backends.")
    if mode is not None and mode not in _MODES:
        raise RuntimeError(f"Unrecognized mode={mode}, should be one of: {', '.join(_MODES)}")
    if callable(backend):
        warnings.warn(
            f"the backend {getattr(backend, '__name__', backend)!r} is not called: graphc compiles to C itself",
            RuntimeWarning,
            stacklevel=3,
        )
