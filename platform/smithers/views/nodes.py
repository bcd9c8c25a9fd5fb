"""Nodes: how one is found, and what is said of it."""

from __future__ import annotations

from typing import Final

from smithers.engine.entry import Json
from smithers.engine.frame import NodeRow
from smithers.errors import NodeNotFound
from smithers.store.interface import Store

SYMBOLS: Final = {
    "pending": "·",
    "ready": "○",
    "running": "→",
    "cancelling": "⊗",
    "waiting-approval": "⏸",
    "waiting-event": "⏸",
    "waiting-queue": "⧗",
    "waiting-timer": "⏱",
    "finished": "✓",
    "skipped": "↷",
    "failed": "✗",
    "cancelled": "⊗",
    "continued": "↪",
}
COLOURS: Final = {
    "running": "cyan",
    "cancelling": "yellow",
    "waiting-approval": "yellow",
    "waiting-event": "yellow",
    "waiting-queue": "yellow",
    "waiting-timer": "yellow",
    "waiting-code": "yellow",
    "paused": "yellow",
    "finished": "green",
    "continued": "green",
    "failed": "red",
    "pending": "dim",
    "skipped": "dim",
    "cancelled": "dim",
}


def shown_iteration(iteration: str) -> str:
    """Outside of loops there is one iteration, 0."""
    return iteration or "0"


def named(node: str, iteration: str) -> str:
    """`review`, or `review #2.1` inside loops."""
    return f"{node} #{iteration}" if iteration else node


def article(kind: str) -> str:
    """`an approval`, `a task`."""
    return f"{'an' if kind[:1] in 'aeiou' else 'a'} {kind}"


def how_to_look(run_id: str, row: NodeRow) -> str:
    """The command that says everything about a node."""
    turn = f" --iteration {row.iteration}" if row.iteration else ""
    return f"smithers node {row.node} --run-id {run_id}{turn}"


def node_wire(row: NodeRow) -> Json:
    return {
        "nodeId": row.node,
        "iteration": shown_iteration(row.iteration),
        "kind": row.kind,
        "state": row.state,
        "attempt": row.attempt,
        "label": row.label,
        "detail": row.detail,
    }


def find_node(store: Store, run_id: str, node: str, iteration: str | None = None) -> NodeRow:
    """The latest iteration by default. Raises `NodeNotFound`, which names the nearest ids."""
    if iteration == "0":
        try:
            return store.node(run_id, node, "0")
        except NodeNotFound:
            return store.node(run_id, node, "")
    return store.node(run_id, node, iteration)


def told_error(error: Json | None) -> str:
    """The first line of an error, for a list."""
    message = str((error or {}).get("message") or (error or {}).get("code") or "no reason was stored")
    return message.splitlines()[0] if message else ""
