"""Products and matrices beyond the op table: errors in PyTorch's words, odd arguments, random equations for einsum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc
from tests.ops.both import assert_same_error, assert_same_value

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:torch", "ignore:Using torch.cross")


def _einsum(equation: str, *shapes: tuple[int, ...]) -> Any:
    return lambda t: t.einsum(equation, *(t.ones(shape) for shape in shapes))


ERRORS = {
    "matmul of matrices": lambda t: t.ones(2, 3) @ t.ones(4, 5),
    "matmul of vectors": lambda t: t.ones(3) @ t.ones(4),
    "matmul of vector and matrix": lambda t: t.ones(3) @ t.ones(4, 5),
    "matmul of matrix and vector": lambda t: t.ones(2, 3) @ t.ones(4),
    "matmul of batches": lambda t: t.ones(2, 2, 3) @ t.ones(2, 4, 3),
    "matmul of numbers": lambda t: t.matmul(t.ones(()), t.ones(3)),
    "matmul dtypes of matrices": lambda t: t.ones(2, 3) @ t.ones(3, 2).long(),
    "matmul dtypes of vectors": lambda t: t.ones(3) @ t.ones(3).long(),
    "matmul dtypes of matrix and vector": lambda t: t.ones(2, 3) @ t.ones(3).long(),
    "matmul dtypes of vector and matrix": lambda t: t.ones(3) @ t.ones(3, 2).long(),
    "matmul dtypes of batches": lambda t: t.ones(2, 2, 3) @ t.ones(2, 3, 2).long(),
    "matmul dtypes of batch and matrix": lambda t: t.ones(2, 2, 3) @ t.ones(3, 2).long(),
    "matmul dtypes of matrix and batch": lambda t: t.ones(2, 3) @ t.ones(2, 3, 2).long(),
    "matmul of bool": lambda t: t.ones(2, 2).bool() @ t.ones(2, 2).bool(),
    "matmul of bool vectors": lambda t: t.ones(2).bool() @ t.ones(2).bool(),
    "matmul of bool batches": lambda t: t.ones(2, 2, 2).bool() @ t.ones(2, 2, 2).bool(),
    "mm of a vector": lambda t: t.mm(t.ones(2), t.ones(2, 2)),
    "mv dtypes": lambda t: t.mv(t.ones(2, 3), t.ones(3).long()),
    "dot of a matrix": lambda t: t.dot(t.ones(2, 3), t.ones(3)),
    "dot sizes": lambda t: t.dot(t.ones(2), t.ones(3)),
    "vdot sizes": lambda t: t.vdot(t.ones(2), t.ones(3)),
    "vdot dtypes": lambda t: t.vdot(t.ones(2), t.ones(2).long()),
    "inner sizes": lambda t: t.inner(t.ones(2, 3), t.ones(4, 2)),
    "inner dtypes": lambda t: t.inner(t.ones(2, 3), t.ones(3).long()),
    "outer of a matrix": lambda t: t.outer(t.ones(2, 2), t.ones(3)),
    "addmm input": lambda t: t.addmm(t.ones(2), t.ones(2, 3), t.ones(3, 3)),
    "addmm sizes": lambda t: t.addmm(t.ones(3), t.ones(2, 3), t.ones(4, 3)),
    "addmm dtypes": lambda t: t.addmm(t.ones(3).double(), t.ones(2, 3), t.ones(3, 3)),
    "addmm of a vector": lambda t: t.addmm(t.ones(3), t.ones(2), t.ones(3, 3)),
    "addmm of a batch": lambda t: t.addmm(t.ones(3), t.ones(2, 3), t.ones(3, 3, 3)),
    "addmv sizes": lambda t: t.addmv(t.ones(2), t.ones(2, 3), t.ones(4)),
    "addmv input": lambda t: t.addmv(t.ones(3), t.ones(2, 3), t.ones(3)),
    "addmv ranks": lambda t: t.addmv(t.ones(3), t.ones(2, 3, 3), t.ones(3)),
    "addmv dtypes": lambda t: t.addmv(t.ones(2), t.ones(2, 3), t.ones(3).double()),
    "addr input": lambda t: t.addr(t.ones(2, 3), t.ones(3), t.ones(3)),
    "addr of a matrix": lambda t: t.addr(t.ones(2, 3), t.ones(3, 1), t.ones(3)),
    "addr weight": lambda t: t.addr(t.ones(2, 3).long(), t.ones(2).long(), t.ones(3).long(), alpha=1.5),
    "addbmm counts": lambda t: t.addbmm(t.ones(2, 3), t.ones(4, 2, 5), t.ones(3, 5, 3)),
    "addbmm sizes": lambda t: t.addbmm(t.ones(2, 3), t.ones(4, 2, 5), t.ones(4, 4, 3)),
    "addbmm input": lambda t: t.addbmm(t.ones(2, 4), t.ones(4, 2, 5), t.ones(4, 5, 3)),
    "baddbmm input": lambda t: t.baddbmm(t.ones(2, 4), t.ones(4, 2, 5), t.ones(4, 5, 3)),
    "baddbmm dtypes": lambda t: t.baddbmm(t.ones(2, 3), t.ones(4, 2, 5), t.ones(4, 5, 3).double()),
    "baddbmm dtype of input": lambda t: t.baddbmm(t.ones(2, 3).double(), t.ones(4, 2, 5), t.ones(4, 5, 3)),
    "bmm dtypes": lambda t: t.bmm(t.ones(4, 2, 5), t.ones(4, 5, 3).double()),
    "bmm sizes": lambda t: t.bmm(t.ones(4, 2, 5), t.ones(3, 5, 3)),
    "bmm ranks": lambda t: t.bmm(t.ones(2, 5), t.ones(3, 5, 3)),
    "cross without 3": lambda t: t.cross(t.ones(2, 2), t.ones(2, 2)),
    "cdist of a vector": lambda t: t.cdist(t.ones(3), t.ones(4, 3)),
    "cdist columns": lambda t: t.cdist(t.ones(2, 3), t.ones(4, 2)),
    "cdist p": lambda t: t.cdist(t.ones(2, 3), t.ones(4, 3), p=-1),
    "cdist of integers": lambda t: t.cdist(t.ones(2, 3), t.ones(4, 3).long()),
    "cdist dtypes": lambda t: t.cdist(t.ones(4, 3), t.ones(4, 3).double()),
    "cdist mode": lambda t: t.cdist(t.ones(2, 3), t.ones(4, 3), compute_mode="x"),
    "block_diag of three dims": lambda t: t.block_diag(t.ones(2, 3, 4)),
    "cartesian_prod of a matrix": lambda t: t.cartesian_prod(t.ones(2, 2), t.ones(2)),
    "cartesian_prod dtypes": lambda t: t.cartesian_prod(t.ones(2), t.ones(2).long()),
    "combinations of a matrix": lambda t: t.combinations(t.ones(4, 2)),
    "combinations of -1": lambda t: t.combinations(t.ones(4), r=-1),
    "vander of a matrix": lambda t: t.vander(t.ones(4, 2)),
    "vander N": lambda t: t.vander(t.ones(4), N=-1),
    "diag of three dims": lambda t: t.diag(t.ones(2, 2, 2)),
    "diag of a number": lambda t: t.diag(t.ones(())),
    "diagonal of a vector": lambda t: t.diagonal(t.ones(3)),
    "diagonal along one dim": lambda t: t.diagonal(t.ones(3, 4), 0, 1, 1),
    "diagonal dims": lambda t: t.diagonal(t.ones(3, 4), 0, 1, 2),
    "diag_embed along one dim": lambda t: t.diag_embed(t.ones(3), 1, 0, 0),
    "diag_embed dims": lambda t: t.diag_embed(t.ones(3), -1, 0, 2),
    "diag_embed of a number": lambda t: t.diag_embed(t.ones(())),
    "trace of a vector": lambda t: t.ones(3).trace(),
    "trace of bool": lambda t: t.ones(3, 4).bool().trace(),
    "renorm p": lambda t: t.renorm(t.ones(3, 3), -1, 0, 1.0),
    "renorm maxnorm": lambda t: t.renorm(t.ones(3, 3), 1, 0, -1.0),
    "renorm of a vector": lambda t: t.renorm(t.ones(3), 1, 0, 1.0),
    "renorm of integers": lambda t: t.renorm(t.ones(3, 3).long(), 1, 0, 1.0),
    "renorm dim": lambda t: t.renorm(t.ones(3, 3), 1, 3, 1.0),
    "tensordot lists": lambda t: t.tensordot(t.ones(2, 3, 4), t.ones(4, 3, 5), ([2], [0, 1])),
    "tensordot sizes": lambda t: t.tensordot(t.ones(2, 3, 4), t.ones(4, 3, 5), ([2, 0], [0, 1])),
    "tensordot -1": lambda t: t.tensordot(t.ones(2, 3, 4), t.ones(4, 3, 5), -1),
    "tensordot 4": lambda t: t.tensordot(t.ones(2, 3, 4), t.ones(4, 3, 5), 4),
    "tensordot dtypes": lambda t: t.tensordot(t.ones(2, 3, 4), t.ones(4, 3, 5).double(), 0),
    "tensordot dim": lambda t: t.tensordot(t.ones(2, 3, 4), t.ones(4, 3, 5), ([3], [0])),
    "einsum size": _einsum("ij,jk->ki", (2, 3), (4, 4)),
    "einsum output twice": _einsum("ij,jk->kk", (2, 3), (3, 4)),
    "einsum unknown output": _einsum("ij,jk->kl", (2, 3), (3, 4)),
    "einsum dot in output": _einsum("ij,jk->k.", (2, 3), (3, 4)),
    "einsum dot": _einsum("ij,j.", (2, 3), (3, 4)),
    "einsum more operands": _einsum("ij", (2, 3), (3, 4)),
    "einsum fewer operands": _einsum("ij,jk,kl", (2, 3), (3, 4)),
    "einsum subscripts": _einsum("ij,jkl", (2, 3), (3, 4)),
    "einsum too many beside dots": _einsum("ijk...", (2, 3)),
    "einsum repeated": _einsum("ii->i", (3, 4)),
    "einsum vectors": _einsum("i,i", (3,), (4,)),
    "einsum dots twice": _einsum("......ij", (5, 1, 2, 3)),
    "einsum dots apart twice": _einsum("i...j...", (5, 1, 2, 3)),
    "einsum digit": _einsum("i1", (3, 3)),
    "einsum arrow twice": _einsum("ij->i->j", (3, 3)),
    "einsum half an arrow": _einsum("ij-j", (3, 3)),
    "einsum dots of two sizes": _einsum("...i,...i", (2, 3), (4, 3)),
    "einsum two dots": _einsum("i..j", (3, 4)),
    "einsum label too large": lambda t: t.einsum(t.ones(2, 3), [0, 52]),
    "einsum negative label": lambda t: t.einsum(t.ones(2, 3), [0, -1]),
    "einsum without operands": lambda t: t.einsum("ij"),
    "einsum of a number": lambda t: t.einsum("ij", 3),
    "einsum dtypes": lambda t: t.einsum("ij,jk", t.ones(2, 3), t.ones(3, 4).long()),
    "einsum of bool": lambda t: t.einsum("ij,jk", t.ones(2, 3).bool(), t.ones(3, 2).bool()),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    """What cannot be computed is refused with PyTorch's class and words."""
    assert_same_error(ERRORS[name], torch)


