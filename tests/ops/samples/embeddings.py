"""Samples of rows by index, alone and in bags, and of alignments of sequences."""

from __future__ import annotations

from typing import Any

from tests.ops.samples.table import literal, normal, primitive_sample, sample

_TABLE = normal(6, 3)
_WORDS = literal([[1, 4, 1], [0, 5, 2]], "int64")
_FLAT = literal([1, 4, 1, 0, 5, 5, 2], "int64")
_OFFSETS = literal([0, 2, 2, 5], "int64")


def _bags() -> Any:
    for mode in ("sum", "mean", "max"):
        yield sample("embedding_bag", _FLAT, _TABLE, _OFFSETS, mode=mode, label=mode)
        yield sample("embedding_bag", _WORDS, _TABLE, mode=mode, label=f"{mode}, rows")
        yield sample("embedding_bag", _FLAT, _TABLE, _OFFSETS, mode=mode, padding_idx=1, label=f"{mode}, padding")
        yield sample("embedding_bag", _WORDS, _TABLE, mode=mode, padding_idx=-6, label=f"{mode}, rows, padding")
    ends = literal([0, 2, 2, 7], "int64")
    yield sample("embedding_bag", _FLAT, _TABLE, ends, include_last_offset=True, label="last offset")
    factors = (None, 2.0, False, "sum", False, normal(7))
    # PyTorch has no second gradient of these.
    yield sample("embedding_bag", _FLAT, _TABLE, _OFFSETS, *factors, label="factors", smooth=False)
    once = literal([1, 4, 0, 5], "int64")
    halves = literal([0, 2], "int64")
    yield sample("embedding_bag", once, _TABLE, halves, scale_grad_by_freq=True, mode="sum", label="frequency")


_ROWS = (
    sample("embedding", _WORDS, _TABLE, scale_grad_by_freq=True, label="frequency", smooth=False),
    sample("embedding", _WORDS, _TABLE, -2, scale_grad_by_freq=True, label="frequency and padding", smooth=False),
    sample("embedding", _WORDS, _TABLE, max_norm=1.0, norm_type=1.5, label="norm", differentiable=()),
    sample("embedding_renorm_", _TABLE, _FLAT, 1.0, 2.0, differentiable=()),
    sample("embedding", literal(3, "int64"), _TABLE, label="one word"),
    sample("torch.embedding", _TABLE, _WORDS, oracle=lambda torch, *arguments: torch.embedding(*arguments)),
    primitive_sample("scale_gradient", normal(2, 3), normal(2, 3), differentiable=(), oracle=""),
    primitive_sample("check_offsets", _OFFSETS, extent=8, oracle=""),
)


def _alignments() -> Any:
    scores, words = normal(6, 2, 4), literal([[1, 2, 2], [3, 1, 1]], "int64")
    inputs, lengths = literal([6, 5], "int64"), literal([3, 2], "int64")
    # The gradient is that of what the log probabilities were normalised from, and there is no second one.
    options = {"differentiable": ()}
    yield sample("ctc_loss", scores, words, inputs, lengths, **options)
    yield sample("ctc_loss", scores, words, (6, 5), (3, 2), 0, "none", label="each", **options)
    joined = literal([1, 2, 2, 3, 1], "int64")
    yield sample("ctc_loss", scores, joined, inputs, lengths, 0, "sum", label="joined", **options)
    short = literal([2, 5], "int64")
    yield sample("ctc_loss", scores, words, short, lengths, 0, "none", True, label="infinite", **options)
    yield sample("ctc_loss", scores, words, short, lengths, 3, "none", label="blank", **options)
    alone = literal([1, 2], "int64")
    yield sample("ctc_loss", normal(6, 4), alone, literal(6, "int64"), literal(2, "int64"), label="alone", **options)


SAMPLES = (*_bags(), *_ROWS, *_alignments())
