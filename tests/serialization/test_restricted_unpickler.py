"""Hostile pickles are refused by name, and nothing of them runs."""

import os
import pickle
import subprocess
import zipfile
from collections import Counter, OrderedDict

import numpy as np
import pytest

import graphc
from graphc.serialization import add_safe_globals, clear_safe_globals, safe_globals

HEAD = b"\x80\x02"
STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQ"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"


def _write(path, content, data=b"\x00\x00\x80?"):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/byteorder", "little")
        archive.writestr("archive/data/0", data)
    return path


class Call:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def _text(content):
    return b"X" + len(content).to_bytes(4, "little") + content.encode()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    ("function", "name"),
    [(os.system, "posix.system|nt.system"), (eval, "builtins.eval|__builtin__.eval"), (exec, "exec"),
     (subprocess.Popen, "subprocess.Popen"), (getattr, "getattr"), (__import__, "__import__"), (open, "open")],
)  # fmt: skip
def test_calls_of_the_system_are_refused(tmp_path, protocol, function, name):
    """A call of a function that does harm is refused by its name; the file that it would write is not there."""
    mark = tmp_path / "ran"
    content = pickle.dumps({"a": [1, Call(function, f"touch {mark}")]}, protocol)
    with pytest.raises(pickle.UnpicklingError, match=name):
        graphc.load(_write(tmp_path / "x.pth", content))
    assert not mark.exists()


def _evil(mark):
    command = _text(f"touch {mark}")
    nested = _text(f"open({str(mark)!r}, 'w')")
    return {
        "instance": HEAD + b"(" + command + b"ios\nsystem\n.",
        "object": HEAD + b"(cos\nsystem\n" + command + b"o.",
        "class of an attribute": b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.__init__\x93.",
        "dotted through torch": b"\x80\x04\x8c\x0ctorch._utils\x8c\x0aos.systemXX\x93.",
        "torch's own os": HEAD + b"ctorch.serialization\nos\n.",
        "torch load": HEAD + b"ctorch\nload\n" + command + b"\x85R.",
        "extension": HEAD + b"\x82\x01.",
        "text persistent id": HEAD + b"Pstorage\n.",
        "number as persistent id": HEAD + b"K\x01Q.",
        "short persistent id": HEAD + b"(X\x07\x00\x00\x00storagetQ.",
        "persistent id of a module": HEAD + b"(" + _text("module") + b"]]]]tQ.",
        "storage class that is a function": HEAD
        + STORAGE.replace(b"torch\nFloatStorage", b"torch._utils\n_rebuild_tensor") + b".",
        "key that leads out": HEAD + STORAGE.replace(b"\x01\x00\x00\x000", b"\x0a\x00\x00\x00../../../x") + b".",
        "negative count": HEAD + STORAGE.replace(b"K\x01t", b"J\xff\xff\xff\xfft") + b".",
        "huge count": HEAD + STORAGE.replace(b"K\x01t", b"J\xff\xff\xff\x7ft") + b".",
        "call of a storage class": HEAD + b"ctorch\nFloatStorage\n)R.",
        "call of a number": HEAD + b"K\x01)R.",
        "call of a dtype": HEAD + b"ctorch\nfloat32\n)R.",
        "state of a function": HEAD + REBUILD + b"}" + _text("_function") + b"cos\nsystem\nsb.",
        "state of a class": HEAD + b"ccollections\nOrderedDict\n}" + _text("x") + b"K\x01sb.",
        "slots of a class": HEAD + b"ctorch\nTensor\nN}" + _text("item") + b"K\x01s\x86b.",
        "state of a tensor": HEAD + REBUILD + b"(" + STORAGE + b"K\x00K\x01\x85K\x01\x85\x89}tR}"
        + _text("_array") + b"K\x01sb.",
        "item of a tensor": HEAD + REBUILD + b"(" + STORAGE + b"K\x00K\x01\x85K\x01\x85\x89}tRK\x00K\x01s.",
        "append to a dict": HEAD + b"}K\x01a.",
        "from type with eval": HEAD + b"ctorch._tensor\n_rebuild_from_type_v2\n(cbuiltins\neval\nctorch\nTensor\n("
        + nested + b"t}tR.",
        "from type with a text": HEAD + b"ctorch._tensor\n_rebuild_from_type_v2\n(" + nested + b"ctorch\nTensor\n)}tR.",
        "codec": HEAD + b"c_codecs\nencode\n" + _text("x") + _text("rot13") + b"\x86R.",
        "object array": HEAD + b"cnumpy\ndtype\n" + _text("O8") + b"\x89\x88\x87R.",
        "counter over a text": HEAD + b"ccollections\nCounter\n" + _text("abc") + b"\x85R.",
    }  # fmt: skip


