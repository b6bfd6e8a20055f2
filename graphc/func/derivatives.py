"""Derivatives of functions as functions.

Derivatives nest: one within another is taken of what the inner one computed. Where no argument takes part in a graph of
the caller's, neither do the results.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from graphc.autograd.gradients import grad as gradients_of
from graphc.autograd.modes import enable_grad
from graphc.creation import zeros, zeros_like
from graphc.func.trees import is_tensor, leaves, map_tree
from graphc.ops.functions.shaping import stack
from graphc.tensor import Tensor

Arguments = int | tuple[int, ...]


def _entered(value: Any) -> Any:
    """A tensor to differentiate by, at a level of its own."""
    if not is_tensor(value):
        return value
    return value.view_as(value) if value.requires_grad else value.detach().requires_grad_()


def _left(tree: Any, outside: bool) -> Any:
    """A result, out of the graph unless an argument is within one of the caller's."""
    return tree if outside else map_tree(lambda value: value.detach() if is_tensor(value) else value, tree)


def _takes_part(arguments: Any) -> bool:
    return any(is_tensor(value) and value.requires_grad for value in leaves(arguments))


def _select(arguments: tuple[Any, ...], argnums: Arguments, name: str) -> tuple[tuple[Any, ...], Any]:
    """The arguments with those to differentiate by entered, and these alone."""
    places = argnums if isinstance(argnums, tuple) else (argnums,)
    for place in places:
        if not -len(arguments) <= place < len(arguments):
            raise RuntimeError(f"Got argnum={place}, but only {len(arguments)} positional inputs")
    given = list(arguments)
    for place in places:
        given[place] = map_tree(_entered, given[place])
    chosen = tuple(given[place] for place in places)
    return tuple(given), chosen if isinstance(argnums, tuple) else chosen[0]


def _output_of(function: Callable[..., Any], given: Any, keywords: Any, has_aux: bool, name: str) -> tuple[Any, Any]:
    output = function(*given, **keywords)
    if not has_aux:
        return output, None
    if not isinstance(output, tuple) or len(output) != 2:
        raise RuntimeError(
            f"{name}_and_value(f)(*args): output of function f should be a tuple: (output, aux) if has_aux is True"
        )
    return output


def _pulled(output: Tensor, cotangent: Tensor | None, inputs: list[Any]) -> list[Tensor]:
    """The gradients of an output, zeros where it does not depend on an input."""
    if not output.requires_grad:
        return [zeros_like(value) for value in inputs]
    found = gradients_of(output, inputs, cotangent, retain_graph=True, create_graph=True, allow_unused=True)
    return [zeros_like(value) if part is None else part for part, value in zip(found, inputs, strict=True)]


def _in_place_of(tree: Any, values: list[Any]) -> Any:
    """The tree with other values at its ends."""
    rest = iter(values)
    return map_tree(lambda _: next(rest), tree)


