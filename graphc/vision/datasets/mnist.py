"""Data sets in MNIST's format: digits, clothes, Japanese characters, and letters, in 28 by 28 gray pixels.

Sources: http://yann.lecun.com/exdb/mnist/ (the format);
https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.MNIST.html
"""

from __future__ import annotations

import string
import struct
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from graphc.creation import from_numpy
from graphc.tensor import Tensor
from graphc.vision.datasets.files import find_all, read_bytes
from graphc.vision.datasets.vision import Transform, VisionDataset
from graphc.vision.transforms.images import require_pil

__all__ = ["EMNIST", "KMNIST", "MNIST", "FashionMNIST", "read_array"]

# The format's numbers for element types; numbers are stored with their highest byte first.
_ELEMENT_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def read_array(path: str | Path) -> np.ndarray:
    """An array from a file in MNIST's format, compressed or not.

    Raises ValueError for a file that is not in this format, or too short.
    """
    content = read_bytes(Path(path))
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _ELEMENT_TYPES:
        raise ValueError(f"{path} is not in MNIST's format: it begins with {content[:4]!r}")
    rank, element = content[3], np.dtype(_ELEMENT_TYPES[content[2]])
    start = 4 + 4 * rank
    if len(content) < start:
        raise ValueError(f"{path} ends within its header")
    shape = struct.unpack(f">{rank}I", content[4:start])
    count = int(np.prod(shape, dtype=np.int64))
    if len(content) - start < count * element.itemsize:
        raise ValueError(
            f"{path} is too short: {list(shape)} elements need {count * element.itemsize} bytes, and it "
            f"has {len(content) - start}"
        )
    values = np.frombuffer(content, element, count, start).reshape(shape)
    return values.astype(element.newbyteorder("="))


def _bytes_of_rank(path: Path, rank: int, what: str) -> np.ndarray:
    array = read_array(path)
    if array.dtype != np.uint8 or array.ndim != rank:
        raise ValueError(f"{path}: expected {what}, {rank} dimensions of bytes, but got {array.ndim} of {array.dtype}")
    return array


class MNIST(VisionDataset):
    """Handwritten digits: PIL images with numbers in 0..9.

    Args:
        root: the files are looked for in ``root/MNIST/raw``, as torchvision puts them, and in ``root`` itself; each
            also with .gz.
        train: the larger part, for training, or that for tests.
        transform: called with an image.
        target_transform: called with a number.
        download: accepted; nothing is downloaded.

    Attributes:
        data: all images, uint8 [N, 28, 28].
        targets: all numbers, int64 [N].

    Raises RuntimeError, which says what to put where, for missing files.
    """

    classes: ClassVar[Sequence[str]] = [
        "0 - zero",
        "1 - one",
        "2 - two",
        "3 - three",
        "4 - four",
        "5 - five",
        "6 - six",
        "7 - seven",
        "8 - eight",
        "9 - nine",
    ]

    def __init__(
        self,
        root: str | Path,
        train: bool = True,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
    ):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        folders = [Path(self.raw_folder), Path(self.root)]
        images, labels = find_all(type(self).__name__, self._files(), folders)
        self.data: Tensor = from_numpy(_bytes_of_rank(images, 3, "images"))
        self.targets: Tensor = from_numpy(_bytes_of_rank(labels, 1, "labels").astype(np.int64))
        if len(self.data) != len(self.targets):
            raise ValueError(f"{images} has {len(self.data)} images, but {labels} has {len(self.targets)} labels")

    def _files(self) -> list[str]:
        part = "train" if self.train else "t10k"
        return [f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"]

    @property
    def raw_folder(self) -> str:
        return str(Path(self.root) / type(self).__name__ / "raw")

    @property
    def class_to_idx(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.classes)}

    @property
    def train_data(self) -> Tensor:
        warnings.warn("train_data has been renamed data", stacklevel=2)
        return self.data

    @property
    def test_data(self) -> Tensor:
        warnings.warn("test_data has been renamed data", stacklevel=2)
        return self.data

    @property
    def train_labels(self) -> Tensor:
        warnings.warn("train_labels has been renamed targets", stacklevel=2)
        return self.targets

    @property
    def test_labels(self) -> Tensor:
        warnings.warn("test_labels has been renamed targets", stacklevel=2)
        return self.targets

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = require_pil("an image of this data set").fromarray(self.data[index].numpy())
        return self._transformed(image, int(self.targets[index]))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train is True else 'Test'}"


class FashionMNIST(MNIST):
    """Clothes: PIL images with numbers in 0..9; see :class:`MNIST`. The files are those of Debian's package
    ``dataset-fashion-mnist`` too, whose folder may be the root."""

    classes: ClassVar = [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ]


class KMNIST(MNIST):
    """Handwritten hiragana: PIL images with numbers in 0..9; see :class:`MNIST`."""

    classes: ClassVar = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]


_MERGED = frozenset("cijklmopsuvwxyz")
_ALL = sorted(string.digits + string.ascii_letters)


class EMNIST(MNIST):
    """Handwritten letters and digits: PIL images with numbers; see :class:`MNIST`.

    Args:
        root: see :class:`MNIST`; files are called ``emnist-<split>-train-images-idx3-ubyte`` and the like.
        split: "byclass", "bymerge", "balanced", "letters", "digits", or "mnist".
        kwargs: those of :class:`MNIST`.

    Raises ValueError for another split.
    """

    classes_split_dict: ClassVar[dict[str, list[str]]] = {
        "byclass": _ALL,
        "bymerge": [name for name in _ALL if name not in _MERGED],
        "balanced": [name for name in _ALL if name not in _MERGED],
        "letters": ["N/A", *string.ascii_lowercase],
        "digits": list(string.digits),
        "mnist": list(string.digits),
    }
    splits = tuple(classes_split_dict)

    def __init__(self, root: str | Path, split: str, **kwargs: Any):
        if split not in self.splits:
            raise ValueError(
                f"Unknown value '{split}' for argument split. Valid values are {{{', '.join(map(repr, self.splits))}}}."
            )
        self.split = split
        super().__init__(root, **kwargs)
        self.classes = self.classes_split_dict[split]

    def _files(self) -> list[str]:
        part = f"emnist-{self.split}-{'train' if self.train else 'test'}"
        return [f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"]
