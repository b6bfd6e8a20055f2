"""Choosing random steps: statements of :mod:`tests.programs` and of its own, each tried eagerly as it is chosen, so
that a step is valid by construction."""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

import graphc as gc
import graphc.nn.functional as functional
from graphc import nn, optim
from graphc.tensor import Tensor
from tests import programs
from tests.programs import MOST_ELEMENTS, Writer
from tests.step_programs import (
    AFTERWARDS,
    AVERAGES,
    BATCHES,
    BETWEEN,
    CLEARING,
    LAYERS,
    LOOKS,
    MEMORIES,
    OPTIMIZERS,
    SHARED,
    Step,
)
from tests.step_runs import REFUSALS, outcomes, value_of

OWN_NAME = re.compile(r"v\d+|[xywb]|average")


def _draws(w: Writer) -> str | None:
    x = w.value(lambda value: value.dtype == gc.float32)
    forms = (
        "F.dropout({x}, 0.4)", "{x} * gc.rand_like({x})", "{x} + 0.1 * gc.randn_like({x})", "gc.randn(3, 4)",
        "gc.bernoulli({x}.detach().sigmoid())", "gc.empty(4).uniform_(-1, 1)", "gc.zeros_like({x}).normal_(0, 0.5)",
        "F.alpha_dropout({x}, 0.3)", "gc.rand(()) * {x}", "F.dropout({x}, 0.2, training=False)",
    )  # fmt: skip
    return None if x is None else f"{w.new()} = {w.random.choice(forms).format(x=x)}"


def _decides(w: Writer) -> str | None:
    """Code that takes another way for other values."""
    x = w.floating()
    y = x and w.floating()
    if y is None:
        return None
    v, w1 = w.new(), w.random.choice((0.123, -0.217, 0.5))
    forms = (
        f"{v} = {y} * 2 if {x}.sum() > {w1} else {y} - 1",
        f"{v} = {y}.tanh()\nwhile {v}.abs().sum() > 1.37:\n    {v} = {v} / 2",
        f"{v} = {y}.sin()\nfor _ in range(int(({x} > {w1}).sum()) % 3):\n    {v} = {v} * 0.9 + 0.1",
        f"{v} = {y} * {x}.mean().item()",
        f"if {x}.mean() > {w1}:\n    {v} = {y}.cos()\nelse:\n    {v} = {y}.exp().clamp(max=3)",
        f"{v} = {y} + {x}.sum().tanh().item()",
        f"if bool(({x} > {w1}).any()) and {y}.sum() < 2.71:\n    {v} = {y} + {x}.sum()\nelse:\n    {v} = {y}.clone()",
        f"{v} = {y}.clone()\nif {x}.amax() > 1.03:\n    {v} += 1",
    )
    return w.random.choice(forms)


def _types(w: Writer) -> str | None:
    x = w.value()
    names = ("float16", "bfloat16", "int8", "uint8", "int16", "complex64", "bool", "float64")
    return x and f"{w.new()} = {x}.to(gc.{w.random.choice(names)})"


def _complex(w: Writer) -> str | None:
    x = w.value(lambda value: value.dtype.is_complex)
    if x is None:
        x = w.value(lambda value: value.dtype == gc.float32)
        return x and f"{w.new()} = gc.complex({x}, {x} * 0.5 + 1)"
    forms = (
        "{x}.real", "{x}.imag", "{x}.abs()", "{x}.conj() * {x}", "gc.view_as_real({x})", "{x} * (1 + 2j)",
        "{x}.angle()", "{x} - {x}.conj()", "{x}.sum()", "{x}.exp() * 0.1",
    )  # fmt: skip
    return f"{w.new()} = {w.random.choice(forms).format(x=x)}"


def _derived(w: Writer) -> str | None:
    """A derivative, as a value that is differentiated again."""
    x = w.value(lambda value: value.requires_grad and value.dtype == gc.float32)
    p = w.value(lambda value: value.requires_grad and value.is_leaf)
    if x is None or p is None:
        return None
    v = w.new()
    forms = (
        f"{v} = gc.autograd.grad({x}.sin().sum(), {p}, create_graph=True, allow_unused=True)[0]\n"
        f"{v} = {p} * 0 if {v} is None else {v}",
        f"{v} = gc.autograd.grad(({x} * {x}).mean(), {p}, create_graph=True, allow_unused=True)[0]\n"
        f"{v} = {p} * 0 if {v} is None else {v}.square().sum()",
        f"{v} = gc.autograd.grad(({x} * {p}.sum()).tanh().sum(), {p}, create_graph=True)[0]\n"
        f"{v} = gc.autograd.grad({v}.square().sum(), {p}, create_graph=True)[0]",
    )
    return w.random.choice(forms)


