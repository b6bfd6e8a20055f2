"""``compile(memory_limit=...)``: a step that fits into the memory it may take, with every bit of every result."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
import graphc.nn.functional as F
from graphc import nn
from graphc.byte_sizes import byte_count
from graphc.capture.trace import capture
from graphc.codegen.loops import CallOut, CheckIndex, Contract, If, Launch, Loop, Random
from graphc.codegen.lower import lower
from graphc.codegen.ordering import order_for_memory
from graphc.ir.passes.pipeline import optimize
from graphc.ir.primitive import PRIMITIVES


class Block(nn.Module):
    """One layer of a decoder: attention under a mask, and a wide layer, each with dropout and a residual."""

    def __init__(self, width, heads):
        super().__init__()
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.drop = nn.Dropout(0.1)
        self.heads = heads

    def forward(self, x):
        batch, length, width = x.shape
        shape = (batch, length, self.heads, width // self.heads)
        q, k, v = (part.reshape(shape).transpose(1, 2) for part in self.project(self.before(x)).chunk(3, -1))
        weights = q @ k.transpose(-2, -1) / shape[-1] ** 0.5
        weights = weights.masked_fill(gc.ones(length, length).tril() == 0, float("-inf")).softmax(-1)
        mixed = (self.drop(weights) @ v).transpose(1, 2).reshape(batch, length, width)
        x = x + self.drop(self.out(mixed))
        return x + self.drop(self.narrow(F.gelu(self.wide(self.between(x)))))


class Decoder(nn.Module):
    def __init__(self, symbols=33, width=32, heads=2, layers=3, length=24):
        super().__init__()
        self.symbols, self.places = nn.Embedding(symbols, width), nn.Embedding(length, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, symbols)

    def forward(self, tokens):
        x = self.symbols(tokens) + self.places(gc.arange(tokens.shape[1]))
        return self.head(self.norm(self.blocks(x))).flatten(0, 1)


class Recurrent(nn.Module):
    """A layer that walks along its input: a loop, in which dropout draws and a branch is taken by a value."""

    def __init__(self, width):
        super().__init__()
        self.inner, self.wide, self.narrow = (nn.Linear(*size) for size in ((width,) * 2, (width, 32), (32, width)))
        self.drop = nn.Dropout(0.3)

    def forward(self, xs):
        def body(h, x):
            h = (self.inner(self.drop(h)) + x).tanh()
            return h, gc.cond(h.sum() > 0, lambda h: self.narrow(F.gelu(self.wide(h))), lambda h: h * 2, (h,))

        return gc.scan(body, xs[0] * 0, xs)[1]


class Layers(nn.Module):
    """Loops one after another, and one that goes on by what it computes."""

    def __init__(self, width=8, count=3):
        super().__init__()
        self.layers = nn.ModuleList([Recurrent(width) for _ in range(count)])
        self.head = nn.Linear(width, 5)

    def forward(self, xs):
        for layer in self.layers:
            xs = xs + layer(xs)
        more = (lambda x: x.abs().sum() > 1, lambda x: (x * 0.5,))
        (last,) = gc.while_loop(*more, (xs[-1],), max_iterations=40)
        return self.head(last)


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1, self.c2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.f1, self.f2, self.f3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.c1(x)), 2)
        x = F.max_pool2d(F.relu(self.c2(x)), 2)
        return self.f3(F.relu(self.f2(F.relu(self.f1(x.flatten(1))))))


def deep():
    layers = []
    for _ in range(24):
        layers += [nn.Linear(32, 32), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(32, 10)), gc.randn(64, 32), gc.randint(0, 10, (64,))


def decoder():
    return Decoder(), gc.randint(0, 33, (4, 24)), gc.randint(0, 33, (96,))


def lenet():
    return LeNet(), gc.randn(16, 1, 28, 28), gc.randint(0, 10, (16,))


class Sorter(nn.Module):
    """Sorting is the host's work."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(32, 32) for _ in range(8))
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x.sort(-1).values).tanh()
        return self.head(x)


