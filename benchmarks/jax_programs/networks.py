"""Training steps of the networks: `build_*(...)` returns a step like those of `benchmarks.workloads`.

Convolutions read pictures as PyTorch lays them out (N, C, H, W); the compiler is free to choose another layout inside.
"""

from __future__ import annotations

import itertools
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.jax_programs.training import adam_w, cross_entropy, descend, parameters_of, training
from benchmarks.workloads import gpt, lstm, resnet, vgg
from benchmarks.workloads.mlp import WIDTHS
from benchmarks.workloads.workload import BATCHES, Step, images_and_classes

PICTURES = ("NCHW", "OIHW", "NCHW")


def convolved(x: jax.Array, weight: jax.Array, stride: int = 1, padding: int = 0) -> jax.Array:
    """Return the cross-correlation of pictures (N, C, H, W) with weights (O, C, K, K)."""
    return lax.conv_general_dilated(x, weight, (stride, stride), [(padding, padding)] * 2, dimension_numbers=PICTURES)


def halved(x: jax.Array) -> jax.Array:
    """Return the greatest of each 2 x 2 square of pictures (N, C, H, W)."""
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")


def linear(parameters: dict, name: str, x: jax.Array) -> jax.Array:
    """Return x W^T + b with the parameters of PyTorch's `nn.Linear` of that name."""
    return x @ parameters[f"{name}.weight"].T + parameters[f"{name}.bias"]


def linear_shapes(name: str, width_in: int, width: int) -> dict[str, tuple[int, ...]]:
    """Return names and shapes of the parameters of an `nn.Linear`."""
    return {f"{name}.weight": (width, width_in), f"{name}.bias": (width,)}


def build_mlp(batch: int) -> Step:
    """784-256-128-10, SGD with momentum."""
    names = ["0", "2", "4"]
    shapes = {}
    for name, (width_in, width) in zip(names, pairwise(WIDTHS), strict=True):
        shapes |= linear_shapes(name, width_in, width)

    def loss_of(parameters, x, y):
        for name in names[:-1]:
            x = jax.nn.relu(linear(parameters, name, x))
        return cross_entropy(linear(parameters, names[-1], x), y)

    return training(loss_of, parameters_of(shapes), descend(0.001, 0.9), *images_and_classes(batch, WIDTHS[0]))


def build_lenet(batch: int) -> Step:
    """LeNet on images of 32 by 32, SGD."""
    shapes = {"conv1.weight": (6, 1, 5, 5), "conv1.bias": (6,), "conv2.weight": (16, 6, 5, 5), "conv2.bias": (16,)}
    shapes |= linear_shapes("fc1", 400, 120) | linear_shapes("fc2", 120, 84) | linear_shapes("fc3", 84, 10)

    def loss_of(parameters, x, y):
        for name in ("conv1", "conv2"):
            bias = parameters[f"{name}.bias"][:, None, None]
            x = halved(jax.nn.relu(convolved(x, parameters[f"{name}.weight"]) + bias))
        x = x.reshape(x.shape[0], -1)
        x = jax.nn.relu(linear(parameters, "fc1", x))
        x = jax.nn.relu(linear(parameters, "fc2", x))
        return cross_entropy(linear(parameters, "fc3", x), y)

    return training(loss_of, parameters_of(shapes), descend(0.001), *images_and_classes(batch, 1, 32, 32))


