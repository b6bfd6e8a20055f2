"""Files of data sets: found in torchvision's folders or flat, compressed or not; and what to do about missing ones."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["find", "find_all", "read_bytes"]


def find(name: str, folders: Iterable[Path]) -> Path | None:
    """The first of name and name.gz that lies in one of the folders, in their order."""
    for folder in folders:
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    return None


def find_all(data_set: str, names: Sequence[str], folders: Sequence[Path]) -> list[Path]:
    """Where the files are. Raises RuntimeError, which says which to put where, if one of them is missing."""
    found = {name: find(name, folders) for name in names}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        others = "".join(f", or {folder}" for folder in folders[1:])
        raise RuntimeError(
            f"Dataset not found. graphc downloads nothing, also with download=True: put the files of {data_set}, "
            f"{', '.join(missing)} (each also with .gz), into {folders[0]}{others}"
        )
    return [path for path in found.values() if path is not None]


def read_bytes(path: Path) -> bytes:
    """A file's bytes, decompressed where its name ends in .gz."""
    if path.suffix == ".gz":
        with gzip.open(path) as file:
            return file.read()
    return path.read_bytes()
