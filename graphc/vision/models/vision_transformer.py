"""The vision transformer: patches of an image as the words of a sentence.

Source: Dosovitskiy et al., "An image is worth 16x16 words", 2021.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from typing import Any

from graphc import nn
from graphc.creation import empty, zeros
from graphc.ops.functions.shaping import cat
from graphc.tensor import Tensor
from graphc.vision.models.weights import WeightsEnum, builder, imagenet, loaded
from graphc.vision.ops.misc import MLP, Norm

__all__ = [
    "ViT_B_16_Weights",
    "ViT_B_32_Weights",
    "ViT_H_14_Weights",
    "ViT_L_16_Weights",
    "ViT_L_32_Weights",
    "VisionTransformer",
    "vit_b_16",
    "vit_b_32",
    "vit_h_14",
    "vit_l_16",
    "vit_l_32",
]


class MLPBlock(MLP):
    """Two linear layers with a GELU between them. Checkpoints of its first version call these ``linear_1`` and
    ``linear_2``."""

    _version = 2

    def __init__(self, in_dim: int, mlp_dim: int, dropout: float):
        super().__init__(in_dim, [mlp_dim, in_dim], activation_layer=nn.GELU, inplace=None, dropout=dropout)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.normal_(module.bias, std=1e-6)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *others: Any
    ) -> None:
        if local_metadata.get("version") in (None, 1):
            for number, place in ((1, 0), (2, 3)):
                for kind in ("weight", "bias"):
                    older = f"{prefix}linear_{number}.{kind}"
                    if older in state_dict:
                        state_dict[f"{prefix}{place}.{kind}"] = state_dict.pop(older)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *others)


class EncoderBlock(nn.Module):
    """Attention and two linear layers, each normalised before and added to its input."""

    def __init__(
        self, num_heads: int, hidden_dim: int, mlp_dim: int, dropout: float, attention_dropout: float, norm_layer: Norm
    ):
        super().__init__()
        self.num_heads = num_heads
        self.ln_1 = norm_layer(hidden_dim)
        self.self_attention = nn.MultiheadAttention(hidden_dim, num_heads, dropout=attention_dropout, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = norm_layer(hidden_dim)
        self.mlp = MLPBlock(hidden_dim, mlp_dim, dropout)

    def forward(self, input: Tensor) -> Tensor:
        x = self.ln_1(input)
        x, _ = self.self_attention(x, x, x, need_weights=False)
        x = self.dropout(x) + input
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    """Blocks one after the other, on a sequence whose places are added to it."""

    def __init__(
        self,
        seq_length: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: Norm,
    ):
        super().__init__()
        self.pos_embedding = nn.Parameter(empty(1, seq_length, hidden_dim).normal_(std=0.02))
        self.dropout = nn.Dropout(dropout)
        each = (num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer)
        self.layers = nn.Sequential(
            OrderedDict((f"encoder_layer_{number}", EncoderBlock(*each)) for number in range(num_layers))
        )
        self.ln = norm_layer(hidden_dim)

    def forward(self, input: Tensor) -> Tensor:
        return self.ln(self.layers(self.dropout(input + self.pos_embedding)))


class VisionTransformer(nn.Module):
    """Images (N, 3, image_size, image_size) to logits (N, num_classes).

    Args:
        image_size, patch_size: the sides of images and of the patches that they are cut into.
        num_layers, num_heads, hidden_dim, mlp_dim: of the encoder.
        dropout, attention_dropout: of its layers, and of the weights of attention.
        num_classes: the number of logits.
        representation_size: the width of a layer before the logits, or none.
        norm_layer: layer normalisation with eps 1e-6 by default.

    Raises ValueError where the patches do not fill the image, and for images of another size.
    """

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        num_classes: int = 1000,
        representation_size: int | None = None,
        norm_layer: Norm | None = None,
    ):
        super().__init__()
        if image_size % patch_size:
            raise ValueError("Input shape indivisible by patch size!")
        norm = partial(nn.LayerNorm, eps=1e-6) if norm_layer is None else norm_layer
        self.image_size, self.patch_size, self.hidden_dim = image_size, patch_size, hidden_dim
        self.num_classes, self.representation_size = num_classes, representation_size
        self.conv_proj = nn.Conv2d(3, hidden_dim, kernel_size=patch_size, stride=patch_size)
        self.seq_length = (image_size // patch_size) ** 2 + 1
        self.class_token = nn.Parameter(zeros(1, 1, hidden_dim))
        self.encoder = Encoder(
            self.seq_length, num_layers, num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm
        )
        heads: OrderedDict[str, nn.Module] = OrderedDict()
        if representation_size is None:
            heads["head"] = nn.Linear(hidden_dim, num_classes)
        else:
            heads["pre_logits"] = nn.Linear(hidden_dim, representation_size)
            heads["act"] = nn.Tanh()
            heads["head"] = nn.Linear(representation_size, num_classes)
        self.heads = nn.Sequential(heads)
        nn.init.trunc_normal_(self.conv_proj.weight, std=math.sqrt(1 / (3 * patch_size**2)))
        nn.init.zeros_(self.conv_proj.bias)
        if representation_size is not None:
            nn.init.trunc_normal_(heads["pre_logits"].weight, std=math.sqrt(1 / hidden_dim))
            nn.init.zeros_(heads["pre_logits"].bias)
        nn.init.zeros_(heads["head"].weight)
        nn.init.zeros_(heads["head"].bias)

    def forward(self, x: Tensor) -> Tensor:
        for extent, what in zip(x.shape[2:], ("height", "width"), strict=True):
            if extent != self.image_size:
                raise ValueError(f"Wrong image {what}! Expected {self.image_size} but got {extent}!")
        patches = self.conv_proj(x).flatten(2).permute(0, 2, 1)
        sequence = cat([self.class_token.expand(x.shape[0], -1, -1), patches], dim=1)
        return self.heads(self.encoder(sequence)[:, 0])


def _made(values: Mapping[str, Any] | None, patch: int, sizes: tuple[int, ...], **options: Any) -> VisionTransformer:
    return loaded(VisionTransformer(options.pop("image_size", 224), patch, *sizes, **options), values)


_BASE, _LARGE, _HUGE = (12, 12, 768, 3072), (24, 16, 1024, 4096), (32, 16, 1280, 5120)


class ViT_B_16_Weights(WeightsEnum):
    """Checkpoints of :func:`vit_b_16`."""

    IMAGENET1K_V1 = imagenet("vit_b_16-c867db91.pth")
    DEFAULT = IMAGENET1K_V1


class ViT_B_32_Weights(WeightsEnum):
    """Checkpoints of :func:`vit_b_32`."""

    IMAGENET1K_V1 = imagenet("vit_b_32-d86f8d99.pth")
    DEFAULT = IMAGENET1K_V1


class ViT_L_16_Weights(WeightsEnum):
    """Checkpoints of :func:`vit_l_16`."""

    IMAGENET1K_V1 = imagenet("vit_l_16-852ce7e3.pth", resize=242)
    DEFAULT = IMAGENET1K_V1


class ViT_L_32_Weights(WeightsEnum):
    """Checkpoints of :func:`vit_l_32`."""

    IMAGENET1K_V1 = imagenet("vit_l_32-c7638314.pth")
    DEFAULT = IMAGENET1K_V1


class ViT_H_14_Weights(WeightsEnum):
    """Checkpoints of :func:`vit_h_14`, of images of 224 pixels."""

    IMAGENET1K_SWAG_LINEAR_V1 = imagenet("vit_h_14_lc_swag-c1eb923e.pth", resize=224)
    DEFAULT = IMAGENET1K_SWAG_LINEAR_V1


@builder(ViT_B_16_Weights)
def vit_b_16(values: Mapping[str, Any] | None, **options: Any) -> VisionTransformer:
    """The base model, patches of 16 pixels; 86 567 656 parameters."""
    return _made(values, 16, _BASE, **options)


@builder(ViT_B_32_Weights)
def vit_b_32(values: Mapping[str, Any] | None, **options: Any) -> VisionTransformer:
    """The base model, patches of 32 pixels; 88 224 232 parameters."""
    return _made(values, 32, _BASE, **options)


@builder(ViT_L_16_Weights)
def vit_l_16(values: Mapping[str, Any] | None, **options: Any) -> VisionTransformer:
    """The large model, patches of 16 pixels; 304 326 632 parameters."""
    return _made(values, 16, _LARGE, **options)


@builder(ViT_L_32_Weights)
def vit_l_32(values: Mapping[str, Any] | None, **options: Any) -> VisionTransformer:
    """The large model, patches of 32 pixels; 306 535 400 parameters."""
    return _made(values, 32, _LARGE, **options)


@builder(ViT_H_14_Weights)
def vit_h_14(values: Mapping[str, Any] | None, **options: Any) -> VisionTransformer:
    """The huge model, patches of 14 pixels; 632 045 800 parameters."""
    return _made(values, 14, _HUGE, **options)
