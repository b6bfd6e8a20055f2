"""Samples in one folder for each class.

Source: https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.ImageFolder.html
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from graphc.vision.datasets.vision import Transform, VisionDataset
from graphc.vision.transforms.images import require_pil

__all__ = [
    "IMG_EXTENSIONS",
    "DatasetFolder",
    "ImageFolder",
    "default_loader",
    "find_classes",
    "has_file_allowed_extension",
    "is_image_file",
    "make_dataset",
    "pil_loader",
]

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")

Extensions = str | tuple[str, ...]


def has_file_allowed_extension(filename: str, extensions: Extensions) -> bool:
    """Whether a name ends in one of the extensions, in capitals or not."""
    return filename.lower().endswith(extensions if isinstance(extensions, str) else tuple(extensions))


def is_image_file(filename: str) -> bool:
    """Whether a name ends in the extension of a format that PIL reads."""
    return has_file_allowed_extension(filename, IMG_EXTENSIONS)


def find_classes(directory: str | Path) -> tuple[list[str], dict[str, int]]:
    """The names of the folders in a directory, sorted, and their numbers. Raises FileNotFoundError without any."""
    with os.scandir(directory) as entries:
        classes = sorted(entry.name for entry in entries if entry.is_dir())
    if not classes:
        raise FileNotFoundError(f"Couldn't find any class folder in {directory}.")
    return classes, {name: number for number, name in enumerate(classes)}


def make_dataset(
    directory: str | Path,
    class_to_idx: dict[str, int] | None = None,
    extensions: Extensions | None = None,
    is_valid_file: Callable[[str], bool] | None = None,
    allow_empty: bool = False,
) -> list[tuple[str, int]]:
    """Paths with the numbers of their classes, in order.

    Args:
        directory: has a folder for each class; folders within are searched too.
        class_to_idx: the number of each class; by default :func:`find_classes`.
        extensions: which files are samples.
        is_valid_file: says it instead, of a path.
        allow_empty: whether a class may have none.

    Raises ValueError unless exactly one of ``extensions`` and ``is_valid_file`` is given, and for an empty
    ``class_to_idx``; FileNotFoundError for a class without samples.
    """
    directory = os.path.expanduser(directory)
    if class_to_idx is None:
        _, class_to_idx = find_classes(directory)
    elif not class_to_idx:
        raise ValueError("'class_to_index' must have at least one entry to collect any samples.")
    if (extensions is None) == (is_valid_file is None):
        raise ValueError("Both extensions and is_valid_file cannot be None or not None at the same time")

    def is_sample(path: str) -> bool:
        return is_valid_file(path) if extensions is None else has_file_allowed_extension(path, extensions)

    samples = [
        (path, class_to_idx[name])
        for name in sorted(class_to_idx)
        for path in _files_below(os.path.join(directory, name))
        if is_sample(path)
    ]
    empty = set(class_to_idx.values()) - {number for _, number in samples}
    if empty and not allow_empty:
        names = ", ".join(sorted(name for name, number in class_to_idx.items() if number in empty))
        known = "" if extensions is None else extensions if isinstance(extensions, str) else ", ".join(extensions)
        hint = f"Supported extensions are: {known}" if extensions is not None else ""
        raise FileNotFoundError(f"Found no valid file for the classes {names}. {hint}")
    return samples


def _files_below(folder: str) -> list[str]:
    found = sorted(os.walk(folder, followlinks=True))
    return [os.path.join(root, name) for root, _, names in found for name in sorted(names)]


def pil_loader(path: str | Path) -> Any:
    """The PIL image of a file, as RGB. Raises ImportError without Pillow."""
    Image = require_pil("reading an image")
    with open(path, "rb") as file:
        return Image.open(file).convert("RGB")


def default_loader(path: str | Path) -> Any:
    """How images are read: :func:`pil_loader`."""
    return pil_loader(path)


class DatasetFolder(VisionDataset):
    """Samples (image, number of the class) in one folder for each class.

    Args:
        root: the folder of the folders.
        loader: makes a sample of a path.
        extensions: which files are samples.
        transform: called with a sample.
        target_transform: called with the number of a class.
        is_valid_file: says which files are samples, instead of ``extensions``.
        allow_empty: whether a class may have none.

    Raises FileNotFoundError without folders, and for a class without samples.
    """

    def __init__(
        self,
        root: str | Path,
        loader: Callable[[str], Any],
        extensions: Extensions | None = None,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.classes, self.class_to_idx = self.find_classes(self.root)
        self.samples = self.make_dataset(
            self.root,
            class_to_idx=self.class_to_idx,
            extensions=extensions,
            is_valid_file=is_valid_file,
            allow_empty=allow_empty,
        )
        self.loader = loader
        self.extensions = extensions
        self.targets = [target for _, target in self.samples]

    @staticmethod
    def make_dataset(
        directory: str | Path,
        class_to_idx: dict[str, int],
        extensions: Extensions | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> list[tuple[str, int]]:
        """The samples; subclasses may find others. Raises ValueError for None as ``class_to_idx``."""
        if class_to_idx is None:
            raise ValueError("The class_to_idx parameter cannot be None.")
        return make_dataset(directory, class_to_idx, extensions, is_valid_file, allow_empty)

    def find_classes(self, directory: str | Path) -> tuple[list[str], dict[str, int]]:
        """The classes and their numbers; subclasses may find others."""
        return find_classes(directory)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        return self._transformed(self.loader(path), target)

    def __len__(self) -> int:
        return len(self.samples)


class ImageFolder(DatasetFolder):
    """PIL images with the numbers of their classes, in one folder for each class; see :class:`DatasetFolder`."""

    def __init__(
        self,
        root: str | Path,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ):
        extensions = IMG_EXTENSIONS if is_valid_file is None else None
        super().__init__(root, loader, extensions, transform, target_transform, is_valid_file, allow_empty)
        self.imgs = self.samples
