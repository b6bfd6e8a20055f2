"""The two ends of a worker's socket.

A message is a header, the sizes of its large buffers, and a pickle; descriptors of the buffers' memory go with the
header. The worker's end waits as long as it takes. The other end never waits while it sends or receives, so that two
processes whose buffers are full do not wait for each other for ever, and a worker that stops in the middle of a message
stops nobody else.
"""

from __future__ import annotations

import array
import contextlib
import os
import select
import socket
import struct
from collections import deque

from graphc.utils.data._utils import shared_memory
from graphc.utils.data._utils.failures import Failure
from graphc.utils.data._utils.messages import Message, decode, encode

__all__ = ["LoaderEnd", "WorkerEnd"]

# The epoch and number of the task, the bytes of the pickle, and how many buffers go beside it.
_HEADER = struct.Struct("<qqQQ")
_SIZE = struct.Struct("<Q")
# A socket takes up to 253 descriptors with one message.
_MOST_DESCRIPTORS = 128


class WorkerEnd:
    """What a worker process reads tasks from and writes batches to. Raises EOFError once the other end is closed."""

    def __init__(self, connection: socket.socket):
        self._socket = connection
        self._socket.setblocking(True)

    def wait(self, seconds: float) -> bool:
        """Whether a message, or the end, comes within the time."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def send(self, message: Message) -> None:
        """Send a message; its arrays may be overwritten as soon as this returns. Raises what pickling raises."""
        body, large = encode(message.content, _MOST_DESCRIPTORS if shared_memory.is_available() else 0)
        descriptors: list[int] = []
        try:
            try:
                for buffer in large:
                    descriptors.append(shared_memory.write_memory(buffer))
            except OSError:
                _close(descriptors)
                body, large = encode(message.content, 0)
            head = _HEADER.pack(message.epoch, message.number, len(body), len(large))
            head += b"".join(_SIZE.pack(buffer.nbytes) for buffer in large)
            sent = socket.send_fds(self._socket, [head], descriptors) if descriptors else 0
            self._socket.sendall(head[sent:])
            self._socket.sendall(body)
        except ConnectionError:
            raise EOFError from None
        finally:
            _close(descriptors)

    def receive(self) -> Message:
        """The next message."""
        epoch, number, length, _ = _HEADER.unpack(self._exactly(_HEADER.size))
        return Message(epoch, number, decode(self._exactly(length), ()))

    def _exactly(self, length: int) -> bytearray:
        content = bytearray(length)
        view = memoryview(content)
        while view.nbytes:
            try:
                count = self._socket.recv_into(view)
            except ConnectionError:
                count = 0
            if not count:
                raise EOFError
            view = view[count:]
        return content


class LoaderEnd:
    """What the iterating process writes tasks to and reads batches from, without ever waiting.

    ``name`` says in messages which worker is at the other end.
    """

    def __init__(self, connection: socket.socket, name: str):
        self._socket = connection
        self._socket.setblocking(False)
        self._name = name
        self._unsent: deque[memoryview] = deque()
        self._descriptors: list[int] = []
        self._start_message()

    def fileno(self) -> int:
        """The descriptor to wait for; -1 when closed."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close this end: the worker finds that out when it reads or writes next."""
        _close(self._descriptors)
        self._socket.close()

    # -- sending -------------------------------------------------------------------------------------------------

    @property
    def has_unsent(self) -> bool:
        """Whether messages wait for room in the socket."""
        return bool(self._unsent)

    def send(self, message: Message) -> None:
        """Send a message, now as much of it as there is room for."""
        body, _ = encode(message.content, 0)
        self._unsent.append(memoryview(_HEADER.pack(message.epoch, message.number, len(body), 0) + body))
        self.flush()

    def flush(self) -> None:
        """Send of what waits as much as there is room for. To a worker that is gone nothing is sent, without a word:
        reading from it will tell."""
        try:
            while self._unsent:
                rest = self._unsent[0]
                sent = self._socket.send(rest)
                if sent == rest.nbytes:
                    self._unsent.popleft()
                else:
                    self._unsent[0] = rest[sent:]
        except BlockingIOError:
            pass
        except ConnectionError:
            self._unsent.clear()

    # -- receiving -----------------------------------------------------------------------------------------------

    def receive(self) -> list[Message]:
        """The messages that have come in whole. What can't be read becomes a message with a Failure.

        Raises:
            EOFError: the worker has closed its end, and nothing came in before.
            RuntimeError: this process can open no more files.
        """
        messages: list[Message] = []
        try:
            while True:
                self._read_on(messages)
        except BlockingIOError:
            pass
        except (EOFError, ConnectionError):
            if not messages:
                raise EOFError from None
        return messages

    def _start_message(self) -> None:
        self._header: tuple[int, int, int, int] | None = None
        self._sizes: list[int] | None = None
        self._expect(_HEADER.size)

    def _expect(self, length: int) -> None:
        self._part = bytearray(length)
        self._missing = memoryview(self._part)

    def _read_on(self, messages: list[Message]) -> None:
        """Read once, and go on to the next part when this one is whole: header, sizes, pickle."""
        if self._missing.nbytes:
            count = self._receive_into(self._missing)
            if not count:
                raise EOFError
            self._missing = self._missing[count:]
        if self._missing.nbytes:
            return
        if self._header is None:
            self._header = _HEADER.unpack(self._part)
            self._expect(_SIZE.size * self._header[3])
        elif self._sizes is None:
            self._sizes = [size for (size,) in _SIZE.iter_unpack(self._part)]
            self._expect(self._header[2])
        else:
            messages.append(self._message(*self._header[:2]))
            self._start_message()

    def _receive_into(self, view: memoryview) -> int:
        # Descriptors come with the first byte of what they were sent with.
        if self._header is not None:
            return self._socket.recv_into(view)
        room = socket.CMSG_SPACE(_MOST_DESCRIPTORS * array.array("i").itemsize)
        count, ancillary, flags, _ = self._socket.recvmsg_into([view], room, getattr(socket, "MSG_CMSG_CLOEXEC", 0))
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                numbers = array.array("i")
                numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
                self._descriptors.extend(numbers)
        if flags & socket.MSG_CTRUNC:
            raise RuntimeError(
                "Too many open files. Communication with the workers is no longer possible. Please increase the limit "
                "using `ulimit -n` in the shell"
            )
        return count

    def _message(self, epoch: int, number: int) -> Message:
        try:
            sizes = zip(self._descriptors, self._sizes or (), strict=True)
            large = [shared_memory.map_memory(descriptor, size) for descriptor, size in sizes]
            return Message(epoch, number, decode(self._part, large))
        except Exception as error:
            return Message(epoch, number, Failure.of(error, f"while reading a batch of {self._name}"))
        finally:
            _close(self._descriptors)


def _close(descriptors: list[int]) -> None:
    while descriptors:
        with contextlib.suppress(OSError):
            os.close(descriptors.pop())
