"""compile: compiled steps equal eager ones, follow what changes outside, and fail as eager does."""

import copy
import warnings

import numpy as np
import pytest

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim


def pair_of_nets(make):
    gc.manual_seed(0)
    net = make()
    return net, copy.deepcopy(net)


def step_of(net, optimizer, loss=F.mse_loss):
    def train_step(x, y):
        optimizer.zero_grad()
        value = loss(net(x), y)
        value.backward()
        optimizer.step()
        return value

    return train_step


def assert_equal_state(left, right, tolerance=1e-5):
    for (name, a), (_, b) in zip(left.state_dict().items(), right.state_dict().items(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=tolerance, atol=tolerance, err_msg=name)


OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.05),
    "momentum": lambda p: optim.SGD(p, lr=0.05, momentum=0.9),
    "nesterov": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "dampening": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, dampening=0.3),
    "adam": lambda p: optim.Adam(p, lr=0.01, weight_decay=0.01),
    "amsgrad": lambda p: optim.Adam(p, lr=0.01, amsgrad=True),
    "adamw": lambda p: optim.AdamW(p, lr=0.01),
    "maximize": lambda p: optim.SGD(p, lr=0.001, maximize=True),
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_compiled_step_follows_the_eager_one(kind):
    """Losses, parameters, gradients, and optimizer state agree over several steps, the first one included."""

    def make():
        return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))

    net, twin = pair_of_nets(make)
    eager = step_of(net, OPTIMIZERS[kind](net.parameters()))
    optimizer = OPTIMIZERS[kind](twin.parameters())
    compiled = gc.compile(step_of(twin, optimizer))
    for _ in range(5):
        x, y = gc.randn(6, 5), gc.randn(6, 3)
        np.testing.assert_allclose(compiled(x, y).item(), eager(x, y).item(), rtol=1e-5)
    assert_equal_state(net, twin)
    for a, b in zip(net.parameters(), twin.parameters(), strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-4, atol=1e-6)


def test_changing_lr_takes_effect_without_a_build():
    """Hyper-parameters are run-time scalars."""
    net, twin = pair_of_nets(lambda: nn.Linear(3, 2))
    first, second = (optim.SGD(n.parameters(), lr=0.1, momentum=0.9) for n in (net, twin))
    eager, compiled = step_of(net, first), gc.compile(step_of(twin, second))
    for lr in (0.1, 0.01, 0.5, 0.0):
        first.param_groups[0]["lr"] = second.param_groups[0]["lr"] = lr
        x, y = gc.randn(4, 3), gc.randn(4, 2)
        eager(x, y), compiled(x, y)
        stages = compiled.stages
        assert_equal_state(net, twin)
    compiled(x, y)
    assert compiled.stages is stages


def test_a_hyper_parameter_that_switches_a_branch_is_recorded_anew():
    """weight_decay going from 0 to more changes the program; the new step is right and both are kept."""
    net, twin = pair_of_nets(lambda: nn.Linear(3, 2))
    first, second = (optim.SGD(n.parameters(), lr=0.1) for n in (net, twin))
    eager, compiled = step_of(net, first), gc.compile(step_of(twin, second))
    for decay in (0.0, 0.0, 0.1, 0.1, 0.0):
        first.param_groups[0]["weight_decay"] = second.param_groups[0]["weight_decay"] = decay
        x, y = gc.randn(4, 3), gc.randn(4, 2)
        eager(x, y), compiled(x, y)
        assert_equal_state(net, twin)


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("dtype", [gc.float32, gc.float64])
def test_steps_of_0d_parameters_keep_every_bit(kind, dtype):
    """A hyper-parameter read at run time has the weight of a Python number: it lifts no 0-d parameter to float64."""
    results = []
    for compiled in (False, True):
        w = gc.tensor(0.7, dtype=dtype, requires_grad=True)
        optimizer = OPTIMIZERS[kind]([w])

        def step(x, w=w, optimizer=optimizer):
            optimizer.zero_grad()
            loss = w * x
            loss.backward()
            optimizer.step()
            return loss.detach()

        step = gc.compile(step) if compiled else step
        results.append([(step(gc.tensor(1.7, dtype=dtype)).item(), w.item()) for _ in range(6)])
    assert results[0] == results[1]


