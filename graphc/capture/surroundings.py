"""What a function reaches by its variables: found before a capture, and compared after it.

A compiled program repeats what tensors do. What the function stores in variables, containers, and objects from outside
is found by comparing them before and after: a tensor that was stored there is stored again by every call, and a number
that was changed, or a list that grew, is refused, since the program would silently leave it as the first call did.
"""

from __future__ import annotations

import functools
import inspect
import sys
from argparse import Namespace
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import CellType, CodeType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from graphc.autograd.tape import gradient_edge
from graphc.capture.code_names import global_names, loaded_names, only_appends, texts
from graphc.capture.errors import CaptureError
from graphc.capture.places import (
    END,
    MISSING,
    PLAIN,
    ArraysGuard,
    Attribute,
    KindGuard,
    LengthGuard,
    Place,
    Placed,
    Replacement,
    SameGuard,
    history_of,
    is_whole,
    kind_of,
)
from graphc.capture.recorder import GraphRecorder
from graphc.capture.trees import flatten_results
from graphc.ir.graph import Location
from graphc.sizes import DynamicSize, plain
from graphc.source_lines import defined_at, is_of_user
from graphc.tensor import RunTimeNumber, Storage, Tensor

# Larger containers, and more of them, are not looked into.
MOST_ITEMS = 4096
MOST_COMPARED = 64  # the numbers in larger lists and arrays are not compared at each call
MOST_KEPT = 2**17  # nor are the items of larger ones kept
MOST_CONTAINERS = 4096
_ATTRIBUTE, _CELL, _GLOBAL = "{name}.{key}", "{name}", "{key}"


def reached_by(function: Callable[..., Any]) -> list[tuple[str, Any]]:
    """The values of a function's free and global variables, and of the object that a method or module is bound to."""
    function = inspect.unwrap(function)
    found: list[tuple[str, Any]] = []
    bound_self = getattr(function, "__self__", None)
    if hasattr(function, "named_parameters"):
        found.append(("self", function))
    elif bound_self is not None:
        found.append(("self", bound_self))
        if not hasattr(bound_self, "named_parameters"):
            found += vars(bound_self).items() if hasattr(bound_self, "__dict__") else ()
    code = getattr(function, "__code__", None)
    if code is not None:
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            try:
                found.append((name, cell.cell_contents))
            except ValueError:  # a variable that has no value yet
                continue
        found += [(name, function.__globals__[name]) for name in code.co_names if name in function.__globals__]
    return found


@dataclass(slots=True)
class _Held:
    """A container, and what it held. ``keys``: of the globals, those that the function names."""

    name: str
    container: Any
    form: str  # how an item is said
    before: dict[Any, Any]
    keys: tuple[str, ...] | None = None
    route: Place | None = None  # where the container is held, or the object whose attributes it is
    variables: bool = False
    appended: int = 0

    def now(self) -> dict[Any, Any]:
        return _entries(self.container, self.keys)

    def said(self, key: Any) -> str | None:
        """The name by which code reads an item: a variable's or an attribute's, and none of another."""
        named = self.variables or self.form == _ATTRIBUTE
        return None if not named else self.name if key is None else key

    def place(self, key: Any) -> Place:
        """Where an item is found, in whichever container is there at the time."""
        name = self.form.format(name=self.name, key=key)
        if self.route is None:
            return Place(self.container, self._step(key), name)
        return self.route.within(Attribute(key) if self.form == _ATTRIBUTE else key, name)

    def own(self, key: Any) -> Place:
        """An item of this very container."""
        return Place(self.container, self._step(key), self.form.format(name=self.name, key=key))

    def _step(self, key: Any) -> Any:
        plain = isinstance(self.container, dict | list | deque | set | CellType)
        return key if plain else Attribute(key)


