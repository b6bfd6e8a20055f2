"""Samples of distances, similarities, and bilinear forms."""

from __future__ import annotations

from typing import Any

from tests.ops.samples.table import literal, normal, sample


def _pdist(torch: Any, input: Any, p: float = 2.0) -> Any:
    """PyTorch's own has no second derivative."""
    pairs = torch.triu_indices(input.shape[0], input.shape[0], 1)
    return torch.linalg.vector_norm(input[pairs[0]] - input[pairs[1]], p, dim=1)


SAMPLES = (
    sample("cosine_similarity", normal(3, 4), normal(3, 4)),
    sample("cosine_similarity", normal(3, 4), normal(4), 1, label="broadcast"),
    sample("cosine_similarity", normal(2, 3, 4), normal(2, 3, 4), dim=-1, eps=0.5, label="eps"),
    sample("cosine_similarity", literal([[0.0, 0.0], [3.0, 4.0]]), normal(2, 2), label="zero", smooth=False),
    sample("pairwise_distance", normal(3, 4), normal(3, 4)),
    sample("pairwise_distance", normal(3, 4), normal(4), 1.0, 0.0, True, label="p-1"),
    sample("pairwise_distance", normal(4), normal(4), 3.0, label="vectors"),
    sample("pdist", normal(4, 3), oracle=_pdist),
    sample("pdist", normal(4, 3), 1.0, oracle=_pdist, label="p-1"),
    sample("pdist", normal(1, 3), oracle=_pdist, label="one row"),
    sample("bilinear", normal(3, 4), normal(3, 5), normal(2, 4, 5), normal(2)),
    sample("bilinear", normal(2, 3, 4), normal(2, 3, 2), normal(5, 4, 2), label="sequence"),
    sample("bilinear", normal(4), normal(5), normal(2, 4, 5), label="vectors"),
)
