"""The error for a name that is not there: whose the name is, and the nearest that is there."""

from __future__ import annotations

import importlib
import operator
import pickle
import subprocess
import sys
from typing import Any

import pytest
import torch

import graphc
from graphc import missing_names
from graphc.torch_names import NAMES, SAME_MEANING


def holder(library: Any, place: str) -> Any:
    if place == "Tensor":
        return library.ones(2, 2)
    if place:
        importlib.import_module(f"{library.__name__}.{place}")
    return operator.attrgetter(place)(library) if place else library


def error_of(place: str, name: str) -> str:
    with pytest.raises(AttributeError) as caught:
        getattr(holder(graphc, place), name)
    return str(caught.value)


@pytest.mark.parametrize("place", NAMES)
def test_names_of_pytorchs_are_its_own(place: str) -> None:
    """The table lists names that PyTorch has; of those that are not here the error says so."""
    theirs = set(dir(holder(torch, place)))
    for name in NAMES[place].split():
        assert name in theirs, name
        if name not in dir(holder(graphc, place)) and not hasattr(holder(graphc, place), name):
            assert f"{name!r}: PyTorch has it, graphc does not offer it" in error_of(place, name)


@pytest.mark.parametrize("place", ["linalg", "fft", "special", "nn", "nn.utils", "optim", "Tensor"])
def test_the_table_is_whole(place: str) -> None:
    """Of what PyTorch offers in a namespace, all is here or is in the table."""
    theirs, own = holder(torch, place), holder(graphc, place)
    names = getattr(theirs, "__all__", None) or dir(theirs)
    missing = {name for name in names if name[0] != "_" and name not in dir(own) and not hasattr(own, name)}
    # These raise there: they are removed.
    removed = {"eig", "lstsq", "matrix_rank", "solve", "symeig"} if place == "Tensor" else set()
    assert missing - removed - {"Tensor", "common_notes"} <= set(NAMES.get(place, "").split())


@pytest.mark.parametrize("name", SAME_MEANING)
def test_what_other_names_mean_is_there(name: str) -> None:
    """The table of other names leads to names that are here."""
    assert operator.attrgetter(SAME_MEANING[name])(graphc) is not None


@pytest.mark.parametrize(
    ("place", "name", "nearest"),
    [
        ("", "potrf", "graphc.linalg.cholesky"),
        ("Tensor", "gels", "graphc.linalg.lstsq"),
        ("", "Linear", "graphc.nn.Linear"),
        ("", "Adam", "graphc.optim.Adam"),
        ("", "sofmax", "softmax"),
        ("Tensor", "gelu", "graphc.nn.functional.gelu"),
        ("Tensor", "unsqeeze", "unsqueeze"),
        ("nn", "Conv2D", "Conv2d"),
        ("nn", "relu", "ReLU"),
        ("nn", "batch_norm_2d", "BatchNorm2d"),
        ("nn.functional", "CrossEntropy", "cross_entropy"),
        ("nn.init", "xavier_unifrom_", "xavier_uniform_"),
        ("linalg", "choleski", "cholesky"),
        ("fft", "fftshif", "fftshift"),
        ("special", "erfc_x", "erfcx"),
        ("optim", "adam_w", "AdamW"),
        ("optim.lr_scheduler", "StepLr", "StepLR"),
        ("cuda", "is_avaliable", "is_available"),
        ("autograd", "Grad", "grad"),
        ("distributions", "Norml", "Normal"),
        ("utils.data", "dataloadr", "DataLoader"),
    ],
)
def test_the_nearest_name(place: str, name: str, nearest: str) -> None:
    """A name of the same meaning, of the same letters, of another namespace, or of the closest spelling."""
    assert error_of(place, name).endswith(f"graphc does not offer it; the nearest name there is {nearest!r}")


def test_nothing_is_near() -> None:
    """Where nothing is near, nothing is named; private names are refused without words about them."""
    assert error_of("", "qqqxyz").endswith("has no attribute 'qqqxyz': graphc does not offer it")
    assert error_of("Tensor", "_qqq") == "'Tensor' object has no attribute '_qqq'"
    assert not hasattr(graphc.ones(1), "__array_struct__")


def test_errors_of_properties_stay() -> None:
    """An AttributeError within a property of a derived class is not taken for the property's absence."""

    class Holder(graphc.Tensor):
        @property
        def part(self) -> Any:
            return self.other_part

    value = graphc.ones(2).as_subclass(Holder)
    with pytest.raises(AttributeError, match="other_part"):
        _ = value.part


def test_names_as_torch() -> None:
    """In PyTorch's place the words name torch."""
    code = """
import graphc
from graphc import missing_names
graphc.install_as_torch()
import torch
for holder, name in ((torch, "gesv"), (torch.linalg, "choleski"), (torch.ones(1), "gelu")):
    try:
        getattr(holder, name)
    except AttributeError as error:
        print(error)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert found.splitlines() == [
        "module 'torch' has no attribute 'gesv': graphc does not offer it; the nearest name there is "
        "'torch.linalg.solve'",
        "module 'torch.linalg' has no attribute 'choleski': graphc does not offer it; the nearest name there is "
        "'cholesky'",
        "'Tensor' object has no attribute 'gelu': graphc does not offer it; the nearest name there is "
        "'torch.nn.functional.gelu'",
    ]


def test_asking_whether_something_is_there_explains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """hasattr() and getattr() with a default look for no nearest name, which would load every namespace; the error that
    is shown does, and is an AttributeError by name and by pickle."""
    asked = []
    explained = missing_names._explained
    monkeypatch.setattr(missing_names, "_explained", lambda *given: asked.append(given) or explained(*given))
    assert not hasattr(graphc.ones(2), "named_parameters")
    assert getattr(graphc, "no_such_function", None) is None
    assert not asked
    with pytest.raises(AttributeError, match="nearest name there is 'tan'") as caught:
        graphc.ones(2).tahn  # noqa: B018
    assert len(asked) >= 1
    assert (type(caught.value).__qualname__, type(caught.value).__module__) == ("AttributeError", "builtins")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again)) == (AttributeError, str(caught.value))
