"""Files of PyTorch's older format."""

import contextlib
import io
import pickle

import numpy as np
import pytest

import graphc
from graphc.serialization import CheckpointError

torch = pytest.importorskip("torch")
REFUSALS = (CheckpointError, pickle.UnpicklingError)


def _save(value, file):
    torch.save(value, file, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int16", "int32", "int64", "float32", "float64"])
def test_dtypes(tmp_path, dtype):
    """Every dtype, with empty tensors and rank 0 among them."""
    values = [torch.arange(6).reshape(2, 3), torch.tensor(1), torch.zeros(0, 2)]
    values = [value.to(getattr(torch, dtype)) for value in values]
    _save(values, tmp_path / "x.pth")
    for ours, theirs in zip(graphc.load(tmp_path / "x.pth"), values, strict=True):
        assert str(ours.dtype) == f"torch.{dtype}"
        assert tuple(ours.shape) == tuple(theirs.shape)
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize("weights_only", [True, False])
def test_a_checkpoint(tmp_path, weights_only):
    """State dicts of a network and its optimizer; views share memory."""
    network = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    network(torch.randn(4, 3)).sum().backward()
    optimizer.step()
    base = torch.arange(6.0).reshape(2, 3)
    _save({"n": network.state_dict(), "o": optimizer.state_dict(), "v": (base.t(), base)}, tmp_path / "x.pth")
    loaded = graphc.load(tmp_path / "x.pth", weights_only=weights_only)
    for name, value in network.state_dict().items():
        np.testing.assert_array_equal(loaded["n"][name].numpy(), value.numpy())
    momentum = optimizer.state_dict()["state"][0]["momentum_buffer"]
    np.testing.assert_array_equal(loaded["o"]["state"][0]["momentum_buffer"].numpy(), momentum.numpy())
    transposed, whole = loaded["v"]
    assert transposed.stride() == (1, 3)
    whole.zero_()
    assert not transposed.numpy().any()


def test_several_in_one_file_object():
    """Objects that were saved one after another are read one after another."""
    buffer = io.BytesIO()
    _save(torch.ones(2), buffer)
    _save({"x": torch.zeros(3)}, buffer)
    buffer.seek(0)
    assert graphc.load(buffer).tolist() == [1.0, 1.0]
    assert graphc.load(buffer)["x"].tolist() == [0.0] * 3


def test_files_that_are_cut_off_are_refused(tmp_path):
    """Cut at every 37th byte, a file is refused with its name."""
    path = tmp_path / "x.pth"
    _save({"a": torch.arange(60.0), "b": [torch.ones(3)]}, path)
    content = path.read_bytes()
    for end in range(0, len(content), 37):
        path.write_bytes(content[:end])
        with pytest.raises(REFUSALS, match=r"x\.pth"):
            graphc.load(path)


def test_changed_bytes_never_crash(tmp_path):
    """With a byte changed, a file is read or refused; the format has no checksums, so values may differ."""
    path = tmp_path / "x.pth"
    _save({"a": torch.arange(6.0), "b": [torch.ones(3)]}, path)
    content = path.read_bytes()
    for position in range(len(content)):
        for change in (0x01, 0x80):
            path.write_bytes(content[:position] + bytes([content[position] ^ change]) + content[position + 1 :])
            with contextlib.suppress(pickle.UnpicklingError, RuntimeError):
                assert graphc.load(path) is not None


def test_hostile_files_are_refused(tmp_path):
    """A call of the system in the object, or where the format has its own values, is refused and does not run."""

    class Call:
        def __reduce__(self):
            import os

            return os.mkdir, (str(tmp_path / "ran"),)

    path = tmp_path / "x.pth"
    _save([torch.ones(2), Call()], path)
    with pytest.raises(pickle.UnpicklingError, match="mkdir"):
        graphc.load(path)
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, 2)
    for content in (magic + pickle.dumps(Call(), 2), magic + pickle.dumps(1001, 2) + pickle.dumps(Call(), 2)):
        path.write_bytes(content)
        for weights_only in (True, False):
            with pytest.raises(pickle.UnpicklingError, match="mkdir"):
                graphc.load(path, weights_only=weights_only)
    assert not (tmp_path / "ran").exists()
