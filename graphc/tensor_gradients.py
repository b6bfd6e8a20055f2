"""A tensor as a node of what is differentiated: its gradient, its place on the tape, hooks, and the backward pass.

Source: https://docs.pytorch.org/docs/stable/autograd.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from graphc.autograd.hooks import Hook
from graphc.autograd.naming import describe_written
from graphc.autograd.tape import AccumulateGrad, TapeNode, dressed, gradient_edge
from graphc.device_memory import gpu_of, use
from graphc.hook_handles import RemovableHandle, entered
from graphc.layouts import copied_as, lay_out_as
from graphc.notices import warn
from graphc.ops.argument_kinds import kind_of
from graphc.ops.arithmetic import Add
from graphc.ops.type_names import scalar_name, type_name
from graphc.ops.view_origins import refuse_write
from graphc.ops.views import Detach
from graphc.recording import generation, state
from graphc.source_lines import explained

if TYPE_CHECKING:
    from graphc.tensor import Tensor

# Why a tensor that was made in inference mode can't be written to.
INFERENCE = "inference"
_NO_LEAF = (
    "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't be "
    "populated "
    "during autograd.backward(). If you indeed want the .grad field to be populated for a non-leaf Tensor, use "
    ".retain_grad() on the non-leaf Tensor. If you access the non-leaf Tensor by mistake, make sure you access the "
    "leaf "
    "Tensor instead."
)

# What lies above the tensors.
_given: dict[str, Callable[..., None]] = {}


def register_backward(backward: Callable[..., None]) -> None:
    """Say what runs the backward pass of tensors."""
    _given["backward"] = backward


def _hooks_changed() -> None:
    """Note that a hook on a gradient came or went: compiled steps run those that they found."""
    generation.advance()


class Differentiation:
    """The part of :class:`graphc.Tensor` that records and differentiates."""

    @property
    def requires_grad(self) -> bool:
        return self._requires_grad or (self._base is not None and self._base.requires_grad)

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for (or stop) gradients for this leaf. Raises RuntimeError for a dtype or tensor that can't have them."""
        if requires_grad and not self.dtype.is_differentiable:
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        if requires_grad and self._restriction == INFERENCE and state.gradients is not None:
            raise RuntimeError("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.")
        if not requires_grad and self._grad_fn is not None:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in "
                "a subgraph that doesn't require differentiation use var_no_grad = var.detach()."
            )
        if self._requires_grad != requires_grad:
            if state.recorder is not None:
                state.recorder.flag_written(self)
            self._requires_grad = requires_grad
            generation.advance()
        return self

    @property
    def grad_fn(self) -> TapeNode | None:
        return dressed(self._node())

    def _node(self) -> TapeNode | None:
        base = self._base
        if base is not None and base._history != self._base_version:
            self._follow_base(base)
        return self._grad_fn

    def _follow_base(self, base: Tensor) -> None:
        """After a write elsewhere in the base's memory, this view's history is that of the base now."""
        if self._view_origin is not None:
            refuse_write(self._view_origin, self._grad_fn, True)
        outer, state.gradients = state.gradients, True
        recorder, state.recorder = state.recorder, None
        try:
            view = base
            for primitive, attrs in self._chain[len(base._chain) :]:
                view = view.apply(primitive, (view,), attrs)
        finally:
            state.gradients, state.recorder = outer, recorder
        if view._grad_fn is not None:
            describe_written(view, "AsStridedBackward0(base)", base=base)
        self._grad_fn, self._base_version = view._grad_fn, base._history

    @property
    def is_leaf(self) -> bool:
        return self._node() is None

    @property
    def grad(self) -> Tensor | None:
        if self._grad is None and not self._retains_grad and self._node() is not None:
            warn(_NO_LEAF)
        return self._gradient_now()

    def _gradient_now(self) -> Tensor | None:
        if state.recorder is not None:
            state.recorder.gradient_read(self)
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            self._require_gradient(value)
        if state.recorder is not None:
            state.recorder.gradient_written(self)
        if (value is None) != (self._grad is None):
            generation.advance()
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self.grad = None

    def _clear_gradient(self, set_to_none: bool) -> None:
        """Drop the gradient, or make it zero and no part of a graph, where there is one."""
        if set_to_none:
            self.grad = None
            return
        gradient = self.grad
        if gradient is not None:
            if gradient._node() is not None:
                gradient.detach_()
            else:
                gradient.requires_grad_(False)  # it may be a view, which can't be detached in place
            gradient.zero_()

    def _require_gradient(self, value: Any) -> None:
        """Raise, with PyTorch's words, for what can't be this tensor's gradient."""
        if not isinstance(value, Differentiation):
            raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of type {kind_of(value)}")
        if value is self:
            raise RuntimeError("can't assign Variable as its own grad")
        if value.dtype != self.dtype:
            raise RuntimeError(
                f"attempting to assign a gradient with dtype '{scalar_name(value.dtype)}' to a tensor with grad_dtype "
                f"'{type_name(self.dtype)}'. The gradient must match the tensor's grad_dtype (defaults to the tensor's "
                "dtype)."
            )
        if value.shape != self.shape:
            raise RuntimeError(
                f"attempting to assign a gradient of size '{list(value.shape)}' to a tensor of size "
                f"'{list(self.shape)}'. Please ensure that the gradient and the tensor are the same size"
            )

    def retain_grad(self) -> None:
        """Keep the gradient of this tensor, which is not a leaf, in ``grad`` too."""
        if not self.requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if not self.is_leaf and not self._retains_grad:
            self._retains_grad = True
            self._retaining = self._node().hooked()
            self._retaining.retaining.append(self)

    def _retain_here(self) -> None:
        """After a write the gradient that is kept is that of the new value."""
        before = self._retaining
        if before is not None:
            before.keep_no_longer(self)
        self._retaining = self._grad_fn.hooked()
        self._retaining.retaining.append(self)

    @property
    def retains_grad(self) -> bool:
        return self._retains_grad

    def register_hook(self, hook: Hook) -> RemovableHandle:
        """Call ``hook`` with this tensor's gradient when it is computed; what it returns, unless None, replaces it.

        Returns a handle whose ``remove()`` takes the hook away again.
        """
        edge = gradient_edge(self)
        if edge is None:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        return entered(edge.hooked().tensor, hook, _hooks_changed)

    @property
    def _backward_hooks(self) -> dict[int, Hook] | None:
        """The hooks on this tensor's gradient; None where there are none."""
        edge = gradient_edge(self) if self.requires_grad else None
        return None if edge is None or edge.hooks is None else edge.hooks.tensor or None

    def _is_view(self) -> bool:
        """Whether this tensor is a view that gradients follow."""
        return self._base is not None

    def is_inference(self) -> bool:
        """Whether this tensor was made in inference mode."""
        return self._restriction == INFERENCE

    def register_post_accumulate_grad_hook(self, hook: Hook) -> RemovableHandle:
        """Call ``hook`` with this leaf after a backward pass added to its ``grad``."""
        edge = gradient_edge(self)
        if edge is None:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if not isinstance(edge, AccumulateGrad):
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        return entered(edge.hooked().accumulated, hook, _hooks_changed)

    def _accumulate(self, cotangent: Tensor) -> None:
        grad = self._grad
        if grad is not None and not state.gradients and grad._updated(Add.instance, cotangent):
            return  # what programs do at every step
        if self._gradient_now() is None:
            # A cotangent may be another leaf's too, or the caller's: a gradient has memory of its own, in which its
            # elements lie as the leaf's do.
            if state.gradients or (use.active and state.recorder is None and gpu_of(cotangent._array) is not None):
                self.grad = lay_out_as(cotangent.clone(), self._array)
            elif state.recorder is not None:
                self.grad = lay_out_as(cotangent.clone(), self._array).detach()
            else:
                self.grad = self._wrap(copied_as(cotangent._settled, self._array), cotangent.dtype)
            if use.active:
                self._grad._lie_at(gpu_of(self._array))
        elif state.gradients:
            self.grad = self._grad + cotangent
        else:
            self._grad._assign(self._grad + cotangent)

    @explained
    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Sequence[Tensor] | None = None,
    ) -> None:
        """Add the gradient of this tensor with respect to every leaf to the leaf's ``grad``.

        Args:
            gradient: the cotangent, of this tensor's shape; may be left out for one element.
            retain_graph: keep what a second sweep needs; by default as ``create_graph``.
            create_graph: make the gradients differentiable themselves.
            inputs: the leaves to accumulate into; all by default.

        Raises:
            RuntimeError: with PyTorch's words for a tensor with no graph, a missing or ill-shaped gradient, a graph
                that was freed, or a saved tensor that was overwritten.
        """
        _given["backward"]([self], [gradient], retain_graph, create_graph, inputs=inputs)

    def detach(self) -> Tensor:
        """The same memory, outside the graph."""
        return Detach.bind(self)

    def detach_(self) -> Tensor:
        """Leave the graph: this tensor becomes a leaf. Raises RuntimeError for a view."""
        if self._base is not None:
            raise RuntimeError("Can't detach views in-place. Use detach() instead.")
        return self._leave_graph()

    def _leave_graph(self) -> Tensor:
        self._grad_fn, self._requires_grad, self._base = None, False, None
        return self

    @property
    def data(self) -> Tensor:
        # The tape does not see what is written through `data`: it saw the values that it has saved.
        data = self.detach()
        data._unseen = True
        return data

    @data.setter
    def data(self, value: Tensor) -> None:
        if state.recorder is not None:
            state.recorder.data_written(self, value)
        self._array, self._memory, self._chain, self.dtype = value._array, value._storage, value._chain, value.dtype
        generation.advance()

    @property
    def _version(self) -> int:
        if self._restriction == INFERENCE:
            raise RuntimeError("Inference tensors do not track version counter.")
        return self._storage.version
