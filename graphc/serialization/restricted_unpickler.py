"""An unpickler for files that are not trusted: it makes what a checkpoint holds and refuses the rest by name.

A pickle is a program for a small machine that may call whatever it can name. Here it can name only what
``restricted_names`` lists, each an object that does one harmless thing; and every instruction that calls, changes, or
fills an object first looks at what that object is.
Source: https://docs.python.org/3/library/pickle.html#restricting-globals
"""

from __future__ import annotations

import pickle
import pickletools
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import Counter, OrderedDict
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any, BinaryIO, ClassVar

import numpy as np

from graphc.serialization.restricted_names import PLAIN_NAMES, restore_array
from graphc.serialization.safe_globals import BLOCKED_MODULES, allowed_global, is_allowed
from graphc.serialization.stored_memory import UnsupportedTensor
from graphc.serialization.torch_names import TorchName, read_name

# Instructions that a checkpoint of any protocol may hold. Not among them: persistent ids as text, extension codes,
# instances of protocol 0, buffers outside the file, and byte arrays that are made before their bytes are read.
_INSTRUCTIONS = {
    "PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP", "GLOBAL", "STACK_GLOBAL", "REDUCE", "NEWOBJ",
    "BUILD", "BINPERSID", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "LONG4",
    "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING", "BINBYTES",
    "SHORT_BINBYTES", "BINBYTES8", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST",
    "APPEND", "APPENDS", "EMPTY_DICT", "DICT", "LIST", "SETITEM", "SETITEMS", "EMPTY_SET", "ADDITEMS",
    "FROZENSET", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET", "MEMOIZE",
}  # fmt: skip


def _refuse_instruction(name: str) -> Callable[[Any], None]:
    def refuse(unpickler: Any) -> None:
        raise UnpicklingError(f"the pickle instruction {name} is not one that checkpoints use")

    return refuse


def _instruction_table() -> dict[int, Callable[[Any], None]]:
    standard = pickle._Unpickler.dispatch
    known = {ord(code.code): code.name for code in pickletools.opcodes}
    table = {code: _refuse_instruction(known.get(code, f"0x{code:02x}")) for code in range(256)}
    table.update({code: standard[code] for code, name in known.items() if name in _INSTRUCTIONS})
    return table


