"""Derivatives of any order through compiled functions that are called from eager code, held against eager."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest

import graphc as gc
import graphc.nn.functional as F
from graphc import nn

TOLERANCE = {"rtol": 1e-10, "atol": 1e-12}


def run_both(function, program, *, calls=1):
    """What ``program`` makes of a function and of the compiled function, which was called before and so is built."""
    compiled = gc.compile(function)
    gc.manual_seed(3)
    program(compiled)
    found = []
    for call in (function, compiled):
        gc.manual_seed(3)
        for _ in range(calls):
            results = program(call)
        found.append(results)
    builds = len(compiled.report().builds)
    assert builds >= 1
    return found


def assert_close(eager, ours):
    """Every array of two lists is equal up to rounding in float64; None where the other is None."""
    assert len(eager) == len(ours)
    for number, (expected, given) in enumerate(zip(eager, ours, strict=True)):
        assert (expected is None) == (given is None), number
        if expected is not None:
            assert expected.requires_grad == given.requires_grad, number
            np.testing.assert_allclose(given.detach().numpy(), expected.detach().numpy(), **TOLERANCE)


def gradients_of(parameters):
    """The gradients of parameters, which then have none."""
    found = [parameter.grad for parameter in parameters]
    for parameter in parameters:
        parameter.grad = None
    return found


def doubles(*shape, seed=0, requires_grad=False):
    """Normal numbers in float64."""
    array = np.random.default_rng(seed).standard_normal(shape)
    return gc.tensor(array, requires_grad=requires_grad)


def multilayer(*sizes, activation=nn.Tanh, dtype=gc.float64):
    gc.manual_seed(1)
    layers = []
    for before, after in itertools.pairwise(sizes):
        layers += [nn.Linear(before, after), activation()]
    return nn.Sequential(*layers[:-1]).to(dtype)


PIECEWISE = functools.partial(nn.LeakyReLU, 0.2)


@pytest.mark.parametrize("activation", [nn.Tanh, nn.Softplus, nn.GELU, nn.SiLU, PIECEWISE])
def test_gradient_penalty_with_a_compiled_critic(activation):
    """WGAN-GP: the norm of the critic's gradient at interpolated points, differentiated by the critic's weights."""
    critic = multilayer(4, 8, 8, 1, activation=activation)
    parameters = list(critic.parameters())

    def program(call):
        real, fake = doubles(6, 4, seed=1), doubles(6, 4, seed=2)
        mixed = (0.3 * real + 0.7 * fake).requires_grad_()
        (slope,) = gc.autograd.grad(call(mixed).sum(), mixed, create_graph=True)
        penalty = ((slope.norm(2, dim=1) - 1) ** 2).mean() * 10
        (call(fake).mean() - call(real).mean() + penalty).backward()
        return [slope, penalty, mixed.grad, *gradients_of(parameters)]

    assert_close(*run_both(critic, program))


def test_gradient_penalty_with_a_convolutional_critic():
    """The same with convolutions, instance normalisation, and pooling."""
    gc.manual_seed(0)
    critic = nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(4, 4, 3, padding=1),
        nn.InstanceNorm2d(4, affine=True),
        nn.ELU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 1),
    ).double()
    parameters = list(critic.parameters())

    def program(call):
        x = doubles(3, 1, 8, 8, seed=4, requires_grad=True)
        scores = call(x)
        (slope,) = gc.autograd.grad(scores, x, gc.ones_like(scores), create_graph=True)
        penalty = ((slope.flatten(1).norm(2, dim=1) - 1) ** 2).mean()
        penalty.backward()
        return [slope, penalty, x.grad, *gradients_of(parameters)]

    assert_close(*run_both(critic, program))


def test_hessian_vector_products():
    """The derivative of gradients along a direction, by all parameters at once; and the whole Hessian of two."""
    net = multilayer(3, 5, 2)
    parameters = list(net.parameters())
    directions = [doubles(*p.shape, seed=10 + n) for n, p in enumerate(parameters)]
    target = doubles(4, 2, seed=8)

    def program(call):
        loss = F.mse_loss(call(doubles(4, 3)), target)
        slopes = gc.autograd.grad(loss, parameters, create_graph=True)
        along = sum((slope * direction).sum() for slope, direction in zip(slopes, directions, strict=True))
        return [*slopes, *gc.autograd.grad(along, parameters)]

    assert_close(*run_both(net, program))


def test_rows_of_a_hessian_from_one_recorded_sweep():
    """A recorded gradient is swept again and again, once for each row."""

    def function(x):
        return (x.sin() * x.roll(1) ** 2).sum() * x.prod()

    def program(call):
        x = doubles(4, seed=2, requires_grad=True)
        (slope,) = gc.autograd.grad(call(x), x, create_graph=True)
        return [gc.autograd.grad(slope[row], x, retain_graph=True)[0] for row in range(4)]

    assert_close(*run_both(function, program))


def test_fifth_derivative():
    """A derivative is a call whose derivative is a call, as far as one likes."""

    def function(x, w):
        return (w * x.sin()).exp() + x**6 / 720

    def program(call):
        x, w = doubles(3, seed=1, requires_grad=True), doubles(3, seed=2, requires_grad=True)
        found = []
        current = call(x, w)
        for _ in range(5):
            (current,) = gc.autograd.grad(current.sum(), x, create_graph=True)
            found.append(current)
        return [*found, *gc.autograd.grad(current.sum(), (x, w))]

    assert_close(*run_both(function, program))


def test_meta_learning_with_a_compiled_model():
    """MAML: two inner steps of a compiled model, and the outer loss differentiated by the initial parameters."""

    def model(a, b, c, d, x):
        return (x @ a + b).tanh() @ c + d

    def program(call):
        meta = [doubles(*shape, seed=n, requires_grad=True) for n, shape in enumerate([(1, 6), (6,), (6, 1), (1,)])]
        total = 0.0
        for task in range(2):
            x = doubles(5, 1, seed=20 + task)
            y = (3 * x + task).sin()
            fast = meta
            for _ in range(2):
                loss = F.mse_loss(call(*fast, x), y)
                slopes = gc.autograd.grad(loss, fast, create_graph=True)
                fast = [p - 0.1 * slope for p, slope in zip(fast, slopes, strict=True)]
            total = total + F.mse_loss(call(*fast, x), y)
        total.backward()
        return [total, *gradients_of(meta)]

    assert_close(*run_both(model, program))


def test_physics_informed_net_whose_network_is_compiled():
    """The residual of the heat equation: first and second derivatives by the input, then by the weights."""
    net = multilayer(2, 10, 10, 1)
    parameters = list(net.parameters())

    def program(call):
        x, t = doubles(7, 1, seed=5, requires_grad=True), doubles(7, 1, seed=6, requires_grad=True)
        u = call(gc.cat([x, t], 1))
        u_t, u_x = gc.autograd.grad(u.sum(), (t, x), create_graph=True)
        (u_xx,) = gc.autograd.grad(u_x.sum(), x, create_graph=True)
        loss = ((u_t - 0.1 * u_xx) ** 2).mean() + (u**2).mean()
        loss.backward()
        return [u_t, u_x, u_xx, loss, x.grad, t.grad, *gradients_of(parameters)]

    assert_close(*run_both(net, program))


def test_several_results():
    """Second derivatives mix the results of one call; a result that is not used counts as zero."""
    weight = doubles(3, 3, seed=9, requires_grad=True)

    def function(x, y):
        hidden = (x @ weight).tanh()
        return hidden * y, hidden.exp().sum(), (x * y).mean(), hidden.detach()

    uses = (
        lambda a, b, c, d: (a * a).sum() * b,
        lambda a, b, c, d: b * b,
        lambda a, b, c, d: c + (a * d).sum(),
    )
    for use in uses:

        def program(call, use=use):
            x, y = doubles(2, 3, seed=1, requires_grad=True), doubles(2, 3, seed=2, requires_grad=True)
            slopes = gc.autograd.grad(use(*call(x, y)), (x, y), create_graph=True, allow_unused=True)
            kept = [slope for slope in slopes if slope is not None]
            second = gc.autograd.grad(sum((s * s).sum() for s in kept), (x, y, weight), allow_unused=True)
            return [*slopes, *second]

        assert_close(*run_both(function, program))


def test_dropout_draws_once():
    """The random numbers of the forward pass are saved: no derivative draws again; the stream goes on as eager's."""
    gc.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Dropout(0.4), nn.Linear(16, 16), nn.GELU(), nn.Dropout(0.3))
    net = nn.Sequential(*net, nn.Linear(16, 1)).double()
    parameters = list(net.parameters())

    def program(call):
        x = doubles(5, 4, requires_grad=True)
        (slope,) = gc.autograd.grad(call(x).sum(), x, create_graph=True)
        (second,) = gc.autograd.grad((slope**2).sum(), x, create_graph=True)
        second.exp().sum().backward()
        return [slope, second, x.grad, *gradients_of(parameters), gc.rand(3)]

    eager, ours = run_both(net, program)
    assert_close(eager, ours)


