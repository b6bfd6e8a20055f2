"""Which node PyTorch has for a call of a function that gives different nodes for different arguments.

Each function here has the name of the public one. It is given the result (None where the function may write in place)
and the call's arguments, and gives the text of the node (see :mod:`graphc.autograd.node_names`), or None where the
function is composed of others here as it is in PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphc.sizes import plain

Choice = Callable[..., str | None]


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "apply")


class OnlyWith:
    """The node where a keyword is given; without it the function is one primitive, which needs no other name."""

    __slots__ = ("keyword", "text")

    def __init__(self, keyword: str, text: str):
        self.keyword = keyword
        self.text = text

    def __call__(self, result: Any, *arguments: Any, **keywords: Any) -> str:
        return self.text


def _by_tensor(name: str, number: str, tensor: str) -> Choice:
    """One node for a number at the second place (or by that keyword), another for a tensor."""

    def choose(result: Any, input: Any, *given: Any, **keywords: Any) -> str:
        return tensor if _is_tensor(given[0] if given else keywords.get(name)) else number

    return choose


# -- pointwise -----------------------------------------------------------------------------------------------------


def clamp(result: Any, input: Any, min: Any = None, max: Any = None) -> str:
    return "ClampBackward0(input, min, max)" if _is_tensor(min) or _is_tensor(max) else "ClampBackward1(input)"


clamp_min = _by_tensor("min", "ClampMinBackward0(input)", "ClampMinBackward1(input, min)")
clamp_max = _by_tensor("max", "ClampMaxBackward0(input)", "ClampMaxBackward1(input, max)")
fmod = _by_tensor("other", "FmodBackward0(input)", "FmodBackward1(input, other)")
rsub = _by_tensor("other", "RsubBackward1(input)", "RsubBackward0(input, other)")


def lerp(result: Any, input: Any, end: Any, weight: Any) -> str:
    return "LerpBackward1(input, end, weight)" if _is_tensor(weight) else "LerpBackward0(input, end)"


def pow(result: Any, input: Any, exponent: Any) -> str:
    if not _is_tensor(input):
        return "PowBackward2(exponent)"
    return "PowBackward1(input, exponent)" if _is_tensor(exponent) else "PowBackward0(input)"


def where(result: Any, condition: Any, *branches: Any, **keywords: Any) -> str | None:
    return "WhereBackward0(input, other)" if branches or keywords else None


def leaky_relu(result: Any, input: Any, negative_slope: float = 0.01, inplace: bool = False) -> str:
    return "LeakyReluBackward1(input)" if inplace else "LeakyReluBackward0(input)"


def dropout(result: Any, input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> str | None:
    return "MulBackward0(input, None)" if training and p > 0 else None


# -- losses --------------------------------------------------------------------------------------------------------


def _nll(rank: int, reduction: str, inner: str) -> str:
    if rank <= 2:
        return f"NllLossBackward0({inner})"
    if rank == 4:
        return f"NllLoss2DBackward0({inner})"
    flat = f"NllLoss2DBackward0(ViewBackward0({inner}))"
    return f"ViewBackward0({flat})" if reduction == "none" else flat


def nll_loss(
    result: Any, input: Any, target: Any, weight: Any = None, *others: Any, reduction: str = "mean", **_: Any
) -> str:
    return _nll(input.ndim, reduction, "input")


def cross_entropy(
    result: Any,
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> str:
    logarithm = "LogSoftmaxBackward0(input)"
    if tuple(target.shape) == tuple(input.shape) and target.dtype.is_floating_point:
        given = "target" if not label_smoothing else "AddBackward1(MulBackward1(target))"
        product = f"MulBackward0({logarithm}, {given})"
        if weight is not None:
            product = f"MulBackward0({product}, weight)"
        if reduction == "none":
            return f"NegBackward0(SumBackward1({product}))"
        summed = f"NegBackward0(SumBackward0({product}))"
        return f"DivBackward1({summed})" if reduction == "mean" else summed
    loss = _nll(input.ndim, reduction, logarithm)
    if not label_smoothing:
        return loss
    scaled = logarithm if weight is None else f"MulBackward0({logarithm}, weight)"
    even = f"MaskedFillBackward0(NegBackward0(SumBackward1({scaled})))"
    if reduction != "none":
        even = f"SumBackward0({even})"
    if reduction == "mean":
        even = f"DivBackward0({even}, None)"
    return f"AddBackward0(MulBackward1({loss}), MulBackward1({even}))"


def reduced(terms: str) -> Choice:
    """A loss whose terms are averaged, added up, or neither, as the argument ``reduction`` says."""
    texts = {"mean": f"MeanBackward0({terms})", "sum": f"SumBackward0({terms})"}

    def choose(result: Any, *arguments: Any, reduction: str = "mean", **keywords: Any) -> str:
        return texts.get(reduction, terms)

    return choose


def _distance(one: str, other: str) -> str:
    return f"NormBackward1(AddBackward1(SubBackward0({one}, {other})))"


def _squares(name: str) -> str:
    return f"AddBackward1(SumBackward1(MulBackward0({name}, {name})))"


l1_loss = reduced("AbsBackward0(SubBackward0(input, target))")
poisson_nll_loss = reduced("SubBackward0(ExpBackward0(input), MulBackward0(target, input))")
gaussian_nll_loss = reduced(
    "MulBackward0(AddBackward0(LogBackward0(CloneBackward0(var)), "
    "DivBackward0(PowBackward0(SubBackward0(input, target)), CloneBackward0(var))), None)"
)
hinge_embedding_loss = reduced(
    "AddBackward0(WhereBackward0(ClampMinBackward0(SubBackward0(None, input)), None), WhereBackward0(input, None))"
)
margin_ranking_loss = reduced("ClampMinBackward0(AddBackward1(MulBackward0(target, SubBackward0(input1, input2))))")
_COSINE = (
    "DivBackward0(SumBackward1(MulBackward0(input1, input2)), "
    f"SqrtBackward0(MulBackward0({_squares('input1')}, {_squares('input2')})))"
)
cosine_embedding_loss = reduced(
    f"AddBackward0(WhereBackward0(SubBackward0(None, {_COSINE}), None), "
    f"WhereBackward0(ClampMinBackward0(SubBackward1({_COSINE})), None))"
)
triplet_margin_loss = reduced(
    f"ClampMinBackward0(SubBackward0(AddBackward1({_distance('anchor', 'positive')}), "
    f"{_distance('anchor', 'negative')}))"
)
multilabel_soft_margin_loss = reduced(
    "DivBackward0(SumBackward1(NegBackward0(AddBackward0(MulBackward0(target, LogSigmoidBackward0(input)), "
    "MulBackward0(None, LogSigmoidBackward0(NegBackward0(input)))))), None)"
)
pairwise_distance = _distance("x1", "x2")


def local_response_norm(result: Any, input: Any, *arguments: Any, **keywords: Any) -> str:
    squares = "MulBackward0(input, input)"
    if input.ndim == 3:
        mean = f"SqueezeBackward1(AvgPool2DBackward0(ConstantPadNdBackward0(UnsqueezeBackward0({squares}))))"
    else:
        padded = f"ConstantPadNdBackward0(ViewBackward0({squares}))"
        mean = f"ViewBackward0(SqueezeBackward1(AvgPool3DBackward0({padded})))"
    return f"DivBackward0(input, PowBackward0(AddBackward0(MulBackward0({mean}, None), None)))"


def kl_div(
    result: Any, input: Any, target: Any, *others: Any, reduction: str = "mean", log_target: bool = False, **_: Any
) -> str:
    if log_target:
        loss = "MulBackward0(ExpBackward0(target), SubBackward0(target, input))"
    else:
        loss = "SubBackward0(XlogyBackward0(target, target), MulBackward0(target, input))"
    if reduction == "batchmean":
        return f"DivBackward0(SumBackward0({loss}), None)"
    return {"mean": f"MeanBackward0({loss})", "sum": f"SumBackward0({loss})"}.get(reduction, loss)


def ctc_loss(result: Any, log_probs: Any, *others: Any, reduction: str = "mean", **_: Any) -> str:
    if reduction == "none":
        return "CtcLossBackward0(log_probs)"
    if reduction == "sum":
        return "SumBackward0(CtcLossBackward0(log_probs))"
    return "MeanBackward0(DivBackward0(CtcLossBackward0(log_probs), None))"


# -- products ------------------------------------------------------------------------------------------------------


def linear(result: Any, input: Any, weight: Any, bias: Any = None) -> str:
    if weight.ndim == 1:
        product = "MvBackward0(input, TBackward0(weight))"
        return product if bias is None else f"AddBackward0({product}, bias)"
    transposed = "TBackward0(weight)"
    if bias is not None:
        if input.ndim == 2:
            return f"AddmmBackward0(bias, input, {transposed})"
        return f"ViewBackward0(AddmmBackward0(bias, ViewBackward0(input), {transposed}))"
    if input.ndim == 2:
        return f"MmBackward0(input, {transposed})"
    if input.ndim == 1:
        return f"SqueezeBackward4(MmBackward0(UnsqueezeBackward0(input), {transposed}))"
    return f"UnsafeViewBackward0(MmBackward0(ViewBackward0(input), {transposed}))"


def inner(result: Any, input: Any, other: Any) -> str | None:
    if not input.ndim or not other.ndim:
        return None
    if input.ndim == other.ndim == 1:
        return "ViewBackward0(DotBackward0(PermuteBackward0(input), PermuteBackward0(other)))"
    left, right = "ViewBackward0(PermuteBackward0(input))", "ReshapeAliasBackward0(PermuteBackward0(other))"
    return f"ViewBackward0(MmBackward0({left}, {right}))"


def bilinear(result: Any, input1: Any, input2: Any, weight: Any, bias: Any = None) -> str:
    product = "ViewBackward0(TrilinearBackward0(ViewBackward0(input1), weight, ViewBackward0(input2)))"
    return product if bias is None else f"AddBackward0({product}, bias)"


def matmul(result: Any, input: Any, other: Any) -> str:
    left, right = input.ndim, other.ndim
    if right == 1:
        if left == 1:
            return "DotBackward0(input, other)"
        if left == 2:
            return "MvBackward0(input, other)"
        return "UnsafeViewBackward0(MvBackward0(ViewBackward0(input), other))"
    if right == 2:
        if left == 1:
            return "SqueezeBackward4(MmBackward0(UnsqueezeBackward0(input), other))"
        if left == 2:
            return "MmBackward0(input, other)"
        return "UnsafeViewBackward0(MmBackward0(ViewBackward0(input), other))"
    if left <= 2:
        turned = "UnsafeViewBackward0(CloneBackward0(TransposeBackward0(other)))"
        if left == 1:
            return f"UnsafeViewBackward0(MvBackward0({turned}, input))"
        product = f"UnsafeViewBackward0(MmBackward0({turned}, TBackward0(input)))"
        return f"CloneBackward0(TransposeBackward0({product}))"
    first, second = (
        _flat_batch(name, value, result.shape[:-2]) for name, value in (("input", input), ("other", other))
    )
    return f"UnsafeViewBackward0(BmmBackward0({first}, {second}))"


def _flat_batch(name: str, value: Any, batch: Sequence[int]) -> str:
    if tuple(value.shape[:-2]) != tuple(batch):
        return f"UnsafeViewBackward0(CloneBackward0(ExpandBackward0({name})))"
    kind = "ViewBackward0" if value.is_contiguous() else "ReshapeAliasBackward0"
    return f"{kind}(ExpandBackward0({name}))"


def attention(
    result: Any,
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> str:
    plain = attn_mask is None and not dropout_p and query.ndim == 4
    if plain and not (is_causal and query.shape[-2] != key.shape[-2]):
        return "ScaledDotProductFlashAttentionForCpuBackward0(query, key, value)"
    scores = _attention_product("MulBackward1(query)", "MulBackward1(TransposeBackward0(key))", query.ndim, True)
    if attn_mask is not None:
        scores = f"AddBackward0({scores}, {'attn_mask' if attn_mask.dtype.is_floating_point else None})"
    elif is_causal:
        scores = f"AddBackward0({scores}, None)"
    weights = f"SafeSoftmaxBackward0({scores})"
    if dropout_p:
        weights = f"MulBackward0({weights}, None)"
    return _attention_product(weights, "value", query.ndim, False)


def _attention_product(left: str, right: str, rank: int, transposed: bool) -> str:
    if rank == 2:
        return f"MmBackward0({left}, {right})"
    kind = "ReshapeAliasBackward0" if transposed else "ViewBackward0"
    first, second = f"ViewBackward0(ExpandBackward0({left}))", f"{kind}(ExpandBackward0({right}))"
    return f"UnsafeViewBackward0(BmmBackward0({first}, {second}))"


# -- reductions ----------------------------------------------------------------------------------------------------


def _over_dims(name: str) -> Choice:
    def choose(result: Any, input: Any, *dims: Any, **keywords: Any) -> str:
        return f"{name}Backward1(input)" if dims or "dim" in keywords else f"{name}Backward0(input)"

    return choose


sum = _over_dims("Sum")
mean = _over_dims("Mean")
prod = _over_dims("Prod")
median = _over_dims("Median")
nanmedian = _over_dims("Nanmedian")


def _extreme(name: str) -> Choice:
    def choose(result: Any, input: Any, *given: Any, **keywords: Any) -> str | None:
        if not given and not keywords:
            return f"{name}Backward1(input)"
        if "other" in keywords or (given and _is_tensor(given[0])):
            return None
        return f"{name}Backward0(input)"

    return choose


max = _extreme("Max")
min = _extreme("Min")


def sort(
    result: Any, input: Any, dim: int = -1, descending: bool = False, *, stable: bool | None = None, **_: Any
) -> str:
    return "SortBackward0(input)" if stable is None else "SortBackward1(input)"


def norm(result: Any, input: Any, p: Any = "fro", *others: Any, **_: Any) -> str | None:
    return None if p == "nuc" else "LinalgVectorNormBackward0(input)"


def matrix_norm(result: Any, A: Any, ord: Any = "fro", *others: Any, **_: Any) -> str | None:
    return "LinalgVectorNormBackward0(A)" if ord == "fro" else None


def linalg_norm(result: Any, A: Any, ord: Any = None, dim: Any = None, *others: Any, **_: Any) -> str | None:
    of_matrix = A.ndim == 2 if dim is None else isinstance(dim, list | tuple) and len(dim) == 2
    return None if ord == "nuc" or (ord in (2, -2) and of_matrix) else "LinalgVectorNormBackward0(A)"


# -- shapes --------------------------------------------------------------------------------------------------------


def reshape(result: Any, input: Any, *sizes: Any, **keywords: Any) -> str:
    if not result._chain:
        return "UnsafeViewBackward0(CloneBackward0(input))"
    return "ViewBackward0(input)" if input.is_contiguous() else "ReshapeAliasBackward0(input)"


def repeat_interleave(result: Any, input: Any, repeats: Any = None, dim: int | None = None, **_: Any) -> str | None:
    if _is_tensor(repeats):
        return "IndexSelectBackward0(input)" if dim is not None else "IndexSelectBackward0(ViewBackward0(input))"
    start = "input" if dim is not None else "ViewBackward0(input)"
    return f"ViewBackward0(CloneBackward0(ExpandBackward0(UnsqueezeBackward0({start}))))"


def squeeze(result: Any, input: Any, dim: Any = None) -> str:
    if dim is None:
        return "SqueezeBackward0(input)"
    return "SqueezeBackward2(input)" if isinstance(dim, list | tuple) else "SqueezeBackward1(input)"


def squeeze_copy(result: Any, input: Any, dim: Any = None) -> str:
    return squeeze(result, input, dim).replace("(", "_copy(")


def split(result: Any, tensor: Any, split_size_or_sections: Any, dim: int = 0) -> str:
    several = isinstance(split_size_or_sections, list | tuple)
    return "SplitWithSizesBackward0(tensor)" if several else "SplitBackward0(tensor)"


def chunk(result: Any, input: Any, chunks: int, dim: int = 0) -> str:
    return "SplitBackward0(input)" if input.shape[dim] else "SplitWithSizesBackward0(input)"


_PADS = {"reflect": "ReflectionPad", "replicate": "ReplicationPad"}


def pad(result: Any, input: Any, pad: Sequence[int], mode: str = "constant", value: Any = None) -> str | None:
    if mode == "constant":
        return "ConstantPadNdBackward0(input)"
    return f"{_PADS[mode]}{len(pad) // 2}DBackward0(input)" if mode in _PADS else None


# -- indexing ------------------------------------------------------------------------------------------------------


def getitem(result: Any, input: Any, index: Any) -> str:
    """The node of each step that PyTorch takes: dims are selected, cut, and made one after another, then looked up."""
    if type(index) is int:
        return "SelectBackward0(input)"
    parts = index if isinstance(index, tuple) else (index,)
    node = "input"
    looked_up = False
    consumed = [part for part in parts if part is not None and part is not Ellipsis and not isinstance(part, bool)]
    dim, rank = 0, input.ndim
    for part in parts:
        if part is Ellipsis:
            dim += rank - len(consumed)
        elif part is None:
            node = f"UnsqueezeBackward0({node})"
        elif isinstance(part, bool):
            node, looked_up = f"UnsqueezeBackward0({node})", True
        elif isinstance(part, slice):
            extent = plain(input.shape[dim])
            start, stop, step = slice(*map(plain, (part.start, part.stop, part.step))).indices(extent)
            whole = (start, stop, step) == (0, extent, 1)
            if not whole or len(parts) == 1:
                node = f"SliceBackward0({node})"
            dim += 1
        elif _is_number(part):
            node = f"SelectBackward0({node})"
            dim += 1
        else:
            looked_up = True
            dim += part.ndim if _is_tensor(part) and part.dtype.name in ("bool", "uint8") else 1
    if looked_up:
        return f"IndexBackward0({node})"
    return "AliasBackward0(input)" if node == "input" else node


def _is_number(part: Any) -> bool:
    if _is_tensor(part):
        return part.ndim == 0 and part.dtype.category == "int"
    return hasattr(part, "__index__")


def diag(result: Any, input: Any, diagonal: int = 0) -> str:
    return "DiagEmbedBackward0(input)" if input.ndim == 1 else "DiagonalBackward0_copy(input)"


def real(result: Any, input: Any) -> str | None:
    return "SelectBackward0(ViewAsRealBackward0(input))" if input.dtype.is_complex else None


def fourier(of_real: str, of_complex: str) -> Choice:
    """A transform of real and of complex numbers."""

    def choose(result: Any, input: Any, *arguments: Any, **keywords: Any) -> str:
        return of_complex if input.dtype.is_complex else of_real

    return choose


def index_fill(result: Any, input: Any, dim: int, index: Any, value: Any) -> str:
    return "IndexFillBackward1(input, value)" if _is_tensor(value) else "IndexFillBackward0(input)"


def masked_fill(result: Any, input: Any, mask: Any, value: Any) -> str:
    return "MaskedFillBackward1(input, value)" if _is_tensor(value) else "MaskedFillBackward0(input)"


def scatter(result: Any, input: Any, dim: Any, index: Any, *given: Any, **keywords: Any) -> str:
    if given:
        return "ScatterBackward0(input, src)" if _is_tensor(given[0]) else "ScatterBackward1(input)"
    return "ScatterBackward0(input, src)" if "src" in keywords else "ScatterBackward1(input)"


def take_along_dim(result: Any, input: Any, indices: Any, dim: Any = None) -> str:
    return f"GatherBackward0({'ViewBackward0' if dim is None else 'ExpandBackward0'}(input))"


# -- primitives ----------------------------------------------------------------------------------------------------
# The name of a tape node of the primitive, and the positions of the operands that PyTorch's node leads to.


def _is_number_of(node: Any, position: int) -> bool:
    # A number beside a tensor is an operand without dimensions that wants no gradient.
    return node.edges[position] is None and node.types[position].shape == ()


def sub_primitive(node: Any) -> tuple[str, tuple[int, ...]]:
    return ("RsubBackward1", (1,)) if _is_number_of(node, 0) else ("SubBackward0", (0, 1))


def remainder_primitive(node: Any) -> tuple[str, tuple[int, ...]]:
    if _is_number_of(node, 0):
        return "NotImplemented", (1,)
    return ("RemainderBackward0", (0,)) if _is_number_of(node, 1) else ("RemainderBackward1", (0, 1))


def floor_divide_primitive(node: Any) -> tuple[str, tuple[int, ...]]:
    return "NotImplemented", (0,) if _is_number_of(node, 1) else (0, 1)


def where_primitive(node: Any) -> tuple[str, tuple[int, ...]]:
    return "WhereBackward0", (1, 2)


# -- images --------------------------------------------------------------------------------------------------------


def unbatched(name: str, batched_rank: int) -> Choice:
    """A function that gives one sample a batch of its own where it has none."""

    def choose(result: Any, input: Any, *arguments: Any, **keywords: Any) -> str:
        if input.ndim > batched_rank:
            return f"{name}(input)"
        return f"SqueezeBackward1({name}(UnsqueezeBackward0(input)))"

    return choose


def convolution(batched_rank: int) -> Choice:
    """Of an input of fewer than ``batched_rank + 1`` dims, which is one sample, or of a batch."""

    def choose(result: Any, input: Any, weight: Any, *arguments: Any, padding: Any = 0, **keywords: Any) -> str:
        same = padding == "same" or "same" in [each for each in arguments if isinstance(each, str)]
        sample = input.ndim <= batched_rank
        node = "UnsqueezeBackward0(input)" if sample else "input"
        if same and any(extent % 2 == 0 for extent in weight.shape[2:]):
            node = f"ConstantPadNdBackward0({node})"
        node = f"ConvolutionBackward0({node}, weight, bias)"
        return f"SqueezeBackward1({node})" if sample else node

    return choose


def adaptive_average_pool(name: str) -> Choice:
    """To one element it is a mean."""

    def choose(result: Any, input: Any, output_size: Any) -> str:
        sizes = output_size if isinstance(output_size, list | tuple) else (output_size,)
        return "MeanBackward1(input)" if all(size == 1 for size in sizes) else f"{name}(input)"

    return choose


def grid_sample(result: Any, input: Any, *arguments: Any, **keywords: Any) -> str:
    return f"GridSampler{input.ndim - 2}DBackward0(input, grid)"


_UPSAMPLING = {
    "nearest": "UpsampleNearest",
    "nearest-exact": "UpsampleNearestExact",
    "linear": "UpsampleLinear",
    "bilinear": "UpsampleBilinear",
    "bicubic": "UpsampleBicubic",
    "trilinear": "UpsampleTrilinear",
}


def interpolate(
    result: Any, input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", *others: Any, **_: Any
) -> str | None:
    return f"{_UPSAMPLING[mode]}{input.ndim - 2}DBackward0(input)" if mode in _UPSAMPLING else None


def rms_norm(result: Any, input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> str:
    scale = "RsqrtBackward0(AddBackward1(MeanBackward1(PowBackward0(input))))"
    normed = f"MulBackward0(input, {scale})"
    return normed if weight is None else f"MulBackward0({normed}, weight)"
