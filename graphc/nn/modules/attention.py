"""Attention with several heads as a module.

Source: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762
"""

from __future__ import annotations

from typing import Any

from graphc import functional as F
from graphc.creation import empty
from graphc.ir.types import DType
from graphc.nn import init
from graphc.nn.module import Module
from graphc.nn.modules.linear import NonDynamicallyQuantizableLinear
from graphc.nn.parameter import Parameter
from graphc.ops.masks import additive_mask
from graphc.tensor import Tensor


class MultiheadAttention(Module):
    """Attention of queries to keys and values in ``num_heads`` heads, which share ``embed_dim``.

    Operands are (places, sequences, size), with ``batch_first`` (sequences, places, size), or (places, size) for one
    sequence; keys have ``kdim`` and values ``vdim`` numbers. ``add_bias_kv`` learns one more key and value,
    ``add_zero_attn`` adds one of zeros.

    Raises ValueError for sizes that are not positive, AssertionError for a size that heads can't share.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: DType | None = None,
    ):
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"embed_dim and num_heads must be greater than 0, got embed_dim={embed_dim} and num_heads={num_heads} "
                "instead"
            )
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        if embed_dim % num_heads:
            raise AssertionError("embed_dim must be divisible by num_heads")

        def made(*shape: int) -> Parameter:
            return Parameter(empty(shape, dtype=dtype, device=device))

        together = self._qkv_same_embed_dim
        apart = (("q_proj_weight", embed_dim), ("k_proj_weight", self.kdim), ("v_proj_weight", self.vdim))
        if together:
            self.in_proj_weight = made(3 * embed_dim, embed_dim)
        for name, size in apart:
            self.register_parameter(name, None if together else made(embed_dim, size))
        if not together:
            self.register_parameter("in_proj_weight", None)
        self.register_parameter("in_proj_bias", made(3 * embed_dim) if bias else None)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias, device, dtype)
        if add_bias_kv:
            self.bias_k, self.bias_v = made(1, 1, embed_dim), made(1, 1, embed_dim)
        else:
            self.bias_k = self.bias_v = None
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.constant_(self.in_proj_bias, 0.0)
            init.constant_(self.out_proj.bias, 0.0)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """The result, of the query's shape, and the weights or None; the arguments are those of
        :func:`graphc.nn.functional.multi_head_attention_forward`."""
        other = None if attn_mask is None else attn_mask.dtype
        key_padding_mask = additive_mask(key_padding_mask, "key_padding_mask", query.dtype, other, "attn_mask")
        attn_mask = additive_mask(attn_mask, "attn_mask", query.dtype)
        turned = self.batch_first and query.dim() == 3
        if turned:
            # What is one tensor stays one: it is projected at once.
            places_first = {id(each): each.transpose(0, 1) for each in (query, key, value)}
            query, key, value = (places_first[id(each)] for each in (query, key, value))
        result, weights = F.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim,
            q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return (result.transpose(0, 1) if turned else result), weights
