"""The first run of a program: it computes what a capture has put off, for the tensors that the capture handed out."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

from graphc.capture.recorded import Recording
from graphc.capture.recorder import GraphRecorder
from graphc.randomness.generator import default_generator
from graphc.storage import Storage

# What an output is shown by: an array in the order of the output, and the memory that it is in.
Shown = tuple[np.ndarray, Storage]


def fill_in_values(recorder: GraphRecorder, recording: Recording, program: Any) -> None:
    """Give all tensors of a capture that are still there their elements, and memory from outside its new values.

    ``program`` is what was built of the recording, to be run for that; with None, and where more is left than its
    results, what waits is carried out step by step.
    """
    postponed = recorder.postponed
    if not postponed:
        return
    if program is not None and _results_are_all(recorder) and _run(recorder, recording, program):
        postponed.forget()
    else:
        postponed.carry_out()


def _results_are_all(recorder: GraphRecorder) -> bool:
    """Whether everything that waits is a result of the program, or state that it writes."""
    shown = {}
    for array, storage in filter(None, recorder.shown):
        shown[id(storage)] = array.flags.writeable
    return all(
        shown.get(id(storage), False) for storage in recorder.postponed.waiting if not recorder.is_outside(storage)
    )


def _run(recorder: GraphRecorder, recording: Recording, program: Any) -> bool:
    """Run the program on what was there before the capture; whether it did what it should. Where not, all is as it was
    when it was called."""
    draws = program.compiled.draws_random
    with default_generator.lock if draws else contextlib.nullcontext():
        undone = recorder.back_to_entry()
        arrays, copies = _buffers(recorder, recording, program)
        if draws:
            arrays.append(default_generator.buffer)
        if program.attempt(arrays, [recorder.symbols[name] for name in program.compiled.program.symbols]):
            program.failure()
            for array, values in undone:
                np.copyto(array, values)
            return False
    for array, values in copies:
        np.copyto(array, values)
    return True


def _buffers(
    recorder: GraphRecorder, recording: Recording, program: Any
) -> tuple[list[np.ndarray], list[tuple[np.ndarray, np.ndarray]]]:
    """The arrays that a program is run on, and pairs of an array and one to be copied to it after the run."""
    graph, waiting = recording.graph, recorder.postponed.waiting
    given = {memory.input.name: memory.tensor._array for memory in recorder.memories()}
    written = {update.state.name for update in graph.updates}
    arrays: list[np.ndarray] = []
    copies: list[tuple[np.ndarray, np.ndarray]] = []
    for node in graph.inputs:
        array = given[node.name]
        if not array.flags.c_contiguous or (node.name in written and not array.flags.writeable):
            array = np.ascontiguousarray(array)
            if node.name in written:
                copies.append((given[node.name], array))
        arrays.append(array)
    for output, shown in zip(graph.outputs, recorder.shown, strict=True):
        type = output.node.type.bind(recorder.symbols)
        array = None if shown is None or shown[1] not in waiting else shown[0]
        if array is None or not array.flags.c_contiguous:
            arrays.append(program.results.empty(tuple(type.shape), type.dtype.numpy))
            if array is not None:
                copies.append((array, arrays[-1]))
        else:
            arrays.append(array)
    return arrays, copies
