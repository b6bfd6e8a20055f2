"""Optimizers: every one agrees with PyTorch's, compiled steps with eager ones, and states go from one to the other."""

import copy
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim
from graphc.ops.promotion import set_default_dtype
from tests.optim.training import (
    Training,
    arrays,
    as_graphc,
    as_torch,
    assert_close,
    assert_state_close,
    inputs,
    start,
)

# A name for each, the class, and its options.
CASES = {
    "sgd": ("SGD", {"lr": 0.05}),
    "sgd momentum": ("SGD", {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.02}),
    "sgd nesterov": ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    "sgd dampening": ("SGD", {"lr": 0.001, "momentum": 0.9, "dampening": 0.3, "maximize": True}),
    "adam": ("Adam", {"lr": 0.02}),
    "adam decayed": ("Adam", {"lr": 0.02, "weight_decay": 0.1, "amsgrad": True, "betas": (0.8, 0.95)}),
    "adam decoupled": ("Adam", {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    "adamw": ("AdamW", {"lr": 0.02, "amsgrad": True}),
    "adamax": ("Adamax", {"lr": 0.02}),
    "adamax decayed": ("Adamax", {"lr": 0.02, "weight_decay": 0.1, "maximize": True, "eps": 1e-4}),
    "nadam": ("NAdam", {"lr": 0.02}),
    "nadam decayed": ("NAdam", {"lr": 0.02, "weight_decay": 0.1, "momentum_decay": 0.02}),
    "nadam decoupled": ("NAdam", {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    "radam": ("RAdam", {"lr": 0.02}),
    "radam decayed": ("RAdam", {"lr": 0.02, "weight_decay": 0.1, "betas": (0.9, 0.9)}),
    "radam decoupled": ("RAdam", {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    "radam short": ("RAdam", {"lr": 0.02, "betas": (0.9, 0.5)}),
    "rmsprop": ("RMSprop", {"lr": 0.01}),
    "rmsprop centered": ("RMSprop", {"lr": 0.01, "centered": True, "eps": 1e-3, "weight_decay": 0.1}),
    "rmsprop momentum": ("RMSprop", {"lr": 0.01, "momentum": 0.9, "alpha": 0.9, "maximize": True}),
    "adagrad": ("Adagrad", {"lr": 0.05}),
    "adagrad decayed": (
        "Adagrad",
        {"lr": 0.05, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5, "maximize": True},
    ),
    "adadelta": ("Adadelta", {}),
    "adadelta decayed": ("Adadelta", {"lr": 0.5, "rho": 0.8, "weight_decay": 0.1, "eps": 1e-3, "maximize": True}),
    "asgd": ("ASGD", {"lr": 0.05, "lambd": 0.1}),
    "asgd averaged": ("ASGD", {"lr": 0.002, "t0": 4, "weight_decay": 0.1, "alpha": 0.5, "maximize": True}),
    "rprop": ("Rprop", {"lr": 0.01}),
    "rprop limited": ("Rprop", {"lr": 0.01, "etas": (0.4, 1.5), "step_sizes": (0.008, 0.03), "maximize": True}),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_agrees_with_torch(case, dtype):
    """Twelve steps leave PyTorch's parameters, state dict (keys, order, dtypes, values), and repr."""
    torch = pytest.importorskip("torch")
    mine, theirs = (Training(library, *CASES[case], dtype) for library in (gc, torch))
    mine.run(inputs(12)), theirs.run(inputs(12))
    tolerance = 1e-12 if dtype == "float64" else 1e-6
    assert_close(mine.values(), theirs.values(), tolerance)
    # Counters and running products are float32 in both.
    state = arrays(mine.optimizer.state_dict()), arrays(theirs.optimizer.state_dict())
    assert_state_close(*state, max(tolerance, 1e-7) if "nadam" in case else tolerance * 10)
    assert repr(mine.optimizer) == repr(theirs.optimizer)


@pytest.mark.parametrize("case", CASES)
def test_a_compiled_step_is_the_eager_one_and_follows_lr(case):
    """The whole step as one program, over steps with other rates, from one build."""
    eager, compiled = (Training(gc, *CASES[case], groups=True, compiled=flag) for flag in (False, True))
    compiled.run(inputs(1))
    eager.run(inputs(1))
    stages = compiled.step.stages
    for number, batch in enumerate(inputs(8, seed=2)):
        for training in (eager, compiled):
            for group in training.optimizer.param_groups:
                group["lr"] *= (1.0, 0.5, 3.0)[number % 3]
        np.testing.assert_allclose(compiled.run([batch]).item(), eager.run([batch]).item(), rtol=1e-11)
    assert compiled.step.stages is stages
    assert_close(compiled.values(), eager.values(), 1e-11)
    states = (arrays(training.optimizer.state_dict()) for training in (compiled, eager))
    assert_state_close(*states, 1e-6)


@pytest.mark.parametrize("case", ["adamax", "nadam", "radam decayed", "rmsprop centered", "asgd averaged", "rprop"])
def test_compiled_steps_in_single_precision(case):
    """Run-time scalars are float64 numbers, and make no float64 of float32 parameters or state."""
    eager, compiled = (Training(gc, *CASES[case], dtype="float32", compiled=flag) for flag in (False, True))
    eager.run(inputs(8)), compiled.run(inputs(8))
    assert_close(compiled.values(), eager.values(), 3e-6)
    states = (arrays(training.optimizer.state_dict()) for training in (compiled, eager))
    assert_state_close(*states, 1e-5)


@pytest.mark.parametrize("default", [gc.float32, gc.float64])
@pytest.mark.parametrize("case", CASES)
def test_compiled_steps_of_0d_parameters_keep_every_bit(case, default):
    """A run-time number lifts no 0-d parameter or counter to float64, whatever dtype counters have."""
    kind, options = CASES[case]
    found = []
    set_default_dtype(default)
    try:
        for compiled in (False, True):
            weight = gc.tensor(0.7, dtype=gc.float32, requires_grad=True)
            optimizer = getattr(optim, kind)([weight], **options)

            def step(x, weight=weight, optimizer=optimizer):
                optimizer.zero_grad()
                (weight * x).backward()
                optimizer.step()

            run = gc.compile(step) if compiled else step
            for number in range(8):
                run(gc.tensor(1.7 - number / 4, dtype=gc.float32))
            state = {name: value.item() for name, value in optimizer.state.get(weight, {}).items()}
            kinds = {type(value) for value in optimizer.state.get(weight, {}).values()}
            found.append((weight.item(), state, kinds - {gc.Tensor}))
    finally:
        set_default_dtype(gc.float32)
    assert found[0] == found[1]
    assert not found[0][2]


def test_optimizers_are_copied_with_their_parameters():
    """A deep copy of parameters and optimizer together trains on its own, from the same state."""
    training = Training(gc, "SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.5})
    training.run(inputs(2))
    twin = Training(gc, "SGD", {})
    twin.parameters, twin.optimizer = copy.deepcopy((training.parameters, training.optimizer))
    twin.run(inputs(3, seed=4))
    before = training.values()
    training.run(inputs(3, seed=4))
    assert_close(training.values(), twin.values(), 0)
    assert not np.array_equal(before["weight"], training.values()["weight"])


@pytest.mark.parametrize("case", CASES)
def test_resumed_training_equals_an_uninterrupted_one(case):
    """A state dict loaded by a new optimizer of other hyper-parameters, goes on bit for bit."""
    kind, options = CASES[case]
    whole = Training(gc, kind, options)
    whole.run(inputs(5))
    resumed = Training(gc, kind, {**options, "lr": 0.7})
    for target, source in zip(resumed.parameters, whole.parameters, strict=True):
        target.data.copy_(source.detach())
    resumed.optimizer.load_state_dict(copy.deepcopy(whole.optimizer.state_dict()))
    whole.run(inputs(5, seed=3)), resumed.run(inputs(5, seed=3))
    assert_close(resumed.values(), whole.values(), 0)


@pytest.mark.parametrize("case", CASES)
def test_states_go_both_ways_between_torch_and_graphc(case):
    """Training begun in one library goes on in the other as if it had stayed."""
    torch = pytest.importorskip("torch")
    libraries = {gc: as_torch, torch: as_graphc}
    for first, second in ((gc, torch), (torch, gc)):
        begun, stayed = Training(first, *CASES[case]), Training(first, *CASES[case])
        begun.run(inputs(4)), stayed.run(inputs(9)[:4])
        moved = Training(second, *CASES[case])
        for target, value in zip(moved.parameters, begun.values().values(), strict=True):
            target.data.copy_(second.tensor(value))
        moved.optimizer.load_state_dict(libraries[first](begun.optimizer.state_dict()))
        moved.run(inputs(9)[4:]), stayed.run(inputs(9)[4:])
        # What PyTorch rounds when it loads float32 products into float64 state is rounded here later.
        assert_close(moved.values(), stayed.values(), 1e-7 if "nadam" in case or "asgd" in case else 1e-12)


def test_numbers_in_old_state_dicts_become_counters():
    """Files of old PyTorch versions count steps in Python numbers."""
    training = Training(gc, "Adam", {"lr": 0.1})
    training.run(inputs(3))
    state = training.optimizer.state_dict()
    state["state"] = {number: {**entry, "step": 3} for number, entry in state["state"].items()}
    training.optimizer.load_state_dict(state)
    counter = training.optimizer.state[training.parameters[0]]["step"]
    assert (counter.item(), counter.dtype) == (3, gc.float32)


def test_loaded_state_is_a_copy():
    """Two optimizers that share a state dict don't share buffers."""
    training = Training(gc, "SGD", {"lr": 0.1, "momentum": 0.9})
    training.run(inputs(1))
    other = Training(gc, "SGD", {"lr": 0.1, "momentum": 0.9})
    other.optimizer.load_state_dict(training.optimizer.state_dict())
    before = other.optimizer.state[other.parameters[0]]["momentum_buffer"].numpy().copy()
    training.run(inputs(1))
    np.testing.assert_array_equal(other.optimizer.state[other.parameters[0]]["momentum_buffer"].numpy(), before)


@pytest.mark.parametrize("kind", ["Adam", "SGD"])
def test_loading_and_adding_groups_reach_a_compiled_step(kind):
    """After load_state_dict and add_param_group the compiled step goes on as the eager one does."""
    options = {"lr": 0.1, "momentum": 0.9, "dampening": 0.5} if kind == "SGD" else {"lr": 0.1}
    eager, compiled = (Training(gc, kind, options) for _ in range(2))
    for training in (eager, compiled):
        training.optimizer = getattr(optim, kind)(training.parameters[:2], **options)
    compiled.step = gc.compile(compiled.plain_step)
    eager.run(inputs(3)), compiled.run(inputs(3))
    saved = copy.deepcopy(eager.optimizer.state_dict())
    eager.run(inputs(2, seed=5)), compiled.run(inputs(2, seed=5))
    for training in (eager, compiled):
        training.optimizer.load_state_dict(saved)
    eager.run(inputs(2, seed=6)), compiled.run(inputs(2, seed=6))
    assert_close(compiled.values(), eager.values(), 1e-12)
    for training in (eager, compiled):
        training.optimizer.add_param_group({"params": training.parameters[2:], "lr": 0.01})
    eager.run(inputs(3, seed=7)), compiled.run(inputs(3, seed=7))
    assert_close(compiled.values(), eager.values(), 1e-12)
    assert not np.array_equal(compiled.values()["last"], start()["last"])


def test_hyper_parameters_that_switch_code_are_guarded():
    """Weight decay turned on between calls is another build, not a wrong step."""
    eager, compiled = (Training(gc, "RMSprop", {"lr": 0.01}, compiled=flag) for flag in (False, True))
    for decay in (0, 0.3, 0.1, 0):
        for training in (eager, compiled):
            training.optimizer.param_groups[0]["weight_decay"] = decay
            training.run(inputs(2))
    assert_close(compiled.values(), eager.values(), 1e-12)
    assert "2 builds" in repr(compiled.step)


def test_a_rate_that_the_users_code_reads_is_guarded():
    """A user's own optimizer computes with Python numbers; another rate is another build."""

    class Plain(optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        @gc.no_grad()
        def step(self):
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter -= group["lr"] * parameter.grad

    weight = gc.ones(3, requires_grad=True)
    optimizer = Plain([weight], 0.5)

    @gc.compile
    def step():
        optimizer.zero_grad()
        weight.sum().backward()
        optimizer.step()

    step(), step()
    optimizer.param_groups[0]["lr"] = 0.25
    step()
    assert weight.tolist() == [-0.25] * 3


def test_state_made_or_rates_set_within_a_compiled_step_are_refused():
    """Both would happen once, in the recorded call; the error names the line."""
    weight = gc.ones(3, requires_grad=True)
    optimizer = optim.SGD([weight], 0.5)

    def lower():
        optimizer.param_groups[0]["lr"] *= 0.5

    def remember():
        optimizer.state[weight]["mean"] = gc.zeros(3)

    def add():
        optimizer.add_param_group({"params": [gc.ones(1)]})

    for function in (lower, remember, add):
        with pytest.raises(gc.CaptureError, match=r"test_optimizers\.py:\d+: .*inside a compiled function"):
            gc.compile(function)()
    assert [group["lr"] for group in optimizer.param_groups] == [0.5]


def test_a_tensor_as_learning_rate():
    """It is read at every step, also by a compiled one, and filled by a change in place."""
    for flag in (False, True):
        rate = gc.tensor(0.05, dtype=gc.float64)
        training = Training(gc, "Adam", {"lr": rate}, compiled=flag)
        twin = Training(gc, "Adam", {"lr": 0.05})
        training.run(inputs(3)), twin.run(inputs(3))
        rate.fill_(0.01)
        twin.optimizer.param_groups[0]["lr"] = 0.01
        training.run(inputs(3)), twin.run(inputs(3))
        assert_close(training.values(), twin.values(), 1e-12)
    with pytest.raises(ValueError, match="Tensor lr must be 1-element"):
        optim.Adam([gc.ones(1, requires_grad=True)], lr=gc.ones(2))


REFUSED = [
    ("SGD", {"lr": -1}),
    ("SGD", {"momentum": -0.1}),
    ("SGD", {"nesterov": True}),
    ("Adam", {"betas": (1.0, 0.9)}),
    ("Adam", {"betas": (0.9, -0.1)}),
    ("Adam", {"betas": (0, 0.9)}),
    ("Adam", {"fused": True, "foreach": True}),
    ("Adam", {"fused": True, "differentiable": True}),
    ("AdamW", {"eps": -1}),
    ("Adamax", {"weight_decay": -1}),
    ("NAdam", {"momentum_decay": -1}),
    ("RAdam", {"betas": (2.0, 0.9)}),
    ("RMSprop", {"alpha": -1}),
    ("RMSprop", {"momentum": -1}),
    ("Adagrad", {"lr_decay": -1}),
    ("Adagrad", {"initial_accumulator_value": -1}),
    ("Adadelta", {"rho": 1.5}),
    ("ASGD", {"weight_decay": -1}),
    ("Rprop", {"etas": (0.5, 0.9)}),
    ("LBFGS", {"lr": -1}),
]


@pytest.mark.parametrize(("kind", "options"), REFUSED)
def test_bad_hyper_parameters_fail_as_in_torch(kind, options):
    """The same class and words."""
    torch = pytest.importorskip("torch")
    errors = []
    for library in (gc, torch):
        with pytest.raises((ValueError, RuntimeError)) as caught:
            getattr(library.optim, kind)([library.ones(1, requires_grad=True)], **options)
        errors.append((caught.type, str(caught.value)))
    assert errors[0] == errors[1]


def test_signatures_are_those_of_torch():
    """Names, order, kinds, and defaults of every argument."""
    torch = pytest.importorskip("torch")
    import inspect

    for kind in sorted({kind for kind, _ in CASES.values()} | {"LBFGS"}):
        mine, theirs = (inspect.signature(getattr(library.optim, kind).__init__) for library in (gc, torch))
        for left, right in zip(mine.parameters.values(), theirs.parameters.values(), strict=True):
            assert (left.name, left.kind, left.default) == (right.name, right.kind, right.default), kind


def test_parameter_groups_are_checked_as_in_torch():
    """What is no parameter, twice there, named in part, or of a set."""
    torch = pytest.importorskip("torch")

    def attempts(library):
        one, two = (library.ones(1, requires_grad=True) for _ in range(2))
        optimizer = library.optim.SGD([one])
        named = library.optim.SGD([("one", one)])
        yield lambda: library.optim.SGD([])
        yield lambda: library.optim.SGD([3])
        yield lambda: library.optim.SGD([one * 2])
        yield lambda: library.optim.SGD([("one", one), two])
        yield lambda: optimizer.add_param_group([two])
        yield lambda: optimizer.add_param_group({"params": {two}})
        yield lambda: optimizer.add_param_group({"params": one})
        yield lambda: optimizer.add_param_group({"params": [("two", two)]})
        yield lambda: named.add_param_group({"params": two})
        yield lambda: optimizer.load_state_dict({"state": {}, "param_groups": []})
        yield lambda: optimizer.load_state_dict({"state": {}, "param_groups": [{"params": [0, 1]}]})

    for mine, theirs in zip(attempts(gc), attempts(torch), strict=True):
        errors = []
        for attempt in (mine, theirs):
            with pytest.raises((TypeError, ValueError)) as caught:
                attempt()
            errors.append((caught.type, str(caught.value)))
        assert errors[0] == errors[1]
    weight = gc.ones(1, requires_grad=True)
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optim.SGD([weight, weight])


def test_named_parameters():
    """Names are kept in the group and the state dict."""
    layer = nn.Linear(2, 3)
    optimizer = optim.Adam(layer.named_parameters())
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]
    optimizer.load_state_dict(optim.Adam(layer.parameters(), lr=0.5).state_dict())
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_hooks_and_closures():
    """Hooks run around a step, may change its arguments, and can be removed; a closure's result is given back."""
    weight = gc.ones(2, requires_grad=True)
    optimizer = optim.SGD([weight], lr=1.0)
    seen = []

    def closure():
        optimizer.zero_grad()
        loss = weight.sum()
        loss.backward()
        return loss

    before = optimizer.register_step_pre_hook(lambda opt, args, kwargs: ((opt, closure), {}))
    after = optimizer.register_step_post_hook(lambda opt, args, kwargs: seen.append((opt, len(args), kwargs)))
    assert optimizer.step().item() == 2.0
    assert seen == [(optimizer, 2, {})]
    assert weight.tolist() == [0.0, 0.0]
    before.remove(), after.remove()
    assert optimizer.step() is None
    assert len(seen) == 1
    with gc.no_grad():
        assert optimizer.step(closure).requires_grad


def test_zero_grad():
    """Gradients are dropped, or set to zero in place."""
    weight = gc.ones(2, requires_grad=True)
    optimizer = optim.SGD([weight], lr=1.0)
    weight.sum().backward()
    gradient = weight.grad
    optimizer.zero_grad(set_to_none=False)
    assert weight.grad is gradient
    assert gradient.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert weight.grad is None


def test_frozen_parameters_and_parameters_without_gradient_are_left():
    """No state is made for them, and a compiled step notices when one thaws."""
    eager, compiled = (Training(gc, "NAdam", {"lr": 0.02}, compiled=flag) for flag in (False, True))
    for training in (eager, compiled):
        training.parameters[0].requires_grad_(False)
        training.run(inputs(2))
        assert training.parameters[0] not in training.optimizer.state
        training.parameters[0].requires_grad_(True)
        training.run(inputs(3))
        assert training.optimizer.state[training.parameters[0]]["step"].item() == 3
    assert_close(compiled.values(), eager.values(), 1e-12)


def test_a_state_loaded_after_a_refused_capture_is_damped():
    """The refused step has made empty state; the loaded buffer holds gradients, so the next one enters damped."""
    options = {"lr": 0.05, "momentum": 0.9, "dampening": 0.5}
    whole, other = Training(gc, "SGD", options), Training(gc, "SGD", options)
    with pytest.raises(gc.CaptureError):
        gc.compile(lambda x, y: (other.plain_step(x, y), other.optimizer.load_state_dict({})))(
            *map(gc.tensor, inputs(1)[0])
        )
    whole.run(inputs(1))
    other.optimizer.load_state_dict(whole.optimizer.state_dict())
    for target, source in zip(other.parameters, whole.parameters, strict=True):
        target.data.copy_(source.detach())
    whole.run(inputs(2, seed=2)), other.run(inputs(2, seed=2))
    assert_close(other.values(), whole.values(), 0)


def test_groups_are_shown_with_a_line_between_them() -> None:
    """The text of an optimizer of several groups is PyTorch's, to the blank line between groups."""
    torch = pytest.importorskip("torch")

    def shown(t: Any) -> str:
        layer = t.nn.Linear(2, 1)
        groups = [{"params": [layer.weight]}, {"params": [layer.bias], "lr": 0.5}]
        return repr(t.optim.SGD(groups, lr=0.1))

    assert shown(gc) == shown(torch)


@pytest.mark.parametrize("shape", [(3, 4), ()])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {}),
        ("SGD", {"weight_decay": 0.1, "maximize": True}),
        ("SGD", {"momentum": 0.9, "weight_decay": 0.1}),
        ("SGD", {"momentum": 0.9, "nesterov": True}),
        ("SGD", {"momentum": 0.9, "dampening": 0.5}),
        ("Adam", {}),
        ("Adam", {"weight_decay": 0.1, "amsgrad": True, "maximize": True}),
        ("AdamW", {"betas": (0.8, 0.95), "eps": 1e-3}),
    ],
)
def test_updates_on_arrays_are_those_of_tensors(name, options, shape):
    """What eager steps do to arrays is, bit for bit, the update that programs record; versions count as many writes."""

    def trained(by_tensors):
        gc.manual_seed(4)
        parameter = gc.randn(shape).requires_grad_()
        optimizer = getattr(gc.optim, name)([parameter], lr=0.1, **options)
        if by_tensors:
            optimizer.updates_arrays = False
        for _ in range(4):
            parameter.grad = gc.randn(shape)
            optimizer.step()
        state = optimizer.state[parameter]
        return parameter._version, [parameter.detach().numpy(), *(state[key].numpy() for key in sorted(state))]

    (version, on_arrays), (expected_version, expected) = trained(False), trained(True)
    assert version == expected_version
    assert len(on_arrays) == len(expected)
    for mine, other in zip(on_arrays, expected, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_an_own_update_is_asked():
    """A class that is derived from an optimizer with an update of its own is not passed over."""

    class Doubled(gc.optim.SGD):
        def update(self, group, parameter, gradient, entry):
            super().update(group, parameter, gradient * 2, entry)

    parameter = gc.ones(2, requires_grad=True)
    parameter.grad = gc.ones(2)
    Doubled([parameter], lr=0.25).step()
    assert parameter.tolist() == [0.5, 0.5]