class Surroundings:
    """The values that a function's variables have before it runs, and what the containers and objects hold that it
    reaches by them."""

    def __init__(self, function: Callable[..., Any], given: Sequence[tuple[str, Any]] = ()):
        """``given``: arguments that are told apart by identity, by name."""
        self._function = function
        self._held: list[_Held] = []
        self._seen: set[int] = set()
        self._kept: list[Any] = []  # so that no other object gets the id of one that was seen
        self._named: set[tuple[int, str]] = set()  # the globals that were met
        self._modules: list[Any] = []  # those that variables hold
        self._loaded: set[str] = set()  # variables and attributes that code of the user's reads
        self._routes: dict[int, list[Place]] = {}  # where a container is held, by its id
        self._arrays: list[tuple[str, np.ndarray, np.ndarray]] = []  # arrays of numpy's, and what they held
        self._met_arrays: list[np.ndarray] = []  # those, and larger ones
        self._files: list[tuple[str, ModuleType]] = []  # files of the user's
        self._codes: list[CodeType] = []
        self._methods: dict[str, list[CodeType]] = {}  # those of the user's classes that were met
        self._reads_modes = False  # whether code of the user's outside of modules reads `training`
        if hasattr(function, "named_parameters"):
            self._visit("self", function)
        else:
            self._visit_function(function)
        for name, value in given:
            self._visit(name, value)
        for name, file in self._files:
            names = tuple(each for each in sorted(self._loaded) if isinstance(vars(file).get(each), _DATA))
            self._hold(name, vars(file), _ATTRIBUTE, names)

    def reaches_array(self, array: np.ndarray) -> bool:
        """Whether an array shows memory of arrays that the function reaches, or is given."""
        return any(np.may_share_memory(array, known) for known in self._met_arrays)

    # -- before the function runs ------------------------------------------------------------------------------------

    def _new(self, value: Any) -> bool:
        if id(value) in self._seen or len(self._seen) > MOST_CONTAINERS:
            return False
        self._seen.add(id(value))
        self._kept.append(value)
        return True

    def _hold(
        self, name: str, container: Any, form: str, keys: tuple[str, ...] | None = None, route: Place | None = None
    ) -> None:
        held = _Held(name, container, form, _entries(container, keys), keys, route)
        held.variables = form in (_CELL, _GLOBAL)
        self._held.append(held)
        for key, value in held.before.items() if len(held.before) <= MOST_ITEMS else ():
            place = held.place(key)
            self._visit(place.name, value, place)
            if held.variables and hasattr(value, "named_parameters"):
                self._modules.append(value)

    def _visit(self, name: str, value: Any, place: Place | None = None) -> None:
        """Look into a value that is held at a place; None where it is there for good."""
        if isinstance(value, PLAIN):
            return
        if isinstance(value, Tensor):
            self._visit_hooks(name, value)
        elif isinstance(value, tuple):
            for position, item in enumerate(value[:MOST_ITEMS]):
                at = f"{name}[{position}]"
                self._visit(at, item, None if place is None else place.within(position, at, fixed=True))
        elif isinstance(value, np.ndarray):
            self._met_arrays.append(value)
            if value.size <= MOST_ITEMS and self._new(value):
                self._arrays.append((name, value, value.copy()))
        elif isinstance(value, ModuleType):
            if _is_module_of_user(value) and self._new(value):
                self._files.append((name, value))
        elif isinstance(value, type):
            if is_of_user_class(value) and self._new(value):
                self._hold(name, value, _ATTRIBUTE)
        elif hasattr(value, "named_parameters"):
            for module in value.modules() if self._new(value) else ():
                self._visit_module(name if module is value else type(module).__name__, module)
        elif callable(value) and (hasattr(value, "__wrapped__") or isinstance(value, _FUNCTIONS)):
            self._visit_function(value)
        elif isinstance(value, list | dict | deque | set):
            if self._met(value, place) and len(value) <= MOST_KEPT and self._new(value):
                self._hold(name, value, "{name}[{key!r}]", route=place)
        elif _is_followed(value) and self._met(value, place) and self._new(value):
            self._reads_modes |= "training" in self._load(type(value))
            own = getattr(value, "__dict__", None)
            if own is not None:
                self._hold(name, own, _ATTRIBUTE, route=place)
            if any("__slots__" in vars(kind) for kind in type(value).__mro__):
                self._hold(name, value, _ATTRIBUTE, route=place)
            for kind in type(value).__mro__:
                self._visit(kind.__name__, kind)

    def _met(self, value: Any, place: Place | None) -> bool:
        """Whether a container is met for the first time; else it must stay the same in all the places."""
        routes = self._routes.setdefault(id(value), [])
        if place is not None:
            routes.append(place)
        return id(value) not in self._seen

    def _visit_hooks(self, name: str, tensor: Tensor) -> None:
        edge = gradient_edge(tensor) if tensor.requires_grad else None
        for table in () if edge is None or edge.hooks is None else (edge.hooks.tensor, edge.hooks.accumulated):
            self._visit(name, tuple(table.values()))

    def _visit_module(self, name: str, module: Any) -> None:
        """Modules tell of their changes themselves: here is what their attributes hold, and their hooks."""
        own = vars(module)
        for key, value in list(own.items()):
            if key not in module._internal_names:
                place = Place(own, key, f"{name}.{key}", noted=True)
                self._visit(place.name, value, place)
            elif key.endswith("_hooks"):
                self._visit(f"{name}.{key}", tuple(value.values()))
        for parameter in module._parameters.values():
            if parameter is not None:
                self._visit_hooks(name, parameter)
        self._visit_function(type(module).forward, forward=True)
        self._load(type(module))

    def _load(self, kind: type) -> set[str]:
        """What the methods of a class of the user's read."""
        loaded: set[str] = set()
        for name, member in [item for base in kind.__mro__ for item in vars(base).items()]:
            method = inspect.unwrap(member.fget if isinstance(member, property) else member)
            if inspect.isfunction(method) and is_of_user(method.__code__.co_filename):
                self._methods.setdefault(name, []).append(method.__code__)
                loaded |= loaded_names(method.__code__)
        self._loaded |= loaded
        return loaded

    def _visit_function(self, function: Any, forward: bool = False) -> None:
        """``forward``: it is that of a module, whose mode is guarded when it is called."""
        if isinstance(function, functools.partial):
            self._visit("arguments", (*function.args, *function.keywords.values()))
            self._visit_function(function.func)
            return
        function = inspect.unwrap(function)
        if isinstance(function, MethodType):
            self._visit("self", function.__self__)
            function = function.__func__
        if hasattr(function, "named_parameters"):
            self._visit("self", function)
        code = getattr(function, "__code__", None)
        if not isinstance(code, CodeType) or not is_of_user(code.co_filename) or not self._new(function):
            return
        self._codes.append(code)
        self._loaded |= loaded_names(code)
        self._reads_modes |= not forward and "training" in loaded_names(code)
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            if self._new(cell):
                self._hold(name, cell, _CELL)
        module = function.__globals__
        names = [
            name for name in sorted(global_names(code)) if name in module and (id(module), name) not in self._named
        ]
        self._named.update((id(module), name) for name in names)
        self._hold("", module, _GLOBAL, tuple(names))

    # -- after it ----------------------------------------------------------------------------------------------------

    def refuse_changes(self, recorder: GraphRecorder) -> None:
        """Raise CaptureError naming the variable where the function gave one another value."""
        for held, key, value in self._changed():
            before = held.before.get(key, MISSING)
            plain = isinstance(value, PLAIN) and isinstance(before, PLAIN) and kind_of(value) != kind_of(before)
            if plain or key is END or _holds_tensors(value):
                self._refuse(held.name if key is END else held.place(key).name)

    def changes(self, recorder: GraphRecorder) -> tuple[list[Replacement], list[Any], list[Any]]:
        """What the function stored: the replacements, the values that are new, and what that rests on.

        Raises CaptureError, naming the variable, for what a program can't repeat.
        """
        sources = {id(value): place for place, value in self._entry_places() if not isinstance(value, PLAIN)}
        replacements: list[Replacement] = []
        contents: list[Any] = []
        guards: list[Any] = []

        def replaced(place: Place, name: str | None, before: Any, value: Any, location: Any = None) -> None:
            source = sources.get(id(value))
            if not _is_number(value) or name is None or name in self._loaded:
                guards.append(KindGuard(place, kind_of(before)))
                _refuse_numbers(place.name, before, value, location or defined_at(self._function))
            replacements.append(Replacement(place, source))
            if source is None:
                contents.append(value)

        for held in self._held:
            for key in [key for key in held.now() if type(key) is DynamicSize]:
                recorder.fix_all_sizes(f"something is stored under it in {held.name}")
                held.container[plain(key)] = held.container.pop(key)
        for held, key, value in self._changed():
            if key is END:
                at = held.appended + len(held.before)
                held.appended += 1
                replacements.append(Replacement(held.place(END), first=held.own(at)))
                contents.append(value)
                continue
            if isinstance(held.container, deque) and len(held.before) != len(held.container):
                holder = Place(held, Attribute("container"), held.name) if held.route is None else held.route
                guards.append(LengthGuard(holder, len(held.before)))
            if isinstance(value, PLAIN) or id(value) in sources or _holds_tensors(value) or _is_data(value):
                replaced(held.place(key), held.said(key), held.before.get(key, MISSING), value)
            elif hasattr(value, "named_parameters") or hasattr(value, "named_state"):
                self._refuse(held.place(key).name)
        for place, before, location in recorder.attributes.values():
            if place.get() is not before:
                replaced(place, place.key, before, place.get(), location)
        for place, _ in recorder.modes(self._reads_modes):
            replacements.append(Replacement(place))
            contents.append(place.get())
        self._refuse_arrays(recorder)
        # What lies within a container is stored before another container takes its place.
        rest = iter(contents)
        pairs = [(each, None if each.source is not None else next(rest)) for each in replacements]
        pairs.sort(key=lambda pair: -len(pair[0].place.inner))
        replacements = [each for each, _ in pairs]
        return replacements, [value for each, value in pairs if each.source is None], guards

    def restore(self) -> None:
        """Give variables, containers, and arrays what they held."""
        for _, array, before in self._arrays:
            if array.tobytes() != before.tobytes():
                np.copyto(array, before)
        for held in self._held:
            now = held.now()
            if list(now) == list(held.before) and all(now[key] is held.before[key] for key in now):
                continue
            if isinstance(held.container, set):
                held.container.clear()
                held.container.update(held.before.values())
            elif isinstance(held.container, list | deque):
                held.container.clear()
                held.container.extend(held.before.values())
            else:
                for key in dict.fromkeys((*held.before, *now)):
                    held.own(key).put(held.before.get(key, MISSING))

    def places(self, recorder: GraphRecorder) -> tuple[dict[Storage, Placed], list[tuple[Place, Any]]]:
        """Where tensors from outside are held, by the memory that they are the whole of: a program looks there at each
        call. And the places that must hold the very tensors that they held: such as show a part of their memory, share
        it with another tensor, or are given a gradient."""
        found: dict[int, tuple[Tensor, list[Place]]] = {}
        for place, value in (*self._entry_places(), *_carried(recorder)):
            if isinstance(value, Tensor):
                found.setdefault(id(value), (value, []))[1].append(place)
        users = Counter(tensor._storage for tensor, _ in found.values())
        loose: dict[Storage, Placed] = {}
        held: list[tuple[Place, Any]] = []
        for tensor, places in found.values():
            own = id(tensor) in recorder.gradients or id(tensor) in recorder.flags
            if is_whole(tensor) and users[tensor._storage] == 1 and not own:
                memory = recorder.memory_of(tensor)
                history = history_of(tensor) if memory is None or memory.input is None else memory.history
                loose[tensor._storage] = Placed(tuple(places), history)
            elif recorder.knows(tensor):
                held += [(place, tensor) for place in places]
        return loose, held

    def variables(self) -> list[tuple[Place, Any]]:
        """The variables that the function's code reads, with what they held, but for tensors and what it changed; and
        what is plain, or has a state of its own, in objects, dicts, and short lists under names that it says."""
        said = self._said()
        found: list[tuple[Place, Any]] = []
        for held in self._held:
            now = held.now()
            short = isinstance(held.container, list) and len(held.before) <= MOST_COMPARED
            for key, value in held.before.items() if short or not isinstance(held.container, list | set) else ():
                named = held.variables or short or key in said
                compared = not isinstance(value, _NOT_COMPARED) if held.variables else _is_compared(value)
                if named and compared and now.get(key, MISSING) is value:
                    found.append((held.place(key), value))
        return found

    def others(self) -> list[Any]:
        """Guards of containers that are reached in several ways, and of small arrays of numpy's."""
        shared = [places for places in self._routes.values() if len(places) > 1]
        small = [(array, before.tobytes()) for _, array, before in self._arrays if array.size <= MOST_COMPARED]
        same = [SameGuard(tuple(places)) for places in shared if all(p.get() is places[0].get() for p in places)]
        return same + ([ArraysGuard(tuple(small))] if small else [])

    def _refuse_arrays(self, recorder: GraphRecorder) -> None:
        """Raise CaptureError where the function changed an array of numpy's, other than by tensors that show it."""
        for name, array, before in self._arrays:
            if array.tobytes() != before.tobytes() and not recorder.writes(array):
                self._refuse(name)

    def _said(self) -> set[str]:
        """The names of attributes, and the texts, in the function's code and in that of methods which it names."""
        return set[str]().union(*(loaded_names(code) | texts(code) for code in self._reached()))

    def _reached(self) -> list[CodeType]:
        """The code of the function, of functions in its variables, and of methods which these name."""
        said: set[str] = set()
        found: dict[int, CodeType] = {}
        codes = list(self._codes)
        while codes:
            code = codes.pop()
            found[id(code)] = code
            new = (loaded_names(code) | texts(code)) - said
            said |= new
            codes += [each for name in new for each in self._methods.get(name, ()) if id(each) not in found]
        return list(found.values())

    def carried(self, recorder: GraphRecorder) -> list[KindGuard]:
        """What the recording rests on of the attributes of modules that compiled functions give other values."""
        return [
            KindGuard(place, kind_of(value))
            for place, value in _carried(recorder)
            if not place.inner and (not _is_number(value) or place.key in self._loaded)
        ]

    def guard_modules(self, recorder: GraphRecorder) -> None:
        """Let the recording rest on the attributes of modules that the function's variables hold, called or not."""
        for module in self._modules:
            recorder.guard(module, "_changes", module._changes)

    def _entry_places(self) -> Iterator[tuple[Place, Any]]:
        for held in self._held:
            for key, value in held.before.items():
                yield from _parts(held.place(key), value)

    def _changed(self) -> Iterator[tuple[_Held, Any, Any]]:
        """The items that hold another object than before. Raises CaptureError where some are gone, or a list grew."""
        for held in self._held:
            now = held.now()
            sized = isinstance(held.container, list | set) or (
                isinstance(held.container, deque) and held.container.maxlen is None
            )
            if sized and now.keys() != held.before.keys():
                if self._only_grows(held):
                    yield from ((held, END, value) for value in list(now.values())[len(held.before) :])
                    continue
                self._refuse(f"len({held.name})" if len(now) != len(held.before) else held.name)
            gone = [key for key in held.before if key not in now]
            if gone:
                self._refuse(held.place(gone[0]).name)
            for key, value in now.items():
                if value is not held.before.get(key, MISSING):
                    yield held, key, value

    def _only_grows(self, held: _Held) -> bool:
        """Whether the function put further items at the end of a list, and does nothing else with it: it is a variable
        or an attribute that the code says only to append to it."""
        before, items = list(held.before.values()), list(held.now().values())
        if isinstance(held.container, set) or len(self._routes.get(id(held.container), ())) > 1 or "[" in held.name:
            return False
        if len(items) < len(before) or any(one is not other for one, other in zip(before, items, strict=False)):
            return False
        name = held.name.rpartition(".")[2]
        return all(only_appends(code, name) for code in self._reached())

    def _refuse(self, name: str) -> None:
        raise _refusal(name, defined_at(self._function))