def build_resnet20() -> Step:
    """ResNet-20, batch norm in training mode with its running statistics, SGD with momentum and decay."""
    shapes: dict[str, tuple[int, ...]] = {}

    def add(convolution: str, norm: str, channels_in: int, channels: int, side: int) -> None:
        shapes[f"{convolution}.weight"] = (channels, channels_in, side, side)
        shapes.update({f"{norm}.weight": (channels,), f"{norm}.bias": (channels,)})

    add("0", "1", 3, 16, 3)
    blocks = []
    for channels_in, channels, stride in resnet.STAGES:
        for turn in range(3):
            name, before = str(3 + len(blocks)), channels_in if turn == 0 else channels
            add(f"{name}.conv1", f"{name}.norm1", before, channels, 3)
            add(f"{name}.conv2", f"{name}.norm2", channels, channels, 3)
            if before != channels:
                add(f"{name}.shortcut.0", f"{name}.shortcut.1", before, channels, 1)
            blocks.append((name, stride if turn == 0 else 1))
    shapes |= linear_shapes("14", 64, 10)

    def loss_of(parameters, statistics, x, y):
        kept = {}

        def normed(name, x):
            count = x.shape[0] * x.shape[2] * x.shape[3]
            mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
            old_mean, old_variance = statistics[name]
            kept[name] = (0.9 * old_mean + 0.1 * mean, 0.9 * old_variance + 0.1 * variance * count / (count - 1))
            scale = parameters[f"{name}.weight"] * lax.rsqrt(variance + 1e-5)
            return (x - mean[:, None, None]) * scale[:, None, None] + parameters[f"{name}.bias"][:, None, None]

        x = jax.nn.relu(normed("1", convolved(x, parameters["0.weight"], 1, 1)))
        for name, stride in blocks:
            y1 = jax.nn.relu(normed(f"{name}.norm1", convolved(x, parameters[f"{name}.conv1.weight"], stride, 1)))
            y2 = normed(f"{name}.norm2", convolved(y1, parameters[f"{name}.conv2.weight"], 1, 1))
            if f"{name}.shortcut.0.weight" in parameters:
                x = normed(f"{name}.shortcut.1", convolved(x, parameters[f"{name}.shortcut.0.weight"], stride))
            x = jax.nn.relu(y2 + x)
        return cross_entropy(linear(parameters, "14", x.mean((2, 3))), y), kept

    begin, update = descend(0.01, 0.9, 1e-4)

    @jax.jit(donate_argnums=(0, 1, 2))
    def step(parameters, state, statistics, x, y):
        (loss, statistics), gradients = jax.value_and_grad(loss_of, has_aux=True)(parameters, statistics, x, y)
        return loss, *update(parameters, gradients, state), statistics

    parameters = parameters_of(shapes)
    norms = [name.removesuffix(".bias") for name in shapes if name.endswith(".bias") and name != "14.bias"]
    sizes = {name: shapes[f"{name}.bias"] for name in norms}
    carried = parameters, begin(parameters), {n: (jnp.zeros(size), jnp.ones(size)) for n, size in sizes.items()}
    pictures, classes = images_and_classes(resnet.BATCH, 3, 32, 32)
    batches = itertools.cycle([(jnp.asarray(x), jnp.asarray(y)) for x, y in zip(pictures, classes, strict=True)])

    def run() -> jax.Array:
        nonlocal carried
        loss, *carried = step(*carried, *next(batches))
        return loss

    return run


