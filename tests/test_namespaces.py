"""Generators, and the namespaces of GPUs and libraries that are not there, against PyTorch."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest

import graphc as gc
from tests.autograd.scenarios import assert_like_torch, in_order

# -- random numbers


def state_goes_on(t):
    t.manual_seed(5)
    t.rand(3)
    kept = t.get_rng_state()
    first = t.rand(3)
    t.set_rng_state(kept)
    return first, t.rand(3), kept, kept.dtype == t.uint8


def seeds(t):
    t.manual_seed(17)
    first = t.initial_seed(), t.random.initial_seed()
    t.random.manual_seed(-1)
    return first, t.initial_seed()


def new_seed(t):
    seed = t.seed()
    return seed == t.initial_seed(), isinstance(seed, int)


def forked(t):
    t.manual_seed(1)
    with t.random.fork_rng():
        t.manual_seed(99)
        within = t.rand(2)
    return within, t.rand(2)


def not_forked(t):
    t.manual_seed(1)
    with t.random.fork_rng(enabled=False):
        t.rand(2)
    return t.rand(2)


def generator(t):
    g = t.Generator()
    before = g.initial_seed(), str(g.device)
    g.manual_seed(3)
    a = t.rand(2, generator=g)
    kept = g.get_state()
    other = g.clone_state()
    b = t.randn(20, generator=g)
    g.set_state(kept)
    return before, a, b, t.randn(20, generator=g), t.randn(20, generator=other), kept


def generator_of_a_device(t):
    return str(t.Generator(device="cpu").device), t.Generator("cpu").initial_seed()


def generator_gives_itself(t):
    g = t.Generator()
    return g.manual_seed(4) is g, t.manual_seed(4) is t.default_generator


def generator_is_seeded(t):
    g = t.Generator()
    return g.seed() == g.initial_seed()


def states_of_other_kinds(t):
    errors = []
    for state in (t.zeros(3), 3, t.zeros(3, dtype=t.uint8), [1]):
        try:
            t.Generator().set_state(state)
        except (TypeError, RuntimeError) as error:
            errors.append((type(error).__name__, str(error)))
    return errors


def seed_that_is_too_great(t):
    t.Generator().manual_seed(2**70)


def seed_of_a_string(t):
    t.Generator().manual_seed("3")


def seeds_of_other_kinds(t):
    return t.manual_seed("3").initial_seed(), t.manual_seed(3.7).initial_seed()


# -- devices


def devices(t):
    named = t.device("cuda:1"), t.device("cuda"), t.device("cuda", 1), t.device("cpu"), t.device(t.device("cpu"))
    return [(str(d), repr(d), d.type, d.index) for d in named], named[0] == named[2], len(set(named))


def device_of_no_kind(t):
    t.device("foo")


def device_of_no_number(t):
    t.device("cuda:x")


def device_of_two_numbers(t):
    t.device("cuda:1", 2)


# -- no GPU


def questions(t):
    c = t.cuda
    return (
        c.is_available(),
        c.device_count(),
        c.is_initialized(),
        c.memory_allocated(),
        c.max_memory_allocated(),
        c.memory_reserved(),
        c.empty_cache(),
        c.manual_seed(0),
        c.manual_seed_all(0),
        c.get_arch_list(),
        c.set_device(-1),
        t.backends.mps.is_available(),
        t.backends.cudnn.is_available(),
        t.backends.cudnn.version(),
        t.backends.cudnn.enabled,
        t.backends.cudnn.benchmark,
        t.backends.cuda.is_built(),
        t.backends.cuda.matmul.allow_tf32,
        t.backends.cpu.get_cpu_capability(),
        t.version.cuda,
    )


def current(t):
    t.cuda.current_device()


def synchronized(t):
    t.cuda.synchronize()


def name_of_a_gpu(t):
    t.cuda.get_device_name(0)


def properties(t):
    t.cuda.get_device_properties(0)


def a_stream(t):
    t.cuda.Stream()


def blocks(t):
    with t.cuda.device(-1):
        return t.ones(1)


def flags(t):
    # PyTorch's own tests, where some of them were imported, freeze its flags.
    if hasattr(t.backends, "flags_frozen"):
        t.backends.flags_frozen.__globals__["__allow_nonbracketed_mutation_flag"] = True
    t.backends.cudnn.benchmark = True
    t.backends.cudnn.deterministic = True
    found = t.backends.cudnn.benchmark, t.backends.cudnn.deterministic
    with t.backends.cudnn.flags(enabled=False):
        within = t.backends.cudnn.enabled
    t.backends.cudnn.benchmark = t.backends.cudnn.deterministic = False
    return found, within, t.backends.cudnn.enabled


def mixed_precision_that_is_off(t):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x = t.ones(2, requires_grad=True)
        scaler = t.amp.GradScaler("cuda")
        optimizer = t.optim.SGD([x], 0.1)
        with t.autocast("cuda"):
            loss = (x * 2).sum()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return x, loss.dtype == t.float32, scaler.is_enabled(), scaler.get_scale()


SCENARIOS = in_order(globals())


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_like_torch(scenario: Any) -> None:
    """Values, states, and the words of errors are PyTorch's."""
    assert_like_torch(scenario)


