"""Where graphc is known to differ from PyTorch's table of operators, and why that is left so."""

from __future__ import annotations

_GENERATED = "compiles a kernel from CUDA text that it is given; graphc holds no tensors on a GPU"
_INTERNAL = "an operator of PyTorch's own, of which its documentation does not speak"
_MASKED = "torch.masked is a prototype, and so are masked tensors"
_SPARSE = "graphc has no sparse layouts"
_COMPLEX_HALF = "numpy has no complex numbers of halves: complex64 is what halves become"

# Operators that graphc does not offer, by their names as regular expressions.
NOT_OFFERED: dict[str, str] = {
    r"hash_tensor": _INTERNAL,
    r"jiterator_.*": _GENERATED,
    r"_batch_norm_with_update": _INTERNAL,
    r"_chunk_cat": _INTERNAL,
    r"_native_batch_norm_legit": _INTERNAL,
    r"_segment_reduce": _INTERNAL,
    r"_softmax_backward_data": _INTERNAL,
    r"_unsafe_masked_index": _INTERNAL,
    r"_unsafe_masked_index_put_accumulate": _INTERNAL,
    r"_upsample_bilinear2d_aa": _INTERNAL,
    r"torch\.ops\.aten\._safe_softmax\.default": _INTERNAL,
    r"native_dropout_backward": _INTERNAL,
    r"max_pool2d_with_indices_backward": _INTERNAL,
    r"slice": _INTERNAL,
    r"masked\..*": _MASKED,
    r"sparse\..*": _SPARSE,
    r"to_sparse": _SPARSE,
    r"chalf": _COMPLEX_HALF,
}

_NO_GRADIENT_AT_ZERO = "at zero PyTorch's second gradient is NaN, graphc's the first one's: zero"
_ROUNDED_OFTEN = "PyTorch rounds every step to bfloat16, so that a small difference of numbers is another; graphc once"
_BESSEL = "PyTorch's values between 5 and 8 are off by up to 5e-7"

# Operators and dtypes (regular expressions for "name" or "name/variant", a space, and the dtype) with other results.
DIFFERENCES: dict[str, str] = {
    r"as_strided_scatter float64": "PyTorch's gradient of the input is not that of what it computes",
    r"as_strided/partial_views .*": "the table gives a part of a larger memory, the harness a copy of that part",
    r"grid_sampler_[23]d bfloat16": "PyTorch finds the places in bfloat16, whose steps are coarse; graphc in float32",
    r"linalg\.norm/subgradients_at_zero float64": _NO_GRADIENT_AT_ZERO,
    r"matrix_exp bfloat16": "PyTorch's result is noise: its exponential of a bfloat16 unit matrix is -1.3e30",
    r"nn\.functional\.hinge_embedding_loss bfloat16": _ROUNDED_OFTEN,
    r"special\.bessel_(j0|y1) float64": _BESSEL,
}

# The same where PyTorch's own result depends on the processor, so that it may agree by chance.
ARBITRARY: dict[str, str] = {
    r"(arg)?sort (bool|bfloat16)": "the order of equal elements is left open by a sort that is not stable",
}
