"""Derivatives of functions of tensors: Jacobians, Hessians, and their products with vectors.

Source: https://docs.pytorch.org/docs/stable/autograd.html#functional-higher-level-api
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from graphc.autograd.gradients import grad
from graphc.autograd.modes import enable_grad
from graphc.creation import zeros, zeros_like
from graphc.missing_names import lazy_names
from graphc.ops.functions.shaping import stack
from graphc.tensor import Tensor

__getattr__ = lazy_names(__name__)
__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Tensors = tuple[Tensor, ...]


# -- checking and giving back --------------------------------------------------------------------------------------


def _as_tuple(given: Any, argument: str, function: str) -> tuple[bool, Tensors]:
    """The tensors given, and whether they were a sequence. Raises TypeError for what is no tensor."""
    several = isinstance(given, tuple)
    tensors = given if several else (given,)
    for place, tensor in enumerate(tensors):
        if not isinstance(tensor, Tensor):
            kind = type(tensor)
            if several:
                raise TypeError(
                    f"The {argument} given to {function} must be either a Tensor or a tuple of Tensors but the value "
                    f"at index {place} has type {kind}."
                )
            raise TypeError(
                f"The {argument} given to {function} must be either a Tensor or a tuple of Tensors but the given "
                f"{argument} has type {kind}."
            )
    return several, tensors


def _prepared(inputs: Tensors, create_graph: bool, need_graph: bool) -> Tensors:
    """Tensors to differentiate by: within the user's graph where that is wanted, else apart from it."""
    prepared = []
    for tensor in inputs:
        if create_graph and tensor.requires_grad:
            prepared.append(tensor.view_as(tensor))
        else:
            prepared.append(tensor.detach().requires_grad_(need_graph))
    return tuple(prepared)


def _released(results: Any, create_graph: bool) -> Any:
    """The results, out of the graph unless it was asked for."""
    if isinstance(results, tuple):
        return tuple(_released(result, create_graph) for result in results)
    return results if create_graph or results is None else results.detach()


def _given_back(several: bool, results: tuple[Any, ...]) -> Any:
    return results if several else results[0]


def _check_vectors(vectors: Tensors | None, others: Tensors, several: bool) -> None:
    if len(others) != len(vectors):
        if several:
            raise RuntimeError(f"v is a tuple of invalid length: should be {len(others)} but got {len(vectors)}.")
        raise RuntimeError("The given v should contain a single Tensor.")
    for place, (vector, other) in enumerate(zip(vectors, others, strict=True)):
        if vector.shape != other.shape:
            entry = f"Entry {place} in " if several else ""
            raise RuntimeError(f"{entry}v has invalid size: should be {other.shape} but got {vector.shape}.")


def _check_requires_grad(tensors: Sequence[Tensor | None], kind: str, strict: bool) -> None:
    """Raise RuntimeError, in PyTorch's words, where strictness is asked for and something is independent."""
    if not strict:
        return
    for place, tensor in enumerate(tensors):
        if tensor is None:
            if kind == "outputs":
                raise RuntimeError(
                    f"The output of the user-provided function is independent of input {place}. This is not allowed in "
                    "strict mode."
                )
            raise RuntimeError(
                f"The {kind} of the user-provided function is independent of input {place}. This is not "
                "allowed in strict mode."
            )
        if not tensor.requires_grad:
            if kind == "hessian":
                raise RuntimeError(
                    f"The hessian of the user-provided function with respect to input {place} is independent of the "
                    "input. This is not allowed in strict mode. You should ensure that your function is thrice "
                    "differentiable and that the hessian depends on the inputs."
                )
            if kind == "jacobian":
                raise RuntimeError(
                    f"While computing the hessian, found that the jacobian of the user-provided function with respect "
                    f"to input {place} is independent of the input. This is not allowed in strict mode. You should "
                    "ensure that your function is twice differentiable and that the jacobian depends on the inputs "
                    "(this would be violated by a linear function for example)."
                )
            if kind == "grad_input":
                raise RuntimeError(
                    f"The gradient with respect to input {place} is independent of the inputs of the user-provided "
                    "function. This is not allowed in strict mode."
                )
            raise RuntimeError(
                f"Output {place} of the user-provided function does not require gradients. The outputs must be "
                "computed in a differentiable manner from the input when running in strict mode."
            )


