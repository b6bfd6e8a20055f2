"""What a tensor is and offers beside operators, against PyTorch: memory, shape in place, makers, storages, switches."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import graphc
from graphc.capture.errors import CaptureError

torch = pytest.importorskip("torch")

# Expressions in `library` and `x`, a 3 by 4 matrix of the numbers 0 to 11; their values are compared as text.
EXPRESSIONS = """
x.t().storage_offset()
x[1, 2].storage_offset()
x[1].untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
x.untyped_storage().nbytes(), x.untyped_storage().size(), x[1].untyped_storage().nbytes()
x.storage().tolist(), x.storage()[3], len(x[1].storage())
x.H, x.mH, x.mT, x.T
x[0].H
x.expand(2, 3, 4).H
x[0].mT
x.itemsize, x.nbytes, x.layout, x.get_device(), x.ndimension(), x.output_nr, x.name, x.volatile
x.is_cpu, x.is_cuda, x.is_sparse, x.is_meta, x.is_quantized, x.is_mkldnn, x.is_nested, x.is_mps
x.dim_order(), x.t().dim_order()
x.is_same_size(x), x.is_set_to(x), x.view(4, 3).is_set_to(x)
x.is_shared(), x.is_pinned(), x.clone().share_memory_().is_shared()
x.resize_(2, 2)
x.resize_(5, 4).shape
x[1:].resize_(2, 2), x
x.resize_(-1)
x.resize_as_(library.zeros(2, 6))
x.unsqueeze(0).squeeze_()
x.unsqueeze(0).squeeze_(1).shape
x.unsqueeze_(1).shape, x.stride()
x.t_(), x.stride()
x.transpose_(0, 1).stride()
x.swapaxes_(0, 1).swapdims_(0, 1).shape
x.apply_(lambda value: value * 2)
x.map_(x.clone(), lambda own, other: own + other)
x.map2_(x.clone(), x.clone(), lambda own, first, second: own + first * second)
x.new(2).shape, x.new([1, 2]), x.new()
x.new_tensor([1, 2]), x.long().new_tensor([1.5]), x.new_tensor(library.tensor([2]))
x.new_zeros(2, 3), x.new_zeros((2,), dtype=library.int64), x.new_ones(2, requires_grad=True)
x.new_full((2,), True), x.long().new_full((2,), 3.5), x.new_full(2, 1)
x.new_empty(2, 3).shape, x.new_empty_strided((2, 3), (1, 2)).stride()
x.as_strided((2, 2), (1, 2), 3)
x[1:].as_strided((2, 2), (1, 2)), x[1:].as_strided((2, 2), (1, 2), 0)
x[:, ::2].as_strided((2, 2), (1, 2)), x.t().as_strided((2, 2), (1, 2))
x.as_strided((2, 0), (1, 2), 3)
x.as_strided((2, 2), (1,))
x.as_strided((9, 9), (1, 9))
x.as_strided((2, 2), (-1, 1))
x.as_strided((2, 2), (1, 1), -1)
x.as_strided_((2, 2), (1, 2))
x.as_strided((2,), (2,)).fill_(9), x
library.zeros(2).set_(x), library.zeros(2).set_(), library.zeros(2).set_(x.storage(), 2, (2, 2), (2, 1))
library.zeros(2).set_(x.untyped_storage(), 2, (2,), (1,))
library.FloatStorage([1, 2, 3]).tolist(), library.is_storage(x.storage()), library.UntypedStorage(3).size()
library.LongStorage([1, 2]), isinstance(library.LongStorage([1]), library.FloatStorage)
library.FloatStorage([1, 2, 3]).fill_(2).tolist(), library.FloatStorage(4).size()
library.FloatStorage([1, 2, 3])[1:]
library.UntypedStorage([1, 2, 3])[1:].tolist()
library.FloatStorage([1.5, 2]).long().tolist(), library.FloatStorage([1, 2]).resize_(1)
x.storage()[99]
library.strided, library.contiguous_format, library.preserve_format, library.channels_last
library.ones(1, 2, 3, 4).contiguous(memory_format=library.channels_last).stride()
library.ones(1, 2, 3, 4).to(memory_format=library.channels_last).is_contiguous(memory_format=library.channels_last)
library.ones(1, 2, 3, 4).clone(memory_format=library.channels_last).stride()
library.ones(1, 2, 3, 4).double(memory_format=library.channels_last).stride()
library.empty((1, 2, 3, 4), memory_format=library.channels_last).stride()
x.contiguous(memory_format=library.channels_last)
library.zeros_like(x.t()).stride(), library.ones_like(x.t(), memory_format=library.contiguous_format).stride()
library.zeros_like(library.ones(8, 3)[::2].t()).stride()
library.pi, library.e, library.inf, library.nan, library.newaxis
library.get_default_device(), library.get_float32_matmul_precision(), library.are_deterministic_algorithms_enabled()
library.set_flush_denormal(False), library.get_deterministic_debug_mode(), library.is_warn_always_enabled()
library.typename(x), library.typename(3), library.is_same_size(x, x), library.get_device(x)
library.relu_(library.tensor([-1.0, 2.0])), library.abs_(library.tensor([-1.0])), library.zero_(library.ones(2))
library.clamp_(x, 2, 5), library.sigmoid_(library.zeros(2)), library.neg_(library.ones(1))
library.tril_indices(3, 3), library.triu_indices(2, 4, 1), library.tril_indices(3, 2, -1, dtype=library.int32)
library.tril_indices(-1, 3)
library.logspace(0, 2, 3), library.logspace(0, 2, 4, base=2), library.logspace(0, 2, 4, dtype=library.int64)
library.linspace(0, 1, 3, requires_grad=True), library.linspace(library.tensor(0), library.tensor(1), 3)
library.linspace(0, 1, -1)
library.arange(3.0, requires_grad=True), library.arange(library.tensor(5))
library.arange(0, -8.1, -4, dtype=library.int64), library.linspace(0, 1, 2.5)
library.arange(0, 5, 0)
library.arange(0, float("inf"))
library.arange(4, out=library.zeros(4, dtype=library.int64)), library.ones(2, out=library.zeros(2))
library.scalar_tensor(3), library.scalar_tensor(True, dtype=library.int8)
library.empty_strided((2, 3), (1, 2)).stride(), library.empty_permuted((2, 3, 4), (2, 0, 1)).stride()
library.empty_strided((2, 3), (1,))
library.empty_permuted((2, 3), (0, 0))
library.eye(2, requires_grad=True), library.eye(2, 3, dtype=library.int64)
library.eye(-1)
library.zeros(2, dtype=int), library.zeros(2, dtype=float), library.zeros(size=(2,))
library.full((2,), library.tensor(3))
library.zeros(2, -1)
library.zeros("a")
library.zeros(2, dtype="f")
library.full((2,), "a")
library.full(2, 1)
library.tensor([[1], [1, 2]])
library.tensor([1, None])
library.tensor("a")
library.tensor([1, 2], requires_grad=True)
library.asarray([1, 2]), library.asarray(3.5, requires_grad=True), library.asarray(x).is_set_to(x)
library.asarray([1, 2], copy=False)
library.frombuffer(bytearray(b"abcdefgh"), dtype=library.int16)
library.frombuffer(bytearray(b"abc"), dtype=library.int16)
library.frombuffer(bytearray(b""), dtype=library.int16)
library.frombuffer(3, dtype=library.int8)
library.ones(3).fill_(library.tensor(2))
library.ones(3).fill_(library.ones(2))
library.trace(x[:3, :3])
library.zeros(2, requires_grad=True).resize_(4)
library.zeros(2, requires_grad=True).unsqueeze_(0)
library.zeros(2, requires_grad=True).apply_(abs)
""".strip().split("\n")


def shown(library: Any, text: str) -> str:
    """The text of a value, or the class and the first words of the error."""
    x = library.arange(12.0).reshape(3, 4)
    try:
        return repr(eval(text, {"library": library, "x": x}))
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:60]}"


@pytest.mark.parametrize("text", EXPRESSIONS)
@pytest.mark.filterwarnings("ignore")
def test_as_pytorch(text: str) -> None:
    """The expression has PyTorch's value, or raises PyTorch's error."""
    assert shown(graphc, text) == shown(torch, text)


def test_gradients_follow_shape_in_place() -> None:
    """A tensor that is transposed or stretched in place, and then written to, keeps its place in the graph."""
    for library in (torch, graphc):
        leaf = library.ones(2, 3, requires_grad=True)
        moved = leaf * 2
        moved.t_().unsqueeze_(0)
        moved += 1
        (moved * library.arange(6.0).reshape(1, 3, 2)).sum().backward()
        assert leaf.grad.tolist() == [[0.0, 4.0, 8.0], [2.0, 6.0, 10.0]]


def test_gradients_of_strided_views() -> None:
    """Overlapping views add up, views of slices reach the slice's elements, and writes through views go back."""
    for library in (torch, graphc):
        leaf = library.arange(6.0, requires_grad=True)
        leaf.as_strided((2, 2), (1, 1)).sum().backward()
        assert leaf.grad.tolist() == [1.0, 2.0, 1.0, 0.0, 0.0, 0.0]
        leaf = library.arange(12.0).reshape(3, 4).requires_grad_()
        (leaf * 1)[:, ::2].as_strided((2, 2), (4, 2)).sum().backward()
        assert leaf.grad.tolist() == [[1.0, 0.0, 1.0, 0.0], [1.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]]


