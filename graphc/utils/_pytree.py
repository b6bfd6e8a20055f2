"""Nests of containers as lists of their leaves and back, as in ``torch.utils._pytree``.

Tuples, named tuples, lists, dicts, ordered and default dicts, deques, and classes that are registered hold parts; all
else is a leaf, None too.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import UnionType
from typing import Any, NamedTuple

from graphc.storage import Size

__all__ = [
    "LeafSpec",
    "PyTree",
    "TreeSpec",
    "register_pytree_node",
    "tree_all",
    "tree_any",
    "tree_flatten",
    "tree_iter",
    "tree_leaves",
    "tree_map",
    "tree_map_",
    "tree_map_only",
    "tree_structure",
    "tree_unflatten",
]

PyTree = Any
Leaf = Callable[[Any], bool] | None


class _Kind(NamedTuple):
    """How a container is taken apart (its parts, and what else it is) and put together."""

    flatten: Callable[[Any], tuple[Iterable[Any], Any]]
    unflatten: Callable[[Iterable[Any], Any], Any]


class _NamedTuple:
    """Stands for the classes of named tuples; the class itself is the context."""


def _of_dict(value: Any) -> tuple[list[Any], Any]:
    return list(value.values()), list(value)


def _of_default_dict(value: Any) -> tuple[list[Any], Any]:
    return list(value.values()), [value.default_factory, list(value)]


_KINDS: dict[type, _Kind] = {
    tuple: _Kind(lambda value: (list(value), None), lambda parts, _: tuple(parts)),
    list: _Kind(lambda value: (value, None), lambda parts, _: list(parts)),
    Size: _Kind(lambda value: (list(value), None), lambda parts, _: tuple(parts)),
    dict: _Kind(_of_dict, lambda parts, keys: dict(zip(keys, parts, strict=True))),
    OrderedDict: _Kind(_of_dict, lambda parts, keys: OrderedDict(zip(keys, parts, strict=True))),
    defaultdict: _Kind(
        _of_default_dict, lambda parts, context: defaultdict(context[0], zip(context[1], parts, strict=True))
    ),
    deque: _Kind(lambda value: (list(value), value.maxlen), lambda parts, longest: deque(parts, maxlen=longest)),
    _NamedTuple: _Kind(lambda value: (list(value), type(value)), lambda parts, kind: kind(*parts)),
}


def register_pytree_node(
    cls: type,
    flatten_fn: Callable[[Any], tuple[Iterable[Any], Any]],
    unflatten_fn: Callable[[Iterable[Any], Any], Any],
    **others: Any,
) -> None:
    """Let instances of a class hold parts. ``flatten_fn(value)`` gives the parts and a context, ``unflatten_fn(parts,
    context)`` the instance again. Raises ValueError for a class that is known."""
    if cls in _KINDS:
        raise ValueError(f"{cls} is already registered as pytree node.")
    _KINDS[cls] = _Kind(flatten_fn, unflatten_fn)


@dataclass(frozen=True, repr=False)
class TreeSpec:
    """What a nest is without its leaves: the container's class (None for a leaf), its context, and its parts."""

    type: Any
    context: Any
    children_specs: list[TreeSpec]

    def is_leaf(self) -> bool:
        """Whether this is a leaf."""
        return self.type is None

    @property
    def num_leaves(self) -> int:
        """How many leaves there are."""
        return 1 if self.type is None else sum(child.num_leaves for child in self.children_specs)

    @property
    def num_nodes(self) -> int:
        """How many leaves and containers there are."""
        return 1 + sum(child.num_nodes for child in self.children_specs)

    @property
    def num_children(self) -> int:
        """How many parts the container has."""
        return len(self.children_specs)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TreeSpec):
            return NotImplemented
        return (self.type, self.context, self.children_specs) == (other.type, other.context, other.children_specs)

    def __hash__(self) -> int:
        return hash((self.type, self.num_leaves))

    def __repr__(self) -> str:
        if self.type is None:
            return "*"
        name = "namedtuple" if self.type is _NamedTuple else self.type.__name__
        return f"TreeSpec({name}, {self.context}, [{', '.join(map(repr, self.children_specs))}])"

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """The nest with these leaves. Raises ValueError for another number of them."""
        given = list(leaves)
        if len(given) != self.num_leaves:
            raise ValueError(
                f"treespec.unflatten(leaves): `leaves` has length {len(given)} but the spec refers to a pytree that "
                f"holds {self.num_leaves} items ({self})."
            )
        return self._filled(iter(given))

    def _filled(self, leaves: Any) -> Any:
        if self.type is None:
            return next(leaves)
        return _KINDS[self.type].unflatten([child._filled(leaves) for child in self.children_specs], self.context)