def _filled(t: Any, *shape: int) -> Any:
    count = int(np.prod(shape))
    return (t.arange(count) % 7 - 3).reshape(shape).float()


VALUES = {
    "block_diag of nothing": lambda t: t.block_diag(),
    "combinations of none": lambda t: t.combinations(_filled(t, 4), r=0),
    "vander N 0": lambda t: t.vander(_filled(t, 4), N=0),
    "vander N 0 of integers": lambda t: t.vander(t.ones(4).int(), N=0),
    "vander N 1": lambda t: t.vander(_filled(t, 4), N=1),
    "vander of bool": lambda t: t.vander(t.ones(2).bool(), N=1),
    "diag of an empty vector": lambda t: t.diag(t.ones(0)),
    "diag far away": lambda t: t.diag(_filled(t, 3, 4), -5),
    "cdist of no rows": lambda t: t.cdist(t.ones(0, 3), t.ones(2, 3)),
    "cdist of no columns": lambda t: t.cdist(t.ones(2, 0), t.ones(3, 0)),
    "cdist of a batch": lambda t: t.cdist(_filled(t, 2, 1, 2, 3), _filled(t, 5, 4, 3)),
    "tensordot by a tensor": lambda t: t.tensordot(_filled(t, 2, 3, 4), _filled(t, 4, 3, 5), t.tensor([[2], [0]])),
    "matmul with a batch of none": lambda t: t.ones(0, 2, 3) @ t.ones(3, 4),
    "matmul of depth 0": lambda t: t.ones(2, 0) @ t.ones(0, 4),
    "matmul of integers": lambda t: t.arange(6).reshape(2, 3) @ t.arange(6).reshape(3, 2),
    "addmm of integers": lambda t: t.addmm(t.ones(2).long(), t.arange(4).view(2, 2), t.arange(4).view(2, 2), alpha=2),
    "addmm ignores NaN with beta 0": lambda t: t.addmm(t.full((2,), float("nan")), t.ones(2, 2), t.ones(2, 2), beta=0),
    "addr of bool without beta": lambda t: t.addr(t.ones(2, 2).bool(), t.zeros(2).bool(), t.ones(2).bool(), beta=False),
    "einsum of bool sums": lambda t: t.einsum("ij->j", t.ones(2, 3).bool()),
    "einsum of int elements": lambda t: t.einsum("ij,ij->ij", t.ones(2, 3), t.ones(2, 3).long()),
    "einsum apart in int": lambda t: t.einsum("ij,k->i", t.ones(2, 3).int(), t.ones(4).int()),
    "einsum of a number": lambda t: t.einsum("->", t.tensor(2.0)),
    "einsum of two numbers": lambda t: t.einsum(",", t.tensor(2.0), t.tensor(3.0)),
    "einsum dots of nothing": lambda t: t.einsum("ij->...ij", _filled(t, 3, 4)),
    "einsum size 1 kept": lambda t: t.einsum("ij,ij->ij", _filled(t, 3, 1), _filled(t, 1, 4)),
    "einsum size 1 in both": lambda t: t.einsum("ij,jk->ijk", _filled(t, 3, 1), _filled(t, 1, 4)),
    "einsum sum of broadcast": lambda t: t.einsum("ij,ij", _filled(t, 3, 1), _filled(t, 3, 4)),
    "kron of a number": lambda t: t.kron(t.tensor(2.0), _filled(t, 4)),
    "trace of a rectangle": lambda t: _filled(t, 2, 4).trace(),
    "diagonal method": lambda t: _filled(t, 2, 3, 4).diagonal(1, 1, 2),
    "ger": lambda t: t.ger(_filled(t, 3), _filled(t, 2)),
    "inner of a number": lambda t: t.inner(_filled(t, 2, 2), t.tensor(2.0)),
}