def test_train_and_eval_are_different_programs():
    """Dropout and batch normalisation follow the training flag of each call."""
    net, twin = pair_of_nets(lambda: nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5)))
    compiled = gc.compile(lambda x: twin(x).detach())
    for training in (True, False, True, False):
        net.train(training), twin.train(training)
        for seed in range(2):
            x = gc.randn(8, 4)
            gc.manual_seed(seed)
            expected = net(x).detach().numpy()
            gc.manual_seed(seed)
            np.testing.assert_allclose(compiled(x).numpy(), expected, rtol=1e-4, atol=1e-5)
    assert_equal_state(net, twin)


def test_dropout_consumes_the_same_stream_as_eager():
    """After a compiled call the generator stands where eager leaves it."""
    compiled = gc.compile(lambda x: F.dropout(x, 0.3, training=True) + gc.randn_like(x))
    x = gc.ones(7, 5)
    gc.manual_seed(3)
    compiled(x)
    expected = [(F.dropout(x, 0.3, training=True) + gc.randn_like(x)).numpy() for _ in range(2)]
    following = gc.rand(3).numpy()
    gc.manual_seed(3)
    F.dropout(x, 0.3, training=True), gc.randn_like(x)
    for value in expected:
        np.testing.assert_allclose(compiled(x).numpy(), value, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(gc.rand(3).numpy(), following)


def test_another_shape_is_another_build_and_the_first_stays():
    """Both shapes give eager's results afterwards."""
    compiled = gc.compile(lambda x: (x * 2).sum(0))
    for rows in (3, 5, 3, 5, 0):
        x = gc.randn(rows, 4)
        np.testing.assert_allclose(compiled(x).numpy(), (x * 2).sum(0).numpy(), rtol=1e-6)


def test_an_index_out_of_range_raises_as_eager_and_changes_nothing():
    """The check runs before any state is written: class and words are eager's."""
    table = nn.Embedding(10, 4)
    optimizer = optim.SGD(table.parameters(), lr=0.1)

    def step(index):
        optimizer.zero_grad()
        loss = table(index).sum()
        loss.backward()
        optimizer.step()
        return loss

    compiled = gc.compile(step)
    compiled(gc.tensor([1, 2, 3]))
    before = table.weight.detach().numpy().copy()
    bad = gc.tensor([1, 10, 3])
    with pytest.raises(IndexError) as eager_error:
        table(bad)
    with pytest.raises(IndexError) as compiled_error:
        compiled(bad)
    assert str(eager_error.value).split("\n")[0] in str(compiled_error.value)
    np.testing.assert_array_equal(table.weight.detach().numpy(), before)
    compiled(gc.tensor([1, 9, 3]))


def test_target_out_of_range_raises_as_eager():
    """A class number that does not exist is an error, not memory read at random."""
    compiled = gc.compile(lambda logits, target: F.cross_entropy(logits, target))
    logits = gc.randn(4, 3)
    compiled(logits, gc.tensor([0, 1, 2, 0]))
    for bad in ([0, 1, 3, 0], [0, -1, 2, 0]):
        with pytest.raises(IndexError):
            F.cross_entropy(logits, gc.tensor(bad))
        with pytest.raises(IndexError):
            compiled(logits, gc.tensor(bad))


@pytest.mark.parametrize("operation", [lambda x, y: x // y, lambda x, y: x % y], ids=["floor_divide", "remainder"])
def test_integer_division_by_zero_raises_as_eager(operation):
    """C would end the process; the program raises eager's error, with no state changed, and goes on afterwards."""
    total = gc.zeros(3, dtype=gc.int64)

    @gc.compile
    def step(x, y):
        total.add_(x)
        return operation(x, y)

    x = gc.tensor([7, -7, 9])
    step(x, gc.tensor([2, 2, -4]))
    before = total.numpy().copy()
    for run in (operation, step):
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            run(x, gc.tensor([2, 0, -4]))
    np.testing.assert_array_equal(total.numpy(), before)
    np.testing.assert_array_equal(step(x, gc.tensor([2, 2, -4])).numpy(), operation(x, gc.tensor([2, 2, -4])).numpy())


@pytest.mark.parametrize("dtype", [gc.float32, gc.float64, gc.int64, gc.int32, gc.bool])
def test_dtypes_compile(dtype):
    """All dtypes that tensors have run through the C program with eager's values and dtypes."""

    def function(x, y):
        return x + y, (x * y).sum(), x == y, gc.where(x > y, x, y)

    x = gc.tensor([[1, 0, 3], [0, 5, 1]]).to(dtype)
    y = gc.tensor([[2, 0, 1], [1, 5, 0]]).to(dtype)
    compiled = gc.compile(function)
    compiled(x, y)
    for got, expected in zip(compiled(x, y), function(x, y), strict=True):
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got.numpy(), expected.numpy())


def test_nan_and_infinity_flow():
    """IEEE values come out as in eager."""

    def function(x):
        return x.relu(), x.max(), x.sum(), x.exp(), x.clamp(-1, 1), gc.maximum(x, -x), x.softmax(0)

    x = gc.tensor([1.0, float("nan"), float("inf"), -float("inf"), -0.0])
    compiled = gc.compile(function)
    compiled(x)
    for got, expected in zip(compiled(x), function(x), strict=True):
        np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-6)


def test_results_that_share_memory_share_it_at_every_call():
    """A result and a view of it, or one tensor returned twice, are one memory, as in eager."""

    @gc.compile
    def function(x):
        y = x * 2
        return y, y[0], y

    for _ in range(3):
        y, row, again = function(gc.ones(2, 3))
        row.add_(10)
        np.testing.assert_array_equal(y.numpy(), [[12.0] * 3, [2.0] * 3])
        again.zero_()
        assert not y.numpy().any()


def test_plain_arguments_are_told_apart_exactly():
    """0.0, -0.0, 0, and False are different numbers to a program that has them built in."""
    compiled = gc.compile(lambda x, k: 1 / (x * k))
    x = gc.ones(1)
    for _ in range(2):
        assert compiled(x, 0.0).item() == float("inf")
        assert compiled(x, -0.0).item() == -float("inf")
    nan = float("nan")
    for _ in range(5):
        compiled(x, nan)
    assert "3 builds" in repr(compiled)


def test_frozen_parameters_are_noticed():
    """requires_grad switched off later is another program, not a wrong step."""
    net, twin = pair_of_nets(lambda: nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2)))
    eager = step_of(net, optim.SGD(net.parameters(), lr=0.1))
    compiled = gc.compile(step_of(twin, optim.SGD(twin.parameters(), lr=0.1)))
    for frozen in (False, False, True, True, False):
        for module in (net, twin):
            module[0].weight.requires_grad_(not frozen)
        x, y = gc.randn(4, 3), gc.randn(4, 2)
        eager(x, y), compiled(x, y)
        assert_equal_state(net, twin)


