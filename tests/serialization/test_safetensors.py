"""Files of safetensors, written and read, and files that are not made as the format asks."""

import json
import subprocess
import sys

import numpy as np
import pytest

import graphc
from graphc.serialization import CheckpointError, safetensors

DTYPES = [
    *("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
    *("float16", "float32", "float64", "complex64"),
]


def _tensors():
    tensors = {f"{dtype}.é": graphc.from_numpy(np.arange(6).reshape(2, 3).astype(dtype)) for dtype in DTYPES}
    return {
        **tensors,
        "scalar": graphc.tensor(2.5),
        "empty": graphc.zeros(0, 3),
        "t": graphc.arange(6.0).reshape(2, 3).t(),
    }


def _equal(loaded, expected):
    assert set(loaded) == set(expected)
    for name, value in expected.items():
        array = np.asarray(loaded[name])
        assert array.dtype == value.numpy().dtype
        np.testing.assert_array_equal(array, value.numpy())


def test_round_trip(tmp_path):
    """Every dtype, rank 0, empty, and strided tensors come back equal, with the metadata; each begins aligned."""
    path = tmp_path / "x.safetensors"
    safetensors.save_file(_tensors(), path, {"format": "pt", "note": "ü"})
    _equal(safetensors.load_file(path), _tensors())
    assert safetensors.load_metadata(path) == {"format": "pt", "note": "ü"}
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    assert length % 8 == 0
    for name, entry in json.loads(content[8 : 8 + length]).items():
        if name != "__metadata__":
            assert entry["data_offsets"][0] % _tensors()[name].element_size() == 0


def test_bfloat16(tmp_path):
    """The element type that numpy does not know comes back bit for bit, under the format's name for it."""
    path, value = tmp_path / "x.safetensors", graphc.tensor([[0.1, -2.5], [3e38, 1e-40]]).bfloat16()
    safetensors.save_file({"x": value}, path)
    content = path.read_bytes()
    assert json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["x"]["dtype"] == "BF16"
    loaded = safetensors.load_file(path)["x"]
    assert loaded.dtype is graphc.bfloat16
    assert loaded.tolist() == value.tolist()


def test_the_package_agrees(tmp_path):
    """The package `safetensors` reads what graphc writes and writes what graphc reads, byte for byte the same."""
    package = pytest.importorskip("safetensors.numpy")
    safetensors.save_file(_tensors(), tmp_path / "ours", {"a": "b"})
    _equal(package.load_file(tmp_path / "ours"), _tensors())
    arrays = {name: np.array(value.numpy(), order="C") for name, value in _tensors().items()}
    package.save_file(arrays, tmp_path / "theirs", {"a": "b"})
    _equal(safetensors.load_file(tmp_path / "theirs"), _tensors())
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def _write(path, header, data=b"\x00" * 8, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return path


def _entry(begin=0, end=8, shape=(2,), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


BAD = {
    "overlap": ({"a": _entry(), "b": _entry(4, 8, (1,))}, "overlaps"),
    "gap": ({"a": _entry(0, 4, (1,)), "b": _entry(5, 8, (3,), "U8")}, "gap"),
    "begins late": ({"a": _entry(4, 8, (1,))}, "gap"),
    "too long": ({"a": _entry(0, 16, (4,))}, "cut off"),
    "too short": ({"a": _entry(0, 4, (1,))}, "longer"),
    "wrong size": ({"a": _entry(0, 8, (3,))}, "expected 12"),
    "backwards": ({"a": _entry(8, 0)}, "data_offsets"),
    "negative shape": ({"a": _entry(shape=(-2,))}, "shape"),
    "huge shape": ({"a": _entry(shape=(2**62, 4))}, "expected"),
    "shape of texts": ({"a": {**_entry(), "shape": ["2"]}}, "shape"),
    "bool shape": ({"a": {**_entry(), "shape": [True, 2]}}, "shape"),
    "unknown dtype": ({"a": _entry(dtype="F31")}, "F31"),
    "more keys": ({"a": {**_entry(), "x": 1}}, "expected dtype, shape"),
    "no entry": ({"a": 3}, "expected dtype, shape"),
    "metadata of numbers": ({"__metadata__": {"a": 1}, "a": _entry()}, "metadata"),
    "a name twice": (b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{}}', "twice"),
    "a list": (b"[]", "does not begin"),
    "no JSON": (b"{x", "JSON"),
    "no UTF-8": (b'{"\xff":1}', "JSON"),
    "deep": (b'{"a":' + b"[" * 100_000, "JSON"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_bad_files_are_refused(tmp_path, kind):
    """Each way not to be made as the format asks is refused, with the file's name and what is wrong."""
    header, words = BAD[kind]
    with pytest.raises(CheckpointError, match=rf"x\.safetensors.*{words}"):
        safetensors.load_file(_write(tmp_path / "x.safetensors", header))


def test_large_headers_are_refused(tmp_path):
    """A header said to be of more than 100 MB, or of more than the file, is refused unread."""
    for length, words in ((100_000_001, "larger than"), (2**63, "larger than"), (1000, "cut off")):
        with pytest.raises(CheckpointError, match=words):
            safetensors.load_file(_write(tmp_path / "x", {"a": _entry()}, length=length))


def test_files_that_are_cut_off_are_refused(tmp_path):
    """Cut at every 37th byte, a file is refused."""
    path = tmp_path / "x"
    safetensors.save_file(_tensors(), path)
    content = path.read_bytes()
    for end in range(0, len(content), 37):
        path.write_bytes(content[:end])
        with pytest.raises(CheckpointError):
            safetensors.load_file(path)


def test_dtypes_that_graphc_lacks_are_named(tmp_path):
    """A tensor of another dtype is refused by its name."""
    with pytest.raises(CheckpointError, match=r"'a' of dtype torch\.float8_e5m2"):
        safetensors.load_file(_write(tmp_path / "x", {"a": _entry(dtype="F8_E5M2", shape=(8,))}))


def test_what_cannot_be_saved(tmp_path):
    """Shared memory, names and values of other kinds, and metadata of numbers are refused; the old file stays."""
    path = tmp_path / "x"
    path.write_bytes(b"old")
    base = graphc.ones(4)
    for tensors, metadata, error in (
        ({"a": base, "b": base[1:]}, None, ValueError),
        ({"a": base[:2], "b": base[2:], "c": base[3:]}, None, ValueError),
        ({"a": base.reshape(2, 2)[:, 1], "b": base[1:2]}, None, ValueError),
        ({"a": [1]}, None, TypeError),
        ({1: base}, None, TypeError),
        ({"a": base}, {"a": 1}, TypeError),
    ):
        with pytest.raises(error):
            safetensors.save_file(tensors, path, metadata)
    assert path.read_bytes() == b"old"
    square = graphc.arange(4.0).reshape(2, 2)
    safetensors.save_file({"a": base[:2], "b": base[2:], "c": square[:, 0], "d": square[:, 1]}, path)
    assert safetensors.load_file(path)["d"].tolist() == [1.0, 3.0]


def test_reading_needs_no_third_package():
    """The reader works where neither torch nor the package is installed."""
    code = "import sys; sys.modules['torch'] = sys.modules['safetensors'] = None; import graphc.serialization"
    subprocess.run([sys.executable, "-c", code], check=True)
