"""Samples of the view primitives and of slice_update, bound directly."""

from __future__ import annotations

from typing import Any

from graphc.ir.types import int32, int64, uint8
from graphc.ops.own_rules import DifferentiatedOnce
from tests.ops.samples.table import booleans, integers, normal, primitive_sample


def _sliced(torch: Any, x: Any, *, starts: Any, stops: Any, steps: Any) -> Any:
    return x[(*map(slice, starts, stops, steps), ...)]


def _slice_updated(torch: Any, base: Any, update: Any, *, starts: Any, stops: Any, steps: Any) -> Any:
    result = base.clone()
    result[(*map(slice, starts, stops, steps), ...)] = update
    return result


def _expanded(torch: Any, x: Any, *, shape: Any) -> Any:
    return x.expand(shape)


def _identity(torch: Any, x: Any) -> Any:
    return x.clone()


def _reinterpreted(torch: Any, x: Any, *, dtype: Any) -> Any:
    return x.view(dtype)


SAMPLES = (
    primitive_sample("reshape", normal(2, 3, 4), shape=(6, 4)),
    primitive_sample("reshape", normal(2, 3, 4), shape=(3, 8), label="across"),
    primitive_sample("reshape", normal(6, 1, 4), shape=(2, 3, 2, 1, 2), label="split"),
    primitive_sample("reshape", normal(4, 6, layout="transposed"), shape=(3, 8), label="transposed"),
    primitive_sample("reshape", normal(), shape=(1, 1), label="rank 0"),
    primitive_sample("reshape", normal(1, 1), shape=(), label="to rank 0"),
    primitive_sample("reshape", normal(0, 3), shape=(2, 0), label="empty"),
    primitive_sample("reshape", integers(4, 3, low=-5, high=5), shape=(12,), label="int"),
    primitive_sample("permute", normal(2, 3, 4), dims=(2, 0, 1)),
    primitive_sample("permute", normal(2, 3, layout="transposed"), dims=(1, 0), label="transposed"),
    primitive_sample("permute", normal(), dims=(), label="rank 0"),
    primitive_sample("permute", normal(0, 3), dims=(1, 0), label="empty"),
    primitive_sample("permute", booleans(2, 3), dims=(1, 0), label="bool"),
    primitive_sample("expand", normal(3, 1), shape=(3, 4), oracle=_expanded),
    primitive_sample("expand", normal(1, 3, 1), shape=(2, 3, 4), oracle=_expanded, label="two dims"),
    primitive_sample("expand", normal(2, 3), shape=(2, 3), oracle=_expanded, label="same"),
    primitive_sample("expand", normal(1, 2), shape=(0, 2), oracle=_expanded, label="to empty"),
    primitive_sample("expand", integers(1, low=0, high=9), shape=(3,), oracle=_expanded, label="int"),
    primitive_sample("slice", normal(5, 6), starts=(1, 0), stops=(4, 6), steps=(1, 1), oracle=_sliced),
    primitive_sample("slice", normal(5, 7), starts=(0, 1), stops=(5, 6), steps=(2, 3), oracle=_sliced, label="steps"),
    primitive_sample("slice", normal(5), starts=(2,), stops=(2,), steps=(1,), oracle=_sliced, label="empty"),
    primitive_sample("slice", normal(), starts=(), stops=(), steps=(), oracle=_sliced, label="rank 0"),
    primitive_sample(
        "slice",
        normal(4, 6, dtype="float64", layout="strided"),
        starts=(0, 2),
        stops=(4, 6),
        steps=(3, 2),
        oracle=_sliced,
        label="strided",
    ),
    primitive_sample(
        "slice_update",
        normal(5, 6),
        normal(2, 6),
        starts=(1, 0),
        stops=(3, 6),
        steps=(1, 1),
        oracle=_slice_updated,
    ),
    primitive_sample(
        "slice_update",
        normal(5, 7),
        normal(3, 2),
        starts=(0, 1),
        stops=(5, 6),
        steps=(2, 3),
        oracle=_slice_updated,
        label="steps",
    ),
    primitive_sample(
        "slice_update", normal(), normal(), starts=(), stops=(), steps=(), oracle=_slice_updated, label="rank 0"
    ),
    primitive_sample(
        "slice_update",
        integers(4, low=0, high=9),
        integers(0, low=0, high=9),
        starts=(2,),
        stops=(2,),
        steps=(1,),
        oracle=_slice_updated,
        label="empty",
    ),
    primitive_sample("alias", normal(2, 3), oracle=_identity),
    primitive_sample("alias", normal(), oracle=_identity, label="rank 0"),
    primitive_sample(DifferentiatedOnce.name, normal(2, 3), differentiable=(), oracle=_identity),
    primitive_sample("detach", normal(2, 3), oracle=_identity, differentiable=()),
    primitive_sample("reinterpret", normal(3, 4), dtype=int32, oracle=_reinterpreted, differentiable=()),
    primitive_sample("reinterpret", normal(3, 4), dtype=int64, oracle=_reinterpreted, differentiable=(), label="wider"),
    primitive_sample("reinterpret", normal(3, 4), dtype=uint8, oracle=_reinterpreted, differentiable=(), label="bytes"),
    primitive_sample("flip", normal(3, 4), dims=(0,)),
    primitive_sample("flip", normal(3, 4, 2, layout="transposed"), dims=(0, 2), label="two dims"),
    primitive_sample("flip", normal(0, 2), dims=(0, 1), label="empty"),
    primitive_sample("flip", integers(5, low=-9, high=9, dtype="int32"), dims=(0,), label="int"),
)
