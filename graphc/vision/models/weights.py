"""Trained weights: which files hold them, where they are looked for, and how models ask for them.

Nothing is downloaded. Sources: https://docs.pytorch.org/vision/stable/models.html
"""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from graphc.nn.module import Module
from graphc.runtime.cache import cache_folder
from graphc.serialization import load

__all__ = [
    "Weights",
    "WeightsEnum",
    "builder",
    "checkpoint_folders",
    "get_model",
    "get_model_builder",
    "get_model_weights",
    "get_weight",
    "imagenet",
    "list_models",
    "loaded",
]

_ADDRESS = "https://download.pytorch.org/models/"
_CLASSES = 1000

Built = TypeVar("Built", bound=Module)

_builders: dict[str, Callable[..., Module]] = {}
_weights: dict[str, type[WeightsEnum]] = {}


@dataclass(frozen=True)
class Weights:
    """A checkpoint, and what its model expects of an image.

    Attributes:
        url: where PyTorch offers the file; its last part is the file's name.
        transforms: called without arguments, gives the preparation of an image.
        meta: what else is known, such as the number of classes.
    """

    url: str
    transforms: Callable[[], Any] = field(compare=False)
    meta: Mapping[str, Any] = field(compare=False)


def imagenet(file: str, *, crop: int = 224, resize: int = 256) -> Weights:
    """A checkpoint trained on ImageNet's 1000 classes, for images resized and then cropped to so many pixels."""

    def transforms() -> Any:
        from graphc.vision.transforms.presets import ImageClassification

        return ImageClassification(crop_size=crop, resize_size=resize)

    return Weights(_ADDRESS + file, transforms, {"num_classes": _CLASSES})


class WeightsEnum(Enum):
    """The checkpoints of one model."""

    @property
    def url(self) -> str:
        return self.value.url

    @property
    def transforms(self) -> Callable[[], Any]:
        return self.value.transforms

    @property
    def meta(self) -> Mapping[str, Any]:
        return self.value.meta

    @property
    def file(self) -> str:
        """The name of the checkpoint's file."""
        return self.url.rpartition("/")[2]

    @classmethod
    def verify(cls, given: Any) -> WeightsEnum | None:
        """The member for a member, its name, or None.

        Raises TypeError for anything else, KeyError for a name that is no member's.
        """
        if given is None or isinstance(given, cls):
            return given
        if isinstance(given, str):
            name = given.removeprefix(f"{cls.__name__}.")
            if name not in cls.__members__:
                raise KeyError(f"{cls.__name__} has no {given!r}: expected one of {', '.join(cls.__members__)}")
            return cls[name]
        raise TypeError(f"Invalid Weight class provided; expected {cls.__name__} but received {type(given).__name__}.")

    def get_state_dict(self, progress: bool = True, check_hash: bool = False) -> Mapping[str, Any]:
        """The checkpoint's values by name, read from the first folder that has the file.

        Raises FileNotFoundError, which says where to put it, when none has.
        """
        folders = checkpoint_folders()
        for folder in folders:
            path = folder / self.file
            if path.is_file():
                return load(path, map_location="cpu", weights_only=True)
        raise FileNotFoundError(
            f"the weights {self!r} are not on this machine, and graphc downloads nothing: put the file {self.file} "
            f"(from {self.url}) into {folders[0]}; looked in {', '.join(map(str, folders))}"
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"

    __str__ = __repr__


def checkpoint_folders() -> list[Path]:
    """Where checkpoints are looked for: ``checkpoints`` in graphc's cache folder, then where PyTorch keeps them."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    pytorch = Path(os.environ.get("TORCH_HOME") or Path(base) / "torch").expanduser()
    return [cache_folder() / "checkpoints", pytorch / "hub" / "checkpoints"]


def builder(kind: type[WeightsEnum]) -> Callable[[Callable[..., Built]], Callable[..., Built]]:
    """Make a function of a checkpoint's values (None: none) and options into one that is told which checkpoint.

    The result takes ``weights`` (a member of ``kind``, its name, or None), ``progress``, the older ``pretrained``, and
    the options. With weights, the number of classes is theirs.
    """

    def decorate(build: Callable[..., Built]) -> Callable[..., Built]:
        @functools.wraps(build)
        def built(*older: bool, weights: Any = None, progress: bool = True, **options: Any) -> Built:
            chosen = kind.verify(_from_older(kind, older, weights, options))
            if chosen is None:
                return build(None, **options)
            classes = options.setdefault("num_classes", _CLASSES)
            if classes != _CLASSES:
                raise ValueError(f"The parameter 'num_classes' expected value {_CLASSES} but got {classes} instead.")
            return build(chosen.get_state_dict(progress), **options)

        # Whoever asks for the signature means the function that is called.
        del built.__wrapped__
        _builders[build.__name__] = built
        _weights[build.__name__] = kind
        return built

    return decorate


def _from_older(kind: type[WeightsEnum], older: tuple[Any, ...], weights: Any, options: dict[str, Any]) -> Any:
    """What ``pretrained=True``, or True or an older positional argument, means in terms of ``weights``."""
    if len(older) > 1:
        raise TypeError(f"expected at most one argument without a name, 'weights', but got {len(older)}")
    if older:
        weights = older[0]
    if "pretrained" in options:
        warnings.warn(
            "The parameter 'pretrained' is deprecated since 0.13 and may be removed in the future, please use "
            "'weights' instead.",
            stacklevel=3,
        )
        weights = options.pop("pretrained")
    if not isinstance(weights, bool):
        return weights
    first = next(iter(kind)) if weights else None
    newest = f" You can also use `weights={kind.__name__}.DEFAULT` to get the most up-to-date weights."
    warnings.warn(
        "Arguments other than a weight enum or `None` for 'weights' are deprecated since 0.13 and may be removed in "
        f"the future. The current behavior is equivalent to passing `weights={first}`.{newest if first else ''}",
        stacklevel=3,
    )
    return first


def loaded(model: Built, values: Mapping[str, Any] | None) -> Built:
    """The model with a checkpoint's values, where there are some."""
    if values is not None:
        model.load_state_dict(values)
    return model


def get_model_builder(name: str) -> Callable[..., Module]:
    """The function that builds a model. Raises ValueError for a name that is no model's."""
    name = name.lower()
    if name not in _builders:
        raise ValueError(f"Unknown model {name}")
    return _builders[name]


def get_model(name: str, **options: Any) -> Module:
    """A model by name, with the options of its function. Raises ValueError for a name that is no model's."""
    return get_model_builder(name)(**options)


def get_model_weights(name: str | Callable[..., Module]) -> type[WeightsEnum]:
    """The checkpoints of a model, given by name or function. Raises ValueError for a name that is no model's."""
    name = name if isinstance(name, str) else name.__name__
    get_model_builder(name)
    return _weights[name.lower()]


def get_weight(name: str) -> WeightsEnum:
    """A checkpoint by its full name, such as ``"ResNet50_Weights.IMAGENET1K_V2"``. Raises ValueError for others."""
    kind, _, member = name.partition(".")
    found = next((weights for weights in _weights.values() if weights.__name__ == kind), None)
    if found is None or member not in found.__members__:
        raise ValueError(f"no weights are called {name!r}: expected a name such as 'ResNet18_Weights.DEFAULT'")
    return found[member]


def list_models() -> list[str]:
    """The names of all models, sorted."""
    return sorted(_builders)
