"""Transforms of samples change the image and leave what stands beside it; they are torchvision's transforms.v2."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import graphc
from graphc.vision.transforms import v2
from tests.vision import cases
from tests.vision.record import recorded

FACTS = recorded("samples")


@pytest.mark.parametrize("name", cases.SAMPLED)
def test_samples_are_torchvisions(name: str) -> None:
    """Text, image, and the random number that comes next; labels stay."""
    pytest.importorskip("PIL")
    got, expected = cases.tried_sample(name, graphc, v2), FACTS[name]
    (part,), (other,) = got.pop("parts"), expected["parts"]
    assert got == {key: value for key, value in expected.items() if key != "parts"}
    assert (part["shape"], part["dtype"]) == (other["shape"], other["dtype"])
    np.testing.assert_allclose(part["values"], other["values"], atol=1.0 if part["dtype"] == "uint8" else 2e-5)


def test_images_of_a_sample_change_alike() -> None:
    """Two images get the same random numbers, and the stream goes on as after one."""
    pytest.importorskip("PIL")
    transform = v2.Compose([v2.RandomCrop(20), v2.RandomHorizontalFlip(), v2.ColorJitter(0.5), v2.PILToTensor()])
    images = [cases.image("pil", graphc) for _ in range(2)]
    graphc.manual_seed(3)
    alone, after = transform(images[0]), graphc.rand(1).item()
    graphc.manual_seed(3)
    first, second, label = transform(*images, 7)
    assert graphc.rand(1).item() == after
    assert label == 7
    assert np.array_equal(first.numpy(), second.numpy())
    assert np.array_equal(first.numpy(), alone.numpy())


def test_only_the_first_tensor_is_an_image() -> None:
    """Other tensors of a sample, such as labels, stay as they are."""
    image, mask = graphc.arange(12.0).reshape(1, 3, 4), graphc.arange(12.0).reshape(1, 3, 4)
    flipped, same = v2.RandomHorizontalFlip(1.0)((image, mask))
    assert same is mask
    assert flipped[0, 0].tolist() == [3, 2, 1, 0]


def test_dtypes() -> None:
    """Values are scaled only if asked for."""
    image = graphc.tensor([[[0, 255]]], dtype=graphc.uint8)
    assert v2.ToDtype(graphc.float32)(image).tolist() == [[[0.0, 255.0]]]
    assert v2.ToDtype(graphc.float32, scale=True)(image).tolist() == [[[0.0, 1.0]]]
    assert v2.ToDtype({graphc.Tensor: graphc.int32, "others": None})(image).dtype == graphc.int32
    with pytest.raises(ValueError, match=r"must be a dict or a torch\.dtype"):
        v2.ToDtype("float")


def test_arrays_become_images() -> None:
    """An array (H, W, C) becomes a tensor (C, H, W) of the same bytes."""
    assert np.array_equal(v2.ToImage()(cases.PIXELS).numpy(), cases.PIXELS.transpose(2, 0, 1))


@pytest.mark.parametrize("kind", [v2.MixUp, v2.CutMix])
def test_mixing(kind: type) -> None:
    """Each image and its label have the same share of the ones before them."""
    graphc.manual_seed(2)
    images = graphc.arange(3.0).reshape(3, 1, 1, 1).expand(3, 1, 64, 64)
    mixed, labels = kind(num_classes=3)(images, graphc.arange(3))
    np.testing.assert_allclose(labels.sum(1).numpy(), np.ones(3), rtol=1e-6)
    np.testing.assert_allclose(mixed.mean((1, 2, 3)).numpy(), labels.numpy() @ np.arange(3.0), atol=1e-5)
    with pytest.raises(ValueError, match="num_classes must be passed"):
        kind()(images, graphc.arange(3))
    with pytest.raises(ValueError, match="does not match the batch size"):
        kind(num_classes=3)(images, graphc.arange(2))


def test_transforms_are_pickled() -> None:
    """They go to worker processes."""
    transform = v2.Compose([v2.Resize(3), v2.CenterCrop(2), v2.RandomAffine(3), v2.ToDtype(graphc.float32)])
    assert repr(pickle.loads(pickle.dumps(transform))) == repr(transform)