@pytest.mark.parametrize("trick", _evil(""))
def test_tricks_are_refused(tmp_path, trick):
    """Every way in that a pickle has ends in a refusal that names the file, and nothing has run."""
    mark = tmp_path / "ran"
    path = _write(tmp_path / "x.pth", _evil(mark)[trick])
    with pytest.raises((pickle.UnpicklingError, graphc.serialization.CheckpointError), match=r"x\.pth"):
        graphc.load(path)
    assert not mark.exists()


def test_tensors_beyond_their_memory_are_refused(tmp_path):
    """Shapes, strides, and offsets that reach beyond the storage, or are no numbers, are refused."""
    layouts = [b"K\x01K\x01\x85K\x01\x85", b"K\x00K\x02\x85K\x01\x85", b"J\xff\xff\xff\xffK\x01\x85K\x01\x85",
               b"K\x00K\x02\x85)", b"K\x00K\x01\x85J\xff\xff\xff\xff\x85", b"K\x00NK\x01\x85",
               b"K\x00" + _text("a") * 2,
               b"K\x00" + b"\x8a\x08" + b"\xff" * 7 + b"\x7f\x85K\x00\x85",
               b"K\x00(" + b"K\x01" * 99 + b"t(" + b"K\x01" * 99 + b"t"]  # fmt: skip
    for layout in layouts:
        content = HEAD + REBUILD + b"(" + STORAGE + layout + b"\x89}tR."
        with pytest.raises(pickle.UnpicklingError):
            graphc.load(_write(tmp_path / "x.pth", content))
    good = HEAD + REBUILD + b"(" + STORAGE + b"K\x00K\x01\x85K\x01\x85\x89}tR."
    assert graphc.load(_write(tmp_path / "x.pth", good)).tolist() == [1.0]


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_plain_values_are_read(tmp_path, protocol):
    """Numbers, texts, bytes, containers, and numpy's scalars and arrays come back as they were."""
    named = OrderedDict(a=1)
    named._metadata = {"version": 2}
    value = [1, -(1 << 90), 1.5, 2j, "x", b"\x00\xff", bytearray(b"ab"), {1, 2}, frozenset({3}), (), (1, 2, 3, 4),
             {"a": {"b": [None, True]}}, named, Counter("aab"), np.float64(2.5),
             np.int32(-3), np.bool_(True)]  # fmt: skip
    arrays = [np.arange(6, dtype="f4").reshape(2, 3), np.array(["a", "bc"]), np.asfortranarray(np.eye(3)[:2])]
    content = pickle.dumps((value, arrays), protocol).replace(b"c__builtin__\nbytearray", b"cbuiltins\nbytearray")
    if protocol == 4:
        value.pop(6)
        content = pickle.dumps((value, arrays), protocol)
    loaded, loaded_arrays = graphc.load(_write(tmp_path / "x.pth", content))
    assert loaded == value
    assert [type(item) for item in loaded] == [type(item) for item in value]
    assert next(item for item in loaded if type(item) is OrderedDict)._metadata == {"version": 2}
    for array, expected in zip(loaded_arrays, arrays, strict=True):
        assert type(array) is np.ndarray
        assert array.dtype == expected.dtype
        np.testing.assert_array_equal(array, expected)


class Allowed:
    """A user's class that the user lets files name."""

    def __init__(self, x):
        self.x = x


def test_the_user_allows_names(tmp_path):
    """A name that the user allows is read with weights_only, within the block alone; modules of the system never."""
    path = _write(tmp_path / "x.pth", pickle.dumps([Allowed(3)], 2))
    with pytest.raises(pickle.UnpicklingError, match=r"add_safe_globals\(\[.*Allowed\]\)"):
        graphc.load(path)
    with safe_globals([Allowed]):
        assert graphc.load(path)[0].x == 3
    with pytest.raises(pickle.UnpicklingError):
        graphc.load(path)
    assert graphc.load(path, weights_only=False)[0].x == 3
    add_safe_globals([os.system])
    try:
        with pytest.raises(pickle.UnpicklingError, match="refused always"):
            graphc.load(_write(tmp_path / "y.pth", pickle.dumps(Call(os.system, "true"), 2)))
    finally:
        clear_safe_globals()


def test_nothing_shared_is_changed_by_a_file(tmp_path):
    """After a file that tries to set attributes of what it names, the names mean what they meant."""
    before = graphc.serialization.torch_names.torch_name("torch._utils", "_rebuild_tensor_v2")
    for trick in ("state of a function", "slots of a class", "state of a class"):
        with pytest.raises(pickle.UnpicklingError):
            graphc.load(_write(tmp_path / "x.pth", _evil(tmp_path / "ran")[trick]))
    with pytest.raises(AttributeError):
        before.module = "os"
    test_tensors_beyond_their_memory_are_refused(tmp_path)
