"""Running a function once, eagerly, and keeping what it did as a graph with its ties to the outside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from graphc.autograd.function_node import hooked_below, python_rules_below
from graphc.autograd.partition import Differentiable, split_backward, take_over_loops
from graphc.autograd.second_sweep import leads_to
from graphc.autograd.tape import Node as TapeNode
from graphc.autograd.tape import gradient_edge
from graphc.capture.containers import Containers, fill_in, is_container
from graphc.capture.errors import CaptureError, OverlapError, RuleError
from graphc.capture.first_run import fill_in_values
from graphc.capture.guards import GradientGuard, Owner, RequiresGradGuard, hooks_of
from graphc.capture.memories import GradientSlot, Memory
from graphc.capture.names import argument_names, outside_names
from graphc.capture.places import (
    Placed,
    VariablesGuard,
    is_whole,
    replace_first,
)
from graphc.capture.recorded import (
    Binding,
    DataEffect,
    FlagEffect,
    FromArgument,
    FromArgumentMemory,
    FromGradient,
    FromOutside,
    FromScalar,
    GradientEffect,
    Recording,
)
from graphc.capture.recorder import GraphRecorder
from graphc.capture.results import Outputs, Result, Seen, give_own_memory
from graphc.capture.rules import record_rule
from graphc.capture.sharing import Sharing
from graphc.capture.surroundings import Surroundings, reached_by
from graphc.capture.trees import flatten, flatten_results, unflatten
from graphc.device_memory import settle_all
from graphc.device_memory import use as device_use
from graphc.garbage import paused_collection
from graphc.ir.graph import Builder, Graph, Node, Output
from graphc.ir.integers import IntegerExpression
from graphc.ir.rewrite import live_nodes
from graphc.ops.functions import matrices
from graphc.recording import state
from graphc.source_lines import user_location
from graphc.tensor import RunTimeNumber, Storage, Tensor, View

# Of the error for which sizes are taken as numbers so many characters are told.
MOST_WORDS = 200


def capture(
    function: Callable[..., Any],
    arguments: Sequence[Any],
    keywords: dict[str, Any],
    symbols: Sequence[Mapping[int, IntegerExpression]] = (),
    use: Callable[[Recording], Any] = lambda recording: None,
    joined: bool = False,
    postpones: bool = False,
    rules: bool = False,
) -> tuple[Recording, Any]:
    """Run the function on the arguments and record it.

    ``symbols`` tells for each tensor among the arguments, in order, which dimensions' sizes are known at run time only.
    Returns the recording and what the function returned. Raises CaptureError, naming the user's line, for what a graph
    can't express; whatever the function itself raises passes through. ``use`` is called with the recording: where it
    raises, as where nothing can be recorded, everything is given back as it was. With ``joined``, arguments that share
    memory, and those whose memory the function also reaches from outside, are parts of an input that is all of it.

    Where the function ``postpones``, values that nothing reads while it runs are computed by the program that ``use``
    gives, run once; it may give None. With ``rules``, rules of the user's own are recorded with the calls of their
    functions.
    """
    if state.recorder is not None:
        raise CaptureError("a compiled function is called while another is being recorded", user_location())
    if device_use.active:
        settle_all()  # nothing is asked of GPUs while this runs, whose memory is looked at all over
    tensors, _ = flatten((tuple(arguments), keywords))
    recorder = GraphRecorder(getattr(function, "__name__", "graph"), lambda: outside_names(function), postpones)
    given = [*((f"arguments[{place}]", value) for place, value in enumerate(arguments)), *keywords.items()]
    surroundings = Surroundings(function, [(name, value) for name, value in given if not is_container(value)])
    recorder.reaches_array = surroundings.reaches_array
    recorder.records_rules, recorder.add_rule = rules, record_rule
    containers = Containers(arguments, keywords)
    entered: list[Memory] = []
    users = Counter(tensor._storage for tensor in tensors)

    def is_shared(tensor: Tensor) -> bool:
        return users[tensor._storage] > 1 or recorder.reaches(tensor._storage)

    overlap = False
    unknown: Exception | None = None
    for position, (tensor, name) in enumerate(zip(tensors, argument_names(function, arguments, keywords), strict=True)):
        if joined and is_shared(tensor):
            entered.append(recorder.joined_argument(tensor, name))
        else:
            entered.append(recorder.argument(tensor, name, symbols[position] if symbols else {}))

    def give_back() -> None:
        recorder.undo()
        containers.restore()
        surroundings.restore()

    state.recorder = recorder
    try:
        with paused_collection():
            returned = function(*arguments, **keywords)
        recorder.refuse_overlaps()
        _guard_modes(recorder, function)
    except Exception as error:
        wanted = any(tensor.requires_grad for tensor in tensors if is_shared(tensor))
        overlap = isinstance(error, OverlapError) and not joined and not wanted
        updating = any(node.location and node.location.phase == "update" for node in recorder.builder.nodes)
        if overlap:
            pass
        elif any(symbols) and not updating:
            unknown = error
        elif isinstance(error, CaptureError):
            give_back()
            raise
        else:
            recorder.postponed.carry_out()  # what came before the error has happened
            raise
    except BaseException:
        if recorder.postponed:
            give_back()  # nobody waits for what an interrupted step would have computed
        raise
    finally:
        state.recorder = None
    if overlap:
        give_back()
        return capture(function, arguments, keywords, symbols, use, True, postpones, rules)
    if unknown is not None:
        # Perhaps it was asked of a size that is known at run time only: what eager mode accepts, numbers do too.
        give_back()
        reason = f"what can't be done otherwise: {type(unknown).__name__}: {str(unknown)[:MOST_WORDS]}"
        fixed = recorder.fixed | dict.fromkeys(recorder.symbols, reason)
        recording, returned = capture(
            function,
            arguments,
            keywords,
            (),
            lambda recording: use(replace(recording, fixed=fixed)),
            False,
            postpones,
            rules,
        )
        return replace(recording, fixed=fixed), returned
    try:
        refilled, contents = containers.changes()
        replacements, stored, kinds = surroundings.changes(recorder)
        contents += stored
        with paused_collection():
            recording = replace(
                _finish(recorder, tensors, entered, returned, contents, surroundings, kinds),
                refilled=refilled,
                replacements=tuple(replacements),
            )
        fill_in_values(recorder, recording, use(recording))
        returned, contents = _handed_out(recording, returned, contents, tensors)
        fill_in(refilled, contents, arguments, keywords)
        replace_first(replacements, contents[len(contents) - len(stored) :])
        return recording, returned
    except RuleError:
        give_back()
    except BaseException:
        # The function itself ran well: what can't be recorded leaves everything as it was.
        give_back()
        raise
    return capture(function, arguments, keywords, symbols, use, joined, postpones, rules=True)


def _handed_out(
    recording: Recording, returned: Any, contents: list[Any], arguments: Sequence[Tensor]
) -> tuple[Any, list[Any]]:
    """What the first call returns, and puts into containers: as it was computed, but in memory like that of later
    calls."""
    for effect in recording.gradients:
        if effect.place is not None and effect.place.part:
            give_own_memory(effect.owner.of(arguments)._grad)
    tensors = [*flatten_results(returned)[0], *flatten_results(contents)[0]]
    later = map(_as_later, tensors, recording.results)
    return unflatten(recording.description, later), unflatten(recording.contents, later)


def _as_later(tensor: Tensor, result: Result) -> Any:
    for place, held in ((result.place, tensor), (result.gradient, tensor._grad)):
        if isinstance(place, Seen) and place.part:
            give_own_memory(held)
    return tensor.item() if result.number else tensor


def trace(function: Callable[..., Any] | Tensor | None = None, *example: Any, **keywords: Any) -> Graph | Tensor:
    """The graph of a function, run once on example arguments; of a matrix, as PyTorch's function of this name, the sum
    of its diagonal.

    Args:
        function: computes with tensors; it runs once, eagerly, side effects included. Or a matrix, and nothing else.
        example: its arguments; tensors in them become inputs of the graph, other values are built in.

    Raises:
        CaptureError: naming the Python line, for what a graph can't express.
        TypeError: for neither a function nor a matrix.
    """
    if function is None and isinstance(keywords.get("input"), Tensor):
        return matrices.trace(**keywords)
    if isinstance(function, Tensor):
        return matrices.trace(function, *example, **keywords)
    if not callable(function):
        raise TypeError(f"trace() expects a function or a matrix, but got {type(function).__name__}")
    recording, _ = capture(function, example, keywords)
    graph, saved = recording.graph, set(recording.saved.values())
    outputs = tuple(output for position, output in enumerate(graph.outputs) if position not in saved)
    return Graph(graph.name, graph.inputs, graph.nodes, outputs, graph.updates)


def _finish(
    recorder: GraphRecorder,
    arguments: list[Tensor],
    entered: list[Memory],
    returned: Any,
    contents: list[Any],
    surroundings: Surroundings,
    kinds: list[Any],
) -> Recording:
    tensors, description = flatten_results(returned)
    more, described_contents = flatten_results(contents)
    tensors += more
    slots = list(recorder.gradients.values())
    rebound = {
        key: Tensor._wrap(tensor._array, tensor.dtype, tensor._storage, tensor._chain)
        for key, (tensor, was) in recorder.rebound.items()
        if not _same_memory(tensor, was)
    }
    outputs = Outputs(
        recorder,
        {id(tensor): tensor for tensor in (*tensors, *_final_gradients(slots), *rebound.values())}.values(),
    )
    first: dict[int, int] = {}
    results: list[Result] = []
    pending: dict[int, Tensor] = {}
    for position, tensor in enumerate(tensors):
        if id(tensor) in rebound:
            recorder.attribute_written(tensor, "data", tensor)
        if first.setdefault(id(tensor), position) != position:
            known = results[first[id(tensor)]]
            results.append(Result(known.place, number=known.number, twin=first[id(tensor)]))
            continue
        place = outputs.place(tensor, f"result_{position}" if len(tensors) > 1 else "result", arguments)
        leaf = outputs.is_new(tensor) and tensor.is_leaf and tensor.requires_grad
        number = type(tensor) is RunTimeNumber
        results.append(Result(place, leaf, Tensor if number else type(tensor), number=number))
        if isinstance(place, Seen) and tensor.requires_grad and not leaf:
            origin = recorder.memory_of(tensor).whole(tensor) if place.chain else tensor
            if origin.grad_fn is not None and not origin.grad_fn.released:
                _refuse_python_rules(recorder, origin)
                pending[place.output] = origin
    gradients: list[GradientEffect] = []
    surroundings.guard_modules(recorder)
    recorder.settle_changes()
    loose, fixed_objects = surroundings.places(recorder)
    held = [*surroundings.variables(), *fixed_objects]
    guards: list[Any] = [*recorder.guards.values(), *kinds]
    guards += [*surroundings.carried(recorder), *surroundings.others()]
    guards += [VariablesGuard(tuple(held))] if held else []
    own = _own_gradients(slots, arguments, held)
    for slot in slots:
        final = slot.tensor._grad
        if outputs.is_new(slot.tensor):
            # Of a tensor that the function made itself, such as a detached argument: of use where it is returned.
            at = [position for position, tensor in enumerate(tensors) if tensor is slot.tensor]
            if at and final is not None and outputs.is_new(final):
                results[at[0]] = replace(results[at[0]], gradient=outputs.place(final, f"result_{at[0]}.grad"))
            continue
        owner = _owner(slot.tensor, arguments)
        if slot.read_first:
            present = slot.at_entry is not None
            shared = present and id(slot.at_entry._storage) not in own
            guards.append(GradientGuard(owner, present, slot.at_entry if shared else None))
        if final is None:
            gradients.append(GradientEffect(owner, None))
        elif final is not slot.at_entry or not slot.read_first:
            if outputs.is_new(final):
                _, was = recorder.rebound.get(id(slot.tensor), (None, slot.tensor))
                memory = recorder.memory_of(was)
                name = "tensor" if memory is None else memory.input.name
                gradients.append(GradientEffect(owner, outputs.place(final, f"{name}.grad")))
            else:
                gradients.append(GradientEffect(owner, None, final))
    data: list[DataEffect] = []
    for key, shown in rebound.items():
        tensor, was = recorder.rebound[key]
        data.append(DataEffect(_owner(tensor, arguments), outputs.place(shown, f"{recorder.name_of(was)}.data")))
    memories = recorder.memories()
    updates = [(memory.input, memory.node) for memory in memories if memory.node is not memory.input]
    whole = recorder.builder.build(outputs.named, updates)
    written = {state for state, _ in updates} | {memory.input for memory in memories if memory.owner is not None}
    differentiable: Differentiable | None = None
    leaves: dict[str, Tensor] = {}
    made_leaves: dict[str, int] = {}
    saved: dict[Node, int] = {}
    histories = {memory.input: (memory.node, tensor) for memory, tensor in recorder.histories()}
    for _, tensor in histories.values():
        _refuse_python_rules(recorder, tensor)
    if pending or histories:
        made_leaves = {f"{outputs.named[-1][0]}.leaf_{at}": at for at, result in enumerate(results) if result.leaf}
        ends = [(outputs.values[output], origin.grad_fn) for output, origin in pending.items()]
        ends += [(node, tensor.grad_fn) for node, tensor in histories.values()]
        made = {name: tensors[position] for name, position in made_leaves.items()}
        differentiable, leaves = _differentiable(recorder, whole, arguments, entered, ends, written, made)
        half = split_backward(differentiable)
        if take_over_loops(recorder.builder, half):
            whole = recorder.builder.build(outputs.named, updates)
            differentiable, leaves = _differentiable(recorder, whole, arguments, entered, ends, written, made)
            half = split_backward(differentiable)
        left = {memory.input: memory.owner for memory in memories if memory.owner is not None}
        for node in half.saved:
            if node in left:  # eager rules read what the tensor holds when the sweep comes
                recorder.attribute_written(left[node], "data", left[node])
            saved[node] = outputs.save(f"saved_{len(saved) + 1}", node)
    recorder.shown = outputs.shown
    named = tuple(Output(*output) for output in outputs.named)
    graph = _tidy(Graph(whole.name, whole.inputs, whole.nodes, named, whole.updates))
    bindings = _bind(recorder, graph, entered, arguments, loose, own)
    names = {node.name: node for node in histories}
    written_inputs = [(at, names[node.name]) for at, node in enumerate(graph.inputs) if node.name in names]
    outside = {id(binding.tensor._storage) for binding in bindings if isinstance(binding, FromOutside)}
    for tensor, flag in recorder.leaves.values():
        known = id(tensor._storage) in outside or id(tensor) in rebound
        if known and id(tensor) not in recorder.flags and tensor._storage not in loose:
            guards.append(RequiresGradGuard(tensor, flag, hooks_of(tensor)))
    flags: list[FlagEffect] = []
    for tensor, flag in recorder.flags.values():
        if recorder.made(tensor) or recorder.made_within(tensor):
            continue
        owner = _owner(tensor, arguments)
        if owner.tensor is not None:
            guards.append(RequiresGradGuard(tensor, flag, hooks_of(tensor)))
        if tensor._requires_grad != flag:
            flags.append(FlagEffect(owner, tensor._requires_grad))
    return Recording(
        graph,
        _forward_part(recorder, graph),
        bindings,
        tuple(results),
        description,
        tuple(gradients),
        tuple(guards),
        differentiable,
        tuple(pending),
        saved,
        _sharing(recorder, arguments, entered),
        len(arguments),
        tuple(recorder.size_guards.values()),
        recorder.fixed,
        recorder.fixed_values,
        leaves,
        made_leaves,
        tuple((position, len(pending) + list(histories).index(node)) for position, node in written_inputs),
        tuple(flags),
        tuple(data),
        tuple(outputs.orders),
        contents=described_contents,
    )


def _refuse_python_rules(recorder: GraphRecorder, result: Tensor) -> None:
    """Raise CaptureError where a result would be differentiated from outside through what is no part of a program."""
    rules = python_rules_below(result.grad_fn, recorder.first_sequence)
    rule = next((rule for rule in rules if rule not in recorder.ruled), None)
    if rule is not None:
        raise (CaptureError if recorder.records_rules else RuleError)(
            f"the result of a compiled function could be differentiated through {rule.name()}, whose rule can't be "
            "part of the program: call backward() inside, or detach() the result",
            rule.location,
        )
    hooked = hooked_below(result.grad_fn, recorder.first_sequence)
    if hooked is not None:
        raise CaptureError(
            f"the result of a compiled function could be differentiated through {hooked.name()}, on which a "
            "hook was registered that no later call would register: call backward() inside, or register hooks "
            "on the results, outside",
            hooked.location,
        )


def _sharing(recorder: GraphRecorder, arguments: list[Tensor], entered: list[Memory]) -> Sharing:
    """How the arguments share memory with each other and with what the function reaches by itself."""
    first: dict[int, int] = {}
    same: list[tuple[int, int, tuple[View, ...]]] = []
    joined: list[tuple[int, int, tuple[View, ...], tuple[int, ...], Any]] = []
    for position, (tensor, memory) in enumerate(zip(arguments, entered, strict=True)):
        if memory.joined:
            array, one = tensor._storage.array, first.setdefault(id(memory), position)
            joined.append((position, one, tensor._chain, array.shape, array.dtype))
            continue
        earlier = first.setdefault(id(memory), position)
        if earlier != position:
            same.append((position, earlier, tensor._chain[len(memory.prefix) :]))
    gradients = {id(slot.at_entry._storage) for slot in recorder.gradients.values() if slot.at_entry is not None}
    pinned = [
        (position, tensor._storage)
        for position, tensor in enumerate(arguments)
        if recorder.reaches(tensor._storage) or id(tensor._storage) in gradients
    ]
    return Sharing(tuple(same), tuple(pinned), tuple(joined))


def _differentiable(
    recorder: GraphRecorder,
    whole: Graph,
    arguments: list[Tensor],
    entered: list[Memory],
    ends: Sequence[tuple[Node, TapeNode]],
    written: set[Node],
    made: Mapping[str, Tensor],
) -> tuple[Differentiable, dict[str, Tensor]]:
    """The graph as whoever called the function may differentiate it: results, and what wants a gradient, by name.

    An argument, and a tensor that is the whole of an input, has the input's name; other tensors, such as a parameter
    that shows a part of some memory, have names of their own, by which they are given too. ``made`` are leaves that
    were made within and are handed out; at others that were made within a sweep ends. ``ends`` are the results, each
    with its node on the tape.
    """
    wanted: dict[str, dict[Node, None]] = {}
    edges: dict[TapeNode, str] = {}
    leaves: dict[str, Tensor] = {}
    ended: set[Node] = set()
    names_of_made = {id(tensor): name for name, tensor in made.items()}
    for tensor, memory in zip(arguments, entered, strict=True):
        if tensor.requires_grad and tensor.grad_fn is not None:
            wanted[memory.input.name] = {memory.input: None}
            edges[tensor.grad_fn] = memory.input.name
    for tensor, _ in recorder.leaves.values():
        memory = recorder.memory_of(tensor)
        values = recorder.leaf_values.get(id(tensor))
        if not values or memory is None:
            continue
        if id(tensor) in recorder.rebound:
            name = f"{recorder.name_of(recorder.rebound[id(tensor)][1])}.leaf_{len(leaves)}"
            leaves[name] = tensor
            wanted.setdefault(name, {}).update(values)
            continue
        if memory.input is None or recorder.made(tensor):
            if id(tensor) in names_of_made:
                wanted[names_of_made[id(tensor)]] = dict(values)
            else:
                ended.update(values)
            continue
        name = memory.input.name
        if memory.holder is not tensor and not any(tensor is argument for argument in arguments):
            name = f"{name}.leaf_{len(leaves)}"
            leaves[name] = tensor
        wanted.setdefault(name, {}).update(values)
        if tensor.requires_grad:
            edges[gradient_edge(tensor)] = name
    values_of = {name: tuple(values) for name, values in wanted.items()}
    savable, stopped = frozenset(whole.nodes) | written, frozenset(recorder.stopped | ended)
    zeros = tuple(leads_to(node, edges) for _, node in ends)
    nodes = tuple(node for node, _ in ends)
    return Differentiable(recorder.builder, nodes, values_of, savable, stopped, written, zeros), leaves


def _tidy(graph: Graph) -> Graph:
    """Without dead nodes; an input that is written becomes state."""
    live = live_nodes(graph)
    written = {update.state for update in graph.updates}
    builder = Builder(graph.name)
    mapping: dict[Node, Node] = {}
    for node in graph.inputs:
        kind = "state" if node in written else node.kind
        mapping[node] = builder.input(node.name, node.type, kind).node
    for node in graph.nodes:
        if node in live:
            mapping[node] = builder.add(node.op, [mapping[i] for i in node.inputs], node.attrs, node.location)
    return builder.build(
        [(output.name, mapping[output.node]) for output in graph.outputs],
        [(mapping[update.state], mapping[update.node]) for update in graph.updates],
    )


def _same_memory(one: Tensor, other: Tensor) -> bool:
    own, its = one._array, other._array
    return one._storage is other._storage and (own.strides, own.ctypes.data) == (its.strides, its.ctypes.data)


def _final_gradients(slots: Sequence[GradientSlot]) -> list[Tensor]:
    return [slot.tensor._grad for slot in slots if slot.tensor._grad is not None]


def _owner(tensor: Tensor, arguments: Sequence[Tensor]) -> Owner:
    for position, argument in enumerate(arguments):
        if argument is tensor:
            return Owner(None, position)
    return Owner(tensor)


def _own_gradients(
    slots: Sequence[GradientSlot], arguments: Sequence[Tensor], held: Iterable[tuple[Any, Any]]
) -> set[int]:
    """The storages, by their ids, of gradients that were found and have memory to themselves, all of which they show: a
    program may find another gradient in the place of such a one."""
    gradients = [slot.at_entry for slot in slots if slot.at_entry is not None]
    known = [id(tensor._storage) for tensor in (*gradients, *arguments)]
    known += [id(value._storage) for _, value in held if isinstance(value, Tensor)]
    return {
        id(gradient._storage)
        for gradient in gradients
        if is_whole(gradient) and known.count(id(gradient._storage)) == 1
    }


def _bind(
    recorder: GraphRecorder,
    graph: Graph,
    entered: list[Memory],
    arguments: Sequence[Tensor],
    loose: Mapping[Storage, Placed],
    own: Container[int],
) -> tuple[Binding, ...]:
    of_argument = {memory.input.name: position for position, memory in reversed(list(enumerate(entered)))}
    of_scalar = {scalar.node.name: scalar for scalar in recorder.scalars}
    of_memory = {memory.input.name: memory for memory in recorder.memories()}
    of_gradient = {
        id(slot.at_entry._storage): _owner(slot.tensor, arguments)
        for slot in recorder.gradients.values()
        if slot.at_entry is not None and id(slot.at_entry._storage) in own
    }
    bindings: list[Binding] = []
    for node in graph.inputs:
        if node.name in of_argument:
            position = of_argument[node.name]
            binding = FromArgumentMemory if entered[position].joined else FromArgument
            bindings.append(binding(position))
        elif node.name in of_scalar:
            bindings.append(FromScalar(of_scalar[node.name]))
        elif id(of_memory[node.name].tensor._storage) in of_gradient:
            bindings.append(FromGradient(of_gradient[id(of_memory[node.name].tensor._storage)]))
        else:
            memory = of_memory[node.name]
            tensor = memory.tensor if memory.owner is None else memory.owner
            bindings.append(FromOutside(tensor, loose.get(tensor._storage)))
    return tuple(bindings)


def _forward_part(recorder: GraphRecorder, graph: Graph) -> Graph:
    """The graph up to where the backward pass begins: what the user's forward code computed."""
    inside, forward = set(graph.inputs), []
    varying = set(graph.inputs)  # all but constants, such as the cotangent that a backward pass starts from
    for node in graph.nodes:
        phase = "forward" if node.location is None else node.location.phase
        if phase == "backward":
            break
        if phase == "forward" and all(operand in inside for operand in node.inputs):
            inside.add(node)
            forward.append(node)
            if not varying.isdisjoint(node.inputs):
                varying.add(node)
    used = {operand for node in forward for operand in node.inputs}
    outputs = [output for output in graph.outputs if output.node in inside]
    named = {output.node for output in outputs}
    last = [node for node in forward if node in varying and node not in used and node not in named]
    ends = (*outputs, *(Output(f"value_{position}", node) for position, node in enumerate(last)))
    reached = live_nodes(Graph(graph.name, graph.inputs, tuple(forward), ends))
    return Graph(
        graph.name,
        tuple(node for node in graph.inputs if node in reached),
        tuple(node for node in forward if node in reached),
        ends,
    )


def _guard_modes(recorder: GraphRecorder, function: Callable[..., Any]) -> None:
    """Guard the modes of all modules that the function reaches: it may read the flag of one that it doesn't call."""
    for _, value in reached_by(function):
        if hasattr(value, "named_parameters"):
            for module in value.modules():
                recorder.guard(module, "training", module.training)


__all__ = ["Recording", "capture", "trace", "unflatten"]