def _ordered(w: Writer) -> str | None:
    x = w.value(lambda value: value.dtype.is_floating_point and value.ndim > 0 and value.numel() > 0)
    if x is None:
        return None
    dim = w.dim(x)
    forms = (
        "{x}.cumsum({d})", "{x}.sort({d})[0]", "{x}.clamp(-1, 1).cumprod({d})", "{x}.topk(1, {d})[0]", "{x}.median()",
        "{x}.logcumsumexp({d})", "{x}.cummax({d})[0]", "{x}.argsort({d})", "{x}.norm()", "{x}.std(unbiased=False)",
    )  # fmt: skip
    return f"{w.new()} = {w.random.choice(forms).format(x=x, d=dim)}"


def _layers(w: Writer) -> str | None:
    x = w.value(lambda value: value.dtype == gc.float32 and value.ndim == 2)
    forms = (
        "{x} @ w", "F.linear({x}, w.t())", "F.layer_norm({x}, {x}.shape[-1:], eps=0.5)", "F.normalize({x}, eps=0.3)",
        "F.softmax({x}, -1) @ w", "F.conv1d({x}.unsqueeze(1), b.reshape(1, 1, -1)[..., :2])", "{x} * b",
        "F.max_pool1d({x}.unsqueeze(1), 2)", "F.mse_loss({x}, {x}.detach().flip(0))",
        "gc.einsum('ij,kj->ik', {x}, {x})",
        "F.cross_entropy({x}, gc.arange({x}.shape[0]) % {x}.shape[1])", "F.avg_pool1d({x}.unsqueeze(0), 2)",
    )  # fmt: skip
    return None if x is None else f"{w.new()} = {w.random.choice(forms).format(x=x)}"


def _modules(w: Writer) -> str | None:
    x = w.value(lambda value: value.dtype == gc.float32 and value.ndim == 2 and value.shape[1] == 4)
    forms = (
        "net({x})",
        "net({x})",
        "memory({x})",
        "net({x}).detach()",
        "net(net({x}))",
        "nn.Sequential(net, memory)({x})",
    )
    return None if x is None else f"{w.new()} = {w.random.choice(forms).format(x=x)}"


def _views_of_views(w: Writer) -> str | None:
    """A view of a view of a value, perhaps written through."""
    x = w.value(lambda value: value.dtype != gc.bool and value.numel() > 0)
    inner = x and programs._view_text(w, x)
    if not inner:
        return None
    first, second = w.new(), w.new()
    w.values[first] = w.values[x]
    try:
        with gc.no_grad():
            w.values[first] = eval(inner, {"gc": gc, "F": functional, **w.values})
    except (RuntimeError, ValueError, IndexError, TypeError):
        return None
    outer = programs._view_text(w, first)
    forms = (
        f"{second} = {outer}", f"{second} = {outer}\n{second}.mul_(0.5)", f"{second} = {outer}\n{second} += 1",
        f"{second} = {outer}\n{x}.mul_(2)", f"{second} = {outer}\nwith gc.no_grad():\n    {x}.add_(1)",
        f"{second} = {outer}\n{second}[...] = 0.5", f"{second} = {outer}.detach()\n{second}.sub_(0.25)",
        f"{second} = {outer}\n{x}.copy_({x}.clone().tanh())",
    )  # fmt: skip
    return f"{first} = {inner}\n{w.random.choice(forms)}"


def _lists(w: Writer) -> str | None:
    """Tensors in lists and dictionaries of the function's own."""
    x = w.value(lambda value: value.dtype.is_floating_point and value.ndim > 0 and value.numel() > 0)
    if x is None:
        return None
    v, d = w.new(), w.dim(x)
    forms = (
        f"{v} = list({x}.unbind({d}))\n{v} = gc.stack({v}[::-1], {d})",
        f"parts = [{x} * n for n in range(3)]\nparts[1] += parts[2]\n{v} = gc.stack(parts).sum(0)",
        f"held = {{'a': {x}.clone()}}\nheld['b'] = held['a']\nheld['b'] *= 2\n{v} = held['a'] + 1",
        f"{v}, other = {x}.clone(), {x}.clone()\nfor part in ({v}, other):\n    part.add_(1)\n{v} = {v} * other",
        f"{v} = sum(part * n for n, part in enumerate({x}.split(1, {d})))",
        f"{v} = {x}.clone()\n{v}[0], {v}[-1] = {v}[-1].clone(), {v}[0].clone()",
    )
    return w.random.choice(forms)