def _gradients(
    outputs: Tensors, inputs: Tensors, cotangents: Sequence[Tensor | None] | None = None, create_graph: bool = False
) -> tuple[Tensor | None, ...]:
    """As :func:`graphc.autograd.grad`, with None where nothing can be differentiated."""
    given = [None] * len(outputs) if cotangents is None else list(cotangents)
    pairs = [(output, cotangent) for output, cotangent in zip(outputs, given, strict=True) if output.requires_grad]
    if not pairs:
        return (None,) * len(inputs)
    return grad(
        [output for output, _ in pairs],
        inputs,
        [cotangent for _, cotangent in pairs],
        create_graph=create_graph,
        allow_unused=True,
        retain_graph=True,
    )


def _filled(
    gradients: Sequence[Tensor | None], inputs: Tensors, strict: bool, create_graph: bool, stage: str
) -> Tensors:
    """Gradients with zeros in the place of None. In strict mode that raises RuntimeError."""
    results = []
    for place, (gradient, reference) in enumerate(zip(gradients, inputs, strict=True)):
        if gradient is None and strict:
            raise RuntimeError(_INDEPENDENT[stage].format(place))
        if strict and create_graph and not gradient.requires_grad and "double" not in stage:
            raise RuntimeError(
                f"The gradient with respect to input {place} is independent of the inputs of the user-provided "
                "function. This is not allowed in strict mode when create_graph=True."
            )
        results.append(zeros_like(reference) if gradient is None else gradient)
    return tuple(results)


_INDEPENDENT = {
    "back": "The output of the user-provided function is independent of input {}. This is not allowed in strict mode.",
    "back_trick": "The gradient with respect to the input is independent of entry {} in the grad_outputs when using "
    "the double backward trick to compute forward mode gradients. This is not allowed in strict mode.",
    "double_back": "The jacobian of the user-provided function is independent of input {}. This is not allowed in "
    "strict mode.",
    "double_back_trick": "The hessian of the user-provided function is independent of entry {} in the grad_jacobian. "
    "This is not allowed in strict mode as it prevents from using the double backward trick to replace forward mode "
    "AD.",
}


def _vectors(v: Any, others: Tensors, function: str, need_graph: bool, what: str) -> tuple[bool, Tensors | None]:
    """The vectors of a product, checked; without any, the result must have one element."""
    if v is None:
        if len(others) != 1 or others[0].numel() != 1:
            raise RuntimeError(what)
        return False, None
    several, vectors = _as_tuple(v, "v", function)
    vectors = _prepared(vectors, False, need_graph)
    _check_vectors(vectors, others, several)
    return several, vectors


# -- products ------------------------------------------------------------------------------------------------------


def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """What ``func`` gives, and the product of a vector of the outputs' shape with its Jacobian.

    Args:
        func: takes tensors and gives a tensor or a tuple of tensors.
        inputs: a tensor or a tuple of them.
        v: of the shape of the outputs; may be left out for one output of one element.
        create_graph: make the product differentiable.
        strict: raise RuntimeError where an input has no part in an output, rather than giving zeros.
    """
    with enable_grad():
        several, given = _as_tuple(inputs, "inputs", "vjp")
        given = _prepared(given, create_graph, True)
        outputs = func(*given)
        several_outputs, results = _as_tuple(outputs, "outputs of the user-provided function", "vjp")
        _check_requires_grad(results, "outputs", strict)
        _, vectors = _vectors(
            v,
            results,
            "vjp",
            False,
            "The vector v can only be None if the user-provided function returns a single "
            "Tensor with a single element.",
        )
    with enable_grad() if create_graph else nullcontext():
        found = _gradients(results, given, vectors, create_graph)
        product = _filled(found, given, strict, create_graph, "back")
    return (
        _given_back(several_outputs, _released(results, create_graph)),
        _given_back(several, _released(product, create_graph)),
    )


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """What ``func`` gives, and the product of its Jacobian with a vector of the inputs' shape.

    The product is made by differentiating the vector-Jacobian product by its vector. Arguments as for :func:`vjp`.
    """
    with enable_grad():
        _, given = _as_tuple(inputs, "inputs", "jvp")
        given = _prepared(given, create_graph, True)
        _, vectors = _vectors(
            v,
            given,
            "jvp",
            False,
            "The vector v can only be None if the input to the user-provided function is a "
            "single Tensor with a single element.",
        )
        outputs = func(*given)
        several, results = _as_tuple(outputs, "outputs of the user-provided function", "jvp")
        _check_requires_grad(results, "outputs", strict)
        product = _forward(results, given, vectors, create_graph, strict, "back", "back_trick")
    return (
        _given_back(several, _released(results, create_graph)),
        _given_back(several, _released(product, create_graph)),
    )


