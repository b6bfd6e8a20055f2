"""Generators of random numbers, and the one that random operators draw from; a compiled program moves the same one.

Source: https://docs.pytorch.org/docs/stable/generated/torch.Generator.html
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphc.device import Device
from graphc.randomness.stream import RandomStream
from graphc.recording import state


class Generator(RandomStream):
    """A stream of random numbers, that of a ``torch.Generator`` on the CPU.

    Unlike :class:`RandomStream`, whose distributions it has, it is made for a device, and its state is a tensor.
    """

    def __init__(self, device: Any = "cpu"):
        """Raises RuntimeError for a device other than the CPU."""
        self._device = Device.of(device)
        if self._device.type != "cpu":
            raise RuntimeError(f"Cannot get {self._device.type.upper()} generator: graphc holds no tensors there")
        if state.recorder is not None:
            state.recorder.object_made(self)
        super().__init__()

    @property
    def device(self) -> Device:
        return self._device

    def manual_seed(self, seed: Any) -> Generator:
        """Starts the stream of a seed, an integer in [-2**63, 2**64).

        Returns this object. Raises RuntimeError for what is no integer, ValueError for a seed outside of the range.
        """
        if not hasattr(seed, "__index__"):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        if not -(2**63) <= int(seed) < 2**64:
            raise ValueError("Overflow when unpacking long long")
        self._touch("manual_seed")
        super().manual_seed(int(seed))
        return self

    def seed(self) -> int:
        """Seeds the stream from the operating system's entropy and returns that seed, in [0, 2**53)."""
        self._touch("seed")
        return super().seed()

    def _touch(self, what: str) -> None:
        """Raises CaptureError where a program that is being recorded could not repeat what is done to the state."""
        if state.recorder is not None and self is not default_generator:
            state.recorder.touch_stream(self, f"Generator.{what}()")

    def get_state(self) -> Any:
        """The whole state: a tensor of uint8 in the layout of PyTorch, which reads it as well."""
        from graphc.tensor import Tensor

        self._touch("get_state")
        return Tensor.from_array(super().get_state())

    def set_state(self, new_state: Any) -> None:
        """Continues where ``get_state()``, here or in PyTorch, was called.

        Raises TypeError for what is no tensor of uint8, RuntimeError for one that is no state.
        """
        self._touch("set_state")
        if not hasattr(new_state, "_array"):
            raise TypeError(f"expected a torch.ByteTensor, but got {type(new_state).__name__}")
        array = new_state._settled
        if array.dtype != np.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        expected = super().get_state().size
        if array.size != expected:
            raise RuntimeError(
                f"Expected a CPUGeneratorImplState of size {expected} but found the input RNG state size to be "
                f"{array.size}"
            )
        try:
            super().set_state(np.ascontiguousarray(array).reshape(-1))
        except ValueError as error:
            raise RuntimeError(str(error)) from None

    def clone_state(self) -> Generator:
        """Another generator that goes on from the same state."""
        other = Generator()
        RandomStream.set_state(other, super().get_state())
        return other

    graphsafe_get_state = clone_state

    def graphsafe_set_state(self, state: Generator) -> None:
        """Goes on from the state of another generator."""
        RandomStream.set_state(self, RandomStream.get_state(state))

    def __repr__(self) -> str:
        return f"<torch._C.Generator object at {hex(id(self))}>"

    def __getstate__(self) -> NDArray[np.uint8]:
        return super().get_state()

    def __setstate__(self, state: NDArray[np.uint8]) -> None:
        Generator.__init__(self)
        RandomStream.set_state(self, state)


default_generator = Generator()
