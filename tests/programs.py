"""Random programs in PyTorch's language: straight-line source text that runs on graphc and on PyTorch alike.

A program is a list of statements over named tensors: arithmetic with broadcasting and mixed dtypes, views, writes in
place through views, reductions, matrix products, indexing, choices, and gradients at the end. Each statement is tried
eagerly as it is chosen, so a program is valid by construction.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import graphc as gc
import graphc.nn.functional as functional
from graphc.tensor import Tensor

SHAPES: tuple[tuple[int, ...], ...] = (
    (),
    (1,),
    (5,),
    (37,),
    (0,),
    (3, 4),
    (4, 3),
    (1, 4),
    (3, 1),
    (2, 3, 4),
    (4, 4),
    (19, 33),
    (2, 1, 3, 4),
    (0, 3),
)
DTYPES = ("float32", "float32", "float32", "float64", "int64", "int32", "bool")
MOST_ELEMENTS = 3000


@dataclass(frozen=True)
class Program:
    """The arguments' shapes, dtypes, and layouts, and the statements."""

    seed: int
    arguments: tuple[tuple[str, tuple[int, ...], str, bool], ...]
    statements: tuple[str, ...]

    @property
    def source(self) -> str:
        """The program as Python; ``gc`` may be graphc or torch, ``F`` its functional module."""
        names = [name for name, *_ in self.arguments]
        lines = [f"def program({', '.join(names)}):"]
        lines += [f"    {line}" for statement in self.statements for line in statement.split("\n")]
        return "\n".join([*lines, *_ENDING.format(names=", ".join(names)).split("\n")])

    def arrays(self) -> list[np.ndarray]:
        """The arguments, the same ones at each call."""
        generator = np.random.default_rng(self.seed)
        return [_values(generator, shape, dtype) for _, shape, dtype, _ in self.arguments]

    def tensors(self) -> list[Tensor]:
        """The arguments as tensors of graphc."""
        return [
            gc.from_numpy(array).requires_grad_(wants)
            for array, (*_, wants) in zip(self.arrays(), self.arguments, strict=True)
        ]

    def function(self, library: Any = gc, functional_library: Any = functional) -> Callable[..., list[Any]]:
        """The program as a function of its arguments that gives all values and the gradients."""
        namespace: dict[str, Any] = {"gc": library, "F": functional_library}
        exec(compile(self.source, f"<program {self.seed}>", "exec"), namespace)
        return namespace["program"]


# Every floating value that wants gradients has a part in the loss; a value's name sets its weight.
_ENDING = """\
    values = {{name: value for name, value in locals().items() if isinstance(value, gc.Tensor)}}
    loss = None
    for place, value in enumerate(values.values()):
        if value.requires_grad and value.numel() and not value.is_leaf:
            weight = (gc.arange(value.numel()).reshape(value.shape).to(value.dtype) * 0.9 + place).sin()
            part = (value * weight).sum().to(gc.float64)
            loss = part if loss is None else loss + part
    leaves = [leaf for leaf in ({names},) if leaf.requires_grad]
    found = () if loss is None else gc.autograd.grad(loss, leaves, allow_unused=True)
    return [value.detach() for value in values.values()] + [gradient for gradient in found if gradient is not None]"""


