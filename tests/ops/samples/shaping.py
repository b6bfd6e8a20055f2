"""Samples of the functions that shape, move, join and cut."""

from __future__ import annotations

from typing import Any

from graphc.ir.types import int32, uint8
from tests.ops.samples.table import booleans, integers, normal, sample


def _method(name: str) -> Any:
    def oracle(torch: Any, x: Any, *arguments: Any, **keywords: Any) -> Any:
        return getattr(x, name)(*arguments, **keywords)

    return oracle


def _like(name: str) -> Any:
    def oracle(torch: Any, x: Any, other: Any) -> Any:
        return getattr(x, name)(other)

    return oracle


SAMPLES = (
    sample("reshape", normal(2, 6), (3, -1)),
    sample("reshape", normal(2, 6, layout="transposed"), (3, 4), label="transposed"),
    sample("reshape", normal(), (-1,), label="rank 0"),
    sample("reshape", normal(0, 3), (-1, 3), label="empty"),
    sample("view", normal(2, 6), 4, 3, oracle=_method("view")),
    sample("view", normal(2, 3, 4), (2, -1), oracle=_method("view"), label="tuple"),
    sample("view", normal(2, 4), dtype=int32, oracle=_method("view"), smooth=False, label="bits"),
    sample("view", integers(2, 8, low=0, high=9), dtype=uint8, oracle=_method("view"), label="smaller"),
    sample("view_as", normal(2, 6), normal(3, 4), oracle=_like("view_as"), differentiable=(0,)),
    sample("reshape_as", normal(2, 6), normal(3, 4), oracle=_like("reshape_as"), differentiable=(0,)),
    sample("ravel", normal(2, 3)),
    sample("flatten", normal(2, 3, 4)),
    sample("flatten", normal(2, 3, 4), 1, label="from"),
    sample("flatten", normal(2, 3, 4), -3, -2, label="part"),
    sample("flatten", normal(), label="rank 0"),
    sample("flatten", normal(0, 3, 2), start_dim=1, label="empty"),
    sample("unflatten", normal(2, 6), 1, (2, -1)),
    sample("unflatten", normal(6, 2), -2, (3, 2), label="negative"),
    sample("squeeze", normal(1, 2, 1)),
    sample("squeeze", normal(1, 2, 1), 0, label="dim"),
    sample("squeeze", normal(1, 2, 1), 1, label="kept"),
    sample("squeeze", normal(1, 2, 1), dim=(0, -1), label="dims"),
    sample("squeeze", normal(), 0, label="rank 0"),
    sample("unsqueeze", normal(2, 3), 1),
    sample("unsqueeze", normal(2, 3), -1, label="last"),
    sample("unsqueeze", normal(), 0, label="rank 0"),
    sample("contiguous", normal(2, 3, layout="transposed"), oracle=_method("contiguous")),
    sample("permute", normal(2, 3, 4), (2, 0, 1)),
    sample("permute", normal(2, 3, 4), (-1, 1, -3), label="negative"),
    sample("transpose", normal(2, 3, 4), 0, -1),
    sample("transpose", normal(), 0, -1, label="rank 0"),
    sample("swapaxes", normal(2, 3, 4), 1, 2),
    sample("t", normal(2, 3)),
    sample("t", normal(3), label="vector"),
    sample("movedim", normal(2, 3, 4), 0, 2),
    sample("movedim", normal(2, 3, 4, 5), (0, -1), (2, 0), label="two"),
    sample("moveaxis", normal(2, 3, 4), -1, 0),
    sample("flip", normal(2, 3), (0, 1)),
    sample("flip", normal(2, 3), (-1,), label="negative"),
    sample("flip", normal(), (), label="rank 0"),
    sample("roll", normal(3, 4), 1),
    sample("roll", normal(3, 4), (5, -1), (0, 1), label="dims"),
    sample("roll", normal(0, 2), 1, 0, label="empty"),
    sample("expand", normal(3, 1), 2, -1, 4, oracle=_method("expand")),
    sample("expand", normal(), (2, 3), oracle=_method("expand"), label="rank 0"),
    sample("expand_as", normal(3, 1), normal(2, 3, 4), oracle=_like("expand_as"), differentiable=(0,)),
    sample("broadcast_to", normal(1, 3), (2, 3)),
    sample("broadcast_tensors", normal(3, 1), normal(4), normal()),
    sample("repeat", normal(2, 3), 2, 1, 3, oracle=_method("repeat")),
    sample("repeat", normal(2), (1,), oracle=_method("repeat"), label="once"),
    sample("repeat", normal(2), (0,), oracle=_method("repeat"), label="never"),
    sample("tile", normal(2, 3), (2,)),
    sample("tile", normal(2), (3, 2), label="new dims"),
    sample("meshgrid", normal(2), normal(3), indexing="ij"),
    sample("meshgrid", normal(2), normal(3), normal(), indexing="xy", label="xy"),
    sample("cat", (normal(2, 3), normal(1, 3)), dim=0),
    sample("cat", (normal(2, 3), normal(2, 2)), -1, label="negative"),
    sample("cat", (normal(2, 3), normal(0)), label="legacy empty"),
    sample("cat", (integers(2, low=0, high=9), normal(3)), label="promoted"),
    sample("cat", (booleans(2), integers(2, low=0, high=9, dtype="int32")), label="bool and int"),
    sample("stack", (normal(2, 3), normal(2, 3))),
    sample("stack", (normal(2, 3), normal(2, 3), normal(2, 3)), dim=-1, label="last"),
    sample("stack", (normal(), normal()), label="rank 0"),
    sample("split", normal(5, 2), 2),
    sample("split", normal(2, 5), [1, 0, 4], dim=-1, label="sections"),
    sample("split", normal(0, 2), 2, label="empty"),
    sample("chunk", normal(5, 2), 3),
    sample("chunk", normal(2, 7), 4, dim=1, label="fewer"),
    sample("chunk", normal(0, 2), 3, label="empty"),
    sample("narrow", normal(5, 3), 0, 1, 3),
    sample("narrow", normal(5, 3), -1, -2, 2, label="negative"),
    sample("select", normal(3, 4), 1, -1),
    sample("unbind", normal(3, 2)),
    sample("unbind", normal(3, 2), dim=-1, label="last"),
    sample("pad", normal(2, 3), (1, 2)),
    sample("pad", normal(2, 3), (1, 0, 0, 2), value=1.5, label="value"),
    sample("pad", normal(2, 5), (-1, 2), label="cut"),
    sample("pad", integers(2, 3, low=0, high=9), (1, 1), value=2, label="int"),
    sample("pad", normal(1, 2, 4), (2, 3), mode="reflect", label="reflect"),
    sample("pad", normal(1, 2, 3, 4), (1, 2, 2, 0), mode="reflect", label="reflect 2-d"),
    sample("pad", normal(2, 3), (2, 1), mode="replicate", label="replicate"),
    sample("pad", normal(1, 2, 3, 4), (1, 0, 2, 3), mode="replicate", label="replicate 2-d"),
    sample("pad", normal(1, 2, 4), (3, 4), mode="circular", label="circular"),
    sample("tril", normal(3, 4)),
    sample("tril", normal(2, 3, 3), -1, label="batch"),
    sample("tril", integers(3, 3, low=1, high=9), 1, label="int"),
    sample("triu", normal(3, 4), diagonal=1),
    sample("triu", booleans(3, 3), label="bool"),
    sample("triu", normal(0, 3), label="empty"),
)
