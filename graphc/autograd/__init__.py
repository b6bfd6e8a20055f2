"""Gradients: the eager tape, the symbolic reverse sweep, and the modes that switch them."""

from graphc.autograd.gradients import backward, grad
from graphc.autograd.modes import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled

__all__ = ["backward", "enable_grad", "grad", "inference_mode", "is_grad_enabled", "no_grad", "set_grad_enabled"]
