"""A state as plain data and back, so that a cold start need not fold a long log.

A snapshot is worth no more than the log: it holds what a fold up to its position gives, and whoever cannot read it
folds the log instead. `fold.VERSION` stands beside it in the store.

Most nodes of a long run are finished tasks that nothing will happen to any more. They are rows of a few values; what is
unusual about a node stands in a dictionary behind them. What follows from the nodes is made again from them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final

from smithers.engine.entry import Json, split_node_key
from smithers.engine.state import NodeMemory, Path, State, path_of

USUAL: Final = ("attempt", "ended", "outcome", "output", "has_output", "shown")
"""What finished tasks differ in."""
UNUSUAL: Final = tuple(field.name for field in fields(NodeMemory) if field.name not in USUAL)
_usual = attrgetter(*USUAL)
_unusual = attrgetter(*UNUSUAL)
_blank = _unusual(NodeMemory())


def pack(state: State) -> Json:
    """The state as JSON. It shares outputs and other parts with the state: write it out before the state goes on."""
    return {name: PACKS[name](value) if name in PACKS else value for name, value in _parts(state)}


def unpack(data: Json) -> State:
    """Takes `data` over: do not use it afterwards. Raises `KeyError`, `TypeError` or `ValueError` for anything that
    `pack` has not made."""
    state = State(**{name: UNPACKS[name](value) if name in UNPACKS else value for name, value in data.items()})
    for key, memory in state.nodes.items():
        if memory.has_output:
            node, iteration = split_node_key(key)
            path = path_of(iteration)
            state.finished.setdefault((node, path), path)
    return state


def _parts(state: State) -> list[tuple[str, Any]]:
    return [(field.name, getattr(state, field.name)) for field in fields(State)]


def _pack_nodes(nodes: dict[str, NodeMemory]) -> list[Any]:
    return [_pack_node(key, memory) for key, memory in nodes.items()]


def _pack_node(key: str, memory: NodeMemory) -> Any:
    unusual = _unusual(memory)
    if unusual == _blank:
        return (key, *_usual(memory))
    special = {name: value for name, value, blank in zip(UNUSUAL, unusual, _blank, strict=True) if value != blank}
    return (key, *_usual(memory), special)


def _unpack_nodes(rows: list[list[Any]]) -> dict[str, NodeMemory]:
    return {row[0]: _unpack_node(row) for row in rows}


def _unpack_node(row: list[Any]) -> NodeMemory:
    memory = NodeMemory()
    _, memory.attempt, memory.ended, memory.outcome, memory.output, memory.has_output, memory.shown, *special = row
    for name, value in special[0].items() if special else ():
        setattr(memory, name, NODE_UNPACKS[name](value) if name in NODE_UNPACKS else value)
    return memory


def _pack_finished(finished: dict[tuple[str, Path], Path]) -> list[Any]:
    """Of whole iterations nothing: the nodes say it."""
    return [(node, outer, inner) for (node, outer), inner in finished.items() if outer != inner]


def _unpack_finished(rows: list[list[Any]]) -> dict[tuple[str, Path], Path]:
    return {(node, tuple(outer)): tuple(inner) for node, outer, inner in rows}


def _numbered(data: dict[str, Any]) -> dict[int, Any]:
    """JSON's keys are texts."""
    return {int(key): value for key, value in data.items()}


PACKS: Final[dict[str, Callable[[Any], Any]]] = {"nodes": _pack_nodes, "finished": _pack_finished}
UNPACKS: Final[dict[str, Callable[[Any], Any]]] = {
    "nodes": _unpack_nodes,
    "finished": _unpack_finished,
    "by_command": _numbered,
    "open_other": _numbered,
    "clocks": lambda data: {n: tuple(value) for n, value in _numbered(data).items()},
    "signals": lambda data: {name: _numbered(kept) for name, kept in data.items()},
}
NODE_UNPACKS: Final[dict[str, Callable[[Any], Any]]] = {"waits": tuple, "unfit": _numbered}
