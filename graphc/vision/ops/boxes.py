"""Boxes: areas, overlaps, conversions, and the ones to keep. Source: torchvision.ops.boxes"""

from __future__ import annotations

import numpy as np

from graphc import functional as F
from graphc.ops.functions.arithmetic import maximum, minimum
from graphc.ops.functions.shaping import stack
from graphc.tensor import Tensor

__all__ = [
    "batched_nms",
    "box_area",
    "box_convert",
    "box_iou",
    "clip_boxes_to_image",
    "generalized_box_iou",
    "nms",
    "remove_small_boxes",
    "sigmoid_focal_loss",
]


def box_area(boxes: Tensor) -> Tensor:
    """The areas of boxes (N, 4) of corners x1, y1, x2, y2."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _shared(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    """The areas that boxes share with others (N, M), and those of the unions."""
    low = maximum(boxes1[:, None, :2], boxes2[:, :2])
    high = minimum(boxes1[:, None, 2:], boxes2[:, 2:])
    extents = (high - low).clamp(min=0)
    shared = extents[:, :, 0] * extents[:, :, 1]
    return shared, box_area(boxes1)[:, None] + box_area(boxes2) - shared


def box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """What boxes share over what they cover together, (N, M)."""
    shared, union = _shared(boxes1, boxes2)
    return shared / union


def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """:func:`box_iou` less the part of the common hull that neither covers.

    Source: Rezatofighi et al., "Generalized intersection over union", 2019.
    """
    shared, union = _shared(boxes1, boxes2)
    low = minimum(boxes1[:, None, :2], boxes2[:, :2])
    extents = (maximum(boxes1[:, None, 2:], boxes2[:, 2:]) - low).clamp(min=0)
    hull = extents[:, :, 0] * extents[:, :, 1]
    return shared / union - (hull - union) / hull


def box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    """Boxes (..., 4) in another of the formats "xyxy", "xywh", and "cxcywh". Raises ValueError for others."""
    for name in (in_fmt, out_fmt):
        if name not in ("xyxy", "xywh", "cxcywh"):
            raise ValueError("Unsupported Bounding Box Conversions for given in_fmt and out_fmt")
    if in_fmt == out_fmt:
        return boxes.clone()
    a, b, c, d = boxes.unbind(-1)
    if in_fmt == "xywh":
        a, b, c, d = a, b, a + c, b + d
    elif in_fmt == "cxcywh":
        a, b, c, d = a - 0.5 * c, b - 0.5 * d, a + 0.5 * c, b + 0.5 * d
    if out_fmt == "xywh":
        a, b, c, d = a, b, c - a, d - b
    elif out_fmt == "cxcywh":
        a, b, c, d = (a + c) / 2, (b + d) / 2, c - a, d - b
    return stack((a, b, c, d), dim=-1)


def clip_boxes_to_image(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes (..., 4) of corners, cut to an image of a height and width."""
    height, width = size
    x, y = boxes[..., 0::2].clamp(min=0, max=width), boxes[..., 1::2].clamp(min=0, max=height)
    return stack((x, y), dim=-1).reshape(boxes.shape)


def remove_small_boxes(boxes: Tensor, min_size: float) -> Tensor:
    """The places of the boxes with both sides of at least a size."""
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    return ((width >= min_size) & (height >= min_size)).nonzero()[:, 0]


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """The places of boxes to keep, the best first: each that overlaps no better one by more than the threshold."""
    order = scores.detach().argsort(descending=True, stable=True).numpy()
    overlaps = box_iou(boxes.detach(), boxes.detach()).numpy() > iou_threshold
    dropped = np.zeros(len(order), bool)
    kept = []
    for place in order.tolist():
        if not dropped[place]:
            kept.append(place)
            dropped |= overlaps[place]
    return scores.new_tensor(kept).long()


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """:func:`nms` among the boxes of each category."""
    if not boxes.numel():
        return scores.new_tensor([]).long()
    apart = idxs.to(boxes.dtype) * (boxes.max() + 1)
    return nms(boxes + apart[:, None], scores, iou_threshold)


def sigmoid_focal_loss(
    inputs: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2, reduction: str = "none"
) -> Tensor:
    """A cross entropy that weighs what is told right less. Source: Lin et al., "Focal loss", 2017.

    Raises ValueError for another reduction.
    """
    p = inputs.sigmoid()
    loss = F.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    right = p * targets + (1 - p) * (1 - targets)
    loss = loss * (1 - right) ** gamma
    if alpha >= 0:
        loss = (alpha * targets + (1 - alpha) * (1 - targets)) * loss
    if reduction == "none":
        return loss
    if reduction in ("mean", "sum"):
        return loss.mean() if reduction == "mean" else loss.sum()
    raise ValueError(
        f"Invalid Value for arg 'reduction': '{reduction} \n Supported reduction modes: 'none', 'mean', 'sum'"
    )
