"""CIFAR-10 and CIFAR-100: photographs in 32 by 32 pixels.

Sources: https://www.cs.toronto.edu/~kriz/cifar.html (the format);
https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.CIFAR10.html
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from graphc.vision.datasets.files import find_all, read_bytes
from graphc.vision.datasets.vision import Transform, VisionDataset
from graphc.vision.transforms.images import require_pil

__all__ = ["CIFAR10", "CIFAR100"]

# What the files need to hold arrays of bytes.
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy._core.numeric", "_frombuffer"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}


class _Unpickler(pickle.Unpickler):
    """Builds arrays and Python's own containers, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"a file of CIFAR has no {module}.{name}: it was not built")
        return super().find_class(module, name)


def _read(path: Path) -> dict[str, Any]:
    content = _Unpickler(io.BytesIO(read_bytes(path)), encoding="latin1").load()
    if not isinstance(content, dict):
        raise ValueError(f"{path} is no file of CIFAR: it holds a {type(content).__name__}, not a dict")
    return content


class CIFAR10(VisionDataset):
    """Photographs of ten kinds of things: PIL images with numbers in 0..9.

    Args:
        root: the files of the Python version are looked for in ``root/cifar-10-batches-py``, and in ``root`` itself.
        train: the larger part, for training, or that for tests.
        transform: called with an image.
        target_transform: called with a number.
        download: accepted; nothing is downloaded.

    Attributes:
        data: all images, a numpy array uint8 [N, 32, 32, 3].
        targets: all numbers, a list.

    Raises RuntimeError, which says what to put where, for missing files.
    """

    base_folder = "cifar-10-batches-py"
    train_list: ClassVar[list[str]] = [f"data_batch_{number}" for number in range(1, 6)]
    test_list: ClassVar[list[str]] = ["test_batch"]
    meta: ClassVar[dict[str, str]] = {"filename": "batches.meta", "key": "label_names"}
    _labels = "labels"

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
        names = [*(self.train_list if train else self.test_list), self.meta["filename"]]
        folders = [Path(self.root) / self.base_folder, Path(self.root)]
        *batches, meta = find_all(type(self).__name__, names, folders)
        entries = [_read(path) for path in batches]
        pixels = np.vstack([entry["data"] for entry in entries])
        self.data: np.ndarray = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        self.targets: list[int] = [int(label) for entry in entries for label in entry[self._labels]]
        if len(self.data) != len(self.targets):
            raise ValueError(f"{len(self.data)} images, but {len(self.targets)} labels in {batches[0].parent}")
        self.classes: list[str] = list(_read(meta)[self.meta["key"]])
        self.class_to_idx = {name: number for number, name in enumerate(self.classes)}

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = require_pil("an image of this data set").fromarray(self.data[index])
        return self._transformed(image, self.targets[index])

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train is True else 'Test'}"


class CIFAR100(CIFAR10):
    """Photographs of a hundred kinds of things: PIL images with numbers in 0..99; see :class:`CIFAR10`. The folder is
    ``cifar-100-python``."""

    base_folder = "cifar-100-python"
    train_list: ClassVar[list[str]] = ["train"]
    test_list: ClassVar[list[str]] = ["test"]
    meta: ClassVar[dict[str, str]] = {"filename": "meta", "key": "fine_label_names"}
    _labels = "fine_labels"
