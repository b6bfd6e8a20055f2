"""Embeddings, at PyTorch's place for them."""

from graphc.nn.modules.linear import Embedding, EmbeddingBag

__all__ = ["Embedding", "EmbeddingBag"]
