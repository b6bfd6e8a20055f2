"""Attention with several heads and transformers against PyTorch's."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pytest

import graphc as gc
from tests.nn.twins import assert_close, assert_same_error, compare, normal, twins

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.filterwarnings("ignore:enable_nested_tensor is True:UserWarning")

OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"bias": False, "batch_first": True},
    {"add_bias_kv": True, "add_zero_attn": True},
    {"kdim": 5, "vdim": 3},
    {"kdim": 5, "vdim": 3, "batch_first": True, "add_bias_kv": True, "bias": False},
    {"dropout": 0.3},
)
CALLS: tuple[dict[str, Any], ...] = (
    {},
    {"need_weights": False},
    {"average_attn_weights": False},
    {"key_padding_mask": "bool"},
    {"key_padding_mask": "float", "need_weights": False},
    {"attn_mask": "bool"},
    {"attn_mask": "float", "key_padding_mask": "float"},
    {"attn_mask": "heads", "need_weights": False, "key_padding_mask": "bool"},
    {"attn_mask": "causal", "is_causal": True, "need_weights": False},
    {"attn_mask": "causal", "is_causal": True, "key_padding_mask": "bool"},
)
PLACES, SEQUENCES, SIZE, HEADS = 4, 2, 6, 2


def masks(t: Any, call: dict[str, Any], batched: bool = True) -> dict[str, Any]:
    """The arguments of a call with masks made of what they say."""
    made = dict(call)
    blocked = np.array([[False, False, True, False], [False, True, False, True]])[: 2 if batched else 1]
    if not batched:
        blocked = blocked[0]
    if made.get("key_padding_mask") == "bool":
        made["key_padding_mask"] = t.from_numpy(blocked)
    elif made.get("key_padding_mask") == "float":
        made["key_padding_mask"] = t.from_numpy(np.where(blocked, -np.inf, 0.5).astype(np.float32))
    kind = made.get("attn_mask")
    square = np.tril(np.ones((PLACES, PLACES), bool))
    if kind == "bool":
        made["attn_mask"] = t.from_numpy(~square)
    elif kind == "float":
        made["attn_mask"] = t.from_numpy(normal(PLACES, PLACES, seed=4))
    elif kind == "heads":
        made["attn_mask"] = t.from_numpy(normal(SEQUENCES * HEADS if batched else HEADS, PLACES, PLACES, seed=4))
    elif kind == "causal":
        made["attn_mask"] = t.nn.Transformer.generate_square_subsequent_mask(PLACES)
    return made


def operands(options: dict[str, Any], batched: bool = True) -> list[np.ndarray]:
    """Query, key, and value for a module of the options."""
    sizes = (SIZE, options.get("kdim", SIZE), options.get("vdim", SIZE))
    lead = (PLACES,) if not batched else (SEQUENCES, PLACES) if options.get("batch_first") else (PLACES, SEQUENCES)
    return [normal(*lead, size, seed=position) for position, size in enumerate(sizes)]


@pytest.mark.filterwarnings("ignore:Support for mismatched:UserWarning")
@pytest.mark.parametrize("batched", [True, False], ids=["batched", "one"])
@pytest.mark.parametrize("call", CALLS, ids=str)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_multihead_attention(options: dict[str, Any], call: dict[str, Any], batched: bool) -> None:
    """Weights from one seed, text, results, attention weights, and gradients for all options and masks; dropout draws
    what PyTorch's draws."""
    compare(
        lambda t: t.nn.MultiheadAttention(SIZE, HEADS, **options),
        operands(options, batched),
        lambda t, net, *qkv: net(*qkv, **masks(t, call, batched)),
    )