def test_memory_in_common_with_numpy_and_torch() -> None:
    """DLPack shares memory both ways, and refuses tensors that require gradients."""
    theirs = torch.arange(4.0)
    ours = graphc.from_dlpack(theirs)
    ours[0] = 7
    assert theirs[0] == 7
    back = torch.from_dlpack(ours)
    back[1] = 8
    assert ours.tolist() == [7.0, 8.0, 2.0, 3.0]
    assert np.from_dlpack(ours)[1] == 8
    capsule = graphc.to_dlpack(ours)
    assert graphc.from_dlpack(capsule).tolist() == ours.tolist()
    assert ours.__dlpack_device__() == (1, 0)
    with pytest.raises(BufferError, match="require gradient"):
        graphc.ones(2, requires_grad=True).__dlpack__()
    with pytest.raises(RuntimeError, match="invalid capsule"):
        graphc.from_dlpack(3)
    buffer = bytearray(8)
    graphc.frombuffer(buffer, dtype=graphc.float32).fill_(1)
    assert bytes(buffer) == np.ones(2, np.float32).tobytes()


def test_files_as_memory(tmp_path: Any) -> None:
    """A shared file takes what is written to its tensor; a private one does not."""
    path = str(tmp_path / "numbers")
    shared = graphc.from_file(path, shared=True, size=3)
    shared.copy_(graphc.tensor([1.0, 2.0, 3.0]))
    private = graphc.from_file(path, size=3)
    private[0] = 9
    assert graphc.from_file(path, size=3).tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(RuntimeError, match="unable to mmap"):
        graphc.from_file(path, size=4)