_DATA = (Tensor, *PLAIN, list, dict, deque)
_NOT_COMPARED = (Tensor, ModuleType, type, type(MISSING))
_FUNCTIONS = (FunctionType, MethodType, functools.partial)


def _refusal(name: str, location: Location | None) -> CaptureError:
    return CaptureError(
        f"{name} is changed inside a compiled function, which the program could not repeat; write into a "
        "tensor in place (copy_, +=), or return the value and keep it outside",
        location,
    )


def _is_number(value: Any) -> bool:
    """Whether a value is a number or text, or a number that the program computes."""
    return isinstance(value, int | float | complex | str | bytes | RunTimeNumber) and not isinstance(value, bool)


def _refuse_numbers(name: str, before: Any, value: Any, location: Location | None) -> None:
    """Raise CaptureError for a number or text in the place of another, from which it may have been computed, and for
    one that is another at every call."""
    known = before is MISSING or before is None or kind_of(value) == kind_of(before)
    if isinstance(value, RunTimeNumber) or (_is_number(value) and not known):
        raise _refusal(name, location)


def _holds_tensors(value: Any) -> bool:
    try:
        return bool(flatten_results(value)[0])
    except TypeError:
        return False


def _is_data(value: Any) -> bool:
    """Whether a value is a plain one, or a tuple, list, or dict of such."""
    if isinstance(value, dict):
        return all(map(_is_data, value.values()))
    return all(map(_is_data, value)) if isinstance(value, tuple | list) else isinstance(value, (DynamicSize, *PLAIN))