@pytest.mark.parametrize("options", [{}, {"batch_first": True}], ids=str)
def test_self_attention(options: dict[str, Any]) -> None:
    """One tensor as query, key, and value, or as key and value: projected at once, with first and second gradients."""
    x, y = operands(options)[:2]
    make = lambda t: t.nn.MultiheadAttention(SIZE, HEADS, **options)  # noqa: E731
    compare(make, [x], lambda t, net, x: net(x, x, x), second=True)
    compare(make, [x, y], lambda t, net, x, y: net(x, y, y))


@pytest.mark.parametrize("need_weights", [True, False])
def test_rows_with_nothing_to_attend_to(need_weights: bool) -> None:
    """Where all keys are masked PyTorch gives NaN with weights and zeros without."""
    seen = []
    for t, net in zip((gc, torch), twins(lambda t: t.nn.MultiheadAttention(SIZE, HEADS)), strict=True):
        x = t.from_numpy(operands({})[0])
        padding = t.from_numpy(np.array([[True] * PLACES, [False] * PLACES]))
        seen.append(net(x, x, x, key_padding_mask=padding, need_weights=need_weights))
    assert_close(*seen)


ATTENTION_ERRORS: dict[str, Any] = {
    "sizes": lambda t: t.nn.MultiheadAttention(0, 2),
    "heads": lambda t: t.nn.MultiheadAttention(5, 2),
    "rank": lambda t: t.nn.MultiheadAttention(6, 2)(t.zeros(6), t.zeros(6), t.zeros(6)),
    "ranks": lambda t: t.nn.MultiheadAttention(6, 2)(t.zeros(3, 2, 6), t.zeros(3, 6), t.zeros(3, 6)),
    "ranks of one": lambda t: t.nn.MultiheadAttention(6, 2)(t.zeros(2, 6), t.zeros(3, 2, 6), t.zeros(3, 2, 6)),
    "size": lambda t: t.nn.MultiheadAttention(6, 2)(t.zeros(3, 2, 4), t.zeros(3, 2, 4), t.zeros(3, 2, 4)),
    "key and value": lambda t: t.nn.MultiheadAttention(6, 2)(t.zeros(3, 2, 6), t.zeros(3, 2, 6), t.zeros(4, 2, 6)),
    "key and value apart": lambda t: t.nn.MultiheadAttention(6, 2, kdim=3)(
        t.zeros(3, 2, 6), t.zeros(3, 2, 3), t.zeros(4, 2, 6)
    ),
    "weights apart": lambda t: t.nn.MultiheadAttention(6, 2, kdim=3)(
        t.zeros(3, 2, 6), t.zeros(3, 2, 4), t.zeros(3, 2, 6)
    ),
    "mask": lambda t: attended(t, attn_mask=t.zeros(3, 3)),
    "mask of heads": lambda t: attended(t, attn_mask=t.zeros(3, 4, 4)),
    "mask of one rank": lambda t: attended(t, attn_mask=t.zeros(4)),
    "mask of integers": lambda t: attended(t, attn_mask=t.zeros(4, 4, dtype=t.int64)),
    "padding": lambda t: attended(t, key_padding_mask=t.zeros(3, 4)),
    "padding keys": lambda t: attended(t, key_padding_mask=t.zeros(2, 3)),
    "padding rank": lambda t: attended(t, key_padding_mask=t.zeros(4)),
    "causal without mask": lambda t: attended(t, is_causal=True),
    "activation": lambda t: t.nn.TransformerEncoderLayer(6, 2, activation="tanh"),
    "sequences": lambda t: t.nn.Transformer(6, 2, 1, 1, 8)(t.zeros(3, 2, 6), t.zeros(3, 1, 6)),
    "d_model": lambda t: t.nn.Transformer(6, 2, 1, 1, 8)(t.zeros(3, 2, 4), t.zeros(3, 2, 6)),
}


def attended(t: Any, **call: Any) -> Any:
    """A call of self-attention on 4 places of 2 sequences."""
    x = t.zeros(4, 2, 6)
    return t.nn.MultiheadAttention(6, 2)(x, x, x, **call)


