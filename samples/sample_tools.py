"""What the samples share: their command line, and their data. `data/README.md` says where the data are from."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np

import graphc as gc
from graphc.utils.data import TensorDataset

DATA = Path(__file__).parent / "data"


def read_options(description: str, arguments: list[str] | None, **amount: int) -> argparse.Namespace:
    """Parse --seed, --eager and the one named in `amount` with its default: `steps=400` or `epochs=10`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in amount.items():
        parser.add_argument(f"--{name}", type=int, default=default, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of the weights and the order of the data; default: 0")
    parser.add_argument("--eager", action="store_true", help="run every step in Python, compile nothing")
    return parser.parse_args(arguments)


def digits() -> tuple[TensorDataset, TensorDataset]:
    """Return 4,000 training and 1,000 test pairs: image float32 (1, 28, 28), label int64 ().

    Pixels are shifted and scaled to mean 0 and deviation 1, with the usual figures of MNIST.
    """
    arrays = np.load(DATA / "digits.npz")

    def part(name: str) -> TensorDataset:
        pixels = arrays[f"{name}_images"][:, None].astype(np.float32) / 255
        labels = arrays[f"{name}_labels"].astype(np.int64)
        return TensorDataset(gc.from_numpy((pixels - np.float32(0.1307)) / np.float32(0.3081)), gc.from_numpy(labels))

    return part("train"), part("test")


def cars() -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the names of 6 properties, the properties of 392 cars, float32 (392, 6), and miles per gallon (392, 1)."""
    names = ["cylinders", "displacement", "horsepower", "weight", "acceleration", "year"]
    with open(DATA / "cars.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    properties = np.array([[row[name] for name in names] for row in rows], dtype=np.float32)
    return names, properties, np.array([[row["miles_per_gallon"]] for row in rows], dtype=np.float32)


def python_manual() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the help pages that come with Python: their alphabet (about 100,), and their characters as int64 places
    in it, the first nine tenths (about 418,000,) for training and the rest for validation.
    """
    text = "\n".join(topics[title] for title in sorted(topics))
    alphabet, codes = np.unique(list(text), return_inverse=True)
    train, validation = np.split(codes, [len(codes) * 9 // 10])
    return alphabet, train, validation


def windows(codes: np.ndarray, starts: np.ndarray, length: int) -> tuple[gc.Tensor, gc.Tensor]:
    """Return the `length` characters from each start, and those one place on: two int64 (len(starts), length)."""
    rows = codes[starts[:, None] + np.arange(length + 1)]
    return gc.from_numpy(rows[:, :-1].copy()), gc.from_numpy(rows[:, 1:].copy())
