"""Boxes, layers, and losses of pictures, against what their definitions give."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc.vision import ops

BOXES = gc.tensor([[0.0, 0.0, 10.0, 10.0], [1.0, 1.0, 11.0, 11.0], [20.0, 20.0, 30.0, 40.0]])


def test_overlaps() -> None:
    """Areas, shared parts over unions, and what the hull adds."""
    assert ops.box_area(BOXES).tolist() == [100.0, 100.0, 200.0]
    np.testing.assert_allclose(ops.box_iou(BOXES, BOXES)[0].numpy(), [1.0, 81 / 119, 0.0], rtol=1e-6)
    hull = 30.0 * 40.0
    wanted = [1.0, 81 / 119 - 2 / 121, -(hull - 300) / hull]
    np.testing.assert_allclose(ops.generalized_box_iou(BOXES, BOXES)[0].numpy(), wanted, rtol=1e-5)


def test_boxes_to_keep() -> None:
    """The best of those that overlap, in the order of their scores; of each category apart."""
    scores = gc.tensor([0.5, 0.9, 0.7])
    assert ops.nms(BOXES, scores, 0.5).tolist() == [1, 2]
    assert ops.nms(BOXES, scores, 0.7).tolist() == [1, 2, 0]
    assert ops.batched_nms(BOXES, scores, gc.tensor([0, 1, 0]), 0.5).tolist() == [1, 2, 0]
    assert ops.remove_small_boxes(BOXES, 11.0).tolist() == []
    assert ops.clip_boxes_to_image(BOXES, (25, 28))[2].tolist() == [20.0, 20.0, 28.0, 25.0]


@pytest.mark.parametrize("way", ["xyxy", "xywh", "cxcywh"])
def test_conversions_there_and_back(way: str) -> None:
    """Each format becomes corners again; gradients pass."""
    boxes = BOXES.clone().requires_grad_()
    there = ops.box_convert(boxes, "xyxy", way)
    back = ops.box_convert(there, way, "xyxy")
    assert gc.allclose(back, BOXES)
    back.sum().backward()
    assert boxes.grad.tolist() == gc.ones(3, 4).tolist()
    with pytest.raises(ValueError, match="Unsupported"):
        ops.box_convert(BOXES, "xyxy", "corners")


def test_focal_loss() -> None:
    """Without its exponent and weights it is the cross entropy; with them what is told right counts less."""
    logits, targets = gc.tensor([2.0, -1.0, 0.3]), gc.tensor([1.0, 0.0, 1.0])
    plain = gc.nn.functional.binary_cross_entropy_with_logits(logits, targets)
    assert gc.allclose(ops.sigmoid_focal_loss(logits, targets, alpha=-1, gamma=0, reduction="mean"), plain)
    assert ops.sigmoid_focal_loss(logits, targets, reduction="sum") < plain
    with pytest.raises(ValueError, match="Supported reduction modes"):
        ops.sigmoid_focal_loss(logits, targets, reduction="most")


def test_stochastic_depth() -> None:
    """Rows are dropped whole or grown by what is left of 1; in evaluation nothing changes."""
    gc.manual_seed(0)
    x = gc.ones(200, 3)
    dropped = ops.StochasticDepth(0.25, "row")(x)
    np.testing.assert_allclose(np.unique(dropped.numpy()), [0.0, 4 / 3], rtol=1e-6)
    assert (dropped.amax(1) == dropped.amin(1)).all()
    assert 0.15 < (dropped == 0).double().mean() < 0.35
    assert gc.equal(ops.StochasticDepth(0.25, "row").eval()(x), x)
    with pytest.raises(ValueError, match="mode has to be"):
        ops.stochastic_depth(x, 0.5, "column")


def test_squeeze_and_excitation() -> None:
    """Channels are scaled by numbers that all of them decide."""
    layer = ops.SqueezeExcitation(4, 2)
    x = gc.rand(2, 4, 3, 3)
    scale = layer(x) / x
    assert gc.allclose(scale.amax((2, 3)), scale.amin((2, 3)))
    assert [name for name, _ in layer.named_parameters()] == ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]
    assert len(ops.MLP(3, [4, 5], dropout=0.5)) == 5