def _values(generator: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    if dtype == "bool":
        return np.asarray(generator.integers(0, 2, shape)).astype(bool)
    if dtype.startswith("int"):
        return np.asarray(generator.integers(-4, 5, shape)).astype(dtype)
    return np.asarray(generator.normal(0.0, 1.0, shape)).astype(dtype)


class Writer:
    """Chooses statements one after another, each valid for the values that stand so far."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.seed = seed
        self.counter = 0

    def write(self, length: int) -> Program:
        """A program of up to so many statements."""
        choose = self.random
        arguments = []
        for name in "abcd"[: choose.randint(2, 4)]:
            dtype = choose.choice(DTYPES)
            wants = dtype.startswith("float") and choose.random() < 0.6
            arguments.append((name, choose.choice(SHAPES), dtype, wants))
        program = Program(self.seed, tuple(arguments), ())
        statements: list[str] = []
        while len(statements) < length:
            self.values = dict(zip([name for name, *_ in arguments], program.tensors(), strict=True))
            namespace = {"gc": gc, "F": functional, **self.values}
            for statement in statements:
                exec(statement, namespace)
            self.values = {name: value for name, value in namespace.items() if isinstance(value, Tensor)}
            for _ in range(30):
                statement = choose.choice(STATEMENTS)(self)
                if statement is not None and self._runs(statement, program, statements):
                    statements.append(statement)
                    break
            else:
                break
        return Program(self.seed, tuple(arguments), tuple(statements))

    def _runs(self, statement: str, program: Program, before: list[str]) -> bool:
        """Whether the program stays one that eager mode accepts, gradients included, with values of moderate size."""
        trial = Program(program.seed, program.arguments, (*before, statement))
        try:
            arguments = trial.tensors()
            with np.errstate(all="ignore"):
                results = trial.function()(*arguments)
        except (RuntimeError, ValueError, IndexError, TypeError):
            return False
        if any(tensor.requires_grad != wants for tensor, (*_, wants) in zip(arguments, program.arguments, strict=True)):
            return False  # a program could not give an argument a history
        arrays = [result.numpy() for result in results]
        return all(
            array.size <= MOST_ELEMENTS
            and (array.dtype.kind != "f" or np.abs(array[np.isfinite(array)]).max(initial=0.0) < 1e4)
            and (array.dtype.kind != "i" or np.abs(array.astype(np.float64)).max(initial=0.0) < 2**30)
            for array in arrays
        )

    # -- choosing ------------------------------------------------------------------------------------------------

    def new(self) -> str:
        """A name that is not taken."""
        self.counter += 1
        return f"v{self.counter}"

    def value(self, accept: Callable[[Tensor], bool] = lambda value: True) -> str | None:
        """The name of a value, newer ones rather than older."""
        names = [name for name, value in self.values.items() if accept(value)]
        if not names:
            return None
        return names[max(self.random.randrange(len(names)), self.random.randrange(len(names)))]

    def floating(self) -> str | None:
        return self.value(lambda value: value.dtype.is_floating_point)

    def partner(self, name: str, accept: Callable[[Tensor], bool] = lambda value: True) -> str | None:
        """A value that broadcasts with another."""
        shape = self.values[name].shape

        def fits(value: Tensor) -> bool:
            pairs = zip(reversed(shape), reversed(value.shape), strict=False)
            return accept(value) and all(a == b or a == 1 or b == 1 for a, b in pairs)

        return self.value(fits)

    def dim(self, name: str) -> int | None:
        rank = self.values[name].ndim
        return self.random.randrange(-rank, rank) if rank else None


def _is_number(value: Tensor) -> bool:
    return value.dtype != gc.bool


def _unary(w: Writer) -> str | None:
    x = w.floating()
    forms = (
        "{x}.tanh()", "{x}.sin()", "{x}.sigmoid()", "({x} * 0.3).exp()", "{x}.abs()", "({x} * {x} + 0.5).sqrt()",
        "{x}.relu()", "-{x}", "F.gelu({x})", "F.silu({x})", "({x}.abs() + 0.2).log()", "{x}.clamp(-0.7, 0.9)",
        "({x} * {x} + 1.0).rsqrt()", "{x}.cos()", "gc.erf({x})", "({x}.abs() + 0.1).log1p()", "{x}.pow(2)",
        "({x}.abs() + 0.3) ** 1.5", "{x}.clone()", "F.leaky_relu({x}, 0.1)", "1.0 / ({x} * {x} + 1)", "{x}.detach()",
        "F.softplus({x})", "({x} * 0.5).expm1()",
    )  # fmt: skip
    return None if x is None else f"{w.new()} = {w.random.choice(forms).format(x=x)}"


def _binary(w: Writer) -> str | None:
    x = w.value(_is_number)
    y = x and w.partner(x, _is_number)
    forms = (
        "{x} + {y}", "{x} - {y}", "{x} * {y}", "{x} / ({y} * {y} + 1)", "gc.maximum({x}, {y})", "gc.minimum({x}, {y})",
        "gc.add({x}, {y}, alpha=2)", "gc.where({x} > 0.37, {x}, {y})", "{x} * 2 - {y}", "({x} > {y} + 0.123)",
        "{x} - {y} * 0.5",
    )  # fmt: skip
    return None if y is None else f"{w.new()} = {w.random.choice(forms).format(x=x, y=y)}"


def _number(w: Writer) -> str | None:
    x = w.value(_is_number)
    forms = ("{x} + 1", "{x} * 0.5", "3 - {x}", "{x} * -1", "{x} / 4", "{x} + 0.25", "2 * {x}")
    return None if x is None else f"{w.new()} = {w.random.choice(forms).format(x=x)}"


def _integers(w: Writer) -> str | None:
    x = w.value(lambda value: value.dtype.category == "int")
    forms = (
        "{x} // 3", "{x} % 3", "{x} // -2", "{x} % -5", "{x} == 2", "{x} & 3", "{x} | 1", "{x} ^ 6",
        "{x}.abs()", "{x}.clamp(-2, 2)", "{x}.to(gc.float32)", "{x}.to(gc.float64)", "{x}.to(gc.int32)", "~{x}",
    )  # fmt: skip
    return None if x is None else f"{w.new()} = {w.random.choice(forms).format(x=x)}"


def _booleans(w: Writer) -> str | None:
    x = w.value(lambda value: value.dtype == gc.bool)
    y = x and w.partner(x, lambda value: value.dtype == gc.bool)
    forms = (
        "{x} & {y}", "{x} | {y}", "{x} ^ {y}", "~{x}", "{x}.any()", "{x}.all()", "{x}.sum()", "{x}.to(gc.float32)",
        "gc.logical_and({x}, {y})", "{x}.to(gc.int64)", "{x} == {y}",
    )  # fmt: skip
    return None if y is None else f"{w.new()} = {w.random.choice(forms).format(x=x, y=y)}"


def _where(w: Writer) -> str | None:
    condition = w.value(lambda value: value.dtype == gc.bool)
    x = condition and w.partner(condition, _is_number)
    y = x and w.partner(x, _is_number)
    forms = ("gc.where({c}, {x}, {y})", "gc.where({c}, {x}, 0.5)", "{x}.masked_fill({c}, 0.25)", "{x} * {c}")
    return None if y is None else f"{w.new()} = {w.random.choice(forms).format(c=condition, x=x, y=y)}"


def _cast(w: Writer) -> str | None:
    x = w.value()
    return x and f"{w.new()} = {x}.to(gc.{w.random.choice(('float32', 'float64', 'float32'))})"


def _reduce(w: Writer) -> str | None:
    x = w.value(_is_number)
    if x is None:
        return None
    dim = w.dim(x)
    keep = w.random.choice((", keepdim=True", ""))
    forms = ["{x}.sum()", "{x}.mean()", "{x}.amax()", "{x}.max()", "{x}.clamp(-1, 1).prod()"]
    if dim is not None:
        forms += [
            "{x}.sum({d}{k})", "{x}.mean({d}{k})", "{x}.amax({d}{k})", "{x}.amin({d}{k})", "{x}.argmax({d}{k})",
            "{x}.softmax({d})", "F.log_softmax({x}, {d})", "{x}.logsumexp({d}{k})", "{x}.var({d}, unbiased=False{k})",
            "{x}.max({d}{k})[0]", "{x}.min({d}{k})[1]", "({x} > 0.2).any({d}{k})",
            # Of a constant, the deviation is noise, and its gradient noise divided by noise: hence the added terms.
            "({x}.var({d}, unbiased=False) + 0.1).sqrt()", "F.layer_norm({x}, {x}.shape[-1:], eps=0.5)",
        ]  # fmt: skip
        if w.values[x].ndim > 1:
            forms += ["{x}.sum((0, -1){k})", "{x}.mean((0, 1))", "{x}.amax((0, -1){k})"]
    return f"{w.new()} = {w.random.choice(forms).format(x=x, d=dim, k=keep)}"


def _matmul(w: Writer) -> str | None:
    x = w.value(lambda value: value.dtype.is_floating_point and value.ndim >= 1)
    y = x and w.value(lambda value: value.dtype == w.values[x].dtype and value.ndim >= 1)
    forms = ["{x} @ {y}", "{x} @ {y}.transpose(-1, -2)", "gc.matmul({x}.transpose(-1, -2), {y})"]
    forms += ["{x} @ {x}.transpose(-1, -2)", "F.linear({x}, {y})"]
    return None if y is None else f"{w.new()} = {w.random.choice(forms).format(x=x, y=y)}"


def _view_text(w: Writer, x: str) -> str | None:
    """A view of a value, as text."""
    value, choose = w.values[x], w.random
    forms = ["{x}.unsqueeze(0)", "{x}.reshape(-1)", "{x}.unsqueeze(-1)", "{x}.flatten()", "{x}.detach()"]
    if value.ndim:
        dim = choose.randrange(value.ndim)
        extent = value.shape[dim]
        start = choose.randint(-extent - 1, extent)
        stop = choose.choice((start + choose.randint(0, 3), "", -1, extent + 3))
        prefix = ":, " * dim
        forms += [
            f"{{x}}[{prefix}{start}:{stop}]", f"{{x}}[{prefix}::{choose.randint(1, 3)}]", f"{{x}}[{prefix}None]",
            f"{{x}}.flip({dim})", f"{{x}}[..., {choose.randint(-1, 0)}:]", f"{{x}}.squeeze({dim})", "{x}.squeeze()",
            f"{{x}}.transpose({dim}, -1)", f"{{x}}.roll(1, {dim})",
        ]  # fmt: skip
        if extent:
            forms += [
                f"{{x}}[{prefix}{choose.randrange(-extent, extent)}]",
                f"{{x}}.select({dim}, {choose.randrange(extent)})",
                f"{{x}}.narrow({dim}, {extent // 3}, {extent - extent // 3})",
            ]
            forms += [f"{{x}}.chunk(2, {dim})[0]", f"{{x}}.split(2, {dim})[-1]", f"{{x}}.unbind({dim})[0]"]
        if value.ndim > 1:
            order = list(range(value.ndim))
            choose.shuffle(order)
            forms += [f"{{x}}.permute({', '.join(map(str, order))})"] * 2
            forms += ["{x}.flatten(0, 1)", "{x}.view({x}.shape[0], -1)"]
        if value.ndim == 2:
            forms += ["{x}.t()"] * 2
        if extent == 1:
            shape = list(value.shape)
            shape[dim] = 3
            forms += [f"{{x}}.expand({', '.join(map(str, shape))})"] * 3
    return choose.choice(forms).format(x=x)


def _view(w: Writer) -> str | None:
    x = w.value()
    return x and f"{w.new()} = {_view_text(w, x)}"


def _join(w: Writer) -> str | None:
    x = w.value(lambda value: value.ndim > 0)
    if x is None:
        return None
    dim = w.dim(x)
    same = w.value(lambda value: value.shape == w.values[x].shape)
    low, high = w.random.randint(-1, 2), w.random.randint(0, 2)
    forms = (
        f"gc.cat([{x}, {same}], {dim})", f"gc.stack([{x}, {same}], {dim})", f"F.pad({x}, ({low}, {high}), value=0.5)",
        f"{x}.tril(1)", f"{x}.triu()", f"gc.stack([{x}, {same}, {x}])", f"gc.cat([{x}, {x}, {same}])",
    )  # fmt: skip
    return f"{w.new()} = {w.random.choice(forms)}"


def _index(w: Writer) -> str | None:
    x = w.value(lambda value: value.ndim > 0 and value.numel() > 0)
    # PyTorch takes a 0-d index for a number, so that the result is a view; here it is looked up.
    index = w.value(lambda value: value.dtype == gc.int64 and value.ndim > 0)
    if x is None or index is None:
        return None
    dim = w.dim(x)
    extent = w.values[x].shape[dim]
    safe = f"({index} % {extent})"
    forms = [f"{x}.index_select({dim}, {safe}.reshape(-1))", f"{x}[{safe}]", f"F.one_hot({safe}, {extent})"]
    forms += [f"{x}.index_add(0, gc.arange({w.values[x].shape[0]}).flip(0), {x} * 2)"]
    if w.values[x].ndim == w.values[index].ndim:
        forms += [
            f"gc.gather({x}, {dim}, {safe})",
            f"gc.gather({x}, {dim}, {x}.argmax({dim}, keepdim=True))",
            f"gc.scatter_add({x}, {dim}, {safe}, gc.ones_like({safe}).to({x}.dtype))",
        ]
    return f"{w.new()} = {w.random.choice(forms)}"


def _write(w: Writer) -> str | None:
    """A write in place, often through a view."""
    x = w.value(_is_number)
    if x is None:
        return None
    # Through stretched values, what may be written is a matter of the function and of the size, which may change.
    if any(primitive.name == "expand" for primitive, _ in w.values[x]._chain):
        return None
    target = x
    if w.random.random() < 0.6:
        view = _view_text(w, x)
        view = None if view is not None and ".expand(" in view else view
        # Whether these are views or copies depends on the layout of a result, which PyTorch takes from the operands.
        target = x if view is None or "flatten(" in view or "reshape(" in view else view
    # Reading memory while it is being written has no meaning in PyTorch.
    y = w.partner(x, lambda value: _is_number(value) and value._storage is not w.values[x]._storage)
    forms = [
        "{t}.mul_(0.5)", "{t}.add_(1)", "{t}.zero_()", "{t}.fill_(2)", "{t}.neg_()", "{t}.clamp_(-1, 1)",
        "{t}.masked_fill_({t} > 0.61, 0.5)", "{t}.mul_({t}.clone())",
    ]  # fmt: skip
    if target == x:
        forms += ["{t} += 1", "{t} /= 3", "{t} *= -0.5"]
    if target.endswith("]"):
        forms += ["{t} = 1.5", "{t} += 1", "{t} *= 2", "{t} = {t} * 0.5"] * 2
    if y is not None:
        forms += ["{t}.add_({y})", "{t}.copy_({y})", "{t}.mul_({y})", "{t}.sub_({y}, alpha=2)"]
        if target == x:
            forms += ["{t} *= {y}", "{t} -= 0.5 * {y}"]
        if target.endswith("]"):
            forms += ["{t} = {y}", "{t} += {y}"] * 2
    return w.random.choice(forms).format(t=target, y=y)


def _without_gradients(w: Writer) -> str | None:
    inner = w.random.choice((_write, _unary, _binary))(w)
    return inner and f"with gc.no_grad():\n    {inner}"


STATEMENTS: tuple[Callable[[Writer], str | None], ...] = (
    *(_unary,) * 4, *(_binary,) * 4, _number, _integers, _booleans, _where, _where, _cast, *(_reduce,) * 3,
    *(_matmul,) * 2, *(_view,) * 5, _join, _index, _index, *(_write,) * 5, _without_gradients,
)  # fmt: skip


def write_program(seed: int, length: int = 10) -> Program:
    """The random program of a seed."""
    return Writer(seed).write(length)