# The unpickler of the standard library that is written in Python: of the two it alone shows what each instruction is
# about to touch.
class RestrictedUnpickler(pickle._Unpickler):
    """Reads one pickle. Raises UnpicklingError for all that a checkpoint does not need, and runs none of it.

    Args:
        file: where the pickle begins.
        find_memory: gives the storage for a persistent id.
    """

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = _instruction_table()

    def __init__(self, file: BinaryIO, find_memory: Callable[[Any], Any] | None = None, encoding: str = "utf-8"):
        super().__init__(file, encoding=encoding)
        self._find_memory = find_memory

    def find_class(self, module: str, name: str) -> Any:
        """What a name in the file stands for. Raises UnpicklingError for a name that is not allowed."""
        if self.proto < 3:  # names as Python 2 had them
            module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
        found = read_name(module, name)
        if found is None:
            found = PLAIN_NAMES.get((module, name))
        if found is None:
            found = allowed_global(module, name)
        if found is None:
            raise UnpicklingError(_refusal(module, name))
        return found

    def persistent_load(self, pid: Any) -> Any:
        """The storage of a persistent id."""
        if self._find_memory is None:
            raise UnpicklingError("a storage is named where the file can hold none")
        return self._find_memory(pid)

    # -- instructions that call or change something ----------------------------------------------------------------

    def _load_reduce(self) -> None:
        arguments = self.stack.pop()
        function = self.stack[-1]
        if not isinstance(function, TorchName) and not is_allowed(function):
            raise UnpicklingError(f"calling {_described(function)} is not allowed")
        self.stack[-1] = function(*_as_tuple(arguments))

    def _load_newobj(self) -> None:
        arguments = _as_tuple(self.stack.pop())
        kind = self.stack[-1]
        if isinstance(kind, TorchName):
            self.stack[-1] = kind(*arguments)
        elif isinstance(kind, type) and is_allowed(kind):
            self.stack[-1] = kind.__new__(kind, *arguments)
        else:
            raise UnpicklingError(f"making an object of {_described(kind)} is not allowed")

    def _load_build(self) -> None:
        target, attributes = self.stack[-2], self.stack[-1]
        if type(target) is np.ndarray:
            restore_array(target, self.stack.pop())
        elif isinstance(target, np.dtype):
            _require_native(target, self.stack.pop())
        elif isinstance(target, UnsupportedTensor):
            self.stack.pop()
        elif type(target) is OrderedDict:
            if type(attributes) is not dict or not all(type(key) is str for key in attributes):
                raise UnpicklingError(f"attributes of an OrderedDict are {_described(attributes)}, expected a dict")
            target.__dict__.update(self.stack.pop())
        elif is_allowed(type(target)):
            pickle._Unpickler.load_build(self)
        else:
            raise UnpicklingError(f"setting the state of {_described(target)} is not allowed")

    def _load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._require_target(dict, OrderedDict, Counter)
        self.stack[-1][key] = value

    def _load_setitems(self) -> None:
        items = self.pop_mark()
        self._require_target(dict, OrderedDict, Counter)
        if len(items) % 2:
            raise UnpicklingError("the items of a dict are an odd number of objects")
        for key, value in zip(items[::2], items[1::2], strict=True):
            self.stack[-1][key] = value

    def _load_append(self) -> None:
        item = self.stack.pop()
        self._require_target(list)
        self.stack[-1].append(item)

    def _load_appends(self) -> None:
        items = self.pop_mark()
        self._require_target(list)
        self.stack[-1].extend(items)

    def _load_additems(self) -> None:
        items = self.pop_mark()
        self._require_target(set)
        self.stack[-1].update(items)

    def _require_target(self, *kinds: type) -> None:
        if type(self.stack[-1]) not in kinds:
            raise UnpicklingError(f"putting items into {_described(self.stack[-1])} is not allowed")

    dispatch.update(
        {
            pickle.REDUCE[0]: _load_reduce,
            pickle.NEWOBJ[0]: _load_newobj,
            pickle.BUILD[0]: _load_build,
            pickle.SETITEM[0]: _load_setitem,
            pickle.SETITEMS[0]: _load_setitems,
            pickle.APPEND[0]: _load_append,
            pickle.APPENDS[0]: _load_appends,
            pickle.ADDITEMS[0]: _load_additems,
        }
    )


def _as_tuple(arguments: Any) -> tuple[Any, ...]:
    if type(arguments) is not tuple:
        raise UnpicklingError(f"arguments of a call are {_described(arguments)}, expected a tuple")
    return arguments


def _require_native(dtype: np.dtype, state: Any) -> None:
    order = state[1] if isinstance(state, tuple) and len(state) >= 2 else None
    if order not in ("|", "=", np.dtype("i4").newbyteorder("=").str[0]):
        raise UnpicklingError(f"a numpy dtype in byte order {order!r:.20} is not one that checkpoints use")


def _described(value: Any) -> str:
    if isinstance(value, TorchName):
        return repr(value)
    if isinstance(value, type) or callable(value):
        return f"{getattr(value, '__module__', '?')}.{getattr(value, '__qualname__', type(value).__name__)}"
    return f"an object of {type(value).__module__}.{type(value).__qualname__}"


def _refusal(module: str, name: str) -> str:
    path = f"{module}.{name}"
    if module.split(".")[0] in BLOCKED_MODULES:
        return f"the file names {path}, which is refused always: what that module holds runs commands"
    if module == "torch" or module.startswith("torch."):
        return (
            f"the file names {path}, which is not among what graphc reads of PyTorch's files when only weights are "
            "loaded; save the state_dict of dense tensors there instead, or, if you trust the file, load it with "
            "weights_only=False"
        )
    return (
        f"the file names {path}, which is not allowed when only weights are loaded; if you trust the file, load it "
        f"with weights_only=False, or allow this one name with graphc.serialization.add_safe_globals([{path}])"
    )
