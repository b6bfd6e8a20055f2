"""Samples of products of several tensors, and of what makes and measures matrices."""

from __future__ import annotations

from typing import Any

from tests.ops.samples.table import booleans, integers, literal, normal, sample


def _einsum(torch: Any, *arguments: Any) -> Any:
    return torch.einsum(*arguments)


def _cdist(torch: Any, x1: Any, x2: Any, p: float = 2.0, compute_mode: str = "") -> Any:
    """Distances that PyTorch can differentiate twice."""
    return torch.linalg.vector_norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, dim=-1)


def _vander(torch: Any, x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """What PyTorch computes, without the write in place that stops its gradient."""
    powers = [x**exponent for exponent in range(len(x) if N is None else N)]
    return torch.stack(powers if increasing else powers[::-1], 1)


PRODUCTS = (
    sample("vdot", normal(4), normal(4)),
    sample("inner", normal(2, 3, 4), normal(5, 4)),
    sample("inner", normal(4), normal(4), label="vectors"),
    sample("inner", normal(2, 3), normal(), label="number"),
    sample("ger", normal(3), normal(4)),
    sample("addmv", normal(3), normal(3, 4), normal(4), beta=0.5, alpha=-2.0),
    sample("addmv", normal(1), normal(3, 4), normal(4), label="broadcast"),
    sample("addr", normal(3, 4), normal(3), normal(4), beta=0.5, alpha=2.0),
    sample("addr", normal(4), integers(3, low=0, high=5), normal(4), differentiable=(), label="promoted"),
    sample("addr", booleans(3, 2), booleans(3), booleans(2), label="bool"),
    sample("addbmm", normal(2, 3), normal(4, 2, 5), normal(4, 5, 3), beta=0.5, alpha=2.0),
    sample("baddbmm", normal(4, 2, 3), normal(4, 2, 5), normal(4, 5, 3), beta=0.5, alpha=2.0),
    sample("baddbmm", normal(3), normal(4, 2, 5), normal(4, 5, 3), beta=0, label="beta 0"),
    sample("chain_matmul", normal(2, 3), normal(3, 4), normal(4, 2)),
    sample("linalg.multi_dot", (normal(10, 2), normal(2, 8), normal(8, 3), normal(3, 5))),
    sample("linalg.multi_dot", (normal(3), normal(3, 4), normal(4)), label="vectors"),
    sample("linalg.matmul", normal(2, 3, 4), normal(4)),
    sample("linalg.vecdot", normal(2, 3), normal(3)),
    sample("linalg.vecdot", normal(2, 3), normal(2, 3), dim=0, label="dim"),
    sample("kron", normal(2, 3), normal(3, 2)),
    sample("kron", normal(2, 2, 1), normal(3), label="ranks"),
    sample("kron", integers(2, 2, low=0, high=5), normal(2, 1), label="promoted"),
    sample("cross", normal(2, 3), normal(2, 3), dim=1),
    sample("cross", normal(3, 2), normal(3, 1), label="first dim"),
    sample("linalg.cross", normal(2, 3), normal(1, 3)),
    sample("linalg.cross", normal(3, 2, 1), normal(3, 1, 4), dim=0, label="dim"),
    sample("tensordot", normal(2, 3, 4), normal(3, 4, 5)),
    sample("tensordot", normal(2, 3), normal(4, 5), dims=0, label="0"),
    sample("tensordot", normal(2, 3, 4), normal(4, 5, 2), dims=([2, 0], [0, 2]), label="lists"),
    sample("tensordot", normal(2, 1), normal(3, 4), dims=([1], [0]), label="broadcast"),
)

EINSUM = (
    sample("einsum", "ij,jk->ik", normal(2, 3), normal(3, 4)),
    sample("einsum", "ij,jk", normal(2, 3), normal(3, 4), label="implicit"),
    sample("einsum", "bij,bjk->bik", normal(2, 3, 4), normal(2, 4, 5), label="batch"),
    sample("einsum", "ba", normal(2, 3), label="transpose"),
    sample("einsum", "ii->i", normal(3, 3), label="diagonal"),
    sample("einsum", "ii", normal(3, 3), label="trace"),
    sample("einsum", "iji->j", normal(3, 2, 3), label="repeated"),
    sample("einsum", "iii->i", normal(3, 3, 3), label="three times"),
    sample("einsum", "ij->", normal(2, 3), label="sum"),
    sample("einsum", "i,j->ij", normal(2), normal(3), label="outer"),
    sample("einsum", "i,i", normal(4), normal(4), label="dot"),
    sample("einsum", "ij,ij->ij", normal(2, 3), normal(2, 3), label="elements"),
    sample("einsum", "...ij,...jk->...ik", normal(5, 1, 2, 3), normal(4, 3, 2), label="ellipsis"),
    sample("einsum", "...ij,...jk->ik", normal(5, 1, 2, 3), normal(4, 3, 2), label="summed ellipsis"),
    sample("einsum", "i...->...", normal(2, 3, 4), label="ellipsis alone"),
    sample("einsum", " b n h w , n d -> b d h w ", normal(2, 3, 2, 2), normal(3, 4), label="spaces"),
    sample("einsum", "ij,jk,kl->il", normal(2, 3), normal(3, 4), normal(4, 2), label="three"),
    sample("einsum", "bn,anm,bm->ba", normal(2, 5), normal(3, 5, 4), normal(2, 4), label="bilinear"),
    sample("einsum", "ab,cd,ef,gh->aceg", normal(2, 2), normal(2, 1), normal(1, 2), normal(3, 2), label="four"),
    sample("einsum", "ij,jk->ik", normal(2, 1), normal(3, 4), label="size 1"),
    sample("einsum", "ij,kl->k", normal(2, 3), normal(4, 5), label="apart"),
    sample("einsum", ",i->i", normal(), normal(3), label="number"),
    sample("einsum", "Aa,aB", normal(2, 3), normal(3, 4), label="capitals"),
    sample("einsum", "ij->j", integers(2, 3, low=0, high=5, dtype="int32"), label="int"),
    sample("einsum", "ij,jk", (normal(2, 3), normal(3, 4)), label="list"),
    sample("einsum", normal(2, 3), [0, 1], normal(3, 4), [1, 30], [30, 0], label="sublists"),
    sample("einsum", normal(2, 3, 4), [Ellipsis, 1], normal(4), [1], label="sublists with dots"),
)

MATRICES = (
    sample("diagonal", normal(3, 4)),
    sample("diagonal", normal(2, 3, 4), 1, 0, 2, label="dims"),
    sample("diagonal", normal(4, 3, layout="transposed"), offset=-2, label="below"),
    sample("diagonal", normal(3, 4), 9, label="none"),
    sample("linalg.diagonal", normal(2, 3, 4), offset=-1),
    sample("diag", normal(3)),
    sample("diag", normal(3), -2, label="below"),
    sample("diag", normal(3, 4), 1, label="of a matrix"),
    sample("diag_embed", normal(2, 3)),
    sample("diag_embed", normal(2, 3), offset=1, dim1=0, dim2=-1, label="dims"),
    sample("diag_embed", normal(2, 3), -1, 2, 0, label="turned"),
    sample("diagflat", normal(2, 2), 1),
    sample("trace", normal(3, 4)),
    sample("trace", integers(3, 3, low=0, high=9, dtype="int32"), label="int"),
    sample("block_diag", normal(2, 3), normal(), normal(4)),
    sample("block_diag", integers(2, 2, low=0, high=9), normal(1, 2), label="promoted"),
    sample("cartesian_prod", normal(2), normal(3), normal(2)),
    sample("cartesian_prod", normal(3), label="one"),
    sample("combinations", normal(4)),
    sample("combinations", normal(4), r=3, with_replacement=True, label="replacement"),
    sample("combinations", normal(3), r=5, label="none"),
    sample("vander", normal(3), oracle=_vander),
    sample("vander", normal(3), N=4, increasing=True, oracle=_vander, label="increasing"),
    sample("vander", integers(3, low=0, high=5, dtype="int32"), N=1, label="one column"),
    sample("linalg.vander", normal(2, 3), N=4),
    sample("linalg.vander", integers(3, low=0, high=5), label="int"),
    sample("renorm", normal(3, 4), 2, 0, 1.0, smooth=False),
    sample("renorm", normal(2, 3, 4), 1, 1, 2.0, smooth=False, label="1"),
    sample("cdist", normal(3, 4), normal(2, 4), oracle=_cdist),
    sample("cdist", normal(2, 1, 3, 4), normal(3, 2, 4), p=1.0, oracle=_cdist, label="1"),
    sample("cdist", normal(3, 4), normal(2, 4), p=float("inf"), oracle=_cdist, label="inf"),
    sample("cdist", normal(3, 4), normal(2, 4), p=3.0, oracle=_cdist, label="3", tolerance=(1e-4, 1e-10)),
    sample("cdist", normal(3, 4), normal(2, 4), p=0.0, oracle=_cdist, label="0"),
    sample("cdist", literal([[1.0, 2.0], [0.0, 1.0]]), literal([[1.0, 2.0]]), smooth=False, label="equal"),
    sample("cdist", normal(30, 4), normal(2, 4), oracle=_cdist, tolerance=(1e-4, 1e-10), label="by product"),
)

SAMPLES = (*PRODUCTS, *EINSUM, *MATRICES)