def LeafSpec() -> TreeSpec:
    """The description of a leaf."""
    return TreeSpec(None, None, [])


def _kind_of(value: Any) -> type | None:
    kind = type(value)
    if kind in _KINDS:
        return kind
    return _NamedTuple if isinstance(value, tuple) and isinstance(getattr(kind, "_fields", None), tuple) else None


def tree_flatten(tree: PyTree, is_leaf: Leaf = None) -> tuple[list[Any], TreeSpec]:
    """The leaves of a nest, and what it is without them. ``is_leaf`` says of a container that it is to be one."""
    leaves: list[Any] = []
    return leaves, _taken_apart(tree, is_leaf, leaves)


def _taken_apart(tree: PyTree, is_leaf: Leaf, leaves: list[Any]) -> TreeSpec:
    kind = _kind_of(tree)
    if kind is None or (is_leaf is not None and is_leaf(tree)):
        leaves.append(tree)
        return LeafSpec()
    parts, context = _KINDS[kind].flatten(tree)
    return TreeSpec(kind, context, [_taken_apart(part, is_leaf, leaves) for part in parts])


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> PyTree:
    """The nest that has these leaves. Raises TypeError for what is no description, ValueError for another number."""
    if not isinstance(treespec, TreeSpec):
        raise TypeError(
            f"tree_unflatten(leaves, treespec): Expected `treespec` to be instance of TreeSpec but got item of type "
            f"{type(treespec)}."
        )
    return treespec.unflatten(leaves)


def tree_iter(tree: PyTree, is_leaf: Leaf = None) -> Iterable[Any]:
    """The leaves, one after another."""
    return iter(tree_flatten(tree, is_leaf)[0])


def tree_leaves(tree: PyTree, is_leaf: Leaf = None) -> list[Any]:
    """The leaves."""
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: PyTree, is_leaf: Leaf = None) -> TreeSpec:
    """What a nest is without its leaves."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: Leaf = None) -> PyTree:
    """The nest with what a function gives for each leaf, and for what stands in its place in others.

    Raises ValueError where another nest is not of the same containers.
    """
    leaves, spec = tree_flatten(tree, is_leaf)
    return spec.unflatten(map(func, leaves, *(_leaves_like(spec, other) for other in rests)))


def _leaves_like(spec: TreeSpec, tree: PyTree) -> list[Any]:
    if spec.type is None:
        return [tree]
    if _kind_of(tree) is not spec.type:
        raise ValueError(f"Node type mismatch; expected {spec.type!r}, but got {type(tree)!r}.")
    parts, context = _KINDS[spec.type].flatten(tree)
    parts = list(parts)
    if spec.type in (dict, OrderedDict, defaultdict):
        keys = spec.context[1] if spec.type is defaultdict else spec.context
        if set(tree) != set(keys):
            raise ValueError(f"Node keys mismatch; expected {keys!r}, but got {list(tree)!r}.")
        parts = [tree[key] for key in keys]
    elif context != spec.context:
        raise ValueError(f"Node context mismatch; expected {spec.context!r}, but got {context!r}.")
    if len(parts) != spec.num_children:
        raise ValueError(f"Node arity mismatch; expected {spec.num_children}, but got {len(parts)}.")
    return [leaf for child, part in zip(spec.children_specs, parts, strict=True) for leaf in _leaves_like(child, part)]


def tree_map_(func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: Leaf = None) -> PyTree:
    """Call a function with each leaf, for what it does; gives the nest itself."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def tree_map_only(
    type_or_types_or_pred: Any, /, func: Callable[[Any], Any], tree: PyTree, is_leaf: Leaf = None
) -> PyTree:
    """The nest with what a function gives for those leaves that are of a class, or for which a function holds."""
    kinds = type_or_types_or_pred
    if isinstance(kinds, (type, tuple, UnionType)):
        return tree_map(lambda leaf: func(leaf) if isinstance(leaf, kinds) else leaf, tree, is_leaf=is_leaf)
    return tree_map(lambda leaf: func(leaf) if kinds(leaf) else leaf, tree, is_leaf=is_leaf)


def tree_all(pred: Callable[[Any], bool], tree: PyTree, is_leaf: Leaf = None) -> bool:
    """Whether something holds for all leaves."""
    return all(map(pred, tree_iter(tree, is_leaf)))


def tree_any(pred: Callable[[Any], bool], tree: PyTree, is_leaf: Leaf = None) -> bool:
    """Whether something holds for a leaf."""
    return any(map(pred, tree_iter(tree, is_leaf)))
