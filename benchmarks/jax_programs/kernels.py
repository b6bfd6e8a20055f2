"""The workloads without a network: the fit by hand, the pointwise chain, the rows."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.workloads import chain, quadfit, softmax_norm
from benchmarks.workloads.workload import Step


def build_quadfit() -> Step:
    """w x^2 + b, one jitted call an iteration."""
    x, y = map(jnp.asarray, quadfit.points())

    @jax.jit(donate_argnums=(0,))
    def iteration(parameters, x, y):
        loss_of = lambda w, b: ((y - (w * x**2 + b)) ** 2).sum()  # noqa: E731
        w, b = parameters
        loss, (in_w, in_b) = jax.value_and_grad(loss_of, (0, 1))(w, b)
        return loss, (w - quadfit.LEARNING_RATE * in_w, b - quadfit.LEARNING_RATE * in_b)

    parameters = jnp.ones((1, 1)), jnp.zeros((1, 1))

    def step() -> jax.Array:
        nonlocal parameters
        for _ in range(quadfit.ITERATIONS):
            loss, parameters = iteration(parameters, x, y)
        return loss

    return step


def chained(x: jax.Array, y: jax.Array, w: jax.Array, b: jax.Array) -> jax.Array:
    """Return gelu(x w + b) sigmoid(y)."""
    return jax.nn.gelu(x * w + b, approximate=True) * jax.nn.sigmoid(y)


def build_chain() -> Step:
    """The chain, forward."""
    operands = [jnp.asarray(array) for array in chain.operands()]
    compiled = jax.jit(chained)
    return lambda: compiled(*operands)[1, 1]


def build_chain_gradient() -> Step:
    """The gradient of the chain's sum in x and y."""
    operands = [jnp.asarray(array) for array in chain.operands()]
    compiled = jax.jit(jax.grad(lambda *operands: chained(*operands).sum(), (0, 1)))

    def step() -> jax.Array:
        in_x, in_y = compiled(*operands)
        return in_x[1, 1] + in_y[1, 1]

    return step


def normalised(x: jax.Array, weight: jax.Array, bias: jax.Array) -> jax.Array:
    """Return layer_norm(softmax(x)) of rows."""
    x = jax.nn.softmax(x)
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(variance + 1e-5) * weight + bias


def build_softmax_norm() -> Step:
    """The rows, forward."""
    x, _, weight, bias = map(jnp.asarray, softmax_norm.operands())
    compiled = jax.jit(normalised)
    return lambda: compiled(x, weight, bias)[0, 0]


def build_softmax_norm_gradient() -> Step:
    """The gradient in x, weight, and bias for a cotangent that is given."""
    x, cotangent, weight, bias = map(jnp.asarray, softmax_norm.operands())

    @jax.jit
    def gradient(x, weight, bias, cotangent):
        return jax.vjp(normalised, x, weight, bias)[1](cotangent)

    def step() -> jax.Array:
        in_x, in_weight, in_bias = gradient(x, weight, bias, cotangent)
        return in_x[0, 0] + in_weight[0] + in_bias[0]

    return step


def build_quadfit_scan() -> Step:
    """w x^2 + b with all iterations in one call, the loop inside the program."""
    x, y = map(jnp.asarray, quadfit.points())

    @jax.jit(donate_argnums=(0,))
    def loop(parameters, x, y):
        def iteration(parameters, _):
            loss_of = lambda w, b: ((y - (w * x**2 + b)) ** 2).sum()  # noqa: E731
            w, b = parameters
            loss, (in_w, in_b) = jax.value_and_grad(loss_of, (0, 1))(w, b)
            return (w - quadfit.LEARNING_RATE * in_w, b - quadfit.LEARNING_RATE * in_b), loss

        return lax.scan(iteration, parameters, length=quadfit.ITERATIONS)

    parameters = jnp.asarray(np.ones((1, 1), np.float32)), jnp.zeros((1, 1))

    def step() -> jax.Array:
        nonlocal parameters
        parameters, losses = loop(parameters, x, y)
        return losses[-1]

    return step