@pytest.mark.parametrize("name", ATTENTION_ERRORS)
def test_errors(name: str) -> None:
    """Operands and masks that don't fit raise PyTorch's errors, word for word."""
    assert_same_error(ATTENTION_ERRORS[name])


def test_masks_of_different_kinds_warn() -> None:
    """A bool and a float mask together are PyTorch's warning."""
    for t in (gc, torch):
        with pytest.warns(UserWarning, match="Support for mismatched key_padding_mask and attn_mask is deprecated"):
            attended(t, key_padding_mask=t.zeros(2, 4, dtype=t.bool), attn_mask=t.zeros(4, 4))


# -- transformers ----------------------------------------------------------------------------------------------------

LAYER_OPTIONS: tuple[dict[str, Any], ...] = (
    {"dropout": 0.0},
    {"norm_first": True, "activation": "gelu"},
    {"batch_first": True, "bias": False, "dropout": 0.0},
    {"batch_first": True, "activation": "module", "dropout": 0.0},
)


def options_for(t: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Options with an activation of the library's own."""
    return options | ({"activation": t.nn.Tanh()} if options.get("activation") == "module" else {})


def causal(t: Any) -> Any:
    return t.nn.Transformer.generate_square_subsequent_mask(PLACES)


def padding(t: Any) -> Any:
    return t.from_numpy(np.array([[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, -np.inf, -np.inf]], np.float32))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("options", LAYER_OPTIONS, ids=str)
def test_encoder_layers(options: dict[str, Any], masked: bool) -> None:
    """One encoder layer and a stack with a norm: weights, text, results, gradients, with dropout and masks."""
    x = operands(options)[0]
    layer = lambda t: t.nn.TransformerEncoderLayer(SIZE, HEADS, 8, **options_for(t, options))  # noqa: E731
    stack = lambda t: t.nn.TransformerEncoder(layer(t), 2, t.nn.LayerNorm(SIZE))  # noqa: E731
    compare(
        layer,
        [x],
        lambda t, net, x: net(x, causal(t) if masked else None, padding(t) if masked else None, is_causal=masked),
        second=options.get("dropout")
        != 0.0,  # PyTorch's fused attention, which has no dropout, has no second gradients
        tolerance=2e-4,
    )
    compare(stack, [x], lambda t, net, x: net(x, causal(t) if masked else None, padding(t) if masked else None))
    compare(stack, [x], lambda t, net, x: net(x, causal(t) if masked else None))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("options", LAYER_OPTIONS, ids=str)
def test_decoder_layers(options: dict[str, Any], masked: bool) -> None:
    """One decoder layer and a stack with a norm: weights, text, results, gradients, with dropout and masks."""
    x, memory = operands(options)[:2]
    layer = lambda t: t.nn.TransformerDecoderLayer(SIZE, HEADS, 8, **options_for(t, options))  # noqa: E731
    stack = lambda t: t.nn.TransformerDecoder(layer(t), 2, t.nn.LayerNorm(SIZE))  # noqa: E731

    def call(t: Any, net: Any, x: Any, memory: Any) -> Any:
        if not masked:
            return net(x, memory)
        return net(x, memory, causal(t), None, padding(t), padding(t), tgt_is_causal=True)

    compare(layer, [x, memory], call)
    compare(stack, [x, memory], call)


@pytest.mark.parametrize("options", LAYER_OPTIONS, ids=str)
def test_transformers(options: dict[str, Any]) -> None:
    """A whole transformer, also with one sequence: weights from one seed, results, gradients."""
    make = lambda t: t.nn.Transformer(SIZE, HEADS, 2, 1, 8, **options_for(t, options))  # noqa: E731
    x, y = operands(options)[:2]
    compare(make, [x, y], lambda t, net, x, y: net(x, y, tgt_mask=causal(t), src_key_padding_mask=padding(t)))
    compare(make, [x[0], y[0]])


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("nested", [True, False])
def test_inference_of_an_encoder_leaves_padding_out(nested: bool, aligned: bool) -> None:
    """In eval mode without gradients, results at padded places are what PyTorch's fast path gives: zeros, where all
    padding is at the end and nothing forbids it."""
    blocked = np.array([[False, False, False, True], [False, True, aligned, True]])
    seen = []

    def make(t: Any) -> Any:
        layer = t.nn.TransformerEncoderLayer(SIZE, HEADS, 8, batch_first=True)
        return t.nn.TransformerEncoder(layer, 2, enable_nested_tensor=nested).eval()

    for t, net in zip((gc, torch), twins(make), strict=True):
        x = t.from_numpy(operands({"batch_first": True})[0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with t.no_grad():
                inference = net(x, src_key_padding_mask=t.from_numpy(blocked))
            seen.append((inference, net(x, src_key_padding_mask=t.from_numpy(blocked))))
    assert_close(*seen)


def test_encoders_tell_why_they_keep_padding() -> None:
    """The warning at construction names PyTorch's reason."""
    kinds = ({}, {"batch_first": True, "norm_first": True}, {"batch_first": True, "bias": False},
             {"batch_first": True, "activation": gc.nn.functional.tanh})  # fmt: skip
    for options in kinds:
        words = []
        for t in (gc, torch):
            own = options | ({"activation": t.tanh} if "activation" in options else {})
            with pytest.warns(UserWarning, match="enable_nested_tensor is True") as caught:
                t.nn.TransformerEncoder(t.nn.TransformerEncoderLayer(6, 2, 8, **own), 1)
            words.append(str(caught[0].message))
        assert words[0] == words[1]


# -- compiled --------------------------------------------------------------------------------------------------------


class Attention(gc.nn.Module):
    """Self-attention as a net."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = gc.nn.MultiheadAttention(SIZE, HEADS, dropout=0.2)

    def forward(self, x: Any) -> Any:
        return self.attention(x, x, x)[0]


class Translator(gc.nn.Module):
    """A transformer that translates its input to itself."""

    def __init__(self) -> None:
        super().__init__()
        self.transformer = gc.nn.Transformer(SIZE, HEADS, 1, 1, 8, dropout=0.1)

    def forward(self, x: Any) -> Any:
        return self.transformer(x, x, tgt_mask=gc.nn.Transformer.generate_square_subsequent_mask(x.shape[0]))


NETS: dict[str, Any] = {
    "attention": Attention,
    "encoder layer": lambda: gc.nn.TransformerEncoderLayer(SIZE, HEADS, 8, norm_first=True),
    "encoder": lambda: gc.nn.TransformerEncoder(gc.nn.TransformerEncoderLayer(SIZE, HEADS, 8), 2),
    "transformer": Translator,
}


@pytest.mark.parametrize("name", NETS)
def test_a_compiled_step_follows_the_eager_one(name: str) -> None:
    """Losses, weights, and gradients of a compiled training step are those of the eager one, dropout included."""
    results = []
    for compiled in (False, True):
        gc.manual_seed(0)
        net = NETS[name]()
        optimizer = gc.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

        def step(x: Any, y: Any, net: Any = net, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = gc.nn.functional.mse_loss(net(x), y)
            loss.backward()
            optimizer.step()
            return loss.detach()

        step = gc.compile(step) if compiled else step
        x, y = gc.tensor(normal(PLACES, SEQUENCES, SIZE)), gc.tensor(normal(PLACES, SEQUENCES, SIZE, seed=9))
        losses = [step(x, y).item() for _ in range(4)]
        parameters = list(net.parameters())
        results.append((losses, [p.detach().numpy() for p in parameters], [p.grad.numpy() for p in parameters]))
    for mine, other in itertools.chain.from_iterable(zip(*pair, strict=True) for pair in zip(*results, strict=True)):
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-5)
