"""Gradients: the eager tape, the symbolic reverse sweep, the modes that switch them, and functions with own rules."""

from graphc.autograd import function, graph
from graphc.autograd import modes as grad_mode
from graphc.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
from graphc.autograd.function import Function
from graphc.autograd.gradients import backward, grad
from graphc.autograd.modes import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from graphc.autograd.variable import Variable
from graphc.missing_names import lazy_names

__all__ = [
    "Function",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "function",
    "functional",
    "grad",
    "grad_mode",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "is_grad_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]

__getattr__ = lazy_names(
    __name__,
    {
        "anomaly_mode": "graphc.autograd.anomaly_mode",
        **{
            name: f"graphc.autograd.settings:{name}"
            for name in (
                "is_multithreading_enabled",
                "is_view_replay_enabled",
                "kineto_available",
                "set_multithreading_enabled",
            )
        },
        "has_torch_function": "graphc.overrides:has_torch_function",
        "functional": "graphc.autograd.functional",
        "gradcheck": "graphc.autograd.gradient_checks:gradcheck",
        "gradgradcheck": "graphc.autograd.gradient_checks:gradgradcheck",
        "profiler": "graphc.autograd.profiler",
    },
)