def build_gpt() -> Step:
    """The character GPT, AdamW."""
    width, heads = gpt.WIDTH, gpt.HEADS
    shapes = {"characters.weight": (gpt.VOCABULARY, width), "places.weight": (gpt.CONTEXT, width)}
    for block in range(gpt.LAYERS):
        name = f"blocks.{block}"
        shapes |= {f"{name}.{norm}.{part}": (width,) for norm in ("norm1", "norm2") for part in ("weight", "bias")}
        shapes |= linear_shapes(f"{name}.split", width, 3 * width) | linear_shapes(f"{name}.merge", width, width)
        shapes |= linear_shapes(f"{name}.perceptron.0", width, 4 * width)
        shapes |= linear_shapes(f"{name}.perceptron.2", 4 * width, width)
    shapes |= {"norm.weight": (width,), "norm.bias": (width,)} | linear_shapes("head", width, gpt.VOCABULARY)

    def normed(parameters, name, x):
        mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        return (x - mean) * lax.rsqrt(variance + 1e-5) * parameters[f"{name}.weight"] + parameters[f"{name}.bias"]

    def loss_of(parameters, x, y):
        x = parameters["characters.weight"][x] + parameters["places.weight"]
        for block in range(gpt.LAYERS):
            name = f"blocks.{block}"
            parts = jnp.split(linear(parameters, f"{name}.split", normed(parameters, f"{name}.norm1", x)), 3, axis=-1)
            q, k, v = (part.reshape(*part.shape[:2], heads, width // heads) for part in parts)
            attended = jax.nn.dot_product_attention(q, k, v, is_causal=True)
            x = x + linear(parameters, f"{name}.merge", attended.reshape(x.shape))
            inner = linear(parameters, f"{name}.perceptron.0", normed(parameters, f"{name}.norm2", x))
            x = x + linear(parameters, f"{name}.perceptron.2", jax.nn.gelu(inner, approximate=False))
        scores = linear(parameters, "head", normed(parameters, "norm", x))
        return cross_entropy(scores.reshape(-1, gpt.VOCABULARY), y.reshape(-1))

    texts = np.random.default_rng(1).integers(gpt.VOCABULARY, size=(BATCHES, gpt.BATCH, gpt.CONTEXT + 1))
    return training(loss_of, parameters_of(shapes), adam_w(0.0003), texts[..., :-1], texts[..., 1:])


def build_lstm() -> Step:
    """The LSTM: `scan` over the steps, the input's product taken out of it."""
    hidden = lstm.HIDDEN
    shapes = {"lstm.weight_ih_l0": (4 * hidden, lstm.INPUT), "lstm.weight_hh_l0": (4 * hidden, hidden)}
    shapes |= {"lstm.bias_ih_l0": (4 * hidden,), "lstm.bias_hh_l0": (4 * hidden,)} | linear_shapes("head", hidden, 10)

    def loss_of(parameters, x, y):
        biases = parameters["lstm.bias_ih_l0"] + parameters["lstm.bias_hh_l0"]
        of_input = jnp.swapaxes(x, 0, 1) @ parameters["lstm.weight_ih_l0"].T + biases

        def advance(carried, of_step):
            state, cell = carried
            gates = of_step + state @ parameters["lstm.weight_hh_l0"].T
            enter, forget, new, leave = jnp.split(gates, 4, axis=1)
            cell = jax.nn.sigmoid(forget) * cell + jax.nn.sigmoid(enter) * jnp.tanh(new)
            return (jax.nn.sigmoid(leave) * jnp.tanh(cell), cell), None

        zeros = jnp.zeros((x.shape[0], hidden))
        (state, _), _ = lax.scan(advance, (zeros, zeros), of_input)
        return cross_entropy(linear(parameters, "head", state), y)

    batches = images_and_classes(lstm.BATCH, lstm.STEPS, lstm.INPUT)
    return training(loss_of, parameters_of(shapes), descend(0.01), *batches)


def vgg_shapes() -> tuple[list[str], dict[str, tuple[int, ...]]]:
    """Return the layers of VGG-16 in order, "pool" for the pools, and the shapes of their parameters."""
    layers, shapes, channels, place = [], {}, 3, 0
    for width, count in vgg.STAGES:
        for _ in range(count):
            layers.append(str(place))
            shapes |= {f"{place}.weight": (width, channels, 3, 3), f"{place}.bias": (width,)}
            channels, place = width, place + 2
        layers.append("pool")
        place += 1
    for width_in, width in pairwise([512 * 7 * 7, 4096, 4096, vgg.CLASSES]):
        place += 1 if layers[-1] == "pool" else 2
        layers.append(str(place))
        shapes |= linear_shapes(str(place), width_in, width)
    return layers, shapes


def vgg_scores(layers: list[str], parameters: dict, x: jax.Array) -> jax.Array:
    """Return the scores (N, 1000) of pictures (N, 3, 224, 224)."""
    for name in layers:
        if name == "pool":
            x = halved(x)
        elif parameters[f"{name}.weight"].ndim == 4:
            x = jax.nn.relu(
                convolved(x, parameters[f"{name}.weight"], 1, 1) + parameters[f"{name}.bias"][:, None, None]
            )
        else:
            x = linear(parameters, name, x.reshape(x.shape[0], -1))
            x = x if name == layers[-1] else jax.nn.relu(x)
    return x


def build_vgg16() -> Step:
    """VGG-16, forward."""
    layers, shapes = vgg_shapes()
    parameters = parameters_of(shapes)
    classify = jax.jit(lambda parameters, x: vgg_scores(layers, parameters, x))
    pictures, _ = images_and_classes(1, 3, vgg.SIDE, vgg.SIDE)
    turn = itertools.cycle([jnp.asarray(x) for x in pictures])
    return lambda: classify(parameters, next(turn))[0, 0]


def build_vgg16_training() -> Step:
    """VGG-16, a training step with SGD."""
    layers, shapes = vgg_shapes()

    def loss_of(parameters, x, y):
        return cross_entropy(vgg_scores(layers, parameters, x), y)

    batches = images_and_classes(vgg.TRAINED, 3, vgg.SIDE, vgg.SIDE)
    return training(loss_of, parameters_of(shapes), descend(0.001), *batches)