def test_states_go_to_pytorch_and_back() -> None:
    """The same tensor is a state in both libraries."""
    torch = pytest.importorskip("torch")
    gc.manual_seed(8)
    gc.randn(5)
    torch.set_rng_state(torch.from_numpy(gc.get_rng_state().numpy()))
    np.testing.assert_array_equal(gc.randn(7).numpy(), torch.randn(7).numpy())
    gc.set_rng_state(gc.from_numpy(torch.get_rng_state().numpy()))
    np.testing.assert_array_equal(gc.rand(7).numpy(), torch.rand(7).numpy())


def test_generators_are_copied_with_their_state() -> None:
    """By copy and by pickle."""
    generator = gc.Generator().manual_seed(2)
    gc.rand(3, generator=generator)
    others = [copy.deepcopy(generator), pickle.loads(pickle.dumps(generator))]
    expected = gc.rand(4, generator=generator).tolist()
    assert [gc.rand(4, generator=other).tolist() for other in others] == [expected, expected]


def test_rare_namespaces_are_loaded_when_they_are_asked_for() -> None:
    """The import brings none of them; asking for a name does."""
    program = (
        "import sys, graphc\n"
        "names = ['cuda', 'backends', 'func', 'amp', 'random', 'as_torch', 'version', 'autograd.functional']\n"
        "print([name for name in names if 'graphc.' + name in sys.modules])\n"
        "print(graphc.cuda.is_available(), graphc.func.grad(lambda x: x ** 2)(graphc.tensor(3.0)), "
        "graphc.version.torch, graphc.autograd.functional.__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\nFalse tensor(6.) 2.13.0 graphc.autograd.functional\n"


def in_a_process(text: str) -> str:
    """What a program prints in a process of its own."""
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_import_loads_no_more_than_arithmetic_needs() -> None:
    """The compiler, its templates, files, layers, and optimizers are loaded when they are first asked for."""
    late = ("jinja2", "cffi", "networkx", "zipfile", "graphc.compiler", "graphc.codegen", "graphc.nn", "graphc.optim")
    program = f"import graphc, sys\nprint([name for name in {late!r} if name in sys.modules])\n"
    assert (
        in_a_process(program + "print(graphc.nn.Linear(2, 1)(graphc.ones(1, 2)).shape)") == "[]\ntorch.Size([1, 1])\n"
    )


def test_everything_is_had_at_once() -> None:
    """``from graphc import *`` gives the names that are loaded late, too, and no tools of the namespace."""
    program = (
        "from graphc import *\nprint(callable(compile), nn.__name__, tensor([1]).sum().item(), 'lazy_names' in dir())"
    )
    assert in_a_process(program) == "True graphc.nn 1 False\n"


def test_describers_come_before_functions() -> None:
    """Whoever describes calls after functions were made public is told that it is too late."""
    from graphc.ops.describing import register_describers

    with pytest.raises(RuntimeError, match="import them before"):
        register_describers(lambda function, namespace: None, lambda value, text, input: value)