def test_load_state_dict_and_new_data_are_seen():
    """The program reads parameters where they are now."""
    net = nn.Linear(3, 2)
    compiled = gc.compile(lambda x: net(x).detach())
    x = gc.randn(4, 3)
    compiled(x)
    net.load_state_dict(nn.Linear(3, 2).state_dict())
    np.testing.assert_allclose(compiled(x).numpy(), net(x).detach().numpy(), rtol=1e-5)
    net.weight.data = gc.randn(2, 3)
    np.testing.assert_allclose(compiled(x).numpy(), net(x).detach().numpy(), rtol=1e-5)


def test_a_result_that_is_an_input_is_that_input():
    """Returning an argument, or state, gives the tensor itself and not a copy."""
    kept = gc.zeros(3)

    @gc.compile
    def step(x):
        kept.add_(x)
        return x, kept, kept[1:]

    x = gc.ones(3)
    step(x)
    same, state, view = step(x)
    assert same is x
    assert state is kept
    np.testing.assert_array_equal(view.numpy(), [2.0, 2.0])
    kept.zero_()
    np.testing.assert_array_equal(view.numpy(), [0.0, 0.0])


def test_non_contiguous_arguments_and_state():
    """Transposed arguments are read right; transposed state is written right."""
    kept = gc.zeros(3, 2).t()

    @gc.compile
    def step(x):
        kept.add_(x)
        return (x * 2).sum(1)

    x = gc.randn(3, 2).t()
    for _ in range(3):
        result = step(x)
    np.testing.assert_allclose(result.numpy(), (x * 2).sum(1).numpy(), rtol=1e-6)
    np.testing.assert_allclose(kept.numpy(), (x * 3).numpy(), rtol=1e-5)


