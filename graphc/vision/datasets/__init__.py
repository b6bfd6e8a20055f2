"""Data sets of images that lie on disk, as in ``torchvision.datasets``. Nothing is downloaded."""

from graphc.missing_names import lazy_names
from graphc.vision.datasets.cifar import CIFAR10, CIFAR100
from graphc.vision.datasets.fakedata import FakeData
from graphc.vision.datasets.folder import DatasetFolder, ImageFolder
from graphc.vision.datasets.mnist import EMNIST, KMNIST, MNIST, FashionMNIST
from graphc.vision.datasets.vision import StandardTransform, VisionDataset

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "EMNIST",
    "KMNIST",
    "MNIST",
    "DatasetFolder",
    "FakeData",
    "FashionMNIST",
    "ImageFolder",
    "StandardTransform",
    "VisionDataset",
]

__getattr__ = lazy_names(__name__)
