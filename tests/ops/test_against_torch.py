"""Every op sample against PyTorch: values, dtypes, shapes, gradients, and second gradients. Skips without torch."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from graphc.autograd.gradients import grad
from graphc.ir.types import DType
from graphc.tensor import Tensor
from tests.ops.running import flat_values, keyword_arrays, run_on_tensors
from tests.ops.samples import ALL_SAMPLES, OpSample, map_arrays

torch = pytest.importorskip("torch")

COMPARED = [
    sample for sample in ALL_SAMPLES if sample.oracle != "" and not (sample.primitive and sample.oracle is None)
]
SMOOTH = [sample for sample in COMPARED if sample.smooth and sample.differentiable_positions()]
KINKED = [sample for sample in COMPARED if not sample.smooth and sample.differentiable_positions()]


def oracle_function(sample: OpSample) -> Any:
    """PyTorch's function for a sample."""
    if callable(sample.oracle):
        return lambda *arguments, **keywords: sample.oracle(torch, *arguments, **keywords)
    path = sample.oracle or sample.name
    for root in (torch.nn.functional, torch, torch.Tensor):
        found: Any = root
        for part in path.split("."):
            found = getattr(found, part, None)
        if callable(found):
            return found
    raise LookupError(f"PyTorch has no function {path!r}: give the sample {sample.identity!r} an oracle")


def run_on_torch(sample: OpSample, floating: str | None = None) -> tuple[list[Any], list[Any]]:
    """PyTorch's results for a sample, and the tensors given."""
    positional, keywords = sample.make(floating)
    wanted = sample.differentiable_positions()
    tensors: list[Any] = []

    def plain(array: np.ndarray) -> Any:
        return (
            torch.from_numpy(np.array(array, order="K"))
            if array.ndim
            else torch.tensor(array.item(), dtype=getattr(torch, array.dtype.name))
        )

    def convert(array: np.ndarray) -> Any:
        tensor = plain(array)
        if len(tensors) in wanted:
            tensor.requires_grad_()
        tensors.append(tensor)
        return tensor

    keywords = {
        name: getattr(torch, value.name) if isinstance(value, DType) else value for name, value in keywords.items()
    }
    result = oracle_function(sample)(*map_arrays(positional, convert), **keyword_arrays(keywords, plain))
    return flat_values(result), tensors


def assert_close(found: np.ndarray, expected: np.ndarray, tolerance: tuple[float, float], what: str) -> None:
    """Equal dtype and shape, and values equal within the tolerance for the dtype (exactly for integers and bool)."""
    assert found.dtype == expected.dtype, f"{what}: dtype {found.dtype}, PyTorch's is {expected.dtype}"
    assert found.shape == expected.shape, f"{what}: shape {found.shape}, PyTorch's is {expected.shape}"
    if found.dtype.kind not in "fc":
        np.testing.assert_array_equal(found, expected, err_msg=what)
        return
    relative = tolerance[0 if found.dtype in (np.float32, np.complex64) else 1]
    finite = np.abs(expected[np.isfinite(expected)])
    scale = float(finite.max()) if finite.size else 0.0
    with np.errstate(all="ignore"):
        absolute = relative * min(max(scale, 1e-6), 1e3)
        np.testing.assert_allclose(found, expected, rtol=relative, atol=absolute, err_msg=what)


def array_of(tensor: Any) -> np.ndarray:
    """The elements of one of PyTorch's tensors; a conjugate that is yet to be computed is computed."""
    return tensor.numpy(force=True)


def cotangents(results: list[Any], seed: int) -> list[np.ndarray]:
    """Random cotangents for results."""
    generator = np.random.default_rng(seed)

    def cotangent(result: Any) -> np.ndarray:
        dtype = str(result.dtype).removeprefix("torch.")
        values = generator.standard_normal(tuple(result.shape))
        if dtype.startswith("complex"):
            values = values + 1j * generator.standard_normal(tuple(result.shape))
        return np.asarray(values).astype(dtype)

    return [cotangent(result) for result in results]


