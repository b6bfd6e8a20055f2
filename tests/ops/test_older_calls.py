"""Numbers before the tensors that they scale, and numbers alone: what PyTorch still takes of its early versions."""

import warnings

import pytest
import torch

import graphc
from graphc.ops.functions import older_calls

CALLS = [
    "x.add_(-0.1, y)",
    "x.data.add_(-0.1, y)",
    "T.add(x, 2, y)",
    "T.add(x, 2, other=y)",
    "T.add(x, 2, y, out=T.empty(2, 2))",
    "x.add(2, y)",
    "x.add(T.tensor(2.0), y)",
    "x.add_(1, 2)",
    "T.sub(x, 2, y)",
    "x.sub(2, y)",
    "x.sub_(2, y)",
    "T.addcmul(x, 0.5, y, y)",
    "x.addcmul(0.5, tensor1=y, tensor2=x)",
    "x.addcmul_(0.5, y, y)",
    "T.addcdiv(x, 0.5, y, y)",
    "x.addcdiv(0.5, x, y)",
    "x.addcdiv_(0.5, y, y)",
    "T.addmm(0.5, x, 2, y, y)",
    "T.addmm(0.5, x, y, mat2=y)",
    "x.addmm(0.5, 2, y, y)",
    "x.addmm(0.5, y, y)",
    "x.addmm_(0.5, 2, y, y)",
    "x.addmm_(0.5, y, y)",
    "T.addmv(0.5, x[0], 2, y, y[0])",
    "x[0].addmv(0.5, y, y[0])",
    "x[0].addmv_(0.5, 2, y, y[0])",
    "T.addr(0.5, x, 2, y[0], y[1])",
    "x.addr(0.5, y[0], y[1])",
    "x.addr_(0.5, 2, y[0], y[1])",
    "T.baddbmm(0.5, x[None], 2, y[None], y[None])",
    "x[None].baddbmm_(0.5, y[None], y[None])",
    "T.addbmm(0.5, x, 2, y[None], y[None])",
    "x.addbmm_(0.5, 2, y[None], y[None])",
    "T.add(1, 2)",
    "T.add(True, 2)",
    "T.add(1.5, 2)",
    "T.add(1, 2, alpha=3)",
    "T.sub(1, 2)",
    "T.mul(2, 3)",
    "T.div(1, 2)",
]


def _result(library, call):
    values = {"x": library.tensor([[1.0, 2.0], [3.0, 4.0]]), "y": library.tensor([[4.0, 3.0], [2.0, 0.5]])}
    return eval(call, {"T": library, **values})


@pytest.mark.filterwarnings("ignore:This overload of")
@pytest.mark.parametrize("call", CALLS)
def test_older_forms_give_what_pytorch_gives(call):
    """Values and dtype of a call in an older form are PyTorch's."""
    result, expected = _result(graphc, call), _result(torch, call)
    assert str(result.dtype).rpartition(".")[2] == str(expected.dtype).rpartition(".")[2]
    assert torch.allclose(torch.tensor(result.tolist()).double(), expected.double())


@pytest.mark.filterwarnings("ignore:This overload of")
def test_gradients_follow_an_older_form():
    """What stands for ``alpha`` scales the gradient, and a compiled program computes the same."""
    x, y = graphc.ones(3, requires_grad=True), graphc.ones(3, requires_grad=True)
    graphc.add(x, 3, y).sum().backward()
    assert y.grad.tolist() == [3.0] * 3
    compiled = graphc.compile(lambda a, b: graphc.addcmul(a, 0.5, b, b))
    assert compiled(graphc.ones(3), graphc.ones(3) * 2).tolist() == [3.0] * 3


def test_an_older_form_warns_once(monkeypatch):
    """The first older call of a process says which form to use, at the user's line; further ones say nothing."""
    monkeypatch.setattr(older_calls, "_warned", set())
    x = graphc.ones(2)
    with pytest.warns(UserWarning, match=r"add is deprecated:\n\tadd\(Tensor input, Number alpha") as said:
        graphc.add(x, 2, x)
    assert said[0].filename.endswith("test_older_calls.py")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x.addcmul_(2, x, x)


@pytest.mark.parametrize(
    "call", ["T.add(x, 'a', y)", "T.add(x, x, 2)", "T.rsub(x, 2, y)", "T.addmm(0.5, x, y)", "x.add(2, y, alpha=2)"]
)
def test_other_forms_stay_errors(call):
    """What PyTorch refuses is refused."""
    for library in (torch, graphc):
        with pytest.raises((TypeError, RuntimeError)):
            _result(library, call)
