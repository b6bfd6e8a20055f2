"""Mixed precision on the CPU: which operators run in which dtype, gradients, nesting, and the scaler of gradients."""

from __future__ import annotations

from typing import Any

import pytest

import graphc as gc
from graphc import nn
from graphc.nn import functional as F

CALLS = {
    "matmul": "x @ x",
    "mm": "torch.mm(x, x)",
    "linear": "F.linear(x, x)",
    "conv1d": "F.conv1d(x[None], x[None])",
    "baddbmm": "torch.baddbmm(x[None], x[None], x[None])",
    "attention": "F.scaled_dot_product_attention(x[None], x[None], x[None])",
    "sum": "(x @ x).sum()",
    "add": "x + x.bfloat16()",
    "softmax": "(x @ x).softmax(0)",
    "cross_entropy": "F.cross_entropy(x @ x, torch.tensor([0, 1, 2]))",
    "mse_loss": "F.mse_loss(x @ x, x)",
    "prod": "(x @ x).prod()",
    "cat": "torch.cat([x @ x, x])",
    "stack": "torch.stack([x @ x, x @ x])",
    "double": "x.double() @ x.double()",
    "layer_norm": "F.layer_norm(x @ x, (3,))",
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_dtypes(call: str) -> None:
    """Each call gives the dtype that it gives in PyTorch, in bfloat16 and in float16."""
    torch = pytest.importorskip("torch")
    for name in ("bfloat16", "float16"):
        found = []
        for library in (gc, torch):
            names = {"torch": library, "F": library.nn.functional, "x": library.eye(3) * 0.5}
            with library.autocast("cpu", dtype=getattr(library, name)):
                found.append(str(eval(call, names).dtype).rpartition(".")[2])
        assert found[0] == found[1], name


def test_gradients_have_the_dtype_of_the_parameters() -> None:
    """The loss is computed in both precisions; parameters and their gradients stay float32."""
    gc.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    inputs, labels = gc.randn(5, 4), gc.tensor([0, 1, 2, 0, 1])
    F.cross_entropy(model(inputs), labels).backward()
    exact = [parameter.grad for parameter in model.parameters()]
    model.zero_grad()
    with gc.autocast("cpu"):
        output = model(inputs)
        loss = F.cross_entropy(output, labels)
    loss.backward()
    assert output.dtype == gc.bfloat16
    assert loss.dtype == gc.float32
    for parameter, wanted in zip(model.parameters(), exact, strict=True):
        assert parameter.grad.dtype == gc.float32
        assert gc.allclose(parameter.grad, wanted, rtol=0.1, atol=0.02)


def test_contexts_nest_and_decorate() -> None:
    """Within a context that switches it off nothing is converted; afterwards the outer one counts again."""
    x = gc.ones(2, 2)
    assert not gc.is_autocast_enabled("cpu")
    with gc.autocast("cpu"):
        assert gc.is_autocast_enabled("cpu")
        with gc.autocast("cpu", enabled=False):
            assert (x @ x).dtype == gc.float32
        assert (x @ x).dtype == gc.bfloat16
    assert gc.autocast("cpu", gc.float16)(lambda: x @ x)().dtype == gc.float16
    assert (x @ x).dtype == gc.float32


def test_a_compiled_function_is_built_for_each_mode() -> None:
    """Mixed precision around a compiled function is part of what its programs are chosen by."""
    compiled = gc.compile(lambda x: x @ x)
    x = gc.ones(2, 2)
    assert compiled(x).dtype == gc.float32
    with gc.autocast("cpu"):
        assert compiled(x).dtype == gc.bfloat16
    assert compiled(x).dtype == gc.float32


def test_the_scaler_skips_steps_and_moves_its_scale() -> None:
    """A step whose gradients are infinite is left out and halves the scale; good ones in a row double it."""
    weight = gc.ones(1, requires_grad=True)
    optimizer = gc.optim.SGD([weight], lr=0.5)
    scaler = gc.GradScaler("cpu", init_scale=8.0, growth_interval=2)
    scales = []
    for factor in (float("inf"), 1.0, 1.0):
        optimizer.zero_grad()
        scaler.scale((weight * factor).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        scales.append(scaler.get_scale())
    assert scales == [4.0, 4.0, 8.0]
    assert weight.tolist() == [0.0]
    other = gc.GradScaler("cpu")
    other.load_state_dict(scaler.state_dict())
    assert other.get_scale() == 8.0


def test_the_scaler_refuses_what_is_out_of_order() -> None:
    """In PyTorch's words: unscaled twice, stepped twice, updated without a look at gradients."""
    weight = gc.ones(1, requires_grad=True)
    optimizer = gc.optim.SGD([weight], lr=0.5)
    scaler = gc.GradScaler("cpu")
    with pytest.raises(AssertionError, match="No inf checks were recorded prior to update"):
        scaler.update()
    scaler.scale(weight.sum()).backward()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match=r"unscale_\(\) has already been called"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match=r"step\(\) has already been called"):
        scaler.step(optimizer)


def test_without_a_gpu_it_is_off() -> None:
    """For CUDA both warn and hand everything on."""
    with pytest.warns(UserWarning, match="CUDA is not available"):
        context = gc.autocast("cuda")
    with context:
        assert (gc.ones(2, 2) @ gc.ones(2, 2)).dtype == gc.float32
    with pytest.warns(UserWarning, match="CUDA is not available"):
        assert not gc.GradScaler().is_enabled()


def test_layers_in_lower_precision() -> None:
    """Attention, recurrent layers, normalisations, and Einstein sums have the dtypes that they have in PyTorch."""
    torch = pytest.importorskip("torch")

    def dtypes(t: Any) -> list[str]:
        x, half = t.ones(3, 2, 8), t.ones(3, 2, 8, dtype=t.bfloat16)
        nn, found = t.nn, []
        with t.autocast("cpu", dtype=t.bfloat16):
            attended, weights = nn.MultiheadAttention(8, 2)(x, x, x)
            encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
            found += [attended, weights, encoder(x), encoder.eval()(x), nn.Transformer(8, 2, 1, 1, 16)(x, x)]
            for kind in (nn.LSTM, nn.GRU, nn.RNN):
                output, state = kind(8, 4)(x)
                found += [output, *(state if isinstance(state, tuple) else (state,))]
            found += [t.einsum("abc,dbc->ad", x, x), t.inner(x, x)]
            found += [nn.LayerNorm(8)(half), nn.GroupNorm(2, 2)(half), nn.RMSNorm(8)(half), nn.BatchNorm1d(2)(half)]
        return [
            str(each.dtype).rpartition(".")[2] for each in (*found, nn.LayerNorm(8)(half), nn.GroupNorm(2, 2)(half))
        ]

    assert dtypes(gc) == dtypes(torch)


def test_a_compiled_step_keeps_the_scale_as_eager_mode_does() -> None:
    """The whole step with a scaler: good steps, steps that are skipped, a scale set between calls, one of a state."""
    found = []
    for compiled in (False, True):
        weight = gc.ones(3, requires_grad=True)
        optimizer = gc.optim.SGD([weight], lr=0.1)
        scaler = gc.GradScaler("cpu", init_scale=4.0, growth_interval=2)

        def step(x: gc.Tensor, weight=weight, optimizer=optimizer, scaler=scaler) -> gc.Tensor:
            optimizer.zero_grad()
            loss = (weight * x).sum()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            return loss

        run, seen = gc.compile(step) if compiled else step, []
        for turn in range(14):
            if turn == 8:
                scaler.update(64.0)
            if turn == 10:
                scaler.load_state_dict(
                    {**scaler.state_dict(), "scale": 2.0, "growth_interval": 1, "_growth_tracker": 0}
                )
            run(gc.full((3,), float("inf") if turn in (3, 6) else 1.0))
            seen.append((scaler.get_scale(), scaler.state_dict()["_growth_tracker"], weight.tolist()))
        found.append(seen)
    assert found[0] == found[1]
