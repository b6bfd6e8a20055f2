"""Random images, to try a program without data.

Source: https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.FakeData.html
"""

from __future__ import annotations

from typing import Any

from graphc.creation import from_numpy
from graphc.randomness.stream import RandomStream
from graphc.vision.datasets.vision import Transform, VisionDataset
from graphc.vision.transforms.functional import to_pil_image

__all__ = ["FakeData"]


class FakeData(VisionDataset):
    """PIL images of noise with random numbers of classes; sample i is always the same.

    Args:
        size: how many samples.
        image_size: channels, height, and width.
        num_classes: of the targets.
        transform: called with an image.
        target_transform: called with a target.
        random_offset: added to the index to give the seed of a sample.
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        random_offset: int = 0,
    ):
        super().__init__(transform=transform, target_transform=target_transform)
        self.size = size
        self.num_classes = num_classes
        self.image_size = image_size
        self.random_offset = random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if index >= len(self):
            raise IndexError(f"{type(self).__name__} index out of range")
        stream = RandomStream(index + self.random_offset)
        image = to_pil_image(from_numpy(stream.normal(self.image_size)))
        return self._transformed(image, int(stream.integers(0, self.num_classes, (1,))[0]))

    def __len__(self) -> int:
        return self.size