def test_noise_that_no_first_rule_reads():
    """Noise that was added in, and drawn weights of a sum: what a second derivative reads of them was saved."""

    def function(x, w):
        noise = gc.randn(4, dtype=gc.float64)
        shifted = x + noise
        return ((shifted * w).tanh() ** 3 * (noise + w)).sum()

    def program(call):
        x, w = doubles(4, seed=1, requires_grad=True), doubles(4, seed=2, requires_grad=True)
        (slope,) = gc.autograd.grad(call(x, w), x, create_graph=True)
        return [slope, *gc.autograd.grad((slope**2).sum(), (x, w))]

    assert_close(*run_both(function, program))


def test_batch_normalisation_writes_its_statistics_once():
    """A function that writes state: derivatives read what was saved of it, and write nothing."""

    def make():
        gc.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1)).double()

    found = []
    for wrap in (lambda net: net, gc.compile):
        net = make()
        call = wrap(net)
        for step in range(3):
            x = doubles(6, 3, seed=step, requires_grad=True)
            (slope,) = gc.autograd.grad(call(x).sum() + (call(x) ** 2).sum(), x, create_graph=True)
            (slope**2).sum().backward()
        found.append([slope, x.grad, *gradients_of(list(net.parameters())), *net.buffers()])
    assert_close(*found)


