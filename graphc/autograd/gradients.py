"""``backward`` and ``grad``: gradients of tensors, accumulated into leaves or returned.

Source: https://docs.pytorch.org/docs/stable/autograd.html
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.autograd.tape import AccumulateGrad, Edge, gradient_edge, sweep
from graphc.ops.sources import number_like
from graphc.tensor import Tensor


def backward(
    tensors: Sequence[Tensor] | Tensor,
    grad_tensors: Sequence[Tensor | None] | Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Sequence[Tensor] | Tensor | None = None,
) -> None:
    """Add the gradients of the tensors to ``grad`` of the leaves; see :meth:`graphc.Tensor.backward`."""
    roots = _roots(tensors, grad_tensors)
    keep = create_graph if retain_graph is None else retain_graph
    targets: dict[Edge, Tensor] | None = None
    if inputs is not None:
        chosen = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        if not chosen:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
        targets = {_edge_of_input(tensor): tensor for tensor in chosen}
    found = sweep(roots, retain_graph=keep, create_graph=create_graph, targets=targets)
    from graphc.recording import phase, state

    outer, state.gradients = state.gradients, create_graph
    try:
        with phase("backward"):
            for edge, cotangent in found.items():
                leaf = edge.variable if isinstance(edge, AccumulateGrad) else targets[edge]
                leaf._accumulate(cotangent)
    finally:
        state.gradients = outer


def grad(
    outputs: Sequence[Tensor] | Tensor,
    inputs: Sequence[Tensor] | Tensor,
    grad_outputs: Sequence[Tensor | None] | Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of the sum of the outputs with respect to the inputs, one of each input's shape.

    Raises:
        RuntimeError: with PyTorch's words where an input is not used in the graph (unless ``allow_unused``), does not
            require a gradient, or an output has none.
    """
    wanted = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    roots = _roots(outputs, grad_outputs)
    edges = [_edge_of_input(tensor) for tensor in wanted]
    keep = create_graph if retain_graph is None else retain_graph
    found = sweep(roots, retain_graph=keep, create_graph=create_graph, targets=edges)
    results: list[Tensor | None] = []
    for position, (tensor, edge) in enumerate(zip(wanted, edges, strict=True)):
        result = found.get(edge)
        if result is None and materialize_grads:
            from graphc.ops.functions.creation import zeros_like

            result = zeros_like(tensor)
        elif result is None and not allow_unused:
            raise RuntimeError(
                f"The differentiated Tensor at index {position} appears to not have been used in the graph. Set "
                "allow_unused=True if this is the desired behavior."
            )
        results.append(result)
    return tuple(results)


def _edge_of_input(tensor: Tensor) -> Edge:
    edge = gradient_edge(tensor)
    if edge is None:
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    return edge


def _roots(
    outputs: Sequence[Tensor] | Tensor, cotangents: Sequence[Tensor | None] | Tensor | None
) -> list[tuple[Edge, Tensor]]:
    tensors = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    given = [cotangents] if isinstance(cotangents, Tensor) or cotangents is None else list(cotangents)
    if len(given) == 1 and given[0] is None:
        given = [None] * len(tensors)
    if len(given) != len(tensors):
        raise RuntimeError(f"got {len(tensors)} tensors and {len(given)} gradients")
    roots: list[tuple[Edge, Tensor]] = []
    for position, (tensor, cotangent) in enumerate(zip(tensors, given, strict=True)):
        edge = gradient_edge(tensor)
        if edge is None:
            raise RuntimeError(f"element {position} of tensors does not require grad and does not have a grad_fn")
        if cotangent is None:
            if tensor.numel() != 1:
                raise RuntimeError("grad can be implicitly created only for scalar outputs")
            cotangent = number_like(tensor, 1)
        elif cotangent.shape != tensor.shape:
            raise RuntimeError(
                f"Mismatch in shape: grad_output[{position}] has a shape of {cotangent.shape} and output[{position}] "
                f"has a shape of {tensor.shape}."
            )
        roots.append((edge, cotangent))
    return roots