def sorter():
    return Sorter(), gc.randn(64, 32), gc.randint(0, 10, (64,))


def recurrent():
    return Layers(), gc.randn(12, 4, 8), gc.randint(0, 5, (4,))


def sgd(parameters):
    return gc.optim.SGD(parameters, lr=0.1, momentum=0.9)


def adam(parameters):
    return gc.optim.AdamW(parameters, lr=1e-3)


def run(make, optimizer, steps=3, **options):
    """A few compiled steps; the compiled function, and all that they leave: losses, gradients, state, the stream."""
    gc.manual_seed(0)
    net, x, y = make()
    made = optimizer(net.parameters())

    def step(x, y):
        made.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        made.step()
        return loss

    compiled = gc.compile(step, **options)
    left = [compiled(x, y).detach().numpy().copy() for _ in range(steps)]
    left += [parameter.grad.numpy().copy() for parameter in net.parameters()]
    left += [tensor.detach().numpy().copy() for tensor in (*net.parameters(), *net.buffers())]
    left.append(gc.rand(4).numpy())
    return compiled, left


def count(compiled, *kinds):
    """How many launches hold a statement of these kinds."""

    def holds(body):
        statements = body.epilogue if isinstance(body, Contract) else body
        return any(isinstance(each, kinds) or (isinstance(each, Loop | If) and holds(each.body)) for each in statements)

    return sum(holds(launch.kernel.body) for launch in compiled.stages.compiled.program.launches)


def writers_of_state(compiled):
    """How many launches write to state, and how many to results."""
    program = compiled.stages.compiled.program
    kinds = {buffer.name: buffer.kind for buffer in program.buffers}
    return [
        sum(
            kinds[name] == kind and parameter.access != "read"
            for launch in program.launches
            for name, parameter in zip(launch.buffers, launch.kernel.parameters, strict=True)
        )
        for kind in ("state", "output")
    ]


CASES = [
    (deep, sgd, 0.5),
    (deep, adam, 0.5),
    (decoder, sgd, 0.55),
    (decoder, adam, 0.6),
    (lenet, sgd, 0.99),
    (lenet, adam, 0.99),
    (sorter, adam, 0.75),
    (recurrent, adam, 0.9),
]


