"""Data sets read files in torchvision's folders and flat ones, and say what is missing; nothing here is real data."""

from __future__ import annotations

import gzip
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import graphc
from graphc.utils.data import DataLoader
from graphc.vision import datasets, transforms

Image = pytest.importorskip("PIL.Image")

RANDOM = np.random.default_rng(0)


def write_idx(path: Path, array: np.ndarray, compressed: bool) -> None:
    """An array of bytes in MNIST's format."""
    content = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    if compressed:
        Path(f"{path}.gz").write_bytes(gzip.compress(content))
    else:
        path.write_bytes(content)


def write_mnist(folder: Path, compressed: bool, prefixes: tuple[str, str] = ("train", "t10k")) -> dict[str, np.ndarray]:
    """Both parts of a small data set; gives the arrays by name."""
    arrays = {}
    for prefix, count in zip(prefixes, (12, 5), strict=True):
        arrays[f"{prefix} images"] = RANDOM.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        arrays[f"{prefix} labels"] = RANDOM.integers(0, 10, count, dtype=np.uint8)
        write_idx(folder / f"{prefix}-images-idx3-ubyte", arrays[f"{prefix} images"], compressed)
        write_idx(folder / f"{prefix}-labels-idx1-ubyte", arrays[f"{prefix} labels"], compressed)
    return arrays


# -- MNIST -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [datasets.MNIST, datasets.FashionMNIST, datasets.KMNIST])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("flat", [False, True])
def test_mnist(kind: type, compressed: bool, flat: bool, tmp_path: Path) -> None:
    """Images and labels are those of the files, in either folder, compressed or not."""
    arrays = write_mnist(tmp_path if flat else tmp_path / kind.__name__ / "raw", compressed)
    for train, prefix in ((True, "train"), (False, "t10k")):
        data_set = kind(tmp_path, train=train, download=True)
        assert len(data_set) == len(arrays[f"{prefix} labels"])
        assert np.array_equal(data_set.data.numpy(), arrays[f"{prefix} images"])
        assert data_set.targets.dtype == graphc.int64
        image, label = data_set[3]
        assert image.mode == "L"
        assert np.array_equal(np.asarray(image), arrays[f"{prefix} images"][3])
        assert type(label) is int
        assert label == arrays[f"{prefix} labels"][3]
    assert len(kind.classes) == 10


def test_emnist(tmp_path: Path) -> None:
    """A split has its own files and classes; unknown splits are refused."""
    write_mnist(tmp_path, True, ("emnist-letters-train", "emnist-letters-test"))
    data_set = datasets.EMNIST(tmp_path, split="letters", train=False)
    assert len(data_set) == 5
    assert data_set.classes[:2] == ["N/A", "a"]
    assert [len(datasets.EMNIST.classes_split_dict[split]) for split in datasets.EMNIST.splits] == [
        62,
        47,
        47,
        27,
        10,
        10,
    ]
    with pytest.raises(ValueError, match="Unknown value 'words' for argument split"):
        datasets.EMNIST(tmp_path, split="words")


def test_the_text_of_a_data_set(tmp_path: Path) -> None:
    """It is torchvision's, to the character."""
    write_mnist(tmp_path, False)
    data_set = datasets.MNIST(
        tmp_path,
        transform=transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5], [0.5])]),
        target_transform=transforms.Lambda(float),
    )
    assert repr(data_set) == (
        f"Dataset MNIST\n    Number of datapoints: 12\n    Root location: {tmp_path}\n    Split: Train\n"
        "    StandardTransform\nTransform: Compose(\n               ToTensor()\n"
        "               Normalize(mean=[0.5], std=[0.5])\n           )\nTarget transform: Lambda()"
    )
    assert isinstance(data_set[0][1], float)