def test_replaced_parts_and_attributes_of_modules_are_seen():
    """A new parameter, part, or attribute is another program, not a stale one."""

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 2)
            self.scale = 2.0

        def forward(self, x):
            return self.layer(x) * self.scale

    model = Model()
    compiled = gc.compile(lambda x: model(x).detach())
    x = gc.ones(1, 2)

    for holder, name, value in (
        (model, "scale", 3.0),
        (model.layer, "weight", nn.Parameter(gc.zeros(2, 2))),
        (model, "layer", nn.Linear(2, 2)),
    ):
        compiled(x)
        setattr(holder, name, value)
        for _ in range(2):
            np.testing.assert_allclose(compiled(x).numpy(), model(x).detach().numpy(), rtol=1e-6)
    handle = model.register_forward_hook(lambda module, inputs, result: result + 100)
    np.testing.assert_allclose(compiled(x).numpy(), model(x).detach().numpy(), rtol=1e-6)
    handle.remove()
    np.testing.assert_allclose(compiled(x).numpy(), model(x).detach().numpy(), rtol=1e-6)


def test_tensors_from_outside_that_change_shape_or_dtype_are_seen():
    """Memory of another size or type is never handed to a program that was built for what was there before."""
    state = gc.ones(1000)
    compiled = gc.compile(lambda x: state.add_(1).sum() * x.sum())
    compiled(gc.ones(1)), compiled(gc.ones(1))
    for new in (gc.zeros(3), gc.zeros(3, dtype=gc.float64), gc.zeros(5000)):
        state.data = new
        for expected in (1.0, 2.0):
            assert compiled(gc.ones(1)).item() == expected * new.numel()
    net = nn.Linear(2, 1)
    forward = gc.compile(lambda x: net(x).detach())
    forward(gc.ones(1, 2)), forward(gc.ones(1, 2))
    net.double()
    with pytest.raises(RuntimeError):
        forward(gc.ones(1, 2))


def rebind_number(box):
    total = 0

    def step(x):
        nonlocal total
        total = total + 1
        return x * total

    return step


def append_to_list(box):
    def step(x):
        box.append(x.sum())
        return x * len(box)

    return step


def count_calls(box):
    counter = {"calls": 0}

    def step(x):
        counter["calls"] += 1
        return x * counter["calls"]

    return step


@pytest.mark.parametrize("make", [rebind_number, append_to_list, count_calls])
def test_changing_python_state_is_refused(make):
    """What the program could not repeat is named, with the function's line, instead of staying as the first call left
    it."""
    with pytest.raises(gc.CaptureError, match=r"test_compile\.py:\d+: .* is changed inside"):
        gc.compile(make([]))(gc.ones(2))


def test_a_capture_that_fails_at_its_end_leaves_everything_as_it_was():
    """A result that can't be returned is refused after the function ran: its writes and draws are undone."""
    state = gc.zeros(2)

    @gc.compile
    def step(x):
        state.add_(x)
        gc.randn(3)
        return np.ones(2)

    gc.manual_seed(0)
    expected = gc.rand(2).tolist()
    gc.manual_seed(0)
    for _ in range(2):
        with pytest.raises(TypeError, match="ndarray"):
            step(gc.ones(2))
    assert state.tolist() == [0.0, 0.0]
    assert gc.rand(2).tolist() == expected


def test_a_module_that_holds_a_compiled_function_can_be_copied():
    """deepcopy gives a module whose compiled function computes with the copy's parameters."""

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 2)
            self.fast = gc.compile(self.layer)

        @gc.compile
        def double(self, x):
            return self.layer(x) * 2

    model = Model()
    x = gc.ones(1, 2)
    model.fast(x), model.double(x)
    twin = copy.deepcopy(model)
    with gc.no_grad():
        twin.layer.weight.zero_(), twin.layer.bias.zero_()
    for _ in range(2):
        assert not twin.fast(x).detach().numpy().any()
        assert not twin.double(x).detach().numpy().any()
        assert model.fast(x).detach().numpy().any()


def test_many_builds_are_reported():
    """A number that is different at each call is a build at each call: said once, and old builds are let go."""
    compiled = gc.compile(lambda x, k: x * k)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for number in range(12):
            compiled(gc.ones(1), float(number))
    assert ["builds" in str(warning.message) for warning in caught] == [True]


def test_attributes_before_the_first_call_say_so():
    """graph, source, and plan need a call."""
    with pytest.raises(RuntimeError, match="first call"):
        gc.compile(lambda x: x).source  # noqa: B018


def test_two_threads_call_one_compiled_function():
    """Calls from several threads give each its own result."""
    import threading

    compiled = gc.compile(lambda x: (x * 3).sum(0))
    compiled(gc.ones(50, 40))
    failures = []

    def work(number):
        x = gc.full((50, 40), float(number))
        for _ in range(100):
            if not np.array_equal(compiled(x).numpy(), np.full(40, 150.0 * number, np.float32)):
                failures.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