@pytest.mark.parametrize("name", VALUES)
def test_values(name: str) -> None:
    """Odd arguments give what they give in PyTorch."""
    assert_same_value(VALUES[name], torch, 1e-6)


@pytest.mark.parametrize("name", ["addmm", "addmv", "addr", "addbmm", "baddbmm"])
def test_in_place(name: str) -> None:
    """The in-place forms write to the tensor, and gradients reach the factors."""
    shapes = {
        "addmm": ((2, 3), (2, 4), (4, 3)),
        "addmv": ((2,), (2, 4), (4,)),
        "addr": ((2, 3), (2,), (3,)),
        "addbmm": ((2, 3), (5, 2, 4), (5, 4, 3)),
        "baddbmm": ((5, 2, 3), (5, 2, 4), (5, 4, 3)),
    }[name]

    def run(t: Any) -> list[Any]:
        base, left, right = (_filled(t, *shape) for shape in shapes)
        left.requires_grad_()
        target = base * 1
        result = getattr(target, f"{name}_")(left, right, beta=0.5, alpha=2)
        assert result is target
        target.square().sum().backward()
        return [target, left.grad]

    assert_same_value(run, torch, 1e-5)


def test_renorm_in_place() -> None:
    """``renorm_`` writes to the tensor."""

    def run(t: Any) -> Any:
        x = _filled(t, 3, 4)
        x.renorm_(2, 0, 1.0)
        return x

    assert_same_value(run, torch, 1e-6)


