"""What the JAX programs share: one jitted step whose parameters and optimizer state are given away to it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.workloads.workload import Step, initial_values

Parameters = dict[str, jax.Array]


def parameters_of(shapes: Mapping[str, tuple[int, ...]]) -> Parameters:
    """Return the same first values that the other frameworks get; names and order are PyTorch's."""
    return {name: jnp.asarray(value) for name, value in initial_values(shapes).items()}


def cross_entropy(scores: jax.Array, classes: jax.Array) -> jax.Array:
    """Return the mean over rows (N, C) of the negative log-probability of their classes (N,)."""
    logarithms = jax.nn.log_softmax(scores)
    return -jnp.take_along_axis(logarithms, classes[:, None], axis=1).mean()


def descend(rate: float, momentum: float = 0.0, decay: float = 0.0) -> tuple[Callable, Callable]:
    """Return (state of parameters, update) of SGD as PyTorch defines it."""

    def begin(parameters: Parameters) -> Any:
        return jax.tree.map(jnp.zeros_like, parameters) if momentum else ()

    def update(parameters: Parameters, gradients: Parameters, state: Any) -> tuple[Parameters, Any]:
        if decay:
            gradients = jax.tree.map(lambda gradient, value: gradient + decay * value, gradients, parameters)
        if momentum:
            state = gradients = jax.tree.map(lambda old, new: momentum * old + new, state, gradients)
        return jax.tree.map(lambda value, gradient: value - rate * gradient, parameters, gradients), state

    return begin, update


def adam_w(rate: float, decay: float = 0.01, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8):
    """Return (state of parameters, update) of AdamW (Loshchilov and Hutter, 2019) as PyTorch defines it."""

    def begin(parameters: Parameters) -> Any:
        return jax.tree.map(jnp.zeros_like, parameters), jax.tree.map(jnp.zeros_like, parameters), jnp.zeros(())

    def update(parameters: Parameters, gradients: Parameters, state: Any) -> tuple[Parameters, Any]:
        first, second, count = state
        count = count + 1
        first = jax.tree.map(lambda mean, new: betas[0] * mean + (1 - betas[0]) * new, first, gradients)
        second = jax.tree.map(lambda mean, new: betas[1] * mean + (1 - betas[1]) * new * new, second, gradients)
        one, two = 1 - betas[0] ** count, 1 - betas[1] ** count

        def changed(value, mean, square):
            return value * (1 - rate * decay) - rate / one * mean / (jnp.sqrt(square / two) + eps)

        return jax.tree.map(changed, parameters, first, second), (first, second, count)

    return begin, update


def training(
    loss_of: Callable, parameters: Parameters, optimizer: tuple[Callable, Callable], inputs: np.ndarray, classes: Any
) -> Step:
    """Return a step that trains on the batches in turn; `loss_of(parameters, x, y)` is a number."""
    begin, update = optimizer

    @jax.jit(donate_argnums=(0, 1))
    def step(parameters, state, x, y):
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, y)
        return loss, *update(parameters, gradients, state)

    state = begin(parameters)
    batches = itertools.cycle([(jnp.asarray(x), jnp.asarray(y)) for x, y in zip(inputs, classes, strict=True)])

    def run() -> jax.Array:
        nonlocal parameters, state
        loss, parameters, state = step(parameters, state, *next(batches))
        return loss

    return run
