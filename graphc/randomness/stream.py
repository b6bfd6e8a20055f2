"""The random stream of PyTorch's CPU generator, draw for draw.

A seed gives the same stream as `torch.Generator().manual_seed(seed)`: every method consumes the very words of the
generator that PyTorch 2.13 consumes for the same call, and gives the same values. For float32 normals that includes
the rounding of PyTorch's vector kernel (x86 with AVX2), so weights initialised here are those of PyTorch bit for bit.

Sources: the generator is MT19937 (Matsumoto, Nishimura 1998) seeded by its `init_genrand`; the distributions follow
the documented behaviour of https://pytorch.org/docs/stable/random.html; the polynomials for logarithm, sine, and
cosine in float32 are those of S. Moshier's Cephes library (logf, sinf, cosf).

`RandomStream.buffer` is the whole state in one piece of memory, which a generated C program continues in place as
`gc_random_state` (templates/c/random.h.j2). Where there is a compiler, large arrays are drawn by that C code too
(graphc/randomness/library.py), to the same bits.
"""

from __future__ import annotations

import ctypes
import functools
import math
import os
import threading
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import DTypeLike, NDArray

from graphc.device_memory import settle, use
from graphc.fork_safe import recursive_lock, watched
from graphc.randomness.library import fill, library
from graphc.randomness.normal_numbers import BLOCK, box_muller, each, fused_multiply_add, scale

__all__ = ["DEFAULT_SEED", "RandomStream", "drawing"]

DEFAULT_SEED = 67280421310721
"""The seed of a `torch.Generator()` that nobody has seeded."""

WORD_COUNT = 624
"""Words of 32 bits in the state of MT19937."""

_POSITION = WORD_COUNT
_NORMAL_IS_CACHED = WORD_COUNT + 1
_CACHED_NORMAL = slice(WORD_COUNT + 2, WORD_COUNT + 4)
_BUFFER_LENGTH = WORD_COUNT + 4

_WIDE_RANGE = 1 << 28
"""Integers from a range this large take 64 bits each, so that the remainder is close to uniform."""

_LARGE_PERMUTATION = (2**32 - 1) // 20
"""From this length on a permutation takes 64 bits for each element."""

# What torch.get_rng_state() packs into 5056 bytes.
_TORCH_STATE = np.dtype(
    [
        ("initial_seed", "<u8"),
        ("words_left", "<i4"),
        ("is_seeded", "<i4"),
        ("next_word", "<u8"),
        ("words", "<u8", WORD_COUNT),
        ("unused_x", "<f8"),
        ("cached_normal", "<f8"),
        ("unused_rho", "<f8"),
        ("normal_is_cached", "<i4"),
        ("padding", "<i4"),
        ("cached_float_normal", "<f4"),
        ("float_normal_is_cached", "u1"),
        ("tail", "u1", 3),
    ]
)


class _Drawing(threading.local):
    """What this thread asks to be told of: each of ``watchers`` is called with a stream before numbers are drawn."""

    watchers: tuple[Callable[[RandomStream], None], ...] = ()


drawing = _Drawing()