def test_state_that_is_read_before_it_is_overwritten():
    """The value that a buffer had when the forward pass read it is what all derivatives rest on."""

    def run(wrap):
        scale = gc.full((3,), 2.0, dtype=gc.float64)

        def function(x):
            result = (x * scale).exp() * scale
            scale.mul_(0.5)
            return result.sum()

        call = wrap(function)
        x = doubles(3, requires_grad=True)
        call(x)  # this one runs as eager mode, which refuses to differentiate through what was overwritten
        (slope,) = gc.autograd.grad(call(x), x, create_graph=True)
        (second,) = gc.autograd.grad(slope.sum(), x, create_graph=True)
        return [slope, second, gc.autograd.grad(second.sum(), x)[0], scale]

    eager, ours = run(lambda function: lambda x: _cloned(function, x)), run(gc.compile)
    assert_close(eager, ours)


def _cloned(function, x):
    """Eager refuses to differentiate through what was overwritten, so the buffer is read by way of a copy."""
    (scale,) = (cell.cell_contents for cell in function.__closure__)
    copy = scale.clone()
    result = (x * copy).exp() * copy
    scale.mul_(0.5)
    return result.sum()


def test_writing_in_place_in_between_is_refused():
    """A tensor that a second derivative reads, written after the first: refused by its version, as in eager."""
    net = multilayer(3, 4, 1)
    compiled = gc.compile(net)
    x = doubles(2, 3, requires_grad=True)
    compiled(x)
    for call in (net, compiled):
        (slope,) = gc.autograd.grad(call(x).sum(), x, create_graph=True)
        with gc.no_grad():
            net[0].weight.mul_(2)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            (slope**2).sum().backward()


def test_a_cotangent_that_is_written_in_between_is_refused():
    """The cotangent is an input of the recorded backward pass as any other."""

    def function(x):
        return x**3

    compiled = gc.compile(function)
    compiled(doubles(3, requires_grad=True))
    for call in (function, compiled):
        x, direction = doubles(3, requires_grad=True), doubles(3, seed=1)
        (slope,) = gc.autograd.grad(call(x), x, direction, create_graph=True)
        direction.add_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            slope.sum().backward()


