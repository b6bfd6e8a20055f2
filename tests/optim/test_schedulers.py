"""Schedulers: rates and momenta equal PyTorch's to the last bit, states go on, and compiled steps follow."""

import copy
import warnings

import pytest

import graphc as gc
from graphc import optim

STEPS = 50


class Warm:
    """A callable object with state of its own, for schedules by functions."""

    def __init__(self, pace=0.1):
        self.pace = pace

    def __call__(self, step):
        return 1 / (1 + self.pace * step)


def chained(s, o):
    return s.ChainedScheduler([s.ConstantLR(o, 0.1, total_iters=7), s.ExponentialLR(o, 0.95)])


def sequential(s, o):
    parts = [s.LinearLR(o, 0.2, total_iters=6), s.CosineAnnealingLR(o, 11), s.StepLR(o, 3, 0.8)]
    return s.SequentialLR(o, parts, milestones=[6, 25])


# A schedule for each name, from the module of schedulers and an optimizer of two groups.
SCHEDULES = {
    "step": lambda s, o: s.StepLR(o, 7, 0.5),
    "multi-step": lambda s, o: s.MultiStepLR(o, [5, 5, 13, 30], 0.3),
    "constant": lambda s, o: s.ConstantLR(o),
    "constant long": lambda s, o: s.ConstantLR(o, 0.5, total_iters=20),
    "linear": lambda s, o: s.LinearLR(o),
    "linear falling": lambda s, o: s.LinearLR(o, 1.0, 0.1, total_iters=30),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.93),
    "polynomial": lambda s, o: s.PolynomialLR(o, 40, 2.5),
    "polynomial short": lambda s, o: s.PolynomialLR(o),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 50, 0.001),
    "cosine up and down": lambda s, o: s.CosineAnnealingLR(o, 8),
    "restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 6),
    "longer restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 4, T_mult=2, eta_min=0.003),
    "one cycle": lambda s, o: s.OneCycleLR(o, 0.3, total_steps=STEPS + 1),
    "one cycle of lines": lambda s, o: s.OneCycleLR(
        o, [0.3, 0.5], epochs=5, steps_per_epoch=12, anneal_strategy="linear", three_phase=True, pct_start=0.25
    ),
    "one cycle without momentum": lambda s, o: s.OneCycleLR(
        o, 0.3, total_steps=60, cycle_momentum=False, div_factor=3.0
    ),
    "cyclic": lambda s, o: s.CyclicLR(o, 0.01, 0.2, step_size_up=7),
    "cyclic halving": lambda s, o: s.CyclicLR(
        o, [0.01, 0.02], [0.2, 0.3], step_size_up=4, step_size_down=9, mode="triangular2", base_momentum=[0.7, 0.6]
    ),
    "cyclic falling": lambda s, o: s.CyclicLR(
        o, 0.01, 0.2, step_size_up=5, mode="exp_range", gamma=0.97, cycle_momentum=False
    ),
    "cyclic by function": lambda s, o: s.CyclicLR(
        o, 0.01, 0.2, step_size_up=5, scale_fn=Warm(), scale_mode="iterations"
    ),
    "lambda": lambda s, o: s.LambdaLR(o, lambda step: 0.95**step),
    "lambdas": lambda s, o: s.LambdaLR(o, [Warm(), lambda step: 1 - step / 100]),
    "multiplicative": lambda s, o: s.MultiplicativeLR(o, lambda step: 0.9 + step / 1000),
    "multiplicatives": lambda s, o: s.MultiplicativeLR(o, [Warm(0.01), lambda step: 0.99]),
    "sequential": sequential,
    "chained": chained,
    "sequential of one": lambda s, o: s.SequentialLR(o, [s.ExponentialLR(o, 0.9)], []),
}
CLOSED_FORMS = [
    name
    for name in SCHEDULES
    if name.split()[0]
    in ("step", "multi-step", "constant", "linear", "exponential", "polynomial", "cosine", "restarts")
    or name in ("lambda", "longer restarts", "one cycle")
]


def optimizer_of(library, kind="SGD"):
    parameters = [library.ones(2, requires_grad=True) for _ in range(3)]
    options = {"momentum": 0.9} if kind == "SGD" else {}
    optimizer = getattr(library.optim, kind)(
        [{"params": parameters[:1]}, {"params": parameters[1:], "lr": 0.04}], lr=0.1, **options
    )
    optimizer.step()
    return optimizer


def settings(optimizer):
    """The numbers of every group, without the parameters."""
    keys = ("lr", "initial_lr", "momentum", "betas", "max_lr", "min_lr", "base_momentum", "max_momentum")
    return [{key: group[key] for key in keys if key in group} for group in optimizer.param_groups]


