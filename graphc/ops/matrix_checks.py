"""What the functions of linear algebra ask of their matrices, in PyTorch's words."""

from __future__ import annotations

from typing import Any

from graphc.ops.operands import broadcast_shapes, expand
from graphc.ops.type_names import type_name


def require_matrices(name: str, A: Any, letter: str = "A") -> None:
    """Raises RuntimeError, with PyTorch's words, unless the input has two dims or more."""
    if A.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor {letter} must have at least 2 dimensions.")


def require_square(name: str, A: Any) -> None:
    """Raises RuntimeError, with PyTorch's words, unless the input is of square matrices."""
    require_matrices(name, A)
    if A.shape[-1] != A.shape[-2]:
        raise RuntimeError(
            f"{name}: A must be batches of square matrices, but they are {A.shape[-2]} by {A.shape[-1]} matrices"
        )


def require_floating(name: str, A: Any) -> None:
    """Raises RuntimeError, with PyTorch's words, unless the input is of 4 bytes or more of a float or complex dtype."""
    if not (A.dtype.is_floating_point or A.dtype.is_complex):
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {type_name(A.dtype)}")
    if A.dtype.itemsize < 4:
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {type_name(A.dtype)}")


def broadcast_batches(A: Any, B: Any) -> tuple[Any, Any]:
    """Matrices with their batches stretched to the common one."""
    batch = broadcast_shapes(A.shape[:-2], B.shape[:-2])
    return expand(A, (*batch, *A.shape[-2:])), expand(B, (*batch, *B.shape[-2:]))


def require_equation(name: str, A: Any, B: Any, left: bool) -> None:
    """Raises RuntimeError, with PyTorch's words, unless ``A @ X = B`` (or ``X @ A = B``) is an equation of matrices."""
    require_matrices(name, A)
    require_matrices(name, B, "B")
    require_square(name, A)
    if A.shape[-2] != B.shape[-2 if left else -1]:
        sizes = f"({A.shape[-2]}x{A.shape[-1]} and {B.shape[-2]}x{B.shape[-1]})"
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation {'AX' if left else 'XA'} = B {sizes}"
        )


def require_one_dtype(name: str, A: Any, B: Any) -> None:
    """Raises RuntimeError, with PyTorch's words, unless both have one dtype."""
    if A.dtype != B.dtype:
        raise RuntimeError(
            f"{name}: Expected A and B to have the same dtype, but found A of type {type_name(A.dtype)} and B of type "
            f"{type_name(B.dtype)} instead"
        )
