"""The generator that random operators draw from; a compiled program moves the same one."""

from __future__ import annotations

from graphc.random_stream import RandomStream

default_generator = RandomStream()