class RandomStream:
    """A stream of random numbers equal to that of a `torch.Generator` on the CPU.

    Arrays are filled in C order. A shape is an integer or a sequence of integers; a dtype is float32 or float64.
    Methods may be called from several threads; each call takes its words of the stream without interruption.

    `buffer` is the state: uint32[628], C-contiguous, aligned for float64. Words 0..623 are MT19937's, word 624 is the
    position in them (624: all are spent), word 625 tells whether a normal value is waiting, words 626..627 hold that
    value as a float64. Whoever writes there (a generated program) moves the stream of this object.

    Args:
        seed: any integer in [-2**63, 2**64); the low 32 bits decide the stream, as in PyTorch.

    Raises:
        TypeError: the seed is no integer.
        ValueError: the seed is outside the range.
    """

    def __init__(self, seed: int = DEFAULT_SEED) -> None:
        self.memory: NDArray[np.uint32] = np.zeros(_BUFFER_LENGTH, np.uint32)
        self._cached_normal = self.memory[_CACHED_NORMAL].view(np.float64)
        self.lock = recursive_lock()
        self.manual_seed(seed)

    def __repr__(self) -> str:
        return f"RandomStream(seed={self._initial_seed})"

    @property
    def buffer(self) -> NDArray[np.uint32]:
        """The state, once GPUs are done with it; ``memory`` is where it lies."""
        if use.owed:
            settle(self.memory)
        return self.memory

    # Seeds and states

    def manual_seed(self, seed: int) -> RandomStream:
        """Starts the stream of `seed` (as for the class) and returns this object."""
        if not isinstance(seed, (int, np.integer)):
            raise TypeError(f"a seed is an integer, but got {seed!r} of type {type(seed).__name__}")
        if not -(2**63) <= seed < 2**64:
            raise ValueError(f"a seed lies in [-2**63, 2**64), but got {seed}")
        with self.lock:
            self._initial_seed = int(seed) % 2**64
            self.buffer[:] = 0
            self.buffer[:WORD_COUNT] = _words_of_seed(self._initial_seed % 2**32)
            self.buffer[_POSITION] = WORD_COUNT
        return self

    def seed(self) -> int:
        """Seeds the stream from the operating system's entropy and returns that seed, in [0, 2**53)."""
        seed = int.from_bytes(os.urandom(8), "little") >> 11
        self.manual_seed(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed that the stream started from, in [0, 2**64)."""
        return self._initial_seed

    def get_state(self) -> NDArray[np.uint8]:
        """A copy of the whole state: uint8[5056] in the layout of `torch.get_rng_state()`, which reads it as well."""
        state = np.zeros((), _TORCH_STATE)
        with self.lock:
            position = int(self.buffer[_POSITION])
            state["initial_seed"] = self._initial_seed
            state["is_seeded"] = 1
            state["words_left"] = max(1, WORD_COUNT + 1 - position)
            state["next_word"] = position
            state["words"] = self.buffer[:WORD_COUNT]
            state["normal_is_cached"] = self.buffer[_NORMAL_IS_CACHED]
            state["cached_normal"] = self._cached_normal[0]
        return np.frombuffer(state.tobytes(), np.uint8).copy()

    def set_state(self, state: NDArray[np.uint8]) -> None:
        """Continues where `get_state()`, here or in PyTorch, was called.

        Raises:
            TypeError: the state is no array of uint8.
            ValueError: it has another length than 5056, or its counters fit no generator.
        """
        state = np.asarray(state)
        if state.dtype != np.uint8:
            raise TypeError(f"a state is an array of uint8, but got {state.dtype}")
        if state.shape != (_TORCH_STATE.itemsize,):
            raise ValueError(f"a state has shape ({_TORCH_STATE.itemsize},), but got {state.shape}")
        fields = np.frombuffer(state.tobytes(), _TORCH_STATE)[0]
        left, next_word = int(fields["words_left"]), int(fields["next_word"])
        # PyTorch counts the words left, one too many; with one left it renews all words, wherever next_word stands.
        position = WORD_COUNT if left == 1 else next_word
        if not fields["is_seeded"] or not 1 <= left <= WORD_COUNT or position != WORD_COUNT + 1 - left:
            raise ValueError(f"no state of a generator: {left} words left and next word {next_word} of {WORD_COUNT}")
        with self.lock:
            self._initial_seed = int(fields["initial_seed"])
            self.buffer[:WORD_COUNT] = fields["words"]
            self.buffer[_POSITION] = position
            self.buffer[_NORMAL_IS_CACHED] = bool(fields["normal_is_cached"])
            self._cached_normal[0] = fields["cached_normal"] if fields["normal_is_cached"] else 0.0

    def __getstate__(self) -> NDArray[np.uint8]:
        return self.get_state()

    def __setstate__(self, state: NDArray[np.uint8]) -> None:
        RandomStream.__init__(self)
        self.set_state(state)

    # Distributions

    def uniform(
        self, shape: int | Iterable[int], dtype: DTypeLike = np.float32, low: float = 0.0, high: float = 1.0
    ) -> NDArray:
        """Uniform values in [low, high), as `Tensor.uniform_`: 24 bits (float32) or 53 bits (float64) each.

        Halves are float32 values rounded, and what is rounded to `high` becomes `low`. Both parts of complex values are
        drawn.

        Raises:
            TypeError: the dtype is neither a floating nor a complex one.
            ValueError: low is greater than high, or their distance is no finite number of this dtype.
        """
        dtype = np.dtype(dtype)
        if _is_half(dtype):
            values = self.uniform(shape, np.float32, low, high).astype(dtype)
            values[values == dtype.type(high)] = dtype.type(low)
            return values
        if dtype.kind == "c":
            return _joined(self.uniform((*_shape(shape), 2), _part(dtype), low, high), dtype)
        dtype = _floating(dtype)
        if not (low <= high and high - low <= float(np.finfo(dtype).max)):
            raise ValueError(f"uniform expects low <= high with a finite distance, but got low={low}, high={high}")
        shape = _shape(shape)
        with self.lock:
            drawn = self._compiled("uniform", shape, dtype, low, high)
            if drawn is not None:
                return drawn
            values = self._uniform(math.prod(shape), dtype)
        if low != 0.0 or high != 1.0:
            low, high = dtype.type(low), dtype.type(high)
            values = scale(values, high - low, low)
            values[values == high] = low
        return values.reshape(shape)

    def normal(
        self, shape: int | Iterable[int], dtype: DTypeLike = np.float32, mean: float = 0.0, std: float = 1.0
    ) -> NDArray:
        """Normal values (Box-Muller), as `Tensor.normal_` on a contiguous tensor.

        Fewer than sixteen are made one pair at a time in float64, and the odd one waits in the buffer for the next
        such call. Sixteen or more are made in blocks of sixteen, the last block drawn anew when the size is no
        multiple of sixteen. Halves are float32 values rounded; the parts of complex values have the variance 1/2.

        Raises:
            TypeError: the dtype is neither a floating nor a complex one.
            ValueError: std is negative or NaN.
        """
        dtype = np.dtype(dtype)
        if not std >= 0.0:
            raise ValueError(f"normal expects std >= 0.0, but got std={std}")
        if _is_half(dtype):
            return self._normal_halves(_shape(shape), dtype, mean, std)
        if dtype.kind == "c":
            return _joined(self.normal((*_shape(shape), 2), _part(dtype), mean, std / math.sqrt(2)), dtype)
        dtype = _floating(dtype)
        shape = _shape(shape)
        count = math.prod(shape)
        with self.lock:
            if count < BLOCK:
                values = np.array(self._single_normals(count), np.float64)
                return fused_multiply_add(values, std, mean).astype(dtype).reshape(shape)
            drawn = self._compiled("normal", shape, dtype, mean, std)
            if drawn is not None:
                return drawn
            remainder = count % BLOCK
            uniforms = self._uniform(count + (BLOCK if remainder else 0), dtype)
        values = np.empty(count, dtype)
        whole = count - remainder
        values[:whole] = box_muller(uniforms[:whole])
        if remainder:
            values[-BLOCK:] = box_muller(uniforms[-BLOCK:])
        if mean != 0.0 or std != 1.0:
            values = scale(values, dtype.type(std), dtype.type(mean))
        return values.reshape(shape)

    def _normal_halves(self, shape: tuple[int, ...], dtype: np.dtype, mean: float, std: float) -> NDArray:
        """Normal values of two bytes: PyTorch draws for them block by block, and nothing for a last block in vain."""
        count = math.prod(shape)
        remainder = count % BLOCK if count >= BLOCK else 0
        with self.lock:
            values = np.empty(count, np.float32)
            values[: count - remainder] = self.normal(count - remainder, np.float32, mean, std)
            if remainder:
                values[-BLOCK:] = self.normal(BLOCK, np.float32, mean, std)
        return values.astype(dtype).reshape(shape)

    def exponential(self, shape: int | Iterable[int], dtype: DTypeLike = np.float32, rate: float = 1.0) -> NDArray:
        """Exponential values of the given rate (one over the mean), as `Tensor.exponential_`.

        Raises:
            TypeError: the dtype is neither float32 nor float64.
            ValueError: the rate is not positive.
        """
        if _is_half(np.dtype(dtype)):
            return self.exponential(shape, np.float32, rate).astype(dtype)
        dtype = _floating(dtype)
        if not rate > 0.0:
            raise ValueError(f"exponential expects rate > 0.0, but got rate={rate}")
        shape = _shape(shape)
        with self.lock:
            drawn = self._compiled("exponential", shape, dtype, rate)
            if drawn is not None:
                return drawn
            uniforms = self._uniform(math.prod(shape), np.dtype(np.float64))
        return (-1.0 / rate * each(math.log1p, -uniforms)).astype(dtype).reshape(shape)

    def bernoulli(self, probability: float, shape: int | Iterable[int]) -> NDArray[np.bool_]:
        """True with the given probability, as `Tensor.bernoulli_(p)`: a float64 uniform less than it.

        Raises:
            ValueError: the probability is outside [0, 1].
        """
        if not 0.0 <= probability <= 1.0:
            raise ValueError(f"a probability lies in [0, 1], but got {probability}")
        shape = _shape(shape)
        with self.lock:
            drawn = self._compiled("bernoulli", shape, np.dtype(np.bool_), probability)
            if drawn is not None:
                return drawn
            uniforms = self._uniform(math.prod(shape), np.dtype(np.float64))
        return (uniforms < probability).reshape(shape)

    def bernoulli_tensor(self, probabilities: NDArray) -> NDArray[np.bool_]:
        """True with the probability of each element, as `torch.bernoulli`: a uniform of the same dtype less than it.

        Raises:
            TypeError: the probabilities are neither float32 nor float64.
            ValueError: one of them is outside [0, 1].
        """
        probabilities = np.asarray(probabilities)
        if _is_half(probabilities.dtype):
            probabilities = probabilities.astype(np.float32)
        dtype = _floating(probabilities.dtype)
        if not ((probabilities >= 0) & (probabilities <= 1)).all():
            raise ValueError("a probability lies in [0, 1], but got one outside or NaN")
        with self.lock:
            uniforms = self._uniform(probabilities.size, dtype)
        return uniforms.reshape(probabilities.shape) < probabilities

    def integers(self, low: int, high: int, shape: int | Iterable[int]) -> NDArray[np.int64]:
        """Integers in [low, high) as int64, as `torch.randint`: a draw of 32 bits (64 from a range of 2**28 on).

        Raises:
            ValueError: low is not less than high, or one of them does not fit into int64.
        """
        if not -(2**63) <= low < high <= 2**63 - 1:
            raise ValueError(f"integers expects int64 bounds with low < high, but got low={low}, high={high}")
        shape = _shape(shape)
        count, span = math.prod(shape), high - low
        with self.lock:
            drawn = self._compiled("integers", shape, np.dtype(np.int64), low, high)
            if drawn is not None:
                return drawn
            draws = self._draw(count) if span < _WIDE_RANGE else self._draw_pairs(count)
        return ((draws % np.uint64(span)).view(np.int64) + np.int64(low)).reshape(shape)

    def permutation(self, length: int) -> NDArray[np.int64]:
        """The numbers 0..length-1 in random order as int64, as `torch.randperm`.

        Raises:
            ValueError: the length is negative.
        """
        if length < 0:
            raise ValueError(f"a permutation has a length >= 0, but got {length}")
        with self.lock:
            drawn = self._compiled("permutation", (length,), np.dtype(np.int64))
            if drawn is not None:
                return drawn
            if length >= _LARGE_PERMUTATION:
                return self._grow_permutation(length)
            draws = self._draw(max(0, length - 1))
        steps = draws % np.arange(length, 1, -1, dtype=np.uint64)
        order = list(range(length))
        for place, step in enumerate(steps.tolist()):
            other = place + step
            order[place], order[other] = order[other], order[place]
        return np.array(order, np.int64)

    # The words of the stream; the caller holds the lock

    def _compiled(self, name: str, shape: tuple[int, ...], dtype: np.dtype, *arguments: float) -> NDArray | None:
        """What compiled C draws, or None where there are few numbers to draw or there is no compiler."""
        for watcher in drawing.watchers:
            watcher(self)
        compiled = library(math.prod(shape))
        if compiled is None:
            return None
        values = np.empty(shape, dtype)
        fill(compiled, name, self.buffer, values, *arguments)
        return values

    @functools.cached_property
    def _engine(self) -> _Engine:
        return _Engine()  # made when it is first needed: numpy's module takes long to import

    def _draw(self, count: int) -> NDArray[np.uint64]:
        """The next `count` draws of 32 bits."""
        for watcher in drawing.watchers:
            watcher(self)
        return self._engine.draw(self.buffer[: WORD_COUNT + 1], count)

    def _draw_pairs(self, count: int) -> NDArray[np.uint64]:
        """The next `count` draws of 64 bits; the first word of each is the high one."""
        words = self._draw(2 * count)
        return (words[0::2] << np.uint64(32)) | words[1::2]

    def _uniform(self, count: int, dtype: np.dtype) -> NDArray:
        drawn = self._compiled("uniform", (count,), dtype, 0.0, 1.0)
        if drawn is not None:
            return drawn
        if dtype == np.float32:
            bits = self._draw(count).astype(np.uint32)
            bits &= np.uint32(2**24 - 1)
            # An int32 turns into a float32 several times faster than an unsigned integer, to the same value.
            return bits.view(np.int32).astype(np.float32) * np.float32(2.0**-24)
        return (self._draw_pairs(count) & np.uint64(2**53 - 1)).view(np.int64) * 2.0**-53

    def _single_normals(self, count: int) -> list[float]:
        waiting = self._take_waiting() if count else None
        values = [] if waiting is None else [waiting]
        uniforms = self._uniform(count - len(values) + (count - len(values)) % 2, np.dtype(np.float64)).tolist()
        for first, second in zip(uniforms[0::2], uniforms[1::2], strict=True):
            radius, angle = math.sqrt(-2.0 * math.log1p(-second)), 2.0 * math.pi * first
            values += radius * math.cos(angle), radius * math.sin(angle)
        if len(values) > count:
            self._leave_waiting(values.pop())
        return values

    def _take_waiting(self) -> float | None:
        """The normal value that waits, which then waits no longer."""
        if not self.buffer[_NORMAL_IS_CACHED]:
            return None
        value = float(self._cached_normal[0])
        self.buffer[_NORMAL_IS_CACHED] = 0
        self._cached_normal[0] = 0.0
        return value

    def _leave_waiting(self, value: float) -> None:
        self.buffer[_NORMAL_IS_CACHED] = 1
        self._cached_normal[0] = value

    def _grow_permutation(self, length: int) -> NDArray[np.int64]:
        """Fisher and Yates from the inside out; each element comes with a 64-bit draw of its own."""
        order = np.empty(length, np.int64)
        cells = memoryview(order)
        chunk = 1 << 20
        for start in range(0, length, chunk):
            ends = np.arange(start + 1, min(start + chunk, length) + 1, dtype=np.uint64)
            for place, other in enumerate((self._draw_pairs(ends.size) % ends).tolist(), start):
                cells[place] = cells[other] if other != place else place
                cells[other] = place
        return order


def _words_of_seed(seed: int) -> NDArray[np.uint32]:
    """The state that the Mersenne twister starts from (Matsumoto and Nishimura, init_genrand of 2002)."""
    words = []
    for position in range(1, WORD_COUNT + 1):
        words.append(seed)
        seed = (1812433253 * (seed ^ seed >> 30) + position) & 0xFFFFFFFF
    return np.array(words, np.uint32)


class _Engine:
    """numpy's MT19937, run on a state that lies elsewhere: uint32[625], the words and then the position.

    numpy documents the address of its state but not the layout, so that is looked at once; where it is another one,
    the slower way through the public `state` serves.
    """

    def __init__(self) -> None:
        self._generator = np.random.MT19937(0)
        watched(self._generator.lock)
        address = self._generator.ctypes.state_address
        self._state = np.ctypeslib.as_array((ctypes.c_uint32 * (WORD_COUNT + 1)).from_address(address))
        public = self._generator.state["state"]
        self._is_plain = self._state[_POSITION] == public["pos"] and np.array_equal(self._state[:-1], public["key"])

    def draw(self, state: NDArray[np.uint32], count: int) -> NDArray[np.uint64]:
        """The next `count` tempered words of `state`, which moves on."""
        if self._is_plain:
            self._state[:] = state
            draws = self._generator.random_raw(count)
            state[:] = self._state
            return draws
        words = {"key": state[:WORD_COUNT], "pos": int(state[_POSITION])}
        self._generator.state = {"bit_generator": "MT19937", "state": words}
        draws = self._generator.random_raw(count)
        public = self._generator.state["state"]
        state[:WORD_COUNT], state[_POSITION] = public["key"], public["pos"]
        return draws


def _floating(dtype: DTypeLike) -> np.dtype:
    dtype = np.dtype(dtype)
    if dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise TypeError(f"random values are float32 or float64, but {dtype} was asked for")
    return dtype


def _is_half(dtype: np.dtype) -> bool:
    return dtype.itemsize == 2 and dtype.name in ("float16", "bfloat16")


def _part(dtype: np.dtype) -> np.dtype:
    """The dtype of the parts of a complex one."""
    return np.dtype(np.float32 if dtype == np.complex64 else np.float64)


def _joined(parts: NDArray, dtype: np.dtype) -> NDArray:
    """Pairs along the last dimension as complex numbers."""
    return np.ascontiguousarray(parts).view(dtype)[..., 0]


def _shape(shape: int | Iterable[int]) -> tuple[int, ...]:
    sizes = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    if any(size < 0 for size in sizes):
        raise ValueError(f"a shape has no negative size, but got {sizes}")
    return tuple(int(size) for size in sizes)
