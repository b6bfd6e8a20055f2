"""What PyTorch's nodes save beyond what the rules here read: who writes to it before the sweep is told so.

A rule of this package often needs less than PyTorch's: the gradient of ``gelu`` composed of primitives saves what lies
between them, that of ``mse_loss`` the difference. A program that overwrites an operand there would train here and fail
in PyTorch, so such nodes remember the versions of what PyTorch saves. The words are those of derivatives.yaml as
``grad_fn._saved_...`` shows them; ``tests/torch_tables/test_in_place.py`` holds the table against PyTorch.
"""

from __future__ import annotations

from typing import NamedTuple

# By the node's name: "0" is the first of its operands, "0/1" the first where the second needs a gradient, "result" what
# the node made.
NODE_SAVES: dict[str, tuple[str, ...]] = {
    "AdaptiveAvgPool2DBackward0": ("0",),
    "AdaptiveAvgPool3DBackward0": ("0",),
    "AdaptiveMaxPool2DBackward0": ("0",),
    "AdaptiveMaxPool3DBackward0": ("0",),
    "AddbmmBackward0": ("1/2", "2/1"),
    "AddcdivBackward0": ("1/2", "2"),
    "AddcmulBackward0": ("1/2", "2/1"),
    "AvgPool2DBackward0": ("0",),
    "AvgPool3DBackward0": ("0",),
    "BinaryCrossEntropyBackward0": ("0", "1"),
    "BinaryCrossEntropyWithLogitsBackward0": ("0", "1"),
    "CdistBackward0": ("0", "1", "result"),
    "ClampBackward0": ("0", "1", "2"),
    "ClampBackward1": ("0",),
    "ClampMaxBackward0": ("0",),
    "ClampMaxBackward1": ("0", "1"),
    "ClampMinBackward0": ("0",),
    "ClampMinBackward1": ("0", "1"),
    "ComplexBackward0": ("0", "1"),
    "CummaxBackward0": ("0",),
    "CumminBackward0": ("0",),
    "DistBackward0": ("0", "1", "result"),
    "DivBackward2": ("0/1", "1"),
    "EmbeddingBagBackward0": ("0",),
    "ErfinvBackward0": ("0",),
    "FractionalMaxPool2DBackward0": ("0",),
    "FractionalMaxPool3DBackward0": ("0",),
    "GatherBackward0": ("0",),
    "GeluBackward0": ("0",),
    "GridSampler2DBackward0": ("0", "1"),
    "GridSampler3DBackward0": ("0", "1"),
    "HardshrinkBackward0": ("0",),
    "HardsigmoidBackward0": ("0",),
    "HardtanhBackward0": ("0",),
    "HuberLossBackward0": ("0", "1"),
    "IndexAddBackward0": ("1",),
    "IndexCopyBackward0": ("1",),
    "IndexReduceBackward0": ("0", "1", "result"),
    "LdexpBackward0": ("1/0", "result"),
    "LeakyReluBackward0": ("0",),
    "LinalgCrossBackward0": ("0/1", "1/0"),
    "LinalgDetBackward0": ("result",),
    "LinalgEighBackward0": ("result",),
    "LinalgHouseholderProductBackward0": ("0", "1", "result"),
    "LinalgLstsqBackward0": ("0", "1", "result"),
    "LinalgLuBackward0": ("result",),
    "LinalgLuSolveBackward0": ("0", "result"),
    "LinalgSvdBackward0": ("result",),
    "LinalgVectorNormBackward0": ("0", "result"),
    "LogSigmoidBackward0": ("0",),
    "LogSoftmaxBackward0": ("result",),
    "LogsumexpBackward0": ("0", "result"),
    "MaskedSelectBackward0": ("0",),
    "MseLossBackward0": ("0", "1"),
    "MultiMarginLossBackward0": ("0",),
    "MultilabelMarginLossBackward0": ("0",),
    "NanToNumBackward0": ("0",),
    "NansumBackward0": ("0",),
    "NativeBatchNormBackward0": ("0", "1"),
    "NativeLayerNormBackward0": ("0", "1", "2"),
    "NllLoss2DBackward0": ("0",),
    "NllLossBackward0": ("0",),
    "NormBackward1": ("0", "result"),
    "OrmqrBackward0": ("0", "1", "2", "result"),
    "PdistBackward0": ("0", "result"),
    "PolarBackward0": ("result",),
    "PreluKernelBackward0": ("0", "1"),
    "ProdBackward0": ("0", "result"),
    "ProdBackward1": ("0", "result"),
    "PutBackward0": ("1",),
    "ReflectionPad1DBackward0": ("0",),
    "ReflectionPad2DBackward0": ("0",),
    "ReflectionPad3DBackward0": ("0",),
    "ReplicationPad1DBackward0": ("0",),
    "ReplicationPad2DBackward0": ("0",),
    "ReplicationPad3DBackward0": ("0",),
    "RreluWithNoiseBackward0": ("0",),
    "ScatterReduceBackward0": ("0", "1", "result"),
    "SgnBackward0": ("0", "result"),
    "SmoothL1LossBackward0": ("0", "1"),
    "SoftMarginLossBackward0": ("0",),
    "SoftmaxBackward0": ("result",),
    "SoftplusBackward0": ("0",),
    "SoftshrinkBackward0": ("0",),
    "SpecialLogNdtrBackward0": ("0", "result"),
    "StdBackward0": ("0", "result"),
    "StdMeanBackward0": ("0",),
    "TakeBackward0": ("0",),
    "ThresholdBackward0": ("0",),
    "TriangularSolveBackward0": ("0", "1", "result"),
    "VarBackward0": ("0",),
    "VarMeanBackward0": ("0",),
}

# Nodes whose results share the memory of their operand: who saves the one saves the other.
VIEWS = frozenset(
    {
        "ExpandBackward0",
        "PermuteBackward0",
        "ReshapeAliasBackward0",
        "TBackward0",
        "UnsqueezeBackward0",
        "ViewBackward0",
    }
)


class SecondNode(NamedTuple):
    """The node of PyTorch behind the gradients that another one gives in a sweep that is recorded.

    Attributes:
        name: that of the node.
        zeros: whether it leads, with zeros, to what the other saves; else to nothing, and its gradients only require
            one.
    """

    name: str
    zeros: bool = True


# By the node's name, where the gradient depends on what it saves and its derivative is zero there.
SECOND_NODES: dict[str, SecondNode] = {
    "ReluBackward0": SecondNode("ThresholdBackwardBackward0"),
    **{
        f"{name}Backward0": SecondNode(f"{name}BackwardBackward0")
        for name in (
            *("AdaptiveAvgPool2D", "AdaptiveAvgPool3D", "AdaptiveMaxPool2D", "AdaptiveMaxPool3D"),
            *("AvgPool2D", "AvgPool3D", "FractionalMaxPool2D", "FractionalMaxPool3D"),
            *("MaxPool2DWithIndices", "MaxPool3DWithIndices"),
            *("Hardshrink", "Hardsigmoid", "Hardtanh", "LeakyRelu", "PreluKernel", "RreluWithNoise", "Softshrink"),
            *("Threshold", "NllLoss", "NllLoss2D"),
            *("ReflectionPad1D", "ReflectionPad2D", "ReflectionPad3D"),
            *("ReplicationPad1D", "ReplicationPad2D", "ReplicationPad3D"),
        )
    },
    # Those of several gradients, of which the last depends on nothing.
    **{
        f"{name}Backward0": SecondNode(f"{name}BackwardBackward0", zeros=False)
        for name in ("Convolution", "NativeBatchNorm", "NativeLayerNorm")
    },
}
