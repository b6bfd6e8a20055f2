"""What ``save`` writes and what it refuses, without PyTorch: modules, errors, alignment, shared memory."""

import io
import os
import pickle
import zipfile

import numpy as np
import pytest

import graphc
from graphc import nn, optim


def test_views_share_memory_after_a_round_trip():
    """Tensors of one memory share it after loading, and keep their strides; a parameter saved twice is one."""
    base = graphc.arange(12.0).reshape(3, 4)
    parameter = nn.Parameter(graphc.ones(2))
    buffer = io.BytesIO()
    graphc.save([base.t()[1:3], base, parameter, {"again": parameter}], buffer)
    buffer.seek(0)
    view, whole, first, second = graphc.load(buffer)
    assert view.stride() == (1, 4)
    assert view.tolist() == base.t()[1:3].tolist()
    whole.fill_(5.0)
    assert view.tolist() == [[5.0] * 3] * 2
    assert first is second["again"]
    assert first.requires_grad


def test_records_are_aligned(tmp_path):
    """Every record begins at a multiple of 64 bytes."""
    graphc.save([graphc.zeros(3), graphc.zeros(5, dtype=graphc.uint8), graphc.ones(7)], tmp_path / "x.pth")
    content = (tmp_path / "x.pth").read_bytes()
    with zipfile.ZipFile(tmp_path / "x.pth") as archive:
        assert archive.testzip() is None
        for info in archive.infolist():
            name, extra = np.frombuffer(content, "<u2", 2, info.header_offset + 26)
            assert (info.header_offset + 30 + int(name) + int(extra)) % 64 == 0


class Net(nn.Module):
    """A user's module, which pickles by the name of its class."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
        self.scale = 2.0

    def forward(self, x):
        return self.inner(x) * self.scale


def test_whole_modules_and_optimizers(tmp_path):
    """A module and an optimizer come back as objects of their classes, with weights_only=False and not without."""
    network = Net().eval()
    optimizer = optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    graphc.save({"network": network, "optimizer": optimizer}, tmp_path / "x.pth")
    loaded = graphc.load(tmp_path / "x.pth", weights_only=False)
    x = graphc.ones(2, 3)
    assert isinstance(loaded["network"], Net)
    assert loaded["network"](x).tolist() == network(x).tolist()
    assert loaded["optimizer"].param_groups[0]["params"][0] is loaded["network"].inner[0].weight
    with pytest.raises(pickle.UnpicklingError, match=r"test_saving\.Net.*weights_only=False"):
        graphc.load(tmp_path / "x.pth")


def test_what_cannot_be_pickled_leaves_the_old_file(tmp_path):
    """An error while pickling leaves the old file as it was, and nothing beside it."""
    path = tmp_path / "x.pth"
    graphc.save([1], path)
    before = path.read_bytes()
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        graphc.save({"tensor": graphc.ones(3), "function": lambda: 0}, path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["x.pth"]


def test_a_wrong_place_is_named():
    """Something that is no file is refused in words."""
    with pytest.raises(TypeError, match="path, or a file-like object"):
        graphc.save([1], 3)
