"""Reading checkpoints: damage, dtypes that graphc lacks, devices, and memory that stays in the file."""

import io
import pickle
import pickletools

import numpy as np
import pytest

import graphc
from graphc.serialization import CheckpointError

REFUSALS = (CheckpointError, pickle.UnpicklingError)


def _small(path):
    graphc.save({"a": graphc.arange(6.0).reshape(2, 3), "b": [graphc.ones(2, dtype=graphc.int64), "text"]}, path)
    return path.read_bytes()


def _same(loaded):
    return (
        loaded["a"].tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
        and loaded["b"][0].tolist() == [1, 1]
        and loaded["b"][1] == "text"
        and len(loaded) == 2
        and loaded["a"].dtype is graphc.float32
    )


@pytest.mark.parametrize("weights_only", [True, False])
def test_files_that_are_cut_off_are_refused(tmp_path, weights_only):
    """Cut at every 37th byte, a file is refused with its name; it never loads."""
    path = tmp_path / "x.pth"
    content = _small(path)
    for end in range(0, len(content), 37):
        path.write_bytes(content[:end])
        with pytest.raises(REFUSALS, match=r"x\.pth"):
            graphc.load(path, weights_only=weights_only)
    path.write_bytes(content)
    assert _same(graphc.load(path, weights_only=weights_only))


def test_changed_bytes_are_noticed(tmp_path):
    """With any one byte changed (each in one way) a file is refused or reads as it was, never as something else."""
    path = tmp_path / "x.pth"
    content = _small(path)
    messages = []
    for position in range(len(content)):
        path.write_bytes(
            content[:position] + bytes([content[position] ^ (1 << position % 8)]) + content[position + 1 :]
        )
        try:
            loaded = graphc.load(path)
        except REFUSALS as error:
            messages.append(str(error))
        else:
            assert _same(loaded), position
    assert len(messages) > 300
    assert all("x.pth" in message for message in messages)


def test_no_checkpoint(tmp_path):
    """An empty file, a text, an ordinary pickle, a folder, and nothing at all are told apart from a checkpoint."""
    path = tmp_path / "x.pth"
    for content, words in ((b"", "is empty"), (b"hello", "neither"), (pickle.dumps([1, 2]), "neither")):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=rf"x\.pth.*{words}"):
            graphc.load(path)
    with pytest.raises(FileNotFoundError):
        graphc.load(tmp_path / "none.pth")
    with pytest.raises(IsADirectoryError):
        graphc.load(tmp_path)
    with pytest.raises(AttributeError, match="path or a binary file object"):
        graphc.load(3)
    with pytest.raises(TypeError, match="open for bytes"):
        graphc.load(io.StringIO("x"))


def test_map_location_sends_memory_to_the_cpu(tmp_path):
    """A file of a GPU's memory loads where map_location says so, in each of its forms, and is refused otherwise."""
    path = tmp_path / "x.pth"
    graphc.save(graphc.ones(3), path)
    content = path.read_bytes()
    where = content.index(b"X\x03\x00\x00\x00cpu")
    inner = content[64 : content.index(b"PK\x07\x08")].replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
    assert where > 0
    from graphc.serialization.zip_format import write_archive

    def written(location_pickle):
        buffer = io.BytesIO()
        data = np.ones(3, "f4").tobytes()
        write_archive(buffer.write, "archive", [("data.pkl", location_pickle), ("data/0", data)])
        path.write_bytes(buffer.getvalue())

    written(inner)
    for map_location in ("cpu", graphc.device("cpu"), {"cuda:0": "cpu"}, lambda memory, location: memory):
        assert graphc.load(path, map_location=map_location).tolist() == [1.0] * 3
    for map_location in (None, "cuda", {"cuda:1": "cpu"}, lambda memory, location: None):
        with pytest.raises(RuntimeError, match="CPU"):
            graphc.load(path, map_location=map_location)


def test_mapped_memory_is_the_files_own_copy(tmp_path):
    """With mmap=True the values are right, can be written, and the file stays as it is."""
    path = tmp_path / "x.pth"
    content = _small(path)
    loaded = graphc.load(path, mmap=True)
    assert _same(loaded)
    loaded["a"].fill_(9.0)
    assert loaded["a"].sum().item() == 54.0
    assert path.read_bytes() == content
    with pytest.raises(ValueError, match="path"):
        graphc.load(io.BytesIO(content), mmap=True)


def test_dtypes_that_graphc_lacks_are_named(tmp_path):
    """A file with tensors of other dtypes is refused; the message gives the path to each, dtype, and shape."""
    torch = pytest.importorskip("torch")
    for name in ("complex32", "float8_e4m3fn", "float8_e5m2"):
        tensor = torch.zeros(2, 3, dtype=getattr(torch, name))
        torch.save(
            {"model": {"layer.weight": torch.nn.Parameter(tensor, False), "fine": torch.ones(2)}}, tmp_path / "x.pth"
        )
        with pytest.raises(CheckpointError, match=rf"x\.pth.*model\.layer\.weight is .*torch\.{name}.*\[2, 3\]"):
            graphc.load(tmp_path / "x.pth")


def test_values_that_graphc_cannot_make_are_refused(tmp_path):
    """Sparse and quantized tensors, and whole modules of PyTorch's, are refused by name, also for trusted files."""
    torch = pytest.importorskip("torch")
    for value, words in (
        (torch.eye(3).to_sparse(), "_rebuild_sparse_tensor"),
        (torch.nn.Linear(2, 2), "nn.modules.linear"),
    ):
        torch.save(value, tmp_path / "x.pth")
        for weights_only in (True, False):
            with pytest.raises(pickle.UnpicklingError, match=words):
                graphc.load(tmp_path / "x.pth", weights_only=weights_only)


def test_errors_are_of_pytorchs_classes(tmp_path):
    """What PyTorch raises for files that are empty, damaged, in another format, or name what is not allowed."""
    torch = pytest.importorskip("torch")
    whole = io.BytesIO()
    graphc.save({"a": graphc.ones(3)}, whole)
    contents = {
        "empty": b"",
        "cut": whole.getvalue()[:-40],
        "other": bytes(range(256)),
        "beginning": b"PK\x03\x04",
        "code": pickletools.optimize(pickle.dumps(print)),
    }
    for name, content in contents.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(Exception) as theirs:  # noqa: PT011
            torch.load(path)
        with pytest.raises(theirs.type) as ours:
            graphc.load(path)
        assert name in str(ours.value)
    for wrong in (None, 3):
        with pytest.raises(AttributeError, match=r"You can only torch\.load from a file that is seekable"):
            graphc.load(wrong)