def test_missing_files_are_named(tmp_path: Path) -> None:
    """The error says which files to put where, with and without ``download``."""
    for download in (False, True):
        with pytest.raises(RuntimeError, match="Dataset not found") as caught:
            datasets.MNIST(tmp_path, download=download)
        assert "train-images-idx3-ubyte, train-labels-idx1-ubyte" in str(caught.value)
        assert str(tmp_path / "MNIST" / "raw") in str(caught.value)
    write_mnist(tmp_path, False)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    assert len(datasets.MNIST(tmp_path)) == 12
    with pytest.raises(RuntimeError, match="MNIST, t10k-labels-idx1-ubyte"):
        datasets.MNIST(tmp_path, train=False)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not in MNIST's format"),
        (b"GIF89a", "not in MNIST's format"),
        (b"\0\0\x08\x03\0\0\0\x01", "within its header"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 2, 28, 28) + b"\0" * 99, "too short"),
        (b"\0\0\x08\x01" + struct.pack(">I", 3) + b"abc", "expected images, 3 dimensions"),
    ],
)
def test_damaged_files_are_refused(content: bytes, words: str, tmp_path: Path) -> None:
    """The error names the file and what is wrong with it."""
    write_mnist(tmp_path, False)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(ValueError, match=words) as caught:
        datasets.MNIST(tmp_path)
    assert "train-images-idx3-ubyte" in str(caught.value)


# -- CIFAR -----------------------------------------------------------------------------------------------------------


def write_cifar(folder: Path, names: list[str], labels: str, meta: dict[str, str]) -> np.ndarray:
    """Batches of three images each; gives all pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = RANDOM.integers(0, 256, (len(names), 3, 3072), dtype=np.uint8)
    for batch, name in zip(pixels, names, strict=True):
        content = {"data": batch, labels: [1, 0, 1], "filenames": ["a", "b", "c"]}
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    (folder / meta["filename"]).write_bytes(pickle.dumps({meta["key"]: ["cat", "dog"]}, protocol=2))
    return pixels.reshape(-1, 3, 32, 32)


@pytest.mark.parametrize(("kind", "labels"), [(datasets.CIFAR10, "labels"), (datasets.CIFAR100, "fine_labels")])
@pytest.mark.parametrize("flat", [False, True])
def test_cifar(kind: type, labels: str, flat: bool, tmp_path: Path) -> None:
    """Batches follow one another; images are (H, W, C); classes come from the file of names."""
    folder = tmp_path if flat else tmp_path / kind.base_folder
    pixels = write_cifar(folder, [*kind.train_list, *kind.test_list], labels, kind.meta)
    train, test = kind(tmp_path), kind(tmp_path, train=False, transform=transforms.PILToTensor())
    assert len(train) == 3 * len(kind.train_list)
    assert len(test) == 3
    assert np.array_equal(np.asarray(train[1][0]), pixels[1].transpose(1, 2, 0))
    assert np.array_equal(test[2][0].numpy(), pixels[-1])
    assert train.targets[:3] == [1, 0, 1]
    assert train.class_to_idx == {"cat": 0, "dog": 1}
    assert repr(test).splitlines()[3] == "    Split: Test"


def test_cifar_files_build_nothing_else(tmp_path: Path) -> None:
    """A file that would run a program is refused before it does."""
    write_cifar(tmp_path, ["test_batch"], "labels", datasets.CIFAR10.meta)

    class Harm:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "harm",))

    (tmp_path / "test_batch").write_bytes(pickle.dumps({"data": Harm()}))
    with pytest.raises(pickle.UnpicklingError, match="was not built"):
        datasets.CIFAR10(tmp_path, train=False)
    assert not (tmp_path / "harm").exists()


def test_cifar_is_missing(tmp_path: Path) -> None:
    """The error names the files and the folder."""
    with pytest.raises(RuntimeError, match="data_batch_1, data_batch_2") as caught:
        datasets.CIFAR10(tmp_path, download=True)
    assert str(tmp_path / "cifar-10-batches-py") in str(caught.value)


# -- folders ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes with images, one of them deeper; and files that are none."""
    for number, name in enumerate(["dogs/a.png", "cats/b.JPG", "cats/more/c.png"]):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGBA" if name.endswith("png") else "RGB", (6, 4), (number, 50, 100)).save(path)
    (tmp_path / "cats" / "notes.txt").write_text("no image")
    return tmp_path


