"""PyTorch's names of nodes: for functions that are one node there and a composite here, and for primitives.

The words are those that PyTorch 2.13 shows in ``grad_fn`` and ``next_functions``. A text names the node and the
function's parameters whose nodes come next, in PyTorch's order; nodes may stand within nodes. Where the node depends on
the arguments, a function of :mod:`graphc.autograd.node_choices` gives the text. What PyTorch itself composes of other
functions is not listed where it is composed here in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.autograd import node_choices as choices

# Primitives whose node is not called after them.
PRIMITIVE_NODES: dict[str, str | Callable[[Any], tuple[str, tuple[int, ...]]]] = {
    "cast": "ToCopyBackward0",
    "convolution": "ConvolutionBackward0",
    "copy": "CloneBackward0",
    "erfcx": "SpecialErfcxBackward0",
    "floor_divide": choices.floor_divide_primitive,
    "i0e": "SpecialI0EBackward0",
    "i1": "SpecialI1Backward0",
    "i1e": "SpecialI1EBackward0",
    "index_put": "IndexPutBackward0",
    "log_ndtr": "SpecialLogNdtrBackward0",
    "matmul": "MmBackward0",
    "max_pool": "MaxPool2DWithIndicesBackward0",
    "ndtri": "SpecialNdtriBackward0",
    "pad": "ConstantPadNdBackward0",
    "pow": "PowBackward1",
    "real_fourier_transform": "FftR2CBackward0",
    "real_inverse_fourier_transform": "FftC2RBackward0",
    "remainder": choices.remainder_primitive,
    "reshape": "ViewBackward0",
    "slice_update": "CopySlices",
    "sub": choices.sub_primitive,
    "sum": "SumBackward1",
    "where": choices.where_primitive,
    "windows": "UnfoldBackward0",
}


def _of_input(*names: str) -> dict[str, str]:
    """Functions whose node is called after them and leads to ``input`` alone."""
    return {name: f"{''.join(word.title() for word in name.split('_'))}Backward0(input)" for name in names}


def _of(operands: str, *names: str) -> dict[str, str]:
    """Functions whose node is called after them, with these operands."""
    return {name: f"{''.join(word.title() for word in name.split('_'))}Backward0({operands})" for name in names}


_POINTWISE: dict[str, str | Callable[..., str | None]] = {
    **_of_input("angle", "deg2rad", "digamma", "erfc", "erfinv", "exp2", "expit", "frac", "lgamma", "log10", "log2"),
    **_of_input("logit", "nan_to_num", "polygamma", "rad2deg", "sgn", "sinc"),
    **_of_input("acos", "acosh", "asin", "asinh", "atan", "atanh", "cosh", "sinh", "tan"),
    **_of("input, other", "copysign", "fmax", "fmin", "hypot", "ldexp", "logaddexp", "logaddexp2", "xlogy"),
    **_of("input, other", "atan2"),
    **_of("input, tensor1, tensor2", "addcdiv", "addcmul"),
    "add": choices.OnlyWith("alpha", "AddBackward0(input, other)"),
    "clamp": choices.clamp,
    "clamp_max": choices.clamp_max,
    "clamp_min": choices.clamp_min,
    "clip": choices.clamp,
    "complex": "ComplexBackward0(real, imag)",
    "polar": "PolarBackward0(abs, angle)",
    "div": choices.OnlyWith("rounding_mode", "DivBackward2(input, other)"),
    "fmod": choices.fmod,
    "lerp": choices.lerp,
    "frexp": "FrexpBackward0(input)",
    "multigammaln": "MvlgammaBackward0(input)",
    "mvlgamma": "MvlgammaBackward0(input)",
    "pow": choices.pow,
    "round": choices.OnlyWith("decimals", "RoundBackward1(input)"),
    "rsub": choices.rsub,
    "sub": choices.OnlyWith("alpha", "SubBackward0(input, other)"),
    "square": "PowBackward0(input)",
    "where": choices.where,
    "special.entr": "SpecialEntrBackward0(input)",
    "special.expit": "SigmoidBackward0(input)",
    "special.xlog1py": "SpecialXlog1PyBackward0(input, other)",
}

_ACTIVATIONS: dict[str, str | Callable[..., str | None]] = {
    **_of_input("celu", "elu", "gelu", "glu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh"),
    **_of_input("mish", "silu", "softplus", "softshrink", "threshold", "softmax", "log_softmax"),
    "dropout": choices.dropout,
    "feature_dropout": choices.dropout,
    "leaky_relu": choices.leaky_relu,
    "logsigmoid": "LogSigmoidBackward0(input)",
    "prelu": "PreluKernelBackward0(input, ViewBackward0(weight))",
    "relu6": "HardtanhBackward0(input)",
    "rrelu": "RreluWithNoiseBackward0(input)",
    "selu": "EluBackward0(input)",
    "softmin": "SoftmaxBackward0(NegBackward0(input))",
}

_LOSSES: dict[str, str | Callable[..., str | None]] = {
    **_of("input, target", "mse_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy"),
    **_of("input, target", "binary_cross_entropy_with_logits"),
    **_of_input("soft_margin_loss", "multi_margin_loss", "multilabel_margin_loss"),
    "cosine_embedding_loss": choices.cosine_embedding_loss,
    "cross_entropy": choices.cross_entropy,
    "ctc_loss": choices.ctc_loss,
    "gaussian_nll_loss": choices.gaussian_nll_loss,
    "hinge_embedding_loss": choices.hinge_embedding_loss,
    "kl_div": choices.kl_div,
    "l1_loss": choices.l1_loss,
    "margin_ranking_loss": choices.margin_ranking_loss,
    "multilabel_soft_margin_loss": choices.multilabel_soft_margin_loss,
    "nll_loss": choices.nll_loss,
    "poisson_nll_loss": choices.poisson_nll_loss,
    "triplet_margin_loss": choices.triplet_margin_loss,
}

_LINEAR: dict[str, str | Callable[..., str | None]] = {
    "addbmm": "AddbmmBackward0(input, batch1, batch2)",
    "addmm": "AddmmBackward0(input, mat1, mat2)",
    "addmv": "AddmvBackward0(input, mat, vec)",
    "addr": "AddrBackward0(input, vec1, vec2)",
    "baddbmm": "BaddbmmBackward0(input, batch1, batch2)",
    "bilinear": choices.bilinear,
    "bmm": "BmmBackward0(input, mat2)",
    "cdist": "CdistBackward0(x1, x2)",
    "cosine_similarity": "SumBackward1(MulBackward0("
    "DivBackward0(x1, CloneBackward0(LinalgVectorNormBackward0(x1))), "
    "DivBackward0(x2, CloneBackward0(LinalgVectorNormBackward0(x2)))))",
    "pairwise_distance": choices.pairwise_distance,
    "pdist": "PdistBackward0(input)",
    "cross": "LinalgCrossBackward0(input, other)",
    "dist": "DistBackward0(input, other)",
    "dot": "DotBackward0(input, tensor)",
    "inner": choices.inner,
    "linear": choices.linear,
    "matmul": choices.matmul,
    "mm": "MmBackward0(input, mat2)",
    "mv": "MvBackward0(input, vec)",
    "outer": "MulBackward0(ViewBackward0(input), vec2)",
    "kron": "UnsafeViewBackward0(MulBackward0(UnsafeViewBackward0(input), UnsafeViewBackward0(other)))",
    "tensordot": "ViewBackward0(MmBackward0(ViewBackward0(PermuteBackward0(a)), "
    "ReshapeAliasBackward0(PermuteBackward0(b))))",
    "trace": "TraceBackward0(input)",
    "vdot": "VdotBackward0(input, other)",
}

_LINALG: dict[str, str | Callable[..., str | None]] = {
    "cholesky": "CholeskyBackward0(input)",
    "cholesky_inverse": "CholeskyInverseBackward0(input)",
    "det": "LinalgDetBackward0(input)",
    "inverse": "LinalgInvExBackward0(input)",
    "lu_solve": "LinalgLuSolveBackward0(LU_data, input)",
    "lu_unpack": "LuUnpackBackward0(LU_data)",
    "matrix_exp": "LinalgMatrixExpBackward0(input)",
    "ormqr": "OrmqrBackward0(input, tau, other)",
    "pinverse": "LinalgPinvBackward0(input)",
    "slogdet": "LinalgSlogdetBackward0(input)",
    "svd": "LinalgSvdBackward0(input)",
    "triangular_solve": "TriangularSolveBackward0(b, A)",
    "linalg.cholesky": "LinalgCholeskyExBackward0(A)",
    "linalg.cholesky_ex": "LinalgCholeskyExBackward0(A)",
    "linalg.cross": "LinalgCrossBackward0(input, other)",
    "linalg.det": "LinalgDetBackward0(A)",
    "linalg.eig": "LinalgEigBackward0(A)",
    "linalg.eigh": "LinalgEighBackward0(A)",
    "linalg.eigvals": "LinalgEigBackward0(A)",
    "linalg.eigvalsh": "LinalgEighBackward0(A)",
    "linalg.householder_product": "LinalgHouseholderProductBackward0(A, tau)",
    "linalg.inv": "LinalgInvExBackward0(A)",
    "linalg.inv_ex": "LinalgInvExBackward0(A)",
    "linalg.lstsq": "LinalgLstsqBackward0(A, B)",
    "linalg.lu": "LinalgLuBackward0(A)",
    "linalg.lu_factor": "LinalgLuFactorExBackward0(A)",
    "linalg.lu_factor_ex": "LinalgLuFactorExBackward0(A)",
    "linalg.lu_solve": "LinalgLuSolveBackward0(LU, B)",
    "linalg.matrix_exp": "LinalgMatrixExpBackward0(A)",
    "linalg.matrix_norm": choices.matrix_norm,
    "linalg.norm": choices.linalg_norm,
    "linalg.pinv": "LinalgPinvBackward0(A)",
    "linalg.qr": "LinalgQrBackward0(A)",
    "linalg.slogdet": "LinalgSlogdetBackward0(A)",
    "linalg.solve": "LinalgSolveExBackward0(A, B)",
    "linalg.solve_ex": "LinalgSolveExBackward0(A, B)",
    "linalg.solve_triangular": "LinalgSolveTriangularBackward0(A, B)",
    "linalg.svd": "LinalgSvdBackward0(A)",
    "linalg.svdvals": "LinalgSvdBackward0(A)",
    "linalg.vector_norm": "LinalgVectorNormBackward0(x)",
}

_REDUCTIONS: dict[str, str | Callable[..., str | None]] = {
    **_of_input("amax", "amin", "aminmax", "cumprod", "cumsum", "cummax", "cummin", "kthvalue", "logcumsumexp"),
    **_of_input("logsumexp", "mode", "nansum", "std", "std_mean", "topk", "var", "var_mean", "renorm"),
    "nanmean": "DivBackward0(NansumBackward0(input), None)",
    "max": choices.max,
    "mean": choices.mean,
    "median": choices.median,
    "min": choices.min,
    "nanmedian": choices.nanmedian,
    "norm": choices.norm,
    "prod": choices.prod,
    "sort": choices.sort,
    "sum": choices.sum,
}

_SHAPES: dict[str, str | Callable[..., str | None]] = {
    **_of_input("diag_embed", "diagonal", "expand", "flip", "permute", "repeat", "roll", "rot90", "select", "t"),
    **_of_input("transpose", "tril", "triu", "unbind", "unfold", "unsqueeze", "view"),
    "as_strided_scatter": "AsStridedScatterBackward0(input, src)",
    "diag": choices.diag,
    "diagonal_scatter": "DiagonalScatterBackward0(input, src)",
    "imag": "SelectBackward0(ViewAsRealBackward0(input))",
    "real": choices.real,
    "block_diag": "BlockDiagBackward0(*tensors)",
    "broadcast_to": "ExpandBackward0(input)",
    "cat": "CatBackward0(*tensors)",
    "clone": "CloneBackward0(input)",
    "concat": "CatBackward0(*tensors)",
    "contiguous": "CloneBackward0(input)",
    "chunk": choices.chunk,
    "expand_as": "ExpandBackward0(input)",
    "flatten": choices.reshape,
    "fliplr": "FlipBackward0(input)",
    "flipud": "FlipBackward0(input)",
    "moveaxis": "PermuteBackward0(input)",
    "movedim": "PermuteBackward0(input)",
    "narrow": "SliceBackward0(input)",
    "narrow_copy": "NarrowCopyBackward0(input)",
    "ravel": choices.reshape,
    "repeat_interleave": choices.repeat_interleave,
    "reshape": choices.reshape,
    "reshape_as": choices.reshape,
    "select_scatter": "SelectScatterBackward0(input, src)",
    "slice_scatter": "SliceScatterBackward0(input, src)",
    "split": choices.split,
    "split_with_sizes": "SplitWithSizesBackward0(input)",
    "squeeze": choices.squeeze,
    "stack": "StackBackward0(*tensors)",
    "swapaxes": "TransposeBackward0(input)",
    "swapdims": "TransposeBackward0(input)",
    "tile": "RepeatBackward0(input)",
    "unflatten": "ViewBackward0(input)",
    "unsafe_chunk": "UnsafeSplitBackward0(input)",
    "unsafe_split": "UnsafeSplitBackward0(input)",
    "unsafe_split_with_sizes": "UnsafeSplitWithSizesBackward0(input)",
    "view_as": "ViewBackward0(input)",
    "pad": choices.pad,
}

_COPIES: dict[str, str | Callable[..., str | None]] = {
    f"{name}_copy": f"{''.join(word.title() for word in name.split('_'))}Backward0_copy(input)"
    for name in (
        *("alias", "as_strided", "diagonal", "expand", "permute", "select", "slice", "split", "split_with_sizes", "t"),
        *("transpose", "unbind", "unfold", "unsqueeze", "view", "view_as_complex", "view_as_real"),
    )
} | {"squeeze_copy": choices.squeeze_copy}

_INDEXING: dict[str, str | Callable[..., str | None]] = {
    **_of_input("gather", "index_select", "masked_select", "take"),
    "fill": "FillBackward0(input)",
    "embedding": "EmbeddingBackward0(weight)",
    "embedding_bag": "EmbeddingBagBackward0(weight, per_sample_weights)",
    "getitem": choices.getitem,
    "index_add": "IndexAddBackward0(input, source)",
    "index_copy": "IndexCopyBackward0(input, source)",
    "index_fill": choices.index_fill,
    "index_put": "IndexPutBackward0(input, values)",
    "index_reduce": "IndexReduceBackward0(input, source)",
    "masked_fill": choices.masked_fill,
    "masked_scatter": "MaskedScatterBackward0(input, source)",
    "put": "PutBackward0(input, source)",
    "scatter": choices.scatter,
    "scatter_add": "ScatterAddBackward0(input, src)",
    "scatter_reduce": "ScatterReduceBackward0(input, src)",
    "take_along_dim": choices.take_along_dim,
}

_IMAGES: dict[str, str | Callable[..., str | None]] = {
    **_of_input("avg_pool2d", "avg_pool3d", "adaptive_max_pool2d", "adaptive_max_pool3d", "pixel_shuffle"),
    **_of_input("pixel_unshuffle", "channel_shuffle", "fractional_max_pool2d", "fractional_max_pool3d"),
    "adaptive_avg_pool1d": "SqueezeBackward1(AdaptiveAvgPool2DBackward0(UnsqueezeBackward0(input)))",
    "adaptive_avg_pool2d": choices.adaptive_average_pool("AdaptiveAvgPool2DBackward0"),
    "adaptive_avg_pool3d": choices.adaptive_average_pool("AdaptiveAvgPool3DBackward0"),
    "adaptive_max_pool1d": "SqueezeBackward1(AdaptiveMaxPool2DBackward0(UnsqueezeBackward0(input)))",
    "affine_grid": "AffineGridGeneratorBackward0(theta)",
    "avg_pool1d": "SqueezeBackward1(AvgPool2DBackward0(UnsqueezeBackward0(input)))",
    "conv1d": choices.convolution(2),
    "conv2d": choices.convolution(3),
    "conv3d": choices.convolution(4),
    "conv_transpose1d": choices.convolution(2),
    "conv_transpose2d": choices.convolution(3),
    "conv_transpose3d": choices.convolution(4),
    "fold": choices.unbatched("Col2ImBackward0", 2),
    "grid_sample": choices.grid_sample,
    "grid_sampler_2d": choices.grid_sample,
    "grid_sampler_3d": choices.grid_sample,
    "interpolate": choices.interpolate,
    "max_pool1d": "SqueezeBackward1(MaxPool2DWithIndicesBackward0(UnsqueezeBackward0(input)))",
    "max_pool2d": "MaxPool2DWithIndicesBackward0(input)",
    "max_pool3d": "MaxPool3DWithIndicesBackward0(input)",
    "max_unpool2d": "MaxUnpool2DBackward0(input)",
    "max_unpool3d": "MaxUnpool3DBackward0(input)",
    "nn.functional.unfold": choices.unbatched("Im2ColBackward0", 3),
}

_NORMALIZATIONS: dict[str, str | Callable[..., str | None]] = {
    "batch_norm": "NativeBatchNormBackward0(input, weight, bias)",
    "group_norm": "NativeGroupNormBackward0(input, weight, bias)",
    "instance_norm": "ViewBackward0(NativeBatchNormBackward0(ViewBackward0(input), weight, bias))",
    "local_response_norm": choices.local_response_norm,
    "layer_norm": "NativeLayerNormBackward0(input, weight, bias)",
    "normalize": "DivBackward0(input, ExpandBackward0(ClampMinBackward0(LinalgVectorNormBackward0(input))))",
    "rms_norm": choices.rms_norm,
    "scaled_dot_product_attention": choices.attention,
}

_FOURIER: dict[str, str | Callable[..., str | None]] = {
    "fft.fft": choices.fourier("FftR2CBackward0(input)", "FftC2CBackward0(input)"),
    "fft.fft2": choices.fourier("FftC2CBackward0(ToCopyBackward0(input))", "FftC2CBackward0(input)"),
    "fft.fftn": choices.fourier("FftC2CBackward0(ToCopyBackward0(input))", "FftC2CBackward0(input)"),
    "fft.ifft": choices.fourier("ConjBackward0(FftR2CBackward0(input))", "FftC2CBackward0(input)"),
    "fft.ifft2": choices.fourier("FftC2CBackward0(ToCopyBackward0(input))", "FftC2CBackward0(input)"),
    "fft.ifftn": choices.fourier("FftC2CBackward0(ToCopyBackward0(input))", "FftC2CBackward0(input)"),
    "fft.rfft": "FftR2CBackward0(input)",
    "fft.irfft": "FftC2RBackward0(input)",
    "fft.fftshift": "RollBackward0(input)",
    "fft.ifftshift": "RollBackward0(input)",
}

FUNCTION_NODES: dict[str, str | Callable[..., str | None]] = {
    **_POINTWISE,
    **_ACTIVATIONS,
    **_LOSSES,
    **_LINEAR,
    **_LINALG,
    **_REDUCTIONS,
    **_SHAPES,
    **_COPIES,
    **_INDEXING,
    **_IMAGES,
    **_NORMALIZATIONS,
    **_FOURIER,
}