def quietly(make, *arguments):
    """What PyTorch's parts of a chain say on the way is no part of the comparison."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(*arguments)


def scheduled(library, name, kind="SGD"):
    optimizer = optimizer_of(library, kind)
    scheduler = quietly(SCHEDULES[name], library.optim.lr_scheduler, optimizer)
    optimizer.step()
    return optimizer, scheduler


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_equal_those_of_torch(name, kind):
    """Rates, initial rates, momenta or betas, and get_last_lr of every group over 50 steps, without rounding."""
    torch = pytest.importorskip("torch")
    mine, my_scheduler = scheduled(gc, name, kind)
    theirs, their_scheduler = scheduled(torch, name, kind)
    assert settings(mine) == settings(theirs)
    for step in range(STEPS):
        mine.step(), theirs.step()
        quietly(my_scheduler.step), quietly(their_scheduler.step)
        assert settings(mine) == settings(theirs), step
        assert my_scheduler.get_last_lr() == their_scheduler.get_last_lr(), step
    assert [type(rate) for rate in my_scheduler.get_last_lr()] == [float, float]


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_going_to_an_epoch_equals_torch(name):
    """``step(epoch)`` takes the closed form where there is one, and warns that it is deprecated."""
    torch = pytest.importorskip("torch")
    mine, my_scheduler = scheduled(gc, name)
    theirs, their_scheduler = scheduled(torch, name)
    for epoch in (3, 4, 12, 12, 29, 1):
        if "restarts" not in name:
            with pytest.warns(UserWarning, match=r"The epoch parameter in `scheduler\.step\(\)` was not necessary"):
                my_scheduler.step(epoch)
        else:
            my_scheduler.step(epoch)
        quietly(their_scheduler.step, epoch)
        assert settings(mine) == settings(theirs), epoch
    if "restarts" in name:
        for epoch in (0.25, 5.5, 17.75):
            my_scheduler.step(epoch), their_scheduler.step(epoch)
            assert settings(mine) == settings(theirs), epoch


@pytest.mark.parametrize("name", SCHEDULES)
def test_states_have_the_entries_of_torch_and_go_on(name):
    """The same names and values as PyTorch's state, either library's goes on in a new scheduler."""
    torch = pytest.importorskip("torch")
    whole, whole_scheduler = scheduled(gc, name)
    theirs, their_scheduler = scheduled(torch, name)
    for _ in range(9):
        quietly(whole_scheduler.step), quietly(their_scheduler.step)
    state, their_state = (copy.deepcopy(scheduler.state_dict()) for scheduler in (whole_scheduler, their_scheduler))
    assert "optimizer" not in state
    assert state == their_state
    rates = copy.deepcopy(whole.state_dict()), copy.deepcopy(theirs.state_dict())
    for _ in range(15):
        quietly(whole_scheduler.step)
    for saved, groups in zip((state, their_state), rates, strict=True):
        resumed, resumed_scheduler = scheduled(gc, name)
        resumed.load_state_dict({"state": {}, "param_groups": groups["param_groups"]})
        resumed_scheduler.load_state_dict(saved)
        for _ in range(15):
            quietly(resumed_scheduler.step)
        assert settings(resumed) == settings(whole)
        assert resumed_scheduler.get_last_lr() == whole_scheduler.get_last_lr()


def test_attributes_of_callable_objects_are_saved():
    """Of functions nothing is saved; the object of the new scheduler takes over the numbers."""
    optimizer, scheduler = scheduled(gc, "lambdas")
    assert scheduler.state_dict()["lr_lambdas"] == [{"pace": 0.1}, None]
    other = optim.lr_scheduler.LambdaLR(optimizer, [Warm(5.0), lambda step: 1.0])
    other.load_state_dict(scheduler.state_dict())
    assert other.lr_lambdas[0].pace == 0.1
    cyclic = scheduled(gc, "cyclic by function")[1]
    assert cyclic.state_dict()["_scale_fn_custom"] == {"pace": 0.1}


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
@pytest.mark.parametrize("options", [{"patience": 2}, {"patience": 0, "cooldown": 3, "min_lr": [0.001, 0.02]}])
def test_plateaus_are_found_as_in_torch(mode, threshold_mode, options):
    """Rates and state over 50 measures that wander, resumed in the middle from PyTorch's state."""
    torch = pytest.importorskip("torch")
    optimizers = [optimizer_of(library) for library in (gc, torch)]
    arguments = {"mode": mode, "threshold": 0.05, "threshold_mode": threshold_mode, "factor": 0.6, **options}
    schedulers = [
        library.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **arguments)
        for library, optimizer in zip((gc, torch), optimizers, strict=True)
    ]
    measure = 1.0
    for step in range(STEPS):
        measure += ((step * 37) % 11 - 5) / 40
        schedulers[0].step(gc.tensor(measure, dtype=gc.float64))
        schedulers[1].step(torch.tensor(measure, dtype=torch.float64))
        assert settings(optimizers[0]) == settings(optimizers[1]), step
        state = schedulers[1].state_dict()
        assert schedulers[0].state_dict() == state
        if step == 20:
            schedulers[0] = optim.lr_scheduler.ReduceLROnPlateau(optimizers[0])
            schedulers[0].load_state_dict(copy.deepcopy(state))
    assert optimizers[0].param_groups[0]["lr"] < 0.1


