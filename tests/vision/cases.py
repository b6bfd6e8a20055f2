"""What is tried on both libraries, and what is kept of the results: the same code runs on torchvision and graphc.

``record.py`` keeps what torchvision gives in ``recorded_*.json``; the tests compare graphc with that.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from typing import Any

import numpy as np

# -- transforms ------------------------------------------------------------------------------------------------------

PIXELS = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)
SAMPLES = 12


def image(kind: str, torch: Any) -> Any:
    """An image of a kind: of PIL, with or without colours, or a tensor of the library."""
    planes = np.ascontiguousarray(PIXELS.transpose(2, 0, 1))
    fractions = (planes / 255).astype(np.float32)
    if kind in ("pil", "gray"):
        from PIL import Image

        return Image.fromarray(PIXELS if kind == "pil" else PIXELS[:, :, 0])
    if kind == "bytes":
        return torch.from_numpy(planes)
    if kind == "floats":
        return torch.from_numpy(fractions)
    return torch.from_numpy(np.stack([fractions, fractions[:, ::-1]]))


KINDS = ("pil", "gray", "bytes", "floats", "batch")


def mode(transforms: Any, name: str) -> Any:
    """A mode of interpolation of the library."""
    return transforms.InterpolationMode[name]


# By name what makes a transform, given the library's transforms.
TRANSFORMS: dict[str, Callable[[Any], Any]] = {
    "resize": lambda T: T.Resize(20),
    "resize_pair": lambda T: T.Resize((20, 70)),
    "resize_max_size": lambda T: T.Resize(20, max_size=25),
    "resize_nearest": lambda T: T.Resize(20, interpolation=mode(T, "NEAREST")),
    "resize_nearest_exact": lambda T: T.Resize(20, interpolation=mode(T, "NEAREST_EXACT")),
    "resize_bicubic": lambda T: T.Resize((60, 20), interpolation=mode(T, "BICUBIC")),
    "resize_not_antialiased": lambda T: T.Resize((60, 20), antialias=False),
    "resize_bicubic_not_antialiased": lambda T: T.Resize((20, 70), interpolation=mode(T, "BICUBIC"), antialias=False),
    "center_crop": lambda T: T.CenterCrop(22),
    "center_crop_taller": lambda T: T.CenterCrop((50, 20)),
    "center_crop_larger": lambda T: T.CenterCrop((50, 60)),
    "pad": lambda T: T.Pad(3),
    "pad_fill": lambda T: T.Pad((1, 2, 3, 4), fill=7),
    "pad_edge": lambda T: T.Pad((1, 2), padding_mode="edge"),
    "pad_reflect": lambda T: T.Pad((1, 2, 3, 4), padding_mode="reflect"),
    "pad_symmetric": lambda T: T.Pad(5, padding_mode="symmetric"),
    "random_crop": lambda T: T.RandomCrop(20),
    "random_crop_padding": lambda T: T.RandomCrop((32, 32), padding=4),
    "random_crop_if_needed": lambda T: T.RandomCrop((60, 60), pad_if_needed=True, padding_mode="reflect"),
    "horizontal_flip": lambda T: T.RandomHorizontalFlip(),
    "vertical_flip": lambda T: T.RandomVerticalFlip(0.7),
    "perspective": lambda T: T.RandomPerspective(p=1),
    "perspective_fill": lambda T: T.RandomPerspective(p=1, fill=9, interpolation=mode(T, "NEAREST")),
    "resized_crop": lambda T: T.RandomResizedCrop(16),
    "resized_crop_fallback": lambda T: T.RandomResizedCrop((16, 30), scale=(0.9, 1.5), ratio=(3, 4)),
    "five_crop": lambda T: T.FiveCrop(16),
    "ten_crop": lambda T: T.TenCrop((16, 10), vertical_flip=True),
    "rotation": lambda T: T.RandomRotation(40),
    "rotation_expand": lambda T: T.RandomRotation((10, 60), expand=True, interpolation=mode(T, "BILINEAR")),
    "rotation_center": lambda T: T.RandomRotation(40, center=(3, 4), fill=20),
    "affine": lambda T: T.RandomAffine(30, translate=(0.1, 0.2), scale=(0.7, 1.4), shear=10),
    "affine_shears": lambda T: T.RandomAffine(
        (5, 9), shear=(1, 2, 3, 4), interpolation=mode(T, "BILINEAR"), fill=3, center=(5, 6)
    ),
    "elastic": lambda T: T.ElasticTransform(),
    "jitter": lambda T: T.ColorJitter(0.4, 0.4, 0.4, 0.3),
    "jitter_brightness": lambda T: T.ColorJitter(brightness=(0.5, 2)),
    "jitter_hue": lambda T: T.ColorJitter(hue=0.5),
    "grayscale": lambda T: T.Grayscale(),
    "grayscale_three": lambda T: T.Grayscale(3),
    "random_grayscale": lambda T: T.RandomGrayscale(0.6),
    "erasing": lambda T: T.RandomErasing(1.0),
    "erasing_random": lambda T: T.RandomErasing(0.8, value="random"),
    "erasing_values": lambda T: T.RandomErasing(1.0, scale=(0.1, 0.2), value=(1.0, 2.0, 3.0)),
    "blur": lambda T: T.GaussianBlur(5),
    "blur_sigma": lambda T: T.GaussianBlur((3, 7), sigma=1.3),
    "invert": lambda T: T.RandomInvert(),
    "posterize": lambda T: T.RandomPosterize(3, 1.0),
    "solarize": lambda T: T.RandomSolarize(0.5, 1.0),
    "solarize_bytes": lambda T: T.RandomSolarize(128, 1.0),
    "sharper": lambda T: T.RandomAdjustSharpness(2.5, 1.0),
    "blunter": lambda T: T.RandomAdjustSharpness(0.2, 1.0),
    "autocontrast": lambda T: T.RandomAutocontrast(1.0),
    "equalize": lambda T: T.RandomEqualize(1.0),
    "to_tensor": lambda T: T.ToTensor(),
    "pil_to_tensor": lambda T: T.PILToTensor(),
    "to_pil_image": lambda T: T.ToPILImage(),
    "normalize": lambda T: T.Normalize((0.5, 0.4, 0.3), (0.2, 0.3, 0.4)),
    "normalize_one": lambda T: T.Normalize([0.5], [0.2]),
    "normalize_by_zero": lambda T: T.Normalize([0.5], [0]),
    "random_apply": lambda T: T.RandomApply([T.Pad(1), T.Pad(2)], p=0.6),
    "random_choice": lambda T: T.RandomChoice([T.Pad(1), T.Pad(2), T.Pad(3)], p=[1, 2, 3]),
    "random_order": lambda T: T.RandomOrder([T.Pad(1), T.CenterCrop(12), T.Pad(3)]),
    "training": lambda T: T.Compose(
        [T.RandomResizedCrop(24), T.RandomHorizontalFlip(), T.ToTensor(), T.Normalize([0.5] * 3, [0.5] * 3)]
    ),
    "testing": lambda T: T.Compose([T.Resize(30), T.CenterCrop(24), T.PILToTensor()]),
    "autoaugment": lambda T: T.AutoAugment(),
    "autoaugment_cifar": lambda T: T.AutoAugment(T.AutoAugmentPolicy.CIFAR10),
    "autoaugment_svhn": lambda T: T.AutoAugment(T.AutoAugmentPolicy.SVHN, fill=5),
    "randaugment": lambda T: T.RandAugment(),
    "trivial_augment": lambda T: T.TrivialAugmentWide(),
    "augmix": lambda T: T.AugMix(),
    "augmix_severe": lambda T: T.AugMix(alpha=0.4, all_ops=False, severity=7),
    "bad_resize": lambda T: T.Resize((1, 2, 3)),
    "bad_blur": lambda T: T.GaussianBlur(4),
    "bad_jitter": lambda T: T.ColorJitter(hue=0.7),
    "bad_crop": lambda T: T.RandomCrop(100),
    "bad_rotation": lambda T: T.RandomRotation(-4),
    "bad_pad": lambda T: T.Pad((1, 2, 3)),
    "bad_five_crop": lambda T: T.FiveCrop(60),
    "bad_erasing": lambda T: T.RandomErasing(2.0),
    "bad_affine": lambda T: T.RandomAffine(3, translate=(2, 0)),
}

SEEDS = {"autoaugment": 4, "autoaugment_cifar": 4, "autoaugment_svhn": 4, "randaugment": 6, "trivial_augment": 8}


def summary(result: Any) -> list[dict[str, Any]]:
    """Shape, dtype, mean, and some values of an image or of several."""
    if isinstance(result, tuple | list):
        return [part for item in result for part in summary(item)]
    array = result.numpy() if hasattr(result, "numpy") else np.asarray(result)
    flat = array.reshape(-1).astype(np.float64)
    places = np.linspace(0, flat.size - 1, SAMPLES).astype(int)
    return [
        {
            "shape": list(array.shape),
            "dtype": array.dtype.name,
            "mean": round(float(flat.mean()), 6),
            "values": [round(float(value), 6) for value in flat[places]],
        }
    ]


def tried(name: str, kind: str, torch: Any, transforms: Any) -> list[Any]:
    """For each seed what a transform makes of an image and what random number comes next, or the error's class and
    text."""
    outcomes: list[Any] = []
    for seed in range(SEEDS.get(name, 1)):
        torch.manual_seed(seed)
        random.seed(seed)
        try:
            parts = summary(TRANSFORMS[name](transforms)(image(kind, torch)))
        except (AttributeError, RuntimeError, TypeError, ValueError, NotImplementedError) as error:
            return [{"error": type(error).__name__, "text": str(error)}]
        outcomes.append({"parts": parts, "next": round(float(torch.rand(1)), 6)})
    return outcomes


# By name what makes a transform of samples, given torchvision's transforms.v2 or graphc's, and the library.
SAMPLED: dict[str, Callable[[Any, Any], Any]] = {
    "resize": lambda T, torch: T.Resize(3),
    "resize_pair": lambda T, torch: T.Resize((3, 4), antialias=None),
    "center_crop": lambda T, torch: T.CenterCrop(3),
    "pad": lambda T, torch: T.Pad(3),
    "random_crop": lambda T, torch: T.RandomCrop(3, padding=4),
    "flip": lambda T, torch: T.RandomHorizontalFlip(0.6),
    "resized_crop": lambda T, torch: T.RandomResizedCrop(30),
    "rotation": lambda T, torch: T.RandomRotation(3),
    "affine": lambda T, torch: T.RandomAffine(3, translate=(0.1, 0.1)),
    "perspective": lambda T, torch: T.RandomPerspective(),
    "elastic": lambda T, torch: T.ElasticTransform(),
    "jitter": lambda T, torch: T.ColorJitter(0.1, hue=0.1),
    "grayscale": lambda T, torch: T.Grayscale(),
    "blur": lambda T, torch: T.GaussianBlur(3),
    "posterize": lambda T, torch: T.RandomPosterize(3),
    "to_image": lambda T, torch: T.ToImage(),
    "to_tensor": lambda T, torch: T.PILToTensor(),
    "rgb": lambda T, torch: T.RGB(),
    "identity": lambda T, torch: T.Identity(),
    "random_apply": lambda T, torch: T.RandomApply([T.Pad(1), T.CenterCrop(9)], p=0.7),
    "random_order": lambda T, torch: T.RandomOrder([T.Pad(1), T.CenterCrop(9), T.Pad(2)]),
    "training": lambda T, torch: T.Compose(
        [
            T.RandomResizedCrop(24),
            T.RandomHorizontalFlip(),
            T.ToImage(),
            T.ToDtype(torch.float32, scale=True),
            T.Normalize([0.5] * 3, [0.5] * 3),
            T.RandomErasing(1.0),
        ]
    ),
}


def tried_sample(name: str, torch: Any, transforms: Any) -> dict[str, Any]:
    """How a transform of samples is shown, what it makes of the image in one, and the random number that comes next."""
    transform = SAMPLED[name](transforms, torch)
    torch.manual_seed(0)
    sample = transform({"image": image("pil", torch), "labels": [3, "three"]})
    return {
        "repr": repr(transform),
        "parts": summary(sample["image"]),
        "rest": sample["labels"],
        "next": round(float(torch.rand(1)), 6),
    }


# -- models ----------------------------------------------------------------------------------------------------------

MODELS = (
    "alexnet",
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet201",
    "googlenet",
    "inception_v3",
    "mobilenet_v2",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "squeezenet1_0",
    "squeezenet1_1",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "wide_resnet50_2",
    "wide_resnet101_2",
)

# Built with random numbers and run: name, options, and the size of the image.
RUNS: dict[str, tuple[str, dict[str, Any], int]] = {
    "resnet18": ("resnet18", {"num_classes": 10}, 64),
    "resnet18_zero": ("resnet18", {"num_classes": 10, "zero_init_residual": True}, 32),
    "resnext": ("resnext50_32x4d", {"num_classes": 4}, 32),
    "densenet121": ("densenet121", {"num_classes": 10}, 64),
    "mobilenet_v2": ("mobilenet_v2", {"num_classes": 10}, 64),
    "squeezenet1_0": ("squeezenet1_0", {"num_classes": 10}, 64),
    "squeezenet1_1": ("squeezenet1_1", {"num_classes": 10}, 64),
    "googlenet": ("googlenet", {"num_classes": 10, "init_weights": False, "transform_input": True}, 64),
    "inception_v3": ("inception_v3", {"num_classes": 10, "init_weights": False, "aux_logits": False}, 96),
}


def names_digest(model: Any) -> str:
    """A digest of the names, shapes, and dtypes of a model's state."""
    lines = [
        f"{name} {list(value.shape)} {str(value.dtype).rpartition('.')[2]}"
        for name, value in model.state_dict().items()
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def counted(model: Any) -> dict[str, Any]:
    """How many parameters a model has, and the digest of its names."""
    return {"parameters": sum(value.numel() for value in model.parameters()), "digest": names_digest(model)}


def run_model(case: str, torch: Any, models: Any) -> dict[str, Any]:
    """What a model built from seed 0 gives for an image, and means of its parameters."""
    name, options, size = RUNS[case]
    torch.manual_seed(0)
    model = getattr(models, name)(**options)
    means = [float(value.detach().abs().mean()) for value in model.parameters()]
    model.eval()
    pixels = np.random.default_rng(1).random((2, 3, size, size), dtype=np.float32)
    with torch.no_grad():
        result = model(torch.from_numpy(pixels))
    return {"means": means, "output": result.numpy().tolist()}