def _is_compared(value: Any) -> bool:
    """Whether what is no variable is compared at each call."""
    return isinstance(value, PLAIN) or hasattr(value, "named_parameters") or hasattr(value, "named_state")


def _is_module_of_user(module: ModuleType) -> bool:
    """Whether a Python module is a file of the user's, or made by hand."""
    path, name = getattr(module, "__file__", None), module.__name__.partition(".")[0]
    if path is None:
        return name not in sys.stdlib_module_names and name != __name__.partition(".")[0]
    return is_of_user(path) and "site-packages" not in path


def is_of_user_class(kind: type) -> bool:
    """Whether a class is written in a file of the user's."""
    module = sys.modules.get(kind.__module__)
    return kind.__module__ == "__main__" or (module is not None and _is_module_of_user(module))


def _is_followed(value: Any) -> bool:
    """Whether an object is of a class of the user's."""
    if isinstance(value, SimpleNamespace | Namespace):
        return True
    kind = type(value)
    if hasattr(value, "named_state") or kind.__module__ == "builtins":
        return False
    path = getattr(sys.modules.get(kind.__module__), "__file__", None)
    # A class of a notebook has no file.
    return is_of_user(path) if path is not None else kind.__module__ == "__main__"


def _entries(container: Any, keys: tuple[str, ...] | None) -> dict[Any, Any]:
    if isinstance(container, CellType):
        return {None: Place(container, None, "").get()}
    if keys is not None:
        return {key: container.get(key, MISSING) for key in keys}
    if isinstance(container, list | deque):
        return dict(enumerate(container))
    if isinstance(container, set):
        return {id(item): item for item in container}
    if isinstance(container, dict):
        return dict(container)
    if isinstance(container, type):
        own = vars(container).items()
        return {name: value for name, value in own if isinstance(value, _DATA) and not name.startswith("__")}
    slots = [name for kind in type(container).__mro__ for name in vars(kind).get("__slots__", ())]
    return {name: getattr(container, name) for name in slots if hasattr(container, name)}


def _parts(place: Place, value: Any) -> Iterator[tuple[Place, Any]]:
    """A place, and those within the tuples that it holds."""
    yield place, value
    if isinstance(value, tuple):
        for position, item in enumerate(value[:MOST_ITEMS]):
            yield from _parts(place.within(position, f"{place.name}[{position}]", fixed=True), item)


def _carried(recorder: GraphRecorder) -> Iterator[tuple[Place, Any]]:
    """The attributes of modules that some compiled function gives other values, and what they held."""
    for module, place in recorder.carried():
        known = recorder.attributes.get((id(module), place.key))
        yield from _parts(place, place.get() if known is None else known[1])
