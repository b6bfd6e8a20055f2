"""The models have torchvision's names, sizes, random initial values, and results; weights come from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc
from graphc.randomness.stream import RandomStream
from graphc.vision import models
from tests.vision import cases
from tests.vision.record import recorded

FACTS = recorded("models")
RUNS = recorded("runs")


@pytest.fixture
def nothing_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random values are zeros: models whose values do not matter are built quickly."""

    def zeros(self: RandomStream, shape: Any, dtype: Any = np.float32, *limits: float) -> np.ndarray:
        return np.zeros(shape, dtype)

    monkeypatch.setattr(RandomStream, "uniform", zeros)
    monkeypatch.setattr(RandomStream, "normal", zeros)


def built(name: str, **options: Any) -> Any:
    """A model without the slow part of its initialisation."""
    if name in ("googlenet", "inception_v3"):
        options = {"init_weights": False, **options}
    return getattr(models, name)(**options)


@pytest.mark.parametrize("name", cases.MODELS)
def test_names_and_sizes_are_torchvisions(name: str, nothing_drawn: None) -> None:
    """Every entry of the state has torchvision's name, place, shape, and dtype: its checkpoints fit."""
    assert cases.counted(built(name)) == FACTS[name]


def test_published_counts() -> None:
    """The recorded numbers of parameters are those that torchvision publishes."""
    published = {"alexnet": 61_100_840, "vgg16": 138_357_544, "resnet18": 11_689_512, "resnet50": 25_557_032}
    published |= {"densenet121": 7_978_856, "googlenet": 13_004_888, "inception_v3": 27_161_264}
    published |= {"mobilenet_v2": 3_504_872, "squeezenet1_0": 1_248_424}
    assert {name: FACTS[name]["parameters"] for name in published} == published


def test_googlenet_without_auxiliary_parts(nothing_drawn: None) -> None:
    """Without its auxiliary classifiers it has the smaller published count."""
    model = built("googlenet", aux_logits=False)
    assert sum(value.numel() for value in model.parameters()) == 6_624_904


@pytest.mark.parametrize("case", cases.RUNS)
def test_values_and_results_are_torchvisions(case: str) -> None:
    """From the same seed the parameters are drawn in torchvision's order, and an image gives its result."""
    got, expected = cases.run_model(case, graphc, models), RUNS[case]
    np.testing.assert_allclose(got["means"], expected["means"], rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(got["output"], expected["output"], rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize(("name", "size", "fields"), [("googlenet", 64, 3), ("inception_v3", 299, 2)])
def test_outputs_of_training(name: str, size: int, fields: int, nothing_drawn: None) -> None:
    """In training mode the results of the auxiliary classifiers come too, as a named tuple."""
    model = built(name, num_classes=7)
    result = model(graphc.zeros(2, 3, size, size))
    assert len(result) == fields
    assert result.logits.shape == (2, 7)
    assert result._fields == (("logits", "aux_logits2", "aux_logits1") if fields == 3 else ("logits", "aux_logits"))
    assert isinstance(model.eval()(graphc.zeros(1, 3, size, size)), graphc.Tensor)


def test_vgg_and_alexnet_forward(nothing_drawn: None) -> None:
    """Their results have one row for each image, in training mode too."""
    for name in ("vgg11_bn", "alexnet"):
        assert built(name, num_classes=5)(graphc.zeros(2, 3, 64, 64)).shape == (2, 5)


# -- weights ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in the place of PyTorch's."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "hub" / "checkpoints"


@pytest.mark.parametrize(
    "options",
    [{"weights": "DEFAULT"}, {"weights": "IMAGENET1K_V1"}, {"weights": models.SqueezeNet1_1_Weights.DEFAULT}],
)
def test_missing_weights_are_named(options: dict[str, Any], cache: Path) -> None:
    """Without the file the error says which one to put where."""
    with pytest.raises(FileNotFoundError, match=r"squeezenet1_1-b8a52dc0\.pth") as caught:
        models.squeezenet1_1(**options)
    assert str(cache) in str(caught.value)


def test_the_older_option(cache: Path) -> None:
    """``pretrained`` means the first weights, and warns; False means none."""
    with pytest.warns(UserWarning, match="deprecated"), pytest.raises(FileNotFoundError, match="squeezenet1_1"):
        models.squeezenet1_1(pretrained=True)
    with pytest.warns(UserWarning, match="deprecated"):
        models.squeezenet1_1(pretrained=False)


def test_weights_are_read_from_their_file(cache: Path) -> None:
    """A checkpoint that lies in PyTorch's folder is the model's values."""
    graphc.manual_seed(1)
    source = models.squeezenet1_1()
    cache.mkdir(parents=True)
    graphc.save(source.state_dict(), cache / "squeezenet1_1-b8a52dc0.pth")
    model = models.squeezenet1_1(weights="DEFAULT")
    for name, value in model.state_dict().items():
        assert np.array_equal(value.numpy(), source.state_dict()[name].numpy())


def test_wrong_weights_are_refused() -> None:
    """Weights of another model, unknown names, and another number of classes are refused."""
    with pytest.raises(TypeError, match="expected ResNet18_Weights but received ResNet34_Weights"):
        models.resnet18(weights=models.ResNet34_Weights.DEFAULT)
    with pytest.raises(KeyError, match="IMAGENET9"):
        models.resnet18(weights="IMAGENET9")
    with pytest.raises(ValueError, match="num_classes"):
        models.resnet18(weights="DEFAULT", num_classes=3)


def test_models_by_name(nothing_drawn: None) -> None:
    """Models and weights are found by their names, as in torchvision."""
    assert set(cases.MODELS) <= set(models.list_models())
    assert isinstance(models.get_model("SqueezeNet1_1", num_classes=2), models.SqueezeNet)
    assert models.get_weight("ResNet50_Weights.IMAGENET1K_V2") is models.ResNet50_Weights.DEFAULT
    assert models.get_model_weights("resnet18") is models.ResNet18_Weights
    with pytest.raises(ValueError, match="Unknown model nothing"):
        models.get_model("nothing")


def test_preparation_of_images() -> None:
    """The weights say how images are prepared."""
    transform = models.ResNet50_Weights.DEFAULT.transforms()
    assert transform(graphc.zeros(3, 300, 400, dtype=graphc.uint8)).shape == (3, 224, 224)
    assert "resize_size=[232]" in repr(transform)


def test_names_that_are_not_there() -> None:
    """The error names the nearest model that is."""
    with pytest.raises(AttributeError, match="does not offer it; the nearest name there is 'resnet50'"):
        _ = models.resnet500
