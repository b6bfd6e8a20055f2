"""Gradients compared with finite differences.

Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.gradcheck.gradcheck.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphc.autograd.gradients import grad
from graphc.creation import from_numpy, randn_like, zeros_like
from graphc.notices import warn
from graphc.tensor import Tensor

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """A gradient is not what finite differences say."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Whether the gradients of a function are those of central differences.

    Args:
        func: takes tensors and gives a tensor or a tuple of tensors.
        inputs: its arguments; those that require a gradient are checked, and should be float64 or complex128.
        eps: the distance of the differences.
        atol, rtol: how far a gradient may be from the difference.
        raise_exception: raise GradcheckError, naming output and input, rather than give False.
        nondet_tol: how far two runs of the backward pass may be apart.
        check_grad_dtypes: gradients must have the dtypes of their inputs.

    The other arguments are PyTorch's; ``fast_mode`` checks the same in full.
    """
    try:
        given = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
        checked = _differentiable(given)
        outputs = _outputs(func, given)
        if not outputs:
            for place, tensor in enumerate(checked):
                if _numerical(func, given, tensor, eps, outputs_too=True).any():
                    raise GradcheckError(
                        f"Numerical gradient for function expected to be zero, but input {place} has another one"
                    )
            return True
        for number, output in enumerate(outputs):
            _check_output(func, given, checked, number, output, eps, atol, rtol, nondet_tol, check_grad_dtypes)
        if check_undefined_grad:
            _check_undefined(func, given, checked)
        return True
    except GradcheckError:
        if raise_exception:
            raise
        return False


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Whether the gradients of a function's gradients are those of central differences; as :func:`gradcheck`.

    ``grad_outputs`` are cotangents of the outputs, random ones by default.
    """
    given = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    if grad_outputs is None:
        cotangents = tuple(randn_like(output.detach()).requires_grad_() for output in _outputs(func, given))
    else:
        cotangents = (grad_outputs,) if isinstance(grad_outputs, Tensor) else tuple(grad_outputs)

    def gradients(*arguments: Any) -> tuple[Tensor, ...]:
        own, given_cotangents = arguments[: len(given)], arguments[len(given) :]
        wanted = [value for value in own if isinstance(value, Tensor) and value.requires_grad]
        found = grad(_outputs(func, own), wanted, given_cotangents, create_graph=True, allow_unused=True)
        return tuple(each for each in found if each is not None)

    return gradcheck(
        gradients,
        (*given, *cotangents),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
    )


def _differentiable(inputs: Sequence[Any]) -> list[Tensor]:
    found = []
    for place, value in enumerate(inputs):
        if not isinstance(value, Tensor) or not value.requires_grad:
            continue
        if value.dtype.name not in ("float64", "complex128"):
            warn(
                f"Input #{place} requires gradient and is not a double precision floating point or complex. This check "
                "will likely fail if all the inputs are not of double precision floating point or complex. ",
            )
        if 0 in [step for step, extent in zip(value._array.strides, value._array.shape, strict=True) if extent > 1]:
            raise RuntimeError(
                f"The {place}th input has a dimension with stride 0. gradcheck only supports inputs that are "
                "non-overlapping to be able to compute the numerical gradients correctly. You should call .contiguous "
                "on the input before passing it to gradcheck."
            )
        value.retain_grad()
        found.append(value)
    if not found:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the them have "
            "requires_grad=True."
        )
    return found


def _outputs(func: Callable[..., Any], inputs: Sequence[Any]) -> list[Tensor]:
    """The outputs that can be differentiated."""
    returned = func(*inputs)
    several = returned if isinstance(returned, tuple | list) else (returned,)
    return [output for output in several if isinstance(output, Tensor) and output.requires_grad]


def _numerical(
    func: Callable[..., Any], inputs: Sequence[Any], tensor: Tensor, eps: float, outputs_too: bool = False
) -> np.ndarray:
    """For each element of a tensor (and, of complex ones, for each part) the difference quotient of all outputs."""
    array = tensor._settled
    rows = []
    steps = (eps, eps * 1j) if tensor.dtype.is_complex else (eps,)
    for index in np.ndindex(array.shape):
        before = array[index]
        for step in steps:
            sides = []
            for sign in (1, -1):
                array[index] = before + sign * step
                sides.append(_values(func(*inputs), outputs_too))
            array[index] = before
            rows.append((sides[0] - sides[1]) / (2 * eps))
    return np.array(rows)


