"""NVIDIA's GPUs. Source: https://docs.pytorch.org/docs/stable/backends.html#torch-backends-cuda"""

from __future__ import annotations

from dataclasses import dataclass

from graphc.settings import get_float32_matmul_precision, set_float32_matmul_precision, tf32_is_allowed


@dataclass
class _MatrixProducts:
    """Flags of matrix products on a GPU, which programs may set."""

    allow_fp16_reduced_precision_reduction: bool = True
    allow_bf16_reduced_precision_reduction: bool = True

    @property
    def allow_tf32(self) -> bool:
        """Whether compiled programs round the factors of float32 products and convolutions to tf32, as
        :func:`graphc.set_float32_matmul_precision` may say too."""
        return tf32_is_allowed()

    @allow_tf32.setter
    def allow_tf32(self, allowed: bool) -> None:
        if bool(allowed) != tf32_is_allowed():
            set_float32_matmul_precision("high" if allowed else "highest")

    @property
    def fp32_precision(self) -> str:
        """The same in newer words: "tf32" or "ieee"."""
        return "ieee" if get_float32_matmul_precision() == "highest" else "tf32"

    @fp32_precision.setter
    def fp32_precision(self, precision: str) -> None:
        if precision not in ("ieee", "tf32", "none"):
            raise RuntimeError(f"Invalid precision {precision!r}: expected ieee, tf32, or none")
        self.allow_tf32 = precision == "tf32"


matmul = _MatrixProducts()


def is_built() -> bool:
    """False: no library of NVIDIA's is part of this one."""
    return False
