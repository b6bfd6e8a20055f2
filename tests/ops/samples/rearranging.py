"""Samples of the functions that repeat, turn, cut into parts, and put together along new dims."""

from __future__ import annotations

from typing import Any

from tests.ops.samples.table import integers, literal, normal, sample


def _method(name: str) -> Any:
    def oracle(torch: Any, x: Any, *arguments: Any, **keywords: Any) -> Any:
        return getattr(x, name)(*arguments, **keywords)

    return oracle


SAMPLES = (
    sample("repeat_interleave", normal(2, 3), 2),
    sample("repeat_interleave", normal(2, 3), 3, 1, label="dim"),
    sample("repeat_interleave", normal(2, 3), 1, -2, label="once"),
    sample("repeat_interleave", normal(2, 3), 0, 0, label="never"),
    sample("repeat_interleave", normal(3, 2), literal([2, 0, 1], "int64"), 0, label="counts"),
    sample("repeat_interleave", literal([2, 0, 3], "int64"), label="places"),
    sample("rot90", normal(2, 3)),
    sample("rot90", normal(2, 3, 4), -1, (2, 0), label="back"),
    sample("rot90", normal(2, 3), 2, label="twice"),
    sample("rot90", normal(2, 3), 4, label="around"),
    sample("fliplr", normal(2, 3)),
    sample("flipud", normal(2, 3)),
    sample("swapdims", normal(2, 3, 4), 0, -1),
    sample("adjoint", normal(2, 3, 4)),
    sample("split_with_sizes", normal(5, 2), (2, 0, 3)),
    sample("split_with_sizes", normal(2, 5), (1, 4), dim=-1, label="dim"),
    sample("unsafe_split", normal(5, 2), 2),
    sample("unsafe_split_with_sizes", normal(5, 2), (4, 1)),
    sample("unsafe_chunk", normal(5, 2), 2),
    sample("tensor_split", normal(7, 2), 3),
    sample("tensor_split", normal(2, 7), (1, -2, 9), dim=1, label="places"),
    sample("tensor_split", normal(7), literal([2, 5], "int64"), label="tensor"),
    sample("hsplit", normal(2, 6), 3),
    sample("hsplit", normal(6), (1, 4), label="vector"),
    sample("vsplit", normal(4, 2), 2),
    sample("dsplit", normal(2, 2, 4), 2),
    sample("narrow_copy", normal(5, 2), 0, 1, 3),
    sample("atleast_1d", normal()),
    sample("atleast_1d", normal(2, 3), label="matrix"),
    sample("atleast_2d", normal(3)),
    sample("atleast_2d", normal(), label="number"),
    sample("atleast_3d", normal(3)),
    sample("atleast_3d", normal(2, 3), label="matrix"),
    sample("hstack", (normal(2, 3), normal(2, 1))),
    sample("hstack", (normal(2), normal(3)), label="vectors"),
    sample("hstack", (normal(), integers(2, low=0, high=5)), label="number"),
    sample("vstack", (normal(2, 3), normal(3))),
    sample("row_stack", (normal(3), normal(3))),
    sample("dstack", (normal(2, 3), normal(2, 3))),
    sample("dstack", (normal(3), normal(3)), label="vectors"),
    sample("column_stack", (normal(2), normal(2, 3))),
    sample("broadcast_shapes", (2, 1), (3,), 1, oracle=lambda torch, *shapes: tuple(torch.broadcast_shapes(*shapes))),
    sample("unravel_index", integers(2, 3, low=0, high=24), (2, 3, 4)),
    sample("unravel_index", integers(3, low=0, high=7, dtype="int32"), 7, label="vector"),
)