def grad_and_value(func: Callable[..., Any], argnums: Arguments = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that gives the gradient of a scalar function, and its value.

    Args:
        func: gives one tensor of one element; with ``has_aux`` a tuple of that and anything else.
        argnums: which arguments to differentiate by; a tuple gives a tuple.
        has_aux: the new function gives ``(gradient, (value, aux))``.
    """

    @functools.wraps(func)
    def derivative(*arguments: Any, **keywords: Any) -> Any:
        outside = _takes_part((arguments, keywords))
        with enable_grad():
            given, chosen = _select(arguments, argnums, "grad")
            output, extra = _output_of(func, given, keywords, has_aux, "grad")
            if not is_tensor(output):
                raise RuntimeError(
                    f"grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got {type(output)}"
                )
            if output.dim() != 0:
                raise RuntimeError(
                    "grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor with "
                    f"{output.dim()} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
                )
            found = _in_place_of(chosen, _pulled(output, None, leaves(chosen)))
        found, output, extra = (_left(part, outside) for part in (found, output, extra))
        return (found, (output, extra)) if has_aux else (found, output)

    return derivative


def grad(func: Callable[..., Any], argnums: Arguments = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that gives the gradient of a scalar function; arguments as for :func:`grad_and_value`."""
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def derivative(*arguments: Any, **keywords: Any) -> Any:
        found, value = both(*arguments, **keywords)
        return (found, value[1]) if has_aux else found

    return derivative


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """What ``func`` gives, and a function from a cotangent of that to the cotangents of the arguments (a tuple)."""
    outside = _takes_part(primals)
    with enable_grad():
        given = map_tree(_entered, primals)
        output, extra = _output_of(func, given, {}, has_aux, "vjp")

    def pull(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        inputs = leaves(given)
        pairs = zip(leaves(output), leaves(cotangents), strict=True)
        wanted = [(value, cotangent) for value, cotangent in pairs if value.requires_grad]
        within = outside or _takes_part(cotangents)
        with enable_grad():
            found: Any = (None,) * len(inputs)
            if wanted:
                found = gradients_of(
                    [value for value, _ in wanted],
                    inputs,
                    [cotangent for _, cotangent in wanted],
                    retain_graph=True,
                    create_graph=within,
                    allow_unused=True,
                )
            filled = [zeros_like(value) if part is None else part for part, value in zip(found, inputs, strict=True)]
        result = _left(_in_place_of(given, filled), within)
        return result[0] if len(primals) == 1 and not isinstance(result, tuple) else result

    shown = _left(output, outside)
    return (shown, pull, _left(extra, outside)) if has_aux else (shown, pull)


def jvp(
    func: Callable[..., Any],
    primals: tuple[Any, ...],
    tangents: tuple[Any, ...],
    *,
    strict: bool = False,
    has_aux: bool = False,
) -> Any:
    """What ``func`` gives for a tuple of arguments, and how it changes in the direction of ``tangents``.

    The product is made by differentiating the vector-Jacobian product by its vector.
    """
    if not isinstance(primals, tuple):
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals to be a tuple. E.g. it should be valid to call f(*primals)."
        )
    outside = _takes_part((primals, tangents))
    with enable_grad():
        given = map_tree(_entered, primals)
        output, extra = _output_of(func, given, {}, has_aux, "jvp")
        inputs, directions = leaves(given), leaves(tangents)

        def along(value: Tensor) -> Tensor:
            if not value.requires_grad:
                return zeros_like(value)
            weights = zeros_like(value).requires_grad_()
            pulled = gradients_of(value, inputs, weights, retain_graph=True, create_graph=True, allow_unused=True)
            pairs = [(part, way) for part, way in zip(pulled, directions, strict=True) if part is not None]
            pairs = [(part, way) for part, way in pairs if part.requires_grad]
            if not pairs:
                return zeros_like(value)
            (product,) = gradients_of(
                [part for part, _ in pairs],
                [weights],
                [way for _, way in pairs],
                retain_graph=True,
                create_graph=True,
                allow_unused=True,
            )
            return zeros_like(value) if product is None else product

        product = map_tree(along, output)
    shown, product = _left(output, outside), _left(product, outside)
    return (shown, product, _left(extra, outside)) if has_aux else (shown, product)


def jacrev(
    func: Callable[..., Any],
    argnums: Arguments = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable[..., Any]:
    """A function that gives the derivative of every element of ``func``'s result by every element of its arguments.

    Its result has the form of ``func``'s; for each tensor in it a tensor of its shape followed by the argument's (a
    tuple of them where ``argnums`` is a tuple).
    """

    @functools.wraps(func)
    def derivative(*arguments: Any, **keywords: Any) -> Any:
        outside = _takes_part((arguments, keywords))
        with enable_grad():
            given, chosen = _select(arguments, argnums, "jacrev")
            output, extra = _output_of(func, given, keywords, has_aux, "jacrev")
            inputs = leaves(chosen)

            def table(value: Tensor) -> Any:
                rows = [_pulled(element, None, inputs) for element in value.reshape(-1)]
                columns = [
                    stack([row[place] for row in rows]).reshape((*value.shape, *part.shape))
                    if rows
                    else zeros(*value.shape, *part.shape, dtype=part.dtype)
                    for place, part in enumerate(inputs)
                ]
                return _in_place_of(chosen, columns)

            found = map_tree(table, output)
        found = _left(found, outside)
        return (found, _left(extra, outside)) if has_aux else found

    return derivative


def jacfwd(
    func: Callable[..., Any],
    argnums: Arguments = 0,
    has_aux: bool = False,
    *,
    chunk_size: int | None = None,
    randomness: str = "error",
) -> Callable[..., Any]:
    """As :func:`jacrev`: the result is the same."""
    return jacrev(func, argnums, has_aux=has_aux)


def hessian(func: Callable[..., Any], argnums: Arguments = 0) -> Callable[..., Any]:
    """A function that gives the second derivatives of ``func``."""
    return jacfwd(jacrev(func, argnums), argnums)
