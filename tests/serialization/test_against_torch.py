"""Files that graphc writes and PyTorch reads, and the other way."""

import io
import re
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

import graphc
from graphc import nn

torch = pytest.importorskip("torch")

DTYPES = [
    *("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
]
SHAPES = [(), (1,), (5,), (2, 3), (0,), (3, 0, 2), (2, 1, 3, 1)]


def _content(shape, dtype):
    return (np.arange(np.prod(shape, dtype=int)) % 7 - 2 * (dtype[0] != "u")).astype(dtype).reshape(shape)


def _views(library):
    """Tensors of one library that lie in one memory in many ways."""
    base = library.arange(24.0).reshape(4, 6)
    return OrderedDict(
        base=base,
        transposed=base.t(),
        columns=base[:, 1:3],
        row=base[1],
        steps=base[::2, ::3],
        tail=base.reshape(24)[3:23].reshape(4, 5),
        every_third=base.reshape(24)[1::3],
        element=base[2, 3],
        expanded=base[:, :1].expand(4, 5),
        permuted=base.reshape(2, 3, 4).permute(2, 0, 1),
        unsqueezed=base.t().unsqueeze(1),
    )


def _equal(ours, theirs):
    """Whether a tensor of graphc and one of PyTorch agree in all that a file keeps."""
    assert str(ours.dtype) == str(theirs.dtype)
    assert tuple(ours.shape) == tuple(theirs.shape)
    if theirs.numel():
        assert ours.stride() == theirs.stride()
    assert ours.requires_grad == theirs.requires_grad
    np.testing.assert_array_equal(ours.detach().numpy(), theirs.detach().numpy())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes_and_shapes_go_both_ways(tmp_path, dtype, shape):
    """Every dtype and shape, empty and rank 0 among them, arrives as it was, in both directions."""
    path, content = tmp_path / "x.pth", _content(shape, dtype)
    graphc.save({"x": graphc.from_numpy(content.copy())}, path)
    theirs = torch.load(path, weights_only=True)["x"]
    assert str(theirs.dtype) == f"torch.{dtype}"
    np.testing.assert_array_equal(theirs.numpy(), content)
    torch.save({"x": torch.from_numpy(content.copy())}, path)
    _equal(graphc.load(path)["x"], theirs)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("form", ["zip", "old"])
def test_bfloat16_goes_both_ways(tmp_path, form, shape):
    """The element type that numpy does not know arrives bit for bit, and is read from the old format too."""
    path, content = tmp_path / "x.pth", _content(shape, "float32")
    graphc.save({"x": graphc.tensor(content).bfloat16()}, path)
    theirs = torch.load(path, weights_only=True)["x"]
    assert theirs.dtype == torch.bfloat16
    np.testing.assert_array_equal(theirs.float().numpy(), content)
    torch.save({"x": theirs}, path, _use_new_zipfile_serialization=form == "zip")
    ours = graphc.load(path)["x"]
    assert ours.dtype is graphc.bfloat16
    assert ours.tolist() == theirs.tolist()


def test_views_keep_layout_and_memory_both_ways(tmp_path):
    """Views keep strides and offsets, and a write through one is seen in all the others after loading."""
    path = tmp_path / "views.pth"
    graphc.save(_views(graphc), path)
    theirs = torch.load(path, weights_only=True)
    torch.save(_views(torch), path)
    ours = graphc.load(path)
    for name, expected in _views(torch).items():
        _equal(ours[name], expected)
        _equal(ours[name], theirs[name])
        assert theirs[name].storage_offset() == expected.storage_offset()
        assert ours[name]._storage is ours["base"]._storage
    ours["base"].fill_(7.0)
    theirs["base"].fill_(7.0)
    for name in ours:
        _equal(ours[name], theirs[name])


def test_a_view_that_comes_first_shares_too(tmp_path):
    """The order in which tensors of one memory come does not matter, nor whether the whole of it is among them."""
    base = torch.arange(12.0)
    path = tmp_path / "x.pth"
    torch.save([base[2:8].reshape(2, 3).t(), base[4:6], base.reshape(3, 4)], path)
    first, second, third = graphc.load(path)
    third.zero_()
    assert first._storage is second._storage is third._storage
    assert first.stride() == (1, 3)
    assert not first.numpy().any()
    assert not second.numpy().any()


def test_overlapping_windows_share_bytes(tmp_path):
    """Windows that overlap, which no chain of views gives, still share memory, also after being saved again."""
    path = tmp_path / "x.pth"
    base = torch.arange(10.0)
    torch.save([base.unfold(0, 4, 2), base], path)
    for _ in range(2):
        windows, whole = graphc.load(path)
        whole[4] = -1.0
        assert windows.tolist()[0][2:] == [2.0, 3.0]
        assert windows.tolist()[1][2] == -1.0
        assert windows.stride() == (2, 1)
        whole[4] = 4.0
        graphc.save([windows, whole], path)
    windows, whole = torch.load(path, weights_only=True)
    whole[4] = -1.0
    assert windows[1, 2] == -1.0


def test_a_view_that_was_loaded_takes_part_in_a_compiled_step(tmp_path):
    """A captured write through a loaded view changes the memory that another loaded tensor shows."""
    path = tmp_path / "x.pth"
    base = torch.arange(12.0).reshape(3, 4)
    torch.save({"view": base.t()[1:3], "base": base}, path)
    loaded = graphc.load(path)

    @graphc.compile
    def step():
        loaded["view"].add_(100.0)
        return loaded["base"] * 1.0

    base.t()[1:3].add_(100.0)
    np.testing.assert_array_equal(step().numpy(), base.numpy())
    np.testing.assert_array_equal(loaded["base"].numpy(), base.numpy())


def test_values_beside_tensors_go_both_ways(tmp_path):
    """Numbers, strings, containers, sizes, dtypes, devices, and attributes of tensors."""

    def values(library):
        tensor = library.zeros(2)
        tensor.note = "kept"
        parameter = library.nn.Parameter(library.ones(2))
        parameter.note = {"a": 1}
        return {
            "plain": [1, -(2**70), 2.5, True, None, "é", b"\x00\xff", (1, (2,)), {3: [4]}, {1, 2}],
            "size": library.Size([2, 3]),
            "dtype": library.float32,
            "device": library.device("cpu"),
            "cuda": library.device("cuda:1"),
            "tensor": tensor,
            "parameter": parameter,
            "counted": OrderedDict(b=1, a=2),
        }

    path = tmp_path / "x.pth"
    graphc.save(values(graphc), path)
    theirs = torch.load(path, weights_only=True)
    torch.save(values(torch), path)
    ours = graphc.load(path)
    assert ours["plain"] == theirs["plain"] == values(torch)["plain"]
    assert repr(ours["size"]) == repr(theirs["size"])
    assert isinstance(ours["size"], graphc.Size)
    assert ours["dtype"] is graphc.float32
    assert theirs["dtype"] is torch.float32
    assert str(ours["device"]) == str(theirs["device"]) == "cpu"
    assert str(ours["cuda"]) == str(theirs["cuda"]) == "cuda:1"
    assert ours["tensor"].note == theirs["tensor"].note == "kept"
    assert ours["parameter"].note == theirs["parameter"].note == {"a": 1}
    assert isinstance(ours["parameter"], nn.Parameter)
    assert isinstance(theirs["parameter"], torch.nn.Parameter)
    assert list(ours["counted"]) == ["b", "a"]


def _network(library):
    return library.nn.Sequential(
        library.nn.Conv2d(1, 4, 3, bias=False), library.nn.BatchNorm2d(4), library.nn.ReLU(), library.nn.Flatten(),
        library.nn.Linear(4 * 16, 3),
    )  # fmt: skip


def _images(library):
    return (library.arange(72.0) * 0.7).sin().reshape(2, 1, 6, 6)


def _trained(library):
    """A network and its optimizer after two steps."""
    library.manual_seed(3)
    network = _network(library)
    optimizer = library.optim.Adam(network.parameters(), lr=0.01)
    for step in range(2):
        optimizer.zero_grad()
        images = _images(library) * (step + 1.0)
        (network(images) ** 2).mean().backward()
        optimizer.step()
    return network, optimizer


def test_training_goes_on_from_a_file_of_the_other(tmp_path):
    """Network and optimizer state from PyTorch's file give PyTorch's next step, and the other way round."""
    path = tmp_path / "checkpoint.pth"
    for writer, reader in ((torch, graphc), (graphc, torch)):
        network, optimizer = _trained(writer)
        writer.save({"model": network.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 2}, path)
        checkpoint = reader.load(path)
        other = _network(reader)
        other.load_state_dict(checkpoint["model"])
        other_optimizer = reader.optim.Adam(other.parameters(), lr=0.5)
        other_optimizer.load_state_dict(checkpoint["optimizer"])
        assert checkpoint["epoch"] == 2
        for library, model, steps in ((writer, network, optimizer), (reader, other, other_optimizer)):
            steps.zero_grad()
            (model(_images(library)) ** 2).mean().backward()
            steps.step()
        for name, value in network.state_dict().items():
            np.testing.assert_allclose(other.state_dict()[name].numpy(), value.numpy(), rtol=1e-4, atol=1e-5)


def test_tied_parameters_stay_tied(tmp_path):
    """One parameter under two names is one parameter after loading."""
    path = tmp_path / "x.pth"
    weight = nn.Parameter(graphc.ones(2, 2))
    graphc.save([weight, weight], path)
    for library in (graphc, torch):
        first, second = library.load(path)
        assert first is second
        assert first.requires_grad


def test_the_file_is_byte_for_byte_pytorchs(tmp_path):
    """But for the id of the content, a file of the same tensors is the one that PyTorch writes."""
    files = []
    for library in (torch, graphc):
        path = tmp_path / "archive.pth"
        path = tmp_path / library.__name__ / "archive"
        path.parent.mkdir()
        library.save(
            {**_views(library), "p": library.nn.Parameter(library.ones(3)), "none": library.zeros(0)}, str(path)
        )
        content = path.read_bytes()
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo("archive/.data/serialization_id")
            identity = archive.read(info)
        assert re.fullmatch(rb"\d{40}", identity)
        content = content.replace(identity, b"0" * 40).replace(info.CRC.to_bytes(4, "little"), b"0000")
        files.append(content)
    assert files[0] == files[1]


def test_file_objects(tmp_path):
    """A file object is written and read from where it stands."""
    buffer = io.BytesIO()
    graphc.save(graphc.ones(3), buffer)
    buffer.seek(0)
    assert torch.load(buffer, weights_only=True).tolist() == [1.0] * 3
    buffer.seek(0)
    assert graphc.load(buffer).tolist() == [1.0] * 3


def test_arrays_that_no_tensor_of_pytorchs_can_show(tmp_path):
    """Memory that runs backwards, or is a field of records, is saved as a copy of its values."""
    records = np.zeros(3, [("a", "f4"), ("b", "i1")])
    records["a"] = [1, 2, 3]
    graphc.save([graphc.Tensor.from_array(np.arange(4.0)[::-1]), graphc.from_numpy(records["a"])], tmp_path / "x.pth")
    backwards, field = torch.load(tmp_path / "x.pth", weights_only=True)
    assert backwards.tolist() == [3.0, 2.0, 1.0, 0.0]
    assert field.tolist() == [1.0, 2.0, 3.0]