def test_a_diagonal_is_a_view() -> None:
    """A diagonal shares memory, has PyTorch's strides, and what is written through it shows, in gradients too."""
    for offset, first, second in ((0, 0, 1), (1, 0, 2), (-1, 2, 1), (5, 0, 1)):

        def run(t: Any, offset: int = offset, first: int = first, second: int = second) -> list[Any]:
            base = _filled(t, 3, 4, 5).requires_grad_()
            x = base * 2
            part = x.diagonal(offset, first, second)
            strides = part.stride()
            part.mul_(3)
            x.square().sum().backward()
            return [x, part, base.grad, list(strides)]

        assert_same_value(run, torch)
    x = graphc.zeros(3, 3)
    x.diagonal()[1] = 5.0
    assert x[1, 1].item() == 5.0


def _random_equation(generator: np.random.Generator) -> tuple[str, list[tuple[int, ...]]]:
    letters = "abcdeXY"
    sizes = {letter: int(generator.integers(1, 4)) for letter in letters}
    parts, shapes = [], []
    for _ in range(generator.integers(1, 4)):
        chosen = list(generator.choice(list(letters), generator.integers(0, 4)))
        shape = [sizes[letter] for letter in chosen]
        if len(set(chosen)) == len(chosen):  # a repeated subscript has one size in its operand
            shape = [size if generator.random() > 0.15 else 1 for size in shape]
        text = "".join(chosen)
        if generator.random() < 0.3:
            place = int(generator.integers(0, len(chosen) + 1))
            beside = [2, 3][-int(generator.integers(0, 3)) :] if generator.random() < 0.8 else []
            text = text[:place] + "..." + text[place:]
            shape = shape[:place] + beside + shape[place:]
        parts.append(text)
        shapes.append(tuple(shape))
    equation = ",".join(parts)
    if generator.random() < 0.7:
        used = sorted({letter for text in parts for letter in text if letter != "."})
        output = list(generator.permutation(used)[: generator.integers(0, len(used) + 1)]) if used else []
        if "..." in equation and generator.random() < 0.7:
            output.insert(int(generator.integers(0, len(output) + 1)), "...")
        equation += "->" + "".join(output)
    return equation, shapes


def test_random_equations() -> None:
    """einsum gives PyTorch's values and gradients for random equations: repeats, dots, sizes of 1, any output."""
    generator = np.random.default_rng(11)
    for _ in range(400):
        equation, shapes = _random_equation(generator)
        arrays = [np.asarray(generator.standard_normal(shape)) for shape in shapes]

        def run(t: Any, equation: str = equation, arrays: Any = arrays) -> Any:
            operands = [t.from_numpy(array).requires_grad_() for array in arrays]
            result = t.einsum(equation, *operands)
            (result * result).sum().backward()
            return [result, *(operand.grad for operand in operands)]

        try:
            assert_same_value(run, torch, 1e-9)
        except AssertionError as error:
            raise AssertionError(f"einsum({equation!r}) of shapes {shapes}: {error}") from None