def _values(returned: Any, outputs_too: bool) -> np.ndarray:
    several = returned if isinstance(returned, tuple | list) else (returned,)
    parts = [
        output._settled.astype(np.complex128 if output.dtype.is_complex else np.float64).reshape(-1)
        for output in several
        if isinstance(output, Tensor) and (outputs_too or output.dtype.is_differentiable)
    ]
    return np.concatenate(parts) if parts else np.zeros(0)


def _analytical(output: Tensor, tensor: Tensor) -> np.ndarray:
    """For each element of an output (and each of its parts) the gradient with respect to a tensor, as rows."""
    rows = []
    units = (1, 1j) if output.dtype.is_complex else (1,)
    for index in np.ndindex(output._array.shape):
        for unit in units:
            cotangent = zeros_like(output.detach())
            cotangent._array[index] = unit
            (found,) = grad(output, tensor, cotangent, retain_graph=True, allow_unused=True)
            rows.append(np.zeros(tensor._array.shape) if found is None else found.detach()._settled.copy())
    return np.array(rows).reshape(len(rows), -1)


def _check_output(
    func: Callable[..., Any],
    inputs: Sequence[Any],
    checked: Sequence[Tensor],
    number: int,
    output: Tensor,
    eps: float,
    atol: float,
    rtol: float,
    nondet_tol: float,
    check_dtypes: bool,
) -> None:
    for place, tensor in enumerate(checked):

        def one(*arguments: Any) -> Tensor:
            with_flags = [*arguments]
            returned = func(*with_flags)
            several = returned if isinstance(returned, tuple | list) else (returned,)
            wanted = [each for each in several if isinstance(each, Tensor) and each.dtype.is_differentiable]
            return wanted[number] if number < len(wanted) else wanted[-1]

        numerical = _numerical(one, inputs, tensor, eps)
        analytical = _analytical(output, tensor)
        if check_dtypes:
            (found,) = grad(output.sum(), tensor, retain_graph=True, allow_unused=True)
            if found is not None and found.dtype != tensor.dtype:
                raise GradcheckError(
                    f"Gradient has dtype mismatch: input {place} is {tensor.dtype}, its gradient {found.dtype}"
                )
        if np.abs(_analytical(output, tensor) - analytical).max(initial=0) > nondet_tol:
            raise GradcheckError(
                "Backward is not reentrant, i.e., running backward with same input and grad_output multiple times "
                "gives different values, although analytical gradient matches numerical gradient."
                f"The tolerance for nondeterminism was {nondet_tol}."
            )
        found, expected = _as_real(numerical, analytical, tensor.dtype.is_complex, output.dtype.is_complex)
        if not np.allclose(found, expected, rtol, atol, equal_nan=True):
            raise GradcheckError(
                f"Jacobian mismatch for output {number} with respect to input {place},\n"
                f"numerical:{from_numpy(np.ascontiguousarray(expected))}\n"
                f"analytical:{from_numpy(np.ascontiguousarray(found))}\n"
            )


def _as_real(
    numerical: np.ndarray, analytical: np.ndarray, complex_input: bool, complex_output: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Both derivatives as tables of real numbers: parts of the input by parts of the output.

    A gradient g of the cotangent v stands for: the change of Re(conj(v) f) in a direction u is Re(conj(g) u).
    """
    if complex_output:
        expected = np.stack([numerical.real, numerical.imag], -1).reshape(numerical.shape[0], -1)
    else:
        expected = numerical.real
    if complex_input:
        found = np.stack([analytical.real, analytical.imag], -1).reshape(analytical.shape[0], -1).T
    else:
        found = analytical.real.T
    return found, expected


def _check_undefined(func: Callable[..., Any], inputs: Sequence[Any], checked: Sequence[Tensor]) -> None:
    """A cotangent of zeros for one output and none for it must come to the same."""
    outputs = _outputs(func, inputs)
    if len(outputs) < 2:
        return
    for number, output in enumerate(outputs):
        (alone,) = ([output],)
        found = grad(alone, checked, [zeros_like(output.detach())], retain_graph=True, allow_unused=True)
        for place, gradient in enumerate(found):
            if gradient is not None and gradient.detach()._settled.any():
                raise GradcheckError(
                    "Expected backward function to handle undefined output grads. Please look at 'Notes about "
                    f"undefined output gradients': output {number}, input {place}"
                )
