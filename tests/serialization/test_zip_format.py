"""The archive: both number widths, and archives that no program of PyTorch's writes."""

import io
import re
import struct
import zipfile

import numpy as np
import pytest

import graphc
from graphc.serialization import CheckpointError, zip_format
from graphc.serialization.zip_format import ArchiveReader, write_archive


def _archive(records, root="archive"):
    buffer = io.BytesIO()
    write_archive(buffer.write, root, records)
    return buffer


def _reader(buffer):
    return ArchiveReader(buffer, len(buffer.getvalue()), "x.pth")


def test_records_come_back():
    """Records, empty ones too, come back byte for byte; the standard library agrees with every checksum."""
    records = [("data.pkl", b"abc"), ("data/0", b""), ("data/1", memoryview(bytes(range(256)) * 300))]
    buffer = _archive(records)
    reader = _reader(buffer)
    for name, content in records:
        assert reader.read(name).tobytes() == bytes(content)
    with zipfile.ZipFile(buffer) as archive:
        assert archive.testzip() is None


@pytest.mark.parametrize("limit", [50, 200, 300])
def test_large_numbers(tmp_path, monkeypatch, limit):
    """Sizes and places that need 64 bits are written so that the standard library, PyTorch, and graphc read them."""
    monkeypatch.setattr(zip_format, "ZIP32_LIMIT", limit)
    tensor = graphc.arange(100.0)
    graphc.save({"x": tensor, "y": graphc.ones(2)}, tmp_path / "x.pth")
    with zipfile.ZipFile(tmp_path / "x.pth") as archive:
        assert archive.testzip() is None
    assert graphc.load(tmp_path / "x.pth")["x"].tolist() == tensor.tolist()
    torch = pytest.importorskip("torch")
    assert torch.load(tmp_path / "x.pth", weights_only=True)["x"].tolist() == tensor.tolist()


def test_the_id_follows_the_content():
    """The same records have the same id, others another."""
    ids = [
        _reader(_archive([("data.pkl", content)])).read(".data/serialization_id").tobytes()
        for content in (b"a", b"a", b"b")
    ]
    assert ids[0] == ids[1] != ids[2]
    assert all(re.fullmatch(rb"\d{40}", identity) for identity in ids)


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "archive/../../x", "archive\\..\\x", "other/data.pkl", "archive//x"]
)
def test_names_that_lead_out_are_refused(tmp_path, name):
    """A record name that is no path within the one folder is refused, and nothing appears on the disk."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02N.")
        archive.writestr(name, b"x")
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "x.pth"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(CheckpointError, match=r"x\.pth"):
        graphc.load(path)
    assert [entry.name for entry in tmp_path.rglob("*")] == ["in", "x.pth"]


def test_other_archives_are_refused():
    """Compressed, encrypted, and twice-named records are refused; so is a size that the file does not have."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"0" * (1 << 20))
    with pytest.raises(CheckpointError, match="compressed"):
        _reader(buffer)
    buffer = _archive([("data.pkl", b"1"), ("data.pkl", b"2")])
    with pytest.raises(CheckpointError, match="twice"):
        _reader(buffer)
    good = _archive([("data.pkl", b"abcd")]).getvalue()
    central = good.index(b"PK\x01\x02")
    encrypted = good[: central + 8] + struct.pack("<H", 0x0809) + good[central + 10 :]
    with pytest.raises(CheckpointError, match="encrypted"):
        _reader(io.BytesIO(encrypted))
    for sizes in ((4, 5), (0xFFFFFFF0, 0xFFFFFFF0)):
        absurd = good[: central + 20] + struct.pack("<2L", *sizes) + good[central + 28 :]
        with pytest.raises(CheckpointError, match=r"x\.pth is damaged"):
            _reader(io.BytesIO(absurd))


def test_overlapping_records_are_refused():
    """Two directory entries for the same bytes are refused."""
    good = _archive([("a", b"abcd"), ("b", b"efgh")]).getvalue()
    first = good.index(b"PK\x01\x02")
    second = good.index(b"PK\x01\x02", first + 4)
    overlapping = good[: second + 42] + good[first + 42 : first + 46] + good[second + 46 :]
    with pytest.raises(CheckpointError, match="overlaps"):
        _reader(io.BytesIO(overlapping))


def test_another_byte_order(tmp_path):
    """A file of a big-endian machine reads as the numbers that it holds."""
    graphc.save(graphc.arange(3.0), tmp_path / "x.pth")
    with zipfile.ZipFile(tmp_path / "x.pth") as archive:
        content = archive.read("archive/data.pkl")
    data = np.arange(3, dtype=">f4").tobytes()
    buffer = _archive([("data.pkl", content), ("byteorder", b"big"), ("data/0", data)])
    buffer.seek(0)
    assert graphc.load(buffer).tolist() == [0.0, 1.0, 2.0]