def test_derivatives_by_the_cotangent():
    """Forward-mode products by two sweeps: the gradient is linear in its cotangent."""

    def function(x):
        return (x @ x.T).sin()

    def program(call):
        x, tangent = doubles(3, 2, requires_grad=True), doubles(3, 2, seed=4)
        probe = gc.zeros(3, 3, dtype=gc.float64, requires_grad=True)
        (slope,) = gc.autograd.grad(call(x), x, probe, create_graph=True)
        return list(gc.autograd.grad(slope, probe, tangent))

    assert_close(*run_both(function, program))


def test_sweeps_that_were_not_recorded_are_gone():
    """A recorded sweep keeps what it needs; one that keeps nothing can't be repeated."""
    compiled = gc.compile(lambda x: (x**3).sum())
    x = doubles(3, requires_grad=True)
    compiled(x)
    (slope,) = gc.autograd.grad(compiled(x), x, create_graph=True)
    slope.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        slope.sum().backward()


def test_what_needs_no_gradient_has_none():
    """A gradient that depends on nothing that wants one, of a linear function, is no part of the tape."""

    def function(x, w):
        return (x * w).sum()

    compiled = gc.compile(function)
    w = doubles(3, seed=1)
    compiled(doubles(3, requires_grad=True), w)
    for call in (function, compiled):
        x = doubles(3, requires_grad=True)
        (slope,) = gc.autograd.grad(call(x, w), x, create_graph=True)
        assert not slope.requires_grad
        loud = w.clone().requires_grad_()
        call(x, loud)
        (slope,) = gc.autograd.grad(call(x, loud), x, create_graph=True)
        assert slope.requires_grad
        assert gc.autograd.grad(slope.sum(), x, allow_unused=True, retain_graph=True) == (None,)
        np.testing.assert_array_equal(gc.autograd.grad(slope.sum(), loud)[0].numpy(), np.ones(3))


def test_sizes_known_at_run_time_only():
    """One build of each order serves every batch size, also where the backward part reads no batch at all."""
    net = multilayer(3, 6, 1)
    parameters = list(net.parameters())

    def function(x):
        return net(x).sum(1), x.sum()

    compiled = gc.compile(function, dynamic={"x": {0: ("N", 16)}})

    def program(call, count):
        x = doubles(count, 3, seed=count, requires_grad=True)
        values, total = call(x)
        (slope,) = gc.autograd.grad((values**2).sum() + total, x, create_graph=True)
        (only,) = gc.autograd.grad(call(x)[1] ** 2, x, create_graph=True)
        ((slope**2).sum(1).sqrt().mean() + only.sum()).backward()
        return [slope, only, x.grad, *gradients_of(parameters)]

    program(compiled, 5)
    for count in (5, 1, 16, 7):
        assert_close(program(function, count), program(compiled, count))
    assert len(compiled.report().builds) == 1


def test_hooks_and_names_on_the_way():
    """A hook on a recorded gradient sees and changes its cotangent; the node has PyTorch's form of a name."""

    def function(x):
        return x.exp() * x

    def program(call):
        x = doubles(3, requires_grad=True)
        (slope,) = gc.autograd.grad(call(x).sum(), x, create_graph=True)
        seen = []
        slope.register_hook(lambda cotangent: seen.append(cotangent.clone()) or cotangent * 2)
        (second,) = gc.autograd.grad(slope.sum(), x)
        return [slope, second, *seen]

    assert_close(*run_both(function, program))
    compiled = gc.compile(function)
    x = doubles(3, requires_grad=True)
    compiled(x)
    (slope,) = gc.autograd.grad(compiled(x).sum(), x, create_graph=True)
    assert slope.grad_fn.name() == "CompiledFunctionBackward"
    assert "CompiledFunctionBackward" in repr(slope)


def test_only_what_is_asked_for_is_computed():
    """The gradient by the input alone is a program without those of the weights."""
    net = multilayer(6, 8, 8, 1)
    compiled = gc.compile(net)
    x = doubles(4, 6, requires_grad=True)
    compiled(x)
    result = compiled(x)
    gc.autograd.grad(result.sum(), x, retain_graph=True)
    programs = result.grad_fn._program._backward
    ((positions, wanted),) = programs
    assert positions == (0,)
    assert wanted == ("input",)
    result.sum().backward()
    assert len(programs) == 2


