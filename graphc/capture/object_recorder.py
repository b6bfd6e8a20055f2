"""The part of a recorder that knows of the modules of the user's that a function makes, or gives other attributes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graphc.capture.errors import CaptureError
from graphc.capture.guards import Guard
from graphc.capture.places import MISSING, Place
from graphc.capture.size_recorder import SizeRecorder
from graphc.ir.graph import Location


class ObjectRecorder(SizeRecorder):
    """What happened to modules and other objects, and what the recording rests on of theirs."""

    def __init__(self, name: str):
        super().__init__(name)
        self.guards: dict[Any, Guard] = {}
        self._objects: dict[int, Any] = {}  # modules that were made within
        # Attributes of modules that were given other values: where, what they were at entry, and the first line.
        self.attributes: dict[tuple[int, str], tuple[Place, Any, Location]] = {}
        # Modules whose mode was set, the mode at entry, and whether it was looked at before.
        self._modes: dict[int, tuple[Any, bool, bool]] = {}

    def object_made(self, holder: Any) -> None:
        self._objects[id(holder)] = holder

    def attribute_written(self, holder: Any, name: str, value: Any) -> None:
        if id(holder) in self._objects:
            return
        raise CaptureError(
            f"{type(holder).__name__}.{name} is given a value inside a compiled function, which the program could not "
            "repeat; keep a tensor as a buffer and write into it with copy_()",
            self.location(),
        )

    def attribute_replaced(self, holder: Any, table: dict[str, Any], name: str, before: Any) -> bool:
        if id(holder) in self._objects:
            return False
        place = Place(table, name, f"{type(holder).__name__}.{name}", noted=True)
        held = MISSING if before is holder else before
        self.attributes.setdefault((id(holder), name), (place, held, self.location()))
        return True

    def mode_written(self, module: Any) -> None:
        self._modes.setdefault(id(module), (module, module.training, (id(module), "training") in self.guards))

    def modes(self, read: bool) -> Iterator[tuple[Place, bool]]:
        """The modes that the function set, with what they were at entry. The recording rests on that where they were
        looked at before, as all were where they were ``read`` by code that does not say so."""
        for module, before, known in self._modes.values():
            if read and not known:
                self.guards[id(module), "training"] = Guard(module, "training", before)
            elif not known:
                self.guards.pop((id(module), "training"), None)
            yield Place(module.__dict__, "training", f"{type(module).__name__}.training", noted=True), before

    def carried(self) -> Iterator[tuple[Any, Place]]:
        """The attributes that compiled functions give other values, of the modules that the recording rests on."""
        for guard in self.guards.values():
            if guard.key == "_changes" and hasattr(guard.holder, "named_parameters"):
                module = guard.holder
                for name in module._carried:
                    table = module._buffers if name in module._buffers else module.__dict__
                    yield module, Place(table, name, f"{type(module).__name__}.{name}", noted=True)