def _differentiable(results: list[Any]) -> list[Any]:
    return [result for result in results if getattr(result, "requires_grad", False)]


@pytest.mark.parametrize("sample", COMPARED, ids=lambda sample: sample.identity)
def test_values(sample: OpSample) -> None:
    """The result has PyTorch's values, dtype, and shape (of random functions dtype and shape alone)."""
    found, _ = run_on_tensors(sample)
    expected, _ = run_on_torch(sample)
    assert len(found) == len(expected)
    for place, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        if not hasattr(theirs, "detach"):
            assert ours == theirs, f"result {place}"
            continue
        array, reference = ours.detach().numpy(), array_of(theirs)
        if sample.random:
            assert (array.dtype, array.shape) == (reference.dtype, reference.shape)
        else:
            assert_close(array, reference, sample.tolerance, f"result {place}")


def _gradients(sample: OpSample, floating: str | None, second: bool) -> tuple[list[np.ndarray], list[np.ndarray]]:
    found, tensors = run_on_tensors(sample, floating)
    expected, references = run_on_torch(sample, floating)
    wanted = sample.differentiable_positions()
    ours, theirs = [tensors[place] for place in wanted], [references[place] for place in wanted]
    found, expected = _differentiable(found), _differentiable(expected)
    assert len(found) == len(expected), "a result requires a gradient in one library only"
    if not expected:
        return [], []
    for order in range(2 if second else 1):
        last = order == (1 if second else 0)
        given = cotangents(expected, order)
        found = grad(found, ours, [Tensor.from_array(c) for c in given], create_graph=not last, allow_unused=True)
        expected = torch.autograd.grad(
            expected, theirs, [torch.from_numpy(np.asarray(c)) for c in given], create_graph=not last, allow_unused=True
        )
        if last:
            break
        # What does not depend on the inputs any more drops out, in both libraries alike or as zeros.
        pairs = [
            (a, b)
            for a, b in zip(found, expected, strict=True)
            if a is not None and b is not None and a.requires_grad and b.requires_grad
        ]
        if not pairs:
            return [], []
        found, expected = [a for a, _ in pairs], [b for _, b in pairs]
    zeros = [np.zeros(tuple(leaf.shape), leaf.detach().numpy().dtype) for leaf in theirs]
    return (
        [z if value is None else value.detach().numpy() for value, z in zip(found, zeros, strict=True)],
        [z if value is None else array_of(value) for value, z in zip(expected, zeros, strict=True)],
    )


@pytest.mark.parametrize("sample", [*SMOOTH, *KINKED], ids=lambda sample: sample.identity)
def test_gradients(sample: OpSample) -> None:
    """The gradients are PyTorch's, at kinks and ties too."""
    if sample.random:
        pytest.skip("random")
    for place, (ours, theirs) in enumerate(zip(*_gradients(sample, None, second=False), strict=True)):
        assert_close(ours, theirs, (10 * sample.tolerance[0], 10 * sample.tolerance[1]), f"gradient {place}")


@pytest.mark.parametrize("sample", SMOOTH, ids=lambda sample: sample.identity)
def test_second_gradients(sample: OpSample) -> None:
    """The gradients of the gradients, in float64, are PyTorch's."""
    if sample.random:
        pytest.skip("random")
    # The other kernels of PyTorch's attention have no second derivative.
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        try:
            pairs = _gradients(sample, "float64", second=True)
        except RuntimeError as error:
            if not re.fullmatch(r"derivative for aten::\w+_backward is not implemented", str(error)):
                raise
            pytest.skip("PyTorch has none")
    for place, (ours, theirs) in enumerate(zip(*pairs, strict=True)):
        assert_close(ours, theirs, (1e-4, 1e-8), f"second gradient {place}")
