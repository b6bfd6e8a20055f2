"""Containers of modules: in sequence, as a list, and as a dict.

Source: https://docs.pytorch.org/docs/stable/nn.html#containers
"""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Self

from graphc.nn.module import Module
from graphc.notices import warn


class _Container(Module):
    """Modules that are reached through what holds them."""

    @property
    def _modules_read(self) -> dict[str, Module]:
        """The modules, to be looked at: a container is not called itself, so a capture must be told."""
        self._note_read()
        return self._modules


class _Numbered(_Container):
    """Modules in an order, named by their places."""

    def __len__(self) -> int:
        return len(self._modules_read)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules_read.values())

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._name_at(index), module)

    def __delitem__(self, index: int | slice) -> None:
        if isinstance(index, slice):
            for name in list(self._modules)[index]:
                delattr(self, name)
        else:
            delattr(self, self._name_at(index))
        self._renumber(list(self._modules.values()))

    def _name_at(self, index: int) -> str:
        position = operator.index(index)
        if not -len(self) <= position < len(self):
            raise IndexError(f"index {position} is out of range")
        return list(self._modules)[position]

    def _renumber(self, modules: list[Module]) -> None:
        """Have these modules and no others, named by their places."""
        self._note_change("modules", None, modules)
        self._modules.clear()
        self._modules.update((str(position), module) for position, module in enumerate(modules))

    def append(self, module: Module) -> Self:
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def pop(self, key: int | slice) -> Any:
        """Take a module out and give it."""
        found = self[key]
        del self[key]
        return found

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.isdigit()]


class Container(Module):
    """An older base of modules that hold modules, given by name; making one warns."""

    def __init__(self, **kwargs: Any):
        warn(
            "`nn.Container` is deprecated. All of its functionality is now implemented in `nn.Module`. Subclass that "
            "instead.",
            FutureWarning,
        )
        super().__init__()
        for name, module in kwargs.items():
            self.add_module(name, module)


class Sequential(_Numbered):
    """Modules called one after the other, each on the result of the one before.

    Made of modules, or of an OrderedDict of modules by name.
    """

    def __init__(self, *args: Any):
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            for position, module in enumerate(args):
                self.add_module(str(position), module)

    def forward(self, input: Any) -> Any:
        for module in self:
            input = module(input)
        return input

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(OrderedDict(list(self._modules_read.items())[index]))
        return self._modules_read[self._name_at(index)]

    def __add__(self, other: Sequential) -> Sequential:
        _require_sequential(other)
        return Sequential(*self, *other)

    def __iadd__(self, other: Sequential) -> Self:
        _require_sequential(other)
        return self.extend(list(other))

    def __mul__(self, other: int) -> Sequential:
        self._require_count(other)
        return Sequential(*(module for _ in range(other) for module in self))

    def __rmul__(self, other: int) -> Sequential:
        return self * other

    def __imul__(self, other: int) -> Self:
        self._require_count(other)
        return self.extend(list(self) * (other - 1))

    def _require_count(self, other: Any) -> None:
        if not isinstance(other, int):
            raise TypeError(f"unsupported operand type(s) for *: {type(self)} and {type(other)}")
        if other <= 0:
            raise ValueError(f"Non-positive multiplication factor {other} for {type(self)}")

    def insert(self, index: int, module: Module) -> Self:
        """Put a module before the one at a place. Raises IndexError for a place outside."""
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {Module}")
        count = len(self)
        if not -count <= index <= count:
            raise IndexError(f"Index out of range: {index}")
        modules = list(self)
        modules.insert(index, module)
        self._renumber(modules)
        return self

    def extend(self, sequential: Iterable[Module]) -> Self:
        """Add modules at the end."""
        for module in sequential:
            self.append(module)
        return self


class ModuleList(_Numbered):
    """A list of modules that are registered."""

    def __init__(self, modules: Iterable[Module] | None = None):
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self._modules_read.values())[index])
        return self._modules_read[self._name_at(index)]

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList(chain(self, other))

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)

    def insert(self, index: int, module: Module) -> None:
        """Put a module before the one at a place."""
        modules = list(self)
        modules.insert(index, module)
        self._renumber(modules)

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end. Raises TypeError for what can't be iterated."""
        if not isinstance(modules, Iterable):
            raise TypeError("ModuleList.extend should be called with an iterable, but got " + type(modules).__name__)
        first = len(self)
        for position, module in enumerate(modules):
            self.add_module(str(first + position), module)
        return self

    def __repr__(self) -> str:
        """Equal neighbours are written once, with how many they are."""
        groups: list[tuple[int, int, str]] = []
        for position, module in enumerate(self):
            text = repr(module)
            if groups and groups[-1][2] == text:
                groups[-1] = (groups[-1][0], position, text)
            else:
                groups.append((position, position, text))
        if not groups:
            return self._get_name() + "()"
        lines = [
            f"({first}): {text}" if first == last else f"({first}-{last}): {last - first + 1} x {text}"
            for first, last, text in groups
        ]
        return self._get_name() + "(\n  " + "\n  ".join(line.replace("\n", "\n  ") for line in lines) + "\n)"


class ModuleDict(_Container):
    """A dict of modules that are registered."""

    def __init__(self, modules: Any = None):
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Module:
        return self._modules_read[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        self._note_change(key, self._modules[key], None)
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules_read)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules_read)

    def __contains__(self, key: str) -> bool:
        return key in self._modules_read

    def clear(self) -> None:
        """Take all modules out."""
        self._note_change("modules", self, None)
        self._modules.clear()

    def pop(self, key: str) -> Module:
        """Take a module out and give it."""
        found = self[key]
        del self[key]
        return found

    def keys(self) -> Any:
        """The names."""
        return self._modules_read.keys()

    def items(self) -> Any:
        """Names and modules."""
        return self._modules_read.items()

    def values(self) -> Any:
        """The modules."""
        return self._modules_read.values()

    def update(self, modules: Any) -> None:
        """Enter modules from a mapping or from pairs of name and module. Raises TypeError or ValueError for others."""
        for name, module in pairs_of("ModuleDict", "ModuleDict", modules):
            self[name] = module


def pairs_of(kind: str, spelled: str, entries: Any) -> list[tuple[Any, Any]]:
    """The pairs that ``update`` of a container is given. Raises TypeError or ValueError, as PyTorch, for others."""
    if not isinstance(entries, Iterable):
        raise TypeError(
            f"{spelled}.update should be called with an iterable of key/value pairs, but got {type(entries).__name__}"
        )
    if isinstance(entries, Mapping) or hasattr(entries, "items"):
        return list(entries.items())
    pairs = []
    for position, pair in enumerate(entries):
        if not isinstance(pair, Iterable):
            raise TypeError(f"{kind} update sequence element #{position} should be Iterable; is{type(pair).__name__}")
        if len(pair) != 2:
            raise ValueError(f"{kind} update sequence element #{position} has length {len(pair)}; 2 is required")
        pairs.append((pair[0], pair[1]))
    return pairs


def _require_sequential(other: Any) -> None:
    if not isinstance(other, Sequential):
        raise ValueError(f"add operator supports only objects of Sequential class, but {type(other)!s} is given.")