def test_image_folder(folder: Path) -> None:
    """Classes are sorted folders; images come in order, as RGB; other files are left out."""
    data_set = datasets.ImageFolder(folder, transform=transforms.ToTensor())
    assert data_set.classes == ["cats", "dogs"]
    assert data_set.class_to_idx == {"cats": 0, "dogs": 1}
    assert [Path(path).name for path, _ in data_set.imgs] == ["b.JPG", "c.png", "a.png"]
    assert data_set.targets == [0, 0, 1]
    image, label = data_set[1]
    assert image.shape == (3, 4, 6)
    assert label == 0
    assert repr(data_set).splitlines()[1] == "    Number of datapoints: 3"


def test_dataset_folder_of_anything(folder: Path) -> None:
    """A loader of the user's reads files that the user chooses."""
    data_set = datasets.DatasetFolder(
        folder, lambda path: Path(path).read_text(), is_valid_file=lambda path: path.endswith(".txt"), allow_empty=True
    )
    assert [data_set[0]] == [("no image", 0)]
    assert len(data_set) == 1


def test_folders_without_images_are_refused(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A class without images, and a folder without classes."""
    (folder / "birds").mkdir()
    with pytest.raises(
        FileNotFoundError, match=r"Found no valid file for the classes birds\. Supported extensions are: \.jpg"
    ):
        datasets.ImageFolder(folder)
    assert datasets.ImageFolder(folder, allow_empty=True).targets == [1, 1, 2]
    with pytest.raises(FileNotFoundError, match="Couldn't find any class folder"):
        datasets.ImageFolder(tmp_path_factory.mktemp("empty"))


def test_workers_read_folders(folder: Path) -> None:
    """A data set of files and transforms goes to worker processes."""
    data_set = datasets.ImageFolder(
        folder, transform=transforms.Compose([transforms.Resize((3, 3)), transforms.ToTensor()])
    )
    batches = list(DataLoader(data_set, batch_size=2, num_workers=2, multiprocessing_context="fork"))
    assert [tuple(images.shape) for images, _ in batches] == [(2, 3, 3, 3), (1, 3, 3, 3)]
    assert [labels.tolist() for _, labels in batches] == [[0, 0], [1]]


# -- noise -----------------------------------------------------------------------------------------------------------


def test_fake_data() -> None:
    """Sample i is always the same, and drawing it leaves the default generator as it was."""
    data_set = datasets.FakeData(size=4, image_size=(3, 8, 6), num_classes=5, transform=transforms.PILToTensor())
    graphc.manual_seed(0)
    expected = graphc.rand(1).item()
    graphc.manual_seed(0)
    first, label = data_set[2]
    assert graphc.rand(1).item() == expected
    assert first.shape == (3, 8, 6)
    assert 0 <= label < 5
    assert np.array_equal(first.numpy(), data_set[2][0].numpy())
    assert not np.array_equal(first.numpy(), data_set[3][0].numpy())
    with pytest.raises(IndexError, match="out of range"):
        data_set[4]


def test_transforms_exclude_each_other() -> None:
    """One transform for both, or one for each."""
    with pytest.raises(ValueError, match="Only transforms or transform/target_transform"):
        datasets.VisionDataset(".", transforms=lambda image, target: (image, target), transform=str)


def test_without_pillow(tmp_path: Path) -> None:
    """Without Pillow everything loads, and what needs it says what to install."""
    write_mnist(tmp_path, False)
    program = (
        "import sys; sys.modules['PIL'] = None\n"
        "import graphc\n"
        "from graphc.vision import datasets, models, transforms\n"
        f"data_set = datasets.MNIST({str(tmp_path)!r})\n"
        "print(transforms.RandomHorizontalFlip(1.0)(data_set.data[:1]).shape)\n"
        "try:\n    data_set[0]\nexcept ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.stdout == (
        "torch.Size([1, 28, 28])\nan image of this data set needs Pillow, which is not installed: pip install pillow\n"
    ), done.stderr
