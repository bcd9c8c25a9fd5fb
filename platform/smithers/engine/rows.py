"""What people see of one node in a frame: its state, and what goes with that state."""

from __future__ import annotations

from typing import Any

from smithers.engine.around import around
from smithers.engine.asks import label_of, request
from smithers.engine.budgets import shown_usage
from smithers.engine.command import STOPPING, Command
from smithers.engine.entry import Json
from smithers.engine.fit import schema_of
from smithers.engine.frame import NodeRow
from smithers.engine.judge import reason
from smithers.engine.mounts import Leaf
from smithers.engine.people import ask_of
from smithers.engine.state import NodeMemory
from smithers.engine.turns import queue_around
from smithers.flow.continuing import ContinueAsNew
from smithers.flow.event import WaitForEvent
from smithers.flow.subflow import Outcome
from smithers.flow.task import Task
from smithers.flow.usage import Usage


def row(
    leaf: Leaf,
    state: str,
    memory: NodeMemory | None,
    command: Command | None,
    unfit: dict[str, str],
    output: Json | None,
) -> NodeRow:
    element = leaf.element
    attempt = 0 if memory is None else memory.attempt
    detail: Json = {"output": element.output.__name__} if isinstance(element, Task) else {}
    if isinstance(element, Outcome):
        detail = {"output": element.subflow.output.__name__, "mode": "inline"}
    if isinstance(element, ContinueAsNew):
        detail = {"carried_bytes": element.size_bytes}
    asks = ask_of(leaf)
    if element.meta:
        detail["meta"] = dict(element.meta)
    if asks is not None and state == "waiting-approval":
        detail |= request(asks, memory) | ({"mode": "gate"} if isinstance(element, Task) else {})
    if output is not None:
        detail["value"] = output
    if isinstance(element, WaitForEvent):
        detail |= event_detail(element, state, memory, unfit)
    if memory is not None and state == "failed":
        detail["error"] = reason(element, memory)
    queue = queue_around(leaf)
    if queue is not None:
        detail["queue"] = queue.name
    if memory is not None and memory.usage is not None:
        detail["usage"] = shown_usage(leaf, Usage(*memory.usage))
    if memory is not None and memory.cached and state == "finished":
        detail["cached"] = {"run": memory.cached}
    if command is not None and command.kind not in STOPPING:
        attempt = command.attempt
    label = label_of(asks) if asks is not None else element.label
    place = around(leaf, state)
    iteration, ordinal = leaf.scope.iteration, leaf.ordinal
    return NodeRow(element.id, iteration, leaf.kind, state, attempt, label, ordinal, detail or None, around=place)


def event_detail(element: WaitForEvent[Any], state: str, memory: NodeMemory | None, unfit: dict[str, str]) -> Json:
    """What people and senders need to know of a wait; once it is over, which signal it has taken."""
    found: Json = {"event": element.event, "correlation": element.correlation_id, "output": element.output.__name__}
    if state == "waiting-event":
        known = {} if memory is None else {str(seq): why for seq, why in memory.unfit.items()}
        noted = [{"seq": int(seq), "why": why} for seq, why in {**known, **unfit}.items()]
        found |= {"schema": schema_of(element.output), "on_timeout": element.on_timeout, "unfit": noted}
    if state == "finished" and memory is not None:
        found |= {"signal": memory.signal} if memory.signal else {"timeout": "continue"}
    return found
