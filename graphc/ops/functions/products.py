"""Products of several tensors along named or listed dims: einsum, tensordot, chains of matrices.

Everything becomes matrix products: of a pair of operands the dims that both have and that stay are batches, those that
both have and that go are summed over, and the rest are rows and columns.
Source: https://docs.pytorch.org/docs/stable/generated/torch.einsum.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.ir.integers import Dimension, product
from graphc.ops import views
from graphc.ops.functions.arithmetic import mul
from graphc.ops.functions.linear import matmul
from graphc.ops.functions.reduction import sum as sum_along
from graphc.ops.functions.shaping import wrap_dims
from graphc.ops.matrix_rules import product_of_chain
from graphc.ops.operands import is_value, normalize_dim
from graphc.ops.strided_views import Diagonal
from graphc.ops.type_names import type_name
from graphc.sizes import stretches

__all__ = ["chain_matmul", "einsum", "tensordot"]
METHODS = ()
OUT_MAY_OVERLAP = True

# A dim of an operand by name: a letter, or ("...", k) for the k-th dim from the right of those that dots stand for.
Label = str | tuple[str, int]
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DOTS = "..."


# -- einsum --------------------------------------------------------------------------------------------------------


def einsum(*args: Any) -> Any:
    """Sums of products of operands whose dims have names: ``einsum("ij,jk->ik", a, b)``, or
    ``einsum(a, [0, 1], b, [1, 2], [0, 2])``.

    Raises RuntimeError, with PyTorch's words, for an equation that is malformed or does not fit the operands.
    """
    inputs, output, operands = _parsed(args)
    labels = [
        _labels(subscripts, operand, position)
        for position, (subscripts, operand) in enumerate(zip(inputs, operands, strict=True))
    ]
    sizes = _sizes(labels, operands)
    dots = [label for label in sizes if isinstance(label, tuple)]
    dots.sort(key=lambda label: -label[1])
    wanted = _output_labels(inputs, output, dots, sizes)
    terms = [_without_repeats(*term) for term in zip(operands, labels, strict=True)]
    while len(terms) > 1:
        one, other = _next_pair(terms, wanted, sizes)
        left, right = terms[one], terms[other]
        rest = [term for place, term in enumerate(terms) if place not in (one, other)]
        kept = set(wanted).union(*(names for _, names in rest))
        terms = [_pair_product(left, right, kept), *rest]
    value, names = terms[0]
    summed = [place for place, name in enumerate(names) if name not in wanted]
    if summed:
        value, names = sum_along(value, summed), [name for name in names if name in wanted]
    return views.Permute.bind(value, dims=tuple(names.index(name) for name in wanted))


def _parsed(args: tuple[Any, ...]) -> tuple[list[list[str]], list[str] | None, list[Any]]:
    """The subscripts of each operand and of the result (None: not given), letters and dots, and the operands."""
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one operand and its "
            "subscripts list"
        )
    if isinstance(args[0], str):
        operands = list(args[1]) if len(args) == 2 and isinstance(args[1], (tuple, list)) else list(args[1:])
        for position, operand in enumerate(operands):
            if not is_value(operand):
                raise TypeError(
                    f"expected Tensor as element {position} in argument 1, but got {type(operand).__name__}"
                )
        inputs, output = _parsed_equation(args[0])
        if len(inputs) != len(operands):
            raise RuntimeError(
                f"einsum(): {'fewer' if len(inputs) > len(operands) else 'more'} operands were provided than specified "
                "in the equation"
            )
        return inputs, output, operands
    operands, lists = list(args[: len(args) // 2 * 2 : 2]), args[1::2]
    inputs = [_parsed_list(subscripts) for subscripts in lists]
    return inputs, _parsed_list(args[-1]) if len(args) % 2 else None, operands


def _parsed_list(subscripts: Sequence[Any]) -> list[str]:
    for subscript in subscripts:
        if subscript is not Ellipsis and not 0 <= subscript < len(_LETTERS):
            raise ValueError("einsum(): subscript in subscript list is not within the valid range [0, 52)")
    return [_DOTS if subscript is Ellipsis else _LETTERS[subscript] for subscript in subscripts]


def _parsed_equation(equation: str) -> tuple[list[list[str]], list[str] | None]:
    left, arrow, right = equation.partition("->")
    offset = 0
    inputs = []
    for position, part in enumerate(left.split(",")):
        inputs.append(_parsed_subscripts(part, offset, f"operand {position}"))
        offset += len(part) + 1
    return inputs, _parsed_subscripts(right, len(left) + 2, "output") if arrow else None


def _parsed_subscripts(text: str, offset: int, whose: str) -> list[str]:
    found: list[str] = []
    place = 0
    while place < len(text):
        letter = text[place]
        if letter == ".":
            if _DOTS in found:
                raise RuntimeError(f"einsum(): found '.' for {whose} for which an ellipsis was already found")
            if text[place : place + 3] != _DOTS:
                raise RuntimeError(
                    f"einsum(): found '.' for {whose} that is not part of any ellipsis"
                    + (" (...)" if whose == "output" else "")
                )
            found.append(_DOTS)
            place += 3
            continue
        if letter != " ":
            if letter not in _LETTERS:
                raise RuntimeError(
                    f"einsum(): invalid subscript given at index {offset + place} in the equation string, subscripts "
                    "must be in [a-zA-Z]"
                )
            if whose == "output" and letter in found:
                raise RuntimeError(f"einsum(): output subscript {letter} appears more than once in the output")
            found.append(letter)
        place += 1
    return found


def _labels(subscripts: list[str], operand: Any, position: int) -> list[Label]:
    """A name for each dim of an operand."""
    rank, letters = operand.ndim, len(subscripts) - (_DOTS in subscripts)
    if _DOTS not in subscripts and letters != rank:
        raise RuntimeError(
            f"einsum(): the number of subscripts in the equation ({letters}) does not match the number of dimensions "
            f"({rank}) for operand {position} and no ellipsis was given"
        )
    if letters > rank:
        raise RuntimeError(
            f"einsum(): the number of subscripts in the equation ({letters}) is more than the number of dimensions "
            f"({rank}) for operand {position}"
        )
    result: list[Label] = []
    for subscript in subscripts:
        if subscript == _DOTS:
            result.extend((_DOTS, place) for place in reversed(range(rank - letters)))
        else:
            result.append(subscript)
    return result


@stretches
def _sizes(labels: list[list[Label]], operands: list[Any]) -> dict[Label, Dimension]:
    """The extent that each name stands for: operands of extent 1 are stretched."""
    sizes: dict[Label, Dimension] = {}
    for position, (names, operand) in enumerate(zip(labels, operands, strict=True)):
        seen: dict[Label, Dimension] = {}
        for place, (name, extent) in enumerate(zip(names, operand.shape, strict=True)):
            if seen.setdefault(name, extent) != extent:
                raise RuntimeError(
                    f"einsum(): subscript {name} is repeated for operand {position} but the sizes don't match, "
                    f"{extent} != {seen[name]}"
                )
            known = sizes.get(name, 1)
            if known != 1 and extent not in (1, known):
                if isinstance(name, tuple):
                    raise RuntimeError(
                        f"einsum(): dimension {place} covered by ellipsis in operand {position}has size {extent} which "
                        f"does not broadcast with previously seen ellipsis with size {known} for the respective "
                        "dimension"
                    )
                raise RuntimeError(
                    f"einsum(): subscript {name} has size {extent} for operand {position} which does not broadcast "
                    f"with previously seen size {known}"
                )
            sizes[name] = extent if known == 1 else known
    return sizes


def _output_labels(
    inputs: list[list[str]], output: list[str] | None, dots: list[Label], sizes: dict[Label, Dimension]
) -> list[Label]:
    if output is None:
        every = [letter for subscripts in inputs for letter in subscripts if letter != _DOTS]
        return [*dots, *sorted(letter for letter in set(every) if every.count(letter) == 1)]
    result: list[Label] = []
    for subscript in output:
        if subscript == _DOTS:
            result.extend(dots)
            continue
        if subscript not in sizes:
            raise RuntimeError(
                f"einsum(): output subscript {subscript} does not appear in the equation for any input operand"
            )
        result.append(subscript)
    return result


def _without_repeats(value: Any, names: list[Label]) -> tuple[Any, list[Label]]:
    """A name that comes twice stands for the diagonal along both dims."""
    names = list(names)
    for name in dict.fromkeys(names):
        while names.count(name) > 1:
            first = names.index(name)
            second = names.index(name, first + 1)
            value = Diagonal.bind(value, offset=0, dim1=first, dim2=second)
            names = [*names[:first], *names[first + 1 : second], *names[second + 1 :], name]
    return value, names


Term = tuple[Any, list[Label]]


def _next_pair(terms: list[Term], wanted: list[Label], sizes: dict[Label, Dimension]) -> tuple[int, int]:
    """The pair whose product adds the least to what must be held, then the cheapest: a greedy order of contraction."""
    if len(terms) == 2 or not all(isinstance(extent, int) for extent in sizes.values()):
        return 0, 1

    def cost(pair: tuple[int, int]) -> tuple[int, int]:
        one, other = (set(terms[place][1]) for place in pair)
        kept = set(wanted).union(*(names for place, (_, names) in enumerate(terms) if place not in pair))
        held = product(sizes[name] for name in (one | other) & kept)
        freed = sum(product(sizes[name] for name in names) for names in (one, other))
        return held - freed, product(sizes[name] for name in one | other)

    pairs = [(one, other) for other in range(len(terms)) for one in range(other)]
    return min(pairs, key=cost)


def _pair_product(left: Term, right: Term, kept: set[Label]) -> Term:
    """The product of two terms, summed over the names that nothing else keeps."""
    (a, a_names), (b, b_names) = _prepared(left, right, kept), _prepared(right, left, kept)
    both = [name for name in a_names if name in b_names]
    batch, summed = [name for name in both if name in kept], [name for name in both if name not in kept]
    rows = [name for name in a_names if name not in both]
    columns = [name for name in b_names if name not in both]
    extents = dict(zip([*a_names, *b_names], [*a.shape, *b.shape], strict=True))
    result = [*batch, *rows, *columns]
    a = views.Permute.bind(a, dims=tuple(a_names.index(name) for name in (*batch, *rows, *summed)))
    b = views.Permute.bind(b, dims=tuple(b_names.index(name) for name in (*batch, *summed, *columns)))
    if not summed:
        shape = (*(extents[name] for name in batch), *(extents[name] for name in rows), *(1,) * len(columns))
        columns_shape = (*(extents[name] for name in batch), *(1,) * len(rows), *(extents[name] for name in columns))
        return mul(views.Reshape.bind(a, shape=shape), views.Reshape.bind(b, shape=columns_shape)), result

    if a.dtype != b.dtype:
        raise RuntimeError(f"expected scalar type {type_name(a.dtype)} but found {type_name(b.dtype)}")
    if a.dtype.category == "bool":
        raise NotImplementedError("\"bmm\" not implemented for 'Bool'")

    def total(names: Sequence[Label]) -> Dimension:
        return product(extents[name] for name in names)

    a = views.Reshape.bind(a, shape=(total(batch), total(rows), total(summed)))
    b = views.Reshape.bind(b, shape=(total(batch), total(summed), total(columns)))
    if not batch:
        a, b = (views.Reshape.bind(value, shape=tuple(value.shape[1:])) for value in (a, b))
    return views.Reshape.bind(matmul(a, b), shape=tuple(extents[name] for name in result)), result


@stretches
def _prepared(term: Term, beside: Term, kept: set[Label]) -> Term:
    """A term without the dims that play no part in its product with another: those that nothing keeps and the other
    has not are summed, and so are those that the other has with extent 1; those of extent 1 here are dropped."""
    value, names = term
    other = dict(zip(beside[1], beside[0].shape, strict=True))
    sums, drops = [], []
    for place, (name, extent) in enumerate(zip(names, value.shape, strict=True)):
        if extent == 1 and name in other and (other[name] != 1 or name not in kept):
            drops.append(place)
        elif name not in kept and other.get(name, 1) == 1:
            sums.append(place)
    if sums:
        value = sum_along(value, sums, keepdim=True)
    gone = (*sums, *drops)
    shape = tuple(extent for place, extent in enumerate(value.shape) if place not in gone)
    return views.Reshape.bind(value, shape=shape), [name for place, name in enumerate(names) if place not in gone]


# -- listed dims ---------------------------------------------------------------------------------------------------


def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    """Sums of products along dims of both: the last ``dims`` of ``a`` with the first of ``b``, or two lists of dims."""
    if is_value(dims):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        dims = range(a.ndim - dims, a.ndim), range(dims)
    given = [[part] if isinstance(part, int) else list(part) for part in dims]
    if len(given[0]) != len(given[1]):
        raise RuntimeError("both dimension lists should have same length")
    if a.dtype != b.dtype:
        raise RuntimeError("both inputs should have same dtype")
    left, right = ([normalize_dim(dim, value.ndim) for dim in part] for part, value in zip(given, (a, b), strict=True))
    for dim, other in zip(left, right, strict=True):
        if a.shape[dim] != b.shape[other]:
            if a.shape[dim] == 1:
                b = sum_along(b, other, keepdim=True, dtype=b.dtype)
            elif b.shape[other] == 1:
                a = sum_along(a, dim, keepdim=True, dtype=a.dtype)
            else:
                raise RuntimeError(
                    f"contracted dimensions need to match, but first has size {a.shape[dim]} in dim {dim} and second "
                    f"has size {b.shape[other]} in dim {other}"
                )
    left, right = wrap_dims(left, a.ndim), wrap_dims(right, b.ndim)
    rows = [dim for dim in range(a.ndim) if dim not in left]
    columns = [dim for dim in range(b.ndim) if dim not in right]
    depth = product(a.shape[dim] for dim in left)
    shape = (*(a.shape[dim] for dim in rows), *(b.shape[dim] for dim in columns))
    a = views.Permute.bind(a, dims=(*rows, *left))
    b = views.Permute.bind(b, dims=(*right, *columns))
    a = views.Reshape.bind(a, shape=(product(shape[: len(rows)]), depth))
    b = views.Reshape.bind(b, shape=(depth, product(shape[len(rows) :])))
    return views.Reshape.bind(matmul(a, b), shape=shape)


# -- chains of matrices --------------------------------------------------------------------------------------------


def chain_matmul(*matrices: Any) -> Any:
    """The product of matrices, in the order of fewest multiplications."""
    if len(matrices) == 1 and isinstance(matrices[0], (tuple, list)):
        matrices = tuple(matrices[0])
    for matrix in matrices:
        if matrix.ndim != 2:
            raise RuntimeError(
                f"Tensor at index {list(matrices).index(matrix)} in the list of tensors does not have 2 dimensions"
            )
    return matrices[0] if len(matrices) == 1 else product_of_chain(list(matrices))
