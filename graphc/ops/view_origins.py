"""How views were made, where that forbids writing to them while gradients are recorded.

Source: PyTorch's ``CreationMeta``, and https://docs.pytorch.org/docs/stable/notes/autograd.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from graphc.recording import state

# By a function that gives several views; where gradients were off; in inference mode.
SEVERAL, UNRECORDED, INFERENCE_MODE = "several", "no_grad", "inference_mode"

_ADVICE = {
    SEVERAL: " This view is the output of a function that returns multiple views. Such functions do not allow the "
    "output views to be modified inplace. You should replace the inplace operation by an out-of-place one.",
} | {
    origin: " Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by "
    f"moving both the view and the inplace either both inside the {origin} block (if you don't want the inplace to be "
    "tracked) or both outside (if you want the inplace to be tracked)."
    for origin in (UNRECORDED, INFERENCE_MODE)
}


def views_of_one_call(parts: Sequence[Any]) -> tuple[Any, ...]:
    """What a function gives that takes several views of a tensor at once."""
    if state.gradients:
        for part in parts:
            if part.is_eager:
                part._view_origin = SEVERAL
    return tuple(parts)


def refuse_write(origin: str, node: Any, elsewhere: bool) -> NoReturn:
    """Raise RuntimeError for a view of that origin, made by a node or None, that is written to, or whose base was."""
    action = "its base or another view of its base has been" if elsewhere else "is being"
    made = None
    if node is not None:
        description = node.description
        number = 0 if description is None else description[2]
        made = f"Output {number} of {node.name().rpartition('Backward')[0]} is a view"
    if origin == INFERENCE_MODE:
        what = f"{made} of a view which was created in" if made else "A view was created in"
        words = f"{what} inference mode and {action} modified inplace in normal mode."
    elif origin == UNRECORDED or made is None:
        what = f"{made} of a view which was created in" if made else "A view was created in"
        words = f"{what} no_grad mode and {action} modified inplace with grad mode enabled."
    else:
        words = f"{made} and {action} modified inplace."
    raise RuntimeError(words + _ADVICE[origin])