def test_stochastic_attention_of_second_order():
    """Softmax, matrix products with batches, layer normalisation, and an embedding, second order."""
    gc.manual_seed(0)
    embedding, norm = nn.Embedding(11, 8).double(), nn.LayerNorm(8).double()
    projection = nn.Linear(8, 24).double()
    parameters = [*embedding.parameters(), *norm.parameters(), *projection.parameters()]
    tokens = gc.tensor(np.random.default_rng(0).integers(0, 11, (2, 5)))

    def function(tokens):
        q, k, v = projection(norm(embedding(tokens))).chunk(3, -1)
        weights = ((q @ k.transpose(-2, -1)) / 8**0.5).softmax(-1)
        return F.cross_entropy((weights @ v).reshape(-1, 8), tokens.reshape(-1) % 8)

    def program(call):
        slopes = gc.autograd.grad(call(tokens), parameters, create_graph=True)
        sum((slope**2).sum() for slope in slopes).backward()
        return [*slopes, *gradients_of(parameters)]

    assert_close(*run_both(function, program))


RECTIFIED = {
    "relu": lambda x, w: F.relu(x * w).sum(),
    "two layers": lambda x, w: F.relu(F.relu(x @ w) @ w).sum(),
    "leaky_relu": lambda x, w: F.leaky_relu(x @ w).sum(),
    "hardtanh of a sum": lambda x, w: F.hardtanh(x + w).sum(),
    "max_pool2d": lambda x, w: F.max_pool2d((x * w)[None, None], 2).sum(),
    "avg_pool2d": lambda x, w: F.avg_pool2d((x * w)[None, None], 2).sum(),
    "nll_loss": lambda x, w: F.nll_loss(x * w, gc.tensor([0, 1, 0, 1])),
    "of one operand": lambda x, w: F.relu(x).sum() + w.sum(),
    "conv2d": lambda x, w: F.conv2d(x[None, None], w[None, None, :2, :2]).sum(),
    "layer_norm": lambda x, w: F.layer_norm(x, (4,), w[0], w[1]).sum(),
    "clamp": lambda x, w: (x * w).clamp(-0.5, 0.5).sum(),
    "without any": lambda x, w: x.sum() + w.sum(),
}


def words_for(gradients):
    """What gradients are, such that None is told from zeros."""
    return [None if each is None else each.detach().numpy().round(9).tolist() for each in gradients]


@pytest.mark.parametrize("name", RECTIFIED)
def test_second_gradients_that_are_zero_are_those_of_eager_mode(name):
    """A slope that changes nowhere: zeros where eager mode gives zeros, None where None, an error where an error."""

    def program(function):
        x = gc.randn(4, 4, dtype=gc.float64, requires_grad=True)
        w = gc.randn(4, 4, dtype=gc.float64, requires_grad=True)
        first = gc.autograd.grad(function(x, w), [x, w], create_graph=True, allow_unused=True)
        found = []
        for gradient in first:
            try:
                found.append(words_for(gc.autograd.grad(gradient.sum(), [x, w], allow_unused=True, retain_graph=True)))
            except RuntimeError as error:
                found.append(str(error))
        return found

    eager, ours = run_both(RECTIFIED[name], program, calls=2)
    assert eager == ours


def test_a_penalty_on_the_slope_of_rectifiers_reaches_what_eager_mode_reaches():
    """``backward()`` leaves zeros at the input of a network of rectifiers, and at its biases."""
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.LeakyReLU(), nn.Linear(8, 1)).double()

    def program(function):
        x = gc.randn(3, 4, dtype=gc.float64, requires_grad=True)
        net.zero_grad()
        (slope,) = gc.autograd.grad(function(x), [x], create_graph=True)
        ((slope.norm(dim=1) - 1) ** 2).sum().backward()
        return words_for([x.grad, *(each.grad for each in net.parameters())])

    eager, ours = run_both(lambda x: net(x).sum(), program, calls=2)
    assert eager == ours
    assert eager[0] is not None
