"""Transforms give torchvision's images, draw its random numbers, and are shown as it shows them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import graphc
from graphc.vision import transforms
from graphc.vision.transforms import functional
from tests.vision import cases
from tests.vision.record import recorded

FACTS = recorded("transforms")

# Values of bytes may differ by one where a floating result lies half-way.
TOLERANCE = {"uint8": 1.0, "float32": 2e-5}


@pytest.mark.parametrize("name", [name for name in cases.TRANSFORMS if not name.startswith("bad_")])
def test_shown_as_torchvision_shows_it(name: str) -> None:
    """The text of a transform, to the character."""
    assert repr(cases.TRANSFORMS[name](transforms)) == FACTS[f"{name} repr"]


@pytest.mark.parametrize("kind", cases.KINDS)
@pytest.mark.parametrize("name", cases.TRANSFORMS)
def test_images_are_torchvisions(name: str, kind: str) -> None:
    """Shape, dtype, mean, and values of the result, the random number that comes next, and errors."""
    if kind in ("pil", "gray") or name == "to_pil_image":
        pytest.importorskip("PIL")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outcomes = cases.tried(name, kind, graphc, transforms)
    expected = FACTS[f"{name} {kind}"]
    assert len(outcomes) == len(expected)
    for got, wanted in zip(outcomes, expected, strict=True):
        if "error" in wanted:
            # Where torchvision fails by accident, the error here says what was wrong.
            accident = wanted["error"] == "AttributeError"
            assert got["error"] == ("TypeError" if accident else wanted["error"])
            assert accident or got["text"].split(" Got")[0] == wanted["text"].split(" Got")[0]
            continue
        assert "error" not in got, got
        assert got["next"] == wanted["next"]
        for part, other in zip(got["parts"], wanted["parts"], strict=True):
            assert (part["shape"], part["dtype"]) == (other["shape"], other["dtype"])
            np.testing.assert_allclose(part["values"], other["values"], atol=TOLERANCE[part["dtype"]])
            assert part["mean"] == pytest.approx(other["mean"], abs=5e-3 * max(TOLERANCE[part["dtype"]], 1e-3))


def test_dtypes_are_converted_with_their_ranges() -> None:
    """Bytes become fractions and back, and other integers keep their part of the range."""
    values = graphc.tensor([[0, 51, 255]], dtype=graphc.uint8)
    fractions = functional.convert_image_dtype(values)
    np.testing.assert_allclose(fractions.numpy(), [[0, 0.2, 1]], rtol=1e-6)
    assert functional.convert_image_dtype(fractions, graphc.uint8).tolist() == [[0, 51, 255]]
    assert functional.convert_image_dtype(values, graphc.int16).tolist() == [[0, 51 * 128, 255 * 128]]
    with pytest.raises(RuntimeError, match="cannot be performed safely"):
        functional.convert_image_dtype(fractions, graphc.int64)
    with pytest.raises(TypeError, match="Input img should be Tensor Image"):
        functional.convert_image_dtype(np.zeros((2, 2)))


def test_arrays_become_tensors() -> None:
    """Arrays (H, W, C) of bytes are scaled, others keep their values; other ranks are refused."""
    assert functional.to_tensor(np.full((2, 3, 3), 255, np.uint8)).tolist() == np.ones((3, 2, 3)).tolist()
    assert functional.to_tensor(np.full((2, 3), 7.0)).shape == (1, 2, 3)
    with pytest.raises(ValueError, match="2/3 dimensional"):
        functional.to_tensor(np.zeros(3))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "1", "I", "I;16", "F", "P"])
def test_modes_of_pil_go_both_ways(mode: str) -> None:
    """Images of every mode become tensors; those of bytes become the same images again."""
    Image = pytest.importorskip("PIL.Image")
    image = Image.fromarray(cases.PIXELS).convert("L" if mode in ("I;16", "F", "I") else "RGB").convert(mode)
    tensor = functional.pil_to_tensor(image)
    assert tensor.shape == (len(image.getbands()), image.height, image.width)
    if mode in ("L", "LA", "RGB", "RGBA"):
        again = functional.to_pil_image(tensor)
        assert again.mode == mode
        assert np.array_equal(np.asarray(again), np.asarray(image))
    assert functional.to_tensor(image).shape == tensor.shape


def test_gradients_pass_transforms_of_tensors() -> None:
    """A transform of a floating tensor is differentiable: a crop's gradient lies where the crop was."""
    image = graphc.ones(1, 4, 4, requires_grad=True)
    functional.normalize(functional.crop(image, 1, 1, 2, 2), [0.5], [0.25]).sum().backward()
    expected = np.zeros((1, 4, 4))
    expected[:, 1:3, 1:3] = 4
    assert np.array_equal(image.grad.numpy(), expected)


def test_what_is_no_image_is_refused() -> None:
    """The error says what was given."""
    for function in (functional.hflip, functional.invert, functional.get_dimensions):
        with pytest.raises(TypeError, match="list"):
            function([1, 2])
    with pytest.raises(TypeError, match="not a torch image"):
        functional.hflip(graphc.zeros(3))


def test_linear_transformation() -> None:
    """Images, flattened, minus the mean, times the matrix; shapes that do not fit are refused."""
    matrix, mean = graphc.eye(12) * 2, graphc.ones(12)
    transform = transforms.LinearTransformation(matrix, mean)
    assert transform(graphc.ones(3, 2, 2) * 3).tolist() == np.full((3, 2, 2), 4.0).tolist()
    with pytest.raises(ValueError, match="should be square"):
        transforms.LinearTransformation(graphc.ones(2, 3), mean)
    with pytest.raises(ValueError, match="incompatible shape"):
        transform(graphc.ones(3, 2, 3))
