"""Samples of what brings images to other sizes and places: interpolation, grids, pixels and blocks, borders."""

from __future__ import annotations

from typing import Any

from tests.ops.samples.table import booleans, integers, normal, sample, uniform


def _interpolated() -> Any:
    line, image, volume = normal(2, 3, 7), normal(2, 3, 5, 4), normal(1, 2, 3, 4, 2)
    for mode in ("nearest", "nearest-exact", "area"):
        yield sample("interpolate", line, 5, mode=mode, label=f"{mode}, line")
        yield sample("interpolate", image, (8, 3), mode=mode, label=f"{mode}, image")
        yield sample("interpolate", volume, scale_factor=1.5, mode=mode, label=f"{mode}, volume")
    yield sample("interpolate", image, scale_factor=2, label="doubled")
    yield sample("interpolate", integers(1, 2, 4, 4, low=0, high=255, dtype="uint8"), 7, label="bytes")
    for corners in (False, True):
        ends = "corners" if corners else "areas"
        yield sample("interpolate", line, 11, mode="linear", align_corners=corners, label=f"linear, {ends}")
        yield sample("interpolate", image, (3, 9), mode="bilinear", align_corners=corners, label=f"bilinear, {ends}")
        yield sample("interpolate", image, (7, 6), mode="bicubic", align_corners=corners, label=f"bicubic, {ends}")
        yield sample("interpolate", volume, 5, mode="trilinear", align_corners=corners, label=f"trilinear, {ends}")
    for mode in ("bilinear", "bicubic", "lanczos"):
        yield sample("interpolate", image, (2, 6), mode=mode, antialias=True, label=f"{mode}, smooth")
    yield sample("interpolate", image, scale_factor=(1.3, 0.6), mode="bilinear", label="scales")
    yield sample(
        "interpolate", image, scale_factor=1.7, mode="bilinear", recompute_scale_factor=True, label="recomputed"
    )
    byte = integers(1, 2, 6, 5, low=0, high=255, dtype="uint8")
    yield sample("interpolate", byte, 9, mode="bicubic", label="bicubic, bytes")
    yield sample("interpolate", image, (5, 4), mode="bilinear", label="as it is")
    yield sample("upsample", image, scale_factor=2)
    yield sample("upsample_nearest", image, 7)
    yield sample("upsample_bilinear", image, 7)


def _sampled() -> Any:
    image, volume = normal(2, 3, 4, 5), normal(1, 2, 3, 4, 3)
    places = uniform(2, 3, 2, 2, low=-1.4, high=1.4)
    spaces = uniform(1, 2, 2, 3, 3, low=-1.4, high=1.4)
    for border in ("zeros", "border", "reflection"):
        for corners in (False, True):
            ends = "corners" if corners else "areas"
            for mode in ("bilinear", "nearest", "bicubic"):
                label = f"{mode}, {border}, {ends}"
                # Between the pixels it is smooth, and everywhere but at single places of the grid differentiable.
                yield sample("grid_sample", image, places, mode, border, corners, smooth=mode != "nearest", label=label)
        yield sample("grid_sample", volume, spaces, "bilinear", border, False, label=f"volume, {border}")
        yield sample(
            "grid_sample", volume, spaces, "nearest", border, True, smooth=False, label=f"volume, nearest, {border}"
        )
    yield sample("grid_sampler", image, places, 0, 1, True)
    yield sample("grid_sampler_2d", image, places, 2, 0, False)
    yield sample("grid_sampler_3d", volume, spaces, 0, 0, False)
    yield sample("affine_grid", normal(2, 2, 3), (2, 1, 3, 4), True)
    yield sample("affine_grid", normal(2, 2, 3), (2, 1, 3, 1), False, label="areas")
    yield sample("affine_grid", normal(1, 3, 4), (1, 1, 2, 3, 4), False, label="volume")
    yield sample("affine_grid_generator", normal(2, 2, 3), (2, 1, 3, 4), True)


_REARRANGED = (
    sample("pixel_shuffle", normal(2, 8, 3, 2), 2),
    sample("pixel_shuffle", normal(9, 2, 2), 3, label="alone"),
    sample("pixel_unshuffle", normal(2, 2, 4, 6), 2),
    sample("channel_shuffle", normal(2, 6, 3, 2), 3),
    sample("channel_shuffle", normal(2, 6, 3), 1, label="one group"),
    sample("native_channel_shuffle", normal(2, 6, 3, 2), 2, differentiable=()),
    sample("nn.functional.unfold", normal(2, 3, 5, 4), 2),
    sample("nn.functional.unfold", normal(3, 6, 5), (2, 3), (2, 1), (1, 2), (1, 2), label="geometry"),
    sample("nn.functional.unfold", booleans(1, 1, 3, 3), 2, padding=1, label="bool"),
    sample("nn.functional.fold", normal(2, 8, 12), (5, 4), 2),
    sample("nn.functional.fold", normal(12, 6), (3, 5), (2, 3), 1, (1, 0), (2, 1), label="geometry"),
)


def _bordered() -> Any:
    line, image, volume = normal(2, 3, 4), normal(2, 3, 4, 5), normal(1, 2, 3, 4, 3)
    for mode in ("reflect", "replicate", "circular"):
        yield sample("pad", line, (2, 1), mode=mode, label=f"{mode}, line")
        yield sample("pad", image, (1, 2, 0, 3), mode=mode, label=f"{mode}, image")
        yield sample("pad", volume, (1, 1, 0, 2, 1, 0), mode=mode, label=f"{mode}, volume")
        yield sample("pad", image, (-1, 1, 2, -2), mode=mode, label=f"{mode}, cut")
    yield sample("pad", integers(2, 3, low=-9, high=9), (1, 1), mode="reflect", label="reflect, int")
    yield sample("constant_pad_nd", image, (1, -2, 0, 1), 1.5)
    yield sample("constant_pad_nd", image, (), label="nothing")


SAMPLES = (*_interpolated(), *_sampled(), *_REARRANGED, *_bordered())
