"""Random training steps: state outside of the function, modules, gradients, an optimizer, random draws, ways through
the code that depend on values, arguments that share memory, and further functions that share the state.

A step is source text in PyTorch's language that runs on graphc and on PyTorch alike. It is called several times with
other values, perhaps other batch sizes, and perhaps with something changed in between. :mod:`tests.step_writing`
chooses what it consists of, and :mod:`tests.step_runs` runs it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests import programs

BATCHES = ((5, 5, 5), (5, 5, 3, 7), (4, 4, 1, 4), (3, 4, 0, 6))
OPTIMIZERS = (
    "SGD({p}, lr=0.05)",
    "SGD({p}, lr=0.05, momentum=0.9, nesterov=True)",
    "SGD({p}, lr=0.05, momentum=0.8, dampening=0.1, weight_decay=0.01, maximize=True)",
    "Adam({p}, lr=0.01, eps=1e-2)",
    "Adam({p}, lr=0.01, eps=1e-2, amsgrad=True, weight_decay=0.01)",
    "AdamW({p}, lr=0.01, eps=1e-2)",
    "NAdam({p}, lr=0.01, eps=1e-2)",
    "RAdam({p}, lr=0.01, eps=1e-2)",
    "Adamax({p}, lr=0.01, eps=1e-2)",
    "Adagrad({p}, lr=0.05, eps=1e-2)",
    "Adadelta({p}, lr=0.5, eps=1e-2)",
    "RMSprop({p}, lr=0.01, eps=1e-2, momentum=0.5, centered=True)",
    "ASGD({p}, lr=0.05)",
)
# Before the loss is swept, and after: what clears gradients, and what is done with them.
CLEARING = ("optimizer.zero_grad()", "optimizer.zero_grad(set_to_none=False)", "")
AFTERWARDS = (
    "",
    "",
    "nn.utils.clip_grad_norm_(parameters, 0.5)",
    "nn.utils.clip_grad_value_(parameters, 0.1)",
    "for p in parameters:\n    p.grad.mul_(0.5)",
)
AVERAGES = (
    "",
    "with gc.no_grad():\n    average.mul_(0.9).add_(parameters[0], alpha=0.1)",
    "average.lerp_(w.detach(), 0.1)",
    "average[1:, ::2] += w.detach()[:3, :2]",
    "average.t()[0].copy_(w.detach().sum(0))",
    "average.view(-1)[3:7].mul_(0.5)",
)
BETWEEN = (
    "",
    "",
    "optimizer.param_groups[0]['lr'] *= 0.5",
    "w.requires_grad_(not w.requires_grad)",
    "parameters[0].data = parameters[0].data * 0.5",
    "optimizer.zero_grad()",
    "net.train(not net.training)",
    "memory.kept = memory.kept + 1",
    "w.data.mul_(0.9)",
    "net.load_state_dict({name: value * 1 for name, value in net.state_dict().items()})",
    "for p in net.parameters():\n    p.requires_grad_(not p.requires_grad)",
    "with gc.no_grad():\n    average.zero_()",
)
LAYERS = (
    "nn.Linear(4, 4)", "nn.Linear(4, 4)", "nn.Linear(4, 4, bias=False)", "nn.LayerNorm(4)", "nn.BatchNorm1d(4)",
    "nn.Dropout(0.3)", "nn.ReLU()", "nn.Tanh()", "nn.Softmax(-1)", "nn.GroupNorm(2, 4)", "nn.PReLU()", "nn.GELU()",
    "nn.BatchNorm1d(4, affine=False, momentum=None)", "nn.Identity()",
    "nn.Sequential(nn.Linear(4, 6), nn.SiLU(), nn.Linear(6, 4))",
)  # fmt: skip
# What a module of its own does with its buffers, a vector and a count, and a tensor that is a plain attribute.
MEMORIES = (
    "self.kept.mul_(0.9).add_(x.detach().sum(), alpha=0.1)",
    "self.kept = self.kept * 0.9 + x.detach().mean()",
    "self.kept[1:] += x.detach().tanh().sum()",
    "self.count += 1\nself.kept[0].fill_(2)",
    "self.count.add_(1)\nself.kept /= self.count",
    "self.rows[1].copy_(x.detach().sum())\nself.kept[2:] = self.rows[1] + self.rows[0]",
    "if self.training:\n    self.kept.add_(1)",
    "old = self.kept.clone()\nself.kept.zero_()\nself.kept.add_(old, alpha=0.5)",
    "self.kept.data = self.kept.data * 0.5",
)
# The second argument, by the first: none of its own memory.
SHARED = ("x", "x.detach()", "x[0]", "x.t()", "x[:, 1:3]", "x.reshape(-1)[2:6]", "x[:, None]", "x[::2]", "x[:, :1]")
# Other functions that share the state, called between the steps.
LOOKS = (
    "",
    "with gc.no_grad():\n    return [net(x[..., :4]), w.sum()]",
    "return [(x @ w).detach(), average * 2]",
    "with gc.no_grad():\n    w.mul_(0.99)\n    return [w + 0]",
    "average.add_(1)\nreturn [average[0], average]",
    "with gc.no_grad():\n    memory.kept.sub_(0.1)\n    return [memory(x)]",
    "with gc.no_grad():\n    for t, p in zip(target, net.parameters()):\n        t.lerp_(p, 0.3)\nreturn list(target)",
    "with gc.no_grad():\n    for t, p in zip(target, net.parameters()):\n        t.copy_(p)\n    return [x.mean()]",
    "x.add_(1)\nreturn [x]",
    "loss = net(x).square().sum()\nloss.backward()\nreturn [loss.detach()]",
)


@dataclass(frozen=True)
class Step:
    """The shapes and dtypes of arguments and parameters, the body's statements, and how the step is called.

    In an argument's shape the batch is None. ``shared`` tells for each call how the second argument is a view of the
    first; empty: it is not. ``look`` is the body of a second function that is called after each step.
    """

    seed: int
    arguments: tuple[tuple[str, tuple[int | None, ...], str], ...]
    parameters: tuple[tuple[str, tuple[int, ...], str], ...]
    statements: tuple[str, ...]
    layers: tuple[str, ...] = ("nn.Identity()",)
    memory: str = "pass"
    optimizer: str = OPTIMIZERS[0]
    clearing: str = CLEARING[0]
    afterwards: str = ""
    average: str = ""
    between: str = ""
    look: str = ""
    batches: tuple[int, ...] = (5, 5, 5)
    shared: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """The program as Python: ``make`` takes the parameters and gives the functions, what happens between calls,
        what the state is, and the optimizer."""
        names = ", ".join(name for name, *_ in self.parameters)
        given = ", ".join(name for name, *_ in self.arguments)
        after = (
            f"if all(p.grad is not None for p in parameters):\n{_indented(self.afterwards)}" if self.afterwards else ""
        )
        step = [
            self.clearing,
            *self.statements,
            _LOSS,
            after,
            "if loss is not None:\n    optimizer.step()",
            self.average,
        ]
        step.append("return [value.detach() for value in values.values()], loss")
        return "\n".join(
            (
                "class Memory(nn.Module):",
                "    def __init__(self):",
                "        super().__init__()",
                "        self.register_buffer('kept', gc.ones(4))",
                "        self.register_buffer('count', gc.tensor(1))",
                "        self.rows = [gc.zeros(()), gc.ones(())]",
                "    def forward(self, x):",
                _indented(self.memory, 2),
                "        return x * self.kept[1]",
                f"def make({names}):",
                f"    net = nn.Sequential({', '.join(self.layers)})",
                "    memory = Memory()",
                "    target = [p.detach().clone() for p in net.parameters()]",
                f"    parameters = [{names}, *net.parameters()]",
                "    average = w.detach().clone()",
                f"    optimizer = optim.{self.optimizer.format(p='parameters')}",
                f"    def step({given}):",
                *(_indented(part, 2) for part in step if part),
                f"    def look({given}):",
                _indented(self.look or "return []", 2),
                "    def between():",
                _indented(self.between or "pass", 2),
                "    def state():",
                "        return [*parameters, average, *net.buffers(), *memory.buffers(), *memory.rows, *target]",
                "    return step, look, between, state, optimizer",
                "",
            )
        )

    def arrays(self, call: int) -> list[np.ndarray]:
        """The arguments of a call, but for those that are views of others."""
        generator = np.random.default_rng((self.seed, call))
        batch = self.batches[call]
        shapes = [tuple(batch if extent is None else extent for extent in shape) for _, shape, _ in self.arguments]
        return [
            programs._values(generator, shape, dtype) for shape, (*_, dtype) in zip(shapes, self.arguments, strict=True)
        ]

    def given(self, call: int, tensors: list[Any]) -> list[Any]:
        """The arguments of a call made of tensors of its arrays."""
        if len(tensors) > 1 and call < len(self.shared) and self.shared[call]:
            return [tensors[0], eval(self.shared[call], {"x": tensors[0]})]
        return tensors

    def made(
        self, library: Any, functional_library: Any, modules: Any, optimizers: Any, **more: Any
    ) -> Callable[..., Any]:
        """The function ``make`` of the source, on graphc or on PyTorch."""
        namespace = {"gc": library, "F": functional_library, "nn": modules, "optim": optimizers, **more}
        exec(compile(self.source, f"<step {self.seed}>", "exec"), namespace)
        return namespace["make"]

    def parameter_arrays(self) -> list[np.ndarray]:
        """The parameters' values."""
        generator = np.random.default_rng(self.seed)
        arrays = [programs._values(generator, shape, dtype) for _, shape, dtype in self.parameters]
        return [array * array.dtype.type(0.5) for array in arrays]


def _indented(text: str, depth: int = 1) -> str:
    return "\n".join("    " * depth + line for line in text.split("\n") if line)


# Every floating value that wants gradients has a part in the loss; its place sets its weight.
_LOSS = """\
values = {name: value for name, value in locals().items() if isinstance(value, gc.Tensor) and name[0] == 'v'}
loss = None
for place, value in enumerate(values.values()):
    if value.requires_grad and value.numel():
        part = value.abs() if value.dtype.is_complex else value
        weight = (gc.arange(part.numel()).reshape(part.shape).to(gc.float32) * 0.9 + place).sin()
        part = (part.to(gc.float32) * weight).mean()
        loss = part if loss is None else loss + part
if loss is not None:
    loss.backward()"""
