"""What is reset so that a node that is over runs again: the node, and what began after it was over.

What depends on a node cannot have begun before a frame knew that the node is over. So its dependents are the nodes that
began in that frame or later: a superset of what has read its output, which the log tells without the author's code. The
reset takes them back to not having run, and loops and blocks to where they were before that frame. Nodes that had begun
earlier keep what they have. Attempts are counted on, so that nothing in the log gets a second entry with its key.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from smithers.engine.entry import Entry, Json, node_key, split_node_key
from smithers.engine.fold import fold, reset_keys
from smithers.engine.stages import FIRST
from smithers.engine.state import CLOSED, OPEN_STATES, TURN_WANTED, NodeMemory, State
from smithers.errors import NodeNotFound, WrongState

OVER: Final = ("finished", "failed", "cancelled", "skipped")
NOT_BEGUN: Final = ("", "pending", "unmounted", "cancelling")
INSTEAD: Final = ". Retry what comes after the block, or start another run"


@dataclass(frozen=True, slots=True)
class Reset:
    """What a `retried` fact says, and who it is about."""

    target: str
    """Key of the node that is to run again."""
    dependents: tuple[str, ...]
    """Keys of those that are reset with it, sorted."""
    data: Json


def reset_of(run_id: str, entries: Sequence[Entry], key: str, *, dependents: bool = True) -> Reset:
    """What resetting the node with this key means at the end of this log.

    The log of a failed run ends with the `resumed` that is about to be stored before it. Raises `NodeNotFound` for a
    node that no frame has shown, and `WrongState`, which names the state found: for a run that has finished, was
    cancelled or is being cancelled, for a node that is not over, where a dependent runs, and where a loop or a block
    has gone on so that the node has no place any more.
    """
    state = fold(State(run_id=run_id), entries)
    over(state, key)
    node, iteration = split_node_key(key)
    turn = turning_point(entries, key)
    before = fold(State(run_id=run_id), (entry for entry in entries if entry.seq < turn)) if turn else state
    refuse_blocks(state, before, key)
    if stands_open(state, key, entries):
        return Reset(key, (), {"node": node, "iteration": iteration})
    later = [one for one in begun_since(entries, turn) if one != key] if turn and dependents else []
    refuse_running(state, key, later)
    if not dependents:
        refuse_passes(state, key)
    keys = [key, *later]
    data: Json = {"node": node, "iteration": iteration, "reset": keys, "closed": sorted(timers(state, keys))}
    data["absent"] = {one: why for one, why in state.absent.items() if one not in keys}
    if dependents:
        stages = {block: state.stages[block] for block in before.stages if block in state.stages}  # else reset since
        data |= {"loops": before.loops, "ended_loops": before.ended_loops, "stages": stages}
    return Reset(key, tuple(later), data)


def over(state: State, key: str) -> None:
    """Raises `NodeNotFound` and `WrongState` for what cannot run again."""
    node, _ = split_node_key(key)
    memory = state.nodes.get(key)
    if memory is None:
        raise NodeNotFound(f"Run {state.run_id} has no node {told(key)}.", node=node)
    if state.status in CLOSED:
        raise WrongState(
            f"Run {state.run_id} is {state.status}, which is final. Only open and failed runs go on.",
            status=state.status,
        )
    if state.cancelled is not None:
        by = state.cancelled.get("by") or "somebody"
        raise refusal(state, key, f"{by} asked to cancel the run, in which nothing begins any more")
    if memory.shown not in OVER and not memory.has_output:
        why = {"running": "it is running", "pending": "it has not run yet"}.get(memory.shown, f"it is {memory.shown}")
        raise refusal(state, key, why)


def stands_open(state: State, key: str, entries: Sequence[Entry]) -> bool:
    """Whether it is enough to open the node: it has ended badly, and nothing has gone on because of that."""
    is_resumed = bool(entries) and entries[-1].kind == "resumed"
    return not state.nodes[key].has_output and (is_resumed or key not in state.absent)


def turning_point(entries: Iterable[Entry], key: str) -> int:
    """Position of the frame that first knew that the node is over; 0 where none does.

    That it has run again since, as others had gone on, changes nothing of who came after it.
    """
    turn = 0
    for entry in entries:
        if entry.kind == "frame" and not turn and entry.data.get("nodes", {}).get(key, "") in OVER:
            turn = entry.seq
        elif entry.kind == "retried" and key in opened(entry.data):
            turn = 0
    return turn


def opened(data: Json) -> list[str]:
    """Keys of the nodes that began anew with all that came after them."""
    return reset_keys(data)[1:] if "reset" in data else reset_keys(data)


def begun_since(entries: Iterable[Entry], turn: int) -> list[str]:
    """Keys of the nodes that began, or were ended without having begun, in the frame at `turn` or later.

    A node that somebody has had run again still counts from when it began first; those that were reset with it do not.
    """
    first: dict[str, int] = {}
    for entry in entries:
        if entry.kind == "retried":
            for key in reset_keys(entry.data)[1:]:
                first.pop(key, None)
        if entry.kind != "frame":
            continue
        for _, kind, node, iteration, attempt, _ in entry.data.get("commands", ()):
            if kind in ("run", "child", "subflow") or (kind == "timer" and not attempt):
                first.setdefault(node_key(node, iteration), entry.seq)
        for key, shown in entry.data.get("nodes", {}).items():
            if shown not in NOT_BEGUN:
                first.setdefault(key, entry.seq)
    return sorted(key for key, seq in first.items() if seq >= turn)


def timers(state: State, keys: Iterable[str]) -> set[int]:
    """Open timers of these nodes: nobody waits for them any more."""
    found = {n for key in keys for n in clocks_of(state.nodes[key])}
    found |= {state.nodes[key].n for key in keys if is_timer(state.nodes[key])}
    return found - {0}


def clocks_of(memory: NodeMemory) -> tuple[int, ...]:
    """Those of its question."""
    return memory.expiry, memory.reminder, memory.escalation


def is_timer(memory: NodeMemory) -> bool:
    return memory.timer or memory.waits is not None or memory.turn == TURN_WANTED


def refuse_running(state: State, key: str, later: Iterable[str]) -> None:
    running = [one for one in later if state.nodes[one].n and not is_timer(state.nodes[one])]
    if running:
        names = ", ".join(map(told, running[:5]))
        raise refusal(
            state,
            key,
            f"{names} began after it and is running. Pause the run and wait for its end, or retry it alone (--no-deps)",
        )


def refuse_blocks(state: State, before: State, key: str) -> None:
    """What a block has caught, cleaned up after, undone or left to the winner is decided for ever.

    A block that a resumed run returns to is in its first stage again, in another round.
    """
    for block, record in state.stages.items():
        if key in record.get("left", ()) or is_about(record.get("error"), key):
            raise refusal(state, key, f"block {told(block)} has dealt with its end already, which is final{INSTEAD}")
        if before.stages.get(block, record) != record and (record["stage"] != FIRST or "round" not in record):
            raise refusal(
                state, key, f"block {told(block)} has gone on since, and goes back to no earlier stage{INSTEAD}"
            )


def is_about(error: Json | None, key: str) -> bool:
    return bool(error) and node_key(error.get("node", ""), error.get("iteration", "")) == key


def refuse_passes(state: State, key: str) -> None:
    node, iteration = split_node_key(key)
    loops, path = state.homes.get(node, "").split("/"), iteration.split(".") if iteration else []
    for depth, turn in enumerate(path):
        loop = node_key(loops[depth], ".".join(path[:depth]))
        if state.loops.get(loop) != int(turn) or loop in state.ended_loops:
            raise refusal(
                state,
                key,
                f"pass {turn} of loop {loops[depth]!r} is over. Without --no-deps the loop goes back to it",
            )


def refusal(state: State, key: str, why: str) -> WrongState:
    shown = state.nodes[key].shown
    return WrongState(
        f"{told(key)} of run {state.run_id} cannot be retried: {why}.{look(state, key)}", node=key, state=shown
    )


def told(key: str) -> str:
    node, iteration = split_node_key(key)
    return f"{node} #{iteration}" if iteration else node


def look(state: State, key: str) -> str:
    """Who meets a node that is not over may want to know why."""
    node, iteration = split_node_key(key)
    turn = f" --iteration {iteration}" if iteration else ""
    is_open = state.nodes[key].shown in OPEN_STATES
    return f" `smithers node {node} --run-id {state.run_id}{turn}` says how it stands." if is_open else ""