def _forward(
    outputs: Tensors,
    inputs: Tensors,
    vectors: Tensors | None,
    create_graph: bool,
    strict: bool,
    stage: str,
    trick: str,
) -> Tensors:
    """The Jacobian of outputs by inputs times vectors: the product from the left, differentiated by its vector."""
    cotangents = tuple(zeros_like(output).requires_grad_() for output in outputs)
    products = _filled(_gradients(outputs, inputs, cotangents, True), inputs, strict, False, f"{stage}")
    found = _gradients(products, cotangents, vectors, create_graph)
    return _filled(found, outputs, strict, create_graph, trick)


def vhp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """What a scalar function gives, and the product of a vector with its Hessian. Arguments as for :func:`vjp`."""
    with enable_grad():
        several, given, vectors, output, first = _first_derivative(func, inputs, v, create_graph, strict, "vhp")
    with enable_grad() if create_graph else nullcontext():
        found = _gradients(first, given, vectors, create_graph)
        product = _filled(found, given, strict, create_graph, "double_back")
    return _released(output, create_graph), _given_back(several, _released(product, create_graph))


def hvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """What a scalar function gives, and the product of its Hessian with a vector. Arguments as for :func:`vjp`."""
    with enable_grad():
        several, given, vectors, output, first = _first_derivative(func, inputs, v, create_graph, strict, "hvp")
        product = _forward(first, given, vectors, create_graph, strict, "double_back", "double_back_trick")
    return _released(output, create_graph), _given_back(several, _released(product, create_graph))


def _first_derivative(
    func: Callable[..., Any], inputs: Any, v: Any, create_graph: bool, strict: bool, function: str
) -> tuple[bool, Tensors, Tensors, Tensor, Tensors]:
    """Whether there are several inputs, these, the vectors for them, what a scalar function gives, and its gradient."""
    several, given = _as_tuple(inputs, "inputs", function)
    given = _prepared(given, create_graph, True)
    _, vectors = _vectors(
        v,
        given,
        function,
        False,
        "The vector v can only be None if the input to the user-provided function is a single Tensor with a single "
        "element.",
    )
    output = _scalar(func, given, function)
    _check_requires_grad((output,), "outputs", strict)
    first = _filled(_gradients((output,), given, create_graph=True), given, strict, False, "back")
    _check_requires_grad(first, "jacobian", strict)
    return several, given, vectors, output, first


def _scalar(func: Callable[..., Any], inputs: Tensors, function: str) -> Tensor:
    output = func(*inputs)
    several, _ = _as_tuple(output, "outputs of the user-provided function", function)
    if several:
        raise RuntimeError(f"The function given to {function} should return a single Tensor")
    if output.nelement() != 1:
        raise RuntimeError(f"The Tensor returned by the function given to {function} should contain a single element")
    return output.squeeze()