def test_layouts_and_formats_are_one_of_a_kind() -> None:
    """Copies and pickles of layouts and memory formats are themselves; other layouts are refused."""
    for value in (graphc.strided, graphc.channels_last, graphc.contiguous_format):
        assert pickle.loads(pickle.dumps(value)) is value
        assert copy.deepcopy(value) is value
    with pytest.raises(RuntimeError, match=r"torch\.sparse_coo"):
        graphc.zeros(2, layout=graphc.sparse_coo)


def test_shared_memory_is_seen_by_forked_processes() -> None:
    """What a forked process writes to a shared tensor shows here."""
    import os

    tensor = graphc.zeros(2, 3).t()
    assert tensor.share_memory_() is tensor
    child = os.fork()
    if child == 0:
        tensor[0, 1] = 5
        os._exit(0)
    os.waitpid(child, 0)
    assert tensor.tolist() == [[0.0, 5.0], [0.0, 0.0], [0.0, 0.0]]


def test_programs_refuse_what_they_could_not_repeat() -> None:
    """Within a compiled function the shape of a tensor from outside stays; one that is made within may change."""
    outside = graphc.ones(2, 3)
    for change in (lambda x: outside.t_(), lambda x: outside.resize_(6), lambda x: outside.set_(x)):
        with pytest.raises(CaptureError, match=r"test_tensor_surface\.py:\d+"):
            graphc.trace(change, graphc.ones(2))
    assert outside.shape == (2, 3)

    def within(x: graphc.Tensor) -> graphc.Tensor:
        doubled = x * 2
        doubled.t_()
        return doubled.add_(1) @ x

    x = graphc.arange(6.0).reshape(2, 3)
    assert graphc.compile(within)(x).tolist() == within(x).tolist()


def test_a_trace_of_a_tensor_is_its_sum() -> None:
    """``trace`` gives a graph for a function and a number for a matrix."""
    assert graphc.trace(graphc.eye(3)).item() == 3
    assert len(graphc.trace(lambda x: x * 2, graphc.ones(2)).inputs) == 1
