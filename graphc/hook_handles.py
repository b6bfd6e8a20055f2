"""What registering a hook gives, whatever it is registered with: a tensor, a node of the tape, a module, an optimizer.

Source: https://docs.pytorch.org/docs/stable/generated/torch.utils.hooks.RemovableHandle.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar


class RemovableHandle:
    """Takes a hook away again, when asked to or at the end of a ``with`` block.

    ``hooks`` is the table that the hook is entered in, under ``id``; ``extra_dict`` are tables of what else is noted
    about it. ``changed`` is called when it is taken away.
    """

    next_id: ClassVar[int] = 0

    def __init__(
        self,
        hooks: dict[int, Any],
        key: int | None = None,
        changed: Callable[[], None] | None = None,
        *,
        extra_dict: Any = (),
    ):
        if key is None:
            key = RemovableHandle.next_id
            RemovableHandle.next_id += 1
        self.id = key
        self._hooks = hooks
        self._extra = (extra_dict,) if isinstance(extra_dict, dict) else tuple(extra_dict)
        self._changed = changed

    def remove(self) -> None:
        """Stop calling the hook."""
        found = self._hooks.pop(self.id, None)
        for table in self._extra:
            table.pop(self.id, None)
        if found is not None and self._changed is not None:
            self._changed()

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()

    def __setstate__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)


def entered(
    hooks: dict[int, Any], hook: Callable[..., Any], changed: Callable[[], None] | None = None
) -> RemovableHandle:
    """Enter a hook at the end of a table. Returns what takes it away; ``changed`` is called now and then."""
    handle = RemovableHandle(hooks, None, changed)
    hooks[handle.id] = hook
    if changed is not None:
        changed()
    return handle
