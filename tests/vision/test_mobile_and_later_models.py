"""MobileNetV3, ShuffleNetV2, MNASNet, EfficientNet, RegNet, ConvNeXt, and ViT: published sizes, names, and runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc
from graphc.vision import models
from tests.vision.test_models import nothing_drawn

assert nothing_drawn
# As torchvision publishes them.
PARAMETERS = {
    "mobilenet_v3_large": 5_483_032,
    "mobilenet_v3_small": 2_542_856,
    "shufflenet_v2_x0_5": 1_366_792,
    "shufflenet_v2_x1_0": 2_278_604,
    "shufflenet_v2_x1_5": 3_503_624,
    "shufflenet_v2_x2_0": 7_393_996,
    "mnasnet0_5": 2_218_512,
    "mnasnet0_75": 3_170_208,
    "mnasnet1_0": 4_383_312,
    "mnasnet1_3": 6_282_256,
    "efficientnet_b0": 5_288_548,
    "efficientnet_b1": 7_794_184,
    "efficientnet_b2": 9_109_994,
    "efficientnet_b4": 19_341_616,
    "efficientnet_v2_s": 21_458_488,
    "regnet_y_400mf": 4_344_144,
    "regnet_y_1_6gf": 11_202_430,
    "regnet_x_400mf": 5_495_976,
    "regnet_x_3_2gf": 15_296_552,
    "convnext_tiny": 28_589_128,
    "vit_b_32": 88_224_232,
}
# Entries of torchvision's checkpoints.
ENTRIES = {
    "mobilenet_v3_small": "features.1.block.1.fc1.weight features.12.1.running_var classifier.3.bias",
    "shufflenet_v2_x0_5": "conv1.0.weight stage2.0.branch1.3.bias stage4.3.branch2.6.running_mean fc.bias",
    "mnasnet0_5": "layers.8.0.layers.0.weight layers.13.0.layers.7.bias layers.15.weight classifier.1.bias",
    "efficientnet_b0": "features.1.0.block.1.fc2.bias features.2.0.block.3.1.weight features.8.0.weight",
    "efficientnet_v2_s": "features.1.0.block.0.0.weight features.2.0.block.1.1.bias features.4.0.block.2.fc1.weight",
    "regnet_y_400mf": (
        "stem.0.weight trunk_output.block1.block1-0.proj.0.weight trunk_output.block2.block2-1.f.se.fc1.bias "
        "trunk_output.block4.block4-5.f.c.1.running_mean fc.weight"
    ),
    "convnext_tiny": "features.1.0.layer_scale features.1.0.block.5.bias features.2.1.weight classifier.2.bias",
    "vit_b_32": (
        "class_token conv_proj.bias encoder.pos_embedding encoder.layers.encoder_layer_0.ln_1.weight "
        "encoder.layers.encoder_layer_11.self_attention.in_proj_weight encoder.layers.encoder_layer_3.mlp.3.weight "
        "encoder.ln.bias heads.head.weight"
    ),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_sizes_and_names_are_torchvisions(name: str, nothing_drawn: None) -> None:
    """The number of parameters is the published one; entries are named as in torchvision's checkpoints."""
    model = getattr(models, name)()
    assert sum(value.numel() for value in model.parameters()) == PARAMETERS[name]
    assert set(ENTRIES.get(name, "").split()) <= model.state_dict().keys()


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "shufflenet_v2_x0_5", "mnasnet0_5", "regnet_x_400mf"])
def test_images_become_logits(name: str) -> None:
    """A batch of small images gives finite logits, in training with gradients for all parameters."""
    graphc.manual_seed(0)
    model = getattr(models, name)(num_classes=5)
    images = graphc.rand(2, 3, 64, 64)
    model(images).sum().backward()
    assert all(value.grad is not None for value in model.parameters())
    result = model.eval()(images)
    assert result.shape == (2, 5)
    assert np.isfinite(result.detach().numpy()).all()


def _small() -> dict[str, Any]:
    return {
        "EfficientNet": models.EfficientNet(
            [
                models.efficientnet.Stage(1, 3, 1, 8, 8, 2, True),
                models.efficientnet.Stage(4, 3, 2, 8, 16, 2),
            ],
            dropout=0.1,
            stochastic_depth_prob=0.5,
            num_classes=3,
        ),
        "ConvNeXt": models.ConvNeXt(
            [models.convnext.CNBlockConfig(8, 16, 2), models.convnext.CNBlockConfig(16, None, 2)], 0.5, 0.1, 3
        ),
        "VisionTransformer": models.VisionTransformer(32, 8, 2, 2, 16, 32, 0.1, 0.1, 3),
    }


@pytest.mark.parametrize("name", ["EfficientNet", "ConvNeXt", "VisionTransformer"])
def test_small_networks_train(name: str) -> None:
    """With few and narrow layers a step of training lowers the loss, and evaluation draws nothing."""
    graphc.manual_seed(0)
    model = _small()[name]
    images, labels = graphc.rand(6, 3, 32, 32), graphc.tensor([0, 1, 2, 0, 1, 2])
    optimizer = graphc.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = graphc.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert min(losses[1:]) < losses[0]
    model.eval()
    assert graphc.equal(model(images), model(images))


def test_checkpoints_of_the_first_version_of_vit_load() -> None:
    """Their linear layers have other names."""
    model = _small()["VisionTransformer"]
    older = {}
    for name, value in model.state_dict().items():
        older[name.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2.")] = value * 2
    fresh = _small()["VisionTransformer"]
    fresh.load_state_dict(older)
    for name, value in model.state_dict().items():
        assert graphc.equal(fresh.state_dict()[name], value * 2)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: models.VisionTransformer(30, 8, 1, 1, 8, 8),
        lambda: _small()["VisionTransformer"](graphc.zeros(1, 3, 16, 32)),
        lambda: models.ShuffleNetV2([1], [1, 2, 3, 4, 5]),
        lambda: models.MNASNet(0.0),
        lambda: models.mobilenet_v3_small(weights="IMAGENET1K_V9"),
    ],
)
def test_wrong_arguments_are_refused(wrong: Any) -> None:
    """Sizes that do not fit, and weights that nobody knows."""
    with pytest.raises((ValueError, KeyError)):
        wrong()


def test_names_are_listed() -> None:
    """Models are made by name too, and a checkpoint that is not there is said with its place."""
    assert set(PARAMETERS) <= set(models.list_models())
    with pytest.raises(FileNotFoundError, match=r"mobilenet_v3_small-047dcff4\.pth"):
        models.get_model("mobilenet_v3_small", weights="DEFAULT")