@pytest.mark.parametrize(("make", "optimizer", "share"), CASES, ids=lambda value: getattr(value, "__name__", value))
def test_steps_in_less_memory_keep_every_bit(make, optimizer, share):
    """The arena is within the limit, nothing with an effect is repeated, and all that the steps leave is the same."""
    free, expected = run(make, optimizer)
    with pytest.raises(gc.MemoryLimitError) as refusal:
        run(make, optimizer, memory_limit=0)
    whole, least = free.plan.arena_bytes, refusal.value.least
    assert least <= share * whole
    for limit in (least, (least + whole) // 2):
        limited, given = run(make, optimizer, memory_limit=limit)
        assert limited.plan.arena_bytes <= limit < whole
        for ours, theirs in zip(given, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        for kind in (Random, CheckIndex, CallOut):
            assert count(limited, kind) == count(free, kind)
        assert writers_of_state(limited) == writers_of_state(free)


def test_the_report_tells_what_it_cost():
    """report() prints the limit, both arenas, and the second runs."""
    free, _ = run(deep, sgd)
    whole = free.plan.arena_bytes
    compiled, _ = run(deep, sgd, memory_limit=f"{whole // 2}B")
    build = compiled.report().builds[0]
    assert build.rematerialization.before == whole
    assert build.rematerialization.after == build.arena_bytes == compiled.plan.arena_bytes
    assert build.rematerialization.launches == len(build.launches) - len(free.report().builds[0].launches)
    assert str(build.rematerialization) in str(compiled.report())
    assert "run a second time" in str(compiled.report())
    assert "memory limit" not in str(free.report())


def test_refusal_names_the_bytes():
    """Too tight a limit is refused at the first call, by the function's name; the least that is named is enough."""
    with pytest.raises(
        gc.MemoryLimitError, match=r"step may take 1,024 bytes of memory .* least .* [\d,]+ bytes"
    ) as found:
        run(deep, sgd, memory_limit="1KiB")
    compiled, _ = run(deep, sgd, memory_limit=found.value.least)
    assert compiled.plan.arena_bytes <= found.value.least


def test_sizes_known_at_run_time_count_as_their_greatest():
    """One build keeps the limit for every batch size that it serves."""
    gc.manual_seed(0)
    net = nn.Sequential(*(layer for _ in range(16) for layer in (nn.Linear(16, 16), nn.Tanh())))

    def function(x):
        net.zero_grad()
        loss = (net(x) ** 2).sum()
        loss.backward()
        return loss

    options = {"dynamic": {"x": {0: ("N", 128)}}}
    free = gc.compile(function, **options)
    free(gc.randn(8, 16))
    limit = free.plan.arena_bytes // 2
    limited = gc.compile(function, memory_limit=limit, **options)
    for batch in (8, 128, 1):
        found = []
        for call in (free, limited):
            x = gc.ones(batch, 16) * 0.3
            call(x)
            found.append([call(x).item(), *(parameter.grad.tolist() for parameter in net.parameters())])
        assert found[0] == found[1]
    assert limited.plan.arena_bytes <= limit
    assert len(limited.report().builds) == 1


def test_backward_programs_from_outside_have_the_limit_too():
    """A program that runs backward alone, when eager code asks for it, is planned under the same limit."""
    net = nn.Sequential(*(layer for _ in range(3) for layer in (nn.Linear(16, 16), nn.Tanh())))
    compiled = gc.compile(net, memory_limit="1MiB")
    x = gc.randn(8, 16)
    compiled(x)
    result = compiled(x)
    result.sum().backward()
    (backward,) = result.grad_fn._program._backward.values()
    told = backward.plain.executable.compiled.rematerialization
    assert told.limit == 1 << 20
    assert told.after <= told.limit


@pytest.mark.parametrize(
    ("given", "expected"),
    [("48MiB", 48 << 20), (" 1.5 GiB ", 3 << 29), ("64 kb", 64_000), ("2GB", 2 * 10**9), ("512", 512), (0, 0)],
)
def test_amounts_of_memory(given, expected):
    """Binary and decimal units, whole numbers exact."""
    assert byte_count(given) == expected


@pytest.mark.parametrize("given", ["48 Mibble", "", "MiB", "-3MiB", -1])
def test_amounts_that_are_none(given):
    """Bad text and negative numbers are refused with what was given."""
    with pytest.raises(ValueError, match="memory_limit expects a number of bytes"):
        gc.compile(lambda x: x, memory_limit=given)


@pytest.mark.parametrize("given", [1.5, True, [1]])
def test_amounts_of_the_wrong_type(given):
    """What is neither a whole number nor text is refused by its type."""
    with pytest.raises(TypeError, match=f"memory_limit expects .* got {type(given).__name__}"):
        gc.compile(lambda x: x, memory_limit=given)


def test_an_order_that_saves_memory_draws_in_the_order_of_the_program() -> None:
    """A small draw by the host stays behind a large one by the program, whose memory could wait."""

    def draws(rates: gc.Tensor) -> tuple[gc.Tensor, ...]:
        many = gc.rand(1 << 18)
        few = gc.poisson(rates)
        return many.sort().values[:: 1 << 14].clone(), few

    recording, _ = capture(draws, (gc.full((5,), 3.0),), {})
    program = lower(optimize(recording.graph).graph)

    def drawn(launches: tuple[Launch, ...]) -> list[str]:
        names = [launch.kernel.operations[0] for launch in launches]
        return [name for name in names if PRIMITIVES[name].effect == "random"]

    assert drawn(order_for_memory(program).launches) == drawn(program.launches) == ["random_uniform", "random_poisson"]
