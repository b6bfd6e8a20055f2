"""Capture: what a step did becomes a graph with the right ties to the outside, or is refused with its line."""

import numpy as np
import pytest

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from graphc.capture.errors import CaptureError
from graphc.ir.interp import interpret
from graphc.ir.verify import verify


def step_on(net, optimizer):
    def step(x, y):
        optimizer.zero_grad()
        loss = F.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def test_parameters_and_momentum_become_state_and_data_stays_an_argument():
    """What the step writes is state under its name; what it only reads is not."""
    gc.manual_seed(0)
    net = nn.Linear(3, 2)
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    graph = gc.trace(step_on(net, optimizer), gc.randn(4, 3), gc.randn(4, 2))
    kinds = {node.name: node.kind for node in graph.inputs}
    assert kinds["x"] == kinds["y"] == "argument"
    assert kinds["weight"] == kinds["bias"] == "state"
    assert kinds["weight.momentum_buffer"] == "state"
    assert kinds["lr"] == kinds["momentum"] == "scalar"
    assert {output.name for output in graph.outputs} == {"result", "weight.grad", "bias.grad"}
    assert verify(graph) is graph


def test_the_graph_computes_what_eager_did():
    """Interpreting the captured graph on the values at entry gives the values that the eager run left."""
    gc.manual_seed(0)
    net = nn.Linear(3, 2)
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    x, y = gc.randn(4, 3), gc.randn(4, 2)
    before = {name: p.detach().numpy().copy() for name, p in net.named_parameters()}
    graph = gc.trace(step_on(net, optimizer), x, y)
    arrays = {"x": x.numpy(), "y": y.numpy(), **before, "lr": np.float64(0.1), "momentum": np.float64(0.9)}
    arrays |= {f"{name}.momentum_buffer": np.zeros_like(array) for name, array in before.items()}
    result = interpret(graph, arrays)
    for name, parameter in net.named_parameters():
        np.testing.assert_array_equal(result.updates[name], parameter.detach().numpy())
        np.testing.assert_array_equal(result.outputs[f"{name}.grad"], parameter.grad.numpy())


def test_every_node_carries_the_line_of_the_program():
    """Forward, backward, and update nodes name this file; backward nodes name the line of their forward node."""
    gc.manual_seed(0)
    net = nn.Linear(3, 2)
    graph = gc.trace(step_on(net, optim.SGD(net.parameters(), lr=0.1)), gc.randn(4, 3), gc.randn(4, 2))
    assert {node.location.phase for node in graph.nodes} == {"forward", "backward", "update"}
    assert all(node.location.file.endswith("test_capture.py") for node in graph.nodes)
    forward = {node.location.line for node in graph.nodes if node.location.phase == "forward"}
    backward = {node.location.line for node in graph.nodes if node.location.phase == "backward" and node.inputs}
    assert backward & forward


@pytest.mark.parametrize(
    "read",
    [float, lambda t: t.tolist(), lambda t: t.numpy()],
    ids=["float", "tolist", "numpy"],
)
def test_reading_a_value_is_refused_with_its_line(read):
    """A Python value of a tensor would be frozen into the program; the error names this file and line."""

    def step(x):
        return x * read(x.sum())

    with pytest.raises(CaptureError, match=r"test_capture\.py:\d+: .*where"):
        gc.trace(step, gc.ones(2))


def test_a_refused_capture_leaves_everything_as_it_was():
    """Parameters that were already written when the capture is refused get their values back."""
    gc.manual_seed(0)
    net = nn.Linear(3, 2)
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    plain = step_on(net, optimizer)

    @gc.compile
    def step(x, y):
        return float(plain(x, y))

    before = {name: p.detach().numpy().copy() for name, p in net.named_parameters()}
    with pytest.raises(CaptureError):
        step(gc.randn(4, 3), gc.randn(4, 2))
    for name, parameter in net.named_parameters():
        np.testing.assert_array_equal(parameter.detach().numpy(), before[name])
        assert parameter.grad is None


def test_a_parameter_stored_on_a_module_is_refused():
    """The program could not store another one; saying nothing would leave a stale attribute."""

    class Replaces(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(gc.ones(2))

        def forward(self, x):
            self.weight = nn.Parameter(x * 2)
            return self.weight

    with pytest.raises(CaptureError, match=r"Replaces\.weight"):
        gc.trace(Replaces(), gc.ones(2))


def test_writes_through_views_reach_the_memory():
    """A write through a view of a view is a new value of the whole memory, for all its views."""
    state = gc.zeros(4, 4)

    @gc.compile
    def step(x):
        row = state[1:3].t()[2]
        row += x
        state.view(16)[15] = 7.0
        return state.sum()

    for _ in range(3):
        step(gc.tensor([1.0, 2.0]))
    expected = np.zeros((4, 4), np.float32)
    expected[1:3, 2] = [3.0, 6.0]
    expected[3, 3] = 7.0
    np.testing.assert_array_equal(state.numpy(), expected)


def test_memory_that_is_written_under_two_names_is_refused():
    """Two tensors that show parts of an array of numpy's, one of them written: nothing says how they lie in it."""
    base = np.zeros(4, np.float32)

    @gc.compile
    def step(x, y):
        x += 1
        return x + y

    with pytest.raises(CaptureError, match="same memory"):
        step(gc.from_numpy(base[:3]), gc.from_numpy(base[1:]))
    np.testing.assert_array_equal(base, np.zeros(4, np.float32))


def test_trace_of_a_function_of_tensors_alone():
    """gc.trace gives the graph; arguments are named as in the signature."""
    graph = gc.trace(lambda w, x, b: w * x + b, gc.ones(3), gc.ones(3), gc.ones(3))
    assert [node.name for node in graph.inputs] == ["w", "x", "b"]
    assert [node.op.name for node in graph.nodes] == ["mul", "add"]


def test_an_argument_of_an_unknown_kind_is_refused():
    """Arrays and other unhashable values are named in the error."""
    with pytest.raises(TypeError, match="ndarray"):
        gc.compile(lambda x: x)(np.ones(3))
