"""Names that PyTorch has for arguments and results of some functions besides the usual ones."""

import pickle

import pytest
import torch

import graphc

CALLS = [
    "x.split(split_size=2)[1]",
    "x.split(split_size=[1, 2], dim=0)[0]",
    "T.split(x, split_size_or_sections=2)[0]",
    "T.dropout(x, p=0.5, train=False)",
    "T.alpha_dropout(input=x, p=0.5, train=False)",
    "T.feature_alpha_dropout(x, p=0.5, train=False)",
    "T.zeros(3).copy_(other=x)",
    "T.zeros(3).copy_(other=x, non_blocking=True)",
]


@pytest.mark.parametrize("call", CALLS)
def test_arguments_have_pytorchs_names(call):
    """A call by those names gives what PyTorch gives."""
    results = [eval(call, {"T": library, "x": library.tensor([1.0, 2.0, 3.0])}) for library in (graphc, torch)]
    assert results[0].tolist() == results[1].tolist()


def test_dropout_by_pytorchs_name_draws_the_same_numbers():
    """``train=True`` drops what PyTorch drops."""
    found = []
    for library in (graphc, torch):
        library.manual_seed(3)
        found.append(library.dropout(library.ones(8), p=0.5, train=True).tolist())
    assert found[0] == found[1]


def test_a_gradient_can_be_deleted():
    """``del x.grad`` leaves None, where there was a gradient and where there was none."""
    for library in (graphc, torch):
        x = library.ones(2, requires_grad=True)
        x.sum().backward()
        for _ in range(2):
            del x.grad
            assert x.grad is None


@pytest.mark.parametrize("name", ["max", "min", "sort", "topk", "kthvalue", "mode", "median", "cummax"])
def test_results_written_to_tensors_have_names_of_their_own(name):
    """With ``out=`` the class of the results is PyTorch's, with the same fields, and it can be pickled."""
    kinds = []
    for library in (graphc, torch):
        out = (library.empty(0), library.empty(0, dtype=library.int64))
        arguments = {"topk": (2,), "kthvalue": (1,)}.get(name, (0,))
        result = getattr(library, name)(library.tensor([[1.0, 2.0], [0.0, 4.0]]), *arguments, out=out)
        assert result.values is out[0]
        assert result.indices is out[1]
        assert repr(result).startswith(f"torch.return_types.{name}_out(")
        assert type(result) is getattr(library.return_types, f"{name}_out")
        kinds.append(type(result).__name__)
    assert kinds[0] == kinds[1]
    kind = getattr(graphc.return_types, f"{name}_out")
    assert pickle.loads(pickle.dumps(kind(1, 2))) == kind(1, 2)


def test_a_class_of_results_that_is_not_there():
    """An unknown name is an AttributeError that tells it."""
    with pytest.raises(AttributeError, match="nothing_out"):
        graphc.return_types.nothing_out  # noqa: B018