@pytest.mark.parametrize("start", [2, 8])
def test_going_on_from_an_epoch(start):
    """``last_epoch`` goes on from rates that are there already; it needs their initial values."""
    torch = pytest.importorskip("torch")
    found = []
    for library in (gc, torch):
        optimizer = optimizer_of(library)
        with pytest.raises(KeyError, match=r"param 'initial_lr' is not specified in param_groups\[0\]"):
            library.optim.lr_scheduler.StepLR(optimizer, 3, last_epoch=start)
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"] * 2
        makers = library.optim.lr_scheduler
        for scheduler in (
            makers.StepLR(optimizer, 3, last_epoch=start),
            makers.CosineAnnealingLR(optimizer, 20, last_epoch=start),
            makers.LinearLR(optimizer, total_iters=20, last_epoch=start),
            makers.ExponentialLR(optimizer, 0.9, last_epoch=start),
        ):
            quietly(scheduler.step), quietly(scheduler.step)
            found.append(settings(optimizer))
    assert found[: len(found) // 2] == found[len(found) // 2 :]


def test_a_compiled_step_follows_a_schedule_without_a_build():
    """Rates and betas that OneCycleLR sets between the calls reach the program; the parameters are those of eager."""
    results = []
    for compiled in (False, True):
        weight = gc.tensor([1.0, -2.0, 3.0], dtype=gc.float64, requires_grad=True)
        optimizer = optim.AdamW([weight])
        scheduler = optim.lr_scheduler.OneCycleLR(optimizer, 0.3, total_steps=12)

        def step(optimizer=optimizer, weight=weight):
            optimizer.zero_grad()
            (weight**2).sum().backward()
            optimizer.step()

        run = gc.compile(step) if compiled else step
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            run()
            stages = run.stages if compiled else None
            for _ in range(10):
                scheduler.step()
                run()
        if compiled:
            assert run.stages is stages
        results.append(weight.tolist())
    assert results[0] == pytest.approx(results[1], rel=1e-12)


def test_a_schedule_within_a_compiled_step_is_refused():
    """It would move once, in the recorded call; nothing has moved, and the error names the line."""
    optimizer = optimizer_of(gc)
    makers = optim.lr_scheduler
    for scheduler in (
        makers.StepLR(optimizer, 1),
        makers.CosineAnnealingWarmRestarts(optimizer, 4),
        makers.ChainedScheduler([makers.StepLR(optimizer, 1)]),
        makers.SequentialLR(optimizer, [makers.StepLR(optimizer, 1)], []),
    ):
        before = copy.deepcopy((scheduler.state_dict(), settings(optimizer)))
        with pytest.raises(gc.CaptureError, match=r"test_schedulers\.py:\d+: a learning-rate scheduler takes a step"):
            gc.compile(lambda scheduler=scheduler: scheduler.step())()
        assert (scheduler.state_dict(), settings(optimizer)) == before
    plateau = makers.ReduceLROnPlateau(optimizer)
    with pytest.raises(gc.CaptureError, match="a learning-rate scheduler takes a step"):
        gc.compile(lambda: plateau.step(1.0))()


@pytest.mark.parametrize("library_name", ["graphc", "torch"])
def test_warnings(library_name):
    """Order of steps, an overridden step, and get_lr outside a step: in graphc as in PyTorch."""
    library = gc if library_name == "graphc" else pytest.importorskip("torch")
    makers = library.optim.lr_scheduler
    weight = library.ones(1, requires_grad=True)
    optimizer = library.optim.SGD([weight], lr=0.1)
    scheduler = makers.StepLR(optimizer, 3)
    with pytest.warns(UserWarning, match=r"^Detected call of `lr_scheduler\.step\(\)` before `optimizer\.step\(\)`\. "):
        scheduler.step()
    with pytest.warns(UserWarning, match=r"^To get the last learning rate computed by the scheduler, please use"):
        scheduler.get_lr()
    optimizer = library.optim.SGD([weight], lr=0.1)
    scheduler = makers.StepLR(optimizer, 3)
    optimizer.step = lambda: None
    with pytest.warns(UserWarning, match=r"^Seems like `optimizer\.step\(\)` has been overridden"):
        scheduler.step()
    optimizer = library.optim.SGD([weight], lr=0.1)
    scheduler = makers.StepLR(optimizer, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer.step()
        for _ in range(3):
            scheduler.step()


def test_a_tensor_as_learning_rate_is_filled():
    """The optimizer's own tensor is written; the last rates are copies."""
    rate = gc.tensor(0.5)
    optimizer = optim.SGD([gc.ones(1, requires_grad=True)], lr=rate)
    scheduler = optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == 0.25
    (last,) = scheduler.get_last_lr()
    last.fill_(9.0)
    assert rate.item() == 0.25


REFUSED = [
    lambda s, o: s.StepLR(3, 1),
    lambda s, o: s.ConstantLR(o, 1.5),
    lambda s, o: s.LinearLR(o, 0.0),
    lambda s, o: s.LinearLR(o, 0.5, 2.0),
    lambda s, o: s.LambdaLR(o, [lambda step: 1.0]),
    lambda s, o: s.MultiplicativeLR(o, 0.5),
    lambda s, o: s.CosineAnnealingWarmRestarts(o, 0),
    lambda s, o: s.CosineAnnealingWarmRestarts(o, 5, 1.5),
    lambda s, o: s.CosineAnnealingWarmRestarts(o, 5, eta_min="0"),
    lambda s, o: s.CosineAnnealingWarmRestarts(o, 5).step(-1),
    lambda s, o: s.OneCycleLR(o, 0.1),
    lambda s, o: s.OneCycleLR(o, 0.1, total_steps=0),
    lambda s, o: s.OneCycleLR(o, 0.1, epochs=2, steps_per_epoch=1.5),
    lambda s, o: s.OneCycleLR(o, 0.1, total_steps=5, pct_start=2.0),
    lambda s, o: s.OneCycleLR(o, 0.1, total_steps=5, anneal_strategy="step"),
    lambda s, o: s.OneCycleLR(o, [0.1], total_steps=5),
    lambda s, o: [s.OneCycleLR(o, 0.1, total_steps=2, pct_start=0.9).step() for _ in range(9)],
    lambda s, o: [scheduler.step() for scheduler in [s.OneCycleLR(o, 0.1, total_steps=4)] * 9],
    lambda s, o: s.CyclicLR(o, [0.1], 0.2),
    lambda s, o: s.CyclicLR(o, 0.1, 0.2, mode="square"),
    lambda s, o: s.ReduceLROnPlateau(o, factor=1.0),
    lambda s, o: s.ReduceLROnPlateau(o, mode="least"),
    lambda s, o: s.ReduceLROnPlateau(o, threshold_mode="both"),
    lambda s, o: s.ReduceLROnPlateau(o, min_lr=[0.1]),
    lambda s, o: s.ReduceLROnPlateau(None),
    lambda s, o: s.SequentialLR(o, [], []),
    lambda s, o: s.SequentialLR(o, [s.StepLR(o, 1)], [1]),
    lambda s, o: s.SequentialLR(o, [s.ReduceLROnPlateau(o)], []),
    lambda s, o: s.ChainedScheduler([]),
    lambda s, o: s.ChainedScheduler([s.StepLR(o, 1), s.ReduceLROnPlateau(o)]),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_bad_arguments_fail_as_in_torch(number):
    """The same class and words."""
    torch = pytest.importorskip("torch")
    errors = []
    for library in (gc, torch):
        try:
            quietly(REFUSED[number], library.optim.lr_scheduler, optimizer_of(library))
        except (ValueError, TypeError) as error:
            errors.append((type(error), str(error)))
        else:
            errors.append(None)
    assert errors[0] == errors[1]


def test_schedules_of_other_optimizers_are_refused():
    """A combination is of one optimizer."""
    one, other = optimizer_of(gc), optimizer_of(gc)
    makers = optim.lr_scheduler
    with pytest.raises(ValueError, match="expects all schedulers to belong to the same optimizer"):
        makers.SequentialLR(one, [makers.StepLR(one, 1), makers.StepLR(other, 1)], [3])
    with pytest.raises(ValueError, match="expects all schedulers to belong to the same optimizer"):
        makers.ChainedScheduler([makers.StepLR(one, 1), makers.StepLR(other, 1)])
    with pytest.raises(ValueError, match="optimizer must support momentum or beta1"):
        makers.CyclicLR(optim.Adagrad([gc.ones(1, requires_grad=True)]), 0.1, 0.2)


def test_signatures_are_those_of_torch():
    """Names, order, kinds, and defaults of every argument."""
    torch = pytest.importorskip("torch")
    import inspect

    for name in torch.optim.lr_scheduler.__all__:
        mine, theirs = (getattr(library.optim.lr_scheduler, name) for library in (gc, torch))
        for left, right in zip(*(inspect.signature(c).parameters.values() for c in (mine, theirs)), strict=True):
            assert (left.name, left.kind, left.default) == (right.name, right.kind, right.default), name
