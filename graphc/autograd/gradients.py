"""``backward`` and ``grad``: gradients of tensors, accumulated into leaves or returned.

Source: https://docs.pytorch.org/docs/stable/autograd.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.autograd.engine import sweep
from graphc.autograd.graph import GradientEdge
from graphc.autograd.tape import AccumulateGrad, Node, gradient_edge
from graphc.device_memory import use
from graphc.notices import warn, warn_once
from graphc.ops.functions.shaping import stack
from graphc.ops.operands import cast
from graphc.ops.sources import number_like
from graphc.recording import phase, state
from graphc.tensor import Tensor
from graphc.tensor_gradients import register_backward

Given = Tensor | GradientEdge
_KINDS = (Tensor, GradientEdge)
_CYCLE = (
    "Using backward() with create_graph=True will create a reference cycle between the parameter and its gradient "
    "which "
    "can cause a memory leak. We recommend using autograd.grad when creating the graph to avoid this. If you have to "
    "use "
    "this function, make sure to reset the .grad fields of your parameters to None after use."
)


def backward(
    tensors: Sequence[Given] | Given,
    grad_tensors: Sequence[Tensor | None] | Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Sequence[Tensor | None] | Tensor | None = None,
    inputs: Sequence[Given] | Given | None = None,
) -> None:
    """Add the gradients of the tensors to ``grad`` of the leaves; see :meth:`graphc.Tensor.backward`.

    ``grad_variables`` is an older name of ``grad_tensors``.
    """
    if grad_variables is not None:
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to `backward()`. Please only "
                "use `grad_tensors`."
            )
        grad_tensors = grad_variables
    if create_graph:
        warn_once(_CYCLE)
    targets: dict[Node, Given] | None = None
    if inputs is not None:
        chosen = _several(inputs)
        if not chosen:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
        targets = {_edge_of_input(each): each for each in chosen}
    roots = _roots(_several(tensors), grad_tensors)
    keep = create_graph if retain_graph is None else retain_graph
    found = sweep(roots, retain_graph=keep, create_graph=create_graph, targets=targets)
    if targets is None:
        return
    outer, state.gradients = state.gradients, create_graph
    try:
        with phase("backward"):
            for edge, cotangent in found.items():
                if not isinstance(edge, AccumulateGrad) and isinstance(targets[edge], Tensor):
                    targets[edge]._accumulate(cotangent)
    finally:
        state.gradients = outer


def grad(
    outputs: Sequence[Given] | Given,
    inputs: Sequence[Given] | Given,
    grad_outputs: Sequence[Tensor | None] | Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of the sum of the outputs with respect to the inputs, one of each input's shape.

    Args:
        outputs: the tensors to differentiate.
        inputs: the tensors to differentiate by.
        grad_outputs: the cotangents of the outputs; may be left out for outputs of one element.
        retain_graph: keep what a second sweep needs; by default as ``create_graph``.
        create_graph: make the gradients differentiable themselves.
        only_inputs: an argument of older programs; the gradients of other leaves are never added to.
        allow_unused: give None for an input that the outputs do not depend on.
        is_grads_batched: the cotangents have one more dimension in front; so have the gradients.
        materialize_grads: give zeros in the place of None.

    Raises:
        RuntimeError: with PyTorch's words where an input is not used in the graph (unless ``allow_unused``), does not
            require a gradient, or an output has none.
    """
    wanted = _several(inputs)
    if not wanted:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    if not only_inputs:
        warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To accumulate gradient for "
            "other parts of the graph, please use torch.autograd.backward.",
            FutureWarning,
        )
    given = _several(outputs)
    keep = create_graph if retain_graph is None else retain_graph
    if is_grads_batched:
        return _batched(given, wanted, grad_outputs, keep, create_graph, allow_unused, materialize_grads)
    roots = _roots(given, grad_outputs)
    edges = [_edge_of_input(tensor) for tensor in wanted]
    found = sweep(roots, retain_graph=keep, create_graph=create_graph, targets=edges, accumulate=False)
    results: list[Tensor | None] = []
    for position, (tensor, edge) in enumerate(zip(wanted, edges, strict=True)):
        result = found.get(edge)
        if result is None and materialize_grads:
            result = number_like(tensor, 0) if state.recorder is not None else number_like(tensor, 0).clone()
        elif result is None and not allow_unused:
            raise RuntimeError(
                f"The differentiated Tensor at index {position} appears to not have been used in the graph. Set "
                "allow_unused=True if this is the desired behavior."
            )
        results.append(result)
    return tuple(results)


def _batched(
    outputs: list[Given], inputs: list[Given], cotangents: Any, keep: bool, create: bool, *options: Any
) -> tuple[Tensor | None, ...]:
    """The gradients for each of a batch of cotangents, side by side."""
    allow_unused, materialize = options
    given = [cotangents] if isinstance(cotangents, Tensor) else list(cotangents)
    count = given[0].shape[0]
    rows = []
    for row in range(count):
        last = row == count - 1
        part = [None if each is None else each[row] for each in given]
        rows.append(grad(outputs, inputs, part, keep or not last, create, True, allow_unused, False, materialize))
    return tuple(None if column[0] is None else stack(list(column)) for column in zip(*rows, strict=True))


def _several(given: Any) -> list[Any]:
    return [given] if isinstance(given, _KINDS) else list(given)


def _edge_of_input(given: Given) -> Node:
    edge = given.node if isinstance(given, GradientEdge) else gradient_edge(given)
    if edge is None:
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    return edge


def _roots(tensors: list[Given], cotangents: Sequence[Tensor | None] | Tensor | None) -> list[tuple[Node, Tensor]]:
    given = [None] * len(tensors) if cotangents is None else _several(cotangents)
    if len(given) != len(tensors):
        raise RuntimeError(f"got {len(tensors)} tensors and {len(given)} gradients")
    roots: list[tuple[Node, Tensor]] = []
    for position, (tensor, cotangent) in enumerate(zip(tensors, given, strict=True)):
        if isinstance(tensor, GradientEdge):
            roots.append((tensor.node, cotangent))
            continue
        edge = gradient_edge(tensor)
        if cotangent is None:
            if edge is not None and tensor.numel() != 1:
                raise RuntimeError("grad can be implicitly created only for scalar outputs")
            if edge is not None and tensor.dtype.is_complex:
                raise RuntimeError(
                    f"grad can be implicitly created only for real scalar outputs but got {tensor.dtype}"
                )
            cotangent = number_like(tensor, 1)
            if use.active and state.recorder is None:
                cotangent = tensor._beside(cotangent._array)
        elif not isinstance(cotangent, Tensor):
            raise TypeError(f"gradients can be either Tensors or None, but got {type(cotangent).__name__}")
        elif cotangent.shape != tensor.shape:
            raise RuntimeError(
                f"Mismatch in shape: grad_output[{position}] has a shape of {cotangent.shape} and output[{position}] "
                f"has a shape of {tensor.shape}."
            )
        if edge is None:
            raise RuntimeError(f"element {position} of tensors does not require grad and does not have a grad_fn")
        roots.append((edge, cast(cotangent, tensor.dtype)))
    return roots


register_backward(backward)