STATEMENTS: tuple[Callable[[Writer], str | None], ...] = (
    *programs.STATEMENTS, *(_draws,) * 3, *(_decides,) * 3, *(_types,) * 2, _complex, *(_derived,) * 2,
    *(_ordered,) * 2, *(_layers,) * 6, *(_modules,) * 4, *(_views_of_views,) * 5, *(_lists,) * 2,
)  # fmt: skip


class StepWriter(Writer):
    """Chooses the statements of a step."""

    def write(self, length: int) -> Step:
        """A step of up to so many statements of its own."""
        choose = self.random
        second = choose.choice(((None, 4), (None,), (4,)))
        dtype = choose.choice(("float32", "float32", "int64", "bool", "float64", "int32"))
        count, layers = choose.randint(1, 2), choose.randint(1, 3)
        step = Step(
            self.seed,
            (("x", (None, 4), "float32"), ("y", second, dtype))[:count],
            (("w", (4, 4), "float32"), ("b", (4,), choose.choice(("float32", "float32", "float64")))),
            ("v0 = x @ w",),
            tuple(choose.choice(LAYERS) for _ in range(layers)),
            memory=choose.choice(MEMORIES),
            shared=(choose.choice(SHARED),) * 4 if count > 1 and choose.random() < 0.3 else (),
        )  # fmt: skip
        for _ in range(length):
            for _ in range(20):
                found = locals_of(step)
                assert found is not None, step.source
                self.values = {name: value for name, value in found.items() if OWN_NAME.fullmatch(name)}
                statement = choose.choice(STATEMENTS)(self)
                longer = statement and replace(step, statements=(*step.statements, statement))
                if longer and _is_tame(longer):
                    step = longer
                    break
        options: list[dict[str, Any]] = [
            {"optimizer": choose.choice(OPTIMIZERS)},
            {"clearing": choose.choice(CLEARING)},
            {"afterwards": choose.choice(AFTERWARDS)},
            {"average": choose.choice(AVERAGES)},
            {"between": choose.choice(BETWEEN)},
            {"look": choose.choice(LOOKS)},
            {"batches": choose.choice(BATCHES)},
        ]
        if step.shared and choose.random() < 0.4:  # another way to share memory from the second call on
            options.append({"shared": (step.shared[0], *(choose.choice((*SHARED, "")) for _ in range(3)))})
        for changes in options:
            changed = replace(step, **changes)
            if outcomes(changed) is not None:
                step = changed
        return step


def locals_of(step: Step) -> dict[str, Tensor] | None:
    """The tensors of the first call by name, None where the step fails."""
    found: dict[str, Tensor] = {}
    marked = step.source.replace("        return [value", "        seen(locals())\n        return [value")
    namespace = {"gc": gc, "F": functional, "nn": nn, "optim": optim, "seen": found.update}
    try:
        exec(compile(marked, f"<step {step.seed}>", "exec"), namespace)
        gc.manual_seed(step.seed)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = [gc.from_numpy(array).requires_grad_() for array in step.parameter_arrays()]
            run, _, _, state, _ = namespace["make"](*made)
            run(*step.given(0, [gc.from_numpy(array) for array in step.arrays(0)]))
    except REFUSALS:
        return None
    named = dict(zip(("w", "b"), made, strict=True)) | {"average": state()[2 + _count(step)]}
    return {name: value for name, value in (found | named).items() if isinstance(value, Tensor)}


def _count(step: Step) -> int:
    """How many parameters the layers have."""
    return len(list(eval(f"nn.Sequential({', '.join(step.layers)})", {"nn": nn}).parameters()))


def _is_tame(step: Step) -> bool:
    """Whether eager mode accepts a step, with values of moderate size."""
    found = locals_of(step)
    if found is None:
        return False
    arrays = [value_of(value) for value in found.values()]
    return all(
        array.size <= MOST_ELEMENTS
        and (array.dtype.kind not in "fc" or np.abs(array[np.isfinite(array)]).max(initial=0.0) < 1e3)
        and (array.dtype.kind not in "iu" or np.abs(array.astype(np.float64)).max(initial=0.0) < 2**30)
        for array in arrays
    )


@functools.cache
def write_step(seed: int, length: int = 7) -> Step:
    """The random step of a seed."""
    return StepWriter(seed).write(length)