# -- whole matrices ------------------------------------------------------------------------------------------------


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The derivative of every element of ``func``'s outputs by every element of its inputs.

    Args:
        func: takes tensors and gives a tensor or a tuple of tensors.
        inputs: a tensor or a tuple of them.
        create_graph: make the result differentiable.
        strict: raise RuntimeError where an output does not depend on an input, rather than giving zeros.
        vectorize: as PyTorch's; the result is the same.
        strategy: "reverse-mode", or "forward-mode" with ``vectorize``: the result is the same.

    Returns:
        for a tensor and a tensor a tensor of the output's shape followed by the input's; tuples of tensors where the
        outputs or inputs are tuples, outputs first.
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has more outputs '
            'than inputs, "forward-mode" tends to be more performant. Otherwise, prefer to use "reverse-mode".'
        )
    if strategy == "forward-mode":
        if create_graph:
            raise NotImplementedError(
                'torch.autograd.functional.jacobian: `create_graph=True` and `strategy="forward-mode"` are not '
                'supported together (yet). Please either set `create_graph=False` or `strategy="reverse-mode"`.'
            )
        if not vectorize:
            raise NotImplementedError(
                "Computing Jacobian using forward-AD or forward-over-reverse Hessian isonly implemented for "
                "`vectorize=True`."
            )
    if strict and vectorize:
        raise RuntimeError(
            "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported together. "
            "Please either set `strict=False` or `vectorize=False`."
        )
    with enable_grad():
        several, given = _as_tuple(inputs, "inputs", "jacobian")
        given = _prepared(given, create_graph, True)
        several_outputs, outputs = _as_tuple(func(*given), "outputs of the user-provided function", "jacobian")
        _check_requires_grad(outputs, "outputs", strict)
        rows = tuple(_rows(output, place, given, create_graph, strict) for place, output in enumerate(outputs))
    rows = _released(rows, create_graph)
    by_output = tuple(_given_back(several, row) for row in rows)
    return _given_back(several_outputs, by_output)


def _rows(output: Tensor, place: int, inputs: Tensors, create_graph: bool, strict: bool) -> Tensors:
    """The derivatives of one output by each input."""
    found: list[list[Tensor]] = [[] for _ in inputs]
    for element in output.reshape(-1):
        gradients = _gradients((element,), inputs, create_graph=create_graph)
        for number, (gradient, reference) in enumerate(zip(gradients, inputs, strict=True)):
            if strict and gradient is None:
                raise RuntimeError(
                    f"Output {place} of the user-provided function is independent of input {number}. This is not "
                    "allowed in strict mode."
                )
            if strict and create_graph and not gradient.requires_grad:
                raise RuntimeError(
                    "The jacobian of the user-provided function is "
                    f"independent of input {place}. This is not allowed in strict mode when create_graph=True."
                )
            found[number].append(zeros_like(reference) if gradient is None else gradient)
    return tuple(
        stack(column).reshape((*output.shape, *reference.shape))
        if column
        else zeros(*output.shape, *reference.shape, dtype=reference.dtype)
        for column, reference in zip(found, inputs, strict=True)
    )


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The second derivatives of a scalar function; arguments as for :func:`jacobian`.

    Returns:
        for one input a tensor of its shape twice; for a tuple of inputs a tuple of tuples of tensors.
    """
    several, given = _as_tuple(inputs, "inputs", "hessian")
    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')

    scalar = _scalar_function(func, strict)

    def first(*values: Tensor) -> Any:
        gradients = jacobian(scalar, values if len(values) > 1 else values[0], True, False)
        if strict:
            _check_requires_grad(gradients if isinstance(gradients, tuple) else (gradients,), "jacobian", strict)
        return gradients

    found = jacobian(first, given, create_graph, strict, vectorize, outer_jacobian_strategy)
    found = found if isinstance(found, tuple) and len(given) > 1 else (found,)
    table = tuple(row if isinstance(row, tuple) else (row,) for row in found)
    return table if several else table[0][0]


def _scalar_function(func: Callable[..., Any], strict: bool) -> Callable[..., Tensor]:
    def output(*values: Tensor) -> Tensor:
        result = func(*values)
        several, results = _as_tuple(result, "outputs of the user-provided function", "hessian")
        _check_requires_grad(results, "outputs", strict)
        if several:
            raise RuntimeError("The function given to hessian should return a single Tensor")
        if result.nelement() != 1:
            raise RuntimeError("The Tensor returned by the function given to hessian should contain a single element")
        return result.squeeze()

    return output
