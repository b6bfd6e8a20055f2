"""Grids of images, and images as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import graphc
from graphc.vision import io, utils
from tests.vision.cases import PIXELS


def test_grids() -> None:
    """Images lie in rows with a border around each; the last row may have fewer."""
    images = graphc.arange(1.0, 6).reshape(5, 1, 1, 1).expand(5, 3, 2, 3)
    grid = utils.make_grid(images, nrow=2, padding=1, pad_value=9.0)
    assert grid.shape == (3, 10, 9)
    assert grid[0, 1, :].tolist() == [9, 1, 1, 1, 9, 2, 2, 2, 9]
    assert grid[0, 8, :].tolist() == [9, 5, 5, 5, 9, 9, 9, 9, 9]
    assert grid[0, 3, :].tolist() == [9] * 9


def test_grids_of_one_channel_and_of_one_image() -> None:
    """One channel becomes three; one image stays without a border."""
    assert utils.make_grid(graphc.zeros(4, 1, 2, 2)).shape == (3, 6, 18)
    assert utils.make_grid([graphc.zeros(3, 2, 2)] * 2, padding=0).shape == (3, 2, 4)
    assert utils.make_grid(graphc.zeros(3, 2, 2)).shape == (3, 2, 2)
    assert utils.make_grid(graphc.zeros(2, 2)).shape == (3, 2, 2)
    with pytest.raises(TypeError, match="list containing"):
        utils.make_grid([1])


@pytest.mark.parametrize(("options", "expected"), [({}, [0, 1 / 3, 2 / 3, 1]), ({"scale_each": True}, [0, 1, 0, 1])])
def test_normalised_grids(options: dict, expected: list[float]) -> None:
    """Values are scaled to [0, 1], for all images or for each."""
    images = graphc.tensor([0.0, 2, 4, 6]).reshape(2, 1, 1, 2).expand(2, 3, 1, 2)
    grid = utils.make_grid(images, padding=0, normalize=True, **options)
    np.testing.assert_allclose(grid[0, 0].numpy(), expected, rtol=1e-6)
    within = utils.make_grid(images, padding=0, normalize=True, value_range=(2, 4))
    np.testing.assert_allclose(within[0, 0].numpy(), [0, 0, 1, 1])


def test_grids_are_torchvisions() -> None:
    """The same images make the same grid there."""
    torch, theirs = pytest.importorskip("torch"), pytest.importorskip("torchvision.utils")
    values = np.random.default_rng(0).random((7, 3, 4, 5), dtype=np.float32)
    for options in ({"nrow": 3}, {"normalize": True}, {"normalize": True, "scale_each": True, "padding": 0}):
        expected = theirs.make_grid(torch.from_numpy(values), **options)
        np.testing.assert_allclose(utils.make_grid(graphc.from_numpy(values), **options).numpy(), expected, rtol=1e-6)


def test_images_are_saved(tmp_path: Path) -> None:
    """A file holds the image's values, rounded to bytes."""
    Image = pytest.importorskip("PIL.Image")
    utils.save_image(graphc.tensor([0.0, 0.5, 2.0]).reshape(1, 1, 3), tmp_path / "image.png")
    assert np.asarray(Image.open(tmp_path / "image.png")).tolist() == [[[0] * 3, [128] * 3, [255] * 3]]


def test_images_are_read_and_written(tmp_path: Path) -> None:
    """PNG keeps every value; channels are chosen by the mode; bytes are decoded as files are."""
    pytest.importorskip("PIL")
    path = tmp_path / "image.png"
    image = graphc.from_numpy(np.ascontiguousarray(PIXELS.transpose(2, 0, 1)))
    io.write_png(image, path)
    assert np.array_equal(io.read_image(path).numpy(), image.numpy())
    assert io.read_image(str(path), io.ImageReadMode.GRAY).shape == (1, 37, 53)
    assert io.decode_image(io.read_file(path), mode="RGB_ALPHA").shape == (4, 37, 53)
    io.write_jpeg(image, tmp_path / "image.jpg", quality=95)
    assert io.read_image(tmp_path / "image.jpg").shape == (3, 37, 53)
    with pytest.raises(RuntimeError, match="should be uint8"):
        io.write_png(graphc.zeros(3, 2, 2), path)
